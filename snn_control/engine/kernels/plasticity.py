"""Learning rules: at the end of a step, after all neurons. The equations stand in ``docs/plasticity.md``.

Every row begins as those of `snn_control.engine.kernels.delivery`: n_pre, n_post, weights (in the state), then the
source: spikes, stride, slots, clock, delay, many. Weights are a matrix (n_pre, n_post), or pairs {target, weight}.
Then
    stdp         spikes, stride, slots of post; traces x float32[n_pre] and y float32[n_post]; params, switch; of
                 sparse weights row pointers, pointers of post, pairs {synapse, pre} in the order of post; else 0, 0, 0
    reward_stdp  the same, then eligibility float32, one a synapse, and reward float32[1]
    pes          activity float32[n_pre], error float32[n_post], params, switch
    eprop        v, flags, adapt, wait of post; filter float32 (2, n_pre), post float32 (4, n_post), constants of post
                 float32 (6, n_post), eligibility float32 (n_pre, n_post), slow (that of the threshold) or 0, feedback
                 float32 (n_error, n_post), error, n_error, params, switch
switch: int64[3], see below. A rule that is switched on again has forgotten its traces.
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u8, u16, u32
from . import HUGE, ONE, ZERO, bounded, flush, settle
from .delivery import CLOCK, MANY, WEIGHTS, source_slot
from .spikes import HEADER, slot_address

# words of a switch: on (who holds the controller writes it); it was on in the last step; weights visited so far
ON, RUNS, UPDATES, SWITCH_WORDS = range(4)
N_PRE, N_POST, OWN = 1, 2, 10
POST_SPIKES, POST_STRIDE, POST_SLOTS, X, Y, PARAMS, SWITCH, POINTERS, TO_POST, INCOMING, E, REWARD = range(OWN, 22)
DECAY_PLUS, DECAY_MINUS, A_PLUS, A_MINUS, LOW, HIGH, DECAY_E, RATE, N_STDP = range(9)


@register_jitable(forceinline=True)
def changed(w, delta, low, high):
    """w + delta within its bounds; a change that is no number, or huge, is none."""
    w = flush(w + bounded(delta))
    w = w if w > low else low
    return w if w < high else high


@register_jitable(forceinline=True)
def fill(x, value):
    for i in range(x.size):
        x[i] = value


@register_jitable(forceinline=True)
def fade(x, decay):
    for i in range(x.size):
        x[i] = settle(x[i] * decay)


@register_jitable(forceinline=True)
def state_of(switch):
    """0 off; 1 on, but not in the last step: what the rule remembers is of another time; 2 on."""
    before, on = switch[RUNS], switch[ON] != 0
    switch[RUNS] = on
    return (2 if before != 0 else 1) if on else 0


# pairs of spikes -----------------------------------------------------------------------------------------------
@register_jitable(forceinline=True)
def depress(e, n, y, a, low, high, pre):
    """Rows of a matrix at address ``e``: what arrives now comes after the spikes in y."""
    for k in range(pre.size):
        row = f32(e + 4 * n * np.int64(pre[k]), n)
        for j in range(n):
            row[j] = changed(row[j], -(a * y[j]), low, high)
    return pre.size * n


@register_jitable(forceinline=True)
def potentiate(e, n, x, a, low, high, post):
    """Columns of a matrix: neurons that fire now do so after what is in x."""
    used = 0
    if post.size > 0:
        for i in range(x.size):
            if x[i] != ZERO:
                row, delta = f32(e + 4 * n * i, n), a * x[i]
                for k in range(post.size):
                    row[post[k]] = changed(row[post[k]], delta, low, high)
                used += post.size
    return used


@register_jitable(forceinline=True)
def depress_sparse(e, step, first, synapses, pointers, y, a, low, high, pre):
    """The same of synapses, each with ``step`` numbers in e of which the one at ``first`` changes."""
    used = 0
    for k in range(pre.size):
        begin, end = np.int64(pointers[pre[k]]), np.int64(pointers[pre[k] + 1])
        for s in range(begin, end):
            at = step * s + first
            e[at] = changed(e[at], -(a * y[synapses[2 * s]]), low, high)
        used += end - begin
    return used


@register_jitable(forceinline=True)
def potentiate_sparse(e, step, first, incoming, pointers, x, a, low, high, post):
    used = 0
    for k in range(post.size):
        begin, end = np.int64(pointers[post[k]]), np.int64(pointers[post[k] + 1])
        for q in range(begin, end):
            at = step * np.int64(incoming[2 * q]) + first
            e[at] = changed(e[at], a * x[incoming[2 * q + 1]], low, high)
        used += end - begin
    return used


@register_jitable(forceinline=True)
def pairs(o, p, eligible, low, high):
    """The pairs of this step, on the weights or on their eligibility; returns how many were visited.

    Traces decay, then what arrives adds to x and meets y, then who fires meets x and adds to y.
    """
    n_pre, n_post, x, y = o[N_PRE], o[N_POST], f32(o[X], o[N_PRE]), f32(o[Y], o[N_POST])
    fade(x, p[DECAY_PLUS])
    fade(y, p[DECAY_MINUS])
    slot = source_slot(o)
    pre = u32(slot + HEADER, i64(slot, 1)[0])
    slot = slot_address(o[POST_SPIKES], o[POST_STRIDE], o[POST_SLOTS], o[CLOCK], 0)
    post = u32(slot + HEADER, i64(slot, 1)[0])
    for k in range(pre.size):
        x[pre[k]] += ONE
    if o[POINTERS] == 0:
        e = o[E] if eligible else o[WEIGHTS]
        used = depress(e, n_post, y, p[A_MINUS], low, high, pre)
        used += potentiate(e, n_post, x, p[A_PLUS], low, high, post)
    else:
        pointers, to_post, k = u32(o[POINTERS], n_pre + 1), u32(o[TO_POST], n_post + 1), synapses_of(o)
        synapses, incoming = u32(o[WEIGHTS], 2 * k), u32(o[INCOMING], 2 * k)
        e, step, first = f32(o[E] if eligible else o[WEIGHTS], 2 * k), 1 if eligible else 2, 0 if eligible else 1
        used = depress_sparse(e, step, first, synapses, pointers, y, p[A_MINUS], low, high, pre)
        used += potentiate_sparse(e, step, first, incoming, to_post, x, p[A_PLUS], low, high, post)
    for k in range(post.size):
        y[post[k]] += ONE
    return used


@register_jitable(forceinline=True)
def synapses_of(o):
    return o[N_PRE] * o[N_POST] if o[POINTERS] == 0 else np.int64(u32(o[POINTERS], o[N_PRE] + 1)[o[N_PRE]])


def stdp(row):
    """Pairs change the weights."""
    o = i64(row, INCOMING + 1)
    switch, p = i64(o[SWITCH], SWITCH_WORDS), f32(o[PARAMS], N_STDP)
    state = state_of(switch)
    if state == 1:
        fill(f32(o[X], o[N_PRE]), ZERO)
        fill(f32(o[Y], o[N_POST]), ZERO)
    if state > 0:
        switch[UPDATES] += pairs(o, p, False, p[LOW], p[HIGH])


def reward_stdp(row):
    """Pairs change the eligibility, and the reward turns that into weight: w += rate reward e, then e decays."""
    o = i64(row, REWARD + 1)
    switch, p, k = i64(o[SWITCH], SWITCH_WORDS), f32(o[PARAMS], N_STDP), synapses_of(o)
    e, state = f32(o[E], k), state_of(switch)
    if state == 1:
        fill(f32(o[X], o[N_PRE]), ZERO)
        fill(f32(o[Y], o[N_POST]), ZERO)
        fill(e, ZERO)
    if state > 0:
        pairs(o, p, True, -HUGE, HUGE)
        rate = bounded(p[RATE] * f32(o[REWARD], 1)[0])
        if rate == ZERO:
            fade(e, p[DECAY_E])
        else:
            reward_weights(o, p, e, rate)
            switch[UPDATES] += k


@register_jitable(forceinline=True)
def reward_weights(o, p, e, rate):
    decay, low, high = p[DECAY_E], p[LOW], p[HIGH]
    if o[POINTERS] == 0:
        w = f32(o[WEIGHTS], e.size)
        for s in range(e.size):
            w[s] = changed(w[s], rate * e[s], low, high)
            e[s] = settle(e[s] * decay)
    else:
        w = f32(o[WEIGHTS], 2 * e.size)
        for s in range(e.size):
            w[2 * s + 1] = changed(w[2 * s + 1], rate * e[s], low, high)
            e[s] = settle(e[s] * decay)


# errors --------------------------------------------------------------------------------------------------------
ACTIVITY, ERROR, PES_PARAMS, PES_SWITCH = range(OWN, OWN + 4)
PES_DECAY, PES_GAIN, PES_RATE, PES_LOW, PES_HIGH, N_PES = range(6)


@register_jitable(forceinline=True)
def add_arrivals(o, x, gain):
    """x += gain for each spike that arrives."""
    slot = source_slot(o)
    count = i64(slot, 1)[0]
    pre = u32(slot + HEADER, count)
    for k in range(count):
        x[pre[k]] += gain * (ONE if o[MANY] == 0 else np.float32(u16(slot + o[MANY], count)[k]))


def pes(row):
    """activity <- decay activity + gain spikes;  w -= rate activity (x) error."""
    o = i64(row, PES_SWITCH + 1)
    n_post, switch, p = o[N_POST], i64(o[PES_SWITCH], SWITCH_WORDS), f32(o[PES_PARAMS], N_PES)
    activity, error, state = f32(o[ACTIVITY], o[N_PRE]), f32(o[ERROR], n_post), state_of(switch)
    if state == 0:
        return
    fade(activity, p[PES_DECAY] if state == 2 else ZERO)
    add_arrivals(o, activity, p[PES_GAIN])
    wrong = False
    for j in range(n_post):
        wrong |= error[j] != ZERO
    if wrong:
        for i in range(activity.size):
            if activity[i] != ZERO:
                w, c = f32(o[WEIGHTS] + 4 * n_post * i, n_post), p[PES_RATE] * activity[i]
                for j in range(n_post):
                    w[j] = changed(w[j], -(c * error[j]), p[PES_LOW], p[PES_HIGH])
                switch[UPDATES] += n_post


# eligibility propagation ---------------------------------------------------------------------------------------
(
    V, FLAGS, ADAPT, WAIT, FILTER, POST, EACH, ELIGIBILITY, SLOW, FEEDBACK, EPROP_ERROR, N_ERROR, EPROP_PARAMS,
    EPROP_SWITCH,
) = range(OWN, 24)  # fmt: skip
THRESHOLD, INVERSE, HEIGHT, SUBTRACTED, BETA, RHO, N_EACH = range(7)  # rows of the constants of post
PSI, SIGNAL, ADAPTED, HELD, N_POST_ROWS = range(5)  # rows of post: the last two are kept from step to step
Q_DECAY_SYN, Q_DECAY, Q_GAIN, Q_KAPPA, Q_RATE, Q_LOW, Q_HIGH, N_EPROP = range(8)


@register_jitable(forceinline=True)
def part(address, n, k):
    """Row k of a float32 matrix with rows of n."""
    return f32(address + 4 * n * k, n)


@register_jitable(forceinline=True)
def pseudo_derivative(o):
    """psi of each neuron, from its membrane before the reset and its threshold in this step; 0 while refractory."""
    n = o[N_POST]
    psi, adapted, held = part(o[POST], n, PSI), part(o[POST], n, ADAPTED), part(o[POST], n, HELD)
    threshold, inverse, height = part(o[EACH], n, THRESHOLD), part(o[EACH], n, INVERSE), part(o[EACH], n, HEIGHT)
    subtracted, beta, v, flags = part(o[EACH], n, SUBTRACTED), part(o[EACH], n, BETA), f32(o[V], n), u8(o[FLAGS], n)
    for j in range(n):
        u = v[j] + (subtracted[j] if flags[j] != 0 else ZERO)
        h = ONE - abs(u - (threshold[j] + beta[j] * adapted[j])) * inverse[j]
        psi[j] = height[j] * h if (h > ZERO) & (held[j] == ZERO) else ZERO


@register_jitable(forceinline=True)
def keep_for_the_next_step(o):
    """Adaptation and refractoriness are those of the next step already: that is when they are needed."""
    n = o[N_POST]
    adapted, held = part(o[POST], n, ADAPTED), part(o[POST], n, HELD)
    if o[ADAPT] != 0:
        adapt = f32(o[ADAPT], n)
        for j in range(n):
            adapted[j] = adapt[j]
    if o[WAIT] != 0:
        wait = u16(o[WAIT], n)
        for j in range(n):
            held[j] = ONE if wait[j] != 0 else ZERO


@register_jitable(forceinline=True)
def learning_signal(o, rate):
    """signal = rate (feedback . error), errors in their order."""
    n = o[N_POST]
    signal, error = part(o[POST], n, SIGNAL), f32(o[EPROP_ERROR], o[N_ERROR])
    fill(signal, ZERO)
    for k in range(error.size):
        b = part(o[FEEDBACK], n, k)
        for j in range(n):
            signal[j] += error[k] * b[j]
    for j in range(n):
        signal[j] = rate * signal[j]


@register_jitable(forceinline=True)
def learn_rows(o, p):
    """eligibility <- kappa eligibility + psi (x - beta slow);  w -= signal eligibility;  then slow goes on."""
    n, x = o[N_POST], part(o[FILTER], o[N_PRE], 1)
    psi, signal = part(o[POST], n, PSI), part(o[POST], n, SIGNAL)
    beta, rho = part(o[EACH], n, BETA), part(o[EACH], n, RHO)
    kappa, low, high = p[Q_KAPPA], p[Q_LOW], p[Q_HIGH]
    for i in range(x.size):
        w, e, xi = part(o[WEIGHTS], n, i), part(o[ELIGIBILITY], n, i), x[i]
        if o[SLOW] == 0:
            for j in range(n):
                e[j] = settle(kappa * e[j] + psi[j] * xi)
                w[j] = changed(w[j], -(signal[j] * e[j]), low, high)
        else:
            slow = part(o[SLOW], n, i)
            for j in range(n):
                e[j] = settle(kappa * e[j] + psi[j] * (xi - beta[j] * slow[j]))
                slow[j] = settle(psi[j] * xi + (rho[j] - psi[j] * beta[j]) * slow[j])
                w[j] = changed(w[j], -(signal[j] * e[j]), low, high)


def eprop(row):
    """Filters of the presynaptic side, pseudo-derivative and learning signal of the postsynaptic, then all synapses."""
    o = i64(row, EPROP_SWITCH + 1)
    n_pre, n_post = o[N_PRE], o[N_POST]
    switch, p = i64(o[EPROP_SWITCH], SWITCH_WORDS), f32(o[EPROP_PARAMS], N_EPROP)
    state = state_of(switch)
    if state == 1:
        fill(f32(o[FILTER], 2 * n_pre), ZERO)
        fill(f32(o[ELIGIBILITY], n_pre * n_post), ZERO)
        if o[SLOW] != 0:
            fill(f32(o[SLOW], n_pre * n_post), ZERO)
    if state > 0:
        current, x = part(o[FILTER], n_pre, 0), part(o[FILTER], n_pre, 1)
        fade(current, p[Q_DECAY_SYN])
        add_arrivals(o, current, ONE)
        for i in range(n_pre):
            x[i] = settle(p[Q_DECAY] * x[i] + p[Q_GAIN] * current[i])
        pseudo_derivative(o)
        learning_signal(o, p[Q_RATE])
        learn_rows(o, p)
        switch[UPDATES] += n_pre * n_post
    keep_for_the_next_step(o)
