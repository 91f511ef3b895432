"""`Batch`: many instances of one controller, stepped in one call that releases the global interpreter lock.

>>> batch = Batch(Controller.load("cartpole.yaml").program, 64)
>>> commands = batch.step({"state": observations})
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..engine import sequences
from ..engine.compile import compile_function
from ..engine.input_values import set_input, set_numbers
from ..engine.program import Place, Program
from ..engine.slots import AGE, FRESH
from ..engine.tick import TABLES, run_tables
from ..errors import InputError, ProgramError
from .base import SteppedController, serialised

__all__ = ["Batch", "encoded_of"]

Rows = int | slice | np.ndarray | list | None


def encoded_of(program: Program, name: str) -> Place | None:
    """Return the place of an input's encoder output in the state, an (n,) float32 array that changes once per tick.

    Return None if the input has no such encoder.
    """
    found = (program.names.get(f"{name}.{key}") for key in ("drive", "pooled", "held"))
    return next((place for place in found if place is not None), None)


class Batch(SteppedController):
    """``n`` instances of one controller, called rows. Each row computes exactly the same results as a `Controller`.

    program : the Program to run; its constants are shared, not copied
    repeat : number of ticks in one `step`; only the first tick uses new inputs
    own_numbers : whether each row has separate constants and a separate initial state, see
        `snn_control.engine.bound.Bound`
    encoded : name of an events input -> place of its encoder's output in the state, a (cells,) float32 array

    Threads may share a batch: their calls run one after another.
    """

    def __init__(self, program: Program, n: int, repeat: int = 1, own_numbers: bool = False) -> None:
        if n < 1:
            raise ProgramError(f"n = {n}: must be at least one row")
        super().__init__(program, repeat, n, own_numbers=own_numbers)
        self.n = n
        self._run_tables = compile_function(run_tables, TABLES)
        self._first_io = self.bound.io[0].copy()
        places = {name: encoded_of(program, name) for name, one in self.inputs.items() if one.kind == "events"}
        self.encoded = {name: place for name, place in places.items() if place is not None}

    # stepping ------------------------------------------------------------------------------------------------
    @serialised
    def step(self, observation: Mapping[str, Any], encoded: Sequence[Place] = ()) -> dict[Any, np.ndarray]:
        """Run one tick, or ``repeat`` ticks, of every row.

        observation : input name -> values (n, size), or a list of n samples, each in the form that `Controller.step`
            accepts. For an events input, pass a list. An input that is None or missing has no new sample; a None in the
            list means no new sample for the row
        encoded : places of arrays to record in each tick, after encoding and before the network's steps

        Return a dictionary of copies: the commands (output name -> (n, size) float64) and the recorded arrays (place ->
        (n, repeat, ...)). Raises InputError for an unknown name or a wrong shape.
        """
        self._check_names(observation)
        seen = []
        for k in range(self.repeat):
            for name in self.inputs:
                self._give(name, observation.get(name) if k == 0 else None)
            seen.append(self._tick(encoded))
        found: dict[Any, np.ndarray] = {p: np.stack([tick[p][0] for tick in seen], axis=1) for p in encoded}
        return found | {name: command.copy() for name, command in self._commands.items()}

    def _tick(self, encoded: Sequence[Place] = ()) -> dict[Place | str, np.ndarray]:
        found: dict[Place | str, np.ndarray] = {}
        if encoded:
            found = sequences.run(self.bound, self._first_io, None, {}, None, 1, 1, encoded, (), ())
        else:
            tables = self.bound.tables
            self._run_tables(int(tables.ctypes.data), tables.strides[0], self.n)
        for observe in self.observers:
            observe()
        return found

    def _give(self, name: str, value: Any) -> None:
        path, takers, data = f"observation['{name}']", self._takers[name], self._data.get(name)
        if value is None:
            for take in takers:
                take(None)
        elif isinstance(value, list):
            if len(value) != self.n:
                raise InputError(f"{path}: {len(value)} entries: must be {self.n}, one for each row")
            for k, (take, entry) in enumerate(zip(takers, value, strict=True)):
                if not take(entry):
                    set_input(f"{path}[{k}]", take, None if data is None else data[k], entry)
        elif data is None:
            raise InputError(f"{path}: {type(value).__name__}: must be a list of {self.n}, the events of each row")
        elif np.shape(value)[:1] != (self.n,):
            size = self.inputs[name].size
            raise InputError(f"{path}: shape {np.shape(value)}: must be ({self.n}, {size})")
        else:
            set_numbers(path, data, value)
            self._slots[name][:, FRESH], self._slots[name][:, AGE] = 1, 0

    @serialised
    def run(
        self, observations: Mapping[str, np.ndarray], starts: np.ndarray | None = None,
        keep: Sequence[str | Place] = (), encoded: Sequence[str | Place] = (),
    ) -> dict[str | Place, np.ndarray]:  # fmt: skip
        """Run many steps of every row in one compiled call. Return the commands and the recorded arrays.

        observations : name of a value input -> (steps, n, size); a missing input gets no samples. For an events input,
            pass the encoder's output in each tick, as `step` records it, instead of the events: name -> (steps, n,
            repeat, cells) float32
        starts : (steps, n) bool; true resets the row before the step
        keep : names or places of arrays to record after each tick, in addition to the commands; ``<population>.spikes``
            is the number of spikes of each neuron in each network step
        encoded : places of arrays to record in each tick, after encoding and before the network's steps

        Return a dictionary with the commands and the recorded arrays. Each command is (steps, n, size) float64. Each
        recorded array is (ticks, n, ...), with ``repeat`` ticks per step. Spike counts are (ticks, network steps in a
        tick, n, neurons) float32. Raises InputError for an unknown input and for a wrong shape.
        """
        self._check_names(observations)
        given = {n: self._sequence(n, v) for n, v in observations.items() if n in self._data}
        again = {n: self._cells(n, v) for n, v in observations.items() if n not in self._data}
        if starts is not None:
            starts = np.ascontiguousarray(starts, np.uint8)
        shapes = [a.shape for a in [*given.values(), *again.values(), *([starts] if starts is not None else [])]]
        if len({shape[:2] for shape in shapes}) != 1 or shapes[0][1] != self.n:
            shown = ", ".join(map(str, shapes)) or "none"
            raise InputError(f"observations and starts of shapes {shown}: must all begin with (steps, {self.n})")
        names = self.program.names
        rings = {f"{p.name}.spikes": p for p in self.program.facts.populations if p.spiking}
        places = {one: one if isinstance(one, Place) else names[one] for one in [*keep, *encoded] if one not in rings}
        commands = {name: names[f"{name}.command"] for name in self._commands}
        wanted = [rings[one] for one in keep if one in rings]
        kept = [*commands.values(), *(places[one] for one in keep if one in places)]
        in_ticks = {  # (steps, n, repeat, cells) -> (ticks, n, cells)
            self.encoded[name]: np.ascontiguousarray(a.swapaxes(1, 2)).reshape(-1, self.n, a.shape[3])
            for name, a in again.items()
        }
        found = sequences.run(
            self.bound, self._first_io, given, in_ticks, starts, shapes[0][0] * self.repeat, self.repeat,
            [places[one] for one in encoded], kept, wanted,
        )  # fmt: skip
        result: dict[str | Place, np.ndarray] = {one: found[place] for one, place in places.items()}
        result |= {f"{p.name}.spikes": found[p.name] for p in wanted}
        return result | {name: found[place][self.repeat - 1 :: self.repeat] for name, place in commands.items()}

    def _sequence(self, name: str, value: Any) -> np.ndarray:
        path, size = f"observations['{name}']", self.inputs[name].size
        array = np.ascontiguousarray(value, np.float64)
        if array.ndim < 2 or array.shape[1] != self.n or array[0, 0].size != size:
            raise InputError(f"{path}: shape {array.shape}: must be (steps, {self.n}, {size})")
        return array

    def _cells(self, name: str, value: Any) -> np.ndarray:
        """Return the encoder outputs ``value`` of an events input as an array, (steps, n, repeat, cells).

        Raises InputError if ``value`` has another shape.
        """
        array, shape = np.asarray(value, np.float32), (self.n, self.repeat, *self.encoded[name].shape)
        if array.shape[1:] != shape:
            rule = f"must be (steps, {', '.join(map(str, shape))}), outputs of its encoder; pass events to step"
            raise InputError(f"observations['{name}']: shape {array.shape}: {rule}")
        return array

    # state ---------------------------------------------------------------------------------------------------
    def reset(self, rows: Rows = None) -> None:
        """Reset all rows, or the rows that an index, a slice, a mask or a list of indices selects."""
        self._reset(... if rows is None else rows)

    def state(self, rows: Rows = None) -> np.ndarray:
        """Return a copy of the states of rows, (rows, bytes) uint8. Each has the form of `Controller.state`."""
        return self._state(... if rows is None else rows)

    def restore(self, state: np.ndarray, rows: Rows = None) -> None:
        """Restore rows from a ``state`` that `state` returned. A ``state`` with one row is restored in all of them.

        Raises ProgramError if the state belongs to another Program.
        """
        self._restore(state, ... if rows is None else rows)

    def array(self, name: str) -> np.ndarray:
        """Return a live view of a named array of the Program, (n, ...).

        For a constant that all rows share, the view has no axis for the rows and is read-only.
        """
        return self.bound.array(name)
