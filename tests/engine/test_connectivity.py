"""From connectors to rows of synapses: a plain sort, the order of lexsort, weights, errors, whole builds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.coding import Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.build.connectivity import rows_of, weight_words
from snn_control.errors import BuildError
from snn_control.network import (
    LI,
    LIF,
    AllToAll,
    DistanceDependent,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    FromArrays,
    Grid,
    Network,
    Normal,
    OneToOne,
    Population,
    Projection,
    Uniform,
)


def synapses(connector, weights, n_pre, n_post, recurrent=False):
    """Pointers, and what `fill` writes."""
    rows = rows_of("p", connector, n_pre, n_post, recurrent)
    out = np.full((rows.size, 2), 77, np.uint32)
    rows.fill(out, weight_words("p.weights", weights, (rows.size,)))
    return rows.pointers, out


def slow_rows(pre, post, weights, n_pre):
    """Insert the synapses into lists one by one, each list sorted by target."""
    rows = [[] for _ in range(n_pre)]
    for i, j, w in zip(pre, post, weights):
        rows[i].append((int(j), float(w)))
    return [sorted(row, key=lambda synapse: synapse[0]) for row in rows]


def as_lists(pointers, out):
    weights = out[:, 1].copy().view(np.float32)
    return [
        [(int(out[s, 0]), float(weights[s])) for s in range(pointers[i], pointers[i + 1])]
        for i in range(pointers.size - 1)
    ]


def lexsort_rows(pre, post, weights, n_pre):
    order = np.lexsort((post, pre))
    pointers = np.concatenate([[0], np.cumsum(np.bincount(pre, minlength=n_pre))]).astype(np.uint32)
    words = np.asarray(weights, np.float32)[order].view(np.uint32)
    return pointers, np.stack([post[order].astype(np.uint32), words], 1)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 200), st.integers(0, 2**32), st.data())
def test_given_synapses_come_as_the_reference_and_lexsort_order_them(n_pre, n_post, k, seed, data):
    rng = np.random.default_rng(seed)
    kind = data.draw(st.sampled_from([np.int64, np.int32, np.uint8, np.uint64, ">i4"]))
    pre, post = rng.integers(0, n_pre, k).astype(kind), rng.integers(0, n_post, k).astype(kind)
    weights = rng.normal(size=k).astype(np.float32)
    pointers, out = synapses(FromArrays(pre, post), weights, n_pre, n_post)
    assert as_lists(pointers, out) == slow_rows(pre, post, weights, n_pre)
    expected = lexsort_rows(pre.astype(int), post.astype(int), weights, n_pre)
    assert (pointers.tobytes(), out.tobytes()) == (expected[0].tobytes(), expected[1].tobytes())


@pytest.mark.parametrize("order", ["random", "sorted", "reversed", "equal", "one row", "wide"])
def test_long_and_ordered_inputs(order):
    k, rng = 300_000, np.random.default_rng(0)  # more than is taken at a time
    n_pre, n_post = (20_000, 1 << 32) if order == "wide" else (50, 70_000)  # wide: more than one sort's keys can hold
    pre, post = rng.integers(0, n_pre, k), rng.integers(0, n_post, k)
    weights = rng.normal(size=k)
    if order in ("sorted", "reversed"):
        there = np.lexsort((post, pre))[:: 1 if order == "sorted" else -1]
        pre, post = pre[there], post[there]
    elif order == "equal":
        post[:] = 5
    elif order == "one row":
        pre[:] = 3
    pointers, out = synapses(FromArrays(pre, post), weights, n_pre, n_post)
    expected = lexsort_rows(pre, post, weights, n_pre)
    assert (pointers.tobytes(), out.tobytes()) == (expected[0].tobytes(), expected[1].tobytes())


def test_views_lists_and_read_only_arrays_are_taken():
    index = np.arange(20).reshape(10, 2) % 5
    index.setflags(write=False)
    pre, post, weights = index[:, 0], index[::-1, 1], np.arange(20.0)[::2]
    expected = lexsort_rows(pre, post, weights, 5)
    for connector in (FromArrays(pre, post), FromArrays(pre.tolist(), tuple(post.tolist()))):
        pointers, out = synapses(connector, weights, 5, 5)
        assert (pointers.tobytes(), out.tobytes()) == (expected[0].tobytes(), expected[1].tobytes())
    pointers, out = synapses(FromArrays([], []), 1.0, 3, 3)
    assert (pointers.tolist(), out.shape) == ([0, 0, 0, 0], (0, 2))


# weights -----------------------------------------------------------------------------------------------------
def test_weights_in_the_order_of_the_rows_and_of_the_caller():
    k = 300_000
    bits = Normal(0.1, 0.5, seed=3).sample(k).astype(np.float32).view(np.uint32)
    connector = FixedOutdegree(100, seed=1)
    out = synapses(connector, Normal(0.1, 0.5, seed=3), 3000, 3000)[1]
    assert (out[:, 0] == connector.rows(3000, 3000)[1]).all()
    assert (out[:, 1] == bits).all()
    rng = np.random.default_rng(1)
    pre, post = rng.integers(0, 9, k), rng.integers(0, 9, k)
    out = synapses(FromArrays(pre, post), Normal(0.1, 0.5, seed=3), 9, 9)[1]
    assert (out[:, 1] == bits[np.lexsort((post, pre))]).all()
    out = synapses(FromArrays(pre, post), 3, 9, 9)[1]
    assert (out[:, 1].copy().view(np.float32) == 3).all()


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([1.0, 2.0], "p.weights = 'shape (2,)': must be a number or have shape (3,)"),
        ([1.0, np.nan, 2.0], "must be finite numbers of float32"),
        ([1.0, 1e39, 2.0], "must be finite numbers of float32"),
        (["a", "b", "c"], "must be finite numbers of float32"),
        (Normal(1e39, 0.0, 1), "must be finite numbers of float32"),
    ],
)
def test_wrong_weights_are_told(weights, expected):
    with pytest.raises(BuildError) as caught:
        synapses(FromArrays([0, 1, 2], [0, 0, 0]), weights, 3, 3)
    assert expected in str(caught.value)


def test_what_does_not_fit_is_told_with_its_place():
    for connector, n_pre, expected in [
        (FromArrays([0, 3], [0, 0]), 3, "p.pre_index = 3: must lie in [0, 3)"),
        (FromArrays([0, -1], [0, 0]), 3, "p.pre_index = -1: must lie in [0, 3)"),
        (FromArrays([0, 1], [0, 4]), 3, "p.post_index = 4: must lie in [0, 4)"),
        (FromArrays(np.array([0, 2**63], np.uint64), [0, 0]), 3, f"p.pre_index = {2**63}: must lie in"),
        (FixedOutdegree(5, seed=1), 3, "p.connection.n = 5: must be at most 4"),
        (OneToOne(), 3, "p.connection = 'one_to_one': sizes must agree: 3 and 4"),
    ]:
        with pytest.raises(BuildError) as caught:
            rows_of("p", connector, n_pre, 4, False)
        assert expected in str(caught.value)


# builds ------------------------------------------------------------------------------------------------------
N = 60
OUTPUTS = [Output("u", (SpikeDecoder("b", 1.0, 0.01),))]


def program(a_to_b, a_to_a=None, weights=8.0, **values):
    populations = (
        Population("a", N, LIF(), bias=1.2, v_init=values.pop("v_init", 0.0)),
        Population("b", N, LIF(refractory=0.002)),
    )
    projections = [Projection("a", "b", weights, a_to_b, delay=0.002)]
    if a_to_a is not None:
        projections.append(Projection("a", "a", 0.1, a_to_a, delay=0.001))
    return build(Network(populations, tuple(projections)), [], OUTPUTS, dt=1e-3, period=1e-3)


GRID = Grid((10, 6))
CONNECTORS = [
    FixedProbability(0.3, seed=1),
    FixedIndegree(7, seed=2),
    FixedOutdegree(7, seed=3, with_replacement=True),
    DistanceDependent(GRID, GRID, 1.5, seed=4),
]


@pytest.mark.parametrize("connector", CONNECTORS, ids=lambda c: type(c).__name__)
def test_a_connector_builds_what_its_synapses_one_by_one_build(connector):
    pointers, targets = connector.rows(N, N)
    pre = np.repeat(np.arange(N), np.diff(pointers.astype(int)))
    shuffled = np.random.default_rng(1).permutation(pre.size)
    one_by_one = FromArrays(pre[shuffled], targets[shuffled])
    assert program(connector, one_by_one).digest == program(one_by_one, connector).digest
    controller = Controller(program(connector))
    assert controller.program.facts.projections[0].synapses == targets.size
    for _ in range(200):
        controller.step({})
    assert controller.counters()["spikes"]["b"] > 50


@pytest.mark.parametrize(("precision", "delays"), [("float32", True), ("float32", False), ("int8", False)])
def test_weights_and_delays_stay_with_their_synapses(precision, delays):
    rng, connector = np.random.default_rng(2), FixedOutdegree(7, seed=3)
    pointers, targets = connector.rows(N, N)
    pre = np.repeat(np.arange(N), np.diff(pointers.astype(int)))
    delay = 1e-3 * rng.integers(1, 5, pre.size) if delays else np.full(pre.size, 2e-3)
    weights, shuffled, made = rng.normal(size=pre.size), rng.permutation(pre.size), []
    for way, order in ((connector, slice(None)), (FromArrays(pre[shuffled], targets[shuffled]), shuffled)):
        options = {"delay": delay[order] if delays else 2e-3, "precision": precision}
        populations = (Population("a", N, LIF(), 1.2), Population("b", N, LIF()))
        network = Network(populations, (Projection("a", "b", weights[order], way, **options),))
        made.append(build(network, [], OUTPUTS, dt=1e-3, period=1e-3))
    assert made[0].facts.projections[0].synapses == pre.size
    assert made[0].digest == made[1].digest


def test_names_stand_for_connectors():
    index = [0, 5, 5], [1, 2, 3]
    named = Projection("a", "b", [1, 2, 3], "sparse", *index, delay=0.002)
    described = Projection("a", "b", [1, 2, 3], FromArrays(*index), delay=0.002)
    for x, y in [
        (named, described),
        (Projection("a", "b", 0.5, delay=0.002), Projection("a", "b", 0.5, AllToAll(), delay=0.002)),
        (Projection("a", "b", 2, "one_to_one", delay=0.002), Projection("a", "b", 2, OneToOne(), delay=0.002)),
    ]:
        populations = (Population("a", N, LIF()), Population("b", N, LIF()))
        made = [build(Network(populations, (p,)), [], OUTPUTS, dt=1e-3, period=1e-3).digest for p in (x, y)]
        assert made[0] == made[1]


@pytest.mark.parametrize("connector", [FixedProbability(1.0, 1, allow_self=False), FixedIndegree(N - 1, 1, False)])
def test_self_matters_within_a_population_only(connector):
    one = program(connector, connector)
    to_b, to_a = (one.names[f"a->{post}.weights"].view(one.constants)[:, 0].tolist() for post in "ba")
    assert to_a == [j for i in range(N) for j in range(N) if j != i]
    assert len(to_b) == (N * N if isinstance(connector, FixedProbability) else N * (N - 1))
    assert to_b != to_a


def test_distributions_give_weights_biases_and_membranes():
    v = Uniform(0.0, 0.9, seed=5)
    one = program("dense", weights=Normal(0.2, 0.1, seed=1), v_init=v)
    weights = one.names["a->b.weights"].view(one.constants)
    assert (weights == Normal(0.2, 0.1, seed=1).sample((N, N)).astype(np.float32)).all()
    assert (one.names["a.v"].view(one.initial_state) == v.sample(N).astype(np.float32)).all()
    pop = Population("b", 4, LIF(), bias=Normal(1.0, 0.1, seed=9))
    small = build(Network((pop,)), [], OUTPUTS, dt=1e-3, period=1e-3)
    assert (small.names["b.bias"].view(small.constants) == Normal(1.0, 0.1, 9).sample(4).astype(np.float32)).all()


def test_a_graded_source_takes_any_connector_that_fits():
    populations = (Population("g", 4, LI()), Population("b", 4, LIF()))
    network = Network(populations, (Projection("g", "b", 1.0, FixedProbability(0.5, 1)),))
    one = build(network, [], OUTPUTS, dt=1e-3, period=1e-3)
    pairs = one.names["g->b.weights"].view(one.constants)
    pointers, targets = FixedProbability(0.5, 1).rows(4, 4, False)
    assert pairs[:, 0].tolist() == targets.tolist()
    row = next(o for o in one.operations if o.kernel == "csr_graded").operands
    assert row[-1].view(one.constants).tolist() == pointers.tolist()
    network = Network(populations, (Projection("x", "g", 1.0, OneToOne()),))
    with pytest.raises(BuildError, match="sizes must agree: 3 and 4"):
        build(network, [ValueInput("x", size=3)], OUTPUTS, dt=1e-3, period=1e-3)
