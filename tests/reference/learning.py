"""References of the learning rules."""

from __future__ import annotations

import numpy as np

from snn_control.testing import (
    bounded,
    bounded_update,
    bounds_of,
    floats,
    is_on,
    learned,
    place,
    ring_of_spikes,
    settle,
    spike_list,
    switch_of,
)
from tests.reference.delivery import csr_rows
from tests.reference.scalars import HUGE, ONE, ZERO


def pairs(n_pre, n_post, target, source, post_ring, x, y, p, sparse, synapses, low, high):
    """STDP of this step on target: (n_pre, n_post), or one number per synapse; returns how many were visited."""
    ring, stride, slots, clock, delay = source
    for trace_, decay in ((x, p[0]), (y, p[1])):
        for i in range(trace_.size):
            trace_[i] = settle(trace_[i] * decay)
    arrived = [i for i, _ in spike_list(place(ring, stride, slots, clock, delay))]
    fired = [i for i, _ in spike_list(place(*post_ring, clock, 0))]
    for i in arrived:
        x[i] += ONE
    if isinstance(sparse[0], int):
        used = len(arrived) * n_post + len(fired) * sum(v != 0 for v in x)
        for i in arrived:
            for j in range(n_post):
                target[i, j] = bounded_update(target[i, j], -(p[3] * y[j]), low, high)
        for j in fired:
            for i in range(n_pre):
                if x[i] != 0:
                    target[i, j] = bounded_update(target[i, j], p[2] * x[i], low, high)
    else:
        ends = sparse[0]
        known = [(i, s) for i in range(n_pre) for s in range(int(ends[i]), int(ends[i + 1]))]
        used = sum(i in arrived for i, _ in known) + sum(synapses[s, 0] in fired for _, s in known)
        for i, s in known:
            if i in arrived:
                target[s] = bounded_update(target[s], -(p[3] * y[synapses[s, 0]]), low, high)
        for i, s in known:
            if synapses[s, 0] in fired:
                target[s] = bounded_update(target[s], p[2] * x[i], low, high)
    for j in fired:
        y[j] += ONE
    return used


def stdp(n_pre, n_post, weights, ring, stride, slots, clock, delay, multiplicity,
         post_ring, post_stride, post_slots, x, y, p,
         switch, *sparse):  # fmt: skip
    if is_on(switch, x, y):
        target = weights if isinstance(sparse[0], int) else weights[:, 1].view(np.float32)
        switch[2] += pairs(n_pre, n_post, target, (ring, stride, slots, clock, delay),
                           (post_ring, post_stride, post_slots), x, y, p, sparse, weights, p[4], p[5])  # fmt: skip


def reward_stdp(n_pre, n_post, weights, ring, stride, slots, clock, delay, multiplicity,
                post_ring, post_stride, post_slots, x,
                y, p, switch, pointers, to_post, incoming, e, reward):  # fmt: skip
    sparse = (pointers, to_post, incoming)
    if not is_on(switch, x, y, e):
        return
    pairs(n_pre, n_post, e, (ring, stride, slots, clock, delay), (post_ring, post_stride, post_slots), x, y, p, sparse,
          weights, -HUGE, HUGE)  # fmt: skip
    w = weights if isinstance(pointers, int) else weights[:, 1].view(np.float32)
    rate = bounded(p[7] * reward[0])
    k = e.size if isinstance(pointers, int) else int(pointers[n_pre])
    w, e = w.reshape(-1), e.reshape(-1)  # views
    for s in range(k):
        if rate != 0:
            w[s] = bounded_update(w[s], rate * e[s], p[4], p[5])
        e[s] = settle(e[s] * p[6])
    switch[2] += k if rate != 0 else 0


def pes(n_pre, n_post, weights, ring, stride, slots, clock, delay, multiplicity, activity, error, p, switch):
    if not is_on(switch, activity):
        return
    for i in range(n_pre):
        activity[i] = settle(activity[i] * p[0])
    for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
        activity[i] += p[1] * times
    if (error != 0).any():
        for i in range(n_pre):
            if activity[i] != 0:
                for j in range(n_post):
                    weights[i, j] = bounded_update(weights[i, j], -((p[2] * activity[i]) * error[j]), p[3], p[4])
                    switch[2] += 1


