"""Batch: many states of one Program, stepped in one call that releases the interpreter lock.

>>> batch = Batch(Controller.load("cartpole.yaml").program, 64)
>>> commands = batch.step({"state": observations})
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np

from .controller import alone
from .controller_file import nearest
from .engine.bound import bind, check_rows, events_taker
from .engine.control import as_taken
from .engine.facts import InputFacts
from .engine.give import give_events, give_value
from .engine.program import ALIGN, IO, PROGRAM, STATE, Program, aligned
from .engine.slots import AGE, ARRIVAL, COUNT, DROPPED, FRESH, STAMP
from .engine.tick import tables_function
from .errors import InputError, ProgramError

__all__ = ["Batch"]

Rows = int | slice | np.ndarray | list | None


def _block(n: int, row: int) -> np.ndarray:
    """(n, row) uint8 of zeros; every row begins at a multiple of 64 bytes."""
    stride = -(-row // ALIGN) * ALIGN
    return aligned(n * stride).reshape(n, stride)[:, :row]


class Batch:
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
        self.program, self.n, self.repeat = program, n, repeat
        self.period_ns = program.facts.period_ns
        self.inputs: dict[str, InputFacts] = {i.name: i for i in program.facts.inputs}
        self._states, self._io = _block(n, program.initial_state.size), _block(n, program.io_bytes)
        self._bind()
        self._slots = {name: self.array(f"{name}.slot") for name in self.inputs}
        self._data = {k: self.array(f"{k}.data") for k, i in self.inputs.items() if i.kind == "value"}
        self._take = {
            k: [events_taker(program, io, state, k) for io, state in zip(self._io, self._states)]
            for k, i in self.inputs.items()
            if i.kind == "events"
        }
        self._commands = {o.name: self.array(f"{o.name}.command") for o in program.facts.outputs}
        self._control = self.array("control")
        self._mark = np.frombuffer(bytes.fromhex(program.digest), np.uint8)
        self._run, self._lock = tables_function(), threading.RLock()
        self.reset()

    def _bind(self) -> None:
        """A table a row: that of the first, its addresses moved on by a row of the blocks."""
        self._states[0] = self.program.initial_state
        blocks = {PROGRAM: self.program.constants, STATE: self._states[0], IO: self._io[0]}
        first, kinds = bind(self.program, blocks)
        move = np.zeros(first.shape, np.int64)
        move[kinds == STATE], move[kinds == IO] = self._states.strides[0], self._io.strides[0]
        self._tables = aligned(self.n * first.nbytes).view(np.int64).reshape(self.n, *first.shape)
        for k, table in enumerate(self._tables):
            table[:] = first + k * move

    # stepping ------------------------------------------------------------------------------------------------
    @alone
    def step(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """One tick of every row.

        observation : input name -> values (n, size); or a list of n entries, each as `Controller.step` takes it (for
            events always a list). An entry that is None, like an input that is None or absent, did not arrive.

        Returns output name -> (n, size) float64, a copy. Raises InputError for an unknown name or a wrong shape.
        """
        for name in observation:
            if name not in self.inputs:
                raise InputError(f"observation['{name}']: is not an input; {nearest(name, self.inputs)}")
        for name in self.inputs:
            self._give(name, observation.get(name))
        first, stride = int(self._tables.ctypes.data), self._tables.strides[0]
        self._run(first, stride, self.n)
        for _ in range(self.repeat - 1):
            for slot in self._slots.values():
                self._nothing(slot)
            self._run(first, stride, self.n)
        return {name: command.copy() for name, command in self._commands.items()}

    def _nothing(self, slots: np.ndarray) -> None:
        """Mark the slots of an input to which nothing arrived in this tick."""
        slots[:, [FRESH, COUNT, DROPPED]] = 0
        age = slots[:, AGE]
        age += np.where(age >= 0, self.period_ns, 0)

    def _give(self, name: str, value: Any) -> None:
        slots, path = self._slots[name], f"observation['{name}']"
        if value is None:
            self._nothing(slots)
        elif isinstance(value, list):
            if len(value) != self.n:
                raise InputError(f"{path}: {len(value)} entries: must be {self.n}, one a row")
            self._nothing(slots)
            for k, entry in enumerate(value):
                if entry is not None:
                    self._give_row(name, k, entry)
        elif name in self._take:
            raise InputError(f"{path}: {type(value).__name__}: must be a list of {self.n}, the events of each row")
        elif np.shape(value)[:1] != (self.n,):
            size = self.inputs[name].size
            raise InputError(f"{path}: shape {np.shape(value)}: must be ({self.n}, {size})")
        else:
            give_value(path, self._data[name], value)
            slots[:, FRESH], slots[:, AGE] = 1, 0

    def _give_row(self, name: str, k: int, value: Any) -> None:
        path = f"observation['{name}'][{k}]"
        if name in self._take:
            give_events(path, self._take[name][k], value)
        else:
            give_value(path, self._data[name][k], value)
            slot = self._slots[name][k]
            slot[FRESH], slot[AGE] = 1, 0

    # state ---------------------------------------------------------------------------------------------------
    @alone
    def reset(self, rows: Rows = None) -> None:
        """Back to the start, all rows or those of an index, a slice, a mask or a list of indices."""
        chosen = slice(None) if rows is None else rows
        self._states[chosen] = self.program.initial_state
        self._io[chosen] = 0
        self._control[chosen] = as_taken(self.array("controlled")[chosen])
        for slot in self._slots.values():
            for word in (AGE, STAMP, ARRIVAL):
                slot[chosen, word] = -1

    @alone
    def state(self, rows: Rows = None) -> np.ndarray:
        """(rows, bytes) uint8, a copy: in each row what `Controller.state` is."""
        chosen = slice(None) if rows is None else rows
        states = self._states[chosen]
        parts = [np.broadcast_to(self._mark, (*states.shape[:-1], self._mark.size)), states]
        ages = [slot[chosen, AGE, None] for slot in self._slots.values()]
        return np.concatenate(parts + [np.ascontiguousarray(age).view(np.uint8) for age in ages], axis=-1)

    @alone
    def restore(self, state: np.ndarray, rows: Rows = None) -> None:
        """Continue from a `state` of as many rows, or from one for all; ProgramError if it is another Program's."""
        chosen = slice(None) if rows is None else rows
        mark, n = self._mark.size, self._states.shape[1]
        state = np.array(state)  # nobody changes it between the check and the copy
        if state.dtype != np.uint8 or state.shape[-1:] != (mark + n + 8 * len(self._slots),):
            raise ProgramError("state: is not one of this Program")
        if (state[..., :mark] != self._mark).any():
            raise ProgramError("state: is not one of this Program")
        blocks = {PROGRAM: self.program.constants, IO: self._io[0]}
        for one in state.reshape(-1, state.shape[-1]):
            check_rows(self.program, {**blocks, STATE: one[mark : mark + n]})
        self._states[chosen] = state[..., mark : mark + n]
        self._control[chosen] = as_taken(self.array("controlled")[chosen])
        ages = np.ascontiguousarray(state[..., mark + n :]).view(np.int64)
        for k, slot in enumerate(self._slots.values()):
            slot[chosen, AGE] = ages[..., k]

    # arrays --------------------------------------------------------------------------------------------------
    def array(self, name: str) -> np.ndarray:
        """The named array of every row, (n, ...), a live view; of a constant the one that all share, read-only."""
        place = self.program.names[name]
        if place.kind == PROGRAM:
            return place.view(self.program.constants)
        block = self._states if place.kind == STATE else self._io
        part = block[:, place.offset : place.offset + place.n_bytes]
        return part.view(place.dtype).reshape(self.n, *place.shape)
