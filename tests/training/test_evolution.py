"""Evolution: directions in which outputs change, limits, and searches that begin again."""

import itertools

import gymnasium
import numpy as np
import pytest

from snn_control.controller_file import Limits
from snn_control.training import train, training_run
from snn_control.training.algorithms import directions, evolution
from snn_control.training.algorithms.evolution import Evolution, EvolutionSettings, near_the_output
from snn_control.training.environments.evaluation import evaluate
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from tests.training.test_train import small


def learner_of(env_id, **settings):
    """An Evolution that has begun, and its environments."""
    spec = small(env_id)
    parameters = Parameters(spec, near_the_output(spec), np.random.default_rng(0))
    learner = Evolution(parameters, EvolutionSettings(n_envs=2, **settings))
    envs = VectorEnv(lambda: gymnasium.make(env_id), 2, spec)
    learner.begin(envs, np.random.default_rng(1))
    return learner, envs


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "Pendulum-v1"])
@pytest.mark.usefixtures("few_windows")
def test_a_step_along_a_direction_changes_the_outputs_as_promised(env_id):
    """A read-out is linear in its weights, so that the change is exact."""
    learner, envs = learner_of(env_id)
    (one,) = learner.policy
    basis = directions._basis(one)
    found = learner.student, learner.parameters, learner.policy, envs
    learner.ways = directions.directions(*found, np.random.default_rng(2), learner.size)
    windows = directions._windows(learner.student, learner.policy, envs, np.random.default_rng(2))

    def ends():
        found = []
        for seen, starts, memory in windows:
            learner.student.refresh(learner.student.batch(1))
            heads, _ = learner.student.run(seen, starts, memory)
            found.append(basis @ heads[one.name][-1, 0].astype(np.float64))
        return np.array(found)

    learner._put(np.zeros(learner.size))
    before = ends()
    unit = np.sqrt((before**2).mean())
    sizes = []
    for along in np.eye(learner.size)[:6]:
        learner._put(along)
        sizes.append(np.sqrt(((ends() - before) ** 2).sum() / len(before)) / unit)
    assert sizes[0] == pytest.approx(1, rel=1e-3)
    assert all(later <= sooner * 1.001 for sooner, later in itertools.pairwise(sizes))
    assert sizes[5] > 0.02


def test_candidates_side_by_side_have_the_returns_and_spikes_that_each_has_alone():
    learner, envs = learner_of("Pendulum-v1", episodes=3)
    candidates, found = np.random.default_rng(3).normal(size=(4, learner.size)), []
    returns, spikes = learner._played(candidates, envs, seed=5)
    for one in candidates:
        learner._put(one)
        learner.student.settle()
        found.append(evaluate(learner.parameters.program, envs.interface, envs.envs, [5, 6, 7]))
    assert returns.tolist() == [one.returns.tolist() for one in found]
    assert spikes.tolist() == [one.spikes.tolist() for one in found]
    assert len(set(returns.ravel())) == 12


def test_scores_change_in_their_differences_only():
    learner, _ = learner_of("Acrobot-v1")
    weights, bias = (p.values for p in learner.parameters.parameters)
    learner._put(np.zeros(learner.size))
    before = weights.copy(), bias.copy()
    learner._put(np.random.default_rng(0).normal(size=learner.size))
    moved = weights - before[0], bias - before[1]
    assert np.abs(moved[0]).max() > 1e-3
    assert moved[0].sum(1) == pytest.approx(0, abs=1e-5)  # (pre, actions)
    assert moved[1].sum() == pytest.approx(0, abs=1e-5)


def test_few_numbers_are_searched_each_for_itself():
    learner, _ = learner_of("Pendulum-v1", directions=0)
    assert learner.size == 25
    (weights, bias), step = (p.values for p in learner.parameters.parameters), np.zeros(25)
    before, spread = weights.copy(), weights.std()
    step[3] = 2
    learner._put(step)
    assert (weights - before).ravel() == pytest.approx(np.where(np.arange(24) == 3, 2 * spread, 0), abs=1e-7)
    assert bias.tolist() == [0]


