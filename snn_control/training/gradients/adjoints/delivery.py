"""Adjoints of linear operations: dense projections, synaptic filters, and decoders."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.compile import compile_function
from ....engine.program import PROGRAM
from .adjoint import Adjoint, Constant, signal
from .tape import Tape

__all__ = ["Add", "Copy", "Delivery", "Dense", "DenseInt8", "PopulationVector", "Synapse", "Trace", "Window"]

ZERO = np.float32(0)


def flat(x: np.ndarray) -> np.ndarray:
    """Return an array as a contiguous matrix: all axes except the last are merged into one."""
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


class Delivery(Adjoint):
    """Base of adjoints of y += x W: x are values of the source, W the weights, and y values of the target."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.source, self.delay = signal(w.spikes if hasattr(w, "spikes") else w.x), getattr(w, "delay", 0)
        self.y = signal(w.y)
        self.reads, self.writes = [(self.source, self.delay)], [self.y]

    def matrix(self, constant: Any) -> Constant:
        """Return the weights W as a `Constant`."""
        return constant(self.w.weights)

    def once(self, tape: Tape) -> bool:
        """Return whether the source is constant during a tick, so that x W is computed only once per tick."""
        return not self.per_tick and not tape.in_steps(self.source)

    def arrived(self, tape: Tape, first: int, stop: int) -> np.ndarray:
        """Return the values of the source after the projection's delay, (steps, rows, n_pre).

        If the source is constant during a tick, the shape is (ticks, rows, n_pre).
        """
        if self.per_tick:
            return tape.last(self.source)
        if self.once(tape):
            return tape.values[self.source]
        return tape.delayed(self.source, self.delay, first, stop)

    def send_back(self, tape: Tape, first: int, stop: int, g: np.ndarray) -> None:
        """Add ``g``, the derivative of the loss by the result of `arrived`, to the gradient of the source's signal."""
        if self.per_tick:
            tape.last(self.source, gradient=True)[:] += g
        elif self.once(tape):
            tape.gradient(self.source)[:] += g
        else:
            tape.add_delayed(self.source, self.delay, first, stop, g)

    def target(self, tape: Tape, first: int, stop: int, gradient: bool = False) -> np.ndarray:
        """Return the values or, if ``gradient`` is true, the gradients of the target, for the steps of `arrived`.

        The shape is (steps, rows, n_post). If the source is constant during a tick, it is (ticks, steps, rows, n_post).
        """
        y = tape.gradient(self.y) if gradient else tape.values[self.y]
        if self.once(tape):
            return y.reshape(tape.ticks, tape.steps, *y.shape[1:])
        return y if self.per_tick else y[first:stop]


class Product(Delivery):
    """A `Delivery` whose product x W is one matrix product for all steps and rows."""

    weights: Constant

    def kernel(self) -> np.ndarray:
        """Return the weight matrix W of y += x W."""
        raise NotImplementedError

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return values of a source or target as a (k, n) matrix, which can be multiplied by the weight matrix."""
        return flat(x)

    def product(self, x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        return (self.rows(x) @ matrix).reshape(*x.shape[:-1], -1)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        y, product = self.target(tape, first, stop), self.product(self.arrived(tape, first, stop), self.kernel())
        y += product[:, None] if self.once(tape) else product

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        if self.source in self.wanted:
            self.send_back(tape, first, stop, self.product(self.gradient_of_sum(tape, first, stop), self.kernel().T))
        if first == 0 and self.weights.trained:
            x, g = self.arrived(tape, 0, tape.length), self.gradient_of_sum(tape, 0, tape.length)
            self.weights.add(self.rows(x).T @ self.rows(g))

    def gradient_of_sum(self, tape: Tape, first: int, stop: int) -> np.ndarray:
        """Return the gradient of the product x W, for the same steps as `arrived`.

        If the source is constant during a tick, the gradient is summed over the steps of each tick.
        """
        g = self.target(tape, first, stop, gradient=True)
        return g.sum(1) if self.once(tape) else g


class Dense(Product):
    """Adjoint of the kernels dense_spikes and dense_graded, for projections with a full weight matrix."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.weights = self.matrix(constant)

    def kernel(self) -> np.ndarray:
        return self.weights.values.reshape(-1, self.w.y.shape[0])


