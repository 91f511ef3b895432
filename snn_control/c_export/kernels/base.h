/* What all kernels share. Pieces are separated by blank lines; an exported controller gets the pieces that it uses. */

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) || defined(__ASSOCIATIVE_MATH__)
#error "compile without -ffast-math: it changes results"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16 && FLT_EVAL_METHOD != 32
#error "float must be evaluated as float (FLT_EVAL_METHOD 0, 16 or 32); on x86 use -msse2 -mfpmath=sse"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

#if defined(__GNUC__)
#define SNN_INLINE static inline __attribute__((always_inline))
#define SNN_INF __builtin_inff()
#define SNN_INF_DOUBLE __builtin_inf()
#define SNN_NAN __builtin_nanf("")
#define SNN_NAN_DOUBLE __builtin_nan("")
#else
#define SNN_INLINE static inline
#define SNN_INF (1.0f / 0.0f)
#define SNN_INF_DOUBLE (1.0 / 0.0)
#define SNN_NAN (0.0f / 0.0f)
#define SNN_NAN_DOUBLE (0.0 / 0.0)
#endif
#ifndef SNN_FN
#define SNN_FN static inline
#endif

/* A sample of an input: float, because the caller gives float. */
#ifndef SNN_VALUE
#define SNN_VALUE float
#endif
typedef SNN_VALUE snn_value;

/* Bytes in front of the indices of a spike list: its count. */
#ifndef SNN_HEADER
#define SNN_HEADER 8
#endif

#ifndef SNN_PAIR
#define SNN_PAIR
typedef struct { /* a synapse of a sparse projection */
    uint32_t target;
    float weight;
} snn_pair;
#endif

typedef union {
    float f;
    uint32_t u;
} snn_bits;

typedef union {
    double d;
    uint64_t u;
} snn_wide;

/* Words of an input's header. */
enum { SNN_FRESH, SNN_AGE, SNN_COUNT, SNN_DROPPED };

/* Words of the control block. */
enum { SNN_DRIVER, SNN_ELAPSED, SNN_RELEASE, SNN_RESTART, SNN_LEARNING };

/* State below TINY (1e-20) becomes 0; so do HUGE numbers (1e30) and NaN. Here are their bits. */
enum { SNN_TINY = 0x1E3CE508, SNN_HUGE = 0x7149F2CA, SNN_INFINITY = 0x7F800000 };

SNN_INLINE uint32_t snn_magnitude(float x) {
    snn_bits b;
    b.f = x;
    return b.u & 0x7FFFFFFFu;
}

SNN_INLINE float snn_abs(float x) {
    snn_bits b;
    b.u = snn_magnitude(x);
    return b.f;
}

/* x, or 0 if x is tiny or NaN */
SNN_INLINE float snn_flush(float x) {
    return snn_magnitude(x) - (SNN_TINY + 1u) < SNN_INFINITY - (uint32_t)SNN_TINY ? x : 0.0f;
}

/* x, or 0 if x is huge, infinite or NaN */
SNN_INLINE float snn_bounded(float x) { return snn_magnitude(x) < SNN_HUGE ? x : 0.0f; }

/* x, or 0 if x is tiny, huge, infinite or NaN */
SNN_INLINE float snn_settle(float x) {
    return snn_magnitude(x) - (SNN_TINY + 1u) < SNN_HUGE - SNN_TINY - 1u ? x : 0.0f;
}

SNN_INLINE int32_t snn_is_finite(float x) { return snn_magnitude(x) < SNN_INFINITY; }

/* x modulo m, from 0 to m - 1, for m below 65,536, without a division of 64 bits */
SNN_FN uint32_t snn_modulo(int64_t x, uint32_t m) {
    uint64_t u = x < 0 ? ~(uint64_t)x : (uint64_t)x;
    uint32_t high = (uint32_t)(u >> 32), rest;
    if ((m & (m - 1u)) == 0u) return (uint32_t)(uint64_t)x & (m - 1u);
    rest = (uint32_t)u % m;
    if (high) rest = ((high % m) * ((0xFFFFFFFFu % m + 1u) % m) + rest) % m;
    return x < 0 ? m - 1u - rest : rest;
}

/* The slot of a step in a ring; pointers to void keep the type of what is stored out of it. */
SNN_INLINE const unsigned char *snn_slot_of_step(const void *ring, int32_t stride, int32_t slots, int64_t step) {
    return (const unsigned char *)ring + (size_t)stride * snn_modulo(step, (uint32_t)slots);
}

/* The slot that was written `delay` steps ago. */
SNN_INLINE const unsigned char *snn_slot(const void *ring, int32_t stride, int32_t slots, const int64_t *clock,
                                         int32_t delay) {
    return slots == 1 ? (const unsigned char *)ring : snn_slot_of_step(ring, stride, slots, clock[1] - delay);
}

SNN_INLINE unsigned char *snn_own_slot(void *ring, int32_t stride, int32_t slots, const int64_t *clock) {
    return (unsigned char *)ring + (slots == 1 ? 0u : (size_t)stride * snn_modulo(clock[1], (uint32_t)slots));
}

/* A spike list: how many neurons fired, which ones, and how often each (0: once). */
SNN_INLINE int32_t snn_count(const unsigned char *slot) { return (int32_t) * (const int64_t *)(const void *)slot; }

SNN_INLINE const uint32_t *snn_fired(const unsigned char *slot) {
    return (const uint32_t *)(const void *)(slot + SNN_HEADER);
}

SNN_INLINE const uint16_t *snn_times(const unsigned char *slot, int32_t multiplicity) {
    return multiplicity ? (const uint16_t *)(const void *)(slot + multiplicity) : (const uint16_t *)0;
}

/* exp(x) = 2^k exp(r), with x = k ln 2 + r; Taylor polynomial of degree 7; 0 below -87 and for NaN */
SNN_FN float snn_exponential(float x) {
    int32_t k;
    float r, s;
    snn_bits power;
    if (!(x > -87.0f)) return 0.0f;
    x = x < 88.0f ? x : 88.0f;
    k = (int32_t)(x * 1.44269504f + (x > 0.0f ? 0.5f : -0.5f));
    r = (x - (float)k * 0.693359375f) - (float)k * -2.12194440e-4f;
    s = (float)(1.0 / 5040);
    s = s * r + (float)(1.0 / 720);
    s = s * r + (float)(1.0 / 120);
    s = s * r + (float)(1.0 / 24);
    s = s * r + (float)(1.0 / 6);
    s = s * r + 0.5f;
    s = (s * r) * r + r + 1.0f;
    power.u = (uint32_t)(k + 127) << 23;
    return s * power.f;
}
