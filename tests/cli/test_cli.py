"""The command line as a user calls it."""

from __future__ import annotations

import json
import subprocess
import sys

import gymnasium
import pytest

from snn_control.cli import COMMANDS, main
from snn_control.controller import Controller
from snn_control.resources import shipped
from snn_control.training.recipes import recipes, write_controller
from snn_control.training.rollout import episode


def call(capsys, *arguments):
    """Exit code, output and error output of a command."""
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


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
    assert out.endswith("ok\n")
    code, out, _ = call(capsys, "run", "--env", "Pendulum-v1", "--episodes", 1, "--steps", 20, "--json", path)
    assert code == 0
    assert json.loads(out)["episodes"][0]["spikes_a_second"] > 0


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


@pytest.mark.parametrize(
    ("line", "broken", "says"),
    [
        ("period: 0.05", "perod: 0.05", "rename it to 'period'"),
        ("size: 20", "size: -20", "must be a whole number >= 1"),
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
        (["check", "nothing"], "cartpole"),
        (["check", "folder/nothing.yaml"], "cannot be read"),
        (["run", "--env", "Nowhere-v0", "cartpole"], "cannot be made"),
        (["run", "--env", "Pendulum-v1", "cartpole"], "the inputs are observation (4)"),
        (["run", "--env", "CartPole-v1", "--arg", "speed", "cartpole"], "key=value"),
        (["run", "--env", "CartPole-v1", "--arg", "speed=1", "cartpole"], "cannot be made"),
        (["run", "--env", "CartPole-v1", "--episodes", "0", "cartpole"], "must be at least 1"),
        (["train", "cartpol"], "did you mean 'cartpole'"),
        (["demo", "--duration", "1"], "must be at least 2 s"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_line(capsys, arguments, says):
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert says in err


def test_the_shipped_cartpole_controller_balances(capsys):
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", "--episodes", 20, "--seed", 500, "--json", "cartpole")
    assert code == 0
    assert [e["return"] for e in json.loads(out)["episodes"]] == [500.0] * 20


def test_train_stops_and_goes_on_and_writes_a_controller(tmp_path, capsys):
    common = ["train", "cartpole", "--run", tmp_path / "run", "--out", tmp_path, "--population", 4, "--episodes", 1]
    assert call(capsys, *common, "--generations", 1)[0] == 0
    first = (tmp_path / "cartpole.yaml").read_bytes()
    assert (tmp_path / "run" / "checkpoint.pkl").exists()
    assert call(capsys, *common, "--generations", 2)[0] == 0
    assert (tmp_path / "cartpole.yaml").read_bytes() != first
    assert Controller.load(tmp_path / "cartpole.yaml").program.facts["period"] == 0.02


def test_the_shipped_pan_tilt_controller_is_the_one_its_recipe_makes(tmp_path):
    recipe = recipes()["pan_tilt"]
    write_controller(recipe, {name: start for name, (start, _) in recipe.parameters.items()}, tmp_path)
    made, ships = Controller.load(tmp_path / "pan_tilt.yaml"), Controller.load(shipped("pan_tilt"))
    assert made.program.digest == ships.program.digest


def test_the_shipped_pan_tilt_controller_tracks():
    env = gymnasium.make("sim_worlds:PanTiltTracking-v0", disable_env_checker=True, frequency=0.8, duration=3.0)
    _, info = episode(env, Controller.load(shipped("pan_tilt")), seed=6)
    assert info["score"]["lost"] == 0
    assert info["score"]["rms_error"] < 0.0262  # 1.5 degrees
    env.close()


def test_bench_measures(capsys):
    code, out, _ = call(capsys, "bench", "cartpole", "--seconds", 0.3, "--json")
    result = json.loads(out)
    assert code == 0
    assert 0 < result["step_us"]["loop"] < result["step_us"]["step"]
    assert result["advice"]


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "snn_control.cli", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("snn_control ")
