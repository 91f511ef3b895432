"""The cart-pole, balanced by a population code and two leaky integrators.

Each of the four observations drives a population with Gaussian receptive fields. The spikes feed one leaky integrator
per action; the larger one selects the action. The weights are a smooth odd function of a field's centre with two
parameters per observation, so that a search over eight numbers is enough.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_control.cli import main
from snn_control.coding import ArgmaxDecoder, MembraneDecoder, Output, PopulationEncoder, ValueInput
from snn_control.controller_file import ControllerSpec
from snn_control.network import LI, LIF, Network, Population, Projection
from snn_control.training.recipes import Recipe

LIMITS = np.array([2.4, 3.0, 0.21, 3.0])
FIELDS = 8
KEYS = ("position", "velocity", "angle", "angular_velocity")
PARAMETERS = {f"{key}_{part}": (0.0, 1.0) for key in KEYS for part in ("slope", "bend")}


def make(p: Mapping[str, float]) -> ControllerSpec:
    """Return the controller for values of `PARAMETERS`."""
    centre = np.linspace(-1, 1, FIELDS)
    push = np.concatenate([p[f"{k}_slope"] * centre + p[f"{k}_bend"] * centre**3 for k in KEYS])
    weights = np.round(np.stack([-push, push], axis=1), 4)
    encoder = PopulationEncoder(FIELDS, neuron=LIF(tau_mem=0.01, reset="subtract"))
    action = Population("action", 2, LI(tau_mem=0.01))
    decoder = ArgmaxDecoder(2, (MembraneDecoder("action", np.eye(2)),))
    return ControllerSpec(
        period=0.02,
        dt=0.005,
        inputs=(ValueInput("observation", size=4, range=(-LIMITS, LIMITS), encoder=encoder),),
        network=Network((action,), (Projection("observation", "action", weights),)),
        outputs=(Output("push", decoder),),
    )


def cost(rewards: np.ndarray, info: Mapping[str, Any]) -> float:
    """Return the negative return of the episode."""
    return -float(rewards.sum())


RECIPE = Recipe(
    name="cartpole",
    parameters=PARAMETERS,
    make=make,
    environment="CartPole-v1",
    settings=({},),
    horizon=500,
    score=cost,
    comment="CartPole-v1: 32 LIF neurons encode the state, and the larger of two leaky integrators selects the push.",
)

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv]))
