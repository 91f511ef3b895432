"""The command line as a user calls it."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import subprocess
import sys
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import yaml

from snn_control.cli import COMMANDS, main
from snn_control.cli.check import rough_cost
from snn_control.cli.common import table
from snn_control.cli.demo import CLOSED_SHARE, about_the_guard, commanded, failure, roughness, safe_ticks_between, score
from snn_control.coding import LinearEncoder
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.engine.facts import InputFacts
from snn_control.errors import DescriptionError
from snn_control.resources import shipped
from snn_control.spaces import check_observation
from snn_control.training.recipes import recipes, write_controller
from snn_control.training.rollout import episode


@pytest.fixture(scope="module", autouse=True)
def ros_is_imported():
    """Where it is there: its parser imports a deprecated module of the standard library."""
    if importlib.util.find_spec("rclpy") is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            importlib.import_module("rosidl_generator_py")
            importlib.import_module("snn_control.ros.check")


def call(capsys, *arguments):
    """Exit code, output and error output of a command."""
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize("command", ["check", "plot", "bench"])
def test_a_saved_program_is_no_controller_file(tmp_path, capsys, command):
    saved = tmp_path / "saved.npz"
    Controller.load("cartpole").program.save(saved)
    code, _, err = call(capsys, command, saved)
    assert (code, err) == (
        2,
        f"snn_control: {saved}: is a saved Program or other arrays; this needs the controller file\n",
    )


def test_help_teaches(capsys):
    for arguments in ([], *([name] for name in COMMANDS)):
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--help"])
        assert end.value.code == 0
        assert "snn_control" in capsys.readouterr().out


def test_new_writes_a_controller_that_works(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    code, out, _ = call(capsys, "new", path)
    assert code == 0
    assert f"snn_control check {path}" in out
    assert "#" in path.read_text()
    code, out, _ = call(capsys, "check", path)
    assert code == 0
    assert out.splitlines()[-1].startswith("ok")
    code, out, _ = call(capsys, "run", "--env", "Pendulum-v1", "--episodes", 1, "--steps", 20, "--json", path)
    assert code == 0
    assert json.loads(out)["episodes"][0]["spikes_a_second"] > 0


def test_what_new_writes_is_as_good_as_it_says(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    call(capsys, "new", path)
    text = path.read_text()
    mean, chance = map(float, re.search(r"mean return (-\d+) in 100 episodes, random actions (-\d+)", text).groups())
    command = re.search(r"#   snn_control (run .*) THIS_FILE", text)[1].replace("--episodes 100", "--episodes 20")
    result = json.loads(call(capsys, *command.split(), path, "--json")[1])
    assert result["return"]["mean"] == pytest.approx(mean, abs=50)
    assert result["compared"]["chance"]["return"]["mean"] == pytest.approx(chance, abs=150)
    assert result["return"]["worst"] > chance
    assert result["better_than_chance"]["interval"][0] > 800
    assert mean > -200  # energy and PD reach -146


def test_new_overwrites_nothing(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    code, _, err = call(capsys, "new", path)
    assert code == 2
    assert "exists already" in err
    assert path.read_text() == "precious"


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
    costs = [rough_cost(s, s.build()) for s in (spec, replace(spec, inputs=tuple(plain)))]
    assert costs[0] - costs[1] == pytest.approx(32 * 10e-3, abs=0.02)


@pytest.mark.parametrize(
    ("line", "broken", "says"),
    [
        ("period: 0.05", "perod: 0.05", "rename it to 'period'"),
        ("size: 4", "size: -4", "must be a whole number >= 1"),
        ("dt: 0.005", "dt: 0.003", "must divide the period"),
        ("limits: [-2.0, 2.0]", "limits: [2.0, -2.0]", "low must be < high"),
        ("pre: state", "pre: stat", "must be an input or a population"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_value_rule_and_fix(tmp_path, capsys, line, broken, says):
    path = tmp_path / "mine.yaml"
    call(capsys, "new", path)
    text = path.read_text()
    assert line in text
    path.write_text(text.replace(line, broken))
    for command in (["check", path], ["run", "--env", "Pendulum-v1", path], ["bench", path]):
        code, _, err = call(capsys, *command)
        assert code == 2
        assert err.count("\n") == 1
        assert str(path) in err
        assert says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["check", "zebra"],
            "FILE = 'zebra': is no file and no controller that ships; shipped: cartpole, motion, pan_tilt",
        ),
        (["check", "folder/nothing.yaml"], "snn_control: folder/nothing.yaml: cannot be read: No such file"),
        (["run", "--env", "Nowhere-v0", "cartpole"], "cannot be made"),
        (["run", "--env", "Pendulum-v1", "cartpole"], "not the index of an action"),
        (["run", "--env", "CartPole-v1", "--arg", "speed", "cartpole"], "key=value"),
        (["run", "--env", "CartPole-v1", "--arg", "speed=1", "cartpole"], "cannot be made"),
        (["run", "--env", "CartPole-v1", "--arg", "a=[1", "cartpole"], "is not YAML"),
        (["run", "--env", "CartPole-v1", "--episodes", "0", "cartpole"], "must be at least 1"),
        (["run", "--env", "CartPole-v1", "--steps", "0", "cartpole"], "must be at least 1"),
        (["run", "--env", "CartPole-v1", "--steps", "two", "cartpole"], "'two': must be a whole number"),
        (["run", "--env", "CartPole-v1", "--seed", "-1", "cartpole"], "must be at least 0"),
        (["run", "cartpole"], "--env; see snn_control run --help"),
        (["bench", "--wake-up", "-1", "cartpole"], "must be at least 0.1 s"),
        (["bench", "--wake-up", "nan", "cartpole"], "must be at least 0.1 s"),
        (["train", "cartpole", "--population", "1"], "must be at least 2"),
        (["train", "cartpol"], "did you mean 'cartpole'"),
        (["demo", "--duration", "1"], "must be at least 2 s"),
        (["demo", "--motion", "zigzag"], "must be one of sinusoid"),
        (["demo", "--frequency", "-1"], "must be positive"),
        (["demo", "--background", "3"], "must be from 0 to 2"),
        (["demo", "--out", "/proc/none"], "cannot be made"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_line(capsys, arguments, says):
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert says in err


VALUE = {"observation": {"kind": "value", "size": 3}}
TERM = {"from": "observation", "weights": [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]}


def described(folder, **more):
    """A controller of Pendulum-v1's observation with two numbers as its output, changed."""
    values = {"version": 1, "period": 0.05, "inputs": VALUE}
    values["outputs"] = {"torque": {"size": 2, "decoder": {"type": "membrane", **TERM}}}
    path = folder / "controller.yaml"
    path.write_text(yaml.safe_dump(values | more))
    return path


