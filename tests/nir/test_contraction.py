"""Graphs become populations and projections that compute the same: against PyTorch's meaning of each node in NumPy."""

from itertools import pairwise

import nir
import numpy as np
import pytest

from snn_control.network import LI, Integrator, Relay, Threshold
from snn_control.network.convolution import Convolution
from snn_control.nir import import_graph
from snn_control.nir.reading import flatten
from snn_control.nir.verification import run

F = np.float32
DT = 1e-3


def graph(nodes, edges):
    return nir.NIRGraph(nodes | {"output": nir.Output(np.array([1]))}, edges, type_check=False)


def line(**nodes):
    names = [*nodes, "output"]
    return graph(nodes, list(pairwise(names)))


def read(nir_graph, dialect="nir-euler"):
    return import_graph(flatten(nir_graph), dialect, DT)


def stepped(imported, x):
    """(steps, n) of the population that the output shows."""
    return np.array([step[0] for step in run(imported, x, list(imported.outputs.values()))])


def conv2d(x, w, b, stride, padding, dilation, groups):
    """(C, H, W) through a convolution, as PyTorch has it; padding (before, after) of each axis."""
    x = np.pad(x, ((0, 0), *padding))
    out, per = w.shape[0] // groups, w.shape[1]
    rows = (x.shape[1] - dilation[0] * (w.shape[2] - 1) - 1) // stride[0] + 1
    columns = (x.shape[2] - dilation[1] * (w.shape[3] - 1) - 1) // stride[1] + 1
    y = np.zeros((w.shape[0], rows, columns))
    for o, r, c in np.ndindex(y.shape):
        first = o // out * per
        down = slice(r * stride[0], r * stride[0] + dilation[0] * (w.shape[2] - 1) + 1, dilation[0])
        across = slice(c * stride[1], c * stride[1] + dilation[1] * (w.shape[3] - 1) + 1, dilation[1])
        y[o, r, c] = (x[first : first + per, down, across] * w[o]).sum() + b[o]
    return y


