/* Workload A of the engine benchmark by hand: 32 -> 128 -> 128 -> 8 current-based LIF, dense, event-driven.
   The reference that the engine is measured against; compiled with -O3 -march=native. */
#include <math.h>
#include <stdint.h>

enum { LAYERS = 3, MOST = 1024 };

typedef struct {
    int32_t size[LAYERS + 1];
    float decay, decay_syn;
    const float *weights[LAYERS], *bias[LAYERS]; /* weights: (inputs, neurons), a row an input */
    float *v[LAYERS], *isyn[LAYERS], *drive[LAYERS];
    int32_t *spikes[LAYERS];
} Net;

static int layer(Net *net, int l, const float *x, const int32_t *fired, int count) {
    int n = net->size[l + 1], spikes = 0;
    const float *restrict bias = net->bias[l];
    float *restrict v = net->v[l], *restrict isyn = net->isyn[l], *restrict drive = net->drive[l];
    float decay = net->decay, rest = 1.0f - decay, decay_syn = net->decay_syn;
    uint8_t flag[MOST];
    for (int i = 0; i < n; i++) drive[i] = bias[i];
    if (x)
        for (int j = 0; j < net->size[l]; j++) {
            const float *restrict w = net->weights[l] + j * n;
            float a = x[j];
            for (int i = 0; i < n; i++) drive[i] += a * w[i];
        }
    else
        for (int k = 0; k < count; k++) {
            const float *restrict w = net->weights[l] + fired[k] * n;
            for (int i = 0; i < n; i++) drive[i] += w[i];
        }
    for (int i = 0; i < n; i++) {
        float q = isyn[i] * decay_syn + drive[i];
        q = fabsf(q) > 1e-20f ? q : 0.0f;
        float u = decay * v[i] + rest * q;
        int fire = u >= 1.0f;
        v[i] = fire ? 0.0f : u;
        isyn[i] = q;
        flag[i] = fire;
    }
    for (int i = 0; i < n; i++)
        if (flag[i]) net->spikes[l][spikes++] = i;
    return spikes;
}

static int step(Net *net, const float *x) {
    int count = layer(net, 0, x, 0, 0);
    for (int l = 1; l < LAYERS; l++) count = layer(net, l, 0, net->spikes[l - 1], count);
    return count;
}

int workload_step(Net *net, const float *x) { return step(net, x); }

/* steps over a table of inputs, in one call */
long workload_run(Net *net, const float *inputs, long rows, long steps) {
    long spikes = 0;
    for (long k = 0; k < steps; k++) spikes += step(net, inputs + (k % rows) * net->size[0]);
    return spikes;
}
