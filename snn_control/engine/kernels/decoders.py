"""Decoders: convert spikes and membrane potentials to the numbers of an output."""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u16, u32
from ..rows import address, count, counter, flag, kernel, optional, read, scalar, written
from . import NAN, ONE, ZERO, bounded, settle
from .delivery import add_dense_spikes, add_row, rows_of, synapses_of
from .functions import exponential
from .spikes import HEADER, PastLine, PastSpikes, Spikes, slot_of_step

DECIDED, IN_WINDOW = 0, 1  # words of first_spike's state


@kernel()
def population_vector(
    m: count, out: written("f32", "m"), y: read("f32", "m + 1"), last: written("f32", "m"), least: scalar("f32"),
    hold: flag,
):  # fmt: skip
    """Add a population vector to ``out``: (sum of rates times directions) / (sum of rates).

    y : the m sums of rates times directions, then the sum of rates
    last : the population vector of the last tick; updated
    least : smallest sum of rates for which the population vector is computed. For smaller sums, 0 is added, or the last
        population vector if ``hold`` is true
    """
    total = y[m]
    for j in range(m):
        if total >= least:
            last[j] = y[j] / total
        else:
            last[j] = bounded(last[j]) if hold != 0 else ZERO
        out[j] += last[j]


@register_jitable(forceinline=True)
def add_counts(past, step, sign, counts, x):
    """Add the spike counts of one step, times ``sign``, to ``counts``, and write the new counts to ``x`` as float32.

    past : ring buffer of the spike lists of the last steps
    """
    slot = slot_of_step(past.base, past.stride, past.slots, step)
    n = i64(slot, 1)[0]
    spikes, multiplicity = u32(slot + HEADER, n), u16(slot + past.multiplicity, n)
    for k in range(n):
        i = spikes[k]
        counts[i] += sign * (np.int64(1) if past.multiplicity == 0 else np.int64(multiplicity[k]))
        x[i] = np.float32(counts[i])


@kernel()
def window_counts(
    n: count, past: PastSpikes("n", "steps + 1"), steps: count, counts: written("i64", "n"), x: written("f32", "n")
):
    """Count each neuron's spikes in the last ``steps`` network steps.

    In each step, the kernel adds the newest spike list to the counts, and subtracts the list that leaves the window.

    counts : number of spikes of each neuron in the window
    x : the counts as float32
    """
    add_counts(past, past.now, 1, counts, x)
    add_counts(past, past.now - steps, -1, counts, x)


@kernel()
def window_mean(n: count, past: PastLine("n", "steps"), steps: count, x: written("f32", "n")):
    """Compute the mean of each graded signal over the last ``steps`` network steps, once per tick.

    The values are summed in a fixed order, from the oldest to the newest.
    """
    number = np.float32(steps)
    for i in range(n):
        x[i] = ZERO
    for step in range(past.now - steps, past.now):
        v = f32(slot_of_step(past.base, past.stride, past.slots, step), n)
        for i in range(n):
            x[i] += v[i]
    for i in range(n):
        x[i] /= number


@kernel()
def first_spike(
    m: count, out: written("f32", "m"), weights: read("f32", "n * m"), n: count,
    past: PastSpikes("n", "steps", multiplicity=False), steps: count, window: count, state: written("i64", 2),
):  # fmt: skip
    """Add to ``out`` the weights of the neuron that fired first in the newest window with a spike.

    steps : number of network steps in a tick
    window : number of network steps in a window
    state : two int64: index of the neuron whose weights are added, or -1 before the first spike; 1 if this neuron fired
        in the present window, otherwise 0
    """
    for step in range(past.now - steps, past.now):
        if step % window == 0:
            state[IN_WINDOW] = 0
        slot = slot_of_step(past.base, past.stride, past.slots, step)
        if (state[IN_WINDOW] == 0) & (i64(slot, 1)[0] > 0):
            state[DECIDED] = u32(slot + HEADER, 1)[0]
            state[IN_WINDOW] = 1
    if (state[DECIDED] >= 0) & (state[DECIDED] < n):
        first = m * state[DECIDED]
        add_row(out, weights[first : first + m], ONE)


n_pre = rows_of("m")


@kernel()
def trace(
    m: count, y: written("f32", "m"), weights: address("f32", "m"), source: Spikes(n_pre, delay=False),
    decay: scalar("f32"), counter: counter, fan_out: optional(read("u32", n_pre)),
):  # fmt: skip
    """Filter the weighted spikes of a decoder exponentially: y <- decay y + sum of the weights of neurons that fired.

    weights : (n_pre, m) float32
    """
    for i in range(m):
        y[i] = settle(y[i] * decay)
    if source.fired.size > 0:
        add_dense_spikes(y, weights, source)
        counter[0] += synapses_of(m, fan_out, source.fired)


@kernel()
def argmax(n: count, x: read("f32", "n"), y: written("f32", 1)):
    """Write the index of the largest element of ``x`` to ``y``; of equal elements, the index of the first one.

    If an element is not finite, write NaN, which the guard detects.
    """
    best, finite = 0, True
    for i in range(n):
        finite &= np.isfinite(x[i])
        if x[i] > x[best]:
            best = i
    y[0] = np.float32(best) if finite else NAN


TWO = np.float32(2)


@kernel()
def squash(n: count, x: read("f32", "n"), y: written("f32", "n"), centre: read("f32", "n"), half: read("f32", "n")):
    """Map each number x smoothly into the limits of its output: y = centre + half tanh(x).

    If x is not finite, y becomes NaN, which the guard detects. tanh |x| is computed as 1 - 2 / (exp(2 |x|) + 1).

    half : half the width of the limits
    """
    for i in range(n):
        t = ONE - TWO / (exponential(TWO * abs(x[i])) + ONE)
        y[i] = centre[i] + half[i] * (t if x[i] > ZERO else -t) if np.isfinite(x[i]) else NAN
