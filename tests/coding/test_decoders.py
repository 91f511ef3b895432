"""What the decoders give: population vectors, counts over a window, first spikes."""

import math

import numpy as np
import pytest

from snn_control.coding import (
    ArgmaxDecoder,
    DirectEncoder,
    FirstSpikeDecoder,
    MembraneDecoder,
    Output,
    PopulationVectorDecoder,
    SpikeCountDecoder,
    ValueInput,
)
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import LI, Bernoulli, Network, Poisson, Population, Projection, Threshold
from tests.rasters import DT, lists


def controller(network, outputs, inputs=(), steps=1, seed=0):
    return Controller(build(network, inputs, outputs, dt=DT, period=steps * DT, seed=seed))


def switched(outputs, size, steps=1):
    """A controller whose neurons fire where x is 1."""
    inputs = [ValueInput("x", size=size, encoder=DirectEncoder(neuron=Threshold(0.5)))]
    return controller(Network(), outputs, inputs, steps)


# population vector ---------------------------------------------------------------------------------------------
N = 64
ANGLES = 2 * np.pi * np.arange(N) / N
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)


@pytest.mark.parametrize("angle", [0.3, 2.0, -2.9])
def test_cosine_tuned_cells_point_where_they_were_told(angle):
    """rate = b + k cos(angle - preferred): the mean direction is (k / 2 b) of the unit vector (Georgopoulos 1986)."""
    rates = 100 + 80 * np.cos(angle - ANGLES)
    network = Network((Population("p", N, Poisson(1.0), bias=rates),))
    output = Output("u", (PopulationVectorDecoder("p", DIRECTIONS, tau=0.5),), 2)
    one = controller(network, [output], seed=1)
    u = np.array([one.step({})["u"] for _ in range(6000)])[2000:].mean(axis=0)
    np.testing.assert_allclose(u, 0.4 * np.array([math.cos(angle), math.sin(angle)]), atol=0.012)


def test_one_neuron_gives_its_direction_and_two_their_mean_by_rate():
    output = Output("u", (PopulationVectorDecoder("x", [3.0, -1.0], tau=0.05),))
    one = switched([output], 2)
    assert one.step({"x": [1, 0]})["u"][0] == 3
    one.reset()
    for k in range(2000):
        u = one.step({"x": [1, k % 4 == 0]})["u"][0]
    assert u == pytest.approx((3 - 0.25) / 1.25, rel=0.02)


@pytest.mark.parametrize("hold", [False, True])
def test_a_silent_population_gives_0_or_what_was_last(hold):
    tau = 0.01
    output = Output("u", (PopulationVectorDecoder("x", [2.0], tau, hold),), bias=0.5)
    one = switched([output], 1)
    assert one.step({"x": 0})["u"][0] == 0.5
    u = [one.step({"x": float(k == 0)})["u"][0] for k in range(80)]
    assert u[:50] == [2.5] * 50  # five times tau after the spike
    assert u[52:] == [2.5 if hold else 0.5] * 28


# counts --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("neuron", [Bernoulli(300.0), Poisson(2000.0)])
@pytest.mark.parametrize(("steps", "windows"), [(1, (1, 7)), (3, (2, 3)), (5, (20, 64))])
def test_counts_are_those_of_a_plain_count(neuron, steps, windows):
    n = 9
    outputs = [Output(f"u{w}", (SpikeCountDecoder("p", np.eye(n), w * DT),), n) for w in windows]
    one = controller(Network((Population("p", n, neuron, bias=np.linspace(0, 1, n)),)), outputs, steps=steps)
    seen = np.zeros((0, n), np.int64)
    for tick in range(120):
        if tick == 60:
            one.restore(one.state())
        u = one.step({})
        seen = np.concatenate([seen, lists(one)])
        for w in windows:
            assert (u[f"u{w}"] == seen[-w:].sum(axis=0)).all(), (tick, w)
    assert seen.sum() > 100


def test_counts_take_weights_and_add_up_with_other_terms():
    terms = (SpikeCountDecoder("x", [[1, 10], [2, 20]], 4 * DT), SpikeCountDecoder("x", 0.5, 2 * DT))
    one = switched([Output("u", terms, 2, bias=100.0)], 2)
    for _ in range(6):
        u = one.step({"x": [1, 0]})["u"]
    assert u.tolist() == [100 + 4 + 1, 100 + 40 + 1]


