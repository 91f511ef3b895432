/* The workloads of the engine's benchmark by hand, event-driven: the reference that the engine is measured against;
   and the shortest loops of their parts, for the floor. Compiled with -O3 -march=native.

   The layered step reads its decays through the pointer to the network in the neurons' loop, which gcc 12 then leaves
   scalar: half of the time of that step. With local copies it is vectorised. The bars of the benchmark were set
   against the first, so it stays as it is. */
#include <math.h>
#include <stdint.h>

enum { LAYERS = 3, MOST = 1024 };

typedef struct {
    int32_t size[LAYERS + 1];
    float decay, decay_syn;
    const float *weights[LAYERS], *bias[LAYERS]; /* weights: (inputs, neurons), a row an input */
    float *v[LAYERS], *isyn[LAYERS], *drive[LAYERS];
    int32_t *spikes[LAYERS];
} Layered;

static int layer(Layered *net, int l, const float *x, const int32_t *fired, int count) {
    int n = net->size[l + 1], spikes = 0;
    const float *restrict bias = net->bias[l];
    float *restrict v = net->v[l], *restrict isyn = net->isyn[l], *restrict drive = net->drive[l];
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
    uint8_t flag[MOST];
    float rest = 1.0f - net->decay;
    for (int i = 0; i < n; i++) {
        float q = isyn[i] * net->decay_syn + drive[i];
        q = fabsf(q) > 1e-20f ? q : 0.0f;
        float u = net->decay * v[i] + rest * q;
        int fire = u >= 1.0f;
        v[i] = fire ? 0.0f : u;
        isyn[i] = q;
        flag[i] = fire;
    }
    for (int i = 0; i < n; i++)
        if (flag[i]) net->spikes[l][spikes++] = i;
    return spikes;
}

/* one step; how many of the last layer fired */
int layered_step(Layered *net, const float *x) {
    int first = layer(net, 0, x, 0, 0);
    int second = layer(net, 1, 0, net->spikes[0], first);
    return layer(net, 2, 0, net->spikes[1], second);
}

typedef struct {
    int32_t n;
    float decay, decay_syn;
    float *v, *isyn;
    const float *bias;
    const int32_t *channel; /* of the input, for each neuron */
    uint8_t *flag;
    int32_t *spikes;
    const int32_t *first, *target; /* the synapses of neuron i: first[i] to first[i + 1] */
    const float *weight;
} Recurrent;

int recurrent_step(Recurrent *net, const float *restrict x) {
    float *restrict v = net->v, *restrict isyn = net->isyn;
    const float *restrict bias = net->bias;
    const int32_t *restrict channel = net->channel;
    uint8_t *restrict flag = net->flag;
    float decay = net->decay, decay_syn = net->decay_syn, rest = 1.0f - decay;
    int n = net->n, count = 0, k = 0;
    for (int i = 0; i < n; i++) {
        float q = isyn[i];
        float u = decay * v[i] + rest * (q + bias[i] + x[channel[i]]);
        int fire = u >= 1.0f;
        v[i] = fire ? 0.0f : u;
        q *= decay_syn;
        isyn[i] = fabsf(q) > 1e-20f ? q : 0.0f;
        flag[i] = fire;
    }
    int32_t *spikes = net->spikes;
    for (; k + 8 <= n; k += 8) {
        uint64_t bytes = *(const uint64_t *)(flag + k);
        while (bytes) {
            int byte = __builtin_ctzll(bytes) >> 3;
            spikes[count++] = k + byte;
            bytes &= ~(0xffULL << (8 * byte));
        }
    }
    for (; k < n; k++)
        if (flag[k]) spikes[count++] = k;
    for (k = 0; k < count; k++)
        for (int s = net->first[spikes[k]], end = net->first[spikes[k] + 1]; s < end; s++)
            isyn[net->target[s]] += net->weight[s];
    return count;
}

/* steps over a table of inputs, in one call; spikes of all steps */
long layered_run(Layered *net, const float *inputs, long rows, long steps) {
    long spikes = 0;
    for (long k = 0; k < steps; k++) spikes += layered_step(net, inputs + (k % rows) * net->size[0]);
    return spikes;
}

long recurrent_run(Recurrent *net, const float *inputs, long rows, long steps) {
    long spikes = 0;
    for (long k = 0; k < steps; k++) spikes += recurrent_step(net, inputs + (k % rows) * 32);
    return spikes;
}

/* the floor: what no step can do without */
void floor_update(long n, float *restrict v, float *restrict isyn, const float *restrict current, uint8_t *restrict flag,
                  float decay, float decay_syn, long times) {
    float rest = 1.0f - decay;
    for (long k = 0; k < times; k++)
        for (long i = 0; i < n; i++) {
            float q = isyn[i], u = decay * v[i] + rest * (q + current[i]);
            int fire = u >= 1.0f;
            v[i] = fire ? 0.0f : u;
            q *= decay_syn;
            isyn[i] = fabsf(q) > 1e-20f ? q : 0.0f;
            flag[i] = fire;
        }
}

void floor_scatter(long count, const uint32_t *restrict target, const float *restrict weight, float *restrict y,
                   long times) {
    for (long k = 0; k < times; k++)
        for (long s = 0; s < count; s++) y[target[s]] += weight[s];
}

/* rows of 128 numbers, four at a time: y += x w */
void floor_dense(long rows, const float *restrict x, const float *restrict w, float *restrict y, long times) {
    for (long k = 0; k < times; k++)
        for (long j = 0; j + 4 <= rows; j += 4) {
            const float *restrict a = w + 128 * j;
            for (long i = 0; i < 128; i++)
                y[i] = (((y[i] + x[j] * a[i]) + x[j + 1] * a[i + 128]) + x[j + 2] * a[i + 256]) + x[j + 3] * a[i + 384];
        }
}
