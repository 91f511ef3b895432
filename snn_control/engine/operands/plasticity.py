"""Rows of learning rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import ProgramError
from ..kernels import plasticity
from .array import Array, followed, need, once, pointers_of, positive, present, ring, written

__all__ = ["CHECKS"]


def _source(n_pre, n_post, spikes, stride, slots, clock, delay, many, switch):
    positive(n_pre, n_post)
    ring(spikes, stride, slots, clock, delay, many, n_pre)
    need(plasticity.SWITCH_WORDS, 8, switch)
    written(switch)


def _pairs_of(array: Any, name: str, limits: tuple[int, int]) -> np.ndarray:
    """Pairs of uint32, the second of which may be a weight (limit 0)."""
    need(0, 8, array)
    followed(array)
    found = array.data[: array.data.nbytes // 8 * 8].view(np.uint32).reshape(-1, 2)
    for column, limit in enumerate(limits):
        if limit and len(found) and int(found[:, column].max()) >= limit:
            raise ProgramError(f"{name} {int(found[:, column].max())}: only {limit}")
    return found


def stdp(
    n_pre, n_post, weights, spikes, stride, slots, clock, delay, many, post_spikes, post_stride, post_slots,
    x, y, params, switch, pointers, to_post, incoming,
):  # fmt: skip
    _stdp(
        n_pre, n_post, weights, (spikes, stride, slots, clock, delay, many), (post_spikes, post_stride, post_slots),
        x, y, params, switch, (pointers, to_post, incoming),
    )  # fmt: skip


def _stdp(n_pre, n_post, weights, source, post, x, y, params, switch, sparse) -> int:
    """Checks all but the eligibility; how many synapses there are."""
    _source(n_pre, n_post, *source, switch)
    once(source[-1])
    ring(*post, source[3], 0, 0, n_post)
    need(n_pre, 4, x)
    need(n_post, 4, y)
    need(plasticity.N_STDP, 4, params)
    written(weights, x, y)
    pointers, to_post, incoming = sparse
    if not isinstance(pointers, Array):
        if pointers:
            raise ProgramError(f"row pointers {pointers!r}: must be a place, or 0")
        need(n_pre * n_post, 4, weights)
        return n_pre * n_post
    synapses = _pairs_of(weights, "a synapse onto neuron", (n_post, 0))
    k = pointers_of(pointers, n_pre + 1, len(synapses))
    into = _pairs_of(incoming, "a synapse or neuron", (max(1, k), n_pre))
    if len(into) < k or pointers_of(to_post, n_post + 1, len(into)) != k:
        raise ProgramError(f"{len(into)} incoming synapses: must be {k}")
    return k


def reward_stdp(
    n_pre, n_post, weights, spikes, stride, slots, clock, delay, many, post_spikes, post_stride, post_slots,
    x, y, params, switch, pointers, to_post, incoming, eligibility, reward,
):  # fmt: skip
    k = _stdp(
        n_pre, n_post, weights, (spikes, stride, slots, clock, delay, many), (post_spikes, post_stride, post_slots),
        x, y, params, switch, (pointers, to_post, incoming),
    )  # fmt: skip
    need(k, 4, eligibility)
    written(eligibility)
    need(1, 4, reward)


def pes(n_pre, n_post, weights, spikes, stride, slots, clock, delay, many, activity, error, params, switch):
    _source(n_pre, n_post, spikes, stride, slots, clock, delay, many, switch)
    need(n_pre * n_post, 4, weights)
    need(n_pre, 4, activity)
    written(weights, activity)
    need(n_post, 4, error)
    need(plasticity.N_PES, 4, params)


def eprop(
    n_pre, n_post, weights, spikes, stride, slots, clock, delay, many, v, flags, adapt, wait, filters, post, each,
    eligibility, slow, feedback, error, n_error, params, switch,
):  # fmt: skip
    _source(n_pre, n_post, spikes, stride, slots, clock, delay, many, switch)
    positive(n_error)
    need(n_pre * n_post, 4, weights, eligibility, *present(slow))
    need(n_post, 4, v, *present(adapt))
    written(weights, eligibility, slow, filters, post)
    need(n_post, 1, flags)
    need(n_post, 2, *present(wait))
    need(2 * n_pre, 4, filters)
    need(plasticity.N_POST_ROWS * n_post, 4, post)
    need(plasticity.N_EACH * n_post, 4, each)
    need(n_error * n_post, 4, feedback)
    need(n_error, 4, error)
    need(plasticity.N_EPROP, 4, params)


CHECKS = {f.__name__: f for f in (stdp, reward_stdp, pes, eprop)}
