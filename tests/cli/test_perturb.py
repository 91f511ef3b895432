"""``--perturb`` of ``run`` and ``train``: how it is written, what it changes, and that it is told."""

import json

import pytest

from snn_control.cli.common import each_alone
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
