"""``snn_control import POLICY``: what it writes, what it prints, and what it refuses."""

import json

import numpy as np
import pytest

from snn_control import Controller
from snn_control.controller_file import load_spec
from tests.fixtures import fixture
from tests.training.policy_files import mlp, onnx_layers, statistics

from .common import call

QUICK = ("--arg", "max_episode_steps=40", "--set", "n_rounds=2", "--set", "gradient_steps=30", "--spikes", "90")


def swing(observation):
    """A policy that is a function."""
    cos, sin, speed = observation
    return np.array([np.clip(-8 * np.arctan2(sin, cos) - 2 * speed, -2, 2)], np.float32)


def spin(observation):
    """A policy that is worse than random actions."""
    return np.array([2.0 if observation[2] >= 0 else -2.0], np.float32)


@pytest.fixture
def pendulum(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(policy, *more, env="Pendulum-v1"):
        return call(capsys, "import", policy, "--env", env, "--out", tmp_path / "a.yaml", *QUICK, *more)

    return run


def test_a_policy_becomes_a_controller_file_and_the_numbers_of_a_comparison(pendulum, tmp_path):
    code, out, _ = pendulum(fixture("policies/sac-Pendulum-v1.zip"), "--least", "0.5", "--json")
    found = json.loads(out)
    assert code == 0
    assert found.keys() >= {
        "policy_return", "return", "share", "share_low", "spikes", "skip_share", "cpu_s", "episodes",
    }  # fmt: skip
    assert found["episodes"] == 100
    assert found["share_low"] <= found["share"]
    assert found["share"] > 0.9
    assert found["policy_nanojoule"] > found["policy_int8_nanojoule"] > 0
    command = Controller.load(tmp_path / "a.yaml").step({"observation": [1.0, 0.0, 0.0]})["action"]
    assert command.shape == (1,)
    assert (tmp_path / "runs/import-a/report.html").is_file()
    assert "Made by: snn_control import" in (tmp_path / "a.yaml").read_text()


def test_beyond_the_episodes_the_observation_is_limited_and_counted(pendulum, tmp_path):
    code, out, _ = pendulum(fixture("policies/sac-Pendulum-v1.zip"), "--least", "0.5")
    assert code == 0
    assert "limited to the `range` of the input" in out
    assert "note: during a fault the commands are 0: for positions" in out
    controller = Controller.load(tmp_path / "a.yaml")
    (one,) = load_spec(tmp_path / "a.yaml").inputs
    low, high = np.array(one.range)
    assert (low[:2] >= -2.01).all()  # cosine and sine, and half of their span
    assert (high[:2] <= 2.01).all()
    far = controller.step({"observation": [-1e3, 1e3, 1e6]})["action"]
    assert controller.counters()["inputs"]["observation"]["clamped"] > 0
    controller.reset()
    assert controller.step({"observation": [low[0], high[1], high[2]]})["action"] == far


def test_the_same_command_replaces_its_own_file_and_no_other(pendulum, tmp_path):
    policy = "tests.cli.test_import_policy:swing"
    assert pendulum(policy, "--least", "-9", "--keep", "--json")[0] in (0, 1)
    first = (tmp_path / "a.yaml").read_bytes()
    assert pendulum(policy, "--least", "-9", "--keep", "--json")[0] in (0, 1)  # as after an interruption
    assert (tmp_path / "a.yaml").read_bytes() == first
    (tmp_path / "a.yaml").write_text("mine")
    code, _, error = pendulum(policy, "--least", "-9", "--keep", "--json")
    assert (code, "exists already; choose another name, or give --force" in error) == (2, True)
    assert (tmp_path / "a.yaml").read_text() == "mine"


def test_other_statistics_are_another_run(pendulum, tmp_path):
    policy, file = fixture("policies/sac-Pendulum-v1.zip"), tmp_path / "n.pkl"
    file.write_bytes(statistics(mean=np.zeros(3), variance=np.ones(3)))
    assert pendulum(policy, "--normalize", file, "--least", "-9", "--json")[0] in (0, 1)
    file.write_bytes(statistics(mean=np.zeros(3), variance=np.full(3, 0.01)))
    code, _, error = pendulum(policy, "--normalize", file, "--least", "-9", "--json")
    assert (code, "holds a run of another normalize_digest" in error) == (2, True), error


def test_weights_beyond_all_use_are_refused_as_those_of_the_policy(pendulum, tmp_path):
    pytest.importorskip("onnx")
    layers = onnx_layers(3, 4, 1)
    (tmp_path / "p.onnx").write_bytes(mlp(constants={name: np.full_like(one, 1e38) for name, one in layers.items()}))
    code, _, error = pendulum(tmp_path / "p.onnx", "--json")
    assert (code, "its weights are not finite, or beyond 1e+09" in error) == (2, True), error


def test_too_little_is_not_written_unless_it_is_kept(pendulum, tmp_path):
    policy = "tests.cli.test_import_policy:swing"
    code, _, error = pendulum(policy, "--least", "2", "--json")
    assert code == 1
    assert "below --least 2" in error
    assert not (tmp_path / "a.yaml").exists()
    code, out, error = pendulum(policy, "--least", "2", "--keep", "--json")  # resumed: only compared
    assert code == 1
    assert (tmp_path / "a.yaml").exists()
    assert json.loads(out)["skip_share"] >= 0


def test_a_policy_that_is_worse_than_chance_is_named_instead_of_a_share_of_its_return(pendulum, tmp_path):
    code, _, error = pendulum("tests.cli.test_import_policy:spin", "--least", "-100", "--json")
    assert code == 1
    assert "not written: the policy itself is no better than random actions: the statistics of its VecNorm" in error
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (("--set", "rounds=3"), "n_rounds"),
    (("--set", "n_rounds=0"), "n_rounds"),
    (("--spikes", "0"), "--spikes"),
    (("--skip", "deep"), "deep"),
    (("--normalize", "a.pkl"), "--normalize"),
])  # fmt: skip
def test_wrong_options_are_refused_before_anything_runs(pendulum, tmp_path, arguments, message):
    try:
        code, _, error = pendulum("tests.cli.test_import_policy:swing", *arguments)
    except SystemExit as end:  # argparse
        code, error = end.code, message
    assert code == 2
    assert message in error
    assert not (tmp_path / "runs").exists()


def test_a_policy_of_another_environment_is_refused_by_its_sizes(pendulum):
    code, _, error = pendulum(fixture("policies/sac-Pendulum-v1.zip"), env="CartPole-v1")
    assert code == 2
    assert "3" in error
    assert "4" in error


def test_a_policy_needs_an_environment(capsys):
    code, _, error = call(capsys, "import", "a.zip", "--out", "a.yaml")
    assert code == 2
    assert "--env" in error
