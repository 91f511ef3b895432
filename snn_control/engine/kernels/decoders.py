"""Spikes -> numbers, except the filtered rates of `snn_control.engine.kernels.outputs`."""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u16, u32
from ..rows import count, flag, kernel, read, scalar, written
from . import ONE, ZERO, bounded
from .delivery import add_row
from .spikes import HEADER, PastLine, PastSpikes, slot_of_step

DECIDED, IN_WINDOW = 0, 1  # words of first_spike's state


@kernel()
def population_vector(
    m: count, out: written("f32", "m"), y: read("f32", "m + 1"), last: written("f32", "m"), least: scalar("f32"),
    hold: flag,
):  # fmt: skip
    """out += sum of rates times directions / sum of rates. y holds these sums, that of the rates last; if it is
    below `least`, 0 or, with `hold`, the last result is added instead."""
    total = y[m]
    for j in range(m):
        if total >= least:
            last[j] = y[j] / total
        else:
            last[j] = bounded(last[j]) if hold != 0 else ZERO
        out[j] += last[j]


@register_jitable(forceinline=True)
def add_counts(past, step, sign, counts, x):
    """counts += sign times the spikes in the list of one step; x is set to the counts as float32."""
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
    """Exact spike counts of the last `steps` steps: the newest list is added, the oldest subtracted."""
    add_counts(past, past.now, 1, counts, x)
    add_counts(past, past.now - steps, -1, counts, x)


@kernel()
def window_mean(n: count, past: PastLine("n", "steps"), steps: count, x: written("f32", "n")):
    """x = mean of the values of the last `steps` steps, the oldest added first; once a tick, after its last step."""
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
    """out += the weights of the neuron that fired first in the newest window that has a spike.

    state : int64: the neuron that decided, or -1; whether that was in the present window
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
