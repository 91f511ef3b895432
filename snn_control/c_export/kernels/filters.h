/* Filters of events: they shorten the list `kept`, which begins with its length. */

/* Store the new length of the list, and count the events that this filter removed. */
SNN_INLINE void snn_end(uint32_t *kept, int64_t *removed, uint32_t left) {
    *removed += (int64_t)kept[0] - left;
    kept[0] = left;
}

/* A time [ns] as whole microseconds modulo 2^32, at least 1, without a division of 64 bits */
SNN_FN uint32_t snn_microseconds(int64_t t) {
    uint32_t high = (uint32_t)((uint64_t)t >> 32), low = (uint32_t)(uint64_t)t, a, b, us;
    a = (high % 1000u) << 16 | low >> 16;
    b = (a % 1000u) << 16 | (low & 0xFFFFu);
    us = (a / 1000u) << 16 | b / 1000u;
    return us > 0u ? us : 1u;
}

SNN_KERNEL(region, 1) {
    uint32_t n = 0, inside = 0, given, j;
    if (first) {
        given = 0;
        if (slot[SNN_FRESH] > 0 && slot[SNN_COUNT] > 0)
            given = (uint32_t)(slot[SNN_COUNT] < capacity ? slot[SNN_COUNT] : capacity);
    } else {
        given = kept[0];
    }
    for (j = 0; j < given; j++) {
        uint32_t k = first ? j : kept[j + 1u];
        inside += (x[k] < (uint32_t)width) & (y[k] < (uint32_t)height);
        if ((x[k] - (uint32_t)left < (uint32_t)columns) & (y[k] - (uint32_t)top < (uint32_t)rows)) kept[++n] = k;
    }
    if (first) {
        counters[0] += inside;
        counters[1] += given - inside;
        kept[0] = inside;
    }
    snn_end(kept, removed, n);
}

SNN_KERNEL(hot_pixels, 1) {
    uint32_t n = 0, j;
    (void)slot;
    (void)capacity;
    (void)height;
    for (j = 1; j <= kept[0]; j++) {
        uint32_t k = kept[j], pixel = (uint32_t)y[k] * (uint32_t)width + x[k];
        if (!(mask[pixel >> 3] >> (pixel & 7u) & 1u)) kept[++n] = k;
    }
    snn_end(kept, removed, n);
}

SNN_KERNEL(refractory, 1) {
    const uint32_t before = (uint32_t)(period - 1), span = (uint32_t)(2 * period - 1);
    uint32_t n = 0, j;
    (void)slot;
    (void)capacity;
    (void)height;
    for (j = 1; j <= kept[0]; j++) {
        uint32_t k = kept[j], pixel = (uint32_t)y[k] * (uint32_t)width + x[k], now = snn_microseconds(t[k]), *then;
        then = last + (apart ? 2u * pixel + (p[k] != 0) : pixel);
        if (*then == 0u || now - *then + before >= span) {
            *then = now;
            kept[++n] = k;
        }
    }
    snn_end(kept, removed, n);
}

SNN_KERNEL(background, 1) {
    const uint32_t line = (uint32_t)width + 2u;
    uint32_t n = 0, j, dx, dy;
    (void)slot;
    (void)capacity;
    (void)height;
    for (j = 1; j <= kept[0]; j++) {
        uint32_t k = kept[j], now = snn_microseconds(t[k]), active = 0, *corner = last + y[k] * line + x[k];
        for (dy = 0; dy < 3; dy++)
            for (dx = 0; dx < 3; dx++) {
                uint32_t then = corner[dy * line + dx], near = now - then + (uint32_t)window <= 2u * (uint32_t)window;
                if (dx != 1u || dy != 1u) active += (then != 0u) & near;
            }
        corner[line + 1u] = now;
        if (active >= (uint32_t)support) kept[++n] = k;
    }
    snn_end(kept, removed, n);
}

SNN_KERNEL(one_polarity, 1) {
    uint32_t n = 0, j;
    (void)slot;
    (void)capacity;
    (void)x;
    (void)y;
    (void)width;
    (void)height;
    for (j = 1; j <= kept[0]; j++) {
        uint32_t k = kept[j];
        if ((p[k] != 0) == (keep != 0)) kept[++n] = k;
    }
    snn_end(kept, removed, n);
}

SNN_KERNEL(rate_limit, 1) {
    const int64_t budget = *tokens + refill < most ? *tokens + refill : most;
    const int32_t given = (int32_t)kept[0], allowed = budget >> 20 < given ? (int32_t)(budget >> 20) : given;
    int32_t owed = given >> 1;
    uint32_t n = 0, j;
    (void)slot;
    (void)capacity;
    (void)x;
    (void)y;
    (void)width;
    (void)height;
    *tokens = budget - (int64_t)allowed * (1 << 20);
    if (allowed == given) return;
    for (j = 1; j <= kept[0]; j++) {
        owed += allowed;
        if (owed >= given) {
            owed -= given;
            kept[++n] = kept[j];
        }
    }
    snn_end(kept, removed, n);
}
