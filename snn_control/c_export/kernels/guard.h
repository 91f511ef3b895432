/* The guard: it detects faults and limits the motion of the commands. Its numbers are double, as in the engine. */

/* Words of the guard. */
enum {
    SNN_FAULTED,
    SNN_STREAK,
    SNN_REASON,
    SNN_SAFE_TICKS,
    SNN_CLAMPS,
    SNN_SLEWED,
    SNN_FAULTS,
    SNN_RELEASED,
    SNN_BEGUN
};

/* Bits of a reason. */
enum { SNN_INPUT_INVALID = 1, SNN_NOT_FINITE = 2, SNN_STOPPED = 4, SNN_STOP_INPUT = 16, SNN_OPERATOR = 64 };

/* In SNN_RELEASE while an operator stops the commands. */
#define SNN_HELD (INT64_C(1) << 62)

/* How a command approaches its safe value. */
enum { SNN_JUMP, SNN_RAMP, SNN_STAY };

enum { SNN_PERIOD = 1000, SNN_MOST_ELAPSED = 10000 };

/* 0 if no command has a limit of slew, acceleration or jerk: their arithmetic is left out then. */
#ifndef SNN_MOTION_LIMITS
#define SNN_MOTION_LIMITS 1
#endif

/* Limits: six rows of m numbers. */
typedef struct {
    const double *low, *high, *safe, *slew, *acceleration, *jerk;
    int32_t m, words;
    double periods;
    int64_t rounds;
} snn_limits;

SNN_KERNEL(stop, 1) {
    const int64_t mask = INT64_C(1) << bit;
    int32_t pressed = valid[0] == 0, i;
    for (i = 0; i < n; i++) pressed |= (held[i] == 0.0f) == (zero != 0);
    stops[0] = pressed ? stops[0] | mask : stops[0] & ~mask;
    if (pressed && latched && slot[SNN_AGE] >= 0) stops[1] |= mask;
}

SNN_INLINE double snn_clip(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

SNN_INLINE double snn_magnitude_of(double x) { return x < 0.0 ? -x : x; }

/* The square root, rounded to nearest, by integers: the same on processors with and without float64. */
SNN_FN double snn_root(double x) {
    snn_wide b;
    uint64_t mantissa, root = 0, rest = 0;
    int32_t exponent, k;
    b.d = x;
    if (!(x > 0.0) || b.u >= UINT64_C(0x7FF0000000000000)) return x;
    exponent = (int32_t)(b.u >> 52) - 1023;
    mantissa = (b.u & UINT64_C(0xFFFFFFFFFFFFF)) | UINT64_C(0x10000000000000);
    if (exponent & 1) mantissa <<= 1;
    mantissa <<= 10; /* 64 bits, of which the upper two are the integer part */
    for (k = 0; k < 54; k++) {
        uint64_t trial = root << 2 | 1u;
        rest = rest << 2 | mantissa >> 62;
        mantissa <<= 2;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1u;
        }
    }
    root = (root >> 1) + (root & 1u); /* the last bit rounds; a tie is not possible */
    b.u = ((uint64_t)((exponent - (exponent & 1)) / 2 + 1023) << 52) + (root - UINT64_C(0x10000000000000));
    return b.d;
}

/* The smallest whole number that is not below x */
SNN_FN double snn_ceiling(double x) {
    double whole;
    if (!(snn_magnitude_of(x) < 4503599627370496.0)) return x;
    whole = (double)(int64_t)x;
    return whole < x ? whole + 1.0 : whole;
}

/* The largest step from which a command can still stop within a distance */
SNN_FN double snn_reach(double distance, double acceleration) {
    double k = snn_ceiling((snn_root(1.0 + 8.0 * distance / acceleration) - 1.0) / 2.0);
    k = k > 1.0 ? k : 1.0;
    return distance / k + acceleration * (k - 1.0) / 2.0;
}

