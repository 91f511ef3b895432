/* Checks of the inputs, once per tick. */

enum { SNN_VALID, SNN_SAMPLE_GOOD };

/* Words of the control block and times. */
enum { SNN_WHOLE = 1000, SNN_MOST_COUNTED = 1000000 };

#define SNN_NO_LIMIT (INT64_C(1) << 62)

SNN_KERNEL(check_sample, 1) {
    int64_t in_time;
    if (slot[SNN_FRESH] > 0) {
        int64_t good = 1;
        if (n > 0) {
            const float *low = limits, *high = limits + n, *least = limits + 2 * n, *most = limits + 3 * n;
            int32_t rejected = 0, clamped = 0, i;
            for (i = 0; i < n; i++) {
                float value = (float)data[i];
                rejected += !((value >= least[i]) & (value <= most[i]));
            }
            if (rejected == 0) {
                for (i = 0; i < n; i++) {
                    float value = (float)data[i];
                    clamped += (value < low[i]) | (value > high[i]);
                    value = value < low[i] ? low[i] : value;
                    held[i] = value > high[i] ? high[i] : value;
                }
                counters[0] += clamped;
            } else {
                good = 0;
                counters[1] += 1;
            }
        }
        valid[SNN_SAMPLE_GOOD] = good;
    }
    counters[3] += slot[SNN_DROPPED];
    in_time = (slot[SNN_AGE] >= 0) & (slot[SNN_AGE] <= max_age);
    if (!in_time) counters[2] += 1;
    valid[SNN_VALID] = in_time & valid[SNN_SAMPLE_GOOD];
}

/* Rules for a number that is not finite. */
enum { SNN_REJECT, SNN_HIGH, SNN_LOW, SNN_HOLD };

SNN_KERNEL(replace_not_finite, 2) {
    const float *low = limits, *high = limits + n, *least = limits + 2 * n, *most = limits + 3 * n;
    int32_t replaced = 0, failed = 0, kept = 0, i;
    for (i = 0; i < n; i++) age[i] += tick;
    if (slot[SNN_FRESH] <= 0) return;
    for (i = 0; i < n; i++) {
        float value = (float)data[i];
        out[i] = data[i];
        if (snn_is_finite(value)) {
            if ((value >= least[i]) & (value <= most[i])) {
                last[i] = value;
                age[i] = slot[SNN_AGE];
            }
        } else if (rules[i] == SNN_HOLD) {
            int32_t good = snn_is_finite(last[i]) & (age[i] <= max_age);
            failed++;
            out[i] = (snn_value)(good ? last[i] : SNN_NAN);
            replaced += good;
            kept += good & (max_age < SNN_NO_LIMIT);
        } else if (rules[i] != SNN_REJECT) {
            int32_t nan = snn_magnitude(value) > SNN_INFINITY, up = nan ? rules[i] == SNN_HIGH : value > 0.0f;
            failed += nan;
            out[i] = (snn_value)(up ? high[i] : low[i]);
            replaced++;
        }
    }
    counters[2] += n;
    if ((failed == n) & (kept == 0)) {
        for (i = 0; i < n; i++) out[i] = (snn_value)SNN_NAN;
    } else {
        counters[0] += replaced;
        counters[1] += failed;
    }
}

SNN_INLINE double snn_distance(float a, float b) {
    double d = (double)a - (double)b;
    return d < 0.0 ? -d : d;
}

SNN_KERNEL(reject_implausible, 1) {
    int64_t elapsed = control[SNN_ELAPSED] > 0 ? control[SNN_ELAPSED] : SNN_WHOLE;
    const float *rate = motion, *jump = motion + n, *least = limits + 2 * n, *most = limits + 3 * n;
    int32_t far = 0, same = since[1] >= 0, whole = 1, sound = 1, stands, good, i;
    int64_t passed;
    double seconds;
    elapsed = elapsed < SNN_MOST_COUNTED ? elapsed : SNN_MOST_COUNTED;
    passed = (int64_t)(double)(float)tick;
    if (elapsed != SNN_WHOLE) passed = (int64_t)((double)(float)tick * ((double)elapsed / 1000.0));
    for (i = 0; i < 2; i++)
        if (since[i] >= 0) since[i] = since[i] + passed < SNN_NO_LIMIT ? since[i] + passed : SNN_NO_LIMIT;
    if (slot[SNN_FRESH] <= 0) return;
    seconds = (double)(since[0] + tick) * 1e-9;
    for (i = 0; i < n; i++) {
        float value = (float)data[i];
        whole &= snn_is_finite(value);
        sound &= (value >= least[i]) & (value <= most[i]);
        if (since[0] >= 0) far |= snn_distance(value, accepted[i]) > (double)rate[i] * seconds;
        if (since[1] >= 0) {
            far |= snn_distance(value, seen[i]) > (double)jump[i];
            same &= value == seen[i];
        }
    }
    if (!same && whole) {
        since[1] = 0;
        for (i = 0; i < n; i++) seen[i] = (float)data[i];
    }
    stands = same & (since[1] > frozen);
    counters[0] += far;
    counters[1] += stands;
    good = !far && !stands && sound;
    for (i = 0; i < n; i++) {
        out[i] = far | stands ? (snn_value)SNN_NAN : data[i];
        if (good) accepted[i] = (float)data[i];
    }
    if (good) since[0] = 0;
}
