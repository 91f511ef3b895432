"""`SteppedController`, the common base class of `Controller` and `Batch`."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

import numpy as np

from ..engine.bound import Bound, input_taker
from ..engine.facts import InputFacts
from ..engine.program import Program
from ..engine.slots import AGE, ARRIVAL, STAMP
from ..engine.tuning import Tuning
from ..errors import InputError, ProgramError, nearest

__all__ = ["SteppedController", "serialised"]

Method = TypeVar("Method", bound=Callable[..., Any])


def serialised(method: Method) -> Method:
    """Decorator: a method acquires its object's ``_lock``, so that calls from several threads run one after another."""

    @functools.wraps(method)
    def locked(self: Any, *arguments: Any, **more: Any) -> Any:
        with self._lock:
            return method(self, *arguments, **more)

    return cast(Method, locked)


_all: weakref.WeakSet[SteppedController] = weakref.WeakSet()


def _unlock() -> None:
    """Replace the locks of all controllers after a fork, because no thread of the child would release them."""
    for one in _all:
        one._lock = threading.RLock()


os.register_at_fork(after_in_child=_unlock)


class SteppedController:
    """Base class of `Controller` and `Batch`: a compiled Program with its memory, stepped from Python.

    inputs : name of an input -> its description in the Program (`InputFacts`)
    observers : functions that `step` calls after each tick
    """

    def __init__(
        self, program: Program, repeat: int, rows: int | None = None, tuning: Tuning | None = None,
        own_numbers: bool = False,
    ) -> None:  # fmt: skip
        self.program, self.repeat = program, repeat
        self.bound = Bound(program, rows, tuning, own_numbers)
        self.period_ns = program.facts.period_ns
        self.inputs: dict[str, InputFacts] = {i.name: i for i in program.facts.inputs}
        self._slots = {name: self.bound.array(f"{name}.slot") for name in self.inputs}
        self._data = {n: self.bound.array(f"{n}.data") for n, i in self.inputs.items() if i.kind == "value"}
        self._commands = {o.name: self.bound.array(f"{o.name}.command") for o in program.facts.outputs}
        self._control = self.bound.array("control")
        self._mark = np.frombuffer(bytes.fromhex(program.digest), np.uint8)
        self._lock = threading.RLock()
        _all.add(self)
        self.observers: list[Callable[[], object]] = []
        blocks = list(zip(np.atleast_2d(self.bound.io), np.atleast_2d(self.bound.state), strict=True))
        self._takers = {n: [input_taker(program, *row, one) for row in blocks] for n, one in self.inputs.items()}
        self._reset(...)

    def _check_names(self, observation: Mapping[str, Any]) -> None:
        for name in observation:
            if name not in self.inputs:
                raise InputError(f"observation['{name}']: is not an input; {nearest(name, self.inputs)}")

    @serialised
    def _reset(self, rows: Any) -> None:
        self.bound.reset(rows)
        for slot in self._slots.values():
            for word in (AGE, STAMP, ARRIVAL):
                slot[rows, word] = -1
        for one in (name for name, facts in self.inputs.items() if facts.camera):
            for take in np.atleast_1d(np.array(self._takers[one], object)[rows]):
                take.reset()

    @serialised
    def _state(self, rows: Any, block: np.ndarray | None = None) -> np.ndarray:
        """Return the Program's digest, the state and the ages of the inputs as one array, (..., bytes) uint8.

        rows : indices of instances in the batch
        block : a copy of the state, used instead of the present state
        """
        states = self.bound.snapshot(rows) if block is None else block
        marks = np.broadcast_to(self._mark, (*states.shape[:-1], self._mark.size))
        ages = [np.ascontiguousarray(slot[rows, AGE, None]).view(np.uint8) for slot in self._slots.values()]
        return np.concatenate([marks, states, *ages], axis=-1)

    @serialised
    def _restore(self, state: np.ndarray, rows: Any) -> None:
        state = np.array(state)
        start = self._mark.size
        end = start + self.bound.state.shape[-1]
        fits = state.dtype == np.uint8 and state.shape[-1:] == (end + 8 * len(self._slots),)
        if not fits or state.ndim > self.bound.state[rows].ndim or (state[..., :start] != self._mark).any():
            raise ProgramError("state: is not a state of this Program")
        self.bound.restore(state[..., start:end], rows)
        ages = np.ascontiguousarray(state[..., end:]).view(np.int64)
        for k, slot in enumerate(self._slots.values()):
            slot[rows, AGE] = ages[..., k]
