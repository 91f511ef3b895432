"""Neurons. What arrives in a step was added to ``current`` or ``isyn`` before; ``current`` starts each step at `bias`.

integrate_and_fire  IF, LIF, CubaLIF, ALIF, Threshold
    v <- decay v + gain current + gain_syn isyn + leak;  then isyn <- decay_syn isyn
    fire, at v >= threshold + beta adapt: v <- reset, or v - reset, now or in the next step; nothing for `refractory`
    steps; with ``many``, v / reset spikes at once;  adapt <- decay_adapt adapt, + 1 with a spike
leaky_integrator    LI, CubaLI, Integrator, Relay: without a threshold, graded output v
    v <- decay v + gain current + gain_syn isyn + (leak - loss v), from a v of at least `floor`
adex, izhikevich    see `snn_control.network`

What decay, gain and gain_syn are says the integration (`snn_control.engine.forms`): exact (Rotter and Diesmann 1999,
Biol. Cybern. 81:381), exponential Euler or forward Euler.

Row of all that fire: n, params float32 (rows of `each` numbers), each (1, or n), current, bias, flags, spikes, stride,
slots, clock, spike counter, many, refractory steps, then numbers and state arrays of the model. Of graded ones: n,
params, each, current, bias, v, isyn. A state that a model does not have is 0.
"""

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, i64, u8, u16, u32
from . import ONE, ZERO, bounded, flush, settle
from .functions import exponential
from .spikes import HEADER, flags_to_indices, slot_address

# words of a neuron's row; what is the model's own follows from OWN on
(
    N, PARAMS, EACH, CURRENT, BIAS, FLAGS, SPIKES, STRIDE, SLOTS, CLOCK, COUNTER, MANY, REFRACTORY, OWN,
) = range(1, 15)  # fmt: skip
MODE, V, ISYN, ADAPT, WAIT, COUNTS = range(OWN, OWN + 6)  # of integrate_and_fire
SUBTRACT, DELAYED, TWICE = 1, 2, 4  # bits of MODE
GRADED_V, GRADED_ISYN = range(6, 8)
# parameters, float32
DECAY, GAIN, LEAK, GAIN_SYN, DECAY_SYN, THRESHOLD, RESET, FLOOR, BETA, DECAY_ADAPT, N_PARAMS = range(11)
LOSS = 5  # of the graded: decay 1 and a loss give the Euler step, which a rounded decay would miss over long times
GRADED_FLOOR = 6
N_GRADED_PARAMS = 7
MOST = np.float32(65535)  # spikes in a step


@register_jitable(forceinline=True)
def emit(o):
    """Flags of this step -> spike list of this step; counts."""
    slot = slot_address(o[SPIKES], o[STRIDE], o[SLOTS], o[CLOCK], 0)
    count = flags_to_indices(o[FLAGS], o[N], u32(slot + HEADER, o[N]))
    i64(slot, 1)[0] = count
    i64(o[COUNTER], 1)[0] += count


@register_jitable(forceinline=True)
def emit_several(o, counts):
    """The same with the multiplicities, from the counts of all neurons."""
    slot = slot_address(o[SPIKES], o[STRIDE], o[SLOTS], o[CLOCK], 0)
    fired, many = u32(slot + HEADER, o[N]), u16(slot + o[MANY], o[N])
    count = flags_to_indices(o[FLAGS], o[N], fired)
    i64(slot, 1)[0] = count
    total = 0
    for k in range(count):
        many[k] = counts[fired[k]]
        total += np.int64(many[k])
    i64(o[COUNTER], 1)[0] += total


@register_jitable(forceinline=True)
def restart_current(o):
    """The next step's current starts at the bias (a population without current inputs shares the two)."""
    if o[CURRENT] != o[BIAS]:
        current, bias = f32(o[CURRENT], o[N]), f32(o[BIAS], o[N])
        for i in range(current.size):
            current[i] = bias[i]


@register_jitable(forceinline=True)
def plain_steps(o, synaptic, waiting):
    """One parameter for all, one spike a step, reset at once: the loops that must be fast; the flags are literals."""
    n, p = o[N], f32(o[PARAMS], N_PARAMS)
    decay, gain, leak, gain_syn, decay_syn = p[DECAY], p[GAIN], p[LEAK], p[GAIN_SYN], p[DECAY_SYN]
    threshold, reset, floor, subtract = p[THRESHOLD], p[RESET], p[FLOOR], o[MODE] != 0
    v, current, flags, period = f32(o[V], n), f32(o[CURRENT], n), u8(o[FLAGS], n), o[REFRACTORY]
    isyn, wait = f32(o[ISYN], n), u16(o[WAIT], n)
    for i in range(v.size):
        u = decay * bounded(v[i]) + gain * current[i]
        if synaptic:
            q = isyn[i]
            u = u + gain_syn * q
            isyn[i] = settle(q * decay_syn)
        u = u + leak
        u = u if u > floor else floor
        fired = u >= threshold
        if waiting:
            free = wait[i] == 0
            fired = free & fired
        after = u - reset if subtract else reset
        u = flush(after if fired else u)
        if waiting:
            u = u if free else v[i]
            wait[i] = period if fired else (0 if free else wait[i] - 1)
        v[i] = u
        flags[i] = fired