@pytest.mark.parametrize(
    ("env", "decoder", "size", "says"),
    [
        ("Pendulum-v1", {"type": "membrane", **TERM}, 2, "outputs = 'torque (2)': must be as many numbers"),
        ("Pendulum-v1", {"type": "argmax", "actions": 2, "terms": [{"type": "membrane", **TERM}]}, 1, "not the index"),
        ("Acrobot-v1", {"type": "argmax", "actions": 2, "terms": [{"type": "membrane", **TERM}]}, 1, "actions = 2"),
        ("Acrobot-v1", {"type": "membrane", "from": "observation", "weights": [[1.0]] * 3}, 1, "must be argmax"),
    ],
)
def test_outputs_that_are_no_action_of_the_environment_are_refused(tmp_path, capsys, env, decoder, size, says):
    path = described(tmp_path, outputs={"torque": {"size": size, "decoder": decoder}})
    code, _, err = call(capsys, "run", "--env", env, path)
    assert code == 2
    assert err.count("\n") == 1
    assert str(path) in err
    assert says in err


def test_an_observation_that_is_not_the_input_is_refused(tmp_path, capsys):
    decoder = {"type": "membrane", "from": "observation", "weights": [[1.0]] * 3}
    path = described(tmp_path, outputs={"force": {"decoder": decoder}})
    code, _, err = call(capsys, "run", "--env", "MountainCarContinuous-v0", path)
    assert code == 2
    assert err.count("\n") == 1
    says = "inputs.observation.size = 3: must be 2 numbers, as the environment's observation; write size: 2, and range"
    assert err.startswith(f"snn_control: {path}: {says}")


