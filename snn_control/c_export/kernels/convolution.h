/* Convolutions: each active neuron adds the convolution kernel to the neurons around it. */

/* The geometry of a convolution; see the row of `conv_spikes`. */
typedef struct {
    int32_t area, width, rows, columns, out_area, group_in, group_out;
    const int32_t *lines, *places;
} snn_geometry;

/* Add the convolution kernel of neuron i, times a, to y. */
SNN_FN void snn_stamp(float *restrict y, const float *restrict weights, snn_geometry g, int32_t i, float a) {
    int32_t channel = i / g.area, place = i % g.area, first = channel / g.group_in * g.group_out, r, c, o;
    const int32_t *lines = g.lines + g.rows * (place / g.width), *places = g.places + g.columns * (place % g.width);
    const float *restrict w = weights + (size_t)(channel * g.group_out) * (size_t)(g.rows * g.columns);
    for (r = 0; r < g.rows; r++) {
        if (lines[r] < 0) continue;
        for (o = 0; o < g.group_out; o++) {
            float *restrict row = y + (first + o) * g.out_area + lines[r];
            const float *restrict own = w + (o * g.rows + r) * g.columns;
            for (c = 0; c < g.columns; c++)
                if (places[c] >= 0) row[places[c]] += a * own[c];
        }
    }
}

SNN_KERNEL(conv_spikes, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    const uint32_t *fired = snn_fired(list);
    const uint16_t *times = snn_times(list, multiplicity);
    snn_geometry g = {area, width, rows, columns, out_area, group_in, group_out, lines, places};
    int32_t count = snn_count(list), k;
    for (k = 0; k < count; k++) snn_stamp(y, weights, g, (int32_t)fired[k], multiplicity ? (float)times[k] : 1.0f);
    if (count > 0) *counter += snn_synapses_of(n_post, fan_out, list);
}

SNN_KERNEL(conv_graded, 1) {
    const float *now = snn_signal(x, stride, slots, clock, delay);
    snn_geometry g = {area, width, rows, columns, out_area, group_in, group_out, lines, places};
    uint32_t used = 0;
    int32_t i;
    (void)n_post;
    for (i = 0; i < n_pre; i++)
        if (now[i] != 0.0f) {
            snn_stamp(y, weights, g, i, now[i]);
            used += fan_out[i];
        }
    *counter += used;
}
