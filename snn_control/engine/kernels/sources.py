"""Stochastic and temporal codes, `snn_control.network.sources`: current -> spikes.

Rows begin as those of all neurons that fire (`snn_control.engine.kernels.neurons`); then
    stochastic  Bernoulli and, with ``many``, Poisson: seed, operation number, counts uint16[n]; parameter: rate dt
    temporal    Latency and Phase: steps of a window, subtract, v float32[n]; parameters: the level of each step
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u8, u16
from ..random import uniform4
from . import ONE, ZERO
from .functions import exponential
from .neurons import CLOCK, CURRENT, EACH, FLAGS, MANY, OWN, PARAMS, N, emit, emit_several, restart_current

SEED, NUMBER, DRAWN = range(OWN, OWN + 3)  # of stochastic
WINDOW, SUBTRACTS, LATCHED = range(OWN, OWN + 3)  # of temporal
MOST_MEAN = np.float32(64)  # spikes a step; exp(-64) is far from the smallest float32


@register_jitable(forceinline=True)
def within(x, most):
    """x cut to [0, most]; 0 for a NaN."""
    x = x if x > ZERO else ZERO
    return x if x < most else most


@register_jitable(forceinline=True)
def poisson_count(u, mean):
    """How often a Poisson process of that mean fires, by inversion: the first k with u < P(count <= k)."""
    k, p = 0, exponential(-mean)
    below = p
    while u >= below:
        k += 1
        p = p * (mean / np.float32(k))
        after = below + p
        if after == below:  # the rest of the tail is beyond float32
            break
        below = after
    return k


def stochastic(row):
    """Fires with the probability rate dt current, or as often as a Poisson process of that mean."""
    o = i64(row, DRAWN + 1)
    n, each, now, several = o[N], o[EACH], i64(o[CLOCK], 2)[1], o[MANY] != 0
    p, step = f32(o[PARAMS], each), np.int64(each > 1)
    current, flags, counts = f32(o[CURRENT], n), u8(o[FLAGS], n), u16(o[DRAWN], n)
    for first in range(0, n, 4):
        u = uniform4(o[SEED], o[NUMBER], now, first >> 2)
        for i in range(first, min(first + 4, n)):
            mean = p[i * step] * current[i]
            if several:
                counts[i] = poisson_count(u[i - first], within(mean, MOST_MEAN))
                flags[i] = counts[i] > 0
            else:
                flags[i] = u[i - first] < within(mean, ONE)
    restart_current(o)
    if several:
        emit_several(o, counts)
    else:
        emit(o)


def temporal(row):
    """x is taken when a window begins; it fires where it reaches the level of a step, which is taken off, or all of it.

    Latency: the levels fall, x(t) of its closed form at t = (step + 1/2) dt; one spike, then nothing is left.
    Phase: the levels are 1/2, 1/4, ..; what is left has the remaining digits.
    """
    o = i64(row, LATCHED + 1)
    n, each, at = o[N], o[EACH], i64(o[CLOCK], 2)[1] % o[WINDOW]
    levels, step = f32(o[PARAMS] + 4 * each * at, each), np.int64(each > 1)
    v, current, flags = f32(o[LATCHED], n), f32(o[CURRENT], n), u8(o[FLAGS], n)
    for i in range(n):
        x, level = within(current[i], ONE) if at == 0 else v[i], levels[i * step]
        fired = x >= level
        rest = x - level if o[SUBTRACTS] != 0 else ZERO
        v[i] = rest if fired else x
        flags[i] = fired
    restart_current(o)
    emit(o)
