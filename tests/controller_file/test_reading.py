"""The controller file: every rule has its message, and the JSON Schema says the same."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import copy
import math
import re
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from snn_control import Controller
from snn_control.coding import (
    ArgmaxDecoder,
    EventsInput,
    LinearEncoder,
    MembraneDecoder,
    Output,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import build_program
from snn_control.controller_file import RosTopic, load_spec, parse_spec
from snn_control.controller_file.schema import schema
from snn_control.controller_file.training import Limits, Surrogate, Training
from snn_control.controller_file.writing import SECTIONS
from snn_control.engine import registry
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import (
    LI,
    LIF,
    Bernoulli,
    CubaLIF,
    DistanceDependent,
    FixedIndegree,
    Grid,
    Network,
    Normal,
    Threshold,
)

ROOT = Path(__file__).resolve().parents[2]
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
        "surrogate": {"kind": "arctan", "slope": 2, "final_slope": 10}, "settings": {"budget": 100_000, "critic": [64, 64]},
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
NUMBERS = "must be a number, lists of numbers or 'file.npz#name'"

SHEET = {"type": "distance_dependent", "pre_positions": {"shape": [6, 2]}, "post_positions": [[1, 1]] * 4, "width": 1, "seed": 1}  # fmt: skip

MOTOR_TO_SLOW = {"pre": "motor", "post": "slow"}

#: path, wrong value, message of the parser: structure, which the schema refuses as well
STRUCTURAL = [
    ("version", MISSING, "version: is missing; add 'version'"),
    ("version", 2, "version = 2: must be 1"),
    ("version", True, "version = True: must be 1"),
    ("period", MISSING, "period: is missing; add 'period'"),
    ("period", "fast", "period = 'fast': must be a number"),
    ("dt", [0.001], "dt = [0.001]: must be a number"),
    ("period", -1, "period = -1: must be > 0 s"),
    ("repeat", 0, "repeat = 0: must be a whole number >= 1"),
    ("repeat", 1.5, "repeat = 1.5: must be a whole number >= 1"),
    ("seed", -1, "seed = -1: must be a whole number >= 0 and below 2^63"),
    ("seed", 0.5, "seed = 0.5: must be a whole number >= 0"),
    ("seed", True, "seed = True: must be a whole number >= 0"),
    ("seed", 1 << 63, "must be a whole number >= 0 and below 2^63"),
    ("training", [], "training = []: must be a mapping (key: value)"),
    ("training.budget", 9, "training.budget = 9: is not a known key; known: settings, trainable, how, surrogate"),
    ("training.how", 3, "training.how = 3: must be a text"),
    ("training.trainable", ["*"], "training.trainable = ['*']: must be a mapping (key: value)"),
    ("training.trainable.x", None, "training.trainable.x = None: must be a mapping (key: value)"),
    ("training.trainable.x", {"lo": 1}, "training.trainable.x.lo = 1: is not a known key; did you mean 'low'?"),
    ("training.trainable.x", {"low": "1"}, "training.trainable.x.low = '1': must be a number"),
    ("training.surrogate", "arctan", "training.surrogate = 'arctan': must be a mapping (key: value)"),
    ("training.surrogate.kind", "arctn", "training.surrogate.kind = 'arctn': must be 'fast_sigmoid', 'triangle' or 'arctan'; did you mean 'arctan'?"),
    ("training.surrogate.slope", 0, "training.surrogate.slope = 0: must be > 0"),
    ("training.surrogate.final_slope", -1, "training.surrogate.final_slope = -1: must be > 0"),
    ("training.settings", 1, "training.settings = 1: must be a mapping (key: value)"),
    ("inptus", {}, "inptus = {}: is not a known key; did you mean 'inputs'?"),
    ("outputs", MISSING, "outputs: is missing; add 'outputs'"),
    ("inputs", [], "inputs = []: must be a mapping (key: value)"),
    ("inputs.7up", {"kind": "value"}, "inputs.7up.name = '7up': must be a name: a letter, then letters, digits and underscores"),
    (f"{CAMERA}.kind", MISSING, "inputs.camera.kind: is missing; add 'kind'"),
    (f"{CAMERA}.kind", "event", "inputs.camera.kind = 'event': must be one of value, events; did you mean 'events'?"),
    (f"{CAMERA}.size", 32, "inputs.camera.size = 32: must be two values [a, b]"),
    (f"{CAMERA}.size", [32, 0], "inputs.camera.size[1] = 0: must be a whole number >= 1"),
    (f"{CAMERA}.capacity", 0, "inputs.camera.capacity = 0: must be a whole number >= 1"),
    (f"{CAMERA}.stale", 0, "inputs.camera.stale = 0: must be > 0 s"),
    (f"{CAMERA}.required", "no", "inputs.camera.required = 'no': must be true or false"),
    (f"{CAMERA}.encoder.type", "population", "inputs.camera.encoder.type = 'population': must be one of pool, surface; known: pool, surface"),
    (f"{CAMERA}.encoder.response", "most", "inputs.camera.encoder.response = 'most': must be 'sum', 'binary' or 'saturate'"),
    (f"{CAMERA}.encoder.response", "saturate", "inputs.camera.encoder.ceiling = None: is needed with response 'saturate'"),
    (f"{CAMERA}.encoder.tau", 0, "inputs.camera.encoder.tau = 0: must be > 0"),
    (f"{CAMERA}.filters", {}, "inputs.camera.filters = {}: must be a list"),
    (f"{CAMERA}.filters", [{"type": "refractroy"}], "inputs.camera.filters[0].type = 'refractroy': must be one of region, hot_pixels, refractory, background_activity, polarity, rate_limit; did you mean 'refractory'?"),
    (f"{CAMERA}.filters", [{"type": "refractory"}], "inputs.camera.filters[0].period: is missing; add 'period'"),
    (f"{CAMERA}.filters", [{"type": "refractory", "period": 0}], "inputs.camera.filters[0].period = 0: must be >= 1e-06 s"),
    (f"{CAMERA}.filters", [{"type": "region", "x": -1, "y": 0, "width": 2, "height": 2}], "inputs.camera.filters[0].x = -1: must be a whole number >= 0"),
    (f"{CAMERA}.filters", [{"type": "hot_pixels"}], "inputs.camera.filters[0].mask = None: give a mask or pixels"),
    (f"{CAMERA}.filters", [{"type": "polarity", "keep": "both"}], "inputs.camera.filters[0].keep = 'both': must be 'on' or 'off'"),
    (f"{CAMERA}.filters", [{"type": "background_activity", "window": 0.1, "support": 0}], "inputs.camera.filters[0].support = 0: must be a whole number >= 1, at most 8"),
    (f"{CAMERA}.filters", [{"type": "rate_limit", "rate": 1e6, "burst": 0}], "inputs.camera.filters[0].burst = 0: must be >= 1 and at most 1e+12"),
    (f"{CAMERA}.encoder.grid", MISSING, "inputs.camera.encoder.grid: is missing; add 'grid'"),
    (f"{CAMERA}.encoder.polarity", "both", "inputs.camera.encoder.polarity = 'both': must be 'signed', 'merge' or 'split'"),
    (f"{CAMERA}.encoder.on_wieght", 1, "inputs.camera.encoder.on_wieght = 1: is not a known key; did you mean 'on_weight'?"),
    (f"{CAMERA}.encoder.neuron.type", ["lif"], "inputs.camera.encoder.neuron.type = ['lif']: must be one of if, lif, cuba_lif, alif, adex, izhikevich, threshold, li, cuba_li, integrator, relay, bernoulli, poisson, latency, phase"),
    (f"{JOINTS}.size", 2.5, "inputs.joints.size = 2.5: must be a whole number >= 1"),
    (f"{JOINTS}.range", [1], "inputs.joints.range = [1]: must be two values [a, b]"),
    (f"{JOINTS}.range", ["low", 1], f"inputs.joints.range[0] = 'low': {NUMBERS}"),
    (f"{JOINTS}.not_finite", "hihg", "inputs.joints.not_finite = 'hihg': must be one of reject, high, low, hold, or a list of 2 of them; did you mean 'high'?"),
    (f"{JOINTS}.plausible", [None, 1], f"inputs.joints.plausible[0] = None: {NUMBERS}"),
    (f"{JOINTS}.encoder.neurons", 1, "inputs.joints.encoder.neurons = 1: must be a whole number >= 2, at most"),
    (f"{JOINTS}.encoder.tau", 1, "inputs.joints.encoder.tau = 1: is not a known key"),
    (f"{POSE}.encoder.type", "field", "inputs.pose.encoder.type = 'field': must be one of population, linear, direct, fields, signed, delta, step_forward; did you mean 'fields'?"),
    (f"{POSE}.encoder.grid", MISSING, "inputs.pose.encoder.grid = None: give a grid or centres"),
    (f"{POSE}.encoder.grid", [3, 1], "inputs.pose.encoder.grid[1] = 1: must be a whole number >= 2"),
    (f"{POSE}.encoder.grid", 3, "inputs.pose.encoder.grid = 3: must be a list of one number a dimension"),
    (f"{POSE}.encoder.centres", [[0, 0]], "inputs.pose.encoder.grid = [3, 2]: give a grid or centres"),
    (f"{POSE}.encoder.neuron.rate", 0, "inputs.pose.encoder.neuron.rate = 0: must be > 0"),
    (f"{POSE}.encoder.neuron", {"type": "phase", "phases": 25}, "inputs.pose.encoder.neuron.phases = 25: must be a whole number >= 1, at most 24"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "window": 0}, "inputs.pose.encoder.neuron.window = 0: must be > 0 s"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "tau": 0}, "inputs.pose.encoder.neuron.tau = 0: must be > 0 s"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "linear": 2}, "inputs.pose.encoder.neuron.linear = 2: must be true or false"),
    ("inputs.speed.encoder.threshold", 0, "inputs.speed.encoder.threshold = 0: must be > 0"),
    ("inputs.speed.encoder.gain", 1, "inputs.speed.encoder.gain = 1: is not a known key"),
    (f"{MOTOR}.size", 0, "network.populations.motor.size = 0: must be a whole number >= 1"),
    (f"{MOTOR}.size", True, "network.populations.motor.size = True: must be a whole number >= 1"),
    (f"{MOTOR}.neuron", MISSING, "network.populations.motor.neuron: is missing; add 'neuron'"),
    (f"{MOTOR}.neuron.type", "cubalif", "network.populations.motor.neuron.type = 'cubalif': must be one of if, lif, cuba_lif, alif, adex, izhikevich, threshold, li, cuba_li, integrator, relay, bernoulli, poisson, latency, phase; did you mean"),
    (f"{MOTOR}.neuron.tau_mem", 0, "network.populations.motor.neuron.tau_mem = 0: must be > 0 s"),
    (f"{MOTOR}.neuron.tau_men", 1, "network.populations.motor.neuron.tau_men = 1: is not a known key; did you mean 'tau_mem'?"),
    (f"{MOTOR}.neuron.refractory", -1, "network.populations.motor.neuron.refractory = -1: must be >= 0 s"),
    (f"{MOTOR}.neuron.reset", "zero", "network.populations.motor.neuron.reset = 'zero': must be 'value', 'subtract' or 'subtract_snntorch'"),
    (f"{MOTOR}.bias", [1, "a"], f"network.populations.motor.bias = [1, 'a']: {NUMBERS}"),
    (f"{MOTOR}.bias", True, f"network.populations.motor.bias = True: {NUMBERS}"),
    (f"{SLOW}.neuron.v_threshold", 1, "network.populations.slow.neuron.v_threshold = 1: is not a known key"),
    ("network.projections", {}, "network.projections = {}: must be a list"),
    (f"{FIRST}.pre", MISSING, "network.projections[0].pre: is missing; add 'pre'"),
    (f"{FIRST}.connection", "full", "network.projections[0].connection = 'full': must be one of dense, sparse, one_to_one"),
    (f"{FIRST}.receptor", "fast", "network.projections[0].receptor = 'fast': must be 'current' or 'synaptic'"),
    (f"{FIRST}.delay", -1, "network.projections[0].delay = -1: must be >= 0 s"),
    (f"{FIRST}.weights", {"a": 1}, "network.projections[0].weights.type: is missing; add 'type'"),
    (f"{FIRST}.weights", {"type": "gauss", "seed": 1}, "network.projections[0].weights.type = 'gauss': must be one of uniform, normal"),
    (f"{FIRST}.weights", {"type": "normal", "mean": 0, "std": -1, "seed": 1}, "network.projections[0].weights.std = -1: must be >= 0"),
    (f"{FIRST}.weights", {"type": "normal", "mean": 0, "std": 1}, "network.projections[0].weights.seed: is missing; add 'seed'"),
    (f"{MOTOR}.bias", {"type": "uniform", "low": 0, "hi": 1, "seed": 1}, "populations.motor.bias.high: is missing"),
    (f"{FIRST}.connection", ["dense"], "network.projections[0].connection = ['dense']: must be a text"),
    (f"{FIRST}.connection", {"type": "sparse"}, "network.projections[0].connection.type = 'sparse': must be one of fixed_probability"),
    (f"{FIRST}.connection", {"type": "fixed_probability", "p": 2, "seed": 1}, "network.projections[0].connection.p = 2: must be >= 0 and at most 1"),
    (f"{FIRST}.connection", {"type": "fixed_probability", "p": 0.5, "seed": 1, "n": 1}, "network.projections[0].connection.n = 1: is not a known key"),
    (f"{FIRST}.connection", {"type": "fixed_indegree", "n": 1.5, "seed": 1}, "network.projections[0].connection.n = 1.5: must be a whole number >= 1"),
    (f"{FIRST}.connection", {"type": "fixed_outdegree", "n": 1, "seed": 1, "allow_self": 0}, "network.projections[0].connection.allow_self = 0: must be true or false"),
    (f"{FIRST}.connection", SHEET | {"kind": "flat"}, "network.projections[0].connection.kind = 'flat': must be 'gaussian'"),
    (f"{FIRST}.connection", SHEET | {"width": 0}, "network.projections[0].connection.width = 0: must be > 0"),
    (f"{FIRST}.connection", SHEET | {"pre_positions": {"shape": [0]}}, "network.projections[0].connection.pre_positions.shape[0] = 0: must be a whole"),
    (f"{FIRST}.connection", SHEET | {"pre_positions": 3}, "network.projections[0].connection.pre_positions = 'shape (), dtype int64': must be a Grid"),
    (f"{FIRST}.weights", "w.npy", f"network.projections[0].weights = 'w.npy': {NUMBERS}"),
    (f"{FIRST}.pre_index", [1], "network.projections[0].connection = 'dense': pre_index and post_index go with connection 'sparse'"),
    (f"{SECOND}.post_index", MISSING, "network.projections[1].connection = 'sparse': pre_index and post_index go with"),
    (f"{SECOND}.learning", "stdp", "network.projections[1].learning = 'stdp': must be a mapping (key: value)"),
    (f"{SECOND}.learning", {"type": "stpd"}, "network.projections[1].learning.type = 'stpd': must be one of stdp, reward_stdp, pes, eprop; did you mean 'stdp'?"),
    (f"{SECOND}.learning", {"type": "stdp", "tau_puls": 1}, "network.projections[1].learning.tau_puls = 1: is not a known key; did you mean 'tau_plus'?"),
    (f"{SECOND}.learning", {"type": "stdp", "tau_plus": 0}, "network.projections[1].learning.tau_plus = 0: must be > 0 s"),
    (f"{SECOND}.learning", {"type": "stdp", "enabled": "yes"}, "network.projections[1].learning.enabled = 'yes': must be true or false"),
    (f"{SECOND}.learning", {"type": "reward_stdp"}, "network.projections[1].learning.reward: is missing; add 'reward'"),
    (f"{SECOND}.learning", {"type": "reward_stdp", "reward": 3}, "network.projections[1].learning.reward = 3: must be a name"),
    (f"{SECOND}.learning", {"type": "pes", "error": "slow", "pre_tau": "5 ms"}, "network.projections[1].learning.pre_tau = '5 ms': must be a number"),
    (f"{SECOND}.learning", {"type": "eprop", "error": "slow", "learning_rate": 1}, "network.projections[1].learning.feedback: is missing; add 'feedback'"),
    (f"{SECOND}.learning", {"type": "eprop", "error": "slow", "learning_rate": 1, "feedback": "b"}, f"network.projections[1].learning.feedback = 'b': {NUMBERS}"),
    (f"{PAN}.decoder", MISSING, "outputs.pan.decoder: is missing; add 'decoder'"),
    (f"{PAN}.decoder", [], "outputs.pan.decoder = []: must hold at least one decoder"),
    (f"{PAN}.decoder.0.type", "rate", "outputs.pan.decoder[0].type = 'rate': must be one of linear, membrane"),
    (f"{PAN}.decoder.0.tau", MISSING, "outputs.pan.decoder[0].tau: is missing"),
    (f"{PAN}.decoder.0.tau", 0, "outputs.pan.decoder[0].tau = 0: must be > 0 s"),
    (f"{PAN}.decoder", {"type": "arg"}, "outputs.pan.decoder.type = 'arg': must be one of linear, membrane, population_vector, spike_count, first_spike, argmax; did you mean 'argmax'?"),
    ("outputs.mode.decoder.actions", 1, "outputs.mode.decoder.actions = 1: must be a whole number >= 2"),
    ("outputs.mode.decoder.terms", [], "outputs.mode.decoder.terms = (): must hold at least one decoder"),
    ("outputs.way.decoder.0.directions", MISSING, "outputs.way.decoder[0].directions: is missing; add 'directions'"),
    ("outputs.way.decoder.0.hold", 1, "outputs.way.decoder[0].hold = 1: must be true or false"),
    ("outputs.way.decoder.1.window", 0, "outputs.way.decoder[1].window = 0: must be > 0 s"),
    ("outputs.way.decoder.2.window", MISSING, "outputs.way.decoder[2].window: is missing"),
    ("outputs.way.decoder.2.tau", 1, "outputs.way.decoder[2].tau = 1: is not a known key"),
    (f"{PAN}.limit", [0, 1], "outputs.pan.limit = [0, 1]: is not a known key; did you mean 'limits'?"),
    (f"{PAN}.ramp", 1, "outputs.pan.ramp = 1: must be true or false"),
    (f"{PAN}.squash", "tanh", "outputs.pan.squash = 'tanh': must be true or false"),
    ("guard.release", -1, "guard.release = -1: must be a whole number >= 0"),
    ("guard.delay", 1, "guard.delay = 1: is not a known key"),
    ("ros.topics", {}, "ros.topics = {}: is not a known key; "),
    ("ros.outputs.pan.type", "Float64", "ros.outputs.pan.type = 'Float64': must look like 'sensor_msgs/msg/JointState'"),
    ("ros.outputs.pan.depth", 0, "ros.outputs.pan.depth = 0: must be a whole number >= 1, at most 1,000"),
    ("ros.outputs.pan.reliability", "best", "ros.outputs.pan.reliability = 'best': must be 'best_effort' or 'reliable'"),
    ("ros.outputs.pan.values", ["a"], "ros.outputs.pan.values = ['a']: must be a mapping (key: value)"),
    ("ros.inputs.joints.values", {"name": ["a"]}, "ros.inputs.joints.values = {'name': ['a']}: is not a known key"),
    ("ros.inputs.camera", EVENTS | {"pace": "fast"}, "ros.inputs.camera.pace = 'fast': must be 'arrival' or 'sensor'"),
    ("ros.inputs.camera", EVENTS | {"late": -1}, "ros.inputs.camera.late = -1: must be >= 0 s and at most 3600 s"),
    ("ros.inputs.joints.reduce", "median", "ros.inputs.joints.reduce = 'median': must be 'min', 'mean' or 'max'"),
    ("ros.outputs.pan.reduce", "min", "ros.outputs.pan.reduce = 'min': is not a known key"),
    ("ros.outputs.pan.pace", "sensor", "ros.outputs.pan.pace = 'sensor': is not a known key"),
    ("ros.outputs.pan.feild", "x", "ros.outputs.pan.feild = 'x': is not a known key; did you mean 'field'?"),
]  # fmt: skip

#: rules between values, which only the parser knows
MEANING = [
    ("training.trainable.x", {"low": 1, "high": 1}, "training.trainable.x.low = 1: must be < high (1)"),
    ("training.settings.rate", {"a": 1}, "training.settings.rate = {'a': 1}: must be a number, a text, true or false, or a list"),
    ("training.settings.critic", [64, "b"], "training.settings.critic = [64, 'b']: must be a number, a text"),
    (f"{CAMERA}.filters", [{"type": "region", "x": 0, "y": 20, "width": 2, "height": 5}], "inputs.camera.filters[0].height = 5: must end within the sensor (32 x 24): at most 4 from 20"),
    (f"{CAMERA}.filters", [{"type": "hot_pixels", "mask": [[0, 1]]}], "inputs.camera.filters[0].mask = 'shape (1, 2)': must be (height, width)"),
    (f"{CAMERA}.encoder.grid", [33, 3], "inputs.camera.encoder.grid[0] = 33: must be at most the camera's size (32)"),
    (f"{CAMERA}.encoder.on_weight", INFINITY, "inputs.camera.encoder.on_weight = inf: must be finite"),
    (f"{JOINTS}.range", [1.6, -1.6], "inputs.joints.range = (1.6, -1.6): low must be < high"),
    (f"{JOINTS}.not_finite", ["high"], "inputs.joints.not_finite = ['high']: must be one of"),
    (f"{JOINTS}.plausible", [[-1, -1, -1], 1], "inputs.joints.plausible[0] = array([-1, -1, -1]): must be a number or 2 numbers"),
    (f"{JOINTS}.encoder.drive", float("nan"), "inputs.joints.encoder.drive = nan: must be finite"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "threshold": 1}, "inputs.pose.encoder.neuron.threshold = 1: must be in (0, 1)"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "window": [1, 2]}, "inputs.pose.encoder.neuron.window = [1, 2]: must be a number"),
    (f"{POSE}.encoder.sigma", 0, "inputs.pose.encoder.sigma = 0: must be > 0"),
    ("inputs.speed.encoder", {"type": "direct", "gain": INFINITY}, "inputs.speed.encoder.gain = inf: must be finite"),
    (f"{MOTOR}.neuron", {"type": "lif", "v_reset": 5}, "network.populations.motor.neuron.v_reset = 5: must be < v_threshold (1.0)"),
    (f"{MOTOR}.bias", [1, 2], "network.populations.motor.bias = 'shape (2,)': must be a number or have shape (4,)"),
    (f"{FIRST}.weights", 1e39, "network.projections[0].weights = 1e+39: must be finite numbers of float32"),
    (f"{FIRST}.weights", [1.0, INFINITY], "network.projections[0].weights = array([ 1., inf]): must be finite"),
    (f"{SECOND}.learning", {"type": "stdp", "w_min": 2}, "network.projections[1].learning.w_min = 2: must be < w_max (1.0)"),
    (f"{SECOND}.learning", {"type": "stdp", "a_plus": INFINITY}, "network.projections[1].learning.a_plus = inf: must be finite"),
    (f"{PAN}.limits", [6, -6], "outputs.pan.limits = [6, -6]: low must be < high"),
    (f"{PAN}.limits", MISSING, "outputs.pan.limits = [-inf, inf]: must be finite on both sides, as float32, where the sum is squashed into them; give limits, or leave squash out"),
    (f"{PAN}.safe", 7, "outputs.pan.safe = 7: must be finite and within limits [-6, 6]"),
    (f"{PAN}.slew", 0, "outputs.pan.slew = 0: must be > 0 a second"),
    (f"{PAN}.slew", INFINITY, "outputs.pan.slew = inf: must be finite where safe is 'ramp'; give a slew"),
    ("outputs.mode.safe", 2, "outputs.mode.safe = 2: must be an action: a whole number in [0, 2)"),
    ("outputs.mode.safe", 0.5, "outputs.mode.safe = 0.5: must be an action: a whole number in [0, 2)"),
    ("outputs.mode.slew", 3, "outputs.mode.slew = 3: does not go with arg-max; leave it out"),
    ("ros.inputs", {"joint": {}}, "ros.inputs.joint = 'joint': is not one of the controller's inputs; did you mean 'joints'?"),
    ("ros.inputs.joints.pace", "sensor", "ros.inputs.joints.pace = 'sensor': is not a known key"),
    (f"{FIRST}.weights", "none.npz#w", "network.projections[0].weights = 'none.npz#w': there is no file none.npz"),
]  # fmt: skip

#: rules that need the whole and dt: told by build()
BUILD = [
    ("dt", 0.0015, "dt = 0.0015: must divide the period (0.002 s); use dt = 0.001 or 0.002, or period = 0.0015"),
    (f"{FIRST}.pre", "joint", "projections[joint -> motor].pre = 'joint': must be an input or a population: camera, joints"),
    (f"{FIRST}.post", "camera", "projections[joints -> camera].post = 'camera': must be a population"),
    (f"{FIRST}.delay", 1e-5, "projections[joints -> motor].delay = 1e-05: rounds to no step of 0.001 s"),
    (f"{FIRST}.weights", [[1, 2]], "projections[joints -> motor].weights = 'shape (1, 2)': must be a number or have shape (12, 4)"),
    (f"{FIRST}.connection", "one_to_one", "projections[joints -> motor].connection = 'one_to_one': sizes must agree: 12 and 4"),
    (f"{SECOND}.pre_index", [0, 1, 4], "projections[motor -> slow].pre_index = 4: must lie in [0, 4)"),
    (f"{SECOND}.pre_index", [0, -1, 3], "projections[motor -> slow].pre_index = -1: must lie in [0, 4)"),
    (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_outdegree", "n": 3, "seed": 1}}, "projections[motor -> slow].connection.n = 3: must be at most 2"),
    (SECOND, MOTOR_TO_SLOW | {"connection": SHEET}, "projections[motor -> slow].connection.pre_positions = '12 positions': must be one a neuron: 4"),
    (f"{SECOND}.receptor", "synaptic", "projections[motor -> slow].receptor = 'synaptic': LI has no synaptic current; use 'current'"),
    (f"{SECOND}.learning", {"type": "stdp", "w_max": 9}, "network.projections[motor -> slow].learning = 'STDP': is for neurons that fire once a step: slow is graded"),
    (f"{SECOND}.learning", {"type": "reward_stdp", "w_max": 9, "reward": "slow"}, "network.projections[motor -> slow].learning = 'RewardSTDP': is for neurons"),
    (f"{FIRST}.learning", {"type": "pes", "error": "slow"}, "network.projections[joints -> motor].learning.error = 'slow': has 2 numbers: must be 4"),
    (f"{JOINTS}.range", [-1, INFINITY], "inputs.joints.encoder.low = [-1.0, -1.0]: low < high must be finite; give the input a range"),
    (f"{POSE}.encoder.grid", [3, 2, 2], "inputs.pose.encoder.grid = [3, 2, 2]: must be 2 numbers, one a dimension"),
    (f"{POSE}.encoder", {"type": "fields", "centres": [[0]], "sigma": 1}, "inputs.pose.encoder.centres = 'shape (1, 1)': must be (fields, 2)"),
    (f"{POSE}.encoder.sigma", [1, 2, 3], "inputs.pose.encoder.sigma = 'shape (3,)': must be a number or 2 numbers"),
    (f"{POSE}.range", [-INFINITY, 1], "inputs.pose.encoder.low = [-inf, -inf]: low < high must be finite; give the input a range"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "window": 1e-5}, "inputs.pose.encoder.neuron.window = 1e-05: rounds to no step of 0.001 s"),
    ("inputs.speed.encoder.threshold", [1, 2], "inputs.speed.encoder.threshold = 'shape (2,)': must be a number or have shape (1,)"),
    (f"{MOTOR}.neuron", {"type": "latency", "window": 1e-5}, "network.populations.motor.neuron.window = 1e-05: rounds to no step"),
    ("outputs.way.decoder.0.directions", [1, 2], "outputs.way.decoder[0].directions = 'shape (2,)': must be a number or have shape (6, 2)"),
    ("outputs.way.decoder.1.window", 1e3, "outputs.way.decoder[1].window = 1000.0: must be at most 100000 steps"),
    ("outputs.way.decoder.1.window", 1e-5, "outputs.way.decoder[1].window = 1e-05: rounds to no step"),
    ("outputs.way.decoder.2.from", "pose", "outputs.way.decoder[2].weights = None: are needed: 2 outputs, 6 neurons; say what each neuron stands for"),
    ("outputs.way.decoder.2.from", "slow", "outputs.way.decoder[2].from = 'slow': is graded, not spiking"),
    (f"{PAN}.decoder.0.from", "slow", "outputs.pan.decoder[0].from = 'slow': is graded, not spiking; use a membrane decoder"),
    (f"{PAN}.decoder.1.from", "motor", "outputs.pan.decoder[1].from = 'motor': is spiking, not graded; use a linear decoder"),
    (f"{PAN}.decoder.0.from", "moter", "outputs.pan.decoder[0].from = 'moter': must be a population: "),
    ("network.populations.camera", {"size": 1, "neuron": {"type": "li"}}, "populations = 'camera': an input or a population has this name"),
]  # fmt: skip


def message(document):
    with pytest.raises(DescriptionError) as caught:
        parse_spec(document)
    return str(caught.value)


def identify(case):
    return re.sub(r"[^\w.=\[\]-]", "_", f"{case[0]}={'missing' if case[1] is MISSING else case[1]}")[:60]


@pytest.mark.parametrize("case", STRUCTURAL + MEANING, ids=identify)
def test_a_wrong_file_is_told_what_and_how(case):
    path, value, expected = case
    assert expected in message(with_value(path, value))


@pytest.mark.parametrize("case", BUILD, ids=identify)
def test_a_wrong_whole_is_told_what_and_how(case):
    path, value, expected = case
    spec = parse_spec(with_value(path, value), path="controller.yaml")
    with pytest.raises(DescriptionError) as caught:
        build_program(spec)
    assert str(caught.value).startswith("controller.yaml: ")
    assert expected in str(caught.value)


def test_a_misspelt_key_that_must_be_there_is_named():
    document = with_value("outputs", MISSING) | {"output": GOOD["outputs"]}
    assert message(document) == "outputs: is missing; 'output' is not a key here; rename it to 'outputs'"


def test_there_must_be_an_output():
    document = with_value("outputs", {})
    del document["ros"]["outputs"]
    with pytest.raises(DescriptionError, match=r"outputs = \[\]: at least one output is needed"):
        build_program(parse_spec(document))


def test_delay_0_may_not_form_a_cycle():
    document = with_value(
        "network.projections", [{"pre": a, "post": b} for a, b in (("motor", "slow"), ("slow", "motor"))]
    )
    with pytest.raises(
        DescriptionError, match="projections = 'motor -> slow': projections of delay 0 form a cycle; give one"
    ):
        build_program(parse_spec(document))


@pytest.mark.parametrize("case", STRUCTURAL, ids=identify)
def test_the_schema_refuses_what_the_parser_refuses(case):
    assert not VALIDATOR.is_valid(with_value(*case[:2]))


def test_the_schema_is_one_and_accepts_what_the_parser_accepts():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    VALIDATOR.validate(GOOD)
    for path, value in [
        ("dt", 0.0005), ("repeat", MISSING), ("guard", MISSING), ("ros", MISSING), ("training", MISSING), ("training.trainable.x", {"low": -INFINITY}), ("seed", MISSING), (f"{JOINTS}.plausible", MISSING),
        (f"{FIRST}.weights", MISSING), (f"{PAN}.decoder", GOOD["outputs"]["pan"]["decoder"][0]), (f"{PAN}.slew", [60.0]),
        (f"{FIRST}.receptor", ""), (f"{MOTOR}.bias", [1, 2, 3, 4]), (f"{JOINTS}.range", [[-1, -2], 2]),
        (f"{POSE}.encoder.sigma", [0.2, 0.3]), (f"{POSE}.encoder.neuron", {"type": "latency", "tau": 0.003, "linear": True}),
        ("inputs.speed.encoder", {"type": "delta", "neuron": {"type": "phase"}}),
        ("inputs.speed.encoder", {"type": "signed", "gain": 2, "neuron": {"type": "poisson"}}),
        (f"{FIRST}.weights", {"type": "normal", "mean": 0, "std": 0.1, "seed": 1}),
        (f"{MOTOR}.bias", {"type": "uniform", "low": 0, "high": 0.1, "seed": 1}), (f"{SLOW}.v_init", {"type": "normal", "mean": 0, "std": 0.1, "seed": 1}),
        (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_probability", "p": 0.5, "seed": 1, "allow_self": False}}),
        (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_indegree", "n": 2, "seed": 1}}),
        (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_outdegree", "n": 5, "seed": 1, "with_replacement": True}}),
        (SECOND, MOTOR_TO_SLOW | {"connection": SHEET | {"pre_positions": {"shape": [2, 2], "extent": [1, 1]}, "post_positions": [[1, 1], [0, 0.5]], "period": [2, 2]}}),
    ]:  # fmt: skip
        build_program(parse_spec(with_value(path, value)))
        VALIDATOR.validate(with_value(path, value))


def objects(schema):
    """Every object of the schema that closes its list of keys."""
    if isinstance(schema, dict):
        if schema.get("additionalProperties") is False:
            yield schema
        for value in schema.values():
            yield from objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from objects(value)


def test_the_schema_knows_the_fields_of_the_descriptions():
    import dataclasses

    from snn_control import coding, network

    closed = [set(o["properties"]) for o in objects(SCHEMA)]
    for cls, renamed, extra in [
        *((cls, {}, {"type"}) for cls in (registry.types("neurons") | registry.types("rules")).values()),
        (network.Population, {"name": None}, set()), (network.Projection, {}, set()),
        *((cls, {}, {"type"}) for cls in registry.types("encoders").values()),
        *((cls, {"source": "from"}, {"type"}) for cls in registry.types("decoders").values()), (ArgmaxDecoder, {}, {"type"}),
        (coding.ValueInput, {"name": None}, {"kind"}), (EventsInput, {"name": None}, {"kind"}),
        (coding.Output, {"name": None}, set()), (coding.Guard, {}, set()),
        (network.Uniform, {}, {"type"}), (network.Normal, {}, {"type"}), (network.FixedProbability, {}, {"type"}),
        (network.FixedIndegree, {}, {"type"}), (network.DistanceDependent, {}, {"type"}), (network.Grid, {}, set()),
        (Training, {}, set()), (Limits, {}, set()), (Surrogate, {}, set()),
    ]:  # fmt: skip
        names = {renamed.get(f.name, f.name) for f in dataclasses.fields(cls)} - {None} | extra
        assert names in closed, f"{cls.__name__}: {names}"
    topic = {f.name for f in dataclasses.fields(RosTopic)}
    sides = {
        side: set(one["additionalProperties"]["properties"])
        for side, one in SCHEMA["properties"]["ros"]["properties"].items()
    }
    assert sides == {"inputs": topic - {"values"}, "outputs": topic - {"age", "reduce", "pace", "late"}}


def test_the_schema_explains_every_key():
    """To a reader who sees it in an editor; a key of a description refers to what that says of itself."""
    for one in objects(SCHEMA):
        for key, said in one["properties"].items():
            known = {"const", "description", "$ref"} & set(said) or said.get("items", {}).get("$ref")
            assert known or key in {*SECTIONS, "ros", "populations", "projections"}, (one.get("description"), key)


# reading -------------------------------------------------------------------------------------------------------
def test_how_it_is_trained_is_read_and_is_no_part_of_the_program():
    one, other = parse_spec(GOOD), parse_spec(with_value("training", MISSING))
    assert one.training == Training(
        "ppo",
        {"*.weights": Limits(), "motor.tau_mem": Limits(0.005, 0.1)},
        Surrogate("arctan", 2, 10),
        {"budget": 100_000, "critic": [64, 64]},
    )
    assert other.training == Training()
    assert build_program(one).digest == build_program(other).digest


def test_packets_of_an_event_camera_have_a_long_queue_and_a_pace():
    one = parse_spec(with_value("ros.inputs.camera", EVENTS)).ros_inputs["camera"]
    assert (one.depth, one.pace, one.late, one.reliability) == (64, "arrival", 0.01, "best_effort")
    given = EVENTS | {"depth": 5, "pace": "sensor", "late": 0.02}
    one = parse_spec(with_value("ros.inputs.camera", given)).ros_inputs["camera"]
    assert (one.depth, one.pace, one.late) == (5, "sensor", 0.02)
    clouds = EVENTS | {"type": "sensor_msgs/msg/PointCloud2"}
    assert parse_spec(with_value("ros.inputs.camera", clouds)).ros_inputs["camera"].depth == 5


def test_learning_rules_are_read_and_fit_the_schema():
    bounds = {"w_min": -2.5, "w_max": 5, "enabled": False, "name": "mine"}
    pair = {"a_plus": 0.1, "a_minus": -0.2, "tau_plus": 0.01, "tau_minus": 0.03}
    rules = {
        "stdp": pair | bounds,
        "reward_stdp": pair | bounds | {"reward": "goal", "tau_e": 0.5, "learning_rate": 2},
        "pes": bounds | {"error": "slow", "learning_rate": 1e-3, "pre_tau": 0.01},
        "eprop": bounds
        | {"error": "slow", "feedback": [[1, 2], [3, 4]], "learning_rate": 1, "gamma": 0.5, "tau_out": 0.1},
    }
    for kind, values in rules.items():
        document = with_value(f"{SECOND}.learning", {"type": kind} | values)
        VALIDATOR.validate(document)
        found = parse_spec(document).network.projections[1].learning
        assert type(found) is registry.types("rules")[kind]
        assert {key: np.asarray(getattr(found, key)).tolist() for key in values} == values
    for least in ({"type": "stdp", "w_max": 3}, {"type": "pes", "error": "slow"}):
        VALIDATOR.validate(with_value(f"{SECOND}.learning", least))
        parse_spec(with_value(f"{SECOND}.learning", least))


def test_every_filter_can_stand_in_the_file():
    for one in (
        {"type": "region", "x": 0, "y": 1, "width": 2, "height": 2}, {"type": "hot_pixels", "pixels": [[1, 2], [3, 4]]},
        {"type": "refractory", "period": 1e-3, "each_polarity": True}, {"type": "polarity", "keep": "off"},
        {"type": "background_activity", "window": 0.01, "support": 2}, {"type": "rate_limit", "rate": 1e6, "burst": 100},
    ):  # fmt: skip
        document = with_value(f"{CAMERA}.filters", [one])
        VALIDATOR.validate(document)
        (found,) = parse_spec(document).inputs[0].filters
        assert type(found) is registry.types("filters")[one["type"]]
        got = {key: np.asarray(getattr(found, key)).tolist() for key in one if key != "type"}
        assert got == {key: value for key, value in one.items() if key != "type"}


def test_the_descriptions_that_come_out():
    spec = parse_spec(copy.deepcopy(GOOD))
    camera, joints, goal, pose, speed = spec.inputs
    assert (camera.size, camera.capacity, camera.stale, camera.required) == ((32, 24), 100, 0.05, False)
    assert (camera.encoder.grid, camera.encoder.polarity, camera.encoder.on_weight) == ((4, 3), "split", 0.5)
    assert camera.encoder.neuron == LIF()
    assert (joints.unit, joints.range, joints.stale, joints.required) == ("rad", (-1.6, 1.6), INFINITY, True)
    assert isinstance(goal.encoder, LinearEncoder)
    assert (pose.encoder.grid, pose.encoder.neuron) == ([3, 2], Bernoulli(200))
    assert (speed.encoder.threshold, speed.encoder.neuron) == (0.2, Threshold(0.5))
    motor, slow = spec.network.populations
    assert motor.neuron == CubaLIF(tau_mem=0.01, reset="subtract")
    assert slow.neuron == LI(tau_mem=0.1)
    assert [p.delay for p in spec.network.projections] == [0.001, 0.0, 0.0]
    assert [type(t) for t in spec.outputs[0].decoder] == [SpikeDecoder, MembraneDecoder]
    vector, count, first = spec.outputs[2].decoder
    assert (vector.tau, vector.hold, count.window, first.weights) == (0.01, True, 0.02, None)
    assert (spec.period, spec.dt, spec.repeat, spec.seed, spec.guard.release) == (0.002, 0.001, 2, 7, 3)
    assert spec.ros_inputs["joints"].reliability == "best_effort"
    assert (spec.ros_outputs["pan"].reliability, spec.ros_outputs["pan"].depth) == ("reliable", 2)
    Controller.from_spec(spec).step({})


def test_random_descriptions_come_out():
    sheet = SHEET | {
        "pre_positions": {"shape": [2, 2], "extent": [1, 1]},
        "kind": "step",
        "peak": 0.5,
        "period": [2, 3],
    }
    document = with_value(
        SECOND, MOTOR_TO_SLOW | {"connection": sheet, "weights": {"type": "normal", "mean": 1, "std": 2, "seed": 3}}
    )
    projection = parse_spec(document).network.projections[1]
    assert projection.weights == Normal(1, 2, 3)
    found = projection.connection
    assert isinstance(found, DistanceDependent)
    assert found.pre_positions == Grid((2, 2), (1, 1))
    assert np.asarray(found.post_positions).tolist() == [[1, 1]] * 4
    assert (found.kind, found.width, found.peak, found.seed, found.allow_self) == ("step", 1, 0.5, 1, True)
    assert list(found.period) == [2, 3]
    document = with_value(SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_indegree", "n": 2, "seed": 1}})
    assert parse_spec(document).network.projections[1].connection == FixedIndegree(2, 1)


TEXT = """
version: 1
period: 1e-3
inputs: {x: {kind: value, range: [-1E+2, .5]}}
network: {populations: {on: {size: 2, neuron: {type: li, tau_mem: 2e-2}}}, projections: [{pre: x, post: on, weights: w.npz#w}]}
outputs: {no: {decoder: {type: membrane, from: on, weights: -1e-2}, limits: [-.inf, .inf], ramp: false}}
"""


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([[1.0, 2.0]]), words=np.array(["a"]))
    return tmp_path


def load(folder, text):
    (folder / "c.yaml").write_text(text)
    return load_spec(folder / "c.yaml")


def test_yaml_numbers_and_words_are_those_of_yaml_1_2(folder):
    spec = load(folder, TEXT)
    assert spec.period == 1e-3
    assert spec.inputs[0].range == (-100.0, 0.5)
    assert spec.network.populations[0].name == "on"
    assert spec.outputs[0].name == "no"
    assert spec.outputs[0].limits == (-INFINITY, INFINITY)
    assert spec.network.projections[0].weights.tolist() == [[1.0, 2.0]]
    controller = Controller.load(folder / "c.yaml")
    assert controller.program.digest == build_program(spec).digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "period: 1e-3",
            "period: 1e-3\nperiod: 2e-3",
            "c.yaml: period = 'line 4': a key may be there once only, and it stands in line 3 already",
        ),
        ("{pre: x,", "{pre: x, pre: y,", "c.yaml: pre = 'line 5': a key may be there once only"),
        ("period: 1e-3", "period: [1e-3", "c.yaml = 'line 4, column 7': is not YAML: "),
        ("period: 1e-3", "? [a]\n: 1", "a key must be a name"),
        ("version: 1", "", "c.yaml: version: is missing"),
        ("w.npz#w}", "w.npz#v}", "projections[0].weights = 'w.npz#v': w.npz has no array 'v'; known: w, words"),
        ("w.npz#w}", "w.npz#words}", "weights = 'w.npz#words': has dtype <U1: must be numbers"),
        ("w.npz#w}", "v.npz#w}", "weights = 'v.npz#w': there is no file"),
        ("w.npz#w}", "c.npz#w}", "cannot be read as arrays"),
    ],
)
def test_a_wrong_text_is_told_where(folder, old, new, expected):
    (folder / "c.npz").write_bytes((folder / "w.npz").read_bytes()[:-30])
    assert old in TEXT
    with pytest.raises(DescriptionError) as caught:
        load(folder, TEXT.replace(old, new))
    assert str(caught.value).startswith(str(folder / "c.yaml"))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "just text"])
def test_a_file_that_holds_no_mapping(folder, text):
    with pytest.raises(DescriptionError, match="must be a mapping"):
        load(folder, text)


def test_files_that_cannot_be_read(folder):
    with pytest.raises(DescriptionError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load_spec(folder / "none.yaml")
    with pytest.raises(DescriptionError, match="cannot be read: Is a directory"):
        load_spec(folder)
    (folder / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DescriptionError, match="cannot be read: is not a text file"):
        load_spec(folder / "b.yaml")


SHIPPED = sorted([*(ROOT / "config").glob("*.yaml"), *(ROOT / "snn_control" / "templates").glob("*.yaml")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_file_loads_and_fits_the_schema(path):
    import yaml

    from snn_control.controller_file.reader import Loader as _Loader

    controller = Controller.load(path)
    assert all(np.isfinite(command).all() for command in controller.step({}).values())
    VALIDATOR.validate(yaml.load(path.read_text(), _Loader))


@pytest.mark.parametrize(
    ("dt", "period", "says"),
    [
        (0.003, 0.05, "use dt = 0.0025 or 0.005, or period = 0.051"),
        (0.003, 0.01, "use dt = 0.0025 or 0.005, or period = 0.009"),
        (0.03, 0.02, "use dt = 0.02, or period = 0.03"),
        (0.0003, 1 / 30, None),
        (0.0001234567, 0.02, None),
        (7e-5, 0.0333, None),
        (1 / 3, 100.1, None),
        (1e-9 * math.pi, 0.05, None),
    ],
)
def test_a_step_that_is_suggested_is_taken(dt, period, says):
    outputs = (Output("u", (MembraneDecoder("x", 1.0),)),)
    with pytest.raises(DescriptionError) as refused:
        build(Network(), [ValueInput("x")], outputs, dt=dt, period=period)
    assert says is None or refused.value.fix == says
    steps, other = re.fullmatch(r"use dt = (.*), or period = (.*)", refused.value.fix).groups()
    pairs = [(one, period) for one in steps.split(" or ")] + [(dt, other)]
    for pair in pairs:
        build(Network(), [ValueInput("x")], outputs, dt=float(pair[0]), period=float(pair[1]))
