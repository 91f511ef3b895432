/* Graded signals through projections. */

SNN_INLINE const float *snn_signal(const float *x, int32_t stride, int32_t slots, const int64_t *clock, int32_t delay) {
    return (const float *)(const void *)snn_slot(x, stride, slots, clock, delay);
}

/* Synapses whose weight and source are not 0. */
SNN_INLINE int64_t snn_active(const uint32_t *fan_out, const float *x, int32_t m) {
    uint32_t used = 0;
    int32_t j;
    for (j = 0; j < m; j++) used += x[j] != 0.0f ? fan_out[j] : 0u;
    return used;
}

/* y += x W, four rows at a time; the number of elements of x that are not 0 */
SNN_FN int32_t snn_add_product(int32_t n, float *restrict y, const float *restrict w, int32_t m,
                               const float *restrict x) {
    int32_t j = 0, used = 0, i;
    for (; j + 4 <= m; j += 4) {
        const float a = x[j], b = x[j + 1], c = x[j + 2], d = x[j + 3], *restrict r = w + (size_t)j * (size_t)n;
        int32_t active = (a != 0.0f) + (b != 0.0f) + (c != 0.0f) + (d != 0.0f);
        if (active > 0)
            for (i = 0; i < n; i++) y[i] = (((y[i] + a * r[i]) + b * r[n + i]) + c * r[2 * n + i]) + d * r[3 * n + i];
        used += active;
    }
    for (; j < m; j++)
        if (x[j] != 0.0f) {
            const float a = x[j], *restrict r = w + (size_t)j * (size_t)n;
            for (i = 0; i < n; i++) y[i] += a * r[i];
            used++;
        }
    return used;
}

SNN_KERNEL(dense_graded, 1) {
    const float *now = snn_signal(x, stride, slots, clock, delay);
    int32_t used = snn_add_product(n_post, y, weights, n_pre, now);
    *counter += fan_out ? snn_active(fan_out, now, n_pre) : (int64_t)used * n_post;
}

SNN_KERNEL(one_to_one_graded, 1) {
    const float *now = snn_signal(x, stride, slots, clock, delay);
    int32_t used = 0, i;
    (void)n_pre;
    for (i = 0; i < n_post; i++) {
        y[i] += weights[i] * now[i];
        used += (now[i] != 0.0f) & (weights[i] != 0.0f);
    }
    *counter += used;
}

SNN_KERNEL(gather_graded, 1) {
    const float *now = snn_signal(x, stride, slots, clock, delay);
    int32_t i;
    for (i = 0; i < n_post; i++) y[i] = start[i] + weights[i] * now[channels[i]];
    *counter += snn_active(fan_out, now, n_pre);
}

SNN_KERNEL(tile_graded, 1) {
    const float *now = snn_signal(x, stride, slots, clock, delay);
    int32_t i, j;
    for (j = 0; j < size; j++) tile[j] = j < n_pre ? *weight * now[j] : tile[j - n_pre];
    for (i = 0, j = 0; i < n_post; i++) {
        y[i] = start[i] + tile[j];
        j = j + 1 < size ? j + 1 : 0;
    }
    *counter += snn_active(fan_out, now, n_pre);
}

SNN_KERNEL(csr_graded, 1) {
    const float *now = snn_signal(x, stride, slots, clock, delay);
    uint32_t used = 0;
    int32_t j;
    (void)n_post;
    for (j = 0; j < n_pre; j++)
        if (now[j] != 0.0f) used += snn_add_pairs_times(y, weights + pointers[j], weights + pointers[j + 1], now[j]);
    *counter += used;
}
