"""An arm that learns, while it moves, the torques that its load needs: PD torques plus a torque learned by PES.

An ensemble of 1,000 LIF neurons represents the angles and speeds of the joints. Its decoders start at zero. Their
torque is added to that of PD control. The torque that PD still has to supply is the error of the decoders::

    torque = pd + learned,      d(learned decoders)/dt ~ pd x activity

(DeWolf et al. 2016, Proc. R. Soc. B 283:20162134). The controller has no model of the arm or its load.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from snn_control.cli import main
from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller_file import ControllerSpec, RosTopic
from snn_control.nef import Ensemble
from snn_control.network import LI, PES, Network, Population, Projection, Relay
from snn_control.training.recipes import Recipe

DT, NEURONS = 1e-3, 1000
#: gains [N m/rad] and [N m s/rad] of shoulder and elbow, equal to those of the baselines in ``sim_worlds.arm``
STIFFNESS, DAMPING = np.array([100.0, 50.0]), np.array([20.0, 5.0])
LIMITS = np.array([60.0, 30.0])  # N m
MIDDLE = np.array([-0.3, 0.8])  # rad, centre of the angles that the ensemble represents

#: name -> (start, scale)
PARAMETERS = {
    "learning_rate": (5e-4, 2e-4),
    "angles": (0.8, 0.2),  # rad, on each side of the centre
    "speeds": (1.5, 0.3),  # rad/s
}


def ensemble(seed: int = 1) -> Ensemble:
    """Return the ensemble for angles and speeds: four numbers within a ball of radius 1."""
    return Ensemble("state", NEURONS, 4, seed=seed, dt=DT)


def make(p: Mapping[str, float], seed: int = 1) -> ControllerSpec:
    """Return the controller for values of `PARAMETERS`; ``seed`` is the seed of the ensemble."""
    state = ensemble(seed)
    encoders = (state.tuning.encoders * state.tuning.gain[:, None]).T
    angles, speeds = encoders[:2] / p["angles"], encoders[2:] / p["speeds"]
    neurons = replace(state.population(), bias=state.tuning.bias - MIDDLE @ angles)
    ends = {"position": STIFFNESS, "velocity": DAMPING}
    projections = [Projection("joint_position", "state", angles), Projection("joint_velocity", "state", speeds)]
    for end, gain in ends.items():
        projections += [Projection(f"joint_{end}", "wrong", np.diag(gain))]
        projections += [Projection(f"target_{end}", "wrong", np.diag(-gain))]
    rule = PES(error="wrong", learning_rate=p["learning_rate"], pre_tau=0.01)
    projections += [Projection("state", "torque", 0.0, learning=rule)]
    populations = neurons, Population("wrong", 2, Relay()), Population("torque", 2, LI(tau_mem=0.01))
    decoder = MembraneDecoder("wrong", -np.eye(2)), MembraneDecoder("torque", np.eye(2))
    units = {"position": ("rad", 3.0), "velocity": ("rad/s", 25.0)}
    topics = {"joint": "joint_states", "target": "joint_targets"}
    return ControllerSpec(
        period=DT,
        dt=DT,
        inputs=tuple(
            ValueInput(f"{what}_{end}", size=2, unit=unit, range=(-limit, limit), stale=0.02)
            for what in topics
            for end, (unit, limit) in units.items()
        ),
        network=Network(populations, tuple(projections)),
        outputs=(Output("torque", decoder, size=2, unit="N m", limits=(-LIMITS, LIMITS)),),
        ros_inputs={
            f"{what}_{end}": RosTopic(topic, "sensor_msgs/msg/JointState", f"{end}[:]")
            for what, topic in topics.items()
            for end in ends
        },
        ros_outputs={"torque": RosTopic("torque_command", "std_msgs/msg/Float64MultiArray", "data[:]", "reliable", 1)},
    )


def cost(rewards: np.ndarray, info: Mapping[str, Any]) -> float:
    """Return the root mean square of the joint error [rad] in the second half of the episode."""
    return float(np.sqrt(np.mean(rewards[len(rewards) // 2 :] ** 2)))


RECIPE = Recipe(
    name="arm",
    parameters=PARAMETERS,
    make=make,
    environment="sim_worlds:ArmUnknownLoad-v0",
    settings=tuple({"load": load} for load in (0.5, 2.5)),
    horizon=10_000,
    score=cost,
    comment="An arm of two joints with an unknown load: PD torques, and torques that 1,000 LIF neurons learn by PES.",
)

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv]))
