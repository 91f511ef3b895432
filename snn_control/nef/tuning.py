"""Rates of a LIF under constant current, the gains that give desired rates, and the least squares of the decoders.

The drive of a membrane, ``v_leak + r current``, brings it from its start after a spike to the threshold in::

    rise(drive) = tau_mem log((drive - start) / (drive - threshold))

so that the rate of the continuous equation is 1 / (refractory + rise). On a grid of dt the spike is delayed to the end
of its step. A neuron that starts again from v_reset loses that time: its period is hold + dt ceil(rise / dt). One
that subtracts the threshold keeps the part above it and loses almost nothing: of the delay, dt / 2 on average, only
the share (threshold - start) / (drive - start) remains.
"""

from __future__ import annotations

import numpy as np

from ..errors import DescriptionError
from ..network import LIF

__all__ = ["gains", "rates", "solve"]


def start(neuron: LIF) -> float:
    """The membrane right after a spike."""
    return 0.0 if neuron.reset == "subtract" else neuron.v_reset


def hold(neuron: LIF, dt: float) -> float:
    """Time [s] for which the membrane is held: it can fire in the last step of its refractory period."""
    return max(0, round(neuron.refractory / dt) - 1) * dt


def rates(neuron: LIF, current: np.ndarray, dt: float = 0.0) -> np.ndarray:
    """Mean rate under a constant current.

    neuron : LIF
    current : any shape, float64
    dt : step [s] of the network; 0 is the continuous equation

    Returns float64 of the same shape [Hz]. For reset "subtract" on a grid it is a mean over phases; if the period is
    nearly a whole number of steps, the neuron can differ from it by some per cent (``tests/nef``).
    """
    drive = neuron.v_leak + neuron.r * np.asarray(current, np.float64)
    threshold, begin = neuron.v_threshold, start(neuron)
    fires = drive > threshold
    safe = np.where(fires, drive, threshold + 1.0)
    period = neuron.tau_mem * np.log((safe - begin) / (safe - threshold))
    if dt == 0:
        period = neuron.refractory + period
    elif neuron.reset == "value":
        period = hold(neuron, dt) + dt * np.ceil(period / dt)
    else:
        period = hold(neuron, dt) + period + 0.5 * dt * (threshold - begin) / (safe - begin)
        period = np.maximum(period, hold(neuron, dt) + dt)
    return np.where(fires, 1 / period, 0.0)


def gains(neuron: LIF, max_rates: np.ndarray, intercepts: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """Gains and biases (n,): current = gain x + bias fires from x = intercept on, and at max_rate [Hz] for x = 1.

    From the continuous equation with the refractory period of the grid; max_rates < 1 / (hold + dt), intercepts < 1.
    """
    decay = np.exp(-(1 / max_rates - hold(neuron, dt)) / neuron.tau_mem)
    drive = (neuron.v_threshold - start(neuron) * decay) / (1 - decay)
    least = (neuron.v_threshold - neuron.v_leak) / neuron.r
    gain = ((drive - neuron.v_leak) / neuron.r - least) / (1 - intercepts)
    return gain, least - gain * intercepts


def solve(activities: np.ndarray, targets: np.ndarray, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Decoders by regularised least squares: min |A W - Y|^2 + m sigma^2 |W|^2 with sigma = noise x the largest rate.

    activities : (m, n) rates [Hz] of n neurons at m points
    targets : (m, k)
    noise : noise of the rates, as a share of the largest; > 0

    Returns weights (n, k) per Hz, and the root mean square error (k,). Raises DescriptionError if no neuron fires.
    """
    m, n = activities.shape
    if not 0 < noise < np.inf:
        raise DescriptionError("noise", noise, "must be > 0 and finite")
    if not activities.any():
        raise DescriptionError("rates", 0.0, "no neuron fires at any point", "lower the intercepts")
    strength = m * (noise * activities.max()) ** 2
    if n <= m:
        gram = activities.T @ activities + strength * np.eye(n)
        weights = np.linalg.solve(gram, activities.T @ targets)
    else:  # the equivalent problem with the smaller matrix
        weights = activities.T @ np.linalg.solve(activities @ activities.T + strength * np.eye(m), targets)
    return weights, np.sqrt(np.mean((activities @ weights - targets) ** 2, axis=0))
