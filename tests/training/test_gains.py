"""Gains of what a controller sees, searched by reward: by themselves, and after imitation."""

from dataclasses import replace

import numpy as np
import pytest

from snn_control import Model
from snn_control.controller import build_program
from snn_control.errors import DescriptionError
from snn_control.training import train
from snn_control.training.evolution import EvolutionSettings, near_the_output
from snn_control.training.gains import Gains
from snn_control.training.parameters import Parameters
from tests.training.interrupted import upright
from tests.training.test_train import DT, few_episodes, small  # noqa: F401


def test_gains_divide_ranges_and_change_nothing_else():
    spec, settings = small("Pendulum-v1"), {"episodes": 1, "population": 4, "gains": True, "budget": 6_000}
    trained = train(spec, "Pendulum-v1", how="evolve", seed=2, settings={"environments": 2} | settings)
    (low, high), (low_then, high_then) = spec.inputs[0].range, trained.spec.inputs[0].range
    gains = np.asarray(high) / high_then
    assert len(set(gains)) == 3
    assert np.all((gains > 0.2) & (gains < 5) & (gains != 1))
    assert np.asarray(low) / gains == pytest.approx(low_then, rel=1e-12)
    changed = replace(trained.spec, inputs=(replace(trained.spec.inputs[0], range=(low, high)),))
    drawn = Parameters(spec, near_the_output(spec), np.random.default_rng([2, 0])).spec
    assert build_program(changed).digest == build_program(drawn).digest


def test_gains_need_an_input_that_has_receptive_fields():
    m = Model(dt=DT, period=DT)
    x = m.input("x", 3, range=(-2, 2))
    m.output("u", x, np.ones((3, 1)), size=1, limits=(-2, 2))
    with pytest.raises(DescriptionError, match=r"settings\.gains = True: needs a value input with receptive fields"):
        train(m.spec(), "Pendulum-v1", how="evolve", settings={"gains": True})


@pytest.mark.usefixtures("few_episodes")
def test_gains_are_searched_after_imitation_where_episodes_stay_below_the_threshold():
    phases = []
    settings = {"environments": 4, "steps": 64, "updates": 60, "budget": 4 * 256, "adjust": 4}
    given = {"teacher": upright, "seed": 1, "progress": phases.append}
    trained = train(small("CartPole-v1"), "CartPole-v1", settings=settings, **given)
    assert [phase.stage for phase in phases] == ["learning"] * 4 + ["adjusting gains"] * 4
    assert ["adjusts" in row for row in trained.history] == [False] * 4 + [True] * 4
    assert phases[-1].steps == phases[-1].budget
    assert trained.validation > max(row["score"] for row in trained.history[:4])
    phases.clear()
    train(small("CartPole-v1"), "CartPole-v1", settings=settings | {"adjust": 0}, **given)
    assert [phase.stage for phase in phases] == ["learning"] * 4


def test_more_spikes_count_against_a_candidate_where_their_number_was_saved():
    spec = small("CartPole-v1")
    learner = Gains(Parameters(spec, near_the_output(spec), np.random.default_rng(0)), EvolutionSettings(gains=True))
    returns, spikes = np.array([10.0, 20.0, 20.0, 30.0]), np.array([5.0, 4.0, 6.0, 9.0])
    assert np.argsort(learner._costs(returns, spikes), kind="stable").tolist() == [3, 1, 2, 0]
    learner.keeps_few = True
    costs = learner._costs(returns, spikes)
    assert costs[1] < costs[2]
    assert costs == pytest.approx(learner._costs(7 * returns - 3, spikes / 5))
