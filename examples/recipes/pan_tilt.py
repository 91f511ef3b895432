"""A spiking controller that keeps a moving target in the middle of an event camera's view.

Events, ON +1 and OFF -off, are pooled to 32 x 32 cells. They drive a layer of neurons through a slow synaptic current.
The layer is a leaky picture of brightness, in which the passing background cancels and the target remains. The mean of
the picture is added, and the layer's own activity inhibits it, so that only the few brightest cells fire. Their spikes
turn the head quickly towards their position. The head's own velocity, encoded in one population for each joint, is fed
back to keep the head moving (pursuit by velocity feedback)::

    command = gain [O + lead (O - O_slow)] + feedback [v + fade (v - v_slow)]

O is the sum of the spikes, weighted by their angle from the optical axis; v is the velocity. Both are filtered fast,
and once more slowly.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_control.cli import main
from snn_control.coding import EventsInput, Output, PoolEncoder, PopulationEncoder, SpikeDecoder, ValueInput
from snn_control.controller_file import ControllerSpec, RosTopic
from snn_control.network import LI, LIF, CubaLIF, Network, Population, Projection
from snn_control.training.recipes import Recipe

PIXELS, GRID, DT = 128, 32, 1e-3
FOCAL = PIXELS / 2 / math.tan(math.radians(30.0))  # pixels
FIELDS, FIELD_LIMIT, FIELD_WIDTH, FIELD_DRIVE, FIELD_TAU = 41, 6.5, 0.45, 4.0, 0.01  # velocity population
SLOW_VELOCITY = 0.025  # s

#: topics of a pan-tilt head with an event camera
TOPICS = {
    "camera": RosTopic("events", "sensor_msgs/msg/PointCloud2"),
    "joint_velocity": RosTopic("joint_states", "sensor_msgs/msg/JointState", "velocity[:]"),
}
COMMANDS = {
    axis: RosTopic("velocity_command", "std_msgs/msg/Float64MultiArray", f"data[{k}]", "reliable", 1)
    for k, axis in enumerate(("pan", "tilt"))
}

#: name -> (start, scale)
PARAMETERS = {
    "tau_picture": (0.1913, 0.02),  # s
    "threshold": (7.631, 0.8),  # events
    "off": (0.9421, 0.02),
    "tau_mem": (0.00252, 0.0003),  # s
    "inhibition": (0.08785, 0.01),
    "tau_inhibition": (0.025, 0.003),  # s
    "gain_pan": (42.96, 5.0),
    "gain_tilt": (76.46, 8.0),
    "exponent": (1.154, 0.1),
    "linear": (-0.1715, 0.05),
    "feedback_pan": (0.7824, 0.06),
    "feedback_tilt": (0.8418, 0.06),
    "tau_out": (0.0025, 0.0003),  # s
    "lead": (0.9657, 0.1),
    "mean": (0.1121, 0.03),
    "fade": (-0.3032, 0.06),
    "tau_velocity": (0.00293, 0.0004),  # s
}


def velocity_decoder() -> np.ndarray:
    """Return weights that read the velocity from the population's rates, (FIELDS,) [rad/s / Hz], by least squares.

    The rates are those of the encoder's neurons (LIF, reset by subtraction) at constant velocities.
    """
    centres = np.linspace(-FIELD_LIMIT, FIELD_LIMIT, FIELDS)
    decay = math.exp(-DT / FIELD_TAU)
    velocity = np.linspace(-6.0, 6.0, 121)
    drive = FIELD_DRIVE * np.exp(-0.5 * ((velocity[:, None] - centres) / FIELD_WIDTH) ** 2)
    v, count = np.zeros_like(drive), np.zeros_like(drive)
    for step in range(1200):
        v = decay * v + (1 - decay) * drive
        fired = v >= 1.0
        v[fired] -= 1.0
        count += fired * (step >= 200)
    spikes = count / 1000  # per step
    weights = np.linalg.solve(spikes.T @ spikes + 1e-3 * np.eye(FIELDS), spikes.T @ velocity)
    # odd, as the fields are symmetrical; the last digits are dropped, because they depend on the processor
    return np.round((weights - weights[::-1]) / 2, 12) * DT


def place_weights(exponent: float, linear: float) -> np.ndarray:
    """Return each column's weight, (GRID,): an odd function of its angle from the optical axis, positive at right."""
    pixel = (np.arange(GRID) + 0.5) * PIXELS / GRID - 0.5
    angle = np.arctan((pixel - (PIXELS - 1) / 2) / FOCAL) / 0.3
    return np.sign(angle) * np.abs(angle) ** exponent + linear * angle


