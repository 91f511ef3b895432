"""Training in difficult environments, through the command line."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.errors import RuntimeFault
from snn_control.training import trainer, training_run
from snn_control.training.environments import gymnasium_calls as calls
from snn_control.training.environments import vector_env as environments
from snn_control.training.starting_point.file_text import starting_point
from tests.cli.common import call
from tests.worlds.trying import Corners, Mixed

pytestmark = pytest.mark.usefixtures("no_page")


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    for module, name, value in (
        (training_run, "VALIDATION_EPISODES", 3),
        (training_run, "COMPARISON_EPISODES", 4),
        (training_run, "EVALUATION_EPISODES", 4),
        (calls, "LIMIT", 30),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(trainer, "LIMIT", 30)


NEW = {}  # environment -> the file that `new` writes for it


def trains(tmp_path, capsys, identity, *more, steps=1_000):
    """The code, report and errors of new and train."""
    file, world = tmp_path / "my.yaml", ["--env", identity, *more]
    if identity not in NEW:
        assert call(capsys, "new", file, "--env", identity, "--steps", 300)[0] == 0
        NEW[identity] = file.read_bytes()
    file.write_bytes(NEW[identity])
    out = ["--out", tmp_path / "trained.yaml", "--run", tmp_path / "run"]
    code, text, err = call(capsys, "train", file, *world, *out, "--steps", steps, "--json")
    return code, json.loads(text) if text else None, err


def test_a_dict_of_everything_chooses_twice(tmp_path, capsys):
    code, found, err = trains(tmp_path, capsys, "tests.worlds:Mixed-v0", steps=6_000)
    assert code == 0, err
    assert found["mean"] > found["compared"]["chance"]["mean"] + 3  # of 40, chance 16.7
    assert 13 < found["compared"]["chance"]["mean"] < 20
    spec = parse_spec(yaml.load((tmp_path / "my.yaml").read_text(), Loader))
    (free,) = [one for one in spec.inputs if one.name == "free"]
    assert np.abs(free.range).max() < 1e5  # what stands for an error is not what the range is made for


def test_actions_are_of_the_spaces_own_numbers(tmp_path, capsys):
    code, found, err = trains(tmp_path, capsys, "tests.worlds:Corners-v0")
    assert code == 0, err
    assert found["how"] == "sac"
    interface = environments.Interface(
        parse_spec(yaml.load((tmp_path / "my.yaml").read_text(), Loader)),
        Corners.observation_space,
        Corners.action_space,
    )
    for action in interface.act([np.array([[0.3, -0.7], [0.7, 0.1], [0.5, 0.0]])]):
        assert Corners.action_space.contains(action)


def test_an_episode_without_an_end_is_cut_and_that_is_said(tmp_path, capsys):
    code, found, err = trains(tmp_path, capsys, "tests.worlds:Mixed-v0", "--arg", "steps=0")
    assert code == 0, err
    assert "does not limit its episodes: they are cut after 30 steps; --arg max_episode_steps=N" in err
    assert found["arguments"] == {"steps": 0, "max_episode_steps": 30}
    assert found["best"] <= 60
    # the command that made the file: with a limit, gamma would be another
    assert "max_episode_steps" not in (tmp_path / "trained.yaml").read_text()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("raise", "Mixed-v0: its step raised ValueError: the simulator lost contact"),
        ("reward", "Mixed-v0: gave a reward of nan"),
        ("rewards", "Mixed-v0: gave a reward of array([1., 2.]): must be one number; add up"),
        ("old", "Mixed-v0: its step raised ValueError: not enough values to unpack"),
    ],
)
def test_what_goes_wrong_in_an_environment_is_one_line(tmp_path, capsys, fault, says):
    code, found, err = trains(tmp_path, capsys, "tests.worlds:Mixed-v0", "--arg", f"fault={fault}")
    assert (code, found) == (1, None)
    assert says in err
    assert "Traceback" not in err
    assert not (tmp_path / "trained.yaml").exists()


@pytest.fixture(scope="module")
def spec():
    return parse_spec(yaml.load(starting_point(Mixed(), "a command", "--env X", steps=100), Loader))


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("huge", r"gave a reward of 1e\+308: must be within \+-1e\+12"),
        ("exit", "its step raised SystemExit: 3"),
        ("ends", r"gave terminated = array\(\[ True, False\]\): must be True or False"),
        ("no end", "gave truncated = None: must be True or False"),
        ("grows", "gave an observation that is not of its own space: 6 numbers, not 3"),
        ("shrinks", "gave an observation that is not of its own space: 2 numbers, not 3"),
    ],
)
def test_an_environment_that_breaks_a_rule_is_named(spec, fault, says):
    envs = environments.VectorEnv(lambda: Mixed(fault=fault), 1, spec)
    envs.reset(seed=1)
    commands = [np.zeros((1, 1)) for _ in envs.interface.outputs]
    for _ in range(99):
        envs.step(commands)
    with pytest.raises(RuntimeFault, match=f"^Mixed: {says}"):
        envs.step(commands)


def test_numbers_that_an_input_replaces_are_no_fault(spec):
    (free,) = (one for one in spec.inputs if one.name == "free")
    assert free.not_finite == "high"
    for rule, counted in (("high", set()), ("reject", {"free"}), (("high", "hold", "reject"), {"free"})):
        inputs = tuple(replace(one, not_finite=rule) if one is free else one for one in spec.inputs)
        envs = environments.VectorEnv(Mixed, 1, replace(spec, inputs=inputs))
        envs.reset(seed=1)
        for _ in range(99):
            envs.step([np.zeros((1, 1)) for _ in envs.interface.outputs])
        assert set(envs.not_finite) == counted


def test_a_critic_is_told_finite_numbers(spec):
    world = Mixed()
    interface = environments.Interface(spec, world.observation_space, world.action_space)
    observation = world.reset(seed=1)[0] | {"free": np.array([np.nan, -1e300, 1e30])}
    names = interface.observed
    seen = np.split(interface.features(interface.observe([observation]))[0], [4, 6, 9, 10, 12])
    assert dict(zip(names, seen, strict=True))["free"].tolist() == [0, -10, 10]
