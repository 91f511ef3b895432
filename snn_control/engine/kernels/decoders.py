"""Decoders: convert spikes and membranes to the numbers of an output."""

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

    y : both sums; the sum of rates is its last element
    least : if the sum of rates is below this number, nothing is added; with ``hold``, the last result is added instead
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
    """Add ``sign`` times the spikes of one step to ``counts``, and write these counts to ``x`` as float32."""
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
    """Count each neuron's spikes in the last ``steps`` steps: add the newest spike list, subtract the oldest one."""
    add_counts(past, past.now, 1, counts, x)
    add_counts(past, past.now - steps, -1, counts, x)


@kernel()
def window_mean(n: count, past: PastLine("n", "steps"), steps: count, x: written("f32", "n")):
    """Compute the mean of a graded vector over the last ``steps`` steps, once per tick.

    The oldest vector is added first.
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
    """Add the weights of the neuron that fired first, in the newest window with a spike, to ``out``.

    state : two int64: the neuron whose weights are added, or -1; and 1 if this neuron fired in the present window, else
        0
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
    """Filter decoded spikes exponentially: y <- decay y + the weights of the neurons that fired.

    weights : float32 (n_pre, m)
    """
    for i in range(m):
        y[i] = settle(y[i] * decay)
    if source.fired.size > 0:
        add_dense_spikes(y, weights, source)
        counter[0] += synapses_of(m, fan_out, source.fired)


@kernel()
def argmax(n: count, x: read("f32", "n"), y: written("f32", 1)):
    """Write the index of the largest value; the first one counts if several are equal.

    Write NaN, which the guard detects, if a value is not finite.
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
    """Squash each number x smoothly into the limits of its output: y = centre + half tanh(x).

    If x is not finite, y is NaN, which the guard detects. tanh |x| is computed as 1 - 2 / (exp(2 |x|) + 1).
    """
    for i in range(n):
        t = ONE - TWO / (exponential(TWO * abs(x[i])) + ONE)
        y[i] = centre[i] + half[i] * (t if x[i] > ZERO else -t) if np.isfinite(x[i]) else NAN
