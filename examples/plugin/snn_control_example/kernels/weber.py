"""Contrast of each value to its slowly adapting background: ON channels of all values, then OFF channels."""

from snn_control.engine.kernels import ZERO, settle
from snn_control.engine.rows import Table, count, kernel, read, written


@kernel()
def weber(
    n: count,
    values: read("f32", "n"),
    out: written("f32", "2 * n"),
    background: written("f32", "n"),
    params: Table("f32", "n", "gain", "floor", "rate"),
):
    """Compute the contrasts, then move each background b by rate (x - b)."""
    p = params
    for i in range(n):
        away = values[i] - background[i]
        y = p.gain[i] * (away / (abs(background[i]) + p.floor[i]))
        out[i] = y if y > ZERO else ZERO
        out[n + i] = -y if y < ZERO else ZERO
        background[i] = settle(background[i] + p.rate[i] * away)
