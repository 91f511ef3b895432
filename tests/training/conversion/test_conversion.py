"""Conversion of a policy: its layers, its thresholds, its loss, and a whole conversion in a small environment."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control import Controller
from snn_control.controller import Batch, build_program
from snn_control.training.algorithms.heads import Head
from snn_control.training.conversion.conversion import Conversion
from snn_control.training.conversion.rectified import rectified
from snn_control.training.conversion.settings import ConversionSettings
from snn_control.training.conversion.spiking import spiking_controller, thresholds
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.progress import Folder
from snn_control.training.result import VALIDATION
from snn_control.training.teachers.trained_policy import TrainedPolicy
from tests.fixtures import fixture

KINDS = "argmax", "clip", "tanh"


def policy_of(kind="tanh", activation="relu", inputs=3, outputs=2, seed=0, width=16):
    rng = np.random.default_rng(seed)
    sizes = [inputs, width, width, outputs]
    layers = tuple(
        (rng.normal(0, np.sqrt(2 / a), (b, a)).astype(np.float32), rng.normal(0, 0.1, b).astype(np.float32))
        for a, b in pairwise(sizes)
    )
    low, high = np.full(outputs, -2, np.float32), np.full(outputs, 1, np.float32)
    return TrainedPolicy(layers, activation, kind, (outputs,), low, high)


def numpy_values(policy, x):
    for k, (w, b) in enumerate(policy.layers):
        x = x @ w.T.astype(np.float64) + b
        if k < len(policy.layers) - 1:
            x = np.maximum(x, 0) if policy.activation == "relu" else np.tanh(x)
    return x


def observations_of(policy, k=500, seed=1):
    return np.random.default_rng(seed).normal(0.3, 1.5, (k, policy.inputs)).astype(np.float32)


def converted(policy, spikes=100.0, skip="none"):
    head, observations = Head(policy), observations_of(policy)
    source = rectified(policy, observations, np.random.default_rng(0))
    x = source.prepared(observations.astype(np.float64))
    theta = thresholds(source, head, x, spikes)
    return source, head, theta, spiking_controller(source, head, theta, 0.02, skip), observations


@pytest.mark.parametrize("kind", KINDS[1:])
def test_rectified_layers_of_a_relu_policy_compute_what_it_computes(kind):
    policy = policy_of(kind)
    observations = observations_of(policy)
    source = rectified(policy, observations, np.random.default_rng(0))
    values = source.activations(source.prepared(observations.astype(np.float64)))[-1]
    assert np.allclose(values, numpy_values(policy, observations.astype(np.float64)), atol=1e-4)


def test_a_tanh_becomes_a_hard_tanh_that_is_near():
    policy = policy_of("clip", "tanh")
    observations = observations_of(policy)
    source = rectified(policy, observations, np.random.default_rng(0))
    assert [len(one.biases) for one in source.layers] == [64, 64, 2]
    found = source.activations(source.prepared(observations.astype(np.float64)))[0]
    hard = (found * np.repeat([0.95, -0.95, -0.95, 0.95], 16)).reshape(len(found), 4, 16).sum(1)
    w, b = policy.layers[0]
    assert np.abs(hard - np.tanh(observations @ w.T + b)).max() < 0.24  # at the corner; the mean is much smaller
    assert np.abs(hard - np.tanh(observations @ w.T + b)).mean() < 0.06


def test_layers_fire_about_as_often_as_they_should_and_more_spikes_are_closer():
    policy, errors = policy_of("tanh", width=64), []
    for spikes in (30.0, 120.0, 480.0):
        _, _, _, written, observations = converted(policy, spikes)
        batch = Batch(build_program(written.spec), len(observations))
        before = batch.array("spike_counts").copy()
        batch.step({"observation": observations})
        counts = (batch.array("spike_counts") - before).mean(0)
        assert 0.6 * spikes < counts[0] < 1.4 * spikes
        values = numpy_values(policy, observations.astype(np.float64))
        errors.append(np.abs(batch.array("readout.v") - values).mean())
    assert errors[0] > 2.5 * errors[1] > 6 * errors[2]


@pytest.mark.parametrize("skip", ["none", "linear", "fields"])
def test_each_spike_is_a_rounded_activation(skip):
    policy = policy_of("tanh")
    source, _, theta, written, observations = converted(policy, skip=skip)
    batch = Batch(build_program(written.spec), len(observations))
    before = batch.array("spike_counts").copy()
    batch.step({"observation": observations})
    found = (batch.array("spike_counts") - before)[:, 0]
    first = source.activations(source.prepared(observations.astype(np.float64)))[0]
    expected = np.maximum(np.floor(first / theta[0] + 0.5), 0).sum(1)
    assert np.abs(found - expected).max() <= 1  # a value at a border may be rounded either way


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(0, 2**31))
def test_the_gradient_of_the_loss_is_its_derivative(kind, seed):
    rng = np.random.default_rng(seed)
    head = Head(policy_of(kind))
    values = rng.normal(0, 1, (4, 2))
    labels = head.labels(rng.normal(0, 1, (4, 2))).astype(np.float64)
    if kind == "clip":  # the loss has corners at the bounds
        values = np.clip(values, head.low + 0.01, head.high - 0.01)
    _, g = head.loss(values, labels)
    change, step = rng.normal(0, 1, values.shape), 1e-4
    difference = (
        (head.loss(values + step * change, labels)[0] - head.loss(values - step * change, labels)[0]) / step / 2
    )
    expected = (g * change).sum()
    if kind == "tanh":  # its slope is raised on purpose, by at most 0.02 * 2 * |error|
        assert abs(difference - expected) < 0.05 * np.abs(change).sum()
    else:
        assert difference == pytest.approx(expected, rel=2e-2, abs=2e-3)


# a whole conversion -------------------------------------------------------------------------------------------------
SETTINGS = ConversionSettings(n_rounds=3, gradient_steps=20, n_envs=4, spikes=60.0)
EPISODES = {"STAGE": 16, "RANDOM": 4, "EVALUATED": 20}


@pytest.fixture
def few(monkeypatch):
    """Few episodes of candidates and of the comparison."""
    for name, episodes in EPISODES.items():
        monkeypatch.setattr(f"snn_control.training.conversion.conversion.{name}", episodes)


def pendulum():
    return make("Pendulum-v1", {"max_episode_steps": 60})


def swing(observation):
    cos, sin, speed = observation
    return np.array([np.clip(-8 * np.arctan2(sin, cos) - 2 * speed, -2, 2)], np.float32)


class Swing:
    """A function with the attributes of a policy."""

    layers, activation, normalization, bound = (), "", None, np.inf
    head, outputs, low, high = "clip", 1, np.array([-2.0]), np.array([2.0])

    def __call__(self, observation):
        return swing(observation)


def conversion(folder=None, settings=SETTINGS, policy=None, env=pendulum, progress=lambda phase: None):
    kept = Folder(folder, {"test": 1}) if folder is not None else None
    return Conversion(policy or Swing(), env, 0.05, settings, 1, kept, progress)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("skip", ["linear", "fields"])
def test_a_function_is_imitated_and_the_file_has_the_bits_of_what_was_trained(tmp_path, skip):
    run = conversion(settings=replace(SETTINGS, skip=skip))
    found = run.run()
    assert len(found.history) == 3
    assert found.history[-1]["loss"] < found.history[0]["loss"]
    spec = found.spec
    spec.save(tmp_path / "a.yaml")
    saved, batch = Controller.load(tmp_path / "a.yaml"), Batch(run.imitator.parameters.program, 1)
    for one in run.data["observations"][-300:]:
        expected = batch.step({"observation": one[None]})["action"][0]
        assert np.array_equal(saved.step({"observation": one})["action"], expected)
    assert len(found.comparison.policy) == len(found.comparison.controller) == EPISODES["EVALUATED"]
    assert found.comparison.low <= found.comparison.share


@pytest.mark.usefixtures("few")
def test_an_interrupted_conversion_resumes_to_the_same_bits(tmp_path):
    whole = conversion().run()

    def stop(phase):
        if phase.number == 2:
            raise KeyboardInterrupt

    early = conversion(tmp_path, progress=stop).run()
    assert early.ended
    assert len(early.history) == 2
    late = conversion(tmp_path).run()
    assert [row["loss"] for row in late.history] == [row["loss"] for row in whole.history]
    for one, other in zip(late.spec.network.projections, whole.spec.network.projections, strict=True):
        assert np.array_equal(one.weights, other.weights)


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(("deviation", "last"), [(0.04, 3), (40.0, 2)])
def test_the_better_half_of_the_candidates_plays_further_episodes_if_returns_vary(deviation, last, monkeypatch):
    run = conversion()
    run._begin()
    run.candidates = [[v + k for v in run.imitator.values] for k in range(4)]
    returns, deviations, played = [10, 20, 30, 40], np.array([-3, -1, 1, 3]) / 2 * deviation, []

    def episodes(seeds):
        k = next(k for k, one in enumerate(run.candidates) if run.imitator.means is one)
        played.append((k, *seeds))
        worse = 100 * (k == 3 and len(played) > 4)  # luck ends
        return returns[k] - worse + np.resize(deviations, len(seeds)), 1.0, np.zeros((1, 3), np.float32)

    monkeypatch.setattr(run, "_episodes", episodes)
    run._chosen()
    first = [(k, *range(VALIDATION, VALIDATION + 4)) for k in range(4)]
    further = [(k, *range(VALIDATION + 4, VALIDATION + 12)) for k in (3, 2)] if last == 2 else []
    assert played == first + further
    assert run.imitator.means is run.candidates[last]


def test_a_policy_of_stable_baselines3_keeps_its_return():
    from snn_control.training.teachers.trained_policy import load_policy

    policy = load_policy(str(fixture("policies/sac-Pendulum-v1.zip")))
    settings = ConversionSettings(n_rounds=6, gradient_steps=60, spikes=80.0)
    found = conversion(policy=policy, settings=settings, env=lambda: make("Pendulum-v1", {})).run()
    assert found.comparison.share > 0.95
    assert found.evaluation.spikes.mean() < 0.95 * found.history[0]["spikes_a_step"]


def test_noise_keeps_actions_within_their_bounds():
    run = conversion()
    rng = np.random.default_rng(0)
    for _ in range(100):
        assert abs(run._noisy(np.array([1.9], np.float32), 0.5, rng)[0]) <= 2
    chooses = SimpleNamespace(head="argmax", outputs=3, layers=())
    run.policy, run.head = chooses, Head(chooses)
    assert {run._noisy(0, 1.0, rng) for _ in range(100)} == {0, 1, 2}
