/* Stochastic and temporal codes. */

/* Four random words of 32 bits: Philox4x32-10 (Salmon et al. 2011). */
SNN_FN void snn_philox(uint32_t *c, uint32_t k0, uint32_t k1) {
    int32_t k;
    for (k = 0; k < 10; k++) {
        uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)a;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/* x limited to [0, most]; 0 if x is NaN */
SNN_INLINE float snn_within(float x, float most) {
    x = x > 0.0f ? x : 0.0f;
    return x < most ? x : most;
}

/* A Poisson-distributed number: the first k for which u < P(count <= k). */
SNN_FN uint16_t snn_poisson(float u, float mean) {
    uint16_t k = 0;
    float p = snn_exponential(-mean), below = p;
    while (u >= below) {
        float after;
        k++;
        p = p * (mean / (float)k);
        after = below + p;
        if (after == below) break;
        below = after;
    }
    return k;
}

SNN_KERNEL(stochastic, 1) {
    uint32_t word[4] = {0, 0, 0, 0};
    int32_t i;
    (void)refractory;
    for (i = 0; i < n; i++) {
        float mean = params[each > 1 ? i : 0] * current[i], drawn;
        if ((i & 3) == 0) {
            word[0] = (uint32_t)i >> 2;
            word[1] = (uint32_t)(uint64_t)clock[1];
            word[2] = (uint32_t)((uint64_t)clock[1] >> 32);
            word[3] = (uint32_t)(uint64_t)number;
            snn_philox(word, (uint32_t)(uint64_t)seed, (uint32_t)((uint64_t)seed >> 32));
        }
        drawn = (float)(int32_t)(word[i & 3] >> 8) * 5.9604644775390625e-08f;
        if (multiplicity) {
            counts[i] = snn_poisson(drawn, snn_within(mean, 64.0f));
            flags[i] = counts[i] > 0;
        } else {
            flags[i] = drawn < snn_within(mean, 1.0f);
        }
    }
    snn_restart(n, current, bias);
    snn_emit(n, flags, snn_own_slot(spikes, stride, slots, clock), counter, multiplicity, counts);
}

SNN_KERNEL(temporal, 1) {
    const uint32_t at = snn_modulo(clock[1], (uint32_t)window);
    const float *levels = params + (size_t)each * at;
    int32_t i;
    (void)refractory;
    for (i = 0; i < n; i++) {
        float x = at == 0u ? snn_within(current[i], 1.0f) : v[i], level = levels[each > 1 ? i : 0];
        int32_t fires = x >= level;
        v[i] = fires ? (subtract ? x - level : 0.0f) : x;
        flags[i] = (uint8_t)fires;
    }
    snn_restart(n, current, bias);
    snn_emit(n, flags, snn_own_slot(spikes, stride, slots, clock), counter, multiplicity, (const uint16_t *)0);
}
