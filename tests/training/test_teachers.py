"""Teachers begin anew with each episode, and are named where they give no action."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import gymnasium
import numpy as np
import pytest

import sim_worlds.quadruped
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError, RuntimeFault, SnnControlError
from snn_control.training import train
from snn_control.training.algorithms.imitation import Imitation, ImitationSettings
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.teachers.teacher import teacher_of

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
