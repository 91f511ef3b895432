"""``snn_control train``, and the controllers that it made."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import gymnasium
import numpy as np
import pytest

from snn_control.cli import main
from snn_control.cli.common import keywords
from snn_control.controller import Controller
from snn_control.resources import shipped
from snn_control.training.environments.play_episode import episode
from snn_control.training.recipes import load_recipe, write_controller
from snn_control.training.result import first_episode
from tests.cli.common import call


def test_the_shipped_cartpole_controller_balances(capsys):
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", "--episodes", 20, "--seed", 500, "--json", "cartpole")
    assert code == 0
    assert [e["return"] for e in json.loads(out)["episodes"]] == [500.0] * 20


SEARCH = ["train", "cartpole", "--episodes", "1"]
NEW = ["--population", "3", "--seed", "5"]


@pytest.fixture(scope="module")
def first_generation(tmp_path_factory):
    """Folder of a search that stopped after one generation."""
    folder = tmp_path_factory.mktemp("search") / "run"
    assert main([*SEARCH, *NEW, "--generations", "1", "--run", str(folder)]) == 0
    return folder


def test_train_stops_and_goes_on_and_writes_a_controller(tmp_path, capsys, first_generation):
    shutil.copytree(first_generation, tmp_path / "run")
    first = (tmp_path / "run" / "cartpole.yaml").read_bytes()
    common = [*SEARCH, "--run", tmp_path / "run", "--out", tmp_path]
    assert call(capsys, *common, "--generations", 2)[0] == 0
    assert (tmp_path / "cartpole.yaml").read_bytes() != first
    whole = ["--run", tmp_path / "whole", "--out", tmp_path / "whole"]
    assert call(capsys, *common, *NEW, *whole, "--generations", 2)[0] == 0  # without a stop
    with np.load(tmp_path / "run" / "checkpoint.npz") as one, np.load(tmp_path / "whole" / "checkpoint.npz") as other:
        assert set(one) == set(other) == {"format", "made", "candidates", "costs"}
        assert all(np.array_equal(one[key], other[key]) for key in one)
    two = ((tmp_path / folder / "cartpole.yaml").read_text().partition("Parameters") for folder in (".", "whole"))
    assert len({text[2] for text in two}) == 1
    assert Controller.load(tmp_path / "cartpole.yaml").program.facts.period == 0.02


def test_train_goes_on_only_with_a_search_that_is_its_own(tmp_path, capsys, first_generation):
    run = shutil.copytree(first_generation, tmp_path / "run")
    common = [*SEARCH, "--run", run]
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
    assert "checkpoint.pkl': is from an older release and no longer supported: a pickle can run code" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["cartpole", "--how", "ppo"], "--how = 'ppo': is for controller files; leave it out"),
        (["cartpole", "--json"], "--json = True: is for controller files; leave it out"),
        (["pan_tilt", "--workers", 3], "--workers = 3: is not for pan_tilt; leave it out"),
        (["event_tracker", "--steps", 10], "--steps = 10: is for controller files; leave it out"),
        (["event_tracker", "--generations", 3], "--generations = 3: is not for event_tracker; leave it out"),
        (
            ["event_tracker", "--arg", "camera=noisy"],
            "--arg = ['camera=noisy']: is not for event_tracker; leave it out",
        ),
    ],
)
def test_what_a_recipe_has_no_use_for_is_refused(tmp_path, capsys, arguments, says):
    code, out, err = call(capsys, "train", *arguments, "--run", tmp_path / "run")
    assert (code, out, err) == (2, "", f"snn_control: {says}\n")
    assert not (tmp_path / "run").exists()


def test_a_recipe_is_any_python_file_with_one(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])  # the folder of a recipe is put in front
    file = tmp_path / "mine.py"
    text = shipped("cartpole", "examples/recipes", ".py").read_text()
    file.write_text(text.replace('name="cartpole"', 'name="mine"'))
    common = ["--generations", "1", "--population", "2", "--episodes", "1", "--out", str(tmp_path)]
    done = subprocess.run([sys.executable, str(file), *common], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "mine.yaml: written. Next: snn_control run --env CartPole-v1" in done.stdout
    assert Controller.load(tmp_path / "mine.yaml").program.facts.period == 0.02
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "json.py").write_text("")
    for name, says in (
        ("carpole", "RECIPE = 'carpole': is not known; did you mean 'cartpole'?"),
        (tmp_path / "none.py", "is not a file"),
        (tmp_path / "empty.py", "holds no RECIPE; see examples/recipes/cartpole.py"),
        (tmp_path / "json.py", "has the name of another module, "),
    ):
        code, _, err = call(capsys, "train", name)
        assert (code, err.count("\n"), says in err) == (2, 1, True), err


def test_a_file_of_the_user_is_not_replaced(tmp_path, capsys):
    file = tmp_path / "my.yaml"
    assert call(capsys, "new", file, "--env", "CartPole-v1")[0] == 0
    before = file.read_bytes()
    where = ["--env", "CartPole-v1", "--run", tmp_path / "run", "--steps", 20]
    code, _, err = call(capsys, "train", file, *where, "--out", file)
    assert (code, "--out = " in err, "exists already" in err) == (2, True, True)
    assert file.read_bytes() == before
    for _ in range(2):  # the second time, only evaluated
        assert call(capsys, "train", file, *where, "--out", tmp_path / "trained.yaml")[0] == 0
    (tmp_path / "trained.yaml").write_text("mine")
    assert call(capsys, "train", file, *where, "--out", tmp_path / "trained.yaml")[0] == 2
    assert call(capsys, "train", file, *where, "--out", tmp_path / "trained.yaml", "--force")[0] == 0


def test_ctrl_c_before_the_first_phase_says_that_nothing_is_trained(tmp_path, capsys):
    odd, file = ["--env", "tests.worlds:Odd-v0"], tmp_path / "my.yaml"
    assert call(capsys, "new", file, *odd, "--steps", 50)[0] == 0
    where = ["--out", tmp_path / "trained.yaml", "--run", tmp_path / "run", "--arg", f"at={first_episode(1, 0)}"]
    code, _, err = call(capsys, "train", file, *odd, *where, "--arg", "what=interrupt", "--steps", 20)
    assert code == 130
    assert "trained.yaml: not trained: it ended before the first phase\n" in err
    assert "interrupted: the same command begins again\n" in err
    assert (tmp_path / "trained.yaml").exists()


def test_values_of_arguments_are_what_they_look_like():
    given = ["a=1e-3", "b=-2E5", "c=e3", "d=0.5", "e=[1, x]", "f=true", "g=1e"]
    assert list(keywords(given).values()) == [1e-3, -2e5, "e3", 0.5, [1, "x"], True, "1e"]


def test_the_shipped_pan_tilt_controller_is_the_one_its_recipe_makes(tmp_path):
    recipe = load_recipe("pan_tilt")
    write_controller(recipe, {name: start for name, (start, _) in recipe.parameters.items()}, tmp_path)
    made, ships = Controller.load(tmp_path / "pan_tilt.yaml"), Controller.load(shipped("pan_tilt"))
    assert made.program.digest == ships.program.digest


def test_the_shipped_pan_tilt_controller_names_the_command_that_makes_it(tmp_path, capsys):
    head = shipped("pan_tilt").read_text()
    (command,) = [line.partition(": ")[2] for line in head.splitlines() if line.startswith("# Made by: ")]
    assert call(capsys, *command.split()[1:], "--out", tmp_path)[0] == 0
    assert (tmp_path / "pan_tilt.yaml").read_text() == head
    assert call(capsys, *command.split()[1:], "--out", tmp_path / "new" / "pan_tilt.yaml")[0] == 0
    assert (tmp_path / "new" / "pan_tilt.yaml").read_text() == head


def test_the_shipped_pan_tilt_controller_tracks():
    env = gymnasium.make("sim_worlds:PanTiltTracking-v0", disable_env_checker=True, frequency=0.8, duration=3.0)
    _, info = episode(env, Controller.load(shipped("pan_tilt")), seed=6)
    assert info["score"]["lost"] == 0
    assert info["score"]["rms_error"] < 0.0262  # 1.5 degrees
    env.close()