/* The next step of a command towards its target, after the step `step` */
SNN_FN double snn_towards(double target, double position, double step, double slew, double acceleration) {
    double distance = target - position, wanted = snn_reach(snn_magnitude_of(distance), acceleration);
    wanted = slew < wanted ? slew : wanted;
    return snn_clip(distance >= 0.0 ? wanted : -wanted, step - acceleration, step + acceleration);
}

/* Put a value into a ring of the newest values; the mean of the newest `size` values */
SNN_FN double snn_mean(double *ring, int64_t size, double value) {
    double total = 0.0;
    int64_t k;
    for (k = size - 1; k > 0; k--) {
        ring[k] = ring[k - 1];
        total += ring[k] - value;
    }
    ring[0] = value;
    return value + total / (double)size;
}

SNN_INLINE void snn_reset_motion(int32_t j, double value, const snn_limits *l, double *motion) {
    const int32_t longest = l->words - 2;
    int32_t k;
    motion[j] = value;
    if (l->words > 1) motion[l->m + j] = 0.0;
    for (k = 0; k < longest; k++) motion[2 * l->m + j * longest + k] = value;
}

/* Length of the moving average that limits jerk */
SNN_FN int64_t snn_averaged(double acceleration, double jerk, int32_t longest) {
    double periods = snn_ceiling(2.0 * acceleration / jerk - 1e-9);
    periods = periods > 1.0 ? periods : 1.0;
    return (int64_t)(periods < (double)longest ? periods : (double)longest);
}

/* Move command j for each elapsed period; the average, or NaN if jerk is not limited */
SNN_FN double snn_accelerate(int32_t j, double target, int32_t way, const snn_limits *l, double *motion,
                             double *position) {
    const double acceleration = l->acceleration[j], slew = l->slew[j];
    const double near = 1e-6 * (acceleration < slew ? acceleration : slew);
    const int32_t longest = l->words - 2;
    double step = motion[l->m + j], z = *position, average = SNN_NAN_DOUBLE;
    int64_t size = longest > 0 ? snn_averaged(acceleration, l->jerk[j], longest) : 0, k;
    for (k = 0; k < l->rounds; k++) {
        step = way == SNN_STAY ? snn_clip(0.0, step - acceleration, step + acceleration)
                               : snn_towards(target, z, step, slew, acceleration);
        z = snn_magnitude_of(target - z - step) <= near ? target : snn_clip(z + step, l->low[j], l->high[j]);
        if (longest > 0) average = snn_mean(motion + 2 * l->m + j * longest, size, z);
    }
    motion[l->m + j] = step;
    *position = z;
    return average;
}

/* Move command j towards its target within its limits; 1 if it was not reached */
SNN_INLINE int32_t snn_limit_command(int32_t j, double target, int32_t way, const snn_limits *l, double *motion,
                                     double *command) {
    double z = motion[j], average = SNN_NAN_DOUBLE;
    int32_t reached;
    target = way == SNN_STAY ? z : target;
    if (way == SNN_JUMP || !SNN_MOTION_LIMITS) {
        z = target;
    } else if (l->words == 1 || l->acceleration[j] > 1.7976931348623157e308) {
        double most = l->periods == 1.0 ? l->slew[j] : l->slew[j] * l->periods;
        z = snn_clip(target, z - most, z + most);
    } else {
        average = snn_accelerate(j, target, way, l, motion, &z);
    }
    reached = z == target;
    z = snn_clip(z, l->low[j], l->high[j]);
    motion[j] = z;
    if (way == SNN_JUMP) snn_reset_motion(j, z, l, motion);
    *command = average != average ? z : snn_clip(average, l->low[j], l->high[j]);
    return !reached;
}