@register_jitable(forceinline=True)
def general_steps(o):
    """Everything else that integrate_and_fire can do."""
    n, each = o[N], o[EACH]
    p, step = f32(o[PARAMS], N_PARAMS * each), np.int64(each > 1)
    v, current, flags = f32(o[V], n), f32(o[CURRENT], n), u8(o[FLAGS], n)
    isyn, adapt, wait, counts = f32(o[ISYN], n), f32(o[ADAPT], n), u16(o[WAIT], n), u16(o[COUNTS], n)
    subtract, delayed, several = (o[MODE] & SUBTRACT) != 0, (o[MODE] & DELAYED) != 0, o[MANY] != 0
    twice = (o[MODE] & TWICE) != 0
    for i in range(n):
        j = i * step
        if o[ISYN] != 0:
            q = isyn[i]
            isyn[i] = settle(q * p[DECAY_SYN * each + j])
        else:
            q = ZERO
        threshold, reset = p[THRESHOLD * each + j], p[RESET * each + j]
        if o[ADAPT] != 0:
            threshold = threshold + p[BETA * each + j] * adapt[i]
            adapt[i] = flush(adapt[i] * p[DECAY_ADAPT * each + j])
        fired_before = flags[i]
        flags[i] = 0
        if o[REFRACTORY] > 0 and wait[i] > 0:
            wait[i] -= 1
            continue
        before = bounded(v[i])
        again = delayed & (fired_before != 0)  # what the last step's spike left to do
        if again and not subtract:
            before = reset
        u = decay_and_add(p, each, j, before, current[i], q)
        if again and subtract:
            u = u - reset
        u = u if u > p[FLOOR * each + j] else p[FLOOR * each + j]
        if twice and before >= threshold:
            fired = u - reset >= threshold
        else:
            fired = u >= threshold
        if fired:
            flags[i] = 1
            if several:
                share = u / reset
                counts[i] = np.uint16(share if share < MOST else MOST)
                u = u - np.float32(counts[i]) * reset
            elif not delayed:
                u = u - reset if subtract else reset
            if o[ADAPT] != 0:
                adapt[i] += ONE
            if o[REFRACTORY] > 0:
                wait[i] = o[REFRACTORY]
        v[i] = flush(u)


@register_jitable(forceinline=True)
def decay_and_add(p, each, j, v, current, isyn):
    u = p[DECAY * each + j] * v + p[GAIN * each + j] * current
    return (u + p[GAIN_SYN * each + j] * isyn) + p[LEAK * each + j]


def integrate_and_fire(row):
    """Neurons that are linear below their threshold."""
    o = i64(row, COUNTS + 1)
    if (o[EACH] > 1) | (o[ADAPT] != 0) | (o[MANY] != 0) | (o[MODE] > SUBTRACT):
        general_steps(o)
    elif o[ISYN] != 0:
        if o[REFRACTORY] > 0:
            plain_steps(o, True, True)
        else:
            plain_steps(o, True, False)
    elif o[REFRACTORY] > 0:
        plain_steps(o, False, True)
    else:
        plain_steps(o, False, False)
    restart_current(o)
    if o[MANY] != 0:
        emit_several(o, u16(o[COUNTS], o[N]))
    else:
        emit(o)


def leaky_integrator(row):
    """Graded neurons; the membrane is the output."""
    o = i64(row, GRADED_ISYN + 1)
    n, each = o[N], o[EACH]
    p, step = f32(o[PARAMS], N_GRADED_PARAMS * each), np.int64(each > 1)
    v, current, isyn = f32(o[GRADED_V], n), f32(o[CURRENT], n), f32(o[GRADED_ISYN], n)
    for i in range(n):
        j, q = i * step, ZERO
        if o[GRADED_ISYN] != 0:
            q = isyn[i]
            isyn[i] = settle(q * p[DECAY_SYN * each + j])
        before = bounded(v[i])
        before = before if before > p[GRADED_FLOOR * each + j] else p[GRADED_FLOOR * each + j]
        u = p[GAIN * each + j] * current[i] + p[GAIN_SYN * each + j] * q
        u = u + (p[LEAK * each + j] - p[LOSS * each + j] * before)
        v[i] = flush(p[DECAY * each + j] * before + u)
    restart_current(o)


