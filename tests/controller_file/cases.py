"""A controller file, and mistakes in it."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import copy

import jsonschema

from snn_control.controller_file.schema import schema

SCHEMA = schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
INFINITY = float("inf")

GOOD = {
    "version": 1,
    "period": 0.002,
    "dt": 0.001,
    "repeat": 2,
    "seed": 7,
    "inputs": {
        "camera": {
            "kind": "events", "size": [32, 24], "capacity": 100, "stale": 0.05, "required": False,
            "encoder": {"type": "pool", "grid": [4, 3], "polarity": "split", "on_weight": 0.5, "neuron": {"type": "lif"}},
        },
        "joints": {
            "kind": "value", "size": 2, "unit": "rad", "range": [-1.6, 1.6], "plausible": [[-3, -3], [3, 3]], "not_finite": ["hold", "reject"],
            "encoder": {"type": "population", "neurons": 6, "sigma": 0.4},
        },
        "goal": {"kind": "value", "encoder": {"type": "linear", "weights": [[1, -1]], "bias": [0.5, 0.5]}},
        "pose": {"kind": "value", "size": 2, "range": [-1, 1], "required": False, "encoder": {"type": "fields", "grid": [3, 2], "neuron": {"type": "bernoulli", "rate": 200}}},
        "speed": {"kind": "value", "required": False, "encoder": {"type": "step_forward", "threshold": 0.2}},
    },
    "network": {
        "populations": {
            "motor": {"size": 4, "neuron": {"type": "cuba_lif", "tau_mem": 0.01, "reset": "subtract"}, "bias": 0.1},
            "slow": {"size": 2, "neuron": {"type": "li", "tau_mem": 0.1}, "v_init": [0.1, 0.2]},
        },
        "projections": [
            {"pre": "joints", "post": "motor", "weights": 0.5, "delay": 0.001},
            {"pre": "motor", "post": "slow", "connection": "sparse", "pre_index": [0, 1, 3], "post_index": [0, 1, 1], "weights": [1, 2, 3]},
            {"pre": "goal", "post": "slow", "connection": "one_to_one", "receptor": "current", "bias": 0.01},
        ],
    },
    "outputs": {
        "pan": {
            "decoder": [{"type": "linear", "from": "motor", "tau": 0.01, "weights": 0.01}, {"type": "membrane", "from": "slow", "weights": 1}],
            "unit": "rad/s", "limits": [-6, 6], "slew": 60, "safe": 0, "ramp": True, "squash": True,
        },
        "mode": {"decoder": {"type": "argmax", "actions": 2, "terms": [{"type": "membrane", "from": "slow", "weights": [[1, 0], [0, 1]]}]}},
        "way": {
            "size": 2,
            "decoder": [
                {"type": "population_vector", "from": "pose", "directions": [[1, 0], [0, 1], [-1, 0], [0, -1], [1, 1], [1, -1]], "tau": 0.01, "hold": True},
                {"type": "spike_count", "from": "speed", "weights": [[0.1, 0], [-0.1, 0]], "window": 0.02},
                {"type": "first_spike", "from": "speed", "window": 0.01},
            ],
        },
    },
    "guard": {"release": 3},
    "training": {
        "how": "ppo", "trainable": {"*.weights": {}, "motor.tau_mem": {"low": 0.005, "high": 0.1}},
        "surrogate": {"kind": "arctan", "slope": 2, "final_slope": 10}, "settings": {"total_timesteps": 100_000, "critic_layers": [64, 64]},
        "perturb": {"action_delay": [0, 2], "mass": 1.2},
    },
    "ros": {
        "inputs": {"joints": {"topic": "joint_states", "type": "sensor_msgs/msg/JointState", "field": "position[:]"}},
        "outputs": {"pan": {"topic": "command", "type": "std_msgs/msg/Float64", "field": "data", "reliability": "reliable", "depth": 2}},
    },
}  # fmt: skip
EVENTS = {"topic": "camera/events", "type": "event_camera_msgs/msg/EventPacket"}
MISSING = object()


def with_value(path, value):
    """A copy of GOOD with another value at ``path`` (``a.b.0``), or without it."""
    document = copy.deepcopy(GOOD)
    *where, last = path.split(".")
    at = document
    for key in where:
        at = at[int(key)] if isinstance(at, list) else at[key]
    last = int(last) if isinstance(at, list) else last
    if value is MISSING:
        del at[last]
    else:
        at[last] = value
    return document


CAMERA, JOINTS, POSE, MOTOR, SLOW, PAN = (
    "inputs.camera",
    "inputs.joints",
    "inputs.pose",
    "network.populations.motor",
    "network.populations.slow",
    "outputs.pan",
)
FIRST, SECOND = "network.projections.0", "network.projections.1"

SHEET = {"type": "distance_dependent", "pre_positions": {"shape": [6, 2]}, "post_positions": [[1, 1]] * 4, "width": 1, "seed": 1}  # fmt: skip

MOTOR_TO_SLOW = {"pre": "motor", "post": "slow"}
