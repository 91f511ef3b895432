"""The neurons against solutions in closed form, in float64."""

import math

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder, Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, CubaLIF, Network, Population, Projection


def run(population, steps, dt=1e-3, projections=(), more=(), probe=None):
    """Step a network without inputs; spikes of ``population`` a step, and its membrane after each step."""
    graded = isinstance(population.neuron, LI)
    decoder = MembraneDecoder(population.name, 1.0) if graded else SpikeDecoder(population.name, 1.0, 0.01)
    network = Network((*more, population), tuple(projections))
    controller = Controller(build(network, [], [Output("u", (decoder,))], dt=dt, period=dt))
    fired, v = [], []
    for k in range(steps):
        controller.step({})
        v.append(controller.bound.array(f"{population.name}.v").copy())
        if not graded and controller.spikes(population.name).size:
            fired.append(k)
    return fired, np.array(v)


@pytest.mark.parametrize("current", [1.1, 2.0, 7.5])
@pytest.mark.parametrize("refractory", [0, 3])
def test_lif_fires_at_the_steps_of_the_exact_solution(current, refractory):
    tau, dt = 0.02, 1e-3
    rise = math.ceil(-tau / dt * math.log(1 - 1 / current))  # first n with current (1 - exp(-n dt / tau)) >= 1
    fired, _ = run(Population("a", 1, LIF(tau_mem=tau, refractory=refractory * dt), bias=current), 300)
    assert fired == list(range(rise - 1, 300, rise + max(0, refractory - 1)))


def test_lif_without_a_spike_follows_the_exact_solution():
    model, v0, bias = LIF(tau_mem=0.013, v_threshold=5.0, v_leak=-0.4, r=2.5), -1.0, 0.9
    _, v = run(Population("a", 1, model, bias=bias, v_init=v0), 200)
    t, rest = np.arange(1, 201) * 1e-3, -0.4 + 2.5 * bias
    np.testing.assert_allclose(v[:, 0], rest + (v0 - rest) * np.exp(-t / 0.013), rtol=2e-6, atol=2e-6)


def test_subtracting_reset_keeps_what_was_above_the_threshold():
    decay, v, expected = math.exp(-1e-3 / 0.01), 0.0, []
    for k in range(200):
        v = decay * v + 3.0 * (1 - decay)
        if v >= 1:
            v, expected = v - 1, [*expected, k]
    fired, _ = run(Population("a", 1, LIF(tau_mem=0.01, reset="subtract"), bias=3.0), 200)
    assert fired == expected


def test_the_floor_holds_the_membrane():
    _, v = run(Population("a", 1, LIF(v_min=-0.25), bias=-5.0), 100)
    assert v.min() == -0.25


def test_li_follows_its_step_response():
    model = LI(tau_mem=0.03, v_leak=0.1, r=3.0)
    _, v = run(Population("a", 2, model, bias=[0.5, -0.5], v_init=0), 300)
    rise = 1 - np.exp(-np.arange(1, 301) * 1e-3 / 0.03)
    np.testing.assert_allclose(v, rise[:, None] * [0.1 + 1.5, 0.1 - 1.5], rtol=3e-6)


def one_spike_response(dt, integration, tau_mem=0.02, tau_syn=0.005, weight=0.7, r=1.5, steps=100):
    """Membrane of a CubaLIF that gets one spike, integrated in the first step."""
    source = Population("source", 1, LIF(tau_mem=0.02, refractory=1.0), v_init=50.0)
    model = CubaLIF(tau_mem=tau_mem, tau_syn=tau_syn, r=r, v_threshold=1e6, integration=integration)
    fired, v = run(Population("a", 1, model), steps, dt, [Projection("source", "a", weight)], more=(source,))
    assert fired == []
    return v[:, 0]


@pytest.mark.parametrize("tau_syn", [0.005, 0.02, 0.02 * (1 + 1e-9), 0.5])
def test_cuba_lif_follows_the_exact_solution_after_one_spike(tau_syn):
    dt, tau_mem, weight, r = 1e-3, 0.02, 0.7, 1.5
    t = dt * np.arange(1, 101)
    v = one_spike_response(dt, "exact", tau_syn=tau_syn)
    if abs(tau_syn / tau_mem - 1) < 1e-6:
        exact = r * weight * t / tau_mem * np.exp(-t / tau_mem)
    else:
        exact = r * weight * tau_syn / (tau_mem - tau_syn) * (np.exp(-t / tau_mem) - np.exp(-t / tau_syn))
    np.testing.assert_allclose(v, exact, rtol=5e-6, atol=1e-7)


