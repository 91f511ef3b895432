"""Ranges of inputs follow the observed values, in the Program and in the file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snn_control.controller import build_program
from snn_control.controller_file import ControllerSpec, load_spec
from snn_control.resources import controller_path
from snn_control.training import train
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.gradients.ranges import around, widened
from tests.training.test_train import small

SMALL = {"n_envs": 4, "n_steps": 64, "total_timesteps": 1_000}
WIDE = np.array([[-10.0, -1.0, 0.0], [10.0, 1.0, 5.0]])


def test_a_range_is_laid_around_what_was_met():
    rng = np.random.default_rng(1)
    met = np.stack([rng.normal(0, 1, 5000), rng.uniform(-1, 1, 5000), rng.integers(0, 2, 5000)], axis=1)
    found = around(WIDE, met)
    assert (np.abs(found[:, 0]) > 2).all(), "what was met is within"
    assert (np.abs(found[:, 0]) < 5).all(), "ten times too wide"
    np.testing.assert_array_equal(found[:, 1:], WIDE[:, 1:])  # fits; whole numbers


def test_a_range_that_is_too_narrow_grows_and_few_samples_say_nothing():
    met = np.random.default_rng(1).normal(0, 30, (5000, 1))
    assert around(WIDE[:, :1], met)[1, 0] > 50
    np.testing.assert_array_equal(around(WIDE[:, :1], met[:100]), WIDE[:, :1])
    holes = np.where(np.random.default_rng(2).random(met.shape) < 0.3, np.inf, met)
    assert np.isfinite(around(WIDE[:, :1], holes)).all()


def test_the_program_is_that_of_the_file_with_the_new_ranges():
    parameters = Parameters(load_spec(controller_path("cartpole")), DEFAULT, np.random.default_rng(0))
    if not parameters.ranges.values:
        pytest.fail("cartpole has fields over the range of its input")
    before = parameters.values()
    for p in parameters.parameters:
        p.values[...] *= 1.5
    parameters.write()
    (name, ends), *_ = parameters.ranges.values.items()
    met = np.random.default_rng(0).normal(0, 1, (1000, ends.shape[1])) * 7
    assert parameters.ranges.fit({name: met})
    assert not parameters.ranges.fit({name: met})
    assert not np.array_equal(parameters.values()[f"{name}.range"], before[f"{name}.range"])
    built = build_program(parameters.spec)
    np.testing.assert_array_equal(built.constants, parameters.program.constants)
    parameters.take(before)
    np.testing.assert_array_equal(build_program(parameters.spec).constants, parameters.program.constants)


def test_a_range_is_widened_where_values_leave_it_and_never_narrowed():
    rng = np.random.default_rng(1)
    few_outside = np.where(rng.random(5000) < 0.005, 1.5, rng.uniform(-1, 1, 5000))
    met = np.stack([rng.normal(0, 1, 5000), few_outside, rng.normal(4, 2, 5000)], axis=1)
    found = widened(WIDE, met)
    np.testing.assert_array_equal(found[:, :2], WIDE[:, :2])  # ten times too wide; half a percent of the values outside
    assert found[0, 2] <= 0
    assert found[1, 2] > 9


def narrow(env: str) -> ControllerSpec:
    """An untrained controller whose range of the observation is too narrow."""
    spec = small(env)
    low, high = (np.asarray(end) / 20 for end in spec.inputs[0].range)
    return replace(spec, inputs=(replace(spec.inputs[0], range=(low, high)),))


@pytest.mark.usefixtures("few_episodes")
def test_training_widens_ranges_that_its_controller_leaves_unless_the_settings_say_no():
    spec = narrow("CartPole-v1")
    low, high = spec.inputs[0].range
    wider, kept = (train(spec, "CartPole-v1", settings={**SMALL, "widen_ranges": widen}) for widen in (True, False))
    np.testing.assert_array_equal(np.stack(kept.spec.inputs[0].range), [low, high])
    assert (wider.spec.inputs[0].range[0] < low).any()
    assert (wider.spec.inputs[0].range[1] > high).any()
    assert not any("beyond its range" in one.text for one in wider.warnings)
    assert any("beyond its range" in one.text for one in kept.warnings)
    assert wider.history[0]["ranges_widened"] > 0
    assert "ranges_widened" not in kept.history[0]


@pytest.mark.usefixtures("few_episodes")
@pytest.mark.parametrize("env", ["CartPole-v1", "Pendulum-v1"])  # ppo, sac
def test_a_run_that_is_resumed_after_ranges_were_widened_gives_the_same_bits(env, tmp_path):
    settings = SMALL if env == "CartPole-v1" else {**SMALL, "learning_starts": 100, "train_freq": 16}

    def stop(phase):
        if phase.number == 2:
            raise KeyboardInterrupt

    whole = train(narrow(env), env, settings=settings)
    train(narrow(env), env, settings=settings, run=tmp_path / "run", progress=stop)
    resumed = train(narrow(env), env, settings=settings, run=tmp_path / "run")
    assert whole.history[0]["ranges_widened"] > 0
    assert resumed.resumed > 0
    assert build_program(resumed.spec).digest == build_program(whole.spec).digest
