"""A spiking controller that keeps a moving target in the middle of an event camera's view.

Events, ON +1 and OFF -off, are pooled to 32 x 32 cells and drive a layer of neurons through a slow synaptic
current: a leaky picture of brightness, in which the wall behind, passing by, cancels and the target stays.
The picture's mean is added and the layer's own activity inhibits it, so that the few brightest cells fire.
Their spikes kick the head towards where they stand (fast), and the head's own velocity, encoded in a
population a joint, keeps it going (pursuit through velocity feedback)::

    command = gain [O + lead (O - O_slow)] + feedback [v + fade (v - v_slow)]

with O the spikes weighted by their angle from the optical axis, filtered fast and slowly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from .base import Recipe

PIXELS, GRID, DT = 128, 32, 1e-3
FOCAL = PIXELS / 2 / math.tan(math.radians(30.0))  # pixels
FIELDS, FIELD_LIMIT, FIELD_WIDTH, FIELD_DRIVE, FIELD_TAU = 41, 6.5, 0.45, 4.0, 0.01  # velocity population
SLOW_VELOCITY = 0.025  # s

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
    """(FIELDS,) weights [rad/s / Hz] that read the velocity from the population's rates, by least squares.

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
    spikes = count / 1000  # a step
    weights = np.linalg.solve(spikes.T @ spikes + 1e-3 * np.eye(FIELDS), spikes.T @ velocity)
    return weights * DT


def place_weights(exponent: float, linear: float) -> np.ndarray:
    """(GRID,) weight of a column: odd in its angle from the optical axis, positive to the right."""
    pixel = (np.arange(GRID) + 0.5) * PIXELS / GRID - 0.5
    angle = np.arctan((pixel - (PIXELS - 1) / 2) / FOCAL) / 0.3
    return np.sign(angle) * np.abs(angle) ** exponent + linear * angle


def make(p: Mapping[str, float]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Controller file and arrays for parameters of `PARAMETERS`."""
    cells = GRID * GRID
    place = place_weights(p["exponent"], p["linear"]) * DT
    columns, rows = np.tile(place, GRID), np.repeat(place, GRID)
    velocity = velocity_decoder()
    none = np.zeros(FIELDS)
    arrays = {
        "columns": columns,  # right of the axis asks for a turn to the right: negative
        "rows": rows,
        "velocity_pan": np.concatenate([velocity, none]),
        "velocity_tilt": np.concatenate([none, velocity]),
    }
    decay_mean = math.exp(-DT / p["tau_picture"])
    decay_inhibition = math.exp(-DT / p["tau_inhibition"])

    def output(axis: str, image: str) -> dict[str, Any]:
        gain, feedback = p[f"gain_{axis}"], p[f"feedback_{axis}"]
        arrays[f"{axis}_fast"] = -gain * (1 + p["lead"]) * arrays[image]
        arrays[f"{axis}_slow"] = gain * p["lead"] * arrays[image]
        arrays[f"{axis}_velocity_fast"] = feedback * (1 + p["fade"]) * arrays[f"velocity_{axis}"]
        arrays[f"{axis}_velocity_slow"] = -feedback * p["fade"] * arrays[f"velocity_{axis}"]
        terms = [
            ("image", p["tau_out"], f"{axis}_fast"),
            ("image", 3 * p["tau_out"], f"{axis}_slow"),
            ("joint_velocity", p["tau_velocity"], f"{axis}_velocity_fast"),
            ("joint_velocity", SLOW_VELOCITY, f"{axis}_velocity_slow"),
        ]
        decoder = [
            {"type": "linear", "from": source, "tau": float(tau), "weights": f"pan_tilt.npz#{key}"}
            for source, tau, key in terms
        ]
        return {"unit": "rad/s", "limits": [-6.0, 6.0], "safe": 0.0, "decoder": decoder}

    neuron = {"type": "cuba_lif", "tau_mem": float(p["tau_mem"]), "tau_syn": float(p["tau_picture"])}
    neuron |= {"integration": "exponential_euler"}
    neuron |= {"v_threshold": 1.0, "v_reset": 0.0, "v_min": -1.0, "refractory": 2 * DT}
    field = {"type": "lif", "tau_mem": FIELD_TAU, "v_threshold": 1.0, "reset": "subtract"}
    encoder = {"type": "population", "neurons": FIELDS, "low": -FIELD_LIMIT, "high": FIELD_LIMIT}
    encoder |= {"sigma": FIELD_WIDTH, "drive": FIELD_DRIVE, "neuron": field}
    pool = {"type": "pool", "grid": [GRID, GRID], "polarity": "signed", "off_weight": float(p["off"])}
    document = {
        "version": 1,
        "period": DT,
        "dt": DT,
        "inputs": {
            "camera": {"kind": "events", "size": [PIXELS, PIXELS], "capacity": 4096, "stale": 0.05, "encoder": pool},
            "joint_velocity": {
                "kind": "value",
                "size": 2,
                "unit": "rad/s",
                "range": [-FIELD_LIMIT, FIELD_LIMIT],
                "plausible": [-20.0, 20.0],
                "stale": 0.02,
                "encoder": encoder,
            },
        },
        "network": {
            "populations": {
                "image": {"size": cells, "neuron": neuron},
                "mean": {"size": 1, "neuron": {"type": "li", "tau_mem": float(p["tau_picture"])}},
                "inhibition": {"size": 1, "neuron": {"type": "li", "tau_mem": float(p["tau_inhibition"])}},
            },
            "projections": [
                {"pre": "camera", "post": "image", "connection": "one_to_one", "weights": float(1 / p["threshold"])},
                {"pre": "camera", "post": "mean", "weights": float(1 / cells / (1 - decay_mean))},
                {"pre": "mean", "post": "image", "receptor": "current", "weights": float(p["mean"] / p["threshold"])},
                {"pre": "image", "post": "inhibition", "weights": float(1 / (1 - decay_inhibition)), "delay": DT},
                {"pre": "inhibition", "post": "image", "receptor": "current", "weights": -float(p["inhibition"])},
            ],
        },
        "outputs": {"pan": output("pan", "columns"), "tilt": output("tilt", "rows")},
        "ros": {
            "inputs": {
                "camera": {"topic": "events", "type": "sensor_msgs/msg/PointCloud2"},
                "joint_velocity": {
                    "topic": "joint_states",
                    "type": "sensor_msgs/msg/JointState",
                    "field": "velocity[:]",
                },
            },
            "outputs": {
                axis: {"topic": "velocity_command", "type": "std_msgs/msg/Float64MultiArray", "field": f"data[{k}]"}
                for k, axis in enumerate(("pan", "tilt"))
            },
        },
    }
    for key in ("columns", "rows", "velocity_pan", "velocity_tilt"):
        del arrays[key]
    return document, {key: value.astype(np.float32) for key, value in arrays.items()}


def cost(rewards: np.ndarray, info: Mapping[str, Any]) -> float:
    """Root mean square of the tracking error [degrees] after half a second; a lost target costs 40."""
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
    comment="Pan-tilt head with an event camera: 1,024 CubaLIF see, 82 LIF feel the head's velocity.",
)
