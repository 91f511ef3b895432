/* What the functions of an exported controller use around the kernels. */

/* Words of an input's header that only C has: whether the caller gave the age. */
enum { SNN_AGE_GIVEN = 4, SNN_SLOT_WORDS };

/* The greatest age [ns], about 73 years: to a greater one a period could not be added for long. */
#define SNN_OLDEST (INT64_C(1) << 61)

/* Before a tick: the age of an input [ns], unless the caller gave it. */
SNN_FN void snn_begin_input(int64_t *slot, int64_t period) {
    if (slot[SNN_AGE_GIVEN]) return;
    if (slot[SNN_FRESH] > 0)
        slot[SNN_AGE] = 0;
    else if (slot[SNN_AGE] >= 0)
        slot[SNN_AGE] += period;
}

/* After a tick: no sample has arrived. */
SNN_FN void snn_end_input(int64_t *slot) {
    slot[SNN_FRESH] = 0;
    slot[SNN_COUNT] = 0;
    slot[SNN_DROPPED] = 0;
    slot[SNN_AGE_GIVEN] = 0;
}

/* A command as float, within its limits */
SNN_FN float snn_rounded(double command, double low, double high) {
    const float nearest = (float)command;
    snn_bits b;
    b.f = nearest;
    if ((double)nearest > high) b.u = nearest > 0.0f ? b.u - 1u : b.u + 1u;
    if ((double)nearest < low) b.u = nearest < 0.0f ? b.u - 1u : b.u + 1u;
    return b.f;
}

/* Set bytes to 0. */
SNN_FN void snn_zero(void *memory, uint32_t bytes) {
    unsigned char *at = (unsigned char *)memory;
    while (bytes--) *at++ = 0;
}
