"""Rates, gains and decoders against neurons that run, and against other ways to the same numbers."""

from dataclasses import replace

import numpy as np
import pytest

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.nef import Ensemble, rates, solve
from snn_control.network import LIF, Network, Population

DT = 1e-3
NEURONS = {
    "subtract": LIF(refractory=0.002, reset="subtract"),
    "subtract, 3 ms": LIF(refractory=0.003, reset="subtract", tau_mem=0.03),
    "value": LIF(refractory=0.002),
    "value, no refractory period": LIF(v_threshold=0.7, v_reset=-0.3, v_leak=0.2, r=1.7),
}


def measured(neuron, current, seconds=4.0, dt=DT):
    """Rates [Hz] of running neurons."""
    v = np.random.default_rng(0).uniform(0, 0.6, current.size)
    network = Network((Population("a", current.size, neuron, bias=current, v_init=v),))
    controller = Controller(build(network, [], [Output("u", (SpikeDecoder("a", 1.0, 1.0),))], dt=dt, period=dt))
    counts = np.zeros(current.size)
    for k in range(round((seconds + 0.5) / dt)):
        controller.step({})
        if k * dt >= 0.5:
            counts[controller.spikes("a")] += 1
    return counts / seconds


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
def test_the_rates_of_running_neurons_are_those_of_the_grid(neuron):
    current = np.linspace(0.3, 10, 300)
    expected, found = rates(neuron, current, DT), measured(neuron, current)
    assert (found[expected == 0] == 0).all()
    fires = expected > 0
    error = found[fires] / expected[fires] - 1
    assert abs(error.mean()) < 2e-3
    tolerance = 1 / (4 * expected[fires])  # a spike more or less in 4 s
    assert (abs(error) < (0.03 if neuron.reset == "subtract" else 1e-9) + tolerance).all()


def test_on_a_grid_the_continuous_equation_is_wrong_and_a_fine_grid_comes_to_it():
    current = np.linspace(1.02, 14, 300)
    for name, off in (("value", 0.12), ("subtract", 0.22), ("value, no refractory period", -0.20)):
        continuous = rates(NEURONS[name], current)
        assert np.mean(rates(NEURONS[name], current, DT) / continuous) - 1 == pytest.approx(off, abs=0.01)
        np.testing.assert_allclose(rates(NEURONS[name], current, 1e-6), continuous, rtol=2e-3)


def test_the_continuous_rate_is_that_of_the_closed_form():
    """Eliasmith & Anderson 2003, eq. 2.6: 1 / (tau_ref - tau_rc ln(1 - J_threshold / J))."""
    current = np.array([0.5, 1.0, 1.5, 3.0])
    expected = 1 / (0.002 - 0.02 * np.log(1 - 1 / current[2:]))
    np.testing.assert_allclose(rates(NEURONS["value"], current), [0, 0, *expected], rtol=1e-12)


@pytest.mark.parametrize("neuron", NEURONS.values(), ids=NEURONS)
def test_neurons_fire_from_their_intercepts_on_and_at_their_maximal_rates(neuron):
    n = 40
    e = np.where(np.arange(n) % 2, 1.0, -1.0)[:, None]
    most, intercepts = np.linspace(80, 250, n), np.linspace(-0.9, 0.8, n)
    a = Ensemble("a", n, radius=2.0, encoders=e, max_rates=most, intercepts=intercepts, neuron=neuron)
    full = np.diag(a.currents(2.0 * e))
    held = replace(neuron, refractory=max(0.0, neuron.refractory - DT))  # the equation that the gains come from
    np.testing.assert_allclose(rates(held, full), most, rtol=1e-9)
    found = measured(neuron, full)
    np.testing.assert_allclose(found, most, rtol=0.04 if neuron.reset == "subtract" else 0.25)
    for shift, fires in ((-1e-3, False), (1e-3, True)):
        there = np.diag(a.currents(2.0 * e * (intercepts + shift)[:, None]))
        assert ((rates(neuron, there, DT) > 0) == fires).all()


@pytest.mark.parametrize("shape", [(300, 40), (40, 90)])
def test_decoders_are_the_least_squares_of_the_system_with_noise_below_it(shape):
    r = np.random.default_rng(3)
    a, y = r.uniform(0, 300, shape), r.standard_normal((shape[0], 3))
    sigma = 0.1 * a.max() * np.sqrt(shape[0])
    below = np.concatenate([a, sigma * np.eye(shape[1])]), np.concatenate([y, np.zeros((shape[1], 3))])
    weights, rmse = solve(a, y)
    np.testing.assert_allclose(weights, np.linalg.lstsq(*below, rcond=None)[0], rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(rmse, np.linalg.norm(a @ weights - y, axis=0) / np.sqrt(shape[0]))


def test_the_solver_names_what_it_cannot_solve():
    with pytest.raises(DescriptionError, match=r"rates = 0.0: no neuron fires at any point; lower the intercepts"):
        solve(np.zeros((5, 3)), np.zeros((5, 1)))
    with pytest.raises(DescriptionError, match=r"noise = 0: must be > 0"):
        solve(np.ones((5, 3)), np.zeros((5, 1)), noise=0)
