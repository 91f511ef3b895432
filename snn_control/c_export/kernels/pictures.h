/* Encoders of events: they pool the events of a tick on a grid. */

/* The cell that contains the middle of a pixel, along one axis. Coordinates are in half-pixels. A middle on the
   boundary of two cells belongs to the outer cell. */
SNN_INLINE uint32_t snn_cell_along(uint32_t middle, uint32_t size, uint32_t cells) {
    return (middle * cells - (middle < size)) / (2u * size);
}

/* A grid over the sensor; see the row of `pool`. */
typedef struct {
    uint32_t columns, rows, width, lines, above, of_on;
} snn_grid;

SNN_INLINE uint32_t snn_cell(snn_grid g, uint32_t x, uint32_t y, uint32_t on) {
    uint32_t line = snn_cell_along(2u * y + 1u + g.above, g.lines, g.rows);
    return line * g.columns + snn_cell_along(2u * x + 1u, g.width, g.columns) + (on ? g.of_on : 0u);
}

/* Apply each event to its cell in order of arrival: add the weight of its polarity, or set the cell to it. */
SNN_INLINE void snn_to_cells(snn_grid g, const int64_t *slot, const uint32_t *kept, int32_t capacity, const uint16_t *x,
                             const uint16_t *y, int32_t height, const uint8_t *p, const float *weights,
                             int64_t *counters, float *out, int32_t set) {
    int32_t n = 0, seen = 0, j;
    if (slot[SNN_FRESH] > 0 && slot[SNN_COUNT] > 0)
        n = (int32_t)(slot[SNN_COUNT] < capacity ? slot[SNN_COUNT] : capacity);
    for (j = 0; j < (kept ? (int32_t)kept[0] : n); j++) {
        uint32_t k = kept ? kept[j + 1] : (uint32_t)j, on = p[k] != 0;
        if (kept || ((x[k] < g.width) & (y[k] < (uint32_t)height))) {
            float *cell = out + snn_cell(g, x[k], y[k], on);
            *cell = set ? weights[on] : *cell + weights[on];
            seen++;
        }
    }
    if (!kept) {
        counters[0] += seen;
        counters[1] += n - seen;
    }
}

SNN_KERNEL(pool, 5) {
    const snn_grid grid = {(uint32_t)columns, (uint32_t)rows,  (uint32_t)width,
                           (uint32_t)lines,   (uint32_t)above, (uint32_t)of_on};
    int32_t i;
    (void)cells;
    for (i = 0; i < n; i++) out[i] = 0.0f;
    snn_to_cells(grid, slot, kept, capacity, x, y, height, p, weights, counters, out, 0);
}

SNN_KERNEL(surface, 4) {
    const snn_grid grid = {(uint32_t)columns, (uint32_t)rows,  (uint32_t)width,
                           (uint32_t)lines,   (uint32_t)above, (uint32_t)of_on};
    int32_t i;
    (void)cells;
    for (i = 0; i < n; i++) out[i] = snn_settle(out[i] * *decay);
    snn_to_cells(grid, slot, kept, capacity, x, y, height, p, weights, counters, out, 1);
}

/* Responses of a cell. */
enum { SNN_SUM, SNN_BINARY, SNN_SATURATE };

SNN_KERNEL(respond, 1) {
    const float decay = numbers[0], ceiling = numbers[1];
    int32_t i;
    for (i = 0; i < n; i++) {
        float s = sums[i];
        if (response == SNN_BINARY) {
            s = (s > 0.0f ? 1.0f : 0.0f) - (s < 0.0f ? 1.0f : 0.0f);
        } else if (response == SNN_SATURATE) {
            s = s > -ceiling ? s : -ceiling;
            s = s < ceiling ? s : ceiling;
        }
        out[i] = snn_settle(out[i] * decay) + s;
    }
}
