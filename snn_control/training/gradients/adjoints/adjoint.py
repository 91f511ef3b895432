"""Base of adjoints: what an operation does to the signals of whole sequences, and its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ....controller_file import Surrogate
from ....engine.program import Place
from .tape import Signal, Tape

__all__ = ["NOTHING", "Adjoint", "Constant", "add_parameters", "numbers", "signal"]

NOTHING = np.zeros((0, 0, 0), np.float32)  # stands for a signal that is not there


def signal(place: Place) -> Signal:
    """The key of an array among the signals."""
    return place.kind, place.offset


def numbers(array: np.ndarray) -> np.ndarray:
    """A view of the float32 weights in an array of the Program: all of it, or the second of each pair of a sparse
    row."""
    return array if array.dtype == np.float32 else array.reshape(-1, 2).view(np.float32)[:, 1]


class Constant:
    """An array of the Program that an operation reads: its values, and their gradient if it is trained.

    bits : the array as it is stored in the Program, a live view
    """

    def __init__(self, place: Place, constants: np.ndarray, trained: bool) -> None:
        self.place, self.trained = place, trained
        self.bits = place.view(constants)
        self.gradient = np.zeros(self.values.shape if trained else 0, np.float32)

    @property
    def values(self) -> np.ndarray:
        """The current values, float32."""
        return numbers(self.bits)

    def add(self, g: np.ndarray) -> None:
        """Add to the gradient; ``g`` has as many numbers as the array."""
        self.gradient += g.reshape(self.gradient.shape)


class Adjoint:
    """One operation of a Program, over a part of the steps of a `Tape`; an operation of section POST, over its ticks.

    A subclass sets ``reads`` and ``writes`` and implements `forward` and `backward`. Both are called for consecutive
    parts of a run: in `forward` from the first to the last step, in `backward` from the last to the first. An adjoint
    itself keeps what it needs from one part to the next, starting with `begin`.

    w : operands by word
    post : the operation is in section POST
    constant : place of the Program -> `Constant`; raises TypeError, with the reason, if the place is no constant
    reads : (signal, delay [steps]) that it computes from
    writes : signals that it sets or adds to
    wanted : signals whose gradients are needed to reach something that is trained
    spiking : its outputs are spikes, which are on the tape; ``surrogate`` stands for their derivative
    each_tick : its state is reset in each tick
    """

    spiking = False
    surrogate = Surrogate()
    each_tick = False

    def __init__(self, w: Any, post: bool, constant: Callable[[Place], Constant]) -> None:
        self.w, self.post = w, post
        self.reads: list[tuple[Signal, int]] = []
        self.writes: list[Signal] = []
        self.wanted: frozenset[Signal] = frozenset()

    def follow(self, lines: Mapping[Signal, Signal]) -> None:
        """Replace the lines of past vectors that it reads by the vectors themselves: line -> vector."""
        self.reads = [(lines.get(read, read), delay) for read, delay in self.reads]

    def age(self, tape: Tape) -> np.ndarray:
        """(steps, rows) int32, number of steps since its state was last reset."""
        return tape.age_in_tick if self.each_tick else tape.age

    def begin(self, tape: Tape, state: Callable[[Place], np.ndarray], initial: Callable[[Place], np.ndarray]) -> None:
        """Create the signals that it writes first.

        state : place -> (rows, ...) float32, an array of the state at the start of the run
        initial : place -> its values after a reset
        """

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        """Compute the signals that it writes, in the steps ``first`` to ``stop``."""
        raise NotImplementedError

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        """Add to the gradients of what it reads and of its constants."""
        raise NotImplementedError


def add_parameters(one: Any, tape: Tape) -> None:
    """Add the gradients of a population's parameters and bias, after all steps."""
    if one.params.trained:
        one.params.add(one.gp if one.params.values.shape[1] > 1 else one.gp.sum(1, keepdims=True))
    if one.bias is not None and one.bias.trained:
        one.bias.add(tape.gradient(one.current).sum((0, 1), dtype=np.float64))
