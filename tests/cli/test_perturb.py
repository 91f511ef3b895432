"""``--perturb`` of ``run`` and ``train``: its syntax, its effect, and how outputs and files name it."""

import json
from contextlib import closing

import pytest

from snn_control.analysis.robustness import GRID
from snn_control.cli import parser, watch
from snn_control.cli.common import each_alone
from snn_control.cli.episodes import World
from snn_control.cli.robustness import measure
from snn_control.controller_file import load_spec
from tests.cli.common import call

RUN = ("run", "--env", "CartPole-v1", "--alone", "--json")


def test_one_option_takes_several_pairs_and_leaves_the_file_alone():
    line = ["run", "--perturb", "a=1", "b=2:3", "my.yaml", "--perturb", "c=1", "--arg", "d=1", "e=2"]
    assert each_alone(line) == [
        "run", "--perturb", "a=1", "--perturb", "b=2:3", "my.yaml", "--perturb", "c=1", "--arg", "d=1", "e=2",
    ]  # fmt: skip
    assert each_alone(["--perturb"]) == ["--perturb"]


def test_a_run_is_perturbed_the_same_in_any_number_of_processes(capsys):
    options = ["--episodes", "3", "--steps", "60", "--perturb", "observation_delay=0:3", "dropout=0.1", "cartpole"]
    one, two = (json.loads(call(capsys, *RUN, "--jobs", n, *options)[1]) for n in (1, 2))
    assert one["perturb"] == {"observation_delay": [0, 3], "dropout": 0.1}
    drawn = [row["perturbed"] for row in one["episodes"]]
    assert len({one["observation_delay"] for one in drawn}) > 1
    assert {one["dropout"] for one in drawn} == {0.1}
    again = [row["perturbed"] for row in two["episodes"]]
    assert (drawn, one["return"]) == (again, two["return"])
    assert one["reward_threshold"] is None  # which is for the unchanged environment
    assert json.loads(call(capsys, *RUN, "--steps", "60", "--episodes", "3", "cartpole")[1])["return"] != one["return"]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("mass=1.2", "snn_control: --perturb mass = 1.2: cannot be done in CartPole-v1: it has no mass"),
        ("dropuot=1", "snn_control: --perturb dropuot = 1: is not a perturbation; did you mean 'dropout'?"),
        ("rate=2", "snn_control: --perturb rate = 2: must be a number from 0.01 to 1"),
    ],
)
def test_a_wrong_perturbation_is_one_line(capsys, pair, message):
    code, out, err = call(capsys, *RUN, "--perturb", pair, "cartpole")
    assert (code, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_training_is_perturbed_by_the_file_and_by_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(capsys, "new", "my.yaml", "--env", "CartPole-v1")[0] == 0
    with open("my.yaml", "a") as file:
        file.write("\ntraining:\n  perturb: {action_delay: [0, 1], dropout: 0.5}\n")
    train = "train", "my.yaml", "--env", "CartPole-v1", "--how", "evolve", "--steps", "1"
    options = "--set", "population=4", "--set", "n_envs=2", "--perturb", "dropout=0.1"
    code, out, err = call(capsys, *train, *options)
    assert code == 0, err
    assert "Next: snn_control run --env CartPole-v1 --perturb action_delay=0:1 dropout=0.1 " in out
    asked = json.loads((tmp_path / "runs/train-my/run.json").read_text())
    assert asked["arguments"] == {"--perturb": {"action_delay": [0, 1], "dropout": 0.1}}
    made = tmp_path / "runs/train-my/my_trained.yaml"
    assert " --perturb action_delay=0:1 dropout=0.1 " in made.read_text().splitlines()[0]
    assert load_spec(made).training.perturb.texts == ["action_delay=0:1", "dropout=0.5"]
    assert "is for controller files" in call(capsys, "train", "cartpole", "--perturb", "bias=1")[2]


def test_robustness_is_a_table_and_a_page(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(GRID, "action_delay", (1, 8))
    for name in set(GRID) - {"action_delay", "dropout"}:
        monkeypatch.setitem(GRID, name, ())
    run = "run", "--env", "CartPole-v1", "--robustness", "--episodes", "2", "--steps", "60", "--jobs", "1"
    code, out, err = call(capsys, *run, "--json", "cartpole")
    assert (code, err) == (0, "")
    told = json.loads(out)
    one = told["perturbations"]["action_delay"]["actors"]["controller"]
    assert (told["nominal"], told["episodes"], told["seed"]) == ({"controller": 60.0}, 2, 0)
    assert one["return"][0] == 60 > one["return"][1]
    assert one["share"] == [(score - told["chance"]) / (60 - told["chance"]) for score in one["return"]]
    assert 1 < one["falls_below_half"]["above"] < 8
    page = (tmp_path / "runs/robustness-cartpole.html").read_text()
    assert "Robustness of cartpole in CartPole-v1" in page
    code, out, _ = call(capsys, *run, "--out", "own.html", "cartpole")
    assert code == 0
    assert "action_delay" in out
    assert "page: own.html" in out
    for wrong, message in (
        (["--out", "own.html"], "--out = 'own.html': exists already"),
        (["--out", "own.txt"], "--out = 'own.txt': must end with .html"),
        (["--record", "a.npz"], "--record = 'a.npz': is not for --robustness"),
    ):
        assert message in call(capsys, *run, *wrong, "cartpole")[2]
    assert "is for --robustness" in call(capsys, "run", "--env", "CartPole-v1", "--out", "a.html", "cartpole")[2]


def test_robustness_in_processes_is_the_same_beside_the_baselines(capsys, monkeypatch):
    for name in set(GRID) - {"mass"}:
        monkeypatch.setitem(GRID, name, ())
    monkeypatch.setitem(GRID, "mass", (2.0,))
    world = World("swing_up", "sim_worlds:CartPoleSwingUp-v0", {"duration": 0.2})
    one, two = (measure(world, 2, 7, jobs) for jobs in (1, 2))
    assert one == two
    assert set(one.nominal) == {"controller", "EnergyLQR"}


def test_a_watched_world_is_perturbed(capsys):
    options = parser().parse_args(["watch", "--env", "CartPole-v1", "--perturb", "observation_delay=3", "cartpole"])
    with closing(watch._world(options)) as source:
        assert source.scene()["title"] == "cartpole in CartPole-v1 observation_delay=3"
        marks: list[str] = []
        while not marks:
            marks += [mark["text"] for header, _ in source.frames() for mark in header["marks"]]
        assert marks[0] == "seed 0, observation_delay 3"
    code, _, err = call(capsys, "watch", "cartpole", "--perturb", "observation_delay=3")
    assert code == 2
    assert err.startswith("snn_control: --perturb = 'observation_delay=3': is for a simulated world")
