"""Adjoint: what an operation does to the signals of whole sequences, and how gradients go back through it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...controller_file import Surrogate
from ...engine.program import Place
from .tape import Signal, Tape

__all__ = ["Adjoint", "Constant", "numbers", "signal"]


def signal(place: Place) -> Signal:
    """What an array is called among the signals."""
    return place.kind, place.offset


def numbers(array: np.ndarray) -> np.ndarray:
    """The float32 weights in an array of the Program, a view: all of it, or the second of each pair of a sparse row."""
    return array if array.dtype == np.float32 else array.reshape(-1, 2).view(np.float32)[:, 1]


class Constant:
    """An array of the Program that an operation reads: its values, and their gradient where it is trained.

    bits : the array as it lies in the Program, a live view
    """

    def __init__(self, place: Place, constants: np.ndarray, trained: bool) -> None:
        self.place, self.trained = place, trained
        self.bits = place.view(constants)
        self.gradient = np.zeros(self.values.shape if trained else 0, np.float32)

    @property
    def values(self) -> np.ndarray:
        """float32, as they are now."""
        return numbers(self.bits)

    def add(self, g: np.ndarray) -> None:
        """Add to the gradient; ``g`` has as many numbers as the array."""
        self.gradient += g.reshape(self.gradient.shape)


class Adjoint:
    """One operation of a Program, over a part of the steps of a `Tape`: an operation behind the steps over its ticks.

    A subclass sets ``reads`` and ``writes`` and has `forward` and `backward`. Both are called for parts of a run that
    follow each other, from the first to the last step in `forward`, from the last to the first in `backward`. What goes
    from one part to the next an adjoint keeps itself, from `begin` on.

    w : operands by word
    post : the operation stands behind the steps
    constant : place of the Program -> `Constant`; raises TypeError for a place that is none, saying what that means
    reads : (signal, delay [steps]) that it computes from
    writes : signals that it sets or adds to
    wanted : signals whose gradients lead on to something that is trained
    spiking : its output are spikes, which are on the tape; then ``surrogate`` stands for their derivative
    each_tick : its state begins each tick anew
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
        """Read the vectors of past steps, which ``lines`` keep, where they come from: line -> vector."""
        self.reads = [(lines.get(read, read), delay) for read, delay in self.reads]

    def age(self, tape: Tape) -> np.ndarray:
        """(steps, rows) int32, how many steps ago its state began anew."""
        return tape.age_in_tick if self.each_tick else tape.age

    def begin(self, tape: Tape, state: Callable[[Place], np.ndarray], initial: Callable[[Place], np.ndarray]) -> None:
        """Make the signals that are begun here; ``state(place)``: (rows, ...) float32, an array of the state at the
        start; ``initial(place)``: what it is at a row's start."""

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        """Compute the signals it writes in steps ``first`` to ``stop``."""
        raise NotImplementedError

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        """Add to the gradients of what it reads, and of its constants."""
        raise NotImplementedError
