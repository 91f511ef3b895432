"""Adjoints of projections with a list of synapses: sparse, delayed, one-to-one and convolutional projections."""

from __future__ import annotations

from typing import Any

import numpy as np

from ....engine.compile import compile_function
from ....engine.program import PROGRAM
from .adjoint import Constant
from .delivery import Delivery, Product
from .tape import Tape

__all__ = ["Convolution", "Delayed", "Gather", "OneToOne", "Release", "Sparse", "Tiles"]

ZERO = np.float32(0)


def list_forward(x, pointers, target, place, extra, weights, age, delay, each, y, first):
    """For each synapse, add the source's value times the weight to the target in ``y``, after the delay of the synapse.

    Neuron i of the source has the synapses pointers[i] to pointers[i + 1] - 1.

    x : (steps, rows, n_pre), values of the source; each step of ``x`` stands for ``each`` steps of ``y``
    pointers : (n_pre + 1,), index of each neuron's first synapse
    target : for each synapse, the index of its target neuron
    place : for each synapse, the index of its weight in ``weights``
    extra : for each synapse, its delay in addition to ``delay`` [steps]
    age : (steps, rows), number of steps since the last reset; values that were sent before the reset do not arrive
    delay : the projection's delay [steps], which is already applied to ``x``
    y : (steps, rows, n_post), values of the target
    first : index of the step of ``y`` to which the first step of ``x`` belongs
    """
    for t in range(x.shape[0]):
        for r in range(x.shape[1]):
            for i in range(x.shape[2]):
                a = x[t, r, i]
                if a == ZERO:
                    continue
                for s in range(pointers[i], pointers[i + 1]):
                    for k in range(each):
                        at = first + t * each + k + extra[s]
                        if at < y.shape[0] and (extra[s] == 0 or age[at, r] >= delay + extra[s]):
                            y[at, r, target[s]] += a * weights[place[s]]


def list_backward(x, pointers, target, place, extra, weights, age, delay, each, gy, first, want_x, gx, want_w, gw):
    """Compute the backward pass of `list_forward`. The arguments not listed here are those of `list_forward`.

    gy : (steps, rows, n_post), gradient of y
    want_x : whether the gradient of x is computed
    gx : array to which the gradient of x is added
    want_w : whether the gradient of the weights is computed
    gw : array to which the gradient of the weights is added
    """
    for t in range(x.shape[0]):
        for r in range(x.shape[1]):
            for i in range(x.shape[2]):
                a, sum_x = x[t, r, i], ZERO
                if not want_x and a == ZERO:
                    continue
                for s in range(pointers[i], pointers[i + 1]):
                    g = ZERO
                    for k in range(each):
                        at = first + t * each + k + extra[s]
                        if at < gy.shape[0] and (extra[s] == 0 or age[at, r] >= delay + extra[s]):
                            g += gy[at, r, target[s]]
                    sum_x += weights[place[s]] * g
                    if want_w:
                        gw[place[s]] += a * g
                if want_x:
                    gx[t, r, i] = sum_x


LIST = "f4[:,:,::1],i8[::1],i8[::1],i8[::1],i8[::1],f4[::1],i4[:,::1],i8,i8,f4[:,:,::1],i8"
LIST_FORWARD, LIST_BACKWARD = f"void({LIST})", f"void({LIST},b1,f4[:,:,::1],b1,f4[::1])"


class Listed(Delivery):
    """Base of adjoints of projections with a list of synapses, which a subclass returns from `synapses`."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.weights = self.matrix(constant)
        pre, target, place, extra = (np.asarray(a, np.int64) for a in self.synapses(constant))
        order, n_pre = np.argsort(pre, kind="stable"), self.n_pre(w)
        self.list = [a[order] for a in np.broadcast_arrays(target, place, extra)]
        self.pointers = np.searchsorted(pre[order], np.arange(n_pre + 1)).astype(np.int64)

    def n_pre(self, w: Any) -> int:
        return w.n_pre if hasattr(w, "n_pre") else w.n_pointers - 1

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        """Return four arrays with one element per synapse: source, target, weight index, additional delay [steps].

        A single number in place of an array applies to all synapses.
        """
        raise NotImplementedError

    def words(self, tape: Tape, first: int, stop: int) -> tuple[Any, ...]:
        x = np.ascontiguousarray(self.arrived(tape, first, stop))
        weights = np.ascontiguousarray(self.weights.values).reshape(-1)
        return x, self.pointers, *self.list, weights, tape.age, self.delay, tape.steps if self.once(tape) else 1

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        compile_function(list_forward, LIST_FORWARD)(*self.words(tape, first, stop), tape.values[self.y], first)

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        words, wanted = self.words(tape, first, stop), self.source in self.wanted
        gx = np.empty_like(words[0])
        gw = self.weights.gradient.reshape(-1)
        compile_function(list_backward, LIST_BACKWARD)(
            *words, tape.gradient(self.y), first, wanted, gx, self.weights.trained, gw
        )
        if wanted:
            self.send_back(tape, first, stop, gx)


class Sparse(Listed):
    """Adjoint of the kernels csr_spikes and csr_graded, for sparse projections with one delay for all synapses."""

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        pointers = np.asarray(constant(self.w.pointers).bits[: self.n_pre(self.w) + 1], np.int64)
        target = constant(self.w.weights).bits.reshape(-1, 2)[:, 0].astype(np.int64)
        return np.repeat(np.arange(pointers.size - 1), np.diff(pointers)), target, np.arange(target.size), 0


class Delayed(Sparse):
    """Adjoint of the kernel csr_delayed, which writes into a delay line. `Release` delivers its values later."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        w.y = w.line  # the target of the list's synapses
        super().__init__(w, per_tick, constant)

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        pre, target, place, _ = super().synapses(constant)
        return pre, target % self.w.n_post, place, target // self.w.n_post

    def begin(self, tape: Tape, state: Any, initial: Any) -> None:
        n, steps = self.w.n_post, self.w.steps
        line = tape.new(self.y, n)
        on_the_way = state(self.w.line).reshape(tape.rows, steps, n)
        now = state(self.w.clock)[:, 1]
        for r in range(tape.rows):
            for k in range(min(steps, tape.length)):
                if tape.age[k, r] > k:  # no reset in between
                    line[k, r] = on_the_way[r, (now[r] + k) % steps]


