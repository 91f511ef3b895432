"""``snn_control check``: figures, warnings, the ros section."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml

from snn_control.cli.check import rough_cost
from snn_control.coding import LinearEncoder
from snn_control.controller import build_program
from snn_control.controller_file import load_spec
from snn_control.resources import shipped
from tests.cli.common import FLOATS, ROS, TERM, VALUE, call, described


def test_check_says_what_a_controller_is(capsys):
    code, out, _ = call(capsys, "check", "cartpole", "--json")
    facts = json.loads(out)
    assert code == 0
    assert {p["name"]: p["size"] for p in facts["populations"]} == {"observation": 32, "action": 2}
    assert facts["synapses"] == 64
    assert facts["memory"]["state"] > 0
    assert facts["learning"] == []


def test_check_names_the_projections_that_learn_and_what_that_costs(tmp_path, capsys):
    path, costs = tmp_path / "mine.yaml", []
    call(capsys, "new", path)
    text = path.read_text()
    line = "      post: hidden\n"
    assert text.count(line) == 1
    for learning in ("", "      learning: {type: stdp, w_min: -10, w_max: 10, name: mine}\n"):
        path.write_text(text.replace(line, line + learning))
        code, out, err = call(capsys, "check", path, "--json")
        assert code == 0, err
        costs.append(json.loads(out)["rough_us_a_tick"])
    rule = json.loads(out)["learning"][0]
    assert (rule["name"], rule["rule"], rule["pre"]) == ("mine", "STDP", "state")
    assert costs[1] > costs[0]
    assert "mine" in call(capsys, "check", path)[1]
    assert next(p["learning"] for p in json.loads(out)["projections"]) == "STDP"


def test_the_rough_cost_knows_the_fields_of_an_encoder():
    spec = load_spec(shipped("cartpole"))
    plain = [replace(i, encoder=LinearEncoder(np.ones((4, 32)), neuron=i.encoder.neuron)) for i in spec.inputs]
    costs = [rough_cost(s, build_program(s)) for s in (spec, replace(spec, inputs=tuple(plain)))]
    assert costs[0] - costs[1] == pytest.approx(32 * 10e-3, abs=0.02)


@pytest.mark.parametrize(
    ("kind", "key", "value", "says"),
    [
        ("inputs", "type", "std_msgs/msg/Thing", "ros.inputs.observation.type = 'std_msgs/msg/Thing'"),
        ("inputs", "field", "dat[:]", "did you mean 'data'"),
        ("inputs", "field", "data[0:2]", "names 2 numbers, the input takes 3"),
        ("inputs", "topic", "a b", "is not a topic name"),
        ("outputs", "field", "data[0]", "names 1 numbers, the output has 2"),
        ("outputs", "topic", "1//", "ros.outputs.torque.topic"),
        ("outputs", "values", {"nam": ["a"]}, "ros.outputs.torque.values"),
    ],
)
def test_check_finds_the_mistakes_in_the_ros_section(tmp_path, capsys, kind, key, value, says):
    pytest.importorskip("rclpy")
    name = {"inputs": "observation", "outputs": "torque"}[kind]
    path = described(tmp_path, ros=ROS | {kind: {name: ROS[kind][name] | {key: value}}})
    code, _, err = call(capsys, "check", path)
    assert code == 2
    assert err.count("\n") == 1
    assert str(path) in err
    assert says in err


def test_check_warns_of_a_package_of_messages_that_is_for_another_machine(tmp_path, capsys):
    pytest.importorskip("rclpy")
    other = {"inputs": {"observation": ROS["inputs"]["observation"] | {"type": "no_such_msgs/msg/Thing"}}}
    path = described(tmp_path, ros=ROS | other)
    code, out, _ = call(capsys, "check", path)
    assert code == 0
    assert "warning: ros.inputs.observation.type: no_such_msgs/msg/Thing is not installed here" in out
    assert "no node would start: install no_such_msgs\n" in out
    assert call(capsys, "check", "--strict", path)[0] == 1
    path = described(tmp_path, ros={"inputs": other["inputs"], "outputs": {"torque": FLOATS | {"topic": "1//"}}})
    code, _, err = call(capsys, "check", path)  # all else is checked
    assert (code, "ros.outputs.torque.topic" in err) == (2, True)


def test_names_of_what_is_trained_are_checked(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    call(capsys, "new", path)
    text = path.read_text()
    path.write_text(text + "training: {trainable: {hidden.tau_mem: {low: 0.005}}}\n")
    assert call(capsys, "check", path)[0] == 0
    path.write_text(text + "training: {trainable: {hiden.tau_mem: {low: 0.005}}}\n")
    code, _, err = call(capsys, "check", path)
    assert code == 2
    assert "training.trainable = 'hiden.tau_mem': matches nothing that can be trained; did you mean" in err


def test_check_warns_of_what_would_not_be_noticed(tmp_path, capsys):
    code, out, _ = call(capsys, "check", described(tmp_path, ros=ROS))
    assert code == 0
    assert "warning: inputs.observation: a dead sensor would not be noticed" in out
    assert "warning: outputs.torque: " in out
    mended = {"inputs": {"observation": VALUE["observation"] | {"stale": 0.1}}}
    mended["outputs"] = {"torque": {"size": 2, "limits": [-2, 2], "decoder": {"type": "membrane", **TERM}}}
    for path in (described(tmp_path, ros=ROS, **mended), described(tmp_path)):  # without topics nothing is due
        code, out, _ = call(capsys, "check", path)
        assert code == 0
        assert "warning" not in out
        assert call(capsys, "check", "--strict", path)[0] == 0


@pytest.mark.parametrize("required", [True, False])
def test_a_forgotten_input_is_a_warning_among_all_others(tmp_path, capsys, required):
    """Declared, but without a projection and a topic; if the input is not required, an environment may lack it."""
    inputs = VALUE | {"goal": {"kind": "value", "size": 1, "required": required}}
    decoder = {"type": "membrane", "from": "observation", "weights": [[1.0]] * 3}
    outputs = {"torque": {"limits": [-2, 2], "decoder": decoder}}
    path = described(tmp_path, inputs=inputs, outputs=outputs, ros=ROS)
    code, out, _ = call(capsys, "check", path)
    assert code == 0
    for says in (
        "inputs.goal: nothing reads it",
        "ros.inputs.goal: is missing: the controller node does not start without it",
        "inputs.observation: a dead sensor would not be noticed",
    ):
        assert f"warning: {says}" in out
    code, _, err = call(capsys, "check", path, "--env", "Pendulum-v1", "--seconds", 1)
    assert (code, "inputs = " in err) == ((2, True) if required else (0, False))


def test_warnings_are_counted_and_strict_is_not_content_with_them(tmp_path, capsys):
    path = described(tmp_path, ros=ROS)
    assert call(capsys, "check", path)[1].endswith("\nok, 2 warnings\n")
    values = yaml.safe_load(path.read_text())
    values["network"] = {"populations": {"alone": {"size": 2, "neuron": {"type": "lif"}}}}
    path.write_text(yaml.safe_dump(values | {"ros": {}}))
    assert call(capsys, "check", path)[1].endswith("\nok, 1 warning\n")  # not another that it is silent
    path = described(tmp_path, ros=ROS)
    code, out, _ = call(capsys, "check", "--strict", path)
    assert (code, out.endswith("\nok, 2 warnings\n")) == (1, True)
    assert call(capsys, "check", "--strict", "--json", path)[0] == 1


def test_a_missing_rclpy_is_said(tmp_path):
    hide = "import sys; sys.modules['rclpy'] = None; import importlib.util as u; find = u.find_spec; "
    hide += "u.find_spec = lambda name, *more: None if name == 'rclpy' else find(name, *more); "
    code = hide + f"from snn_control.cli import main; sys.exit(main(['check', {str(described(tmp_path, ros=ROS))!r}]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    assert "ros section not checked: rclpy is not installed" in done.stdout
