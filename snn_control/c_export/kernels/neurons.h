/* Neurons: one step of a population. Parameters are rows of `each` numbers: one for all neurons, or one for each. */

/* Write the spike list of this step from the flags, and count the spikes; with counts, how often each neuron fired. */
SNN_FN void snn_emit(int32_t n, const uint8_t *flags, unsigned char *slot, int64_t *counter, int32_t multiplicity,
                     const uint16_t *counts) {
    uint32_t *fired = (uint32_t *)(void *)(slot + SNN_HEADER);
    uint16_t *times = (uint16_t *)(void *)(slot + multiplicity);
    int64_t total = 0;
    int32_t count = 0, i;
    for (i = 0; i < n; i++)
        if (flags[i]) {
            if (multiplicity) {
                times[count] = counts[i];
                total += counts[i];
            }
            fired[count++] = (uint32_t)i;
        }
    if (count < n) fired[count] = 0;
    *(int64_t *)(void *)slot = count;
    *counter += multiplicity ? total : count;
}

/* Set the current of the next step to the bias; both are one array if nothing adds to the current. */
SNN_INLINE void snn_restart(int32_t n, float *current, const float *bias) {
    int32_t i;
    if (current != bias)
        for (i = 0; i < n; i++) current[i] = bias[i];
}

/* Bits of `mode`. */
enum { SNN_SUBTRACT = 1, SNN_DELAYED = 2, SNN_TWICE = 4 };

/* Neurons that share their parameters, fire at most once a step, do not adapt and reset at once. */
SNN_FN void snn_identical_neurons(int32_t n, const float *p, float *current, const float *bias, uint8_t *flags,
                                  unsigned char *slot, int64_t *counter, int32_t refractory, int32_t subtract, float *v,
                                  float *isyn, uint16_t *wait) {
    const float decay = p[0], gain = p[1], leak = p[2], gain_syn = p[3], decay_syn = p[4];
    const float threshold = p[5], reset = p[6], lowest = p[7];
    uint32_t *fired = (uint32_t *)(void *)(slot + SNN_HEADER);
    int32_t count = 0, i;
    for (i = 0; i < n; i++) {
        float before = v[i], u = decay * snn_bounded(before) + gain * current[i];
        int32_t fires;
        if (isyn) {
            float q = isyn[i];
            u = u + gain_syn * q;
            isyn[i] = snn_settle(q * decay_syn);
        }
        u = u + leak;
        u = u > lowest ? u : lowest;
        fires = u >= threshold;
        if (refractory > 0 && wait[i] > 0) {
            wait[i] = (uint16_t)(wait[i] - 1);
            fires = 0;
            u = before;
        } else {
            if (fires) {
                u = subtract ? u - reset : reset;
                if (refractory > 0) wait[i] = (uint16_t)refractory;
            }
            u = snn_flush(u);
        }
        if (fires) fired[count++] = (uint32_t)i;
        v[i] = u;
        flags[i] = (uint8_t)fires;
    }
    snn_restart(n, current, bias);
    if (count < n) fired[count] = 0;
    *(int64_t *)(void *)slot = count;
    *counter += count;
}

/* Neurons of any kind: own parameters, adaptation, several spikes a step, a delayed reset. */
SNN_FN void snn_varied_neurons(int32_t n, const float *p, int32_t each, const float *current, uint8_t *flags,
                               int32_t multiplicity, int32_t refractory, int32_t mode, float *v, float *isyn,
                               float *adapt, uint16_t *wait, uint16_t *counts) {
    int32_t i;
    for (i = 0; i < n; i++) {
        const float *own = p + (each > 1 ? i : 0);
        float threshold = own[5 * each], reset = own[6 * each], q = 0.0f, before, u;
        int32_t again, fires;
        if (isyn) {
            q = isyn[i];
            isyn[i] = snn_settle(q * own[4 * each]);
        }
        if (adapt) {
            threshold = threshold + own[8 * each] * adapt[i];
            adapt[i] = snn_flush(adapt[i] * own[9 * each]);
        }
        again = (mode & SNN_DELAYED) && flags[i];
        flags[i] = 0;
        if (refractory > 0 && wait[i] > 0) {
            wait[i] = (uint16_t)(wait[i] - 1);
            continue;
        }
        before = snn_bounded(v[i]);
        if (again && !(mode & SNN_SUBTRACT)) before = reset;
        u = ((own[0] * before + own[each] * current[i]) + own[3 * each] * q) + own[2 * each];
        if (again && (mode & SNN_SUBTRACT)) u = u - reset;
        u = u > own[7 * each] ? u : own[7 * each];
        fires = (mode & SNN_TWICE) && before >= threshold ? u - reset >= threshold : u >= threshold;
        if (fires) {
            flags[i] = 1;
            if (multiplicity) {
                float share = u / reset;
                counts[i] = (uint16_t)(share < 65535.0f ? share : 65535.0f);
                u = u - (float)counts[i] * reset;
            } else if (!(mode & SNN_DELAYED)) {
                u = mode & SNN_SUBTRACT ? u - reset : reset;
            }
            if (adapt) adapt[i] += 1.0f;
            if (refractory > 0) wait[i] = (uint16_t)refractory;
        }
        v[i] = snn_flush(u);
    }
}

