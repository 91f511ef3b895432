/* Decoders: from spikes and membranes to the numbers of an output. */

SNN_KERNEL(trace, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, 0);
    int32_t i;
    for (i = 0; i < m; i++) y[i] = snn_settle(y[i] * *decay);
    if (snn_count(list) > 0) {
        snn_add_spikes(m, y, weights, list, multiplicity);
        *counter += snn_synapses_of(m, fan_out, list);
    }
}

SNN_KERNEL(population_vector, 1) {
    int32_t j;
    for (j = 0; j < m; j++) {
        if (y[m] >= *least)
            last[j] = y[j] / y[m];
        else
            last[j] = hold ? snn_bounded(last[j]) : 0.0f;
        out[j] += last[j];
    }
}

/* counts += sign times the spikes of a list, and x as float */
SNN_FN void snn_add_counts(const unsigned char *list, int32_t multiplicity, int32_t sign, int64_t *counts, float *x) {
    const uint32_t *fired = snn_fired(list);
    const uint16_t *times = snn_times(list, multiplicity);
    int32_t count = snn_count(list), k;
    for (k = 0; k < count; k++) {
        uint32_t i = fired[k];
        counts[i] += sign * (times ? (int32_t)times[k] : 1);
        x[i] = (float)(int32_t)counts[i];
    }
}

SNN_KERNEL(window_counts, 1) {
    (void)n;
    snn_add_counts(snn_slot_of_step(spikes, stride, slots, clock[1]), multiplicity, 1, counts, x);
    snn_add_counts(snn_slot_of_step(spikes, stride, slots, clock[1] - steps), multiplicity, -1, counts, x);
}

SNN_KERNEL(window_mean, 1) {
    int32_t i, k;
    for (i = 0; i < n; i++) x[i] = 0.0f;
    for (k = steps; k > 0; k--) {
        const float *v = (const float *)(const void *)snn_slot_of_step(line, stride, slots, clock[1] - k);
        for (i = 0; i < n; i++) x[i] += v[i];
    }
    for (i = 0; i < n; i++) x[i] /= (float)steps;
}

SNN_KERNEL(first_spike, 1) {
    int32_t k;
    for (k = steps; k > 0; k--) {
        const unsigned char *list = snn_slot_of_step(spikes, stride, slots, clock[1] - k);
        if (snn_modulo(clock[1] - k, (uint32_t)window) == 0u) state[1] = 0;
        if (state[1] == 0 && snn_count(list) > 0) {
            state[0] = snn_fired(list)[0];
            state[1] = 1;
        }
    }
    if (state[0] >= 0 && state[0] < n)
        for (k = 0; k < m; k++) out[k] += weights[(int32_t)state[0] * m + k];
}

SNN_KERNEL(argmax, 1) {
    int32_t best = 0, finite = 1, i;
    for (i = 0; i < n; i++) {
        finite &= snn_is_finite(x[i]);
        if (x[i] > x[best]) best = i;
    }
    y[0] = finite ? (float)best : SNN_NAN;
}

SNN_KERNEL(squash, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        float t = 1.0f - 2.0f / (snn_exponential(2.0f * snn_abs(x[i])) + 1.0f);
        y[i] = snn_is_finite(x[i]) ? centre[i] + half[i] * (x[i] > 0.0f ? t : -t) : SNN_NAN;
    }
}