def eprop(n_pre, n_post, weights, ring, stride, slots, clock, delay, multiplicity,
          v, flags, adapt, wait, filters, post, each,
          e, slow, feedback, error, n_error, p, switch):  # fmt: skip
    decay_syn, decay, gain, kappa, rate, low, high = p
    if is_on(switch, filters, e, slow):
        for i in range(n_pre):
            filters[0, i] = settle(filters[0, i] * decay_syn)
        for i, times in spike_list(place(ring, stride, slots, clock, delay), multiplicity):
            filters[0, i] += times
        for i in range(n_pre):
            filters[1, i] = settle(decay * filters[1, i] + gain * filters[0, i])
        for j in range(n_post):
            threshold, inverse, height, subtracted, beta, rho = each[:, j]
            u = v[j] + (subtracted if flags[j] else ZERO)
            h = ONE - abs(u - (threshold + beta * post[2, j])) * inverse
            post[0, j] = height * h if h > 0 and post[3, j] == 0 else ZERO
            post[1, j] = ZERO
            for k in range(n_error):
                post[1, j] += error[k] * feedback[k, j]
            post[1, j] = rate * post[1, j]
            for i in range(n_pre):
                psi, x = post[0, j], filters[1, i]
                if isinstance(slow, int):
                    e[i, j] = settle(kappa * e[i, j] + psi * x)
                else:
                    e[i, j] = settle(kappa * e[i, j] + psi * (x - beta * slow[i, j]))
                    slow[i, j] = settle(psi * x + (rho - psi * beta) * slow[i, j])
                weights[i, j] = bounded_update(weights[i, j], -(post[1, j] * e[i, j]), low, high)
        switch[2] += n_pre * n_post
    if not isinstance(adapt, int):
        post[2] = adapt
    if not isinstance(wait, int):
        post[3] = wait != 0


def stdp_case(reward: bool):
    def case(rng, n):
        n_pre, (low, high), sparse = int(rng.integers(1, 40)), bounds_of(rng), [0, 0, 0]
        weights = learned(rng, n_pre, n, low, high)
        source = ring_of_spikes(rng, n_pre, multiple=False)
        post = ring_of_spikes(rng, n, multiple=False)
        e = floats(rng, n_pre, n)
        if rng.random() < 0.5:
            ends = csr_rows(rng, n_pre, 12)
            k = int(ends[-1])
            target = rng.integers(0, n, max(1, k)).astype(np.uint32)
            weights = np.stack([target, learned(rng, 1, max(1, k), low, high)[0].view(np.uint32)], 1)
            order, pre = np.argsort(target[:k], kind="stable"), np.repeat(np.arange(n_pre), np.diff(ends.astype(int)))
            incoming = np.zeros((max(1, k), 2), np.uint32)
            incoming[:k, 0], incoming[:k, 1] = order, pre[order]
            to_post = np.concatenate([[0], np.cumsum(np.bincount(target[:k], minlength=n))]).astype(np.uint32)
            weights, sparse, e = np.ascontiguousarray(weights), [ends, to_post, incoming], floats(rng, max(1, k))
        amplitudes = rng.choice([0.01, 0.3, -0.1], 2)
        p = np.array([*rng.random(2), *amplitudes, low, high, rng.random(), rng.choice([0.1, 3.0])], np.float32)
        x, y = (np.where(rng.random(m) < 0.5, 0, floats(rng, m)).astype(np.float32) for m in (n_pre, n))
        own = [e, rng.choice([floats(rng, 1), np.zeros(1, np.float32)])] if reward else []
        return [n_pre, n, weights, *source, *post[:3], x, y, p, switch_of(rng), *sparse, *own]

    return case


def pes_case(rng, n):
    n_pre, (low, high) = int(rng.integers(1, 40)), bounds_of(rng)
    p = np.array([rng.random(), 100.0, rng.choice([1e-4, 0.1]), low, high], np.float32)
    activity = np.where(rng.random(n_pre) < 0.5, 0, floats(rng, n_pre, scale=100)).astype(np.float32)
    error = np.zeros(n, np.float32) if rng.random() < 0.2 else floats(rng, n)
    weights = learned(rng, n_pre, n, low, high)
    return [n_pre, n, weights, *ring_of_spikes(rng, n_pre), activity, error, p, switch_of(rng)]


def eprop_case(rng, n):
    n_pre, n_error, (low, high) = int(rng.integers(1, 20)), int(rng.integers(1, 4)), bounds_of(rng)
    rows = [(0.6, 0.4), (1.0, 1.0), (0.3, 0.0), (0.0, 1.0), (0.0, 1.0), (0.8, 0.2)]
    each = np.stack([mean + spread * rng.random(n) for mean, spread in rows]).astype(np.float32)
    adapt, slow = (floats(rng, n, special=False), floats(rng, n_pre, n)) if rng.random() < 0.5 else (0, 0)
    wait = rng.integers(0, 3, n).astype(np.uint16) if rng.random() < 0.5 else 0
    post = floats(rng, 4, n)
    post[3] = rng.random(n) < 0.3
    p = np.array([*rng.random(4), rng.choice([0.01, 1.0]), low, high], np.float32)
    flags = np.zeros(-(-n // 64) * 64, np.uint8)
    flags[:n] = rng.integers(0, 2, n)
    return [
        n_pre, n, learned(rng, n_pre, n, low, high), *ring_of_spikes(rng, n_pre), floats(rng, n), flags, adapt, wait,
        floats(rng, 2, n_pre), post, each, floats(rng, n_pre, n), slow, floats(rng, n_error, n, special=False),
        floats(rng, n_error), n_error, p, switch_of(rng),
    ]  # fmt: skip
