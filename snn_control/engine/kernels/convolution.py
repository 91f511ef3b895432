"""Convolutions: each active neuron adds its kernel to the places that see it.

Weights are float32 (channels in, channels out of a group, rows, columns).
"""

from collections import namedtuple

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..memory import f32, i32
from ..places import followed, need, positive
from ..rows import Word, address, count, counter, kernel, written
from . import ONE, ZERO
from .delivery import synapses_of
from .spikes import Signal, Spikes

#: of a picture: its area and width; rows and columns of the kernel; area of the postsynaptic picture; channels in and
#: out of a group; addresses of lines int32 (rows of the picture, rows of the kernel) and places int32 (columns ..),
#: where a place of the picture lands under a place of the kernel (lines in neurons), or -1; weights that are not 0 of
#: each neuron
Picture = namedtuple("Picture", "area width rows columns out_area group_in group_out lines places fan_out")


class Geometry(Word):
    """A `Picture`. Words: its fields.

    n_pre : how many neurons the source has, where a word says so; else it is what the weights are for
    """

    uses = (Picture,)
    words = Picture._fields

    def code(self, parameter, w):
        *words, fan_out = (w[name] for name in Picture._fields)
        return [f"{parameter} = Picture({', '.join(words)}, u32({fan_out}, {w.get('n_pre', 1 << 40)}))"]

    def check(self, parameter, w):
        positive(w.area, w.width, w.rows, w.columns, w.out_area, w.group_in, w.group_out)
        n_pre = presynaptic_neurons(w) if "n_pre" not in vars(w) else w.n_pre
        channels = n_pre // w.area
        if channels * w.area != n_pre or w.area % w.width or channels % w.group_in:
            raise ProgramError(f"a picture of {n_pre} neurons, area {w.area}, width {w.width}: does not fit together")
        if channels // w.group_in * w.group_out * w.out_area != w.n_post:
            raise ProgramError(f"{w.n_post} neurons: no picture of area {w.out_area}")
        need(channels * w.group_out * w.rows * w.columns, 4, w.weights)
        need(w.area // w.width * w.rows, 4, w.lines)
        need(w.width * w.columns, 4, w.places)
        followed(w.lines, w.places)
        need(n_pre, 4, w.fan_out)
        down, across = (a.data.view(np.int32) for a in (w.lines, w.places))
        down, across = down[: w.area // w.width * w.rows], across[: w.width * w.columns]
        if min(int(down.min()), int(across.min())) < -1 or int(down.max()) + int(across.max()) >= w.out_area:
            raise ProgramError("a convolution that leaves its picture")


def presynaptic_neurons(w):
    """Presynaptic neurons, channels times pixels, from the size of the weights; ProgramError where there are none."""
    need(0, 4, w.weights)
    positive(w.area, w.rows, w.columns, w.group_out)
    return w.weights.data.nbytes // (4 * w.group_out * w.rows * w.columns) * w.area


@register_jitable(forceinline=True)
def stamp(y, weights, g, i, a):
    """y += a times the kernel around presynaptic neuron i of the picture ``g``."""
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
    """Spikes through a convolution."""
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
    """A graded picture through a convolution; zeros cost nothing."""
    used = 0
    for i in range(x.size):
        if x[i] != ZERO:
            stamp(y, weights, geometry, i, x[i])
            used += np.int64(geometry.fan_out[i])
    counter[0] += used