def test_a_factor_for_each_array_adjusts_what_was_trained(monkeypatch):
    for name in ("VALIDATION_EPISODES", "COMPARISON_EPISODES", "EVALUATION_EPISODES"):
        monkeypatch.setattr(training_run, name, 2)
    monkeypatch.setattr(Evolution, "improves", False)  # so that the result is not the start
    before, settings = (
        small("CartPole-v1"),
        {"n_envs": 1, "episodes": 1, "population": 4, "factors": True, "total_timesteps": 6_000},
    )
    start = Parameters(before, DEFAULT, np.random.default_rng([2, 0])).values()
    after = train(before, "CartPole-v1", how="evolve", seed=2, settings=settings).spec
    factors = []
    for p, name in zip(after.network.projections, ("x->h.weights", "h->out.weights"), strict=True):
        ratio = p.weights / start[name]
        assert ratio == pytest.approx(ratio.mean(), rel=1e-4)
        factors.append(ratio.mean())
    assert len({round(f, 3) for f in factors}) == 2
    assert all(0 < abs(f - 1) < 1.5 for f in factors)


class Indifferent(gymnasium.Env):
    """Nothing that is done makes a difference."""

    observation_space = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32), 0.0, False, False, {}


gymnasium.register("Indifferent-v0", Indifferent, max_episode_steps=5)


@pytest.mark.usefixtures("few_windows")
def test_a_search_without_differences_begins_again_elsewhere(tmp_path, monkeypatch):
    for name in ("VALIDATION_EPISODES", "COMPARISON_EPISODES", "EVALUATION_EPISODES"):
        monkeypatch.setattr(training_run, name, 2)
    begun, new = [], Evolution._new_search
    monkeypatch.setattr(Evolution, "_new_search", lambda self, mean: begun.append(mean.copy()) or new(self, mean))
    settings = {"n_envs": 1, "episodes": 1, "population": 4, "episode_steps": 5, "total_timesteps": 20 * 20}

    def run(folder, stop=0):
        def progress(phase):
            if phase.number == stop:
                raise KeyboardInterrupt

        begun.clear()
        return train(
            small("Indifferent-v0"), "Indifferent-v0", how="evolve", settings=settings, run=folder, progress=progress
        )

    whole, means = run(tmp_path / "whole"), list(begun)
    assert len(whole.history) == 20
    assert 2 < len(means) < 6
    assert not means[0].any()
    assert (np.abs(means[1]) > 0).all()
    run(tmp_path / "parts", stop=12)
    again = run(tmp_path / "parts")
    assert np.array_equal(begun[1:], means)  # the first is of the run that then goes on from what was kept
    assert again.history == whole.history


@pytest.mark.usefixtures("few_windows")
def test_directions_are_found_again_where_the_search_has_come_to(tmp_path, monkeypatch):
    for name in ("VALIDATION_EPISODES", "COMPARISON_EPISODES", "EVALUATION_EPISODES"):
        monkeypatch.setattr(training_run, name, 2)
    monkeypatch.setattr(evolution, "TURN", 2)
    origins, begin = [], Evolution._begin
    monkeypatch.setattr(Evolution, "_begin", lambda self: origins.append(self.origin["values"].copy()) or begin(self))
    settings = {"n_envs": 2, "episodes": 2, "population": 4, "episode_steps": 500, "total_timesteps": 5 * 8 * 500}

    def run(folder, stop=0):
        def progress(phase):
            if phase.number == stop:
                raise KeyboardInterrupt

        return train(
            small("CartPole-v1"), "CartPole-v1", how="evolve", settings=settings, run=folder, progress=progress
        )

    whole = run(tmp_path / "whole")
    assert len(whole.history) == 5
    assert len(origins) == 3
    assert (origins[0] != origins[1]).any()
    run(tmp_path / "parts", stop=3)
    assert run(tmp_path / "parts").history == whole.history


@pytest.mark.parametrize("searched", [16, 0])
def test_evolved_weights_stay_within_their_limits(monkeypatch, searched):
    for name in ("VALIDATION_EPISODES", "COMPARISON_EPISODES", "EVALUATION_EPISODES"):
        monkeypatch.setattr(training_run, name, 2)
    settings = {"n_envs": 1, "population": 4, "total_timesteps": 4 * 500 * 3, "directions": searched, "sigma": 20}
    trained = train(
        small("CartPole-v1"), "CartPole-v1", how="evolve", settings=settings,
        trainable={"h->out.weights": Limits(-0.03, 0.02)},
    )  # fmt: skip
    weights = trained.spec.network.projections[1].weights
    assert weights.min() == np.float32(-0.03)
    assert weights.max() == np.float32(0.02)