@register_jitable(forceinline=True)
def fire(o, i, flags, wait, before, u, second, threshold, reset, jump):
    """Threshold and refractory period of neuron i: its membrane and its second variable, which a spike moves."""
    flags[i] = 0
    if o[REFRACTORY] > 0 and wait[i] > 0:
        wait[i] -= 1
        u = before
    elif u >= threshold:
        flags[i] = 1
        u = reset
        second = second + jump
        if o[REFRACTORY] > 0:
            wait[i] = o[REFRACTORY]
    return u, second


# adaptive exponential ----------------------------------------------------------------------------------------------
ADEX_V, ADEX_W, ADEX_WAIT = range(OWN, OWN + 3)
(
    X_DECAY, X_GAIN, X_LEAK, X_THRESHOLD, X_RESET, X_SLOPE, X_RHEOBASE, X_STEEP, X_DECAY_W, X_COUPLING, X_JUMP,
    X_REST, N_ADEX,
) = range(13)  # fmt: skip
STEEPEST = np.float32(30)  # of the exponent: what is beyond fires in any case


def adex(row):
    """Adaptive exponential: v <- decay v + leak + gain (current - w) + slope exp(steep (v - rheobase))."""
    o = i64(row, ADEX_WAIT + 1)
    n, each = o[N], o[EACH]
    p, step = f32(o[PARAMS], N_ADEX * each), np.int64(each > 1)
    v, w, wait = f32(o[ADEX_V], n), f32(o[ADEX_W], n), u16(o[ADEX_WAIT], n)
    current, flags = f32(o[CURRENT], n), u8(o[FLAGS], n)
    for i in range(n):
        j, before, adaptation = i * step, bounded(v[i]), w[i]
        z = p[X_STEEP * each + j] * (before - p[X_RHEOBASE * each + j])
        rise = p[X_SLOPE * each + j] * exponential(z if z < STEEPEST else STEEPEST)
        u = (p[X_DECAY * each + j] * before + p[X_GAIN * each + j] * (current[i] - adaptation)) + rise
        u = u + p[X_LEAK * each + j]
        after = p[X_DECAY_W * each + j] * adaptation + p[X_COUPLING * each + j] * (before - p[X_REST * each + j])
        reset, jump = p[X_RESET * each + j], p[X_JUMP * each + j]
        u, after = fire(o, i, flags, wait, before, u, after, p[X_THRESHOLD * each + j], reset, jump)
        v[i] = flush(u)
        w[i] = settle(after)
    restart_current(o)
    emit(o)


# Izhikevich --------------------------------------------------------------------------------------------------------
IZ_V, IZ_U, IZ_WAIT = range(OWN, OWN + 3)
Z_HALF, Z_GAIN, Z_THRESHOLD, Z_RESET, Z_RATE, Z_B, Z_JUMP, N_IZHIKEVICH = range(8)
SQUARE, LINEAR, CONSTANT = np.float32(0.04), np.float32(5), np.float32(140)


@register_jitable(forceinline=True)
def quadratic(v, u, drive, half):
    return v + half * ((((SQUARE * v + LINEAR) * v + CONSTANT) - u) + drive)


def izhikevich(row):
    """Two half-steps of v, one step of u, as in the paper's program."""
    o = i64(row, IZ_WAIT + 1)
    n, each = o[N], o[EACH]
    p, step = f32(o[PARAMS], N_IZHIKEVICH * each), np.int64(each > 1)
    v, w, wait = f32(o[IZ_V], n), f32(o[IZ_U], n), u16(o[IZ_WAIT], n)
    current, flags = f32(o[CURRENT], n), u8(o[FLAGS], n)
    for i in range(n):
        j, before, recovery = i * step, bounded(v[i]), w[i]
        half, drive = p[Z_HALF * each + j], p[Z_GAIN * each + j] * current[i]
        v1 = quadratic(quadratic(before, recovery, drive, half), recovery, drive, half)
        after = recovery + p[Z_RATE * each + j] * (p[Z_B * each + j] * v1 - recovery)
        reset, jump = p[Z_RESET * each + j], p[Z_JUMP * each + j]
        v1, after = fire(o, i, flags, wait, before, v1, after, p[Z_THRESHOLD * each + j], reset, jump)
        v[i] = settle(v1)
        w[i] = settle(after)
    restart_current(o)
    emit(o)