class DenseInt8(Dense):
    """Adjoint of the kernel dense_spikes_int8.

    The derivative by an int8 weight is the derivative by the float32 weight that it represents (straight-through
    estimator, Bengio et al. 2013, arXiv:1308.3432).
    """

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.scale = constant(w.scale)

    def kernel(self) -> np.ndarray:
        return self.scale.values[0] * super().kernel().astype(np.float32)


# filters ---------------------------------------------------------------------------------------------------------
def filter_forward(x, age, decay, state, start, first, stop):
    """Filter the signal ``x`` in place, in the steps ``first`` to ``stop - 1``: x <- x + state, then state <- decay x.

    x : (steps, rows, n), the signal
    age : (steps, rows), number of steps since the last reset
    decay : factor by which the state decays in a step
    state : (rows, n), the filter's state, changed in place
    start : (n,), the state after a reset
    """
    for t in range(first, stop):
        for r in range(x.shape[1]):
            for i in range(x.shape[2]):
                left = start[i] if age[t, r] == 0 else state[r, i]
                x[t, r, i] += left
                state[r, i] = decay * x[t, r, i]


def filter_backward(g, age, decay, carry, first, stop):
    """Compute the backward pass of `filter_forward`.

    g : (steps, rows, n), derivative by the filtered signal, which is replaced by the derivative by the filter's input
    carry : (rows, n), derivative by the filter's state, from the step after the present one
    """
    for t in range(stop - 1, first - 1, -1):
        for r in range(g.shape[1]):
            for i in range(g.shape[2]):
                g[t, r, i] += carry[r, i]
                carry[r, i] = ZERO if age[t, r] == 0 else decay * g[t, r, i]


FILTER_FORWARD = "void(f4[:,:,::1],i4[:,::1],f4,f4[:,::1],f4[::1],i8,i8)"
FILTER_BACKWARD = "void(f4[:,:,::1],i4[:,::1],f4,f4[:,::1],i8,i8)"


class Filter:
    """Forward and backward pass of an exponential filter, which replaces a signal by the filtered signal."""

    def __init__(self, decay: Constant) -> None:
        self.decay = decay

    def begin(self, left: np.ndarray, start: np.ndarray) -> None:
        """Set the state of the filter before a run.

        left : (rows, n), state of each row at the start of the run
        start : (n,), state of a row after a reset
        """
        self.left, self.start = np.array(left, np.float32), np.array(start, np.float32)
        self.carry = np.zeros_like(self.left)

    def forward(self, x: np.ndarray, age: np.ndarray, first: int, stop: int) -> None:
        decay = float(self.decay.values[0])
        compile_function(filter_forward, FILTER_FORWARD)(x, age, decay, self.left, self.start, first, stop)

    def backward(self, g: np.ndarray, age: np.ndarray, first: int, stop: int) -> None:
        decay = float(self.decay.values[0])
        compile_function(filter_backward, FILTER_BACKWARD)(g, age, decay, self.carry, first, stop)


class Synapse(Adjoint):
    """Adjoint of the kernel synapse: a synaptic current with its own time constant."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.isyn, self.y = signal(w.isyn), signal(w.y)
        self.reads, self.writes = [(self.isyn, 0)], [self.y]
        self.filter = Filter(constant(w.decay))

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        tape.new(self.isyn, self.w.n)
        self.filter.begin(state(self.w.isyn), initial(self.w.isyn))

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        self.filter.forward(tape.values[self.isyn], self.age(tape), first, stop)
        tape.values[self.y][first:stop] += tape.values[self.isyn][first:stop]

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        g = tape.gradient(self.isyn)
        g[first:stop] += tape.gradient(self.y)[first:stop]
        self.filter.backward(g, self.age(tape), first, stop)


class Trace(Dense):
    """Adjoint of the kernel trace, which decodes spikes and filters the decoded values."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.filter = Filter(constant(w.decay))

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        tape.new(self.y, self.w.m)
        decay = self.filter.decay.values[0]
        self.filter.begin(decay * state(self.w.y), decay * initial(self.w.y))

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        super().forward(tape, first, stop)
        self.filter.forward(tape.values[self.y], self.age(tape), first, stop)

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        self.filter.backward(tape.gradient(self.y), self.age(tape), first, stop)
        super().backward(tape, first, stop)