/* Update the words of the guard for this tick; 1 in a fault */
SNN_FN int32_t snn_latch(int64_t *words, int64_t reason, int64_t release, int64_t released) {
    if (reason != 0) {
        words[SNN_FAULTS] += 1 - words[SNN_FAULTED];
        words[SNN_FAULTED] = 1;
        words[SNN_STREAK] = 0;
    } else if (words[SNN_FAULTED] != 0) {
        words[SNN_STREAK] += 1;
        if ((release > 0 && words[SNN_STREAK] >= release) || words[SNN_RELEASED] != released) words[SNN_FAULTED] = 0;
    }
    words[SNN_RELEASED] = released;
    words[SNN_REASON] = reason;
    words[SNN_SAFE_TICKS] += words[SNN_FAULTED];
    return words[SNN_FAULTED] != 0;
}

/* The faults of this tick as bits */
SNN_FN int64_t snn_reasons(int32_t inputs, const int64_t *validity, const int64_t *required, int32_t m,
                           const float *raw) {
    int64_t reason = 0;
    int32_t k;
    for (k = 0; k < inputs; k++)
        if (required[k] != 0 && validity[2 * k] == 0) reason |= SNN_INPUT_INVALID;
    for (k = 0; k < m; k++)
        if (!snn_is_finite(raw[k])) reason |= SNN_NOT_FINITE;
    return reason;
}

/* e / 1000 rounded to nearest, without the division of float64, which is long where the processor has none */
SNN_FN double snn_thousandths(int32_t e) {
    uint64_t m = (uint64_t)(e / SNN_PERIOD);
    int32_t rest = e % SNN_PERIOD, shift = 0;
    snn_wide b;
    while (m < UINT64_C(0x20000000000000)) { /* 54 bits, of which the last one rounds */
        rest *= 2;
        m = m << 1 | (rest >= SNN_PERIOD);
        rest -= rest >= SNN_PERIOD ? SNN_PERIOD : 0;
        shift++;
    }
    m = (m >> 1) + ((m & 1u) && (rest > 0 || (m & 2u)));
    b.u = ((uint64_t)(1076 - shift) << 52) + (m - UINT64_C(0x10000000000000));
    return b.d;
}

SNN_KERNEL_INLINE(guard, 6) {
    const int64_t held = control[SNN_RELEASE] & SNN_HELD, released = control[SNN_RELEASE] ^ held;
    const int64_t elapsed = control[SNN_ELAPSED];
    int64_t reason = control[SNN_DRIVER] | snn_reasons(inputs, validity, required, m, raw);
    snn_limits l = {limits, limits + m, limits + 2 * m, limits + 3 * m, limits + 4 * m, limits + 5 * m, 0, 0, 1.0, 1};
    int32_t faulted, clamps = 0, slewed = 0, begins = words[SNN_BEGUN] == 0, j;
    l.m = m;
    l.words = words_per_element;
    if (held != 0) reason |= SNN_OPERATOR;
    if (stops) {
        if (released != words[SNN_RELEASED]) stops[1] &= stops[0];
        if ((stops[0] | stops[1]) != 0) reason |= SNN_STOP_INPUT;
    }
    faulted = snn_latch(words, reason, release, released);
    if (SNN_MOTION_LIMITS && elapsed > 0 && elapsed != SNN_PERIOD) {
        int32_t e = elapsed < SNN_MOST_ELAPSED ? (int32_t)elapsed : SNN_MOST_ELAPSED;
        l.periods = snn_thousandths(e);
        l.rounds = e < SNN_PERIOD / 2 ? 1 : (e + SNN_PERIOD / 2) / SNN_PERIOD;
    }
    words[SNN_BEGUN] |= !faulted;
    for (j = 0; j < m; j++) {
        double target = l.safe[j];
        int32_t how = way[j];
        if (start && begins && how == SNN_STAY && snn_is_finite(start[j]))
            snn_reset_motion(j, snn_clip((double)start[j], l.low[j], l.high[j]), &l, motion);
        if (!faulted) {
            double wanted = (double)raw[j];
            target = snn_clip(wanted, l.low[j], l.high[j]);
            how = SNN_RAMP;
            clamps += target != wanted;
        }
        slewed += snn_limit_command(j, target, how, &l, motion, &command[j]);
    }
    words[SNN_CLAMPS] += clamps;
    words[SNN_SLEWED] += slewed;
}