@pytest.mark.parametrize("spiking", [False, True])
@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding", "dilation", "groups"),
    [
        ((2, 5, 5), (4, 2, 3, 3), 1, 0, 1, 1),
        ((2, 6, 5), (4, 2, 3, 3), (2, 1), (1, 0), 1, 1),
        ((4, 5, 5), (4, 2, 2, 2), 2, "valid", 2, 2),
        ((2, 5, 6), (3, 2, 2, 4), 1, "same", 1, 1),
        ((2, 7, 5), (2, 2, 4, 2), 1, "same", 3, 1),
        ((2, 5, 5), (4, 2, 3, 2), np.array(2), np.array([1, 1]), np.array([1, 1]), np.array(1)),
    ],
)
def test_a_convolution(spiking, shape, kernel, stride, padding, dilation, groups):
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=kernel).astype(F), rng.normal(size=kernel[0]).astype(F)
    node = nir.Conv2d(None, w, stride, padding, dilation, groups, b)
    middle = {"t": nir.Threshold(np.full((), 0.5))} if spiking else {}
    found = read(line(x=nir.Input(np.array(shape)), **middle, c=node, i=nir.I(np.array(1 / DT))))
    x = (rng.random((6, *shape)) < 0.4).astype(F)
    pairs = [np.ravel(np.broadcast_to(np.asarray(v), 2)).astype(int) for v in (stride, dilation)]
    if str(padding) == "same":
        total = [d * (k - 1) for d, k in zip(pairs[1], kernel[2:])]
        pads = [(t // 2, t - t // 2) for t in total]
    else:
        pads = [(int(p), int(p)) for p in np.broadcast_to(0 if str(padding) == "valid" else padding, 2)]
    want = np.cumsum([conv2d(one, w, b, pairs[0], pads, pairs[1], int(groups)).reshape(-1) for one in x], 0)
    np.testing.assert_allclose(stepped(found, x.reshape(6, -1)), want, rtol=1e-4, atol=1e-4)
    assert isinstance(found.network.projections[-1].connection, Convolution)


@pytest.mark.parametrize(
    ("stride", "padding", "dilation"), [(1, 0, 1), (2, 2, 1), (1, "same", 2), (1, np.array([1]), 2)]
)
def test_a_convolution_of_one_dimension(stride, padding, dilation):
    rng = np.random.default_rng(1)
    w, b = rng.normal(size=(3, 2, 4)).astype(F), rng.normal(size=3).astype(F)
    node = nir.Conv1d(12, w, stride, padding, dilation, 1, b)
    x = rng.normal(size=(4, 2, 12)).astype(F)
    found = read(line(x=nir.Input(np.array([2, 12])), c=node, i=nir.I(np.array(1 / DT))))
    total = dilation * 3
    pad = (total // 2, total - total // 2) if isinstance(padding, str) else (int(np.ravel(padding)[0]),) * 2
    want = np.cumsum(
        [conv2d(one[:, None], w[:, :, None], b, (1, stride), [(0, 0), pad], (1, dilation), 1).ravel() for one in x], 0
    )
    np.testing.assert_allclose(stepped(found, x.reshape(4, -1)), want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["SumPool2d", "AvgPool2d"])
@pytest.mark.parametrize(("kernel", "stride", "padding"), [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 0))])
def test_pooling_meets_the_next_weights_in_a_relay(kind, kernel, stride, padding):
    rng = np.random.default_rng(2)
    pool = getattr(nir, kind)(np.array(kernel), np.array(stride), np.array(padding))
    x = rng.normal(size=(3, 2, 6, 6)).astype(F)
    ones, pads = np.ones((2, 1, *kernel)), [(p, p) for p in padding]
    want = np.array([conv2d(one, ones, np.zeros(2), stride, pads, (1, 1), 2) for one in x])
    want = want / (np.prod(kernel) if kind == "AvgPool2d" else 1)
    w = rng.normal(size=(4, want[0].size)).astype(F)
    flat = nir.Flatten(None, 0, -1)
    nodes = line(x=nir.Input(np.array([2, 6, 6])), p=pool, f=flat, w=nir.Linear(w), i=nir.I(np.full(4, 1 / DT)))
    found = read(nodes)
    assert [(p.name, type(p.neuron)) for p in found.network.populations] == [("p", Relay), ("i", Integrator)]
    np.testing.assert_allclose(stepped(found, x.reshape(3, -1)), np.cumsum(want.reshape(3, -1) @ w.T, 0), rtol=1e-4)


def test_weights_that_follow_one_another_keep_their_sums():
    rng = np.random.default_rng(3)
    w1, w2 = rng.normal(size=(4, 3)).astype(F), rng.normal(size=(5, 4)).astype(F)
    b1, b2, s = rng.normal(size=4).astype(F), rng.normal(size=5).astype(F), rng.normal(size=5).astype(F)
    found = read(line(x=nir.Input(np.array([3])), a=nir.Affine(w1, b1), b=nir.Affine(w2, b2), s=nir.Scale(s)))
    x = rng.normal(size=(3, 3)).astype(F)
    np.testing.assert_allclose(stepped(found, x), (((x @ w1.T) + b1) @ w2.T + b2) * s, rtol=1e-5)
    assert all(isinstance(p.neuron, Relay) for p in found.network.populations)
    assert found.hidden == ""


def test_fan_in_and_fan_out():
    """Two inputs of one Affine whose bias counts once; weights that go to a neuron and to other weights."""
    rng = np.random.default_rng(4)
    w, b, v = rng.normal(size=(4, 3)).astype(F), rng.normal(size=4).astype(F), rng.normal(size=(4, 4)).astype(F)
    nodes = {"x": nir.Input(np.array([3])), "t": nir.Threshold(np.zeros(3)), "w": nir.Affine(w, b), "v": nir.Linear(v)}
    nodes |= {"i": nir.I(np.full(4, 1 / DT)), "j": nir.I(np.full(4, 1 / DT))}
    edges = [("x", "t"), ("x", "w"), ("t", "w"), ("w", "i"), ("w", "v"), ("v", "j"), ("x", "x2"), ("i", "output")]
    nodes["x2"] = nir.Scale(np.ones(3))
    found = read(graph(nodes, [*edges, ("j", "output")]))
    x = rng.normal(size=(5, 3)).astype(F)
    w_out = (x + (x > 0)) @ w.T + b
    want = np.cumsum(w_out, 0) + np.cumsum(w_out @ v.T, 0)
    np.testing.assert_allclose(stepped(found, x), want, rtol=1e-4, atol=1e-5)
    assert list(found.outputs.values()) == ["output"]  # two populations meet there


def test_input_straight_into_neurons_and_out():
    found = read(line(x=nir.Input(np.array([3])), t=nir.Threshold(np.array([0.1, 0.2, 0.3]))))
    assert isinstance(found.network.populations[0].neuron, Threshold)
    np.testing.assert_array_equal(stepped(found, np.array([[0.1, 0.21, 0.4]])), [[0, 1, 1]])
    through = read(line(x=nir.Input(np.array([3]))))
    np.testing.assert_array_equal(stepped(through, np.array([[1.0, -2.0, 3.0]])), [[1, -2, 3]])


@pytest.mark.parametrize("spiking", [False, True])
@pytest.mark.parametrize("delay", [np.full(3, 2e-3), np.array([0.0, 1e-3, 3e-3])])
def test_delays(spiking, delay):
    rng = np.random.default_rng(5)
    w, b = rng.normal(size=(4, 3)).astype(F), rng.normal(size=4).astype(F)
    nodes = {"x": nir.Input(np.array([3]))} | ({"t": nir.Threshold(np.full(3, 0.5))} if spiking else {})
    nodes |= {"d": nir.Delay(delay), "w": nir.Affine(w, b), "i": nir.I(np.full(4, 1 / DT))}
    x = (rng.random((8, 3)) < 0.5).astype(F)
    late = np.zeros_like(x)
    for k, steps in enumerate(np.rint(delay / DT).astype(int)):
        late[steps:, k] = x[: len(x) - steps, k]
    np.testing.assert_allclose(stepped(read(line(**nodes)), x), np.cumsum(late @ w.T + b, 0), rtol=1e-5, atol=1e-5)


def test_a_delay_behind_an_affine_delays_its_bias_too_and_is_rounded_with_a_warning():
    w, b = np.eye(2, dtype=F), np.array([1.0, 2.0], F)
    found = read(
        line(
            x=nir.Input(np.array([2])), w=nir.Affine(w, b), d=nir.Delay(np.full(2, 2.2e-3)), i=nir.I(np.full(2, 1 / DT))
        )
    )
    np.testing.assert_allclose(stepped(found, np.zeros((4, 2))), [[0, 0], [0, 0], [1, 2], [2, 4]], rtol=1e-6)
    assert "rounded to whole steps" in found.notes[0]


def if_node(n, threshold=0.5):
    return nir.IF(r=np.full(n, 1 / DT), v_threshold=np.full(n, threshold), v_reset=np.zeros(n))


def test_recurrence_works_on_the_last_step_and_its_bias_is_there_from_the_first():
    w, rec = np.eye(2, dtype=F), np.array([[0, 1], [0, 0]], F)  # neuron 1 drives neuron 0
    nodes = {
        "x": nir.Input(np.array([2])),
        "w": nir.Linear(w),
        "n": if_node(2),
        "rec": nir.Affine(rec, np.array([0.4, 0], F)),
    }
    found = read(graph(nodes, [("x", "w"), ("w", "n"), ("n", "rec"), ("rec", "n"), ("n", "output")]))
    got = stepped(found, np.array([[0, 1], [0, 0], [0, 0], [0, 0]]))
    np.testing.assert_array_equal(got, [[0, 1], [1, 0], [0, 0], [1, 0]])
    assert {p.pre: p.delay for p in found.network.projections} == {"x": 0.0, "n": DT}


def test_in_a_longer_cycle_only_the_way_back_is_late():
    one = np.eye(1, dtype=F)
    nodes = {
        "x": nir.Input(np.array([1])),
        "a": if_node(1),
        "ab": nir.Linear(one),
        "b": if_node(1),
        "ba": nir.Linear(one),
    }
    edges = [("x", "a"), ("a", "ab"), ("ab", "b"), ("b", "ba"), ("ba", "a"), ("b", "output")]
    found = read(graph(nodes, edges))
    assert {(p.pre, p.post): p.delay for p in found.network.projections} == {
        ("x", "a"): 0,
        ("a", "b"): 0,
        ("b", "a"): DT,
    }
    np.testing.assert_array_equal(stepped(found, np.array([[1], [0], [0]])), [[1], [1], [1]])


def test_weights_shared_by_the_way_back_and_the_way_on():
    one = np.eye(1, dtype=F)
    nodes = {"x": nir.Input(np.array([1])), "a": if_node(1), "w": nir.Linear(one), "b": if_node(1)}
    found = read(graph(nodes, [("x", "a"), ("a", "w"), ("w", "a"), ("w", "b"), ("b", "output")]))
    assert {(p.pre, p.post): p.delay for p in found.network.projections} == {
        ("x", "a"): 0,
        ("a", "a"): DT,
        ("a", "b"): 0,
    }


def test_a_delay_in_a_cycle_is_enough():
    one = np.eye(1, dtype=F)
    nodes = {"x": nir.Input(np.array([1])), "a": if_node(1), "d": nir.Delay(np.array([2e-3])), "w": nir.Linear(one)}
    found = read(graph(nodes, [("x", "a"), ("a", "d"), ("d", "w"), ("w", "a"), ("a", "output")]))
    assert {(p.pre, p.post): p.delay for p in found.network.projections} == {("x", "a"): 0, ("a", "a"): 2 * DT}


def test_names_do_not_collide():
    nodes = {
        "x": nir.Input(np.array([1])),
        "a.b": nir.LI(*np.full((2, 1), 0.01), np.zeros(1)),
        "a_b": nir.LI(*np.full((2, 1), 0.01), np.zeros(1)),
    }
    found = read(graph(nodes, [("x", "a.b"), ("a.b", "a_b"), ("a_b", "output")]))
    assert [p.name for p in found.network.populations] == ["a_b", "a_b_2"]
    assert all(isinstance(p.neuron, LI) for p in found.network.populations)
    assert found.names["a_b"] == "a_b_2"