def make(p: Mapping[str, float]) -> ControllerSpec:
    """Return the controller for values of `PARAMETERS`."""
    place = place_weights(p["exponent"], p["linear"]) * DT
    velocity = velocity_decoder()
    none = np.zeros(FIELDS)

    def output(axis: str, image: np.ndarray, felt: np.ndarray) -> Output:
        """Return one output. ``image`` is positive to the right of the axis; a turn to the right is negative."""
        gain, lead, fade, feedback = p[f"gain_{axis}"], p["lead"], p["fade"], p[f"feedback_{axis}"]
        terms = (
            ("image", -gain * (1 + lead) * image, p["tau_out"]),
            ("image", gain * lead * image, 3 * p["tau_out"]),
            ("joint_velocity", feedback * (1 + fade) * felt, p["tau_velocity"]),
            ("joint_velocity", -feedback * fade * felt, SLOW_VELOCITY),
        )
        decoder = tuple(SpikeDecoder(source, weights.astype(np.float32), tau) for source, weights, tau in terms)
        return Output(axis, decoder, unit="rad/s", limits=(-6.0, 6.0))

    pool = PoolEncoder((GRID, GRID), off_weight=p["off"])
    field = LIF(tau_mem=FIELD_TAU, reset="subtract")
    encoder = PopulationEncoder(FIELDS, -FIELD_LIMIT, FIELD_LIMIT, FIELD_WIDTH, FIELD_DRIVE, field)
    return ControllerSpec(
        period=DT,
        dt=DT,
        inputs=(
            EventsInput("camera", size=(PIXELS, PIXELS), capacity=4096, stale=0.05, encoder=pool),
            ValueInput(
                "joint_velocity", size=2, unit="rad/s", range=(-FIELD_LIMIT, FIELD_LIMIT), plausible=(-20.0, 20.0),
                stale=0.02, encoder=encoder,
            ),
        ),
        network=network(p),
        outputs=(
            output("pan", np.tile(place, GRID), np.concatenate([velocity, none])),
            output("tilt", np.repeat(place, GRID), np.concatenate([none, velocity])),
        ),
        ros_inputs=TOPICS,
        ros_outputs=COMMANDS,
    )  # fmt: skip


def network(p: Mapping[str, float]) -> Network:
    """Return the network: the leaky picture of background and target, its mean, and its inhibition of itself."""
    cells = GRID * GRID
    neuron = CubaLIF(
        tau_mem=p["tau_mem"], tau_syn=p["tau_picture"], integration="exponential_euler", v_min=-1.0, refractory=2 * DT
    )
    populations = (
        Population("image", cells, neuron),
        Population("mean", 1, LI(tau_mem=p["tau_picture"])),
        Population("inhibition", 1, LI(tau_mem=p["tau_inhibition"])),
    )
    decay_mean, decay_inhibition = math.exp(-DT / p["tau_picture"]), math.exp(-DT / p["tau_inhibition"])
    projections = (
        Projection("camera", "image", 1 / p["threshold"], "one_to_one"),
        Projection("camera", "mean", 1 / cells / (1 - decay_mean)),
        Projection("mean", "image", p["mean"] / p["threshold"], receptor="current"),
        Projection("image", "inhibition", 1 / (1 - decay_inhibition), delay=DT),
        Projection("inhibition", "image", -p["inhibition"], receptor="current"),
    )
    return Network(populations, projections)


def cost(rewards: np.ndarray, info: Mapping[str, Any]) -> float:
    """Return the root mean square of the tracking error [degrees] after half a second; a lost target costs 40."""
    error = np.degrees(-rewards[500:])
    return float(np.sqrt(np.mean(error**2))) if error.size else 40.0


RECIPE = Recipe(
    name="pan_tilt",
    parameters=PARAMETERS,
    make=make,
    environment="sim_worlds:PanTiltTracking-v0",
    settings=tuple({"frequency": f, "background": 0.05} for f in (0.3, 0.8)),
    horizon=3000,
    score=cost,
    comment="Pan-tilt head with an event camera: 1,024 CubaLIF neurons get events, 82 LIF neurons the velocity.",
)

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv]))
