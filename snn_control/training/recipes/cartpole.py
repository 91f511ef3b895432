"""The cart-pole, balanced by a population code and two leaky integrators.

Each of the four observations drives a population of Gaussian receptive fields whose spikes feed one leaky
integrator an action; the larger one wins. The weights are a smooth odd function of a field's centre,
two numbers a dimension, so that a search over eight numbers is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .base import Recipe

LIMITS = np.array([2.4, 3.0, 0.21, 3.0])
FIELDS = 8
KEYS = ("position", "velocity", "angle", "angular_velocity")
PARAMETERS = {f"{key}_{part}": (0.0, 1.0) for key in KEYS for part in ("slope", "bend")}


def make(p: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Controller file for parameters of `PARAMETERS`; its weights stand inline."""
    centre = np.linspace(-1, 1, FIELDS)
    push = np.concatenate([p[f"{k}_slope"] * centre + p[f"{k}_bend"] * centre**3 for k in KEYS])
    weights = np.round(np.stack([-push, push], axis=1), 4)
    field = {"type": "lif", "tau_mem": 0.01, "v_threshold": 1.0, "reset": "subtract"}
    document = {
        "version": 1,
        "period": 0.02,
        "dt": 0.005,
        "inputs": {
            "observation": {
                "kind": "value",
                "size": 4,
                "range": [(-LIMITS).tolist(), LIMITS.tolist()],
                "encoder": {"type": "population", "neurons": FIELDS, "drive": 4.0, "neuron": field},
            }
        },
        "network": {
            "populations": {"action": {"size": 2, "neuron": {"type": "li", "tau_mem": 0.01}}},
            "projections": [{"pre": "observation", "post": "action", "weights": weights.tolist()}],
        },
        "outputs": {
            "push": {
                "decoder": {
                    "type": "argmax",
                    "actions": 2,
                    "terms": [{"type": "membrane", "from": "action", "weights": [[1.0, 0.0], [0.0, 1.0]]}],
                }
            }
        },
    }
    return document, {}


RECIPE = Recipe(
    name="cartpole",
    parameters=PARAMETERS,
    make=make,
    environment="CartPole-v1",
    settings=({},),
    horizon=500,
    score=lambda rewards, info: -float(rewards.sum()),
    comment="CartPole-v1: 32 LIF encode the state, two leaky integrators choose the push.",
)