# sums and means --------------------------------------------------------------------------------------------------
class Add(Adjoint):
    """Adjoint of the kernel add: y += x, where x is a constant or a signal."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.y, self.x = signal(w.y), signal(w.x)
        self.bias = constant(w.x) if w.x.kind == PROGRAM else None
        self.reads, self.writes = [(self.x, 0)] * (self.bias is None), [self.y]

    def parts(self, tape: Tape, first: int, stop: int, gradient: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return y and x of y += x, in shapes that broadcast. If ``gradient`` is true, return their gradients."""
        y = tape.gradient(self.y) if gradient else tape.values[self.y]
        if self.per_tick:
            return y, tape.last(self.x, gradient)
        x = tape.gradient(self.x) if gradient else tape.values[self.x]
        if tape.in_steps(self.x):
            return y[first:stop], x[first:stop]
        return y.reshape(tape.ticks, tape.steps, *y.shape[1:]), x[:, None]

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        if self.bias is not None:
            tape.values[self.y][first:stop] += self.bias.values
            return
        y, x = self.parts(tape, first, stop, gradient=False)
        y += x

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        if self.bias is None:
            if self.x in self.wanted:
                y, x = self.parts(tape, first, stop, gradient=True)
                x += y if x.shape == y.shape else y.sum(1, keepdims=True)
        elif self.bias.trained:
            self.bias.add(tape.gradient(self.y)[first:stop].sum((0, 1), dtype=np.float64))


class Copy(Add):
    """Adjoint of the kernel copy: y = x. The tape starts each step with y = 0, so the adjoint adds x to y."""

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        if self.per_tick:
            tape.new(self.y, self.w.n, once=True)


class Window(Adjoint):
    """Adjoint of the kernels window_mean and window_counts: the mean or sum of a signal over the last steps."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, True, constant)
        self.source, self.x = signal(w.spikes if hasattr(w, "spikes") else w.line), signal(w.x)
        self.factor = np.float32(1 if hasattr(w, "spikes") else 1 / w.steps)
        self.reads, self.writes = [(self.source, 0)], [self.x]

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        tape.new(self.x, self.w.n, once=True)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        x = tape.values[self.x]
        for k in range(self.w.steps):
            x += self.factor * tape.delayed(self.source, k, 0, tape.length)[tape.steps - 1 :: tape.steps]

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        g = np.zeros((tape.length, tape.rows, self.w.n), np.float32)
        g[tape.steps - 1 :: tape.steps] = self.factor * tape.gradient(self.x)
        for k in range(self.w.steps):
            tape.add_delayed(self.source, k, 0, tape.length, g)


class PopulationVector(Adjoint):
    """Adjoint of the kernel population_vector, whose output is the mean of directions, weighted by firing rates.

    While the sum of rates is too small, the output is the last mean if the decoder holds it, otherwise 0.
    """

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.y, self.out, self.least = signal(w.y), signal(w.out), constant(w.least)
        self.reads, self.writes = [(self.y, 0)], [self.out]

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        self.last = np.array(state(self.w.last), np.float32)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        y, out = tape.last(self.y), tape.values[self.out]
        self.fires = y[..., -1:] >= self.least.values[0]
        for t in range(tape.ticks):
            self.last[tape.starts[t]] = 0
            mean = y[t, :, :-1] / np.where(self.fires[t], y[t, :, -1:], 1)
            self.last = np.where(self.fires[t], mean, self.last if self.w.hold else 0).astype(np.float32)
            out[t] += self.last

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        y, g = tape.last(self.y), tape.gradient(self.out)
        total = np.where(self.fires, y[..., -1:], 1)
        held = np.zeros_like(g[0])
        back = tape.last(self.y, gradient=True)
        for t in range(tape.ticks - 1, -1, -1):
            held = held + g[t]
            here = np.where(self.fires[t], held, 0)
            back[t, :, :-1] += here / total[t]
            back[t, :, -1] -= (here * y[t, :, :-1]).sum(-1) / total[t, :, 0] ** 2
            held = np.where(self.fires[t], 0, held if self.w.hold else 0)
            held[tape.starts[t]] = 0
