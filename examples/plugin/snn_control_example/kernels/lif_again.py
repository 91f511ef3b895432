"""v <- decay v + gain current + leak, but at least floor; fires at the threshold. All neurons share the parameters."""

from snn_control.engine.kernels import bounded, flush
from snn_control.engine.kernels.neurons import Firing, Neurons, emit, restart_current
from snn_control.engine.rows import kernel, written


@kernel()
def lif_again(
    cells: Neurons("decay", "gain", "leak", "threshold", "reset", "floor"), fired: Firing(), v: written("f32", "n")
):
    """Compute one step of all neurons, with selects instead of branches, so that the compiler vectorises the loop."""
    p, current, flags = cells.p, cells.current, fired.flags
    decay, gain, leak, threshold, reset, floor = (
        p.decay[0], p.gain[0], p.leak[0], p.threshold[0], p.reset[0], p.floor[0]
    )  # fmt: skip
    for i in range(v.size):
        u = (decay * bounded(v[i]) + gain * current[i]) + leak
        u = u if u > floor else floor
        fires = u >= threshold
        v[i] = flush(reset if fires else u)
        flags[i] = fires
    restart_current(cells)
    emit(cells.n, fired)
