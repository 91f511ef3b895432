"""Read-outs that are solved for: what taps hold, and what comes of it."""

from __future__ import annotations

from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from snn_control import Controller, Model
from snn_control.coding import MembraneDecoder, PopulationEncoder
from snn_control.controller_file import Limits
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, FixedProbability, Relay
from snn_control.network.convolution import Convolution
from snn_control.training import train
from snn_control.training.algorithms import ridge_readout as readout
from snn_control.training.algorithms.imitation import ImitationSettings
from snn_control.training.algorithms.ridge_readout import ReadOut
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import Parameters

DT = 0.05
TRAINED = {"*->sum.weights": Limits(), "*->sum#2.weights": Limits(), "hidden->late.weights": Limits()}


def reservoir(squash=False):
    """Recurrent neurons, read at once and through currents and delays, as a picture, one by one, and by chance."""
    rng, m = np.random.default_rng(2), Model(dt=DT)
    fields = PopulationEncoder(6, drive=2.0, neuron=LIF())
    x = m.input("observation", 3, range=([-1, -1, -8], [1, 1, 8]), encoder=fields)
    hidden = m.population("hidden", 18, LIF(tau_mem=0.1, r=4.0, reset="subtract"), bias=0.3)
    total, late = m.population("sum", 4, Relay()), m.population("late", 3, LI(tau_mem=0.1, v_leak=0.5))
    m.connect(x, hidden, rng.normal(0, 0.7, (18, 18)))
    m.connect(hidden, hidden, rng.normal(0, 0.3, (18, 18)), delay=2 * DT)
    m.connect(hidden, total, rng.normal(0, 0.1, (2, 3, 2, 2)), Convolution((3, 2, 3), padding=(0, 1), stride=(1, 2)))
    m.connect(hidden, total, rng.normal(0, 0.1, (18, 4)), tau_syn=0.2, delay=DT)
    m.connect(x, total, 0.1, FixedProbability(0.4, seed=3), tau_syn=0.1)
    m.connect(hidden, late, rng.normal(0, 0.1, (18, 3)), delay=3 * DT)
    decoder = (MembraneDecoder("sum", rng.normal(0, 0.3, 4)), MembraneDecoder("late", rng.normal(0, 0.3, 3)))
    m.output("action", decoder=decoder, limits=(-2.0, 1.0), squash=squash)
    return m.spec()


def teacher(observation):
    return [np.clip(0.7 - 0.8 * observation[1] - 0.1 * observation[2], -2.0, 1.0)]


def learner(spec, trained=None, asks=teacher, environments=2, **settings):
    parameters = Parameters(spec, trained or TRAINED, np.random.default_rng(1))
    given = ImitationSettings(n_envs=environments, sequence_length=16, solve=True, **{"n_steps": 64, **settings})
    one = ReadOut(parameters, given)
    one.teacher = asks
    envs = VectorEnv(lambda: gymnasium.make("Pendulum-v1"), environments, parameters.spec)
    one.begin(envs, np.random.default_rng(0))
    return one, envs


def played(one, envs):
    """Derivatives, own and wanted values of a round in which the teacher drives, so that all are in the same states."""
    one.rounds, one.teacher = 0, teacher
    one.tapped.write()
    parts = zip(*one._sequences(envs, 3, np.random.default_rng(4)), strict=True)
    return [np.concatenate(part) for part in parts]


def put(one, values):
    first = 0
    for p in one.parameters.parameters:
        p.values[...] = values[first : first + p.values.size].reshape(p.values.shape)
        first += p.values.size


def test_what_taps_hold_is_how_the_commands_change_with_each_weight():
    one, envs = learner(reservoir())
    size, rng = len(one.product), np.random.default_rng(5)
    before = rng.normal(0, 0.1, size).astype(np.float32)
    put(one, before)
    slopes, own, _ = played(one, envs)
    after = rng.normal(0, 0.1, size).astype(np.float32)
    put(one, after)
    again, changed, _ = played(one, envs)
    np.testing.assert_array_equal(slopes, again)
    assert (np.abs(slopes).max(0) > 0).mean() > 0.45  # half of the neurons are silent
    assert np.abs(changed - own).max() > 0.1
    np.testing.assert_allclose(changed - own, slopes @ (after - before), atol=1e-5)


def test_solved_once_it_is_ridge_regression(monkeypatch):
    monkeypatch.setattr(readout, "PASSES", 1)
    one, envs = learner(reservoir(), ridge=1e-4)
    one.phase(envs, 3, np.random.default_rng(4), 1.0)
    solved = np.concatenate([p.values.ravel() for p in one.parameters.parameters])
    slopes, own, wanted = played(one, envs)
    ridge = 1e-4 * np.mean(np.sum(slopes.astype(np.float64) ** 2, 0))
    np.testing.assert_allclose(slopes.T @ (wanted - own), ridge * solved, atol=1e-3)
    assert np.mean((wanted - own) ** 2) < 0.1 * np.var(wanted)


