"""w += rate y (x - y w), with filtered spikes x of the presynaptic and y of the postsynaptic neurons.

Row: that of all learning rules (`snn_control.engine.kernels.plasticity`), then spikes, stride, slots of post,
x float32[n_pre], y float32[n_post], params, switch. Weights are a matrix (n_pre, n_post).
"""

from snn_control.engine.kernels import ONE, ZERO
from snn_control.engine.kernels.delivery import CLOCK, WEIGHTS
from snn_control.engine.kernels.plasticity import (
    N_POST,
    N_PRE,
    OWN,
    SWITCH_WORDS,
    UPDATES,
    add_arrivals,
    changed,
    fade,
    state_of,
)
from snn_control.engine.kernels.spikes import HEADER, slot_address
from snn_control.engine.memory import f32, i64, u32

POST_SPIKES, POST_STRIDE, POST_SLOTS, X, Y, PARAMS, SWITCH = range(OWN, OWN + 7)
DECAY, RATE, LOW, HIGH, N_PARAMS = range(5)


def oja(row):
    o = i64(row, SWITCH + 1)
    n_pre, n_post, p, switch = o[N_PRE], o[N_POST], f32(o[PARAMS], N_PARAMS), i64(o[SWITCH], SWITCH_WORDS)
    x, y, state = f32(o[X], n_pre), f32(o[Y], n_post), state_of(switch)
    if state == 0:
        return
    decay = p[DECAY] if state == 2 else ZERO  # switched on again: what it remembers is of another time
    fade(x, decay)
    fade(y, decay)
    add_arrivals(o, x, ONE)
    slot = slot_address(o[POST_SPIKES], o[POST_STRIDE], o[POST_SLOTS], o[CLOCK], 0)
    fired = u32(slot + HEADER, i64(slot, 1)[0])
    for k in range(fired.size):
        y[fired[k]] += ONE
    rate, low, high = p[RATE], p[LOW], p[HIGH]
    for i in range(n_pre):
        w, xi = f32(o[WEIGHTS] + 4 * n_post * i, n_post), x[i]
        for j in range(n_post):
            w[j] = changed(w[j], rate * (y[j] * (xi - y[j] * w[j])), low, high)
    switch[UPDATES] += n_pre * n_post