def test_exponential_euler_holds_the_synaptic_current_over_a_step():
    dt, tau_mem, tau_syn, weight, r = 1e-3, 0.02, 0.005, 0.7, 1.5
    n = np.arange(1, 101)
    decay, decay_syn = np.exp(-dt / tau_mem), np.exp(-dt / tau_syn)
    # isyn held over a step: the sum of a geometric series
    exact = r * (1 - decay) * weight * (decay**n - decay_syn**n) / (decay - decay_syn)
    np.testing.assert_allclose(one_spike_response(dt, "exponential_euler"), exact, rtol=5e-6)


@pytest.mark.parametrize("integration", ["exponential_euler", "euler"])
def test_the_others_converge_to_the_exact_solution_in_first_order(integration):
    tau_mem, tau_syn, weight, r, errors = 0.02, 0.005, 0.7, 1.5, []
    for dt in (1e-3, 5e-4, 2.5e-4):
        v = one_spike_response(dt, integration, steps=round(0.05 / dt))
        t = dt * np.arange(1, v.size + 1)
        exact = r * weight * tau_syn / (tau_mem - tau_syn) * (np.exp(-t / tau_mem) - np.exp(-t / tau_syn))
        errors.append(np.abs(v - exact).max())
    assert errors[0] < 0.15 * 0.7 * 1.5 * 0.2
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.12)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.12)


def test_a_steady_rate_reads_as_that_rate():
    """LIF at 100 Hz: the decoder's mean over a period is 100 times the weight."""
    network = Network((Population("a", 1, LIF(refractory=10e-3), bias=1e4),))
    output = Output("u", (SpikeDecoder("a", 0.01, 0.05),))
    controller = Controller(build(network, [], [output], dt=1e-3, period=1e-3))
    u = [controller.step({})["u"][0] for _ in range(1000)]
    assert np.mean(u[-500:]) == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("delay", range(5))
def test_a_spike_of_step_k_arrives_in_step_k_plus_the_delay(delay):
    source = Population("source", 1, LIF(refractory=1.0), v_init=50.0)  # fires once, in step 0
    projections = [Projection("source", "a", 1e3, delay=delay * 1e-3)]
    fired, _ = run(Population("a", 1, LIF()), 10, projections=projections, more=(source,))
    assert fired == [delay]


@pytest.mark.parametrize("delay", range(4))
def test_a_graded_signal_arrives_after_its_delay(delay):
    network = Network((Population("a", 1, LIF()),), (Projection("x", "a", 1e3, delay=delay * 1e-3),))
    output = Output("u", (SpikeDecoder("a", 1.0, 0.01),))
    controller = Controller(build(network, [ValueInput("x")], [output], dt=1e-3, period=1e-3))
    fired = []
    for k in range(8):
        controller.step({"x": float(k == 0)})
        fired += [k] * controller.spikes("a").size
    assert fired == [delay]


@pytest.mark.parametrize("late", [1e17, 1e30, np.inf])
def test_a_time_beyond_all_steps_is_refused_and_not_wrapped(late):
    for make in (
        lambda: Projection("a", "a", delay=late),
        lambda: Projection("a", "a", delay=[[late]]),
    ):
        with pytest.raises(DescriptionError, match="delay"):
            run(Population("a", 1, LIF()), 1, projections=[make()])
    with pytest.raises(DescriptionError, match="refractory"):
        run(Population("a", 1, LIF(refractory=late)), 1)


def test_a_membrane_far_faster_than_the_step_follows_its_synapse():
    source = Population("source", 1, LIF(refractory=1.0), v_init=50.0)
    model = CubaLIF(tau_mem=1e-6, tau_syn=5e-3, v_threshold=1e6)
    _, v = run(Population("a", 1, model), 20, projections=[Projection("source", "a", 0.7)], more=(source,))
    t = 1e-3 * np.arange(1, 21)
    np.testing.assert_allclose(v[:, 0], 0.7 * 5e-3 / (5e-3 - 1e-6) * np.exp(-t / 5e-3), rtol=1e-5)
