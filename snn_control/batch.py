"""Batch: many states of one Program, stepped in one call that releases the interpreter lock.

>>> batch = Batch(Controller.load("cartpole.yaml").program, 64)
>>> commands = batch.step({"state": observations})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .controller import Stepped, alone
from .engine.bound import input_taker
from .engine.compile import compile_function
from .engine.give import give, give_numbers
from .engine.program import Program
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
