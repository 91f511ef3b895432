"""Whether an environment hides something is seen in random play; ``new`` then writes a network that looks back."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium.spaces import Box
from gymnasium.wrappers import TransformObservation

from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.training.starting_point.file_text import starting_point
from snn_control.training.starting_point.hidden_state import GAIN, left_by_the_past

SHOWN = {  # numbers that are no velocities
    "CartPole-v1": [0, 2],
    "Pendulum-v1": [0, 1],
    "Acrobot-v1": [0, 1, 2, 3],
    "MountainCarContinuous-v0": [0],
    "MountainCar-v0": [0],
}


def network_for(env):
    text = starting_point(env, "a command", "--env X")
    return parse_spec(yaml.load(text, Loader)), text


@pytest.mark.parametrize("name", SHOWN)
def test_only_where_velocities_are_hidden_the_network_looks_back(name):
    whole, _ = network_for(gymnasium.make(name))
    assert not any(np.any(one.delay) for one in whole.network.projections)
    env, shown = gymnasium.make(name).unwrapped, SHOWN[name]
    space = Box(-9, 9, (len(shown),))
    part, text = network_for(TransformObservation(env, lambda observation: observation[shown], space))
    back = [one for one in part.network.projections if np.any(one.delay)]
    assert [(one.pre, one.post) for one in back] == [("observation", "hidden_1")]
    assert back[0].delay == pytest.approx(2 * part.period)
    assert "# observations of 2 periods ago are read too: the past leaves " in text


def walk(rng, steps=2000, noise=0.0, every=100):
    """Position, velocity, action and starts of a mass that is pushed."""
    x, actions, first = np.zeros((steps, 2)), rng.normal(size=(steps, 1)), np.arange(steps) % every == 0
    for t in range(1, steps):
        x[t] = rng.normal(size=2) if first[t] else x[t - 1] + 0.1 * np.array([x[t - 1, 1], actions[t - 1, 0]])
    return x + noise * rng.normal(size=x.shape), actions, first


def past_helps(*given):
    left = left_by_the_past(*given)
    return left is not None and left < GAIN


def test_a_position_alone_needs_the_past_with_its_velocity_it_does_not():
    x, actions, first = walk(np.random.default_rng(1))
    assert past_helps(x[:, :1], actions, first)
    assert not past_helps(x, actions, first)
    assert past_helps(np.hstack([x[:, :1], 7 * np.ones((len(x), 1))]), actions, first)  # a number that never changes
    hidden = x[:, :1].copy()
    hidden[::50] = np.nan
    assert past_helps(hidden, actions, first)


@pytest.mark.parametrize("name", SHOWN)
def test_noise_does_not_hide_that_velocities_are_hidden(name):
    """Noise of a twentieth of each number's deviation; with it alone, the past leaves at least half of the error."""
    rng, env = np.random.default_rng(1), gymnasium.make(name)
    seen, actions, first = [], [], []
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    begins = True
    for _ in range(3000):
        action = env.action_space.sample()
        seen.append(observation)
        actions.append(np.eye(env.action_space.n)[action] if hasattr(env.action_space, "n") else action)
        first.append(begins)
        observation, _, terminated, truncated, _ = env.step(action)
        if begins := terminated or truncated:
            observation, _ = env.reset()
    x = np.array(seen, float)
    x += 0.05 * x.std(axis=0) * rng.normal(size=x.shape)
    assert left_by_the_past(x, np.array(actions, float), np.array(first)) > 0.5
    assert past_helps(x[:, SHOWN[name]], np.array(actions, float), np.array(first))


def test_a_delayed_action_needs_the_past():
    rng = np.random.default_rng(3)
    actions, first = rng.normal(size=(3000, 1)), np.arange(3000) % 100 == 0
    x = np.zeros((3000, 1))
    for t in range(4, 3000):
        x[t] = 0.9 * x[t - 1] + actions[t - 4]
    assert past_helps(x + 0.1 * rng.normal(size=x.shape), actions, first)


def test_noise_and_few_steps_say_nothing():
    rng = np.random.default_rng(2)
    x, actions, first = walk(rng, noise=1.0)
    assert not past_helps(x[:, :1], actions, first)
    assert not past_helps(rng.normal(size=(2000, 3)), actions, first)
    x, actions, first = walk(rng, steps=150)
    assert not past_helps(x[:, :1], actions, first)
    x, actions, first = walk(rng, every=2)  # no three steps of one episode
    assert not past_helps(x[:, :1], actions, first)
