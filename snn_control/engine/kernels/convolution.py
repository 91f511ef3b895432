"""Convolutions: each active presynaptic neuron adds the convolution kernel to the postsynaptic neurons at its position.

Weights are (channels in, channels out of a group, rows, columns) float32.
"""

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import f32, i32
from ..operand_arrays import need, positive
from ..rows import Record, address, count, counter, kernel, read, written
from . import ONE, ZERO
from .delivery import synapses_of
from .spikes import Signal, Spikes


class Geometry(Record):
    """The geometry of a convolution. ``area`` and ``width`` are the numbers of pixels and of columns of the input
    feature map, ``out_area`` is the number of pixels of the output feature map. ``rows`` and ``columns`` are the size
    of the convolution kernel. ``group_in`` and ``group_out`` are the numbers of input and output channels in a group.
    The output pixel for an input pixel and an element of the convolution kernel is ``lines`` [input row, kernel row]
    plus ``places`` [input column, kernel column]; -1 in a table means that there is no output pixel. ``fan_out`` is the
    number of nonzero weights of each presynaptic neuron."""

    def __init__(self):
        super().__init__(
            area=count, width=count, rows=count, columns=count, out_area=count, group_in=count, group_out=count,
            lines=address("i32", "area // width * rows", followed=True),
            places=address("i32", "width * columns", followed=True), fan_out=read("u32", presynaptic_neurons),
        )  # fmt: skip

    def check(self, parameter, w):
        super().check(parameter, w)
        n_pre = getattr(w, "n_pre", presynaptic_neurons(w))
        channels = n_pre // w.area
        if channels * w.area != n_pre or w.area % w.width or channels % w.group_in:
            raise ProgramError(f"a picture of {n_pre} neurons, area {w.area}, width {w.width}: does not fit together")
        if channels // w.group_in * w.group_out * w.out_area != w.n_post:
            raise ProgramError(f"{w.n_post} neurons: no picture of area {w.out_area}")
        need(channels * w.group_out * w.rows * w.columns, 4, w.weights)
        down, across = (a.data.view(np.int32) for a in (w.lines, w.places))
        down, across = down[: w.area // w.width * w.rows], across[: w.width * w.columns]
        if min(int(down.min()), int(across.min())) < -1 or int(down.max()) + int(across.max()) >= w.out_area:
            raise ProgramError("a convolution that leaves its picture")


def presynaptic_neurons(w):
    """Return the number of presynaptic neurons of a convolution, computed from the size of its weights.

    Raise ProgramError if an operand for this computation is < 1.

    w : operands of the kernel, by name
    """
    need(0, 4, w.weights)
    positive(w.area, w.rows, w.columns, w.group_out)
    return w.weights.data.nbytes // (4 * w.group_out * w.rows * w.columns) * w.area


@register_jitable(forceinline=True)
def stamp(y, weights, g, i, a):
    """Add the convolution kernel, times ``a``, to the elements of ``y`` that presynaptic neuron ``i`` reaches.

    weights : address of the weights
    g : geometry of the convolution, see `Geometry`
    """
    rows, columns, outs = g.rows, g.columns, g.group_out
    channel, place = i // g.area, i % g.area
    line, column = place // g.width, place % g.width
    lines = i32(g.lines + 4 * rows * line, rows)
    places = i32(g.places + 4 * columns * column, columns)
    first_out = channel // g.group_in * outs
    w = f32(weights + 4 * channel * outs * rows * columns, outs * rows * columns)
    for r in range(rows):
        if lines[r] < 0:
            continue
        for out in range(outs):
            start = (first_out + out) * g.out_area + np.int64(lines[r])
            first = (out * rows + r) * columns
            for c in range(columns):
                if places[c] >= 0:
                    y[start + np.int64(places[c])] += a * w[first + c]


@kernel()
def conv_spikes(
    n_post: count, y: written("f32", "n_post"), weights: address("f32", 0), source: Spikes(presynaptic_neurons),
    counter: counter, geometry: Geometry(),
):  # fmt: skip
    """Deliver spikes through a convolution: each spike adds the convolution kernel at its position."""
    fired, times = source.fired, source.times
    if fired.size > 0:
        for k in range(fired.size):
            a = ONE if times.size == 0 else np.float32(times[k])
            stamp(y, weights, geometry, np.int64(fired[k]), a)
        counter[0] += synapses_of(n_post, geometry.fan_out, fired)


@kernel()
def conv_graded(
    n_post: count, y: written("f32", "n_post"), weights: address("f32", 0), x: Signal(), counter: counter,
    geometry: Geometry(),
):  # fmt: skip
    """Deliver a feature map of graded signals through a convolution. Pixels that are 0 are skipped."""
    used = 0
    for i in range(x.size):
        if x[i] != ZERO:
            stamp(y, weights, geometry, i, x[i])
            used += np.int64(geometry.fan_out[i])
    counter[0] += used
