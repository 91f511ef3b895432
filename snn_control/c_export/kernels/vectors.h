/* Whole vectors. */

SNN_KERNEL(copy, 1) {
    int32_t i;
    for (i = 0; i < n; i++) y[i] = x[i];
}

SNN_KERNEL(add, 1) {
    int32_t i;
    for (i = 0; i < n; i++) y[i] += x[i];
}

SNN_KERNEL(clear, 1) {
    unsigned char *bytes = (unsigned char *)y; /* the array may hold numbers of any type */
    int32_t i;
    for (i = 0; i < 4 * n; i++) bytes[i] = 0;
}

SNN_KERNEL(remember, 1) {
    float *now = (float *)(void *)snn_own_slot(line, stride, slots, clock);
    int32_t i;
    for (i = 0; i < n; i++) now[i] = snn_bounded(x[i]);
}
