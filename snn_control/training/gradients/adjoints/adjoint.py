"""Base classes of adjoints. An adjoint computes an operation's effect over whole sequences, and its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ....controller_file import Surrogate
from ....engine.program import PROGRAM, Place
from .tape import Signal, Tape

__all__ = ["NOTHING", "Adjoint", "Constant", "Neurons", "numbers", "signal"]

NOTHING = np.zeros((0, 0, 0), np.float32)  # stands for a missing signal


def signal(place: Place) -> Signal:
    """Return the key of an array's signal on the tape: the kind of the array's block, and the offset in this block."""
    return place.kind, place.offset


def numbers(array: np.ndarray) -> np.ndarray:
    """Return a view of the weights in an array of the Program: float32, or int8 for quantised weights.

    A sparse array consists of pairs of an index and a weight; the view contains only the weights.
    """
    return array if array.dtype in (np.float32, np.int8) else array.reshape(-1, 2).view(np.float32)[:, 1]


class Constant:
    """A constant array that an operation of the Program reads, with its gradient if the array is trained.

    bits : view of the array as it is stored in the Program; changes of the Program are visible in it
    """

    def __init__(self, place: Place, constants: np.ndarray, trained: bool) -> None:
        self.place, self.trained = place, trained
        self.bits = place.view(constants)
        self.gradient = np.zeros(self.values.shape if trained else 0, np.float32)

    @property
    def values(self) -> np.ndarray:
        """The current values as a float32 or int8 array."""
        return numbers(self.bits)

    def add(self, g: np.ndarray) -> None:
        """Add ``g`` to the gradient of this constant. ``g`` must have as many numbers as the constant."""
        self.gradient += g.reshape(self.gradient.shape)


class Adjoint:
    """The adjoint of one operation of a Program: it propagates gradients back through the operation.

    An adjoint processes a part of a `Tape` at a time: some steps or, for an operation that runs once per tick, some
    ticks.

    A subclass sets ``reads`` and ``writes`` and implements `forward` and `backward`. Both are called for consecutive
    parts of a run: `forward` from the first to the last step, `backward` from the last to the first. From one part to
    the next, the adjoint stores its state in arrays that `begin` creates.

    w : operands of the operation, by name
    per_tick : whether the operation runs once per tick (section PRE or POST) instead of in each step
    constant : function: place in the Program -> `Constant`; raises TypeError, with the reason, if the array is not
        constant
    reads : signals that the operation reads, as (signal, delay [steps]) pairs
    writes : signals that the operation sets or adds to
    source : signal that a projection delivers
    wanted : signals whose gradients are needed, because they lead back to trained constants
    spiking : whether the outputs of the operation are spikes. These are on the tape, and ``surrogate`` replaces their
        derivative
    each_tick : whether the state of the operation is reset in each tick
    """

    source: Any = None
    spiking = False
    surrogate = Surrogate()
    each_tick = False

    def __init__(self, w: Any, per_tick: bool, constant: Callable[[Place], Constant]) -> None:
        self.w, self.per_tick = w, per_tick
        self.reads: list[tuple[Signal, int]] = []
        self.writes: list[Signal] = []
        self.wanted: frozenset[Signal] = frozenset()

    def follow(self, lines: Mapping[Signal, Signal]) -> None:
        """Replace the delay lines in ``reads`` and ``source`` by the vectors that these lines store.

        lines : signal of a delay line -> signal of the vector that it stores
        """
        self.reads = [(lines.get(read, read), delay) for read, delay in self.reads]
        if self.source is not None:
            self.source = lines.get(self.source, self.source)

    def age(self, tape: Tape) -> np.ndarray:
        """Return the number of steps since the operation's state was last reset, as a (steps, rows) int32 array."""
        return tape.age_in_tick if self.each_tick else tape.age

    def begin(self, tape: Tape, state: Callable[[Place], np.ndarray], initial: Callable[[Place], np.ndarray]) -> None:
        """Create the signals that belong to this operation, before the first step of a run.

        state : function: place of an array in the state -> its values at the start of the run, (rows, ...) float32
        initial : function: place of an array in the state -> its values after a reset
        """

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        """Compute the signals that the operation writes, in the steps ``first`` to ``stop - 1``."""
        raise NotImplementedError

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        """Compute the backward pass of the steps ``first`` to ``stop - 1``.

        Add the gradients of these steps to those of the constants and of the signals that the operation reads.
        """
        raise NotImplementedError


class Neurons(Adjoint):
    """Base of the adjoints of neuron models, with the parameters and the input currents of the neurons."""

    def __init__(self, w: Any, per_tick: bool, constant: Callable[[Place], Constant]) -> None:
        super().__init__(w, per_tick, constant)
        self.params = constant(w.params)
        self.bias = constant(w.bias) if w.bias.kind == PROGRAM else None  # otherwise a projection adds it
        self.current, self.isyn = signal(w.current), signal(w.isyn) if w.isyn else None
        self.reads = [(s, 0) for s in (self.current, self.isyn) if s is not None]

    def begin_with(self, tape: Tape, state: Any, initial: Any, states: Sequence[Any], kinds: int) -> None:
        """Create the signals and the state of neurons before a run, for the method `begin` of a subclass.

        states : places of the neurons' state variables in the state of the Program
        kinds : number of values per neuron and step that the forward pass stores for the backward pass
        """
        n, rows, size = self.w.n, tape.rows, len(states)
        tape.new(self.current, n, start=0.0 if self.bias is None else self.bias.values)
        if self.isyn is not None:
            tape.new(self.isyn, n)
        self.p = np.array(np.broadcast_to(self.params.values, (len(self.params.values), n)), order="C")
        self.state, self.start = np.zeros((size, rows, n), np.float32), np.zeros((size, n), np.float32)
        for k, place in enumerate(states):
            if place:
                self.state[k], self.start[k] = state(place), initial(place)
        self.kept = np.empty((kinds, tape.length, rows, n), np.float32)
        self.carry, self.gp = np.zeros((size, rows, n), np.float32), np.zeros(self.p.shape)

    def arriving(self, tape: Tape, gradient: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Return two (steps, rows, n) arrays: the neurons' input current, and the input to their synaptic current.

        The second array has 0 steps if the neurons have no synaptic current. If ``gradient`` is true, return the
        gradients of the two arrays instead.
        """
        of: Callable[[Signal], np.ndarray] = tape.gradient if gradient else tape.values.__getitem__
        return of(self.current), NOTHING if self.isyn is None else of(self.isyn)

    def add_parameters(self, tape: Tape) -> None:
        """Add the gradients of the neurons' parameters and bias. Call this after the backward pass of all steps."""
        if self.params.trained:
            self.params.add(self.gp if self.params.values.shape[1] > 1 else self.gp.sum(1, keepdims=True))
        if self.bias is not None and self.bias.trained:
            self.bias.add(tape.gradient(self.current).sum((0, 1), dtype=np.float64))
