/* Eligibility propagation. Tables have rows of n_post numbers; post: psi, signal, adapted, held;
   each: threshold, inverse, height, subtracted, beta, rho. */

SNN_FN void snn_pseudo_derivative(int32_t n, float *post, const float *each, const float *v, const uint8_t *flags) {
    int32_t j;
    for (j = 0; j < n; j++) {
        float u = v[j] + (flags[j] ? each[3 * n + j] : 0.0f);
        float h = 1.0f - snn_abs(u - (each[j] + each[4 * n + j] * post[2 * n + j])) * each[n + j];
        post[j] = h > 0.0f && post[3 * n + j] == 0.0f ? each[2 * n + j] * h : 0.0f;
    }
}

SNN_FN void snn_learning_signal(int32_t n, float *signal, int32_t n_error, const float *error, const float *feedback,
                                float rate) {
    int32_t k, j;
    snn_fill(n, signal);
    for (k = 0; k < n_error; k++)
        for (j = 0; j < n; j++) signal[j] += error[k] * feedback[k * n + j];
    for (j = 0; j < n; j++) signal[j] = rate * signal[j];
}

SNN_KERNEL(eprop, 1) {
    const unsigned char *list = snn_slot(spikes, stride, slots, clock, delay);
    const float *psi = post, *signal = post + n_post, *beta = each + 4 * n_post, *rho = each + 5 * n_post;
    const float kappa = params[3], low = params[5], high = params[6];
    float *current = filters, *x = filters + n_pre;
    const int32_t state = snn_state_of(switch_);
    int32_t i, j;
    if (state == 1) {
        snn_fill(2 * n_pre, filters);
        snn_fill(n_pre * n_post, eligibility);
        if (slow) snn_fill(n_pre * n_post, slow);
    }
    if (state > 0) {
        snn_fade(n_pre, current, params[0]);
        snn_add_arrivals(list, multiplicity, current, 1.0f);
        for (i = 0; i < n_pre; i++) x[i] = snn_settle(params[1] * x[i] + params[2] * current[i]);
        snn_pseudo_derivative(n_post, post, each, v, flags);
        snn_learning_signal(n_post, post + n_post, n_error, error, feedback, params[4]);
        for (i = 0; i < n_pre * n_post; i++) {
            float xi = x[i / n_post], e;
            j = i % n_post;
            e = slow ? xi - beta[j] * slow[i] : xi;
            e = snn_settle(kappa * eligibility[i] + psi[j] * e);
            eligibility[i] = e;
            if (slow) slow[i] = snn_settle(psi[j] * xi + (rho[j] - psi[j] * beta[j]) * slow[i]);
            weights[i] = snn_bounded_update(weights[i], -(signal[j] * e), low, high);
        }
        switch_[2] += n_pre * n_post;
    }
    for (j = 0; j < n_post; j++) {
        if (adapt) post[2 * n_post + j] = adapt[j];
        if (wait) post[3 * n_post + j] = wait[j] ? 1.0f : 0.0f;
    }
}