def test_every_part_of_an_observation_is_compared_before_the_first_step():
    def numbers(size, required=True):
        return InputFacts("", "value", size, required)

    box = gymnasium.spaces.Box(-1, 1, (3,))
    parts = gymnasium.spaces.Dict({"a": box, "more": box})
    check_observation({"a": numbers(3), "b": numbers(1, False)}, parts)
    check_observation({"a": numbers(1), "b": numbers(2)}, box)
    check_observation({"a": numbers(3), "b": numbers(1, False)}, box)
    check_observation({"a": numbers(1)}, gymnasium.spaces.Discrete(5))
    camera = InputFacts("e", "events", (8, 8), True)

    def sees(width, height):
        top = np.broadcast_to([1.0, width - 1, height - 1, 1], (5, 4))
        return gymnasium.spaces.Dict({"e": gymnasium.spaces.Box(np.zeros((5, 4)), top, dtype=np.float64)})

    check_observation({"e": camera}, sees(8, 6))
    check_observation({"e": camera}, sees(65536, 65536))  # not known, as of a recording
    for inputs, space, says in (
        (
            {"a": numbers(2)},
            parts,
            r"inputs.a.size = 2: must be 3 numbers, as the environment's observation\['a'\]",
        ),
        ({"b": numbers(1)}, parts, "inputs.b = None: is not in the observation, which has"),
        ({"a": numbers(1), "b": numbers(1)}, box, "inputs = {'a': 1, 'b': 1}: must be 3 numbers"),
        ({"e": camera}, box, "inputs.e.kind = 'events': cannot be part"),
        ({"e": camera}, sees(64, 8), r"inputs.e.size = \[8, 8\]: must hold the environment's events, up to column 63"),
    ):
        with pytest.raises(DescriptionError, match=says):
            check_observation(inputs, space)


def test_the_table_of_a_run_is_whole_within_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", "--episodes", 2, "--steps", 30, "cartpole")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    for heading in ("seed", "steps", "return", "us/step", "spikes/s", "syn.ops/s", "faults", "safe"):
        assert f" {heading} " in out


def test_numbers_are_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    table("wide", [f"column {k}" for k in range(6)], [[123456789 + k for k in range(6)]])
    out = capsys.readouterr().out
    assert all(f"{123456789 + k:,}" in out for k in range(6))


def test_what_a_run_records_can_be_shown_again(tmp_path, capsys):
    seen = tmp_path / "seen.npz"
    command = ["run", "--env", "CartPole-v1", "--episodes", 2, "--steps", 40, "--record", seen, "cartpole"]
    code, out, _ = call(capsys, *command)
    assert code == 0
    assert f"recorded: {seen}, 40 steps, 0.8 s" in " ".join(out.split())
    assert np.load(seen)["observation.values"].shape == (40, 4)
    code, out, _ = call(capsys, "check", "cartpole", "--input", seen, "--json")
    assert code == 0
    assert json.loads(out)["health"]["stimulus"] == "record of seen.npz"
    command[command.index("--record") + 1] = seen / "more.npz"
    code, _, err = call(capsys, *command)
    assert (code, f"--record = '{seen / 'more.npz'}': cannot be written" in err) == (2, True)


FLOATS = {"type": "std_msgs/msg/Float64MultiArray"}
ROS = {
    "inputs": {"observation": {"topic": "seen", "field": "data[:]", **FLOATS}},
    "outputs": {"torque": {"topic": "torque", "field": "data[:]", **FLOATS}},
}


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
    assert "warning: ros.inputs.observation.type = no_such_msgs/msg/Thing: not installed here" in out
    assert "no node would start; install no_such_msgs\n" in out
    assert call(capsys, "check", "--strict", path)[0] == 1
    path = described(tmp_path, ros={"inputs": other["inputs"], "outputs": {"torque": FLOATS | {"topic": "1//"}}})
    code, _, err = call(capsys, "check", path)  # all else is checked
    assert (code, "ros.outputs.torque.topic" in err) == (2, True)


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
    """Declared, but without a projection and a topic; where it is not required, no environment needs to have it."""
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


def test_run_shows_what_the_guard_did(tmp_path, capsys):
    mean = {"observation": VALUE["observation"] | {"plausible": [[-2, -2, -0.01], [2, 2, 0.01]]}}
    torque = {"decoder": {"type": "membrane", "from": "observation", "weights": [[1.0], [0.0], [0.0]]}}
    path = described(tmp_path, inputs=mean, outputs={"torque": torque})
    command = ["run", "--env", "Pendulum-v1", "--episodes", 1, "--steps", 50, path]
    _, out, _ = call(capsys, *command, "--json")
    (row,) = json.loads(out)["episodes"]
    assert row["faults"] >= 1
    assert row["safe_ticks"] > 10
    code, out, _ = call(capsys, *command)
    assert code == 0
    assert f"the guard gave the safe command for {row['safe_ticks']} ticks" in out


def test_the_shipped_cartpole_controller_balances(capsys):
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", "--episodes", 20, "--seed", 500, "--json", "cartpole")
    assert code == 0
    assert [e["return"] for e in json.loads(out)["episodes"]] == [500.0] * 20


