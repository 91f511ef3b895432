"""v <- decay v + gain current + leak, at least floor; fire at the threshold: one parameter for all neurons.

Row: that of all neurons that fire (`snn_control.engine.kernels.neurons`), then v float32[n].
"""

from snn_control.engine.kernels import bounded, flush
from snn_control.engine.kernels.neurons import CURRENT, FLAGS, OWN, PARAMS, N, emit, restart_current
from snn_control.engine.memory import f32, i64, u8

V = OWN
DECAY, GAIN, LEAK, THRESHOLD, RESET, FLOOR, N_PARAMS = range(7)


def lif_again(row):
    """No branch in the loop, only selects: the compiler makes vectors of it."""
    o = i64(row, V + 1)
    n, p = o[N], f32(o[PARAMS], N_PARAMS)
    decay, gain, leak, threshold, reset, floor = p[DECAY], p[GAIN], p[LEAK], p[THRESHOLD], p[RESET], p[FLOOR]
    v, current, flags = f32(o[V], n), f32(o[CURRENT], n), u8(o[FLAGS], n)
    for i in range(v.size):
        u = (decay * bounded(v[i]) + gain * current[i]) + leak
        u = u if u > floor else floor
        fired = u >= threshold
        v[i] = flush(reset if fired else u)
        flags[i] = fired
    restart_current(o)
    emit(o)
