"""Teachers begin anew with each episode, and are named where they give no action."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control import PendulumEnv

import sim_worlds.quadruped
from snn_control.cli.episodes import Player, World
from snn_control.cli.train import _others
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError, RuntimeFault, SnnControlError
from snn_control.training import train
from snn_control.training.algorithms.imitation import Imitation, ImitationSettings
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.teachers.function_policy import FunctionPolicy
from snn_control.training.teachers.teacher import teacher_of
from tests.training.test_train import small

START = Path(sim_worlds.quadruped.__file__).with_name("start.yaml")


def test_a_baseline_begins_anew_with_each_episode():
    """The open-loop trot has a phase, which is 0 where an episode begins."""
    spec, steps = load_spec(START), 5
    envs = VectorEnv(functools.partial(make, "sim_worlds:QuadrupedWalk-v0", {"duration": steps / 100}), 1, spec)
    learner = Imitation(Parameters(spec, DEFAULT, np.random.default_rng(0)), ImitationSettings())
    learner.teacher = "Trot"
    learner.begin(envs, np.random.default_rng(0))
    teach, inputs, start, said = learner.expert_labels(envs), envs.reset(5), np.ones(1, bool), []
    for _ in range(2 * steps):
        said.append(teach(inputs, start)["action"])
        found = envs.step([said[-1]])
        inputs, start = found.inputs, found.done
    envs.close()
    np.testing.assert_array_equal(said[:steps], said[steps:])
    assert np.ptp(said[:steps], axis=0).max() > 0.01


def fails(observation):
    raise ValueError("no way")


def leaves(observation):
    sys.exit(3)


NOT_ONE = 3


@pytest.mark.parametrize(
    ("teacher", "says"),
    [
        (
            lambda observation: np.zeros(4),
            r"gave the action array\(.* 0\.\]\): the environment takes Box",
        ),
        (lambda observation: None, "gave the action None"),
        (lambda observation: "0.3", "gave the action '0.3'"),
        (lambda observation: np.array([np.nan]), "gave the action .*nan"),
        (lambda observation: [1e300], "gave the action .*1e.300"),
        (lambda observation: [[1.0], [1.0, 2.0]], "gave the action"),
        ("tests.training.test_teachers:fails", "fails: raised ValueError: no way"),
        ("tests.training.test_teachers:leaves", "leaves: raised SystemExit: 3"),
        ("tests.training.test_teachers:NOT_ONE", "NOT_ONE': is not a function but 3"),
        ("tests.training.test_teachers:nobody", "nobody': cannot be imported: .* no attribute 'nobody'"),
        ("no_such_module:nobody", "cannot be imported: No module named 'no_such_module'"),
    ],
)
def test_a_teacher_that_gives_no_action_is_named(teacher, says):
    env = gymnasium.make("Pendulum-v1")
    observation, info = env.reset(seed=1)
    with pytest.raises(SnnControlError, match=f"^--teacher .*{says}"):
        teacher_of(teacher, env).command(env, observation, info)


@pytest.mark.parametrize("teacher", ["tests.training.test_teachers:fails", lambda observation: None])
def test_a_wrong_teacher_leaves_no_folder_of_a_run(teacher, tmp_path):
    with pytest.raises(RuntimeFault, match="--teacher"):
        train("cartpole", "CartPole-v1", teacher=teacher, run=tmp_path / "run", settings={"total_timesteps": 64})
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("action", "fits"), [(1, True), (np.array([1.0]), True), (0.5, False), (2, False), (-1, False)]
)
def test_a_teacher_chooses_one_of_the_actions(action, fits):
    env = gymnasium.make("CartPole-v1")
    teacher = teacher_of(lambda observation: action, env)
    if fits:
        assert teacher.command(env, *env.reset(seed=1)) == [1]
        return
    with pytest.raises(RuntimeFault, match=r"the environment takes Discrete\(2\)"):
        teacher.command(env, *env.reset(seed=1))


class Counts:
    """A controller with a state: its action is the number of actions before in the episode."""

    def __init__(self):
        self.n = -1

    def reset(self):
        self.n = -1

    def predict(self, observation, info):
        self.n += 1
        return np.array([self.n / 10]), None


class OfWorld:
    """A controller that is made for an environment."""

    def __init__(self, env):
        self.env = env

    def predict(self, observation, info):
        return np.array([self.env.max_torque]), None


class Raises:
    def predict(self, observation, info):
        raise ValueError("no way")


class Nothing:
    pass


class WithBaselines(PendulumEnv):
    BASELINES = (Counts, Raises)


@pytest.mark.parametrize("what", [Counts, "tests.training.test_teachers:Counts", "Counts"])
def test_a_teacher_with_a_state_is_a_class(what):
    env = gymnasium.wrappers.TimeLimit(WithBaselines(), 5)
    teacher = teacher_of(what, env)
    for _ in range(2):
        teacher.reset()
        observation, info = env.reset(seed=1)
        said = [float(teacher.command(env, observation, info)[0]) for _ in range(3)]
        assert said == pytest.approx([0.0, 0.1, 0.2])


def test_the_class_of_a_teacher_may_need_the_environment():
    env = gymnasium.make("Pendulum-v1")
    assert teacher_of(OfWorld, env).command(env, *env.reset(seed=1)) == [2.0]
    with pytest.raises(DescriptionError, match="Nothing': is a class without a method predict"):
        teacher_of("tests.training.test_teachers:Nothing", env)


def test_a_plain_environment_is_compared_with_its_baselines(tmp_path, monkeypatch, capsys):
    """Those of its attribute BASELINES; one that raises is named, and costs only its own line."""
    monkeypatch.setitem(
        gymnasium.registry, "Own-v0", gymnasium.envs.registration.EnvSpec("Own-v0", WithBaselines, max_episode_steps=9)
    )
    file = small("Pendulum-v1").save(tmp_path / "my.yaml")
    player = Player(World(str(file), "Own-v0", {}))
    assert player.others() == ("chance", "Counts", "Raises")
    assert player.play("Counts", 1)["return"] == player.play("Counts", 1)["return"]
    with pytest.raises(
        DescriptionError, match=r"^baseline Raises of Own-v0: raised ValueError: no way \(test_teachers"
    ):
        player.play("Raises", 1)
    assert list(_others(file, "Own-v0", {}, [1, 2])) == ["chance", "Counts"]
    assert capsys.readouterr().err.startswith("not compared: baseline Raises of Own-v0: raised ValueError")


def test_a_function_of_a_dict_is_imitated_and_not_imported():
    env = make("tests.worlds:Mixed-v0", {})
    with pytest.raises(
        DescriptionError, match=r"observes Dict.*: import needs one array; imitate it: snn_control train"
    ):
        FunctionPolicy("tests.training.test_teachers:fails", env)


def test_modules_of_the_current_folder_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_own_world.py").write_text(
        "import gymnasium\nfrom gymnasium.envs.classic_control import CartPoleEnv\n"
        "gymnasium.register('Own-v0', CartPoleEnv, max_episode_steps=9)\ndef left(observation):\n    return 0\n"
    )
    env = make("my_own_world:Own-v0", {})
    assert teacher_of("my_own_world:left", env).command(env, *env.reset(seed=1)) == [0]
    with pytest.raises(DescriptionError, match="--env = 'my_other_world:Own-v0': cannot be made: No module named"):
        make("my_other_world:Own-v0", {})
