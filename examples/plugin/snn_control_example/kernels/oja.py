"""w += rate y (x - y w), with the filtered spikes x of the presynaptic and y of the postsynaptic neurons."""

from snn_control.engine.kernels import ONE, ZERO
from snn_control.engine.kernels.plasticity import (
    UPDATES,
    add_arrivals,
    arriving,
    bounded_update,
    fade,
    firing,
    part,
    state_of,
    switched,
)
from snn_control.engine.rows import Scalars, address, count, kernel, written


@kernel()
def oja(
    n_pre: count,
    n_post: count,
    weights: address("f32", "n_pre * n_post", written=True),
    source: arriving,
    post: firing,
    x: written("f32", "n_pre"),
    y: written("f32", "n_post"),
    params: Scalars("f32", "decay", "rate", "low", "high"),
    switch: switched,
):
    """Update the traces, then the weights: a matrix (n_pre, n_post), of which `part` is a row."""
    state = state_of(switch)
    if state == 0:
        return
    decay = params.decay if state == 2 else ZERO  # just switched on: old traces are of another time
    fade(x, decay)
    fade(y, decay)
    add_arrivals(source, x, ONE)
    for k in range(post.fired.size):
        y[post.fired[k]] += ONE
    rate, low, high = params.rate, params.low, params.high
    for i in range(n_pre):
        w, xi = part(weights, n_post, i), x[i]
        for j in range(n_post):
            w[j] = bounded_update(w[j], rate * (y[j] * (xi - y[j] * w[j])), low, high)
    switch[UPDATES] += n_pre * n_post
