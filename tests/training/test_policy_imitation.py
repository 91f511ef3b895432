"""A controller of any kind imitates a trained policy by the updates with which `import` trains its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training import train, training_run
from snn_control.training.algorithms.policy_imitation import PolicyImitation, PolicyImitationSettings
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.teachers.trained_policy import TrainedPolicy
from tests.fixtures import fixture
from tests.training.test_train import small


def perceptron(sizes, head, **bounds):
    """A policy with random weights."""
    rng = np.random.default_rng(5)
    layers = tuple(
        (rng.normal(0, np.sqrt(2 / a), (b, a)).astype(np.float32), np.zeros(b, np.float32)) for a, b in pairwise(sizes)
    )
    return TrainedPolicy(layers, "tanh", head, (sizes[-1],), **bounds)


SWING = perceptron((3, 8, 1), "tanh", low=np.float32([-2]), high=np.float32([2]))


def learner(env="Pendulum-v1", policy=SWING, spec=None, **settings):
    given = {"n_envs": 2, "n_steps": 64, "gradient_steps": 20, "batch_size": 64, "total_timesteps": 2 * 2 * 64}
    chosen = PolicyImitationSettings(**given | settings)
    spec = replace(spec or small(env), reset_each_tick=chosen.reset_each_tick)
    one = PolicyImitation(Parameters(spec, DEFAULT, np.random.default_rng(1)), chosen)
    one.teacher = policy
    envs = VectorEnv(lambda: make(env, {}), chosen.n_envs, spec)
    one.begin(envs, np.random.default_rng(2))
    for seed in (3, 4):
        one.phase(envs, seed, np.random.default_rng(seed), 1.0)
    return one


def test_a_policy_is_imitated(monkeypatch):
    monkeypatch.setattr(training_run, "EVALUATION_EPISODES", 30)
    monkeypatch.setattr(training_run, "COMPARISON_EPISODES", 10)
    settings = {"learning_rate": 0.02, "gradient_steps": 200, "batch_size": 128, "spikes": 40.0, "n_steps": 200}
    teacher, chance, own = str(fixture("policies/sac-Pendulum-v1.zip")), -1200, -150
    given = {"teacher": teacher, "seed": 3, "settings": settings | {"total_timesteps": 8 * 8 * 200}}
    trained = train(small("Pendulum-v1"), "Pendulum-v1", **given)
    assert trained.how == "imitate"
    assert trained.spec.reset_each_tick
    assert (trained.evaluation.score - chance) / (own - chance) > 0.85


def test_spikes_fall_to_their_target(monkeypatch):
    monkeypatch.setattr(training_run, "EVALUATION_EPISODES", 4)
    settings = {"learning_rate": 3e-3, "gradient_steps": 150, "n_envs": 4, "n_steps": 64, "spikes": 6.0}
    settings["total_timesteps"] = 4 * 4 * 64
    trained = train(small("Pendulum-v1"), "Pendulum-v1", teacher=SWING, settings=settings)
    assert trained.history[0]["spikes_a_step"] > 9
    assert trained.evaluation.spikes.mean() < 7
    sizes = {p.name: p.size for p in trained.spec.network.populations}
    assert sizes["h"] < 24  # silent neurons are gone


@pytest.mark.parametrize("squash", [True, False])
def test_labels_of_a_batch_are_the_actions(squash):
    one = learner(spec=small("Pendulum-v1", squash))
    seen, labels = one.data["inputs.x"].reshape(-1, 3), one.data["label.u"].reshape(-1, 1)
    for observation, label in zip(seen[:50], labels, strict=False):
        np.testing.assert_allclose(SWING(observation), label, atol=1e-6)
    assert one.heads["u"].kind == ("tanh" if squash else "clip")


def test_choices_are_labelled_by_their_values():
    policy = perceptron((4, 8, 2), "argmax")
    one = learner("CartPole-v1", policy)
    assert one.data["label.u"].shape[-1] == 2
    assert one.heads["u"].temperature == one.temperature != 1.0


def test_a_controller_with_delays_keeps_its_state():
    spec = small("Pendulum-v1")
    first, *others = spec.network.projections
    late = replace(spec, network=replace(spec.network, projections=(replace(first, delay=spec.dt), *others)))
    assert PolicyImitationSettings.defaults_for(spec, 200)["sequence_length"] == 1
    given = PolicyImitationSettings.defaults_for(late, 200)
    assert not given["reset_each_tick"]
    assert given["sequence_length"] == 16
    one = learner(spec=late, reset_each_tick=False, sequence_length=16, burn_in=2)
    assert one.data["memory"].shape[1] > 0
    assert np.isfinite(one.imitator.loss)


def test_settings_of_another_imitation_are_named():
    with pytest.raises(DescriptionError, match=r"settings\.spike_cost = 1: is not a setting of imitate"):
        train(small("Pendulum-v1"), "Pendulum-v1", teacher=SWING, settings={"spike_cost": 1})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"n_steps": 60, "sequence_length": 16, "batch_size": 64},
            "n_steps = 60: must be a multiple of sequence_length",
        ),
        (
            {"n_steps": 64, "sequence_length": 16, "batch_size": 64, "burn_in": 16},
            "burn_in = 16: must be below sequence",
        ),
    ],
)
def test_sequences_that_do_not_fit_are_refused(settings, said):
    with pytest.raises(DescriptionError, match=said):
        learner(**{"sequence_length": 16} | settings)


def test_another_file_of_the_same_name_is_another_teacher(tmp_path):
    spec, settings = small("CartPole-v1"), {"gradient_steps": 1, "n_steps": 32, "total_timesteps": 256}
    teacher = tmp_path / "t.yaml"
    spec.save(teacher)
    train(spec, "CartPole-v1", teacher=str(teacher), settings=settings, run=tmp_path / "run")
    teacher.write_text(teacher.read_text() + "# another\n")
    with pytest.raises(DescriptionError, match="holds a run of another teacher"):
        train(spec, "CartPole-v1", teacher=str(teacher), settings=settings, run=tmp_path / "run")
