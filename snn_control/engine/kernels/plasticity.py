"""Learning rules: kernels that change weights at the end of a step (equations: ``docs/explanation/plasticity.md``).

Weights that learn are in the state, as a matrix (n_pre, n_post) or as pairs {target, weight} of sparse synapses. When a
rule is switched on again, its traces begin at 0.
"""

import numpy as np
from numba.extending import register_jitable

from ...errors import ProgramError
from ..control_words import ON, RUNS, SWITCH_WORDS, UPDATES
from ..memory import f32, u32
from ..operand_arrays import Array, followed, need, pointers_of
from ..rows import Record, Scalars, Table, address, count, kernel, optional, read, scalar, written
from . import HUGE, ONE, ZERO, bounded, flush, settle
from .delivery import Synapses, part
from .spikes import Spikes

switched = written("i64", SWITCH_WORDS)


@register_jitable(forceinline=True)
def bounded_update(w, delta, low, high):
    """Return the weight w + delta, limited to [low, high]. A ``delta`` that is NaN or huge is ignored."""
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
    """Return the state of a learning rule in this step, and record in its switch whether the rule is on.

    0: the rule is off. 1: the rule was switched on before this step, so its traces are outdated. 2: the rule was also
    on in the last step.
    """
    before, on = switch[RUNS], switch[ON] != 0
    switch[RUNS] = on
    return (2 if before != 0 else 1) if on else 0


# pairs of spikes -----------------------------------------------------------------------------------------------
@register_jitable(forceinline=True)
def depress(e, n, y, a, low, high, pre):
    """Depress the synapses at which a spike arrives: e -= a y in the rows ``pre`` of a matrix.

    e : address of the matrix of weights or eligibilities, float32 with n columns
    y : (n,) trace of each postsynaptic neuron's earlier spikes
    pre : indices of the presynaptic neurons whose spikes arrive

    Return the number of changed synapses.
    """
    for k in range(pre.size):
        row = f32(e + 4 * n * np.int64(pre[k]), n)
        for j in range(n):
            row[j] = bounded_update(row[j], -(a * y[j]), low, high)
    return pre.size * n


@register_jitable(forceinline=True)
def potentiate(e, n, x, a, low, high, post):
    """Potentiate the synapses onto neurons that fire: e += a x in the columns ``post`` of a matrix.

    e : address of the matrix of weights or eligibilities, float32 with n columns
    x : (n_pre,) trace of each presynaptic neuron's arrived spikes
    post : indices of the postsynaptic neurons that fire

    Return the number of changed synapses.
    """
    used = 0
    if post.size > 0:
        for i in range(x.size):
            if x[i] != ZERO:
                row, delta = f32(e + 4 * n * i, n), a * x[i]
                for k in range(post.size):
                    row[post[k]] = bounded_update(row[post[k]], delta, low, high)
                used += post.size
    return used


@register_jitable(forceinline=True)
def depress_sparse(e, step, first, synapses, pointers, y, a, low, high, pre):
    """Depress the sparse synapses at which a spike arrives, as `depress` does for a matrix.

    e : array with ``step`` numbers for each synapse, of which the number at index ``first`` is changed
    synapses, pointers : pairs {target, weight}, and row pointers

    Return the number of changed synapses.
    """
    used = 0
    for k in range(pre.size):
        begin, end = np.int64(pointers[pre[k]]), np.int64(pointers[pre[k] + 1])
        for s in range(begin, end):
            at = step * s + first
            e[at] = bounded_update(e[at], -(a * y[synapses[2 * s]]), low, high)
        used += end - begin
    return used


@register_jitable(forceinline=True)
def potentiate_sparse(e, step, first, incoming, pointers, x, a, low, high, post):
    used = 0
    for k in range(post.size):
        begin, end = np.int64(pointers[post[k]]), np.int64(pointers[post[k] + 1])
        for q in range(begin, end):
            at = step * np.int64(incoming[2 * q]) + first
            e[at] = bounded_update(e[at], a * x[incoming[2 * q + 1]], low, high)
        used += end - begin
    return used


@register_jitable(forceinline=True)
def synapses_in(connections, n_pre, n_post):
    """Return the number of synapses of a projection: n_pre * n_post, or the last row pointer of sparse synapses."""
    return n_pre * n_post if connections.pointers.size == 0 else np.int64(connections.pointers[n_pre])


