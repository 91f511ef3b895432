/* Encoders of values: once per tick. */

SNN_KERNEL(population, 2) {
    int32_t d, k;
    for (d = 0; d < dimensions; d++)
        for (k = d * m; k < d * m + m; k++) {
            float z = (values[d] - centres[k]) * params[2 * d], response = snn_exponential(-0.5f * (z * z));
            out[k] = response >= *cutoff ? params[2 * d + 1] * response : 0.0f;
        }
}

SNN_KERNEL(fields, 2) {
    const float drive = numbers[0], cutoff = numbers[1];
    int32_t d, k;
    for (k = 0; k < m; k++) {
        float square = 0.0f, response;
        for (d = 0; d < dimensions; d++) {
            float z = (values[d] - centres[k * dimensions + d]) * inverse[d];
            square += z * z;
        }
        response = snn_exponential(-0.5f * square);
        out[k] = response >= cutoff ? drive * response : 0.0f;
    }
}

SNN_KERNEL(signed, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        float y = gain[i] * values[i];
        out[i] = y > 0.0f ? y : 0.0f;
        out[n + i] = y < 0.0f ? -y : 0.0f;
    }
}

SNN_KERNEL(changes, 1) {
    int32_t i;
    for (i = 0; i < n; i++) {
        float moved = values[i] - sent[i];
        int32_t on = moved >= threshold[i], off = moved <= -threshold[i];
        out[i] = on ? 1.0f : 0.0f;
        out[n + i] = off ? 1.0f : 0.0f;
        if (on | off) sent[i] = whole ? values[i] : sent[i] + (on ? threshold[i] : -threshold[i]);
    }
}
