"""Contrast of each value to a background that follows it: ON channels of all values, then OFF channels.

Row: n, values float32[n], out float32[2 n], background float32[n], params float32 (n, 3): gain, floor, rate.
"""

from snn_control.engine.kernels import ZERO, settle
from snn_control.engine.memory import f32, i64

N, VALUES, OUT, BACKGROUND, PARAMS = range(1, 6)
GAIN, FLOOR, RATE, N_PARAMS = range(4)


def weber(row):
    o = i64(row, PARAMS + 1)
    n = o[N]
    x, out, background, p = f32(o[VALUES], n), f32(o[OUT], 2 * n), f32(o[BACKGROUND], n), f32(o[PARAMS], N_PARAMS * n)
    for i in range(n):
        k, away = N_PARAMS * i, x[i] - background[i]
        y = p[k + GAIN] * (away / (abs(background[i]) + p[k + FLOOR]))
        out[i] = y if y > ZERO else ZERO
        out[n + i] = -y if y < ZERO else ZERO
        background[i] = settle(background[i] + p[k + RATE] * away)
