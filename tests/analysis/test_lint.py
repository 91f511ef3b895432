"""The advice of `check` that needs the description only."""

from __future__ import annotations

import copy

import pytest
import yaml

from snn_control.analysis.lint import lint, unconnected
from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader

#: slow, but nothing that could not be meant: a NEF integrator's synapse, adaptation and eligibility of seconds
SLOW = """
version: 1
period: 0.1
dt: 0.05
inputs:
  x: {kind: value, size: 1, encoder: {type: linear, weights: [[1.0]], neuron: {type: lif, tau_mem: 0.5}}}
  reward: {kind: value, size: 1}
network:
  populations:
    a: {size: 2, neuron: {type: alif, tau_mem: 0.05, tau_adapt: 4.0, refractory: 0.1}}
  projections:
  - pre: x
    post: a
    weights: 0.5
    delay: 0.4
    learning: {type: reward_stdp, reward: reward, tau_e: 4.0}
  - {pre: a, post: a, weights: 0.0, tau_syn: 0.1, delay: 0.1}
outputs:
  y: {decoder: [{type: linear, from: a, tau: 1.0, weights: 1.0}, {type: linear, from: x, tau: 1.0, weights: 1.0}]}
"""


def lines_of(findings):
    return [str(one) for one in findings]


def changed(path, value):
    """Advice on the description above with one value changed."""
    values = copy.deepcopy(yaml.safe_load(SLOW))
    place = values
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return lines_of(lint(parse_spec(values)))


def test_what_is_slow_on_purpose_is_not_warned_of():
    assert lint(parse_spec(yaml.safe_load(SLOW))) == []


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (["period"], 50, "period"),
        (["period"], 1, "period"),
        (["inputs", "x", "stale"], 50, "inputs.x.stale"),
        (["inputs", "x", "encoder", "neuron", "tau_mem"], 20, "inputs.x.encoder.neuron.tau_mem"),
        (["network", "populations", "a", "neuron", "tau_mem"], [0.02, 20], "network.populations.a.neuron.tau_mem"),
        (["network", "populations", "a", "neuron", "tau_adapt"], 200, "network.populations.a.neuron.tau_adapt"),
        (["network", "populations", "a", "neuron", "refractory"], 2, "network.populations.a.neuron.refractory"),
        (["network", "projections", 0, "delay"], 5, "network.projections[0].delay"),
        (["network", "projections", 1, "tau_syn"], 10, "network.projections[1].tau_syn"),
        (["network", "projections", 0, "learning", "tau_plus"], 20, "network.projections[0].learning.tau_plus"),
        (["network", "projections", 0, "learning", "tau_e"], 1000, "network.projections[0].learning.tau_e"),
        (["outputs", "y", "decoder", 1, "tau"], 50, "outputs.y.decoder[1].tau"),
    ],
)
def test_a_time_in_ms_is_named_with_what_it_is_in_seconds(path, value, where):
    most = value[1] if isinstance(value, list) else value
    assert changed(path, value) == [
        f"{where}: {most} s: times are in seconds: {most} ms is {most / 1000:g}",
    ]


def test_one_decoder_and_choices_are_named_as_the_file_has_them():
    one = {"type": "linear", "from": "a", "tau": 50, "weights": 1.0}
    choice = {"type": "argmax", "actions": 2, "terms": [one]}
    for decoder, where in ((one, "decoder.tau"), (choice, "decoder.terms[0].tau")):
        (line,) = changed(["outputs", "y", "decoder"], decoder)
        assert line.startswith(f"outputs.y.{where}: 50 s")


def test_a_population_without_any_connection_is_named():
    values = yaml.safe_load(SLOW)
    cell = {"size": 1, "neuron": {"type": "li"}}
    values["network"]["populations"] |= {"alone": cell, "teacher": cell, "read": cell, "self": cell}
    values["network"]["projections"][0]["learning"]["reward"] = "teacher"
    values["network"]["projections"].append({"pre": "self", "post": "self", "delay": 0.1})
    values["outputs"]["z"] = {"decoder": {"type": "membrane", "from": "read", "weights": 1.0}}
    said = "nothing reaches it and nothing reads it: connect it, or remove it"
    found = lines_of(lint(parse_spec(values)))
    assert found[:2] == [f"network.populations.{name}: {said}" for name in ("alone", "self")]
    assert found[2:] == ["inputs.reward: nothing reads it: add a projection from it, or remove it"]


def test_inputs_that_nothing_reads_or_that_no_topic_brings_are_named():
    values = yaml.safe_load(SLOW)
    values["inputs"] |= {"spare": {"kind": "value"}, "goal": {"kind": "value", "required": False}}
    unread = [f"inputs.{name}: nothing reads it: add a projection from it, or remove it" for name in ("spare", "goal")]
    assert lines_of(unconnected(parse_spec(values))) == unread
    topic = {"topic": "t", "type": "std_msgs/msg/Float32", "field": "data"}
    values["ros"] = {"inputs": {"x": topic}}
    missing = [
        f"ros.{end}: is missing: the controller node does not start without it: name its topic, or remove {end}"
        for end in ("inputs.reward", "inputs.spare", "inputs.goal", "outputs.y")
    ]
    assert lines_of(unconnected(parse_spec(values))) == unread + missing
    assert set(unread + missing) < set(lines_of(lint(parse_spec(values))))


