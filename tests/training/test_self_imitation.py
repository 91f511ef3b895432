"""Tests of `SelfImitation`, which trains a controller to repeat its own actions with fewer spikes."""

import functools

import numpy as np
import pytest

from snn_control.controller import Batch, build_program
from snn_control.training import train
from snn_control.training.algorithms import self_imitation as sparing
from snn_control.training.algorithms.distributions import COLD
from snn_control.training.algorithms.imitation import ImitationSettings
from snn_control.training.algorithms.self_imitation import SelfImitation
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.gradients.student import heads_of
from tests.training.test_train import small


@pytest.fixture
def learner_and_worlds():
    """A learner of CartPole in four environments, reset."""
    spec = small("CartPole-v1")
    envs = VectorEnv(functools.partial(make, "CartPole-v1", {}), 4, spec)
    learner = SelfImitation(Parameters(spec, DEFAULT, np.random.default_rng(0)), ImitationSettings())
    learner.learned = build_program(learner.parameters.spec)
    learner.begin(envs, np.random.default_rng(0))
    yield learner, envs
    envs.close()


def test_the_teacher_is_the_controller_as_it_was_learned(learner_and_worlds):
    learner, envs = learner_and_worlds
    teach, inputs, start = learner.expert_labels(envs), envs.reset(5), np.ones(4, bool)
    same = Batch(learner.learned, 4, learner.learned.facts.repeat)
    for step in range(12):
        if step == 7:
            start[2] = True
        found = teach(inputs, start)["u"]
        same.reset(start)
        same.step(inputs)
        scores = same.bound.array(heads_of(learner.learned)["u"])
        p = np.exp(scores / COLD)
        p /= p.sum(1, keepdims=True)
        p[np.arange(4), scores.argmax(1)] += 1
        np.testing.assert_allclose(found, p / 2, rtol=1e-5)
        start = np.zeros(4, bool)
        inputs = envs.step([np.array([[0.0], [1.0], [0.0], [1.0]], np.float32)]).inputs


def test_in_a_group_of_environments_all_take_the_command_of_the_first(learner_and_worlds):
    learner, _ = learner_and_worlds
    own = np.arange(5.0)[:, None]
    mixed = learner.mixed_actions(learner.policy[0], own, own, np.zeros(5, bool))
    assert mixed[:, 0].tolist() == [0, 0, 2, 2, 4]


def test_spikes_become_dearer_until_there_are_as_few_as_wanted(learner_and_worlds):
    learner, envs = learner_and_worlds
    rates, prices = [], []
    for phase, target in enumerate((0.3, 0.3, 10.0)):
        learner.spike_target = target
        rates.append(learner.phase(envs, 3 + phase, np.random.default_rng(1), 1.0)["rate"])
        prices.append(learner.spike_price)
    first = learner.numbers[2]
    assert rates[1] < 0.7 * rates[0] < 0.7 * first
    assert prices[0] > learner.settings.spike_cost
    assert prices[2] < 0.5 * prices[1]


def test_the_newest_steps_are_kept(learner_and_worlds, monkeypatch):
    learner, envs = learner_and_worlds
    monkeypatch.setattr(sparing, "MOST", 3 * learner.settings.sequence_length)
    learner.collect(envs, 3, np.random.default_rng(1))
    whole = {key: value.copy() for key, value in learner.data.items()}
    assert {len(value) for value in whole.values()} == {3}
    learner.collect(envs, 4, np.random.default_rng(1))
    assert {len(value) for value in learner.data.values()} == {3}
    assert not np.array_equal(learner.data["memory"], whole["memory"])


@pytest.mark.usefixtures("few_episodes")
def test_spikes_are_saved_after_learning_unless_they_have_no_price(monkeypatch):
    monkeypatch.setattr(sparing, "CHANGED", {"n_envs": 8, "gradient_steps": 20})
    phases = []
    settings = {"n_envs": 4, "n_steps": 64, "rollouts": 8, "total_timesteps": 2 * 2048, "gain_generations": 2}
    given = {"arguments": {"max_episode_steps": 256}, "progress": phases.append}
    trained = train(small("CartPole-v1"), "CartPole-v1", settings=settings, **given)
    assert ["saves" in row for row in trained.history] == [False] * 2 + [True] * 2 + [False] * 2
    assert ["adjusts" in row for row in trained.history] == [False] * 4 + [True] * 2
    assert [phase.stage for phase in phases] == ["learning"] * 2 + ["reducing spikes"] * 2 + ["adjusting gains"] * 2
    assert phases[3].spikes < 0.9 * phases[1].spikes
    assert phases[3].steps == phases[3].total_timesteps == 4 * 2048
    assert phases[-1].steps == phases[-1].total_timesteps
    phases.clear()
    settings |= {"spike_cost": 0.0, "gain_generations": 0}
    train(small("CartPole-v1"), "CartPole-v1", settings=settings, **given)
    assert [phase.stage for phase in phases] == ["learning"] * 2
