/* The benchmark's networks in C, written to be fast: event-driven, decays in local variables (so that gcc vectorises the
   loop over neurons), four rows of weights in one pass, eight flags of spikes at a time, and the synapses of the spike
   after next prefetched. The shortest loops of their parts, for the floor, stand at the end. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LAYERS = 3, MOST = 1024 };

typedef struct {
    int32_t size[LAYERS + 1];
    float decay, decay_syn;
    const float *weights[LAYERS], *bias[LAYERS]; /* weights: (inputs, neurons), a row an input */
    float *v[LAYERS], *isyn[LAYERS], *drive[LAYERS];
    int32_t *spikes[LAYERS];
} Layered;

/* write the numbers of the flagged neurons to spikes; their count. Little-endian: the first flag is the lowest byte. */
static int find_spikes(const uint8_t *restrict flag, int n, int32_t *restrict spikes) {
    int count = 0, i = 0;
    for (; i + 8 <= n; i += 8) {
        uint64_t eight;
        memcpy(&eight, flag + i, 8);
        for (; eight; eight &= eight - 1) spikes[count++] = i + (__builtin_ctzll(eight) >> 3);
    }
    for (; i < n; i++)
        if (flag[i]) spikes[count++] = i;
    return count;
}

/* one layer: of numbers x, or of count spikes; how many of its neurons fired */
static int layer(Layered *net, int l, const float *x, const int32_t *fired, int count) {
    int n = net->size[l + 1], k = 0;
    const float *restrict bias = net->bias[l];
    float *restrict v = net->v[l], *restrict isyn = net->isyn[l], *restrict drive = net->drive[l];
    const float decay = net->decay, decay_syn = net->decay_syn, rest = 1.0f - decay;
    uint8_t flag[MOST];
    for (int i = 0; i < n; i++) drive[i] = bias[i];
    if (x) {
        for (int j = 0; j + 4 <= net->size[l]; j += 4) {
            const float *restrict w = net->weights[l] + j * n;
            float a = x[j], b = x[j + 1], c = x[j + 2], d = x[j + 3];
            for (int i = 0; i < n; i++)
                drive[i] = (((drive[i] + a * w[i]) + b * w[i + n]) + c * w[i + 2 * n]) + d * w[i + 3 * n];
        }
    } else {
        for (; k + 4 <= count; k += 4) {
            const float *restrict a = net->weights[l] + fired[k] * n, *restrict b = net->weights[l] + fired[k + 1] * n;
            const float *restrict c = net->weights[l] + fired[k + 2] * n, *restrict d = net->weights[l] + fired[k + 3] * n;
            for (int i = 0; i < n; i++) drive[i] = (((drive[i] + a[i]) + b[i]) + c[i]) + d[i];
        }
        for (; k < count; k++) {
            const float *restrict w = net->weights[l] + fired[k] * n;
            for (int i = 0; i < n; i++) drive[i] += w[i];
        }
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
    return find_spikes(flag, n, net->spikes[l]);
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
    const float *restrict bias = net->bias, *restrict weight = net->weight;
    const int32_t *restrict channel = net->channel, *restrict first = net->first, *restrict target = net->target;
    uint8_t *restrict flag = net->flag;
    int32_t *restrict spikes = net->spikes;
    const float decay = net->decay, decay_syn = net->decay_syn, rest = 1.0f - decay;
    const int n = net->n;
    for (int i = 0; i < n; i++) {
        float q = isyn[i];
        float u = decay * v[i] + rest * (q + bias[i] + x[channel[i]]);
        int fire = u >= 1.0f;
        v[i] = fire ? 0.0f : u;
        q *= decay_syn;
        isyn[i] = fabsf(q) > 1e-20f ? q : 0.0f;
        flag[i] = fire;
    }
    int count = find_spikes(flag, n, spikes);
    for (int k = 0; k < count; k++) {
        if (k + 2 < count)
            for (int s = first[spikes[k + 2]]; s < first[spikes[k + 2] + 1]; s += 16) {
                __builtin_prefetch(target + s);
                __builtin_prefetch(weight + s);
            }
        for (int s = first[spikes[k]], end = first[spikes[k] + 1]; s < end; s++) isyn[target[s]] += weight[s];
    }
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
