"""Kernels of neurons with a stochastic or temporal code (`snn_control.network.neurons`): convert currents to spikes."""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64
from ..random import uniform4
from ..rows import Number, count, flag, kernel, written
from . import ONE, ZERO
from .functions import exponential
from .neurons import Firing, Neurons, emit, emit_multiple, restart_current

MOST_MEAN = np.float32(64)  # largest mean number of spikes in a step; exp(-64) is far above the smallest float32


@register_jitable(forceinline=True)
def within(x, most):
    """Return x limited to [0, most]; 0 if x is NaN."""
    x = x if x > ZERO else ZERO
    return x if x < most else most


@register_jitable(forceinline=True)
def poisson_count(u, mean):
    """Return a Poisson-distributed number by inversion: the smallest k with u < P(count <= k).

    u : uniform random number in [0, 1)
    mean : mean of the distribution
    """
    k, p = 0, exponential(-mean)
    below = p
    while u >= below:
        k += 1
        p = p * (mean / np.float32(k))
        after = below + p
        if after == below:  # float32 cannot represent the rest of the tail
            break
        below = after
    return k


@kernel()
def stochastic(
    cells: Neurons("rate"), fired: Firing(once=False), seed: Number(0), number: Number(0, (1 << 32) - 1),
    counts: written("u16", "n", when="multiplicity"),
):  # fmt: skip
    """Update neurons that fire at random: the mean number of spikes in a step is ``rate`` times the current.

    Without ``multiplicity``, a neuron fires once with this probability (Bernoulli). With ``multiplicity``, the number
    of spikes is Poisson distributed with this mean.

    number : number of the operation; operations with different numbers draw different random numbers
    """
    n, p, current, flags, multiple = cells.n, cells.p, cells.current, fired.flags, fired.multiplicity != 0
    now = i64(fired.clock, 2)[1]
    for first in range(0, n, 4):
        u = uniform4(seed, number, now, first >> 2)
        for i in range(first, min(first + 4, n)):
            mean, drawn = p.rate[i * cells.step] * current[i], u[(i - first) & 3]  # & 3: so that it cannot raise
            if multiple:
                counts[i] = poisson_count(drawn, within(mean, MOST_MEAN))
                flags[i] = counts[i] > 0
            else:
                flags[i] = drawn < within(mean, ONE)
    restart_current(cells)
    if multiple:
        emit_multiple(n, fired, counts)
    else:
        emit(n, fired)


class Levels(Neurons):
    """The neurons of a population, which the kernel receives as a `Population`. Their operand ``params`` contains one
    level for each step of a window."""

    def arrays(self, params, each):
        return "Parameters()"

    def rows(self, w):
        return w.window


@kernel()
def temporal(
    cells: Levels(), fired: Firing(), window: count, subtract: flag, v: written("f32", "n")
):  # fmt: skip
    """Encode x, the current at the start of a window of steps, in the times of spikes.

    Each step of the window has a threshold, its level. A neuron fires if x is at least this level. After a spike, the
    level is subtracted from x if ``subtract`` is true; otherwise x becomes 0.

    Two codes use this kernel:

    - Latency code: a neuron fires once per window. The level of a step is the x whose latency is (step + 1/2) dt.
    - Phase code, with ``subtract``: the levels are 1/2, 1/4, ... The spikes are the binary digits of x.
    """
    at = i64(fired.clock, 2)[1] % window
    current, flags, levels = cells.current, fired.flags, f32(cells.params + 4 * cells.each * at, cells.each)
    for i in range(cells.n):
        x, level = within(current[i], ONE) if at == 0 else v[i], levels[i * cells.step]
        fires = x >= level
        rest = x - level if subtract != 0 else ZERO
        v[i] = rest if fires else x
        flags[i] = fires
    restart_current(cells)
    emit(cells.n, fired)
