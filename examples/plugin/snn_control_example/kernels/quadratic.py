"""tau dv/dt = slope (v - v_rest) (v - v_critical) + r I, one forward Euler step."""

from snn_control.engine.kernels import bounded, settle
from snn_control.engine.kernels.neurons import Firing, Neurons, emit, restart_current, waiting
from snn_control.engine.rows import kernel, written


@kernel()
def quadratic(
    cells: Neurons("slope", "rest", "critical", "gain", "threshold", "reset"),
    fired: Firing(),
    v: written("f32", "n"),
    wait: waiting,
):
    """Compute one step of all neurons of a population."""
    p, current, flags, refractory = cells.p, cells.current, fired.flags, fired.refractory
    for i in range(cells.n):
        j, before = i * cells.step, bounded(v[i])  # j: one parameter for all, or one per neuron
        bend = (before - p.rest[j]) * (before - p.critical[j])
        u = (before + p.slope[j] * bend) + p.gain[j] * current[i]
        flags[i] = 0
        if refractory > 0 and wait[i] > 0:
            wait[i] -= 1
            u = before
        elif u >= p.threshold[j]:
            flags[i] = 1
            u = p.reset[j]
            if refractory > 0:
                wait[i] = refractory
        v[i] = settle(u)
    restart_current(cells)
    emit(cells.n, fired)
