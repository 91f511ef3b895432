"""Lowerings of the neuron models: compute the parameters of a kernel from a neuron model and the time step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ... import network
from ..lowering import NeuronLowering, Numbers
from ..kernels import neurons
from .builder import whole_steps

__all__ = ["NEURONS"]

Parameters = dict[str, Numbers]


def coefficients(integration: str, dt: float, tau: Numbers) -> tuple[Numbers, Numbers]:
    """Return the factors of x and y in one step of dx/dt = (y - x) / tau with constant y: decay and 1 - decay.

    integration : integration method of the neuron model
    dt, tau : time step and time constant [s]
    """
    share = dt / np.asarray(tau, np.float64)
    return (1 - share, share) if integration == "euler" else (np.exp(-share), -np.expm1(-share))


def _synaptic_gain(model: Any, dt: float) -> Numbers:
    """Return the change of the membrane potential in one step for r = 1 and a synaptic current that starts at 1."""
    if model.integration != "exact":
        return coefficients(model.integration, dt, model.tau_mem)[1]
    tau_mem, tau_syn = np.asarray(model.tau_mem, np.float64), np.asarray(model.tau_syn, np.float64)
    x = dt * (tau_syn - tau_mem) / (tau_mem * tau_syn)
    near = np.clip(x, -1, 1)  # (nearly) equal time constants: the closed form without their difference
    slope = np.where(np.abs(near) < 1e-9, 1.0, np.expm1(near) / np.where(near == 0, 1, near))
    apart = (np.exp(-dt / tau_syn) - np.exp(-dt / tau_mem)) / np.where(x == 0, 1, x)
    return dt / tau_mem * np.where(np.abs(x) < 1, np.exp(-dt / tau_mem) * slope, apart)


def _linear(model: Any, dt: float) -> Parameters:
    found: Parameters = {"decay": 0.0, "gain": 1.0, "leak": 0.0, "gain_syn": 0.0, "decay_syn": 0.0}
    found["floor"] = getattr(model, "v_min", -math.inf)
    if isinstance(model, network.Relay | network.Threshold):
        return found
    r = np.asarray(model.r, np.float64)
    if not hasattr(model, "tau_mem"):
        return found | {"decay": 1.0, "gain": r * dt}
    decay, rise = coefficients(model.integration, dt, model.tau_mem)
    found |= {"decay": decay, "gain": r * rise, "leak": model.v_leak * rise}
    if hasattr(model, "tau_syn"):
        found["gain_syn"] = r * _synaptic_gain(model, dt)
        found["decay_syn"] = coefficients(model.integration, dt, model.tau_syn)[0]
    return found


def _firing(model: Any, dt: float) -> Parameters:
    beta = decay_adapt = 0.0
    if isinstance(model, network.ALIF):
        beta, decay_adapt = model.beta, coefficients(model.integration, dt, model.tau_adapt)[0]
    threshold: Numbers = model.v_threshold
    reset = threshold if getattr(model, "reset", "value") != "value" else getattr(model, "v_reset", 0.0)
    if getattr(model, "strict", False):
        threshold = np.nextafter(np.asarray(threshold, np.float32), np.float32(np.inf))
    return _linear(model, dt) | {"threshold": threshold, "reset": reset, "beta": beta, "decay_adapt": decay_adapt}


def _graded(model: Any, dt: float) -> Parameters:
    found = _linear(model, dt)
    if getattr(model, "integration", "exact") == "euler":
        return found | {"decay": 1.0, "loss": 1 - found["decay"]}
    return found | {"loss": 0.0}


def _mode(model: Any, dt: float) -> dict[str, int]:
    reset = getattr(model, "reset", "value")
    mode = {"value": 0, "subtract": neurons.SUBTRACT, "subtract_snntorch": neurons.SUBTRACT | neurons.TWICE}[reset]
    return {"mode": mode | neurons.DELAYED * getattr(model, "reset_delay", False)}


def _graded_states(model: Any) -> dict[str, str | None]:
    return {"v": "float32", "isyn": "float32" if hasattr(model, "tau_syn") else None}


def _firing_states(model: Any) -> dict[str, str | None]:
    return _graded_states(model) | {
        "adapt": "float32" if isinstance(model, network.ALIF) else None,
        "wait": "uint16" if getattr(model, "refractory", 0) else None,
        "counts": "uint16" if getattr(model, "several", False) else None,
    }


def _adex(model: network.AdEx, dt: float) -> Parameters:
    decay, rise = coefficients(model.integration, dt, model.tau_mem)
    decay_w, rise_w = coefficients(model.integration, dt, model.tau_w)
    delta = np.asarray(model.delta_t, np.float64)
    return {
        "decay": decay, "gain": np.multiply(model.r, rise), "leak": np.multiply(model.v_leak, rise),
        "threshold": model.v_threshold, "reset": model.v_reset, "rest": model.v_leak,
        "slope": delta * rise, "rheobase": model.v_rheobase, "steep": 1 / delta,
        "decay_w": decay_w, "coupling": np.multiply(model.a, rise_w), "jump": model.b,
    }  # fmt: skip


def _izhikevich(model: network.Izhikevich, dt: float) -> Parameters:
    ms = 1e3 * dt
    return {
        "half": 0.5 * ms, "gain": model.r, "threshold": model.v_threshold, "reset": model.v_reset,
        "rate": np.multiply(model.a, ms), "b": model.b, "jump": model.d,
    }  # fmt: skip


def _two_states(second: str) -> Callable[[Any], dict[str, str | None]]:
    return lambda model: {"v": "float32", second: "float32", "wait": "uint16" if model.refractory else None}


def _rate(model: network.Bernoulli | network.Poisson, dt: float) -> Parameters:
    return {"rate": np.multiply(model.rate, dt)}


def _drawn(model: Any) -> dict[str, str | None]:
    return {"counts": "uint16" if isinstance(model, network.Poisson) else None}


LATEST = 1e-7  # smallest distance to the threshold; snnTorch's epsilon


def _latency_levels(model: network.Latency, dt: float) -> list[Numbers]:
    """Return the firing level of each step j = 0 .. window - 1 of a latency code.

    The level is the smallest input x that fires by step j: its latency is at most (j + 1/2) dt.
    """
    steps = whole_steps("window", model.window, dt)
    theta, last = np.asarray(model.threshold, np.float64), max(steps - 1, 0.5)
    if model.tau is not None:
        tau = np.asarray(model.tau, np.float64) / dt
    else:
        tau = np.asarray(last) if model.linear else last / np.log((theta + LATEST) / LATEST)
    late = (np.arange(steps) + 0.5)[:, None]
    if model.linear:
        return list(np.maximum(1 - late / tau, theta))
    levels = theta / -np.expm1(-late / tau)
    return list(np.where(levels <= theta + LATEST, theta, levels))


_FIRING = NeuronLowering("integrate_and_fire", _firing, _firing_states, _mode, lambda m: getattr(m, "several", False))
_GRADED = NeuronLowering("leaky_integrator", _graded, _graded_states)
_IZHIKEVICH = NeuronLowering("izhikevich", _izhikevich, _two_states("u"), initial=lambda model, v: {"u": model.b * v})
_LATENCY = NeuronLowering(
    "temporal", _latency_levels, lambda model: {"v": "float32"},
    lambda model, dt: {"window": whole_steps("window", model.window, dt), "subtract": 0},
)  # fmt: skip
_PHASE = NeuronLowering(
    "temporal", lambda model, dt: [2.0 ** -(k + 1) for k in range(model.phases)], lambda model: {"v": "float32"},
    lambda model, dt: {"window": model.phases, "subtract": 1},
)  # fmt: skip
NEURONS = {
    "if": (network.IF, _FIRING),
    "lif": (network.LIF, _FIRING),
    "cuba_lif": (network.CubaLIF, _FIRING),
    "alif": (network.ALIF, _FIRING),
    "adex": (network.AdEx, NeuronLowering("adex", _adex, _two_states("w"))),
    "izhikevich": (network.Izhikevich, _IZHIKEVICH),
    "threshold": (network.Threshold, _FIRING),
    "li": (network.LI, _GRADED),
    "cuba_li": (network.CubaLI, _GRADED),
    "integrator": (network.Integrator, _GRADED),
    "relay": (network.Relay, _GRADED),
    "bernoulli": (network.Bernoulli, NeuronLowering("stochastic", _rate, _drawn, random=True)),
    "poisson": (network.Poisson, NeuronLowering("stochastic", _rate, _drawn, multiple=lambda m: True, random=True)),
    "latency": (network.Latency, _LATENCY),
    "phase": (network.Phase, _PHASE),
}