CAMERA = """
version: 1
period: 0.01
inputs:
  camera:
    kind: events
    size: [64, 64]
    capacity: 1000
    filters:
    - {type: refractory, period: 1e-3}
    - {type: background_activity, window: 1e-2}
    - {type: rate_limit, rate: 5e+4}
    encoder: {type: surface, grid: [8, 8], tau: 0.02}
outputs:
  y: {decoder: {type: membrane, from: camera, weights: 0.1}}
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", []),
        ("period: 1e-3", "period: 1", ["inputs.camera.filters[0].period: 1 s: times are in seconds: 1 ms is 0.001"]),
        ("window: 1e-2", "window: 10", ["inputs.camera.filters[1].window: 10 s: times are in seconds: 10 ms is 0.01"]),
        ("tau: 0.02", "tau: 20", ["inputs.camera.encoder.tau: 20 s: times are in seconds: 20 ms is 0.02"]),
        ("rate: 5e+4", "rate: 5e+5", [
            "inputs.camera.capacity: 1000: cuts a tick before inputs.camera.filters[2] can thin it evenly, which lets "
            "5000 events through: raise it to several times 5000, or lower the rate"
        ]),
        ("rate: 5e+4", "rate: 2.5", [
            "inputs.camera.filters[2].rate: 2.5 events/s: blocks almost all events: the unit is events a second: "
            "2.5 million are 2.5e+6"
        ]),
        ("outputs:", "ros: {inputs: {camera: {topic: e, type: dvs_msgs/msg/EventArray, late: 10}}}\noutputs:", [
            "ros.inputs.camera.late: 10 s: times are in seconds: 10 ms is 0.01",
            "ros.outputs.y: is missing: the controller node does not start without it: name its topic, or remove "
            "outputs.y",
            "inputs.camera: a dead sensor would not be noticed: give it a `stale` limit",
        ]),
    ],
)  # fmt: skip
def test_times_of_filters_and_a_capacity_below_the_rate_limit(old, new, expected):
    assert lines_of(lint(parse_spec(yaml.load(CAMERA.replace(old, new), Loader)))) == expected


def test_a_picture_whose_cells_are_cut_is_warned_of():
    values = yaml.safe_load(SLOW)
    picture = {"topic": "image", "type": "sensor_msgs/msg/Image", "grid": [1, 1]}
    values["ros"] = {"inputs": {"x": picture}, "outputs": {}}
    for high, warned in ((1, True), (255, False)):
        values["inputs"]["x"] |= {"stale": 0.2, "range": [0, high]}
        told = [line for line in lines_of(lint(parse_spec(values))) if "inputs.x" in line]
        expected = "inputs.x: cells of a picture are from 0 to 255, which its `range` cuts: write [0, 255]"
        assert told == ([expected] if warned else [])


def test_a_scan_that_rejects_inf_is_warned_of():
    values = yaml.safe_load(SLOW)
    values["inputs"]["x"] |= {"stale": 0.2, "range": [0, 3]}
    scan = {"topic": "scan", "type": "sensor_msgs/msg/LaserScan", "field": "ranges[0]"}
    number = {"topic": "n", "type": "std_msgs/msg/Float32", "field": "data"}
    values["inputs"]["reward"]["stale"] = 0.2
    values["outputs"]["y"]["limits"] = [-1, 1]
    values["ros"] = {"inputs": {"x": scan, "reward": number}, "outputs": {"y": number}}
    (line,) = lines_of(lint(parse_spec(values)))
    assert line.startswith(
        "inputs.x: a LaserScan is inf where nothing was hit, which rejects the whole sample: give it"
    )
    values["inputs"]["x"]["not_finite"] = "high"
    assert lint(parse_spec(values)) == []


@pytest.mark.parametrize(
    ("unit", "field", "output", "warned"),
    [
        ("rad", "data", {}, True),
        ("", "position[0]", {}, True),
        ("rad/s", "data", {}, False),
        ("rad", "data", {"safe": "hold"}, False),
        ("rad", "data", {"safe": 0.5, "slew": 1.0}, False),
    ],
)
def test_a_position_that_a_fault_sets_to_0_in_one_step_is_warned_of(unit, field, output, warned):
    values = yaml.safe_load(SLOW)
    for one in values["inputs"].values():
        one["stale"] = 0.2
    kind = "sensor_msgs/msg/JointState" if "position" in field else "std_msgs/msg/Float32"
    number = {"topic": "n", "type": "std_msgs/msg/Float32", "field": "data"}
    values["outputs"]["y"] |= {"limits": [-1, 1], "unit": unit} | output
    values["ros"] = {
        "inputs": {"x": number, "reward": number},
        "outputs": {"y": {"topic": "n", "type": kind, "field": field}},
    }
    found = [line for line in lines_of(lint(parse_spec(values))) if "outputs.y" in line]
    fix = "give it `safe: hold`, or a `safe` position and `slew`"
    expected = f"outputs.y: a position that a fault sets to 0 in one step: {fix}"
    assert found == ([expected] if warned else [])
