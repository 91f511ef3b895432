"""The estimate of energy: Horowitz's figures times what was counted."""

import numpy as np
import pytest

from snn_control import Controller
from snn_control.analysis.energy import PICOJOULE, estimate, price
from snn_control.coding import Guard, LinearEncoder, MembraneDecoder, Output, SpikeDecoder, ValueInput
from snn_control.engine.build import build
from snn_control.network import LI, CubaLIF, Network, Population, Projection, Threshold

DT = 1e-3


def test_prices_are_those_of_the_paper():
    assert price("accumulate") == pytest.approx(0.9)
    assert price("multiply_accumulate") == pytest.approx(4.6)
    assert price("accumulate", "int8") == pytest.approx(0.1)  # into a sum of 32 bits
    assert PICOJOULE["add", "int8"] == 0.03
    assert all(PICOJOULE["multiply", kind] > PICOJOULE["add", kind] for kind in ("int8", "int32", "float16", "float32"))


def test_an_estimate_is_counts_times_prices():
    """By hand: x -> linear encoder (MAC) -> a fires all (AC float32, AC int8) -> b, c; decoders (AC, MAC)."""
    network = Network(
        (Population("a", 3, Threshold(0.5)), Population("b", 4, CubaLIF()), Population("c", 2, LI())),
        (
            Projection("x", "a", 1.0, "one_to_one"),
            Projection("a", "b", 0.1),
            Projection("a", "c", np.ones((3, 2)), precision="int8", tau_syn=0.01),
        ),
    )
    inputs = [ValueInput("x", encoder=LinearEncoder([[1.0, 2.0, 0.0]], bias=[0.0, 0.0, 1.0]))]
    outputs = [Output("u", (SpikeDecoder("a", 0.1, 0.02), MembraneDecoder("c", 1.0)))]
    one = Controller(build(network, inputs, outputs, dt=DT, period=2 * DT, guard=Guard()))
    assert estimate(one.bound).synapses == 0
    for _ in range(5):
        one.step({"x": 1.0})
    found = estimate(one.bound)
    encoder, one_to_one, decoder = 2 * 4.6, 3 * 4.6, 2 * 4.6  # once per tick
    assert found.synapses == pytest.approx(encoder + one_to_one + 2 * (12 * 0.9 + 6 * 0.1 + 3 * 0.9) + decoder)
    states = 3 + 2 * 4 + 2 + 2 + 1  # a: v; b: v, isyn; c: v, and its projection's current; one decoding trace
    assert found.neurons == pytest.approx(2 * states * 4.6)
    assert found.tick == found.synapses + found.neurons
    assert found.microwatt == pytest.approx(found.tick * 1e-12 / (2 * DT) * 1e6)


def test_a_silent_network_costs_its_neurons_alone():
    network = Network((Population("a", 10, Threshold(0.5)),), (Projection("x", "a", 1.0),))
    outputs = [Output("u", (SpikeDecoder("a", 0.1, 0.02),))]
    one = Controller(build(network, [ValueInput("x")], outputs, dt=DT, period=DT, guard=Guard()))
    one.step({"x": 0.0})
    assert estimate(one.bound).synapses == 0
    assert estimate(one.bound).tick == pytest.approx(11 * 4.6)
