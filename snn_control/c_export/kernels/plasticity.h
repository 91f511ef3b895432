/* Learning rules: they change weights at the end of a step. */

/* The weight w + delta within its bounds; a delta that is NaN or huge is ignored. */
SNN_INLINE float snn_bounded_update(float w, float delta, float low, float high) {
    w = snn_flush(w + snn_bounded(delta));
    w = w > low ? w : low;
    return w < high ? w : high;
}

SNN_INLINE void snn_fill(int32_t n, float *x) {
    int32_t i;
    for (i = 0; i < n; i++) x[i] = 0.0f;
}

SNN_FN void snn_fade(int32_t n, float *x, float decay) {
    int32_t i;
    for (i = 0; i < n; i++) x[i] = snn_settle(x[i] * decay);
}

/* 0: the rule is off; 1: it has just been switched on, so its traces are outdated; 2: it was on before */
SNN_INLINE int32_t snn_state_of(int64_t *rule) {
    int64_t before = rule[1];
    rule[1] = rule[0] != 0;
    return rule[1] ? (before ? 2 : 1) : 0;
}

/* Where the synapses of a rule are. A synapse has `step` numbers, of which number `first` changes. */
typedef struct {
    int32_t n_pre, n_post, step, first;
    float *changes;
    const snn_pair *synapses;
    const uint32_t *pointers, *to_post, *incoming;
} snn_plastic;

SNN_FN uint32_t snn_depress(snn_plastic c, const float *y, float a, float low, float high, const unsigned char *pre) {
    uint32_t used = 0, s, end;
    int32_t count = snn_count(pre), k, j;
    for (k = 0; k < count; k++) {
        uint32_t i = snn_fired(pre)[k];
        if (c.pointers) {
            end = c.pointers[i + 1u];
            for (s = c.pointers[i]; s < end; s++) {
                float *w = c.changes + ((uint32_t)c.step * s + (uint32_t)c.first);
                *w = snn_bounded_update(*w, -(a * y[c.synapses[s].target]), low, high);
            }
            used += end - c.pointers[i];
        } else {
            float *row = c.changes + (size_t)i * (size_t)c.n_post;
            for (j = 0; j < c.n_post; j++) row[j] = snn_bounded_update(row[j], -(a * y[j]), low, high);
            used += (uint32_t)c.n_post;
        }
    }
    return used;
}

SNN_FN uint32_t snn_potentiate(snn_plastic c, const float *x, float a, float low, float high,
                               const unsigned char *post) {
    const uint32_t *fired = snn_fired(post);
    uint32_t used = 0, q;
    int32_t count = snn_count(post), k, i;
    if (c.pointers) {
        for (k = 0; k < count; k++) {
            uint32_t begin = c.to_post[fired[k]], end = c.to_post[fired[k] + 1u];
            for (q = begin; q < end; q++) {
                float *w = c.changes + ((uint32_t)c.step * c.incoming[2u * q] + (uint32_t)c.first);
                *w = snn_bounded_update(*w, a * x[c.incoming[2u * q + 1u]], low, high);
            }
            used += end - begin;
        }
    } else if (count > 0) {
        for (i = 0; i < c.n_pre; i++)
            if (x[i] != 0.0f) {
                float *row = c.changes + (size_t)i * (size_t)c.n_post, delta = a * x[i];
                for (k = 0; k < count; k++) row[fired[k]] = snn_bounded_update(row[fired[k]], delta, low, high);
                used += (uint32_t)count;
            }
    }
    return used;
}

/* Pair the spikes of this step; params: decay_plus, decay_minus, a_plus, a_minus. */
SNN_FN uint32_t snn_pair_spikes(snn_plastic c, const unsigned char *pre, const unsigned char *post, float *x, float *y,
                                const float *params, int32_t state, float low, float high) {
    uint32_t used;
    int32_t k;
    snn_fade(c.n_pre, x, state == 2 ? params[0] : 0.0f);
    snn_fade(c.n_post, y, state == 2 ? params[1] : 0.0f);
    for (k = 0; k < snn_count(pre); k++) x[snn_fired(pre)[k]] += 1.0f;
    used = snn_depress(c, y, params[3], low, high, pre);
    used += snn_potentiate(c, x, params[2], low, high, post);
    for (k = 0; k < snn_count(post); k++) y[snn_fired(post)[k]] += 1.0f;
    return used;
}

SNN_KERNEL(stdp, 1) {
    const unsigned char *pre = snn_slot(spikes, stride, slots, clock, delay);
    const unsigned char *post = snn_slot(post_spikes, post_stride, post_slots, clock, 0);
    const snn_pair *synapses = (const snn_pair *)(const void *)weights;
    snn_plastic c = {n_pre, n_post, pointers ? 2 : 1, pointers ? 1 : 0, weights, synapses, pointers, to_post, incoming};
    int32_t state = snn_state_of(switch_);
    (void)multiplicity;
    if (state > 0) switch_[2] += snn_pair_spikes(c, pre, post, x, y, params, state, params[4], params[5]);
}

SNN_KERNEL(reward_stdp, 1) {
    const unsigned char *pre = snn_slot(spikes, stride, slots, clock, delay);
    const unsigned char *post = snn_slot(post_spikes, post_stride, post_slots, clock, 0);
    const snn_pair *synapses = (const snn_pair *)(const void *)weights;
    snn_plastic c = {n_pre, n_post, 1, 0, eligibility, synapses, pointers, to_post, incoming};
    const int32_t k = pointers ? (int32_t)pointers[n_pre] : n_pre * n_post, state = snn_state_of(switch_);
    float rate;
    int32_t s;
    (void)multiplicity;
    if (state == 1) snn_fill(k, eligibility);
    if (state == 0) return;
    snn_pair_spikes(c, pre, post, x, y, params, state, -1e30f, 1e30f);
    rate = snn_bounded(params[7] * *reward);
    if (rate == 0.0f) {
        snn_fade(k, eligibility, params[6]);
        return;
    }
    for (s = 0; s < k; s++) {
        float *w = weights + (pointers ? 2 * s + 1 : s);
        *w = snn_bounded_update(*w, rate * eligibility[s], params[4], params[5]);
        eligibility[s] = snn_settle(eligibility[s] * params[6]);
    }
    switch_[2] += k;
}

/* x += gain for each neuron whose spike arrives */
SNN_INLINE void snn_add_arrivals(const unsigned char *list, int32_t multiplicity, float *x, float gain) {
    const uint16_t *times = snn_times(list, multiplicity);
    int32_t count = snn_count(list), k;
    for (k = 0; k < count; k++) x[snn_fired(list)[k]] += gain * (times ? (float)times[k] : 1.0f);
}

SNN_KERNEL(pes, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    const int32_t state = snn_state_of(switch_);
    int32_t wrong = 0, i, j;
    if (state == 0) return;
    snn_fade(n_pre, activity, state == 2 ? params[0] : 0.0f);
    snn_add_arrivals(list, multiplicity, activity, params[1]);
    for (j = 0; j < n_post; j++) wrong |= error[j] != 0.0f;
    if (!wrong) return;
    for (i = 0; i < n_pre; i++)
        if (activity[i] != 0.0f) {
            float *w = weights + (size_t)i * (size_t)n_post, c = params[2] * activity[i];
            for (j = 0; j < n_post; j++) w[j] = snn_bounded_update(w[j], -(c * error[j]), params[3], params[4]);
            switch_[2] += n_post;
        }
}
