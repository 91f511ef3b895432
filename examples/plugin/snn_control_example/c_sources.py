"""Kernels in C, for ``snn_control export --c``: name of a kernel -> its body. The row gives the parameters."""

QUADRATIC = """
SNN_KERNEL(quadratic, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        const float *p = params + (each > 1 ? i : 0);
        float before = snn_bounded(v[i]), bend = (before - p[each]) * (before - p[2 * each]);
        float u = (before + p[0] * bend) + p[3 * each] * current[i];
        int32_t fires = snn_fires(i, flags, refractory, wait, u, p[4 * each]);
        v[i] = snn_settle(fires > 0 ? p[5 * each] : fires < 0 ? before : u);
    }
    snn_restart(n, current, bias);
    snn_emit(n, flags, snn_own_slot(spikes, stride, slots, clock), counter, multiplicity, (const uint16_t *)0);
}
"""
C = {"quadratic": QUADRATIC}
