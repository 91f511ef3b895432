"""Batch: many states of one Program, stepped in one call that releases the interpreter lock.

>>> batch = Batch(Controller.load("cartpole.yaml").program, 64)
>>> commands = batch.step({"state": observations})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .controller import Stepped, alone
from .engine import sequences
from .engine.bound import input_taker
from .engine.compile import compile_function
from .engine.give import give, give_numbers
from .engine.program import Place, Program
from .engine.slots import AGE, FRESH
from .engine.tick import TABLES, run_tables
from .errors import InputError, ProgramError

__all__ = ["Batch"]

Rows = int | slice | np.ndarray | list | None


class Batch(Stepped):
    """``n`` controllers of one Program; each row has, to the bit, what a `Controller` of its own would have.

    Parameters
    ----------
    program : what to run; its constants are shared, not copied
    n : rows
    repeat : ticks in one `step`; the inputs are given to the first

    Threads may share a batch: each call is done alone.
    """

    def __init__(self, program: Program, n: int, repeat: int = 1) -> None:
        if n < 1:
            raise ProgramError(f"n = {n}: must be at least one row")
        super().__init__(program, repeat, n)
        self.n = n
        blocks = list(zip(self.bound.io, self.bound.state, strict=True))
        self._take = {k: [input_taker(program, *row, one) for row in blocks] for k, one in self.inputs.items()}
        self._run_tables = compile_function(run_tables, TABLES)
        self._first_io = self.bound.io[0].copy()

    # stepping ------------------------------------------------------------------------------------------------
    @alone
    def step(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """One tick of every row.

        observation : input name -> values (n, size); or a list of n entries, each as `Controller.step` takes it (for
            events always a list). An entry that is None, like an input that is None or absent, did not arrive.

        Returns output name -> (n, size) float64, a copy. Raises InputError for an unknown name or a wrong shape.
        """
        self._check_names(observation)
        for name in self.inputs:
            self._give(name, observation.get(name))
        self._tick()
        for _ in range(self.repeat - 1):
            for name in self.inputs:
                self._give(name, None)
            self._tick()
        return {name: command.copy() for name, command in self._commands.items()}

    def _tick(self) -> None:
        tables = self.bound.tables
        self._run_tables(int(tables.ctypes.data), tables.strides[0], self.n)
        for observe in self.observers:
            observe()

    def _give(self, name: str, value: Any) -> None:
        path, takers, data = f"observation['{name}']", self._take[name], self._data.get(name)
        if value is None:
            for take in takers:
                take(None)
        elif isinstance(value, list):
            if len(value) != self.n:
                raise InputError(f"{path}: {len(value)} entries: must be {self.n}, one a row")
            for k, (take, entry) in enumerate(zip(takers, value, strict=True)):
                if not take(entry):
                    give(f"{path}[{k}]", take, None if data is None else data[k], entry)
        elif data is None:
            raise InputError(f"{path}: {type(value).__name__}: must be a list of {self.n}, the events of each row")
        elif np.shape(value)[:1] != (self.n,):
            size = self.inputs[name].size
            raise InputError(f"{path}: shape {np.shape(value)}: must be ({self.n}, {size})")
        else:
            give_numbers(path, data, value)
            self._slots[name][:, FRESH], self._slots[name][:, AGE] = 1, 0

    @alone
    def run(
        self,
        observations: Mapping[str, np.ndarray],
        starts: np.ndarray | None = None,
        keep: Sequence[str | Place] = (),
        encoded: Sequence[str | Place] = (),
    ) -> dict[str | Place, np.ndarray]:
        """Many steps of every row in one compiled call, and what was recorded of them.

        observations : value input -> (steps, n, size), as `step` takes them one by one; one that is absent does not
            arrive
        starts : (steps, n) bool: the row begins anew, as after a `reset`, before that step
        keep : what is recorded beside the commands: named arrays or places of the state or the io block, as they are
            after each tick; of ``<population>.spikes`` how often each neuron fired in each network step
        encoded : arrays that are recorded as they are before the network's steps

        Returns output -> (steps, n, size) float64; array -> (ticks, n, ...), with ``repeat`` ticks a step; spikes ->
        (ticks, network steps a tick, n, neurons) float32. Raises InputError for an unknown input, a wrong shape, and an
        events input.
        """
        self._check_names(observations)
        given = {name: self._sequence(name, value) for name, value in observations.items()}
        if starts is not None:
            starts = np.ascontiguousarray(starts, np.uint8)
        arrays = [*given.values(), *([starts] if starts is not None else [])]
        if len({a.shape[:2] for a in arrays}) != 1 or arrays[0].shape[1] != self.n:
            shapes = ", ".join(str(a.shape) for a in arrays) or "none"
            raise InputError(f"observations and starts of shapes {shapes}: must all begin with (steps, {self.n})")
        names = self.program.names
        rings = {f"{p.name}.spikes": p for p in self.program.facts.populations if p.spiking}
        places = {one: one if isinstance(one, Place) else names[one] for one in [*keep, *encoded] if one not in rings}
        commands = {name: names[f"{name}.command"] for name in self._commands}
        wanted = [rings[one] for one in keep if one in rings]  # type: ignore[index]
        kept = [*commands.values(), *(places[one] for one in keep if one in places)]
        found = sequences.run(
            self.bound, self._first_io, given, starts, len(arrays[0]) * self.repeat, self.repeat,
            [places[one] for one in encoded], kept, wanted,
        )  # fmt: skip
        result: dict[str | Place, np.ndarray] = {one: found[place] for one, place in places.items()}
        result |= {f"{p.name}.spikes": found[p.name] for p in wanted}
        return result | {name: found[place][self.repeat - 1 :: self.repeat] for name, place in commands.items()}

    def _sequence(self, name: str, value: Any) -> np.ndarray:
        path, size = f"observations['{name}']", self.inputs[name].size
        if name not in self._data:
            raise InputError(f"{path}: is an events input; give events by step")
        array = np.ascontiguousarray(value, np.float64)
        if array.ndim < 2 or array.shape[1] != self.n or array[0, 0].size != size:
            raise InputError(f"{path}: shape {array.shape}: must be (steps, {self.n}, {size})")
        return array

    # state ---------------------------------------------------------------------------------------------------
    def reset(self, rows: Rows = None) -> None:
        """Back to the start, all rows or those of an index, a slice, a mask or a list of indices."""
        self._reset(... if rows is None else rows)

    def state(self, rows: Rows = None) -> np.ndarray:
        """(rows, bytes) uint8, a copy: in each row what `Controller.state` is."""
        return self._state(... if rows is None else rows)

    def restore(self, state: np.ndarray, rows: Rows = None) -> None:
        """Continue from a `state` of as many rows, or from one for all; ProgramError if it is another Program's."""
        self._restore(state, ... if rows is None else rows)

    def array(self, name: str) -> np.ndarray:
        """The named array of every row, (n, ...), a live view; of a constant the one that all share, read-only."""
        return self.bound.array(name)
