/* Projections with weights of 8 bits. */

/* sums += rows of w, four rows at a time */
SNN_FN void snn_sum_rows(int32_t n, int32_t *restrict sums, const int8_t *restrict w, const uint32_t *restrict fired,
                         int32_t count) {
    int32_t i, k = 0;
    for (i = 0; i < n; i++) sums[i] = 0;
    for (; k + 4 <= count; k += 4) {
        const int8_t *restrict a = w + (size_t)fired[k] * (size_t)n;
        const int8_t *restrict b = w + (size_t)fired[k + 1] * (size_t)n;
        const int8_t *restrict c = w + (size_t)fired[k + 2] * (size_t)n;
        const int8_t *restrict d = w + (size_t)fired[k + 3] * (size_t)n;
        for (i = 0; i < n; i++) sums[i] += (a[i] + b[i]) + (c[i] + d[i]);
    }
    for (; k < count; k++) {
        const int8_t *restrict a = w + (size_t)fired[k] * (size_t)n;
        for (i = 0; i < n; i++) sums[i] += a[i];
    }
}

SNN_KERNEL(dense_spikes_int8, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    int32_t count = snn_count(list), i;
    (void)multiplicity;
    if (count > 0) {
        snn_sum_rows(n_post, sums, weights, snn_fired(list), count);
        for (i = 0; i < n_post; i++) y[i] += *scale * (float)sums[i];
        *counter += snn_synapses_of(n_post, fan_out, list);
    }
}

/* The weight of a synapse: the upper 8 bits, with their sign. */
SNN_INLINE float snn_weight8(uint32_t synapse) {
    uint32_t byte = synapse >> 24;
    return (float)(byte < 128u ? (int32_t)byte : (int32_t)byte - 256);
}

SNN_KERNEL(csr_spikes_int8, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    const uint32_t *fired = snn_fired(list);
    int32_t count = snn_count(list), k;
    uint32_t used = 0;
    (void)n_post;
    (void)n_pointers;
    (void)multiplicity;
    for (k = 0; k < count; k++) {
        uint32_t j = pointers[fired[k]], end = pointers[fired[k] + 1u];
        used += end - j;
        for (; j < end; j++) y[weights[j] & 0xFFFFFFu] += *scale * snn_weight8(weights[j]);
    }
    *counter += used;
}
