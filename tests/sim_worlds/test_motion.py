"""Paths of the target."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim_worlds.pan_tilt.motion import AMPLITUDE, MOTIONS, target_path

T = np.arange(11001) * 1e-3


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("frequency", [0.3, 0.8])
def test_every_motion_stays_within_reach_of_the_head(motion, frequency):
    for seed in range(5):
        path = target_path(motion, frequency, T, np.random.default_rng(seed))
        assert path.shape == (T.size, 2)
        assert np.all(np.abs(path).max(axis=0) <= np.array(AMPLITUDE) * 1.251)
        speed = np.abs(np.diff(path, axis=0)) / 1e-3
        assert speed.max() < 6.0
        assert np.ptp(path[:, 0]) > 0.5 * AMPLITUDE[0]  # it moves
        assert np.abs(np.diff(path, 2, axis=0)).max() / 1e-6 < 60.0


def test_the_default_motion_is_the_two_sinusoids():
    path = target_path("sinusoid", 0.8, T, np.random.default_rng(4))
    for axis, (amplitude, frequency) in enumerate(((40.0, 0.8), (15.0, 1.3 * 0.8))):
        basis = np.stack([f(math.tau * frequency * T) for f in (np.sin, np.cos)], axis=1)
        weights, residual, *_ = np.linalg.lstsq(basis, path[:, axis], rcond=None)
        assert residual[0] < 1e-18
        assert math.degrees(math.hypot(*weights)) == pytest.approx(amplitude)


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_path_belongs_to_its_seed(motion):
    first, again, other = (target_path(motion, 0.5, T, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1