SNN_KERNEL_INLINE(integrate_and_fire, 1) {
    unsigned char *slot = snn_own_slot(spikes, stride, slots, clock);
    if (each > 1 || adapt || multiplicity || mode > SNN_SUBTRACT) {
        snn_varied_neurons(n, params, each, current, flags, multiplicity, refractory, mode, v, isyn, adapt, wait,
                           counts);
        snn_restart(n, current, bias);
        snn_emit(n, flags, slot, counter, multiplicity, counts);
    } else {
        snn_identical_neurons(n, params, current, bias, flags, slot, counter, refractory, mode, v, isyn, wait);
    }
}

SNN_KERNEL(leaky_integrator, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        const float *own = params + (each > 1 ? i : 0);
        float q = 0.0f, before = snn_bounded(v[i]), u;
        if (isyn) {
            q = isyn[i];
            isyn[i] = snn_settle(q * own[4 * each]);
        }
        before = before > own[6 * each] ? before : own[6 * each];
        u = own[each] * current[i] + own[3 * each] * q;
        u = u + (own[2 * each] - own[5 * each] * before);
        v[i] = snn_flush(own[0] * before + u);
    }
    snn_restart(n, current, bias);
}

/* Threshold and refractory period of neuron i: 1 if it fires, -1 in its refractory period. */
SNN_INLINE int32_t snn_fires(int32_t i, uint8_t *flags, int32_t refractory, uint16_t *wait, float u, float threshold) {
    flags[i] = 0;
    if (refractory > 0 && wait[i] > 0) {
        wait[i] = (uint16_t)(wait[i] - 1);
        return -1;
    }
    if (!(u >= threshold)) return 0;
    flags[i] = 1;
    if (refractory > 0) wait[i] = (uint16_t)refractory;
    return 1;
}

SNN_KERNEL(adex, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        const float *own = params + (each > 1 ? i : 0);
        float before = snn_bounded(v[i]), adaptation = w[i], z = own[7 * each] * (before - own[6 * each]), u, after;
        int32_t fires;
        float rise = own[5 * each] * snn_exponential(z < 30.0f ? z : 30.0f);
        u = (own[0] * before + own[each] * (current[i] - adaptation)) + rise;
        u = u + own[2 * each];
        after = own[8 * each] * adaptation + own[9 * each] * (before - own[11 * each]);
        fires = snn_fires(i, flags, refractory, wait, u, own[3 * each]);
        u = fires > 0 ? own[4 * each] : fires < 0 ? before : u;
        v[i] = snn_flush(u);
        w[i] = snn_settle(fires > 0 ? after + own[10 * each] : after);
    }
    snn_restart(n, current, bias);
    snn_emit(n, flags, snn_own_slot(spikes, stride, slots, clock), counter, multiplicity, (const uint16_t *)0);
}

SNN_INLINE float snn_quadratic(float v, float u, float drive, float half) {
    return v + half * ((((0.04f * v + 5.0f) * v + 140.0f) - u) + drive);
}

SNN_KERNEL(izhikevich, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        const float *own = params + (each > 1 ? i : 0);
        float before = snn_bounded(v[i]), recovery = u[i], half = own[0], drive = own[each] * current[i], v1, after;
        int32_t fires;
        v1 = snn_quadratic(snn_quadratic(before, recovery, drive, half), recovery, drive, half);
        after = recovery + own[4 * each] * (own[5 * each] * v1 - recovery);
        fires = snn_fires(i, flags, refractory, wait, v1, own[2 * each]);
        v1 = fires > 0 ? own[3 * each] : fires < 0 ? before : v1;
        v[i] = snn_settle(v1);
        u[i] = snn_settle(fires > 0 ? after + own[6 * each] : after);
    }
    snn_restart(n, current, bias);
    snn_emit(n, flags, snn_own_slot(spikes, stride, slots, clock), counter, multiplicity, (const uint16_t *)0);
}
