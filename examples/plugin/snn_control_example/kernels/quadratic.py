"""tau dv/dt = slope (v - v_rest) (v - v_critical) + r I, one forward Euler step.

Row: that of all neurons that fire (`snn_control.engine.kernels.neurons`), then v float32[n], wait uint16[n] or 0.
"""

import numpy as np

from snn_control.engine.kernels import bounded, settle
from snn_control.engine.kernels.neurons import (
    CURRENT,
    EACH,
    FLAGS,
    OWN,
    PARAMS,
    REFRACTORY,
    N,
    emit,
    restart_current,
)
from snn_control.engine.memory import f32, i64, u8, u16

V, WAIT = OWN, OWN + 1  # words of the row
SLOPE, REST, CRITICAL, GAIN, THRESHOLD, RESET, N_PARAMS = range(7)  # rows of the parameters


def quadratic(row):
    """All neurons of a population, one step."""
    o = i64(row, WAIT + 1)
    n, each = o[N], o[EACH]
    p, step = f32(o[PARAMS], N_PARAMS * each), np.int64(each > 1)  # one parameter for all, or one a neuron
    v, wait, current, flags = f32(o[V], n), u16(o[WAIT], n), f32(o[CURRENT], n), u8(o[FLAGS], n)
    for i in range(n):
        j, before = i * step, bounded(v[i])
        bend = (before - p[REST * each + j]) * (before - p[CRITICAL * each + j])
        u = (before + p[SLOPE * each + j] * bend) + p[GAIN * each + j] * current[i]
        flags[i] = 0
        if o[REFRACTORY] > 0 and wait[i] > 0:
            wait[i] -= 1
            u = before
        elif u >= p[THRESHOLD * each + j]:
            flags[i] = 1
            u = p[RESET * each + j]
            if o[REFRACTORY] > 0:
                wait[i] = o[REFRACTORY]
        v[i] = settle(u)
    restart_current(o)
    emit(o)
