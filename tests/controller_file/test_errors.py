"""A mistake in a controller file is reported with path, value, rule and fix; the schema refuses the same files."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import re

import pytest

from snn_control.controller import build_program
from snn_control.controller_file import parse_spec
from snn_control.errors import DescriptionError
from tests.controller_file.cases import (
    CAMERA,
    EVENTS,
    FIRST,
    GOOD,
    INFINITY,
    JOINTS,
    MISSING,
    MOTOR,
    MOTOR_TO_SLOW,
    PAN,
    POSE,
    SECOND,
    SHEET,
    SLOW,
    with_value,
)

NUMBERS = "must be a number, lists of numbers or 'file.npz#name'"

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
    (f"{CAMERA}.encoder.type", "population", "inputs.camera.encoder.type = 'population': must be one of pool, surface"),
    (f"{CAMERA}.encoder.response", "most", "inputs.camera.encoder.response = 'most': must be 'sum', 'binary' or 'saturate'"),
    (f"{CAMERA}.encoder.response", "saturate", "inputs.camera.encoder.ceiling = None: is required with response 'saturate'"),
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
    (f"{POSE}.encoder.type", "field", "inputs.pose.encoder.type = 'field': must be one of population, linear, direct, fields, signed, stack, delta, step_forward; did you mean 'fields'?"),
    (f"{POSE}.encoder.grid", MISSING, "inputs.pose.encoder.grid = None: give a grid or centres"),
    (f"{POSE}.encoder.grid", [3, 1], "inputs.pose.encoder.grid[1] = 1: must be a whole number >= 2"),
    (f"{POSE}.encoder.grid", 3, "inputs.pose.encoder.grid = 3: must be a list of numbers"),
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
    (f"{MOTOR}.bias", [1, "a"], "network.populations.motor.bias[1] = 'a': must be a number"),
    (f"{MOTOR}.bias", [1, True, 0, 0], "network.populations.motor.bias[1] = True: must be a number"),
    (f"{MOTOR}.bias", "1e-3 V", f"network.populations.motor.bias = '1e-3 V': {NUMBERS}; write the number alone, in SI units: 10 ms is 0.01"),
    (f"{MOTOR}.bias", "../w.npz#w", "network.populations.motor.bias = '../w.npz': must be in the folder of the controller file; copy it there, and write w.npz"),
    (f"{MOTOR}.bias", "/tmp/w.npz#w", "network.populations.motor.bias = '/tmp/w.npz': must be in the folder of the controller file"),
    (f"{MOTOR}.bias", "a/../../w.npz#w", "network.populations.motor.bias = 'a/../../w.npz': must be in the folder of the controller file"),
    (f"{MOTOR}.size", {"value": 4, "tunable": [1, 8]}, "network.populations.motor.size.tunable = 4: cannot be tuned: it is neither a number with fractions nor an array"),
    (f"{MOTOR}.neuron", {"type": "LIF"}, "phase; did you mean 'lif'?"),
    (f"{PAN}.slew", "80 rad/s", f"outputs.pan.slew = '80 rad/s': {NUMBERS}; write the number alone, in SI units: 10 ms is 0.01"),
    (f"{FIRST}.connection", {"type": "convolution", "shape": [1, 3, 4], "padding": [{"value": 1, "tunable": [0, 2]}, 1]}, "connection.padding[0].tunable"),
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
    (f"{FIRST}.connection", SHEET | {"pre_positions": {"shape": 3}}, "network.projections[0].connection.pre_positions.shape = 3: must be a list of numbers"),
    (f"{FIRST}.connection", SHEET | {"pre_positions": {"shape": [2, 2], "extent": [[1], 2]}}, "network.projections[0].connection.pre_positions.extent[0] = [1]: must be a number"),
    (f"{FIRST}.connection", {"type": "convolution", "shape": [1, 3, 4], "groups": "two"}, "network.projections[0].connection.groups = 'two': must be a whole number >= 1"),
    (f"{FIRST}.connection", {"type": "convolution", "shape": 12}, "network.projections[0].connection.shape = 12: must be a list of 3 numbers"),
    (f"{FIRST}.connection", {"type": "convolution", "shape": [1, 3, 4], "padding": [True, 1]}, "network.projections[0].connection.padding = [True, 1]: must be a whole number, or [rows, columns]"),
    (f"{FIRST}.connection", {"type": "convolution", "shape": [1, 3, 4], "stride": ""}, "network.projections[0].connection.stride = '': must be a whole number, or [rows, columns]"),
    (f"{FIRST}.connection", {"type": "pooling", "shape": [1, 3, 4], "kernel": 10**400}, "must be >= 1, at most 100,000,000"),
    (f"{FIRST}.connection", {"type": "fixed_indegree", "n": 10**400, "seed": 1}, "must be a whole number >= 1, at most 100,000,000"),
    ("ros.inputs.joints.grid", [0, 2], "ros.inputs.joints.grid[0] = 0: must be a whole number >= 1"),
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
    ("ros.outputs.pan.type", "std_msgs/Float64", "must look like 'sensor_msgs/msg/JointState'; did you mean 'std_msgs/msg/Float64'?"),
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
    (f"{FIRST}.weights", [[1, 2], [3]], "network.projections[0].weights[1] = [3]: must be 2 numbers, as network.projections[0].weights[0] is"),
    (f"{FIRST}.weights", [1, [3]], "network.projections[0].weights[1] = [3]: must be a number, as network.projections[0].weights[0] is"),
    (f"{FIRST}.weights", [1.0, 10**400], "must fit into 64 bits; write a large number as 1e20"),
    (f"{MOTOR}.bias", {"value": 10**400, "tunable": [0, 1]}, "network.populations.motor.bias.tunable = [0, 1]: must hold the value, 1000"),
    (f"{MOTOR}.bias", {"value": 0.1, "tunable": [0, 10**400]}, "must be [low, high], finite numbers with low < high"),
    ("training.trainable.x", {"low": 1, "high": 1}, "training.trainable.x.low = 1: must be < high (1)"),
    (f"{FIRST}.connection", {"type": "pooling", "shape": [1, 3, 4], "kernel": 100_000}, "network.projections[0].connection.kernel = 100000: must be smaller: at most 100,000,000 weights for 1 channel"),
    ("outputs.way", {"size": 30, "limits": [[-1] * 30, [1] * 30], "safe": 2, "decoder": [{"type": "membrane", "from": "slow", "weights": 1}]}, "outputs.way.safe = 2: must be finite and within limits [array([-1, -1,"),
    ("guard", {"x\ny": 1}, "guard.x y = 1: is not a known key"),
    (f"{PAN}.unit", {"x" * 5000: 1}, "outputs.pan.unit"),
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
    (f"{PAN}.limits", MISSING, "outputs.pan.limits = [-inf, inf]: must be finite on both sides, as float32, with squash; give limits, or leave squash out"),
    (f"{PAN}.safe", 7, "outputs.pan.safe = 7: must be finite and within limits [-6, 6]"),
    (f"{PAN}.slew", 0, "outputs.pan.slew = 0: must be > 0"),
    (f"{PAN}.slew", INFINITY, "outputs.pan.slew = inf: must be finite with ramp; give a slew"),
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
    (f"{FIRST}.delay", 1e-5, "projections[joints -> motor].delay = 1e-05: rounds to 0 steps of 0.001 s"),
    (f"{FIRST}.weights", [[1, 2]], "projections[joints -> motor].weights = 'shape (1, 2)': must be a number or have shape (12, 4)"),
    (f"{FIRST}.connection", "one_to_one", "projections[joints -> motor].connection = 'one_to_one': sizes must agree: 12 and 4"),
    (f"{SECOND}.pre_index", [0, 1, 4], "projections[motor -> slow].pre_index = 4: must lie in [0, 4)"),
    (f"{SECOND}.pre_index", [0, -1, 3], "projections[motor -> slow].pre_index = -1: must lie in [0, 4)"),
    (SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_outdegree", "n": 3, "seed": 1}}, "projections[motor -> slow].connection.n = 3: must be at most 2"),
    (SECOND, MOTOR_TO_SLOW | {"connection": SHEET | {"pre_positions": {"shape": [20_000, 10_000]}}}, "connection.pre_positions = '200000000 positions': must be one for each neuron: 4"),
    (SECOND, MOTOR_TO_SLOW | {"connection": SHEET}, "projections[motor -> slow].connection.pre_positions = '12 positions': must be one for each neuron: 4"),
    (f"{SECOND}.receptor", "synaptic", "projections[motor -> slow].receptor = 'synaptic': LI has no synaptic current; use 'current'"),
    (f"{SECOND}.learning", {"type": "stdp", "w_max": 9}, "network.projections[motor -> slow].learning = 'STDP': is for neurons that fire once a step: slow is graded"),
    (f"{SECOND}.learning", {"type": "reward_stdp", "w_max": 9, "reward": "slow"}, "network.projections[motor -> slow].learning = 'RewardSTDP': is for neurons"),
    (f"{FIRST}.learning", {"type": "pes", "error": "slow"}, "network.projections[joints -> motor].learning.error = 'slow': has 2 numbers: must be 4"),
    (f"{JOINTS}.range", [-1, INFINITY], "inputs.joints.encoder.low = [-1.0, -1.0]: low < high must be finite; give the input a range"),
    (f"{POSE}.encoder.grid", [3, 2, 2], "inputs.pose.encoder.grid = [3, 2, 2]: must be 2 numbers, one per dimension"),
    (f"{POSE}.encoder", {"type": "fields", "centres": [[0]], "sigma": 1}, "inputs.pose.encoder.centres = 'shape (1, 1)': must be (fields, 2)"),
    (f"{POSE}.encoder.sigma", [1, 2, 3], "inputs.pose.encoder.sigma = 'shape (3,)': must be a number or 2 numbers"),
    (f"{POSE}.range", [-INFINITY, 1], "inputs.pose.encoder.low = [-inf, -inf]: low < high must be finite; give the input a range"),
    (f"{POSE}.encoder.neuron", {"type": "latency", "window": 1e-5}, "inputs.pose.encoder.neuron.window = 1e-05: rounds to 0 steps of 0.001 s"),
    ("inputs.speed.encoder.threshold", [1, 2], "inputs.speed.encoder.threshold = 'shape (2,)': must be a number or have shape (1,)"),
    (f"{MOTOR}.neuron", {"type": "latency", "window": 1e-5}, "network.populations.motor.neuron.window = 1e-05: rounds to 0 steps"),
    ("outputs.way.decoder.0.directions", [1, 2], "outputs.way.decoder[0].directions = 'shape (2,)': must be a number or have shape (6, 2)"),
    ("outputs.way.decoder.1.window", 1e3, "outputs.way.decoder[1].window = 1000.0: must be at most 100000 steps"),
    ("outputs.way.decoder.1.window", 1e-5, "outputs.way.decoder[1].window = 1e-05: rounds to 0 steps"),
    ("outputs.way.decoder.2.from", "pose", "outputs.way.decoder[2].weights = None: are needed: 2 outputs, 6 neurons; give the weights of each neuron"),
    ("outputs.way.decoder.2.from", "slow", "outputs.way.decoder[2].from = 'slow': is graded, not spiking"),
    (f"{PAN}.decoder.0.from", "slow", "outputs.pan.decoder[0].from = 'slow': is graded, not spiking; use a membrane decoder"),
    (f"{PAN}.decoder.1.from", "motor", "outputs.pan.decoder[1].from = 'motor': is spiking, not graded; use a linear decoder"),
    (f"{PAN}.decoder.0.from", "moter", "outputs.pan.decoder[0].from = 'moter': must be a population: "),
    ("network.populations.camera", {"size": 1, "neuron": {"type": "li"}}, "populations = 'camera': an input or a population has this name"),
]  # fmt: skip


def message(document):
    with pytest.raises(DescriptionError) as caught:
        parse_spec(document)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1500
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


def test_long_explanations_are_cut():
    assert str(DescriptionError("a", 1, "raised " + "x\n" * 5000)) == f"a = 1: raised {'x ' * 496}x..."


def test_a_misspelt_key_that_must_be_there_is_named():
    document = with_value("outputs", MISSING) | {"output": GOOD["outputs"]}
    assert message(document) == "outputs: is missing; 'output' is not a key here; rename it to 'outputs'"


def test_all_unknown_keys_of_a_mapping_are_named_at_once():
    wrong = with_value(f"{PAN}.limit", 1)
    wrong["outputs"]["pan"] |= {"zzz": 2, "slow": 3}
    assert message(wrong).startswith(
        "outputs.pan: limit, zzz, slow are not known keys; limit: did you mean 'limits'? slow: did you mean 'slew'? known: "
    )
    assert message(GOOD | {"inptus": {}, "gaurd": {}}) == (
        "file: inptus, gaurd are not known keys; inptus: did you mean 'inputs'? gaurd: did you mean 'guard'?"
    )


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
