"""Ensembles and connections: their conversion to networks, and errors that name the place."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import re

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import BuildError, DescriptionError
from snn_control.nef import Connection, Ensemble, network
from snn_control.network import LI, LIF, CubaLIF, Network, Population, Projection

DT = 1e-3
A, B, P = Ensemble("a", 20), Ensemble("b", 30, seed=1), Ensemble("p", 20, 2)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Ensemble("1", 20), "name = '1': must be a name"),
        (lambda: Ensemble("a", 0), "ensembles.a.neurons = 0: must be a whole number >= 1"),
        (lambda: Ensemble("a", 20, 1.5), "ensembles.a.dimensions = 1.5: must be a whole number >= 1"),
        (lambda: Ensemble("a", 20, radius=0), "ensembles.a.radius = 0: must be > 0"),
        (lambda: Ensemble("a", 20, dt=np.inf), "ensembles.a.dt = inf: must be finite"),
        (lambda: Ensemble("a", 20, seed=-1), "ensembles.a.seed = -1: must be a whole number >= 0"),
        (lambda: Ensemble("a", 20, neuron=CubaLIF()), "ensembles.a.neuron = 'CubaLIF': must be a LIF"),
        (lambda: Ensemble("a", 20, neuron=LIF(r=-1)), "ensembles.a.neuron.r = -1: must be > 0"),
        (lambda: Ensemble("a", 20, max_rates=(200, 501)), "ensembles.a.max_rates = (200, 501): must be > 0 and at most 500 Hz, one spike in a refractory period or step; lower them"),
        (lambda: Ensemble("a", 20, max_rates=[1, 2, 3]), "ensembles.a.max_rates = [1, 2, 3]: must be (low, high) or 20 numbers"),
        (lambda: Ensemble("a", 20, max_rates=(-1, 0)), "ensembles.a.max_rates = (-1, 0): must be > 0"),
        (lambda: Ensemble("a", 20, intercepts=(1, 0)), "ensembles.a.intercepts = (1, 0): must be (low, high) or 20 numbers"),
        (lambda: Ensemble("a", 20, intercepts=(0, 1.5)), "ensembles.a.intercepts = (0, 1.5): must be < 1"),
        (lambda: Ensemble("a", 20, intercepts=(np.nan, 1)), "ensembles.a.intercepts = (nan, 1): must be finite"),
        (lambda: Ensemble("a", 2, encoders=[[1, 2]]), "ensembles.a.encoders = 'shape (1, 2)': must have shape (2, 1)"),
        (lambda: Ensemble("a", 2, encoders=[[1], [0]]), "ensembles.a.encoders = [[1], [0]]: no encoder may be zero"),
        (lambda: Ensemble("a", 2, encoders="all"), "ensembles.a.encoders = 'all': must be numbers"),
        (lambda: Ensemble("a", 20, intercepts=(0.95, 0.99), encoders=np.ones((20, 1))).decoders(([[0.0]], [0.0])), "rates = 0.0: no neuron fires at any point"),
        (lambda: A.decoders(3), "ensembles.a.function = 3: must be a function of x, or (points, targets)"),
        (lambda: A.decoders(lambda x: np.inf), "ensembles.a.function = 'not finite at x = "),
        (lambda: A.decoders(lambda x: np.zeros(1 + (x[0] > 0))), "ensembles.a.function = array([0.]): must give the same number of numbers for every x"),
        (lambda: A.decoders((np.zeros((4, 2)), np.zeros(4))), "ensembles.a.function = 'shapes (4, 2), (4,)': must be (points (m, 1), targets (m,) or (m, k))"),
        (lambda: A.decoder(0.0), "tau = 0.0: must be > 0 s"),
        (lambda: A.decoder(0.01, transform=[1, 2]), "transform = 'shape (2,)': must be a number or have shape (size, 1)"),
        (lambda: A.decoder(0.01, transform="x"), "transform = 'x': must be numbers"),
        (lambda: Connection(A, "b"), "connections.post = 'b': must be an Ensemble"),
        (lambda: Connection("a b", A), "connections.pre = 'a b': must be a name"),
        (lambda: Connection("x", A, function=abs), "connections[x -> a].function = <built-in function abs>: must be None for an input; use a transform or an ensemble"),
        (lambda: Connection(A, B, synapse=-1), "connections[a -> b].synapse = -1: must be >= 0 s"),
        (lambda: Connection(A, B, synapse=0), "connections[a -> b].synapse = 0: must be > 0 s: spikes are filtered"),
        (lambda: network([Connection(A, P)]), "connections[a -> p] = '1 numbers': must be p's 2; give a transform"),
        (lambda: network([Connection(A, P, transform=[[1, 0]])]), "connections[a -> p].transform = 'shape (1, 2)': must be a number or have shape (size, 1)"),
        (lambda: network([Connection("x", P, transform=[[1], [0], [2]])]), "connections[x -> p] = '3 numbers': must be p's 2"),
        (lambda: network([Connection("x", P, transform=[[1], [0, 1]])]), "connections[x -> p].transform = [[1], [0, 1]]: must be numbers"),
        (lambda: network([Connection("x", A), Connection("x", Ensemble("b", 20, dt=2e-3))]), "ensembles = [0.001, 0.002]: must all have the same dt"),
        (lambda: network([Connection(A, Ensemble("a", 20))]), "populations = 'a': every name must be unique"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(make, expected):
    with pytest.raises(DescriptionError, match=re.escape(expected)):
        make()


def test_what_is_drawn_depends_on_the_seed_alone_and_covers_its_ranges():
    first, same, other = (Ensemble("a", 50, 3, seed=s).tuning for s in (4, 4, 5))
    for key in ("encoders", "gain", "bias", "v_init"):
        assert (getattr(first, key) == getattr(same, key)).all()
        assert (getattr(first, key) != getattr(other, key)).all()
    np.testing.assert_allclose(np.linalg.norm(first.encoders, axis=1), 1)
    assert abs(np.linalg.norm(first.encoders.mean(axis=0))) < 0.3
    line = Ensemble("a", 50, intercepts=(-0.5, 0.5)).tuning
    assert line.encoders.sum() == 0
    intercepts = np.sort((1 - line.bias) / line.gain)
    np.testing.assert_allclose(intercepts, np.linspace(-0.49, 0.49, 50), atol=0.0101)


def test_points_fill_the_ball():
    points = Ensemble("a", 20, 3, radius=2.0).points
    length = np.linalg.norm(points, axis=1) / 2
    assert points.shape == (1500, 3)
    assert length.max() <= 1
    assert np.mean(length**3) == pytest.approx(0.5, abs=0.03)  # uniform: the volume within a length is even
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=0.08)


def test_a_function_may_be_points_and_targets():
    x = A.points
    weights, rmse = A.decoders(lambda x: [x[0], x[0] ** 2])
    assert weights.shape == (20, 2)
    for targets, columns in ((x[:, 0], [0]), (np.hstack([x, x**2]), [0, 1])):
        again, error = A.decoders((x, targets))
        np.testing.assert_allclose(again, weights[:, columns], rtol=1e-9)
        np.testing.assert_allclose(error, rmse[columns], rtol=1e-9)
    np.testing.assert_allclose(rmse[0], np.sqrt(np.mean((A.rates(x) @ weights[:, :1] - x) ** 2)))


def test_connections_through_one_synapse_share_it_and_only_what_closes_a_cycle_is_late():
    connections = [
        Connection("x", P, transform=[[1], [0]], synapse=0.01),
        Connection(A, P, transform=[[0], [1]], synapse=0.01),
        Connection(A, B),
        Connection(P, A, lambda x: x[0] * x[1], synapse=0.01),
        Connection(B, B, synapse=0.1),
        Connection("x", B, synapse=0),
    ]
    net = network(connections)
    assert [p.name for p in net.populations] == ["p", "a", "b", "p_synapse0", "b_synapse0", "a_synapse0", "b_synapse1"]
    sizes = {p.name: (p.size, p.neuron.tau_mem) for p in net.populations if isinstance(p.neuron, LI)}
    assert sizes == {"p_synapse0": (2, 0.01), "b_synapse0": (1, 0.005), "a_synapse0": (1, 0.01), "b_synapse1": (1, 0.1)}
    assert [(p.pre, p.post, np.shape(p.weights), p.delay) for p in net.projections] == [
        ("p_synapse0", "p", (2, 20), 0), ("b_synapse0", "b", (1, 30), 0), ("a_synapse0", "a", (1, 20), 0),
        ("b_synapse1", "b", (1, 30), 0), ("x", "p_synapse0", (1, 2), 0), ("a", "p_synapse0", (20, 2), 0),
        ("a", "b_synapse0", (20, 1), 0), ("p", "a_synapse0", (20, 1), DT), ("b", "b_synapse1", (30, 1), DT),
        ("x", "b", (1, 30), 0),
    ]  # fmt: skip
    build(net, [ValueInput("x")], [Output("u", (B.decoder(0.01),))], dt=DT, period=DT)


def test_populations_and_projections_that_are_there_already_count_for_cycles():
    filtered, inhibit = Population("f", 1, LI()), Projection("b", "a", -1.0)
    net = network([Connection("f", A), Connection(A, B)], [filtered], [inhibit, B.projection("f", delay=DT)])
    delays = {(p.pre, p.post): p.delay for p in net.projections}
    assert delays["a", "b_synapse0"] == DT  # b -> a is there without a delay
    assert delays["f", "a_synapse0"] == 0
    build(net, [], [Output("u", (B.decoder(0.01),))], dt=DT, period=DT)
    with pytest.raises(BuildError, match="projections of delay 0 form a cycle"):
        build(network([], [A.population(), B.population()], [Projection("a", "b"), inhibit]), [],
              [Output("u", (B.decoder(0.01),))], dt=DT, period=DT)  # fmt: skip


def test_a_synapse_is_the_lowpass_with_a_gain_of_one():
    """The response to one spike, 1 / dt in one step, is nengo.Lowpass(0.01).filt's at 1 ms (nengo 4.1.0)."""
    kick = Population("k", 1, LIF(refractory=1.0), v_init=50.0)  # fires once, in step 0
    decoder, weight = A.decoders()[0][:1], A.projection("f").weights[:1]
    net = Network((kick, Population("f", 1, LI(tau_mem=0.01))), (Projection("k", "f", weight),))
    readout = MembraneDecoder("f", 1 / decoder)
    controller = Controller(build(net, [], [Output("u", (readout,))], dt=DT, period=DT))
    response = [controller.step({})["u"][0] for _ in range(200)]
    expected = [95.16258196, 86.10666496, 77.9125324, 70.49817465, 63.78938632]
    np.testing.assert_allclose(response[:5], expected, rtol=1e-6)
    assert sum(response) * DT == pytest.approx(1, rel=1e-5)


def test_further_fields_go_to_the_projection_of_the_decoders():
    p = A.projection("f", transform=[[2.0], [1.0]], delay=0.003)
    assert (p.pre, p.post, p.connection, p.delay) == ("a", "f", "dense", 0.003)
    np.testing.assert_allclose(p.weights, A.decoders()[0] * [2.0, 1.0] / DT)


def test_a_function_of_numbers_that_are_not_there_names_the_ensemble():
    with pytest.raises(DescriptionError, match=r"ensembles.a.function = .*out of bounds.*: x has 2 numbers"):
        Ensemble("a", 10, 2).decoder(0.01, function=lambda v: v[2])
