"""Mistakes that are found at the start: a node ends with one line."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from tests.ros.node_processes import Mistakes, run_to_end, wait
from tests.ros.robot import CONTROLLER, changed, write

# what is wrong from the start ------------------------------------------------------------------------------------

MISTAKES = {
    "no file given": (
        {"controller_file": ""},
        None,
        ["controller_file = ''", "must name a controller file", "-p controller_file:=..."],
    ),
    "misspelt file": (
        {"controller_file": "", "controler_file": "x.yaml"},
        None,
        ["controler_file = 'x.yaml'", "is not a parameter; did you mean 'controller_file'?"],
    ),
    "missing file": ({"controller_file": "no.yaml"}, None, ["no.yaml", "cannot be read", "No such file"]),
    "unknown key": ({}, ("inputs.sensor.stal", 0.1), ["inputs.sensor.stal = 0.1", "not a known key", "'stale'"]),
    "wrong size": (
        {},
        ("network.projections", [{"pre": "sensor", "post": "slow", "weights": [[1.0], [2.0], [3.0]]}]),
        ["projections[sensor -> slow].weights", "shape (3, 1)", "(2, 1)"],
    ),
    "missing arrays": (
        {},
        ("network.projections", [{"pre": "sensor", "post": "slow", "weights": "no.npz#w"}]),
        ["network.projections[0].weights = 'no.npz#w'", "there is no file"],
    ),
    "impossible limits": ({}, ("outputs.drive.limits", [2, -2]), ["outputs.drive.limits = [2, -2]", "low must be <"]),
    "safe beyond limits": ({}, ("outputs.drive.safe", 9.0), ["outputs.drive.safe = 9.0", "within limits"]),
    "dt and period": ({}, ("dt", 0.003), ["dt = 0.003", "must divide the period (0.01 s)", "use dt ="]),
    "dt and rate": ({"rate": 300.0}, None, ["rate = 300.0", "whole number of the file's dt = 0.005 s", "200"]),
    "rate out of range": ({"rate": 30000.0}, None, ["rate = 30000.0", "in [0, 20000]"]),
    "rate not a number": ({"rate": math.nan}, None, ["rate = nan", "in [0, 20000]"]),
    "priority out of range": ({"priority": 99}, None, ["priority = 99", "a whole number in [0, 98]"]),
    "parameter of another type": ({"priority": "high"}, None, ["priority = 'high'", "a whole number in [0, 98]"]),
    "unknown mode": ({"mode": "fast"}, None, ["mode = 'fast'", "'realtime' or 'event' or 'lockstep'"]),
    "repeat in lockstep": ({"mode": "lockstep"}, ("repeat", 2), ["repeat = 2", "must be 1 in lockstep"]),
    "no topics": ({}, ("ros.inputs", {}), ["ros.inputs.sensor: is missing", "name its topic"]),
    "no such field": (
        {},
        ("ros.inputs.sensor.field", "positions[:]"),
        ["ros.inputs.sensor.field = 'positions'", "has no field", "did you mean 'position'?"],
    ),
    "no such type": (
        {},
        ("ros.inputs.sensor.type", "no_msgs/msg/Nothing"),
        ["ros.inputs.sensor.type = 'no_msgs/msg/Nothing'", "not an installed message type", "install no_msgs"],
    ),
    "no such message": (
        {},
        ("ros.outputs.drive.type", "geometry_msgs/msg/TwistStamp"),
        [
            "ros.outputs.drive.type = 'geometry_msgs/msg/TwistStamp'",
            "geometry_msgs is installed and has no message 'TwistStamp'; did you mean 'TwistStamped'?",
        ],
    ),
    "no message like it": (
        {},
        ("ros.outputs.drive.type", "geometry_msgs/msg/Jolt"),
        ["geometry_msgs is installed and has no message 'Jolt'; known: Accel, "],
    ),
    "no topic name": (
        {},
        ("ros.inputs.sensor.topic", "a b"),
        ["ros.inputs.sensor.topic = 'a b'", "not a topic name: topic name must not contain"],
    ),
    "size of the field": (
        {},
        ("ros.inputs.sensor", {"topic": "a", "type": "sensor_msgs/msg/Imu", "field": "angular_velocity.z"}),
        ["ros.inputs.sensor.field = 'angular_velocity.z'", "names 1 number, the input takes 2"],
    ),
    "a value that does not fit": (
        {},
        ("ros.outputs.drive.values", {"header.frame_id": 7}),
        ["ros.outputs.drive.values.header.frame_id = 7", "does not fit the field"],
    ),
    "values of an input": (
        {},
        ("ros.inputs.sensor.values", {"name": ["a"]}),
        ["ros.inputs.sensor.values", "not a known key"],
    ),
    "record not writable": ({"record": "/proc/none/a.npz"}, None, ["record = '/proc/none/a.npz'", "cannot be written"]),
    "record and state in a file": (
        {"record": "x.npz", "state": "x.npz"},
        None,
        ["state = 'x.npz'", "is written by controller, in the same process: record = ", "-p controller:state:=FILE"],
    ),
    "state among the files of a record": (
        {"record": "x.mcap", "state": "x_2_shown.npz"},
        None,
        ["state = 'x_2_shown.npz'", "x.mcap", "state:=FILE"],
    ),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    cases = {
        name: (p, changed(CONTROLLER, *change) if change else CONTROLLER) for name, (p, change, _) in MISTAKES.items()
    }
    return Mistakes(tmp_path_factory.mktemp("mistakes"), "controller_node", cases)


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_path_value_rule_and_fix(outcomes, case):
    outcomes.check(case, MISTAKES[case][2])


@pytest.mark.parametrize(
    ("node", "what", "parameters"),
    [
        (
            "controller_node",
            "The controller as a lifecycle node",
            ["controller_file * .* (needed)", "priority * SCHED_FIFO .* (default 80)", "autostart * .* (default true)"],
        ),
        ("encoder_node", "The encoder node: it encodes sensor data as spikes", ["inputs * .* (default empty)"]),
        (
            "view_node",
            "The view node: it shows events and spikes as an image",
            ["rate * Rate of the images .* (default 30.0)"],
        ),
        (
            "world_node",
            "The world node: it runs a Gymnasium environment",
            ["patience * .* (default 60.0)", "episodes * .* (default 0)"],
        ),
    ],
)
def test_help_says_what_a_node_is_and_its_parameters(tmp_path, node, what, parameters):
    # the same in every node, so two of them try the one and two the other
    asked = ["--", "--help"] if node in ("controller_node", "view_node") else ["-p", "rate:=nonsense", "-h"]
    code, lines = run_to_end(tmp_path, node, *asked)
    assert code == 0
    several = "[NAME ...] " if node == "controller_node" else ""
    assert lines[0].startswith(f"usage: {node} {several}[--ros-args -p NAME:=VALUE")
    assert any(line.startswith(what) for line in lines)
    for wanted in parameters:
        pattern = wanted.replace("(", r"\(").replace(")", r"\)")
        assert any(re.fullmatch(f"  {pattern}", line) for line in lines), lines
    assert lines[-1].startswith(f"  {node} --ros-args -p ")
    example = lines[-1].split()
    declared = {line.split()[0] for line in lines[lines.index("parameters:") + 1 : -2] if line}
    assert {part.partition(":=")[0] for before, part in pairwise(example) if before == "-p"} <= declared


def test_arguments_that_are_no_parameters_are_refused_and_misspelt_ones_named(tmp_path, start):
    code, lines = run_to_end(tmp_path, "controller_node", "--", "my.yaml")
    assert code == 2
    assert lines == ["snn_control: arguments = ['my.yaml']: are not known; write --ros-args -p NAME:=VALUE; see --help"]
    code, lines = run_to_end(tmp_path, "controller_node", "-p")
    assert code == 2
    assert "trailing -p flag" in lines[-1]
    assert not any("Traceback" in line for line in lines)
    code, lines = run_to_end(tmp_path, "controller_node", controller_file=str(write(tmp_path)), rat=100.0)
    assert code == 2
    assert any("rat = 100.0: is not a parameter; did you mean 'rate'?" in line for line in lines), lines
    process = start("controller_node", controller_file=str(write(tmp_path)), gain=100.0, rate=200)
    wait(lambda: "200 Hz" in process.text)
    assert "parameter gain is not known; known: " in process.text
    assert process.end() == 0
