"""Gains of what a controller sees, searched by reward: by themselves, and after imitation."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest

from snn_control import Model
from snn_control.coding import PopulationEncoder
from snn_control.controller import build_program
from snn_control.errors import DescriptionError
from snn_control.training import train, training_run
from snn_control.training.algorithms.evolution import FACTOR, EvolutionSettings, near_the_output
from snn_control.training.algorithms.gains import Gains
from snn_control.training.gradients.parameters import Parameters
from tests.training.interrupted import upright
from tests.training.test_train import DT, small


def test_gains_divide_ranges_and_change_nothing_else(monkeypatch):
    spec, settings = small("Pendulum-v1"), {"episodes": 1, "population": 4, "gains": True, "total_timesteps": 6_000}
    best = training_run.Best
    monkeypatch.setattr(training_run.TrainingRun, "_best", lambda run: best(run.stage.candidates[-1], 0.0, 0.0, 1, {}))
    trained = train(spec, "Pendulum-v1", how="evolve", seed=2, settings={"n_envs": 2} | settings)
    (low, high), (low_then, high_then) = spec.inputs[0].range, trained.spec.inputs[0].range
    gains = np.asarray(high) / high_then
    assert len(set(gains)) == 3
    assert np.all((gains > 0.2) & (gains < 5) & (gains != 1))
    assert np.asarray(low) / gains == pytest.approx(low_then, rel=1e-12)
    changed = replace(trained.spec, inputs=(replace(trained.spec.inputs[0], range=(low, high)),))
    assert build_program(changed).digest == build_program(spec).digest


def test_a_range_that_does_not_hold_0_keeps_its_middle_and_none_exceeds_what_is_plausible():
    m = Model(dt=DT, period=DT)
    fields = PopulationEncoder(neurons=4, drive=1.0)
    x = m.input("x", 2, range=([-2, 10], [1, 14]), encoder=fields)
    y = m.input("y", 2, range=(-3, 3), plausible=(-4, 3.5), not_finite="high", encoder=fields)
    for one in (x, y):
        m.output(f"u_{one.name}", one, np.full((8, 1), 0.1), limits=(-2, 2))
    learner = Gains(Parameters(m.spec(), {}, np.random.default_rng(0)), EvolutionSettings(gains=True))
    learner.begin(None, np.random.default_rng(0))
    learner._put(np.log([2.0, 0.5, 0.5, 2.0]) / FACTOR)
    found = learner.parameters.ranges.values
    assert found["x"] == pytest.approx(np.array([[-1, 8], [0.5, 16]]))
    assert found["y"] == pytest.approx(np.array([[-4, -1.5], [3.5, 1.5]]))
    assert build_program(learner.parameters.spec).constants.tolist() == learner.parameters.program.constants.tolist()


@pytest.mark.usefixtures("few_episodes")
def test_training_without_cma_ends_without_gains_and_says_so(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "cma" else found(name))
    settings = {"n_envs": 4, "n_steps": 64, "gradient_steps": 60, "total_timesteps": 4 * 256}
    trained = train(small("CartPole-v1"), "CartPole-v1", teacher=upright, seed=1, settings=settings)
    assert not any("adjusts" in row for row in trained.history)
    (said,) = (str(one) for one in trained.warnings if "cma" in one.text)
    assert said.startswith("gains: were not searched (this needs cma): pip install ")


def test_gains_need_an_input_that_has_receptive_fields():
    m = Model(dt=DT, period=DT)
    x = m.input("x", 3, range=(-2, 2))
    m.output("u", x, np.ones((3, 1)), size=1, limits=(-2, 2))
    with pytest.raises(DescriptionError, match=r"settings\.gains = True: needs a value input with receptive fields"):
        train(m.spec(), "Pendulum-v1", how="evolve", settings={"gains": True})


@pytest.mark.usefixtures("few_episodes")
def test_gains_are_searched_after_imitation_where_episodes_stay_below_the_threshold(monkeypatch):
    phases = []
    monkeypatch.setattr(training_run, "TIMES", 100)
    settings = {"n_envs": 4, "n_steps": 64, "gradient_steps": 60, "total_timesteps": 4 * 256, "gain_generations": 2}
    given = {"teacher": upright, "seed": 1, "progress": phases.append}
    trained = train(small("CartPole-v1"), "CartPole-v1", settings=settings, **given)
    assert [phase.stage for phase in phases] == ["learning"] * 4 + ["adjusting gains"] * 2
    assert ["adjusts" in row for row in trained.history] == [False] * 4 + [True] * 2
    assert phases[-1].steps == phases[-1].total_timesteps
    far = {"gains": True, "sigma": 20.0, "population": 4, "episodes": 2, "total_timesteps": 8_000}
    kept = train(trained.spec, "CartPole-v1", how="evolve", settings=far)
    assert build_program(kept.spec).digest == build_program(trained.spec).digest
    phases.clear()
    without = train(small("CartPole-v1"), "CartPole-v1", settings=settings | {"gain_generations": 0}, **given)
    assert trained.evaluation.score > without.evaluation.score
    assert [phase.stage for phase in phases] == ["learning"] * 4


def test_more_spikes_count_against_a_candidate_where_their_number_was_saved():
    spec = small("CartPole-v1")
    learner = Gains(Parameters(spec, near_the_output(spec), np.random.default_rng(0)), EvolutionSettings(gains=True))
    returns, spikes = np.array([10.0, 20.0, 20.0, 30.0]), np.array([5.0, 4.0, 6.0, 9.0])
    assert np.argsort(learner._costs(returns, spikes), kind="stable").tolist() == [3, 1, 2, 0]
    learner.counts_spikes = True
    costs = learner._costs(returns, spikes)
    assert costs[1] < costs[2]
    assert costs == pytest.approx(learner._costs(7 * returns - 3, spikes / 5))
