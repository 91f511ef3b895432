"""Rows of neurons."""

from __future__ import annotations

from ...errors import ProgramError
from ..kernels import neurons
from .array import flag, need, once, positive, present, ring, written


def _neuron(n, params, each, rows, current, bias, *states):
    positive(n)
    if each not in (1, n):
        raise ProgramError(f"each {each}: must be 1, or {n}")
    need(rows * each, 4, params)
    need(n, 4, current, bias, *states)
    written(*states)
    if current.constant and current.block != bias.block:
        raise ProgramError("a current among the constants: must be the bias itself")


def _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait):
    need(-(-n // 64) * 64, 1, flags)
    need(1, 8, counter)
    ring(spikes, stride, slots, clock, 0, many, n)
    written(flags, counter, spikes, wait)
    if not 0 <= refractory <= 65535:
        raise ProgramError(f"refractory period of {refractory} steps: must be at most 65535")
    if refractory:
        need(n, 2, wait)


def check_spiking(
    n, params, each, rows, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory, wait, *states
):  # fmt: skip
    """The words that all neurons that fire share, ``rows`` of parameters, and their float32 states; for plug-ins."""
    _neuron(n, params, each, rows, current, bias, *states)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)


def integrate_and_fire(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory,
    mode, v, isyn, adapt, wait, counts,
):  # fmt: skip
    _neuron(n, params, each, neurons.N_PARAMS, current, bias, v, *present(isyn, adapt))
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)
    if not 0 <= mode < 8:
        raise ProgramError(f"mode {mode}: must be from 0 to 7")
    if many:
        need(n, 2, counts)
        written(counts)


def leaky_integrator(n, params, each, current, bias, v, isyn):
    _neuron(n, params, each, neurons.N_GRADED_PARAMS, current, bias, v, *present(isyn))


def adex(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory, v, w, wait
):  # fmt: skip
    _neuron(n, params, each, neurons.N_ADEX, current, bias, v, w)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)
    once(many)


def izhikevich(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory, v, u, wait
):  # fmt: skip
    _neuron(n, params, each, neurons.N_IZHIKEVICH, current, bias, v, u)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, refractory, wait)
    once(many)


def stochastic(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory,
    seed, number, counts,
):  # fmt: skip
    _neuron(n, params, each, 1, current, bias)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, 0, 0)
    if not (0 <= seed < 1 << 63 and 0 <= number < 1 << 32):
        raise ProgramError(f"seed {seed}, number {number}: must be below 2^63 and 2^32")
    if many:
        need(n, 2, counts)
        written(counts)


def temporal(
    n, params, each, current, bias, flags, spikes, stride, slots, clock, counter, many, refractory,
    window, subtract, v,
):  # fmt: skip
    positive(window)
    _neuron(n, params, each, window, current, bias, v)
    _spiking(n, flags, spikes, stride, slots, clock, counter, many, 0, 0)
    once(many)
    flag(subtract)


CHECKS = {
    f.__name__: f
    for f in (
        integrate_and_fire,
        leaky_integrator,
        adex,
        izhikevich,
        stochastic,
        temporal,
    )
}