def test_train_stops_and_goes_on_and_writes_a_controller(tmp_path, capsys):
    common = ["train", "cartpole", "--run", tmp_path / "run", "--out", tmp_path, "--population", 4, "--episodes", 1]
    assert call(capsys, *common, "--generations", 1)[0] == 0
    first = (tmp_path / "cartpole.yaml").read_bytes()
    assert (tmp_path / "run" / "checkpoint.npz").exists()
    assert call(capsys, *common, "--generations", 2)[0] == 0
    assert (tmp_path / "cartpole.yaml").read_bytes() != first
    whole = ["--run", tmp_path / "whole", "--out", tmp_path / "whole"]
    assert call(capsys, *common, *whole, "--generations", 2)[0] == 0  # without a stop
    with np.load(tmp_path / "run" / "checkpoint.npz") as one, np.load(tmp_path / "whole" / "checkpoint.npz") as other:
        assert set(one) == set(other) == {"format", "made", "candidates", "costs"}
        assert all(np.array_equal(one[key], other[key]) for key in one)
    two = ((tmp_path / folder / "cartpole.yaml").read_text().partition("Parameters") for folder in (".", "whole"))
    assert len({text[2] for text in two}) == 1
    assert Controller.load(tmp_path / "cartpole.yaml").program.facts.period == 0.02