def test_what_cannot_be_explained_counts_little(monkeypatch):
    def solve(wrong, passes):
        draws = np.random.default_rng(7)
        monkeypatch.setattr(readout, "PASSES", passes)
        one, envs = learner(
            reservoir(),
            ridge=1e-3,
            asks=lambda seen: teacher(seen) if draws.random() > wrong else [-1.9],
            environments=8,
            n_steps=192,
        )
        one.mixed_actions = lambda policy, own, wanted, drives: np.zeros_like(own)  # the same states for all
        one.phase(envs, 3, np.random.default_rng(4), 1.0)
        return played(one, envs)[1]

    good, naive, robust = solve(0.0, 4), solve(0.15, 1), solve(0.15, 4)
    assert np.mean((robust - good) ** 2) < 0.4 * np.mean((naive - good) ** 2)


def test_a_tap_changes_no_command():
    one, _ = learner(reservoir())
    given, bare = np.random.default_rng(6).uniform(-1, 1, (200, 3)), Controller.from_spec(one.parameters.spec)
    tapped = Controller.from_spec(one.tapped.spec)
    for observation in given:
        a, b = bare.predict(observation)[0], tapped.predict(observation)[0]
        np.testing.assert_array_equal(a, b)


def test_beyond_a_limit_that_the_teacher_is_at_is_no_error(monkeypatch):
    def steep(observation):
        return [np.clip(4 * (0.7 - 0.8 * observation[1] - 0.3 * observation[2]), -2.0, 1.0)]

    def missed(passes):
        monkeypatch.setattr(readout, "PASSES", passes)
        one, envs = learner(reservoir(), asks=steep, environments=8, n_steps=192)
        one.phase(envs, 3, np.random.default_rng(4), 1.0)
        one.rounds = 0
        one.tapped.write()
        _, own, wanted = map(np.concatenate, zip(*one._sequences(envs, 3, np.random.default_rng(4)), strict=True))
        return np.mean((np.clip(own, -1, 1) - wanted) ** 2), np.abs(own).max()

    (naive, small), (clipped, large) = missed(1), missed(4)
    assert clipped < 0.8 * naive
    assert large > small


@pytest.mark.parametrize(
    ("trained", "squash", "said"),
    [
        ("hidden.bias", False, "cannot be solved for: only weights of projections can"),
        (
            "hidden->hidden.weights",
            False,
            "hidden must be graded, of one kind and without v_min, and read only by membrane",
        ),
        ("hidden->late.weights", True, "late must be graded, of one kind and without v_min, and read only by membrane"),
    ],
)
def test_what_is_not_linear_is_refused(trained, squash, said):
    with pytest.raises(DescriptionError, match=said.replace(".", r"\.")):
        learner(reservoir(squash), {trained: Limits()})


def test_neurons_that_differ_or_have_a_floor_are_refused():
    for neuron in (LI(tau_mem=np.array([0.1, 0.2, 0.3])), LI(tau_mem=0.1, v_min=-1.0)):
        spec = reservoir()
        populations = tuple(
            replace(one, neuron=neuron) if one.name == "late" else one for one in spec.network.populations
        )
        with pytest.raises(DescriptionError, match=r"late must be graded, of one kind and without v_min"):
            learner(replace(spec, network=replace(spec.network, populations=populations)))


def test_ranges_are_not_fitted():
    with pytest.raises(DescriptionError, match=r"settings\.fit_ranges = True: cannot be combined with solve"):
        learner(reservoir(), fit_ranges=True)


def test_a_run_goes_on_to_the_same_bits(tmp_path):
    settings = {"n_envs": 2, "n_steps": 64, "sequence_length": 16, "solve": True, "total_timesteps": 4 * 128}
    words = {"how": "imitate", "teacher": teacher, "trainable": TRAINED, "arguments": {"max_episode_steps": 40}}

    def stop(phase):
        if phase.number == 2 and not phase.steps > 2 * 128:
            raise KeyboardInterrupt

    whole = train(reservoir(), "Pendulum-v1", settings=settings, **words)
    first = train(reservoir(), "Pendulum-v1", settings=settings, run=tmp_path, progress=stop, **words)
    assert first.ended
    second = train(reservoir(), "Pendulum-v1", settings=settings, run=tmp_path, **words)
    assert second.resumed == 2 * 128
    assert second.history == whole.history
    for a, b in zip(whole.spec.network.projections, second.spec.network.projections, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
    assert whole.history[-1]["loss"] < 0.5 * whole.history[0]["loss"]