# means ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("steps", "windows"), [(1, (1, 6)), (4, (4, 3, 10))])
def test_a_mean_is_that_of_the_last_values_0_before_the_first_step(steps, windows):
    """Of a population and of an input, compared with a variant with a delay that needs a longer memory."""
    network = Network(
        (Population("v", 3, LI(tau_mem=0.005)), Population("late", 1, LI(tau_mem=0.01))),
        (Projection("x", "v", np.eye(3)), Projection("v", "late", 1.0, delay=7 * DT)),
    )
    outputs = [Output(f"u{w}", (MembraneDecoder("v", np.eye(3), w * DT),), 3) for w in windows]
    outputs += [Output("given", (MembraneDecoder("x", np.eye(3), 6 * DT),), 3)]
    one = controller(network, outputs, [ValueInput("x", size=3)], steps)
    plain = controller(network, [Output("v", (MembraneDecoder("v", np.eye(3)),), 3)], [ValueInput("x", size=3)])
    rng = np.random.default_rng(3)
    v, x = np.zeros((10, 3), np.float32), np.zeros((10, 3), np.float32)
    for tick in range(30):
        given = rng.normal(size=3).astype(np.float32)
        u = one.step({"x": given})
        x = np.concatenate([x, np.tile(given, (steps, 1))])
        v = np.concatenate([v, np.array([plain.step({"x": given})["v"] for _ in range(steps)], np.float32)])
        for w in windows:
            assert (u[f"u{w}"] == v[-w:].mean(axis=0)).all(), (tick, w)
        assert (u["given"] == x[-6:].mean(axis=0)).all()


def test_a_window_of_a_mean_is_a_time_of_whole_steps():
    with pytest.raises(DescriptionError, match=r"window = -1: must be > 0 s"):
        MembraneDecoder("x", 1.0, -1)
    with pytest.raises(DescriptionError, match=r"outputs\.u\.decoder\[0\]\.window"):
        controller(Network(), [Output("u", (MembraneDecoder("x", 1.0, 0.4 * DT),))], [ValueInput("x")])


# first spike ---------------------------------------------------------------------------------------------------
def decisions(output, fired, size=4, steps=1):
    """The output after each tick of those that fire in it."""
    one = switched([output], size, steps)
    return [one.step({"x": [float(i in now) for i in range(size)]})["u"].tolist() for now in fired]


def test_the_first_of_a_window_decides_and_holds():
    output = Output("u", (FirstSpikeDecoder("x", 4 * DT),))
    first = [(), (2,), (0, 1), (0,)]
    second = [(), (), (3, 1), (0,)]  # a tie: the lowest
    third = [()] * 4
    fourth = [(3,), (1,), (), ()]
    u = [value for (value,) in decisions(output, first + second + third + fourth)]
    assert u == [0, 2, 2, 2] + [2, 2, 1, 1] + [1] * 4 + [3] * 4


def test_the_first_spike_is_an_action():
    output = Output("u", ArgmaxDecoder(4, (FirstSpikeDecoder("x", 2 * DT),)))
    assert decisions(output, [(), (3, 1), (2,), (0,), (), ()]) == [[0], [1], [2], [2], [2], [2]]


def test_groups_of_neurons_share_a_row():
    groups = [0, 0, 1, 1]
    output = Output("u", ArgmaxDecoder(2, (FirstSpikeDecoder("x", DT, np.eye(2)[groups]),)))
    assert decisions(output, [(3,), (1,), (2, 3), (1, 2)]) == [[1], [0], [1], [0]]


def test_the_first_spike_may_stand_for_values():
    values = [[-1.0, 5.0], [0.5, 6.0], [1.0, 7.0], [2.0, 8.0]]
    output = Output("u", (FirstSpikeDecoder("x", 3 * DT, values),), 2)
    assert decisions(output, [(), (1, 2), (0,), (3,)]) == [[0, 0], [0.5, 6], [0.5, 6], [2, 8]]


@pytest.mark.parametrize("steps", [2, 3, 8])
def test_a_window_need_not_fit_into_a_tick(steps):
    """Bernoulli neurons, decided from the lists of all steps."""
    output = Output("u", (FirstSpikeDecoder("p", 5 * DT),))
    one = controller(Network((Population("p", 20, Bernoulli(12.0), bias=1.0),)), [output], steps=steps, seed=3)
    seen, decided = [], 0.0
    changes = 0
    for _ in range(60):
        u = one.step({})["u"][0]
        for now in lists(one):
            seen = seen if len(seen) % 5 or not seen else []
            if now.any() and not any(past.any() for past in seen):
                changes += decided != now.argmax()
                decided = float(now.argmax())
            seen.append(now)
        assert u == decided
    assert changes > 3
