"""A frozen front end is not run again, and nothing changes by that."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from snn_control import Model
from snn_control.coding import PopulationEncoder
from snn_control.controller_file import Limits
from snn_control.network import LI, LIF, Relay
from snn_control.training.algorithms.imitation import Imitation, ImitationSettings, compact
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import Parameters
from snn_control.training.gradients.trained_part import trained_part_of

DT = 0.05
TRAINED = {"seen->hidden.weights": Limits(), "hidden*": Limits()}


def network(rng):
    """A recurrent front end, counts of its spikes, and a trained recurrent layer."""
    m = Model(dt=DT)
    x = m.input(
        "observation", 3, range=([-1, -1, -8], [1, 1, 8]), encoder=PopulationEncoder(5, drive=2.0, neuron=LIF())
    )
    front = m.population("front", 12, LIF(tau_mem=0.1, r=4.0), bias=0.3)
    seen, hidden = m.population("seen", 6, Relay()), m.population("hidden", 8, LIF(tau_mem=0.1, r=3.0), bias=0.3)
    out = m.population("out", 1, LI(tau_mem=0.1))
    m.connect(x, front, rng.normal(0, 0.5, (15, 12)))
    m.connect(front, front, rng.normal(0, 0.5, (12, 12)), delay=2 * DT)
    m.connect(front, seen, np.tile(np.eye(6), (2, 1)))
    m.connect(seen, hidden, rng.normal(0, 0.5, (6, 8)))
    m.connect(hidden, hidden, rng.normal(0, 0.5, (8, 8)), delay=DT)
    m.connect(hidden, out, rng.normal(0, 0.5, (8, 1)), tau_syn=0.2)
    m.output("action", out, 1.0, limits=(-2.0, 2.0))
    return m


def learner(whole=False):
    rng = np.random.default_rng(1)
    parameters = Parameters(network(rng).spec(), TRAINED, rng)
    settings = ImitationSettings(n_envs=2, n_steps=64, sequence_length=16, burn_in=2, batch_size=64, gradient_steps=3)
    one = Imitation(parameters, settings)
    one.teacher = lambda observation: [0.3]
    envs = VectorEnv(lambda: gymnasium.make("Pendulum-v1"), 2, parameters.spec)
    one.begin(envs, rng)
    if whole:
        one.rest, one.inner = None, one
    one.phase(envs, 3, np.random.default_rng(4), 1.0)
    return one


def test_what_is_learned_is_the_same_to_the_bit():
    rest, whole = learner(), learner(whole=True)
    assert rest.data["inputs.seen"].shape == (8, 16, 6)
    assert rest.data["inputs.seen"].dtype == np.int8
    assert "inputs.seen" not in whole.data
    for name, value in whole.parameters.values().items():
        np.testing.assert_array_equal(rest.parameters.values()[name], value, name)


@pytest.mark.parametrize("trained", ["observation->front.weights", "front->seen.weights"])
def test_where_nothing_can_be_left_out_all_is_run(trained):
    rng = np.random.default_rng(1)
    assert trained_part_of(Parameters(network(rng).spec(), {trained: Limits()}, rng)) is None


def test_numbers_take_a_byte_where_that_is_exact():
    counts = np.array([[0, -3, 126]], np.float32)
    assert compact(counts).dtype == np.int8
    for other in (counts + 0.5, counts + 1, np.array([np.nan], np.float32), np.array([True])):
        assert compact(other) is other
