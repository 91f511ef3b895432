"""The statistics in a ``vecnormalize.pkl`` are used as stable-baselines3 does, and nothing in the file is run."""

from __future__ import annotations

import pickle

import cloudpickle
import gymnasium
import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training.teachers.trained_policy import load_policy
from tests.fixtures import fixture
from tests.training.policy_files import ACTOR, DISCRETE, MEAN, VARIANCE, data, layers, saved, statistics, written


@pytest.fixture
def policy(tmp_path):
    return written(tmp_path / "a.zip", data(), saved(ACTOR))


def normalized(policy, raw):
    path = policy.with_name("v.pkl")
    path.write_bytes(raw)
    return load_policy(policy, path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dumps", [pickle.dumps, cloudpickle.dumps])
def test_observations_are_normalized_as_in_the_training(policy, protocol, dumps):
    found = normalized(policy, statistics(protocol, dumps))
    mean, std, clip = found.normalization
    np.testing.assert_array_equal(mean, MEAN)
    np.testing.assert_array_equal(std, np.sqrt(VARIANCE + 1e-8))
    assert (mean.dtype, std.dtype, clip) == (np.float64, np.float64, 10.0)
    many = np.array([[0.0, 1.0, 2.0], [1e3, -1e3, 0.0]])
    inner = ((many - mean) / std).clip(-10, 10)
    np.testing.assert_allclose(found.raw(many), load_policy(policy).raw(inner), rtol=1e-6)
    np.testing.assert_array_equal(found(many[1]), load_policy(policy)(inner[1]))


@pytest.mark.parametrize("protocol", [2, 5])
def test_statistics_of_other_shapes_and_versions_are_read(policy, protocol):
    raw = statistics(
        protocol, mean=np.float32([[1], [2], [3]]), variance=np.asfortranarray([[1], [2], [3]]), clip_obs=5
    )
    np.testing.assert_array_equal(normalized(policy, raw).normalization.mean, [1, 2, 3])
    if protocol == 2:  # names end with a line there
        raw = raw.replace(b"numpy._core", b"numpy.core").replace(b"gymnasium.spaces", b"gym.spaces")
        np.testing.assert_allclose(normalized(policy, raw).normalization.std ** 2, [1, 2, 3])
    assert normalized(policy, statistics(protocol, norm_obs=False)).normalization is None


def test_the_statistics_of_a_public_policy():
    path = fixture("policies/ppo-BipedalWalker-v3.zip")
    policy = load_policy(path, fixture("policies/ppo-BipedalWalker-v3-vecnormalize.pkl"))
    mean, std, clip = policy.normalization
    assert (mean.shape, std.shape, clip) == ((24,), (24,), 10.0)
    np.testing.assert_allclose(policy(mean), load_policy(path)(np.zeros(24)))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"obs_rms": {"a": 1}}, "its observations are a dictionary: must be an array"),
        ({"norm_obs_keys": ["a"]}, "its observations are a dictionary"),
        ({"obs_rms": None}, "it has no RunningMeanStd"),
        ({"mean": np.zeros(4), "variance": np.ones(4)}, "it has 4 observed values, .*a.zip has 3"),
        ({"mean": np.zeros(2)}, r"its mean has the shape \(2,\), its variance \(3,\)"),
        ({"mean": np.zeros(0), "variance": np.zeros(0)}, "its mean has the shape"),
        ({"variance": -np.ones(3)}, "is not a number in its range"),
        ({"mean": np.full(3, np.nan)}, "is not a number in its range"),
        ({"epsilon": -1.0}, "is not a number in its range"),
        ({"clip_obs": 0}, "is not a number in its range"),
        ({"clip_obs": float("nan")}, "is not a number in its range"),
        ({"clip_obs": "10"}, "are not arrays"),
        ({"clip_obs": np.ones(2)}, "is not one number"),
        ({"mean": np.array([1, None, 2])}, "does not hold numbers but O8"),
        ({"mean": np.array(["a", "b", "c"])}, "does not hold numbers but U1"),
        ({"mean": MEAN.astype(complex)}, "does not hold numbers but c16"),
        ({"mean": MEAN.astype(">f8")}, "not little-endian"),
        (
            {"wrapper": gymnasium.Wrapper},
            "it names gymnasium.core.Wrapper, which is not part of observation statistics",
        ),
    ],
)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_other_statistics_are_refused_by_name(policy, protocol, changed, says):
    with pytest.raises(DescriptionError, match=f"--normalize = .*v.pkl': is not a vecnormalize.pkl .*: .*{says}"):
        normalized(policy, statistics(protocol, **changed))


def test_a_policy_that_needs_no_statistics_gets_none(policy):
    content = data(observes=DISCRETE)
    policy = written(policy, content, saved(layers("action_net", sizes=(2, 2))))
    with pytest.raises(DescriptionError, match="are one whole number"):
        normalized(policy, statistics())
    with pytest.raises(DescriptionError, match=r"--normalize = .*No such file"):
        load_policy(policy, policy.with_name("other.pkl"))