class Release(Delivery):
    """Adjoint of the kernel release, which delivers the values of a delay line at the end of their delay."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        w.x = w.line
        super().__init__(w, per_tick, constant)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        tape.values[self.y][first:stop] += tape.values[self.source][first:stop]

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        tape.gradient(self.source)[first:stop] += tape.gradient(self.y)[first:stop]


class OneToOne(Listed):
    """Adjoint of the kernel one_to_one_graded: source neuron i has one synapse, to target neuron i."""

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        each = np.arange(self.w.n_post)
        return each, each, each, 0


class Gather(Listed):
    """Adjoint of the kernel gather_graded, whose sum starts at the bias of the target, if the operation has a bias."""

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        self.start = constant(w.start) if w.start.kind == PROGRAM else None

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        each = np.arange(self.w.n_post)
        return constant(self.w.channels).bits[: self.w.n_post], each, each, 0

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        if self.start is not None:
            tape.values[self.y][first:stop] += self.start.values
        super().forward(tape, first, stop)

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        super().backward(tape, first, stop)
        if self.start is not None and self.start.trained:
            self.start.add(tape.gradient(self.y)[first:stop].sum((0, 1), dtype=np.float64))


class Tiles(Gather):
    """Adjoint of the kernel tile_graded, which has one weight for all synapses."""

    def matrix(self, constant: Any) -> Constant:
        return constant(self.w.weight)

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        each = np.arange(self.w.n_post)
        return each % self.w.n_pre, each, np.zeros_like(each), 0


class Convolution(Listed, Product):
    """Adjoint of the kernels conv_spikes and conv_graded.

    A convolution with a kernel of one pixel that keeps the shape of the picture is computed as a matrix product,
    because all pixels share the weights.
    """

    def __init__(self, w: Any, per_tick: bool, constant: Any) -> None:
        super().__init__(w, per_tick, constant)
        lines, places = (constant(one).bits.reshape(-1) for one in (w.lines, w.places))
        place = (lines.astype(np.int64)[:, None] + places[: w.width]).reshape(-1) if w.columns == w.rows == 1 else []
        self.pointwise = w.group_in == w.weights.shape[0] and np.array_equal(place, np.arange(w.out_area))

    def rows(self, x: np.ndarray) -> np.ndarray:
        """Return a matrix with a row of channels for each pixel.

        An array (..., channels * pixels) becomes a matrix (... * pixels, channels).
        """
        area = self.w.area
        return np.swapaxes(x.reshape(*x.shape[:-1], -1, area), -1, -2).reshape(-1, x.shape[-1] // area)

    def product(self, x: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        product = (self.rows(x) @ matrix).reshape(*x.shape[:-1], self.w.area, -1)
        return np.swapaxes(product, -1, -2).reshape(*x.shape[:-1], -1)

    def forward(self, tape: Tape, first: int, stop: int) -> None:
        (Product if self.pointwise else Listed).forward(self, tape, first, stop)

    def backward(self, tape: Tape, first: int, stop: int) -> None:
        (Product if self.pointwise else Listed).backward(self, tape, first, stop)

    def kernel(self) -> np.ndarray:
        """Return the weights of a convolution kernel of one pixel as a (channels in, channels out) matrix."""
        return self.weights.values.reshape(self.w.weights.shape[0], -1)

    def n_pre(self, w: Any) -> int:
        return w.weights.shape[0] * w.area

    def synapses(self, constant: Any) -> tuple[Any, Any, Any, Any]:
        w, height = self.w, self.w.area // self.w.width
        lines = constant(w.lines).bits.reshape(height, w.rows)
        places = constant(w.places).bits.reshape(w.width, w.columns)
        shape = (w.weights.shape[0], height, w.width, w.group_out, w.rows, w.columns)
        channel, y, x, out, row, column = np.indices(shape, sparse=True)
        inside = (lines[y, row] >= 0) & (places[x, column] >= 0) & (channel >= 0) & (out >= 0)
        pre = (channel * height + y) * w.width + x
        target = (channel // w.group_in * w.group_out + out) * w.out_area + lines[y, row] + places[x, column]
        place = ((channel * w.group_out + out) * w.rows + row) * w.columns + column
        return *(np.broadcast_to(a, shape)[inside] for a in (pre, target, place)), 0
