/* Spikes through projections: the weights of the neurons that fired are added in ascending order. */

/* y += rows of w: four rows at a time keep the order of the sums. */
SNN_FN void snn_add_rows(int32_t n, float *restrict y, const float *restrict w, const uint32_t *restrict fired,
                         int32_t count) {
    int32_t i, k = 0;
    for (; k + 4 <= count; k += 4) {
        const float *restrict a = w + (size_t)fired[k] * (size_t)n;
        const float *restrict b = w + (size_t)fired[k + 1] * (size_t)n;
        const float *restrict c = w + (size_t)fired[k + 2] * (size_t)n;
        const float *restrict d = w + (size_t)fired[k + 3] * (size_t)n;
        for (i = 0; i < n; i++) y[i] = (((y[i] + a[i]) + b[i]) + c[i]) + d[i];
    }
    for (; k < count; k++) {
        const float *restrict a = w + (size_t)fired[k] * (size_t)n;
        for (i = 0; i < n; i++) y[i] += a[i];
    }
}

SNN_FN void snn_add_row_times(int32_t n, float *restrict y, const float *restrict w, float a) {
    int32_t i;
    for (i = 0; i < n; i++) y[i] += a * w[i];
}

SNN_INLINE void snn_add_spikes(int32_t n, float *y, const float *w, const unsigned char *slot, int32_t multiplicity) {
    const uint32_t *fired = snn_fired(slot);
    const uint16_t *times = snn_times(slot, multiplicity);
    int32_t count = snn_count(slot), k;
    if (!multiplicity) {
        snn_add_rows(n, y, w, fired, count);
    } else {
        for (k = 0; k < count; k++) snn_add_row_times(n, y, w + (size_t)fired[k] * (size_t)n, (float)times[k]);
    }
}

/* Synapses of the neurons that fired whose weight is not 0. */
SNN_INLINE int64_t snn_synapses_of(int32_t n, const uint32_t *fan_out, const unsigned char *slot) {
    const uint32_t *fired = snn_fired(slot);
    int32_t count = snn_count(slot), k;
    uint32_t used = 0;
    if (!fan_out) return (int64_t)count * n;
    for (k = 0; k < count; k++) used += fan_out[fired[k]];
    return used;
}

SNN_KERNEL(dense_spikes, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    if (snn_count(list) > 0) {
        snn_add_spikes(n_post, y, weights, list, multiplicity);
        *counter += snn_synapses_of(n_post, fan_out, list);
    }
}

/* y[target] += a weight, for the synapses of one neuron */
SNN_FN uint32_t snn_add_pairs(float *restrict y, const snn_pair *restrict first, const snn_pair *restrict end) {
    const snn_pair *at = first;
    for (; end - at >= 4; at += 4) {
        y[at[0].target] += at[0].weight;
        y[at[1].target] += at[1].weight;
        y[at[2].target] += at[2].weight;
        y[at[3].target] += at[3].weight;
    }
    for (; at < end; at++) y[at->target] += at->weight;
    return (uint32_t)(end - first);
}

SNN_FN uint32_t snn_add_pairs_times(float *restrict y, const snn_pair *restrict first, const snn_pair *restrict end,
                                    float a) {
    const snn_pair *at = first;
    for (; at < end; at++) y[at->target] += a * at->weight;
    return (uint32_t)(end - first);
}

SNN_KERNEL(csr_spikes, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    const uint32_t *fired = snn_fired(list);
    const uint16_t *times = snn_times(list, multiplicity);
    int32_t count = snn_count(list), k;
    uint32_t used = 0;
    (void)n_post;
    (void)n_pointers;
    for (k = 0; k < count; k++) {
        const snn_pair *first = weights + pointers[fired[k]], *end = weights + pointers[fired[k] + 1u];
        used += multiplicity ? snn_add_pairs_times(y, first, end, (float)times[k]) : snn_add_pairs(y, first, end);
    }
    *counter += used;
}

SNN_KERNEL(csr_delayed, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    const uint32_t *fired = snn_fired(list);
    const uint16_t *times = snn_times(list, multiplicity);
    const uint32_t size = (uint32_t)(n_post * steps), base = (uint32_t)n_post * snn_modulo(clock[1], (uint32_t)steps);
    int32_t count = snn_count(list), k;
    uint32_t used = 0;
    (void)n_pointers;
    for (k = 0; k < count; k++) {
        const snn_pair *at = weights + pointers[fired[k]], *end = weights + pointers[fired[k] + 1u];
        float a = multiplicity ? (float)times[k] : 1.0f;
        used += (uint32_t)(end - at);
        for (; at < end; at++) {
            uint32_t to = base + at->target;
            line[to >= size ? to - size : to] += a * at->weight;
        }
    }
    *counter += used;
}

SNN_KERNEL(release, 1) {
    float *arrived = line + (size_t)n * snn_modulo(clock[1], (uint32_t)steps);
    int32_t i;
    for (i = 0; i < n; i++) {
        y[i] += arrived[i];
        arrived[i] = 0.0f;
    }
}

SNN_KERNEL(synapse, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        y[i] += isyn[i];
        isyn[i] = snn_settle(isyn[i] * *decay);
    }
}
