"""Integrate-and-fire neurons, exact exponential integration (Rotter and Diesmann 1999, Biol. Cybern. 81:381).

With constant input over a step of dt, ``decay = exp(-dt / tau_mem)``, ``gain = r (1 - decay)``,
``leak = v_leak (1 - decay)`` and ``decay_syn = exp(-dt / tau_syn)``::

    LIF      v <- decay v + gain current + leak
    CubaLIF  v <- decay v + gain (isyn + current) + leak;  then isyn <- decay_syn isyn
    fire     v >= threshold:  v <- v_reset, or v - threshold;  then nothing for `refractory` steps
    LI       v <- decay v + gain current + leak, graded output v

What arrives in a step was added to ``isyn`` or ``current`` before. ``current`` starts each step at ``bias``.

Row: n, params, current, bias, flags, spikes, stride, slots, clock, spike counter, refractory steps, subtract,
v, then isyn (CubaLIF), then the refractory counters uint16[n] (one element where there is no refractory period).
"""

from numba.extending import register_jitable

from ..memory import f32, i64, u8, u16, u32
from . import bounded, flush
from .spikes import HEADER, flags_to_indices, slot_address

# words of a neuron's row; state arrays follow from STATE on
N, PARAMS, CURRENT, BIAS, FLAGS, SPIKES, STRIDE, SLOTS, CLOCK, COUNTER, REFRACTORY, SUBTRACT, STATE = range(1, 14)
# parameters, float32
DECAY, GAIN, LEAK, THRESHOLD, RESET, FLOOR, DECAY_SYN, N_PARAMS = range(8)


@register_jitable(forceinline=True)
def emit(o):
    """Flags of this step -> spike list of this step; counts."""
    slot = slot_address(o[SPIKES], o[STRIDE], o[SLOTS], o[CLOCK], 0)
    count = flags_to_indices(o[FLAGS], o[N], u32(slot + HEADER, o[N]))
    i64(slot, 1)[0] = count
    i64(o[COUNTER], 1)[0] += count


@register_jitable(forceinline=True)
def restart_current(o):
    """The next step's current starts at the bias (a population without current inputs shares the two)."""
    if o[CURRENT] != o[BIAS]:
        current, bias = f32(o[CURRENT], o[N]), f32(o[BIAS], o[N])
        for i in range(current.size):
            current[i] = bias[i]


@register_jitable(forceinline=True)
def lif_step(v, current, flags, decay, gain, leak, threshold, reset, floor, subtract):
    for i in range(v.size):
        u = (decay * bounded(v[i]) + gain * current[i]) + leak
        u = u if u > floor else floor
        fired = u >= threshold
        after = u - threshold if subtract else reset
        u = after if fired else u
        v[i] = flush(u)
        flags[i] = fired


@register_jitable(forceinline=True)
def lif_refractory_step(v, current, flags, wait, period, decay, gain, leak, threshold, reset, floor, subtract):
    for i in range(v.size):
        free = wait[i] == 0
        u = (decay * bounded(v[i]) + gain * current[i]) + leak
        u = u if u > floor else floor
        fired = free & (u >= threshold)
        after = u - threshold if subtract else reset
        u = after if fired else u
        u = flush(u)
        v[i] = u if free else v[i]
        wait[i] = period if fired else (wait[i] - 1 if not free else 0)
        flags[i] = fired


@register_jitable(forceinline=True)
def cuba_step(v, isyn, current, flags, decay, gain, leak, threshold, reset, floor, subtract, decay_syn):
    for i in range(v.size):
        q = isyn[i]
        u = (decay * bounded(v[i]) + gain * (q + current[i])) + leak
        u = u if u > floor else floor
        fired = u >= threshold
        after = u - threshold if subtract else reset
        u = after if fired else u
        v[i] = flush(u)
        q = q * decay_syn
        isyn[i] = bounded(flush(q))
        flags[i] = fired


@register_jitable(forceinline=True)
def cuba_refractory_step(
    v, isyn, current, flags, wait, period, decay, gain, leak, threshold, reset, floor, subtract, decay_syn
):
    for i in range(v.size):
        q = isyn[i]
        free = wait[i] == 0
        u = (decay * bounded(v[i]) + gain * (q + current[i])) + leak
        u = u if u > floor else floor
        fired = free & (u >= threshold)
        after = u - threshold if subtract else reset
        u = after if fired else u
        u = flush(u)
        v[i] = u if free else v[i]
        q = q * decay_syn
        isyn[i] = bounded(flush(q))
        wait[i] = period if fired else (wait[i] - 1 if not free else 0)
        flags[i] = fired


def lif(row):
    """Leaky integrate-and-fire on a current."""
    o = i64(row, STATE + 2)
    n, p = o[N], f32(o[PARAMS], N_PARAMS)
    v, current, flags = f32(o[STATE], n), f32(o[CURRENT], n), u8(o[FLAGS], n)
    subtract = o[SUBTRACT] != 0
    if o[REFRACTORY] > 0:
        wait = u16(o[STATE + 1], n)
        lif_refractory_step(
            v, current, flags, wait, o[REFRACTORY],
            p[DECAY], p[GAIN], p[LEAK], p[THRESHOLD], p[RESET], p[FLOOR], subtract,
        )  # fmt: skip
    else:
        lif_step(v, current, flags, p[DECAY], p[GAIN], p[LEAK], p[THRESHOLD], p[RESET], p[FLOOR], subtract)
    restart_current(o)
    emit(o)


def cuba_lif(row):
    """Leaky integrate-and-fire with an exponential synaptic current."""
    o = i64(row, STATE + 3)
    n, p = o[N], f32(o[PARAMS], N_PARAMS)
    v, isyn, current, flags = f32(o[STATE], n), f32(o[STATE + 1], n), f32(o[CURRENT], n), u8(o[FLAGS], n)
    subtract = o[SUBTRACT] != 0
    if o[REFRACTORY] > 0:
        wait = u16(o[STATE + 2], n)
        cuba_refractory_step(
            v, isyn, current, flags, wait, o[REFRACTORY],
            p[DECAY], p[GAIN], p[LEAK], p[THRESHOLD], p[RESET], p[FLOOR], subtract, p[DECAY_SYN],
        )  # fmt: skip
    else:
        cuba_step(
            v, isyn, current, flags,
            p[DECAY], p[GAIN], p[LEAK], p[THRESHOLD], p[RESET], p[FLOOR], subtract, p[DECAY_SYN],
        )  # fmt: skip
    restart_current(o)
    emit(o)


def li(row):
    """Leaky integrator; its membrane is its output."""
    o = i64(row, STATE + 1)
    p, v, current = f32(o[PARAMS], N_PARAMS), f32(o[STATE], o[N]), f32(o[CURRENT], o[N])
    decay, gain, leak = p[DECAY], p[GAIN], p[LEAK]
    for i in range(v.size):
        u = (decay * bounded(v[i]) + gain * current[i]) + leak
        v[i] = flush(u)
    restart_current(o)
