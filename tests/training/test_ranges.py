"""Ranges of inputs follow the observed values, in the Program and in the file."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.controller import build_program
from snn_control.controller_file import load_spec
from snn_control.resources import controller_path
from snn_control.training import train
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.gradients.ranges import around

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


def test_ranges_stay_where_the_settings_say_so():
    small = {"n_envs": 4, "n_steps": 64, "total_timesteps": 1_000, "rollouts": 2}
    fitted, kept = (train("cartpole", "CartPole-v1", settings={**small, "fit_ranges": fit}) for fit in (True, False))
    own = load_spec(controller_path("cartpole")).inputs[0].range
    np.testing.assert_array_equal(np.stack(kept.spec.inputs[0].range), np.stack(own))
    assert not np.array_equal(np.stack(fitted.spec.inputs[0].range), np.stack(own))
