"""Convert layers of ReLUs to layers of integrate-and-fire neurons that can fire several times in a step.

A tick has one step. A neuron with threshold 1 whose membrane starts each tick at 1/2 fires round(x) times for an input
x, or not at all if x < 1/2. One spike of neuron j represents the activation theta[j]. Weights from the neuron are
therefore multiplied by theta[j]; weights to the neuron, and its bias, are divided by theta[j] (Rueckauer et al. 2017,
doi:10.3389/fnins.2017.00682, with a scale for each neuron).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...controller_file import ControllerSpec, parse_spec
from ..algorithms.heads import Head
from .rectified import Rectified

__all__ = ["INPUT", "OUTPUT", "READOUT", "SKIPS", "Written", "hidden", "spiking_controller", "thresholds"]

INPUT, READOUT, OUTPUT = "observation", "readout", "action"
SAMPLES = 4_000  # observations for the thresholds
FIELDS, FAR, CUTOFF = 8, 2.5, 0.01  # fields of each number; outermost centres [standard deviations]; end of a field
SKIPS = ("none", "linear", "fields")


class Written(NamedTuple):
    """A spiking controller, and the activation theta that one spike of each neuron represents.

    ``theta`` is a dictionary: population -> (n,) float64. The activations are 1 for the input and the read-out.
    """

    spec: ControllerSpec
    theta: dict[str, np.ndarray]

    def scale(self, name: str) -> np.ndarray:
        """Return the factor that converts a trained array to the array of the controller file.

        name : name of the array, ``pre->post.weights`` or ``population.bias``. A trained weight is multiplied by theta
            of its source neuron and divided by theta of its target neuron
        """
        of, theta = name.rpartition(".")[0], self.theta
        pre, _, post = of.partition("->")
        if post:
            return (theta[pre][:, None] / theta[post]).astype(np.float32)
        return (1 / theta[of]).astype(np.float32)


def hidden(k: int) -> str:
    """Return the population name of hidden layer k, counted from 0."""
    return f"hidden_{k + 1}"


def thresholds(source: Rectified, head: Head, x: np.ndarray, spikes: float) -> list[np.ndarray]:
    """Return theta for each hidden layer, (n,) float64: the activation that one spike of each neuron represents.

    x : (k, n), standardised observations
    spikes : target for the number of spikes of a layer in a step

    For a given number of spikes, the rounding errors of the action are smallest with theta ~ (a / g)^(1/3). Here a is
    the mean activation of a neuron, and g the mean square of the derivative of the action by this activation.
    """
    *activations, values = source.activations(x)
    jacobian, found = np.zeros(0), []
    for k in range(len(source.layers) - 1, 0, -1):
        weights = source.layers[k].weights
        if k == len(source.layers) - 1:
            jacobian = head.slopes(values)[:, :, None] * weights
        else:
            jacobian = np.einsum("noh,hi->noi", jacobian * (activations[k] > 0)[:, None, :], weights, optimize=True)
        found.append(_theta(activations[k - 1].mean(0), (jacobian**2).sum(1).mean(0), spikes))
    return found[::-1]


def _theta(a: np.ndarray, g: np.ndarray, spikes: float) -> np.ndarray:
    top = max(float(a.max()), 1e-12)
    one = ((a + 1e-9 * top) / (g + 1e-9 * max(float(g.max()), 1e-12))) ** (1 / 3)
    used = a > 1e-6 * top
    return np.where(used, one * (a[used] / one[used]).sum() / spikes, top)


def spiking_controller(
    source: Rectified, head: Head, theta: list[np.ndarray], period: float, skip: str, scale: float = 1.0
) -> Written:
    """Return a controller that consists of the spiking layers.

    theta : for each hidden layer, the activation that one spike of each neuron represents, see `thresholds`
    period : duration of a tick and of its one network step [s]
    skip : graded projections that bypass the spiking layers, see `ConversionSettings`. Their weights start at 0
    scale : factor of the last layer's values
    """
    n = source.layers[0].weights.shape[1]
    width = n * (1 + FIELDS) if skip == "fields" else n
    populations: dict[str, Any] = {}
    projections: list[dict[str, Any]] = []
    scales = {INPUT: np.ones(width)}
    before = INPUT
    for k, (weights, biases) in enumerate(source.layers):
        last = k == len(source.layers) - 1
        name, one = (READOUT, np.ones(len(biases))) if last else (hidden(k), theta[k])
        factor = scale if last else 1.0
        bias = (factor * biases / one).astype(np.float32)
        populations[name] = {"size": len(biases), "bias": bias, "neuron": {"type": "relay"}}
        if not last:
            neuron = {"type": "if", "r": 1 / period, "reset": "subtract", "several": True}
            populations[name] |= {"v_init": 0.5, "neuron": neuron}
        scaled = factor * weights.T / one
        scaled = np.pad(scaled, ((0, width - n), (0, 0))) if k == 0 else scaled * scales[before][:, None]
        projections.append({"pre": before, "post": name, "weights": scaled.astype(np.float32)})
        if skip != "none" and k:
            nothing = np.zeros((width, len(biases)), np.float32)
            projections.append({"pre": INPUT, "post": name, "weights": nothing})
        scales[name], before = one, name
    document = {
        "version": 1, "period": period, "dt": period, "reset_each_tick": True, "inputs": {INPUT: _input(source, skip)},
        "network": {"populations": populations, "projections": projections}, "outputs": {OUTPUT: _output(source, head)},
    }  # fmt: skip
    return Written(parse_spec(document), scales)


def _input(source: Rectified, skip: str) -> dict[str, Any]:
    mean, std, clip = source.mean, source.std, source.clip
    encoder: dict[str, Any] = {"type": "direct", "gain": (1 / std).tolist(), "bias": (-mean / std).tolist()}
    if skip == "fields":
        ends = {"low": (mean - FAR * std).tolist(), "high": (mean + FAR * std).tolist()}
        fields = {"type": "population", "neurons": FIELDS, "drive": 1, "cutoff": CUTOFF, **ends}
        encoder = {"type": "stack", "encoders": [encoder, fields]}
    found: dict[str, Any] = {"kind": "value", "size": len(mean), "encoder": encoder}
    if np.isfinite(clip):
        found["range"] = [(mean - clip * std).tolist(), (mean + clip * std).tolist()]
    return found


def _output(source: Rectified, head: Head) -> dict[str, Any]:
    n = len(source.layers[-1].biases)
    term = {"type": "membrane", "from": READOUT, "weights": np.eye(n).tolist()}
    if head.kind == "argmax":
        return {"decoder": {"type": "argmax", "actions": n, "terms": [term]}}
    squash = {"squash": True} if head.kind == "tanh" else {}
    return {"size": n, "decoder": term, "limits": [head.low.tolist(), head.high.tolist()], **squash}