class SparseConnections(Record):
    """The connectivity of sparse synapses: row pointers of the presynaptic neurons, row pointers of the postsynaptic
    neurons (``to_post``), and each postsynaptic neuron's incoming synapses as pairs {synapse, pre}. All three operands
    are 0 if the weights are a matrix."""

    def __init__(self):
        super().__init__(
            pointers=optional(read("u32", "n_pre + 1")), to_post=optional(read("u32", "n_post + 1")),
            incoming=optional(read("u32", 0)),
        )  # fmt: skip

    def check(self, parameter, w):
        super().check(parameter, w)
        if not isinstance(w.pointers, Array):
            need(w.n_pre * w.n_post, 4, w.weights)
            return
        Synapses(pointers="n_pre + 1").check(parameter, w)
        k = synapses_of(w)
        need(k, 8, w.incoming)
        followed(w.incoming)
        into = w.incoming.data[: w.incoming.data.nbytes // 8 * 8].view(np.uint32).reshape(-1, 2)
        if (into >= (max(1, k), w.n_pre)).any():
            furthest = into.max(axis=0).tolist()
            raise ProgramError(f"incoming: [synapse, neuron] {furthest}: there are only {k} and {w.n_pre}")
        if pointers_of(w.to_post, w.n_post + 1, len(into)) != k:
            raise ProgramError(f"incoming synapses: must be {k}")


def synapses_of(w):
    """Return the number of synapses of a projection from the operands ``w``, as the size of its other operands."""
    if not isinstance(w.pointers, Array):
        return w.n_pre * w.n_post
    return int(w.pointers.data.view(np.uint32)[w.n_pre])


@register_jitable(forceinline=True)
def update_by_spike_pairs(weights, e, source, post, x, y, p, connections, state, eligible, low, high):
    """Change the weights by the spike pairs of this step; if ``eligible`` is true, change the eligibilities instead.

    First, the traces decay. Then arriving spikes add to x and depress their synapses by y. Then neurons that fire
    potentiate their synapses by x and add to y. Return the number of changed synapses.

    weights, e : addresses of the weights and of their eligibilities
    x : (n_pre,) traces of the arriving spikes
    y : (n_post,) traces of the postsynaptic spikes
    state : result of `state_of`
    """
    fade(x, p.decay_plus if state == 2 else ZERO)
    fade(y, p.decay_minus if state == 2 else ZERO)
    for k in range(source.fired.size):
        x[source.fired[k]] += ONE
    if connections.pointers.size == 0:
        changes = e if eligible else weights
        used = depress(changes, y.size, y, p.a_minus, low, high, source.fired)
        used += potentiate(changes, y.size, x, p.a_plus, low, high, post.fired)
    else:
        pointers, to_post, k = connections.pointers, connections.to_post, synapses_in(connections, x.size, y.size)
        synapses, incoming = u32(weights, 2 * k), connections.incoming
        changes, step, first = f32(e if eligible else weights, 2 * k), 1 if eligible else 2, 0 if eligible else 1
        used = depress_sparse(changes, step, first, synapses, pointers, y, p.a_minus, low, high, source.fired)
        used += potentiate_sparse(changes, step, first, incoming, to_post, x, p.a_plus, low, high, post.fired)
    for k in range(post.fired.size):
        y[post.fired[k]] += ONE
    return used


arriving, firing = Spikes("n_pre"), Spikes("n_post", delay=False, multiplicity=False, prefix="post_")
arriving_once = Spikes("n_pre", once=True)
pair_parameters = Scalars("f32", "decay_plus", "decay_minus", "a_plus", "a_minus", "low", "high", "decay_e", "rate")


@kernel()
def stdp(
    n_pre: count, n_post: count, weights: address("f32", 0, written=True), source: arriving_once, post: firing,
    x: written("f32", "n_pre"), y: written("f32", "n_post"), params: pair_parameters, switch: switched,
    connections: SparseConnections(),
):  # fmt: skip
    """Learn by spike-timing-dependent plasticity (STDP): pairs of a presynaptic and a postsynaptic spike change w.

    x, y : traces of the arrived presynaptic spikes, and of the postsynaptic spikes
    """
    p, state = params, state_of(switch)
    if state > 0:
        low, high = p.low, p.high
        used = update_by_spike_pairs(weights, 0, source, post, x, y, p, connections, state, False, low, high)
        switch[UPDATES] += used


@kernel()
def reward_stdp(
    n_pre: count, n_post: count, weights: address("f32", 0, written=True), source: arriving_once, post: firing,
    x: written("f32", "n_pre"), y: written("f32", "n_post"), params: pair_parameters, switch: switched,
    connections: SparseConnections(), eligibility: address("f32", synapses_of, written=True), reward: scalar("f32"),
):  # fmt: skip
    """Learn by reward-modulated STDP (R-STDP): pairs of spikes change the eligibility e of a synapse, not its weight w.

    In each step, the pairs of spikes change e. Then the reward changes the weight, w += rate reward e, and e decays.

    x, y : traces of the arrived presynaptic spikes, and of the postsynaptic spikes
    """
    k, state = synapses_in(connections, n_pre, n_post), state_of(switch)
    e = f32(eligibility, k)
    if state == 1:
        fill(e, ZERO)
    if state > 0:
        update_by_spike_pairs(weights, eligibility, source, post, x, y, params, connections, state, True, -HUGE, HUGE)
        rate = bounded(params.rate * reward)
        if rate == ZERO:
            fade(e, params.decay_e)
        else:
            reward_weights(weights, connections, params, e, rate)
            switch[UPDATES] += k


@register_jitable(forceinline=True)
def reward_weights(weights, connections, p, e, rate):
    decay, low, high = p.decay_e, p.low, p.high
    if connections.pointers.size == 0:
        w = f32(weights, e.size)
        for s in range(e.size):
            w[s] = bounded_update(w[s], rate * e[s], low, high)
            e[s] = settle(e[s] * decay)
    else:
        w = f32(weights, 2 * e.size)
        for s in range(e.size):
            w[2 * s + 1] = bounded_update(w[2 * s + 1], rate * e[s], low, high)
            e[s] = settle(e[s] * decay)


# errors --------------------------------------------------------------------------------------------------------
@register_jitable(forceinline=True)
def add_arrivals(source, x, gain):
    """For each arriving spike, add ``gain`` to the element of ``x``, (n_pre,), that belongs to its neuron."""
    for k in range(source.fired.size):
        x[source.fired[k]] += gain * (ONE if source.times.size == 0 else np.float32(source.times[k]))


@kernel()
def pes(
    n_pre: count, n_post: count, weights: address("f32", "n_pre * n_post", written=True), source: arriving,
    activity: written("f32", "n_pre"), error: read("f32", "n_post"),
    params: Scalars("f32", "decay", "gain", "rate", "low", "high"), switch: switched,
):  # fmt: skip
    """Learn by the prescribed error sensitivity (PES), which reduces an error signal.

    The spikes are filtered: activity_i <- decay activity_i + gain spikes_i. Then w_ij -= rate activity_i error_j.
    """
    p, state = params, state_of(switch)
    if state == 0:
        return
    fade(activity, p.decay if state == 2 else ZERO)
    add_arrivals(source, activity, p.gain)
    wrong = False
    for j in range(n_post):
        wrong |= error[j] != ZERO
    if wrong:
        for i in range(n_pre):
            if activity[i] != ZERO:
                w, c = part(weights, n_post, i), p.rate * activity[i]
                for j in range(n_post):
                    w[j] = bounded_update(w[j], -(c * error[j]), p.low, p.high)
                switch[UPDATES] += n_post


# eligibility propagation ---------------------------------------------------------------------------------------
@register_jitable(forceinline=True)
def pseudo_derivative(post, each, v, flags):
    """Compute ``post.psi``, the pseudo-derivative of each neuron's spike with respect to the membrane potential.

    psi depends on the distance of the membrane potential before the reset from the threshold. Refractory neurons have
    psi = 0.
    """
    for j in range(v.size):
        u = v[j] + (each.subtracted[j] if flags[j] != 0 else ZERO)
        h = ONE - abs(u - (each.threshold[j] + each.beta[j] * post.adapted[j])) * each.inverse[j]
        post.psi[j] = each.height[j] * h if (h > ZERO) & (post.held[j] == ZERO) else ZERO


@register_jitable(forceinline=True)
def keep_for_the_next_step(post, adapt, wait):
    """Copy the neurons' adaptation and refractory flags to ``post``, because e-prop needs them in the next step."""
    for j in range(adapt.size):
        post.adapted[j] = adapt[j]
    for j in range(wait.size):
        post.held[j] = ONE if wait[j] != 0 else ZERO


@register_jitable(forceinline=True)
def learning_signal(signal, error, feedback, rate):
    """Compute the learning signal of e-prop: signal[j] = rate * sum over k of error[k] feedback[k, j], k ascending.

    error : (n_error,) error signals
    feedback : address of the feedback weights, (n_error, n_post) float32
    """
    n = signal.size
    fill(signal, ZERO)
    for k in range(error.size):
        b = part(feedback, n, k)
        for j in range(n):
            signal[j] += error[k] * b[j]
    for j in range(n):
        signal[j] = rate * signal[j]


@register_jitable(forceinline=True)
def learn_rows(weights, eligibility, slow, x, post, each, p):
    """Update the eligibilities and the weights of all synapses by e-prop, one presynaptic neuron after the other.

    The equations are eligibility <- kappa eligibility + psi (x - beta slow), then w -= signal eligibility. ``slow``,
    the part of the eligibility that belongs to the adapting threshold, is updated after its use in the first equation.

    weights, eligibility, slow : addresses of (n_pre, n_post) float32; ``slow`` is 0 if no neuron adapts
    x : (n_pre,) filtered presynaptic spikes
    post, each, p : as in `eprop`; p are its ``params``
    """
    n, psi, signal, beta, rho = post.psi.size, post.psi, post.signal, each.beta, each.rho
    kappa, low, high = p.kappa, p.low, p.high
    for i in range(x.size):
        w, e, xi = part(weights, n, i), part(eligibility, n, i), x[i]
        if slow == 0:
            for j in range(n):
                e[j] = settle(kappa * e[j] + psi[j] * xi)
                w[j] = bounded_update(w[j], -(signal[j] * e[j]), low, high)
        else:
            s = part(slow, n, i)
            for j in range(n):
                e[j] = settle(kappa * e[j] + psi[j] * (xi - beta[j] * s[j]))
                s[j] = settle(psi[j] * xi + (rho[j] - psi[j] * beta[j]) * s[j])
                w[j] = bounded_update(w[j], -(signal[j] * e[j]), low, high)


@kernel()
def eprop(
    n_pre: count, n_post: count, weights: address("f32", "n_pre * n_post", written=True), source: arriving,
    v: read("f32", "n_post"), flags: read("u8", "n_post"), adapt: optional(read("f32", "n_post")),
    wait: optional(read("u16", "n_post")), filters: Table("f32", "n_pre", "current", "x", written=True),
    post: Table("f32", "n_post", "psi", "signal", "adapted", "held", written=True),
    each: Table("f32", "n_post", "threshold", "inverse", "height", "subtracted", "beta", "rho"),
    eligibility: address("f32", "n_pre * n_post", written=True),
    slow: optional(address("f32", "n_pre * n_post", written=True)), feedback: address("f32", "n_error * n_post"),
    error: read("f32", "n_error"), n_error: count,
    params: Scalars("f32", "decay_syn", "decay", "gain", "kappa", "rate", "low", "high"), switch: switched,
):  # fmt: skip
    """Learn by eligibility propagation (e-prop): update filters and learning signals, then the weights of all synapses.

    v, adapt : membrane potential and threshold adaptation of each postsynaptic neuron
    flags, wait : spike flag and remaining refractory steps of each postsynaptic neuron
    filters : filtered spikes of the presynaptic neurons
    post : variables of the postsynaptic neurons; ``adapted`` and ``held`` come from the last step
    each : constants of the postsynaptic neurons
    eligibility : eligibility of each synapse
    slow : part of the eligibility that belongs to the adapting threshold; 0 if no neuron adapts
    """
    p, current, x, state = params, filters.current, filters.x, state_of(switch)
    if state == 1:
        fill(current, ZERO)
        fill(x, ZERO)
        fill(f32(eligibility, n_pre * n_post), ZERO)
        if slow != 0:
            fill(f32(slow, n_pre * n_post), ZERO)
    if state > 0:
        fade(current, p.decay_syn)
        add_arrivals(source, current, ONE)
        for i in range(n_pre):
            x[i] = settle(p.decay * x[i] + p.gain * current[i])
        pseudo_derivative(post, each, v, flags)
        learning_signal(post.signal, error, feedback, p.rate)
        learn_rows(weights, eligibility, slow, x, post, each, p)
        switch[UPDATES] += n_pre * n_post
    keep_for_the_next_step(post, adapt, wait)