def test_train_goes_on_only_with_a_search_that_is_its_own(tmp_path, capsys):
    run = tmp_path / "run"
    common = ["train", "cartpole", "--run", run, "--episodes", 1]
    assert call(capsys, *common, "--generations", 1, "--population", 3, "--seed", 5)[0] == 0
    assert (
        "# Made by: snn_control train cartpole --generations 1 --population 3 --episodes 1 --seed 5\n"
        in (run / "cartpole.yaml").read_text()
    )
    for arguments, says in (
        (["train", "pan_tilt", "--run", run], f"'{run}': holds a search of the recipe cartpole, not pan_tilt"),
        ([*common, "--population", 4], "--population = 4: must be 3"),
        ([*common, "--seed", 6], "--seed = 6: must be 5"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert err.count("\n") == 1
        assert says in err
    worlds = ["--arg", "max_episode_steps=300"]
    other = tmp_path / "other"
    code, out, _ = call(capsys, "train", "cartpole", *worlds, "--run", other, "--generations", 1, "--population", 3)
    assert (code, "--env CartPole-v1 --arg max_episode_steps=300" in out) == (0, True)
    assert "train cartpole --arg max_episode_steps=300 --gen" in (other / "cartpole.yaml").read_text()
    for arguments, says in (
        ([*common, *worlds], "holds a search in other worlds: {}; give the same --arg"),
        ([*common, "--arg", "colour=red"], "unexpected keyword argument 'colour'"),
        ([*common, "--arg", "colour"], "must look like key=value"),
        (["train", "pan_tilt", "--arg", "size=[240, 180]"], "inputs.camera.size = [128, 128]: must hold the environ"),
    ):
        code, _, err = call(capsys, *arguments)
        assert code == 2
        assert says in err
    (run / "checkpoint.npz").write_bytes(b"no arrays")
    code, _, err = call(capsys, *common)
    assert code == 2
    assert "is not a checkpoint" in err
    (run / "checkpoint.npz").rename(run / "checkpoint.pkl")
    code, _, err = call(capsys, *common)
    assert code == 2
    assert "checkpoint.pkl': is of an older release and not read any more: a pickle can run code" in err


def test_the_shipped_pan_tilt_controller_is_the_one_its_recipe_makes(tmp_path):
    recipe = recipes()["pan_tilt"]
    write_controller(recipe, {name: start for name, (start, _) in recipe.parameters.items()}, tmp_path)
    made, ships = Controller.load(tmp_path / "pan_tilt.yaml"), Controller.load(shipped("pan_tilt"))
    assert made.program.digest == ships.program.digest


def test_the_shipped_pan_tilt_controller_names_the_command_that_makes_it(tmp_path, capsys):
    head = shipped("pan_tilt").read_text()
    (command,) = [line.partition(": ")[2] for line in head.splitlines() if line.startswith("# Made by: ")]
    assert call(capsys, *command.split()[1:], "--out", tmp_path)[0] == 0
    assert (tmp_path / "pan_tilt.yaml").read_text() == head


def test_the_shipped_pan_tilt_controller_tracks():
    env = gymnasium.make("sim_worlds:PanTiltTracking-v0", disable_env_checker=True, frequency=0.8, duration=3.0)
    _, info = episode(env, Controller.load(shipped("pan_tilt")), seed=6)
    assert info["score"]["lost"] == 0
    assert info["score"]["rms_error"] < 0.0262  # 1.5 degrees
    env.close()


def test_bench_measures(capsys):
    code, out, _ = call(capsys, "bench", "cartpole", "--seconds", 2, "--wake-up", 0.3, "--json")
    result = json.loads(out)
    assert code == 0
    assert 0 < result["time_us"]["loop"]["p50"] < result["time_us"]["step"]["p50"]
    assert result["stimulus"]["ticks"] == 100
    operations = result["synaptic_operations"]
    assert operations["dense"]["a_tick"] == 4 * 32 * 2 + 2 * 2  # four steps a tick; the decoder reads once
    assert operations["dense"]["a_second"] == 50 * operations["dense"]["a_tick"]
    assert 0 < operations["accumulates"]["a_tick"] < 4 * 32 * 2
    assert result["energy"]["label"].startswith("estimate, not measured")
    spent = result["energy"]["pj_a_tick"]
    expected = 0.9 * operations["accumulates"]["a_tick"] + 4.6 * operations["multiply_accumulates"]["a_tick"]
    assert spent["synapses"] == pytest.approx(expected)
    assert spent["neurons"] == pytest.approx(4 * (32 + 2) * 4.6)
    assert result["speed"]["largest_rate"]["hz"] > 50
    assert result["speed"]["times_real_time"] > 1
    assert result["advice"]


def test_bench_shows_a_stimulus_of_ones_own_and_says_what_it_found(tmp_path, capsys):
    np.savez(tmp_path / "seen.npz", observation=np.zeros((20, 4)))
    arguments = ("bench", "cartpole", "--input", tmp_path / "seen.npz", "--wake-up", 0.1)
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    for text in (
        "20 ticks of 20000 us, stimulus of seen.npz", "projections[observation -> action]", "accumulates (AC)",
        "of the weights are 0", "uW at its rate", "estimate, not measured", "largest rate:", "times real time",
    ):  # fmt: skip
        assert text in out, text


def test_a_demo_that_failed_ends_with_code_1_and_says_why(tmp_path, capsys):
    pytest.importorskip("rclpy")
    blocked = tmp_path / "world.npz"
    blocked.mkdir()
    code, _, err = call(capsys, "demo", "--duration", 2, "--lockstep", "--json", "--no-baselines", "--out", tmp_path)
    assert code == 1
    assert "world ended with code " in err
    assert str(blocked) in err


def test_the_last_line_of_the_log_of_each_failed_process_is_told(tmp_path):
    (tmp_path / "world.log").write_text("begun\nno such world\n\n")
    (tmp_path / "controller.log").write_text("fine\n")
    said = failure(tmp_path, {"world": 2, "controller": 0})
    assert said == f"world ended with code 2 ({tmp_path / 'world.log'}): no such world"


def test_a_demo_counts_the_steps_in_which_a_command_acted():
    actions = np.zeros((1000, 2))
    assert commanded(actions[:0]) == commanded(actions) == 0
    actions[:800, 1] = 0.1  # and then none for 0.2 s
    assert commanded(actions) == 0.8 < CLOSED_SHARE


def test_the_score_of_a_demo_leaves_the_first_second_out():
    error = np.full(3000, 2.0)
    error[:1000], error[1500] = 40.0, 30.0
    assert score(error, 1e-3) == {"rms_deg": pytest.approx(np.sqrt(4 + 896 / 2000), abs=1e-3),
                                  "median_deg": 2.0, "max_deg": 30.0,
                                  "lost_share": 0.0005}  # fmt: skip


def test_a_demo_says_how_rough_its_commands_were():
    commands = np.zeros((2000, 2))
    commands[:1000] = 6.0  # does not count
    commands[1000::100, 0] = 6.0
    commands[1050::100, 0] = -6.0
    found = roughness(commands, 1e-3)  # 20 ends of swings on one of two axes in 1 s; 39 changes of 6 rad/s
    assert found == {"change_rms": pytest.approx(6.0 * np.sqrt(39 / 999), abs=1e-3), "full_swings_per_s": 9.5}


def test_a_demo_says_when_its_safe_ticks_were():
    commands = np.zeros((100, 2))
    assert safe_ticks_between(commands) == safe_ticks_between(commands[:0]) == 0
    commands[20:60, 1] = 0.5  # the world begins and ends
    assert safe_ticks_between(commands) == 0
    assert "all faults, safe and stale ticks are of then" in about_the_guard(0)
    commands[30:33] = 0
    assert safe_ticks_between(commands) == 3
    assert "all safe ticks but 3 are of then" in about_the_guard(3)


def test_a_message_is_one_line_even_for_an_array():
    error = DescriptionError("weights", np.zeros((3, 2)), "must be something else")
    assert "\n" not in str(error)
    assert "  " not in str(error)


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "snn_control.cli", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("snn_control ")
