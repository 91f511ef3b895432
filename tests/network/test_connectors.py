"""Connectors: how many synapses, where, in which order, how often each, and what is refused."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.errors import DescriptionError
from snn_control.network import (
    AllToAll,
    DistanceDependent,
    FixedIndegree,
    FixedOutdegree,
    FixedProbability,
    FromArrays,
    Grid,
    OneToOne,
)

SIZES, SEEDS = st.integers(1, 40), st.integers(0, 2**70)


def matrix(connector, n_pre, n_post, recurrent=False):
    """How often each pair is connected, after checking what holds for all rows."""
    pointers, targets = connector.rows(n_pre, n_post, recurrent)
    assert (pointers.dtype, targets.dtype) == (np.uint32, np.uint32)
    assert (pointers.shape, pointers[0], pointers[-1]) == ((n_pre + 1,), 0, targets.size)
    counts = np.zeros((n_pre, n_post), int)
    for i in range(n_pre):
        row = targets[pointers[i] : pointers[i + 1]].tolist()
        assert row == sorted(row)
        for j in row:
            counts[i, j] += 1
    again = connector.rows(n_pre, n_post, recurrent)
    assert again[0].tobytes() + again[1].tobytes() == pointers.tobytes() + targets.tobytes()
    return counts


def likely(counts, n, p):
    """Whether counts of n trials of probability p are within five standard deviations."""
    return (np.abs(counts - n * p) <= 5 * np.sqrt(n * p * (1 - p)) + 1e-9).all()


@given(SIZES, SIZES)
def test_all_to_all_and_one_to_one(n_pre, n_post):
    assert (matrix(AllToAll(), n_pre, n_post) == 1).all()
    assert (matrix(OneToOne(), n_pre, n_pre) == np.eye(n_pre)).all()


@given(SIZES, SIZES, st.data())
def test_arrays_come_in_order_and_say_where_each_went(n_pre, n_post, data):
    k = data.draw(st.integers(0, 60))
    rng = np.random.default_rng(data.draw(SEEDS))
    pre, post = rng.integers(0, n_pre, k), rng.integers(0, n_post, k)
    connector = FromArrays(pre, post.tolist())
    expected = np.zeros((n_pre, n_post), int)
    np.add.at(expected, (pre, post), 1)
    assert (matrix(connector, n_pre, n_post) == expected).all()
    order, (pointers, targets) = np.lexsort((post, pre)), connector.rows(n_pre, n_post)
    assert (post[order] == targets).all()
    assert (np.repeat(np.arange(n_pre), np.diff(pointers.astype(int))) == pre[order]).all()
    same = (np.diff(pre[order]) == 0) & (np.diff(post[order]) == 0)
    assert (np.diff(order)[same] > 0).all()  # synapses between the same two keep their order


@given(SIZES, SIZES, st.booleans(), st.booleans(), st.booleans(), SEEDS, st.data())
def test_fixed_degrees(n_pre, n_post, incoming, allow_self, with_replacement, seed, data):
    recurrent = n_pre == n_post and data.draw(st.booleans())
    among = (n_pre if incoming else n_post) - (recurrent and not allow_self)
    if among == 0:
        return
    n = data.draw(st.integers(1, 2 * among if with_replacement else among))
    cls = FixedIndegree if incoming else FixedOutdegree
    counts = matrix(cls(n, seed, allow_self, with_replacement), n_pre, n_post, recurrent)
    assert (counts.sum(axis=0 if incoming else 1) == n).all()
    if not with_replacement:
        assert counts.max() == 1
    if recurrent and not allow_self:
        assert not counts.diagonal().any()


@pytest.mark.parametrize("cls", [FixedIndegree, FixedOutdegree])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_choice_is_equally_likely(cls, n):
    counts = matrix(cls(n, seed=n), *((5, 20_000) if cls is FixedIndegree else (20_000, 5)))
    chosen = counts.T if cls is FixedIndegree else counts
    found = [np.sum((chosen[:, subset] == 1).all(axis=1)) for subset in itertools.combinations(range(5), n)]
    assert sum(found) == 20_000
    assert likely(np.array(found), 20_000, 1 / math.comb(5, n))


def test_with_replacement_every_sequence_is_equally_likely():
    counts = matrix(FixedOutdegree(2, seed=1, with_replacement=True), 20_000, 4)
    assert likely(np.sum(counts == 2, axis=0), 20_000, 1 / 16)
    assert likely(counts.sum(axis=0), 40_000, 1 / 4)


def test_without_self_the_others_are_equally_likely():
    counts = sum(matrix(FixedIndegree(2, seed=s, allow_self=False), 5, 5, True) for s in range(2000))
    assert not counts.diagonal().any()
    assert likely(counts[~np.eye(5, dtype=bool)], 2000, 1 / 2)


@pytest.mark.parametrize("cls", [FixedIndegree, FixedOutdegree])
def test_big_degrees_are_whole(cls):
    n = 3000  # drawn in several pieces
    pointers, targets = cls(100, seed=5).rows(n, n)
    assert pointers[-1] == targets.size == 100 * n
    degrees = np.bincount(targets, minlength=n) if cls is FixedIndegree else np.diff(pointers)
    assert (degrees == 100).all()
    other = np.diff(pointers) if cls is FixedIndegree else np.bincount(targets, minlength=n)
    assert likely(other, 100 * n, 1 / n)


# fixed probability -------------------------------------------------------------------------------------------
@given(SIZES, SIZES, st.sampled_from([0.0, 1e-300, 1e-17, 0.03, 0.5, 0.99, 1.0]), st.booleans(), SEEDS)
def test_fixed_probability_connects_a_pair_once_at_most(n_pre, n_post, p, allow_self, seed):
    recurrent = n_pre == n_post
    counts = matrix(FixedProbability(p, seed, allow_self), n_pre, n_post, recurrent)
    assert counts.max() <= 1
    possible = np.ones_like(counts) - (np.eye(n_pre, dtype=int) if recurrent and not allow_self else 0)
    assert not counts[possible == 0].any()
    if p in (0.0, 1.0):
        assert (counts == p * possible).all()
    if p < 1e-10:
        assert not counts.any()


@pytest.mark.parametrize("p", [0.05, 0.4, 0.9])
def test_every_pair_is_as_likely_as_said_and_independent(p):
    counts = np.stack([matrix(FixedProbability(p, seed), 4, 3) for seed in range(3000)]).reshape(3000, 12)
    assert likely(counts.sum(axis=0), 3000, p)
    for a, b in itertools.pairwise(range(12)):
        assert likely(np.sum(counts[:, a] & counts[:, b]), 3000, p * p)


def test_big_probabilities_are_whole():
    for p in (0.8, 1.0):  # more than is drawn at a time
        counts = matrix(FixedProbability(p, seed=1), 700, 600)
        assert likely(counts.sum(axis=1), 600, p)
        assert likely(counts.sum(axis=0), 700, p)


# distance ----------------------------------------------------------------------------------------------------
def probability(connector, a, b):
    """Of one pair, from the definition."""
    squared = 0.0
    for axis, (x, y) in enumerate(zip(a, b)):
        d = abs(x - y)
        if connector.period is not None:
            d = min(abs(x - y + k * connector.period[axis]) for k in range(-3, 4))
        squared += d * d
    d, w = math.sqrt(squared), connector.width
    shape = {"gaussian": math.exp(-d * d / (2 * w * w)), "exponential": math.exp(-d / w), "step": float(d <= w)}
    return connector.peak * shape[connector.kind]


@pytest.mark.parametrize("kind", ["gaussian", "exponential", "step"])
@pytest.mark.parametrize("period", [None, (1.0, 1.5)])
@pytest.mark.parametrize("width", [0.1, 0.4])
def test_every_pair_is_as_likely_as_its_distance_says(kind, period, width):
    rng, seeds, copies = np.random.default_rng(1), 40, 20
    pre, post = rng.uniform(-0.3, 1.4, (9, 2)), rng.uniform(-0.3, 1.4, (7, 2))
    counts, trials, n = np.zeros((9, 7), int), seeds * copies, copies * 9
    for seed in range(seeds):
        connector = DistanceDependent(np.tile(pre, (copies, 1)), post, width, seed, kind, 0.7, period)
        pointers, targets = connector.rows(n, 7)
        np.add.at(counts, (np.repeat(np.arange(n), np.diff(pointers.astype(int))) % 9, targets), 1)
    expected = np.array([[probability(connector, a, b) for b in post] for a in pre])
    assert likely(counts, trials, expected)
    assert counts.any()


@given(st.sampled_from(["gaussian", "exponential", "step"]), st.integers(1, 3), SEEDS, st.data())
def test_distance_dependent_rows(kind, axes, seed, data):
    rng = np.random.default_rng(seed)
    n_pre, n_post = data.draw(SIZES), data.draw(SIZES)
    pre, post = rng.normal(size=(n_pre, axes)), rng.normal(size=(n_post, axes))
    period = data.draw(st.sampled_from([None, [2.0] * axes]))
    connector = DistanceDependent(pre, post, data.draw(st.sampled_from([1e-6, 0.1, 1.0, 1e6])), seed, kind, 1.0, period)
    counts = matrix(connector, n_pre, n_post)
    possible = [[probability(connector, a, b) > 1e-12 for b in post] for a in pre]
    assert counts.max() <= 1
    assert not counts[~np.array(possible)].any()
    if kind == "step":
        assert (counts == possible).all()


def test_a_disc_on_a_grid_is_whole_and_goes_round():
    grid = Grid((8, 6))
    counts = matrix(DistanceDependent(grid, grid, 2.0, 1, "step", period=(8, 6)), 48, 48, True)
    assert (counts.sum(axis=1) == 13).all()  # cells at distance 2 and less, the cell itself too
    assert (counts == counts.T).all()
    open_ends = matrix(DistanceDependent(grid, grid, 2.0, 1, "step", allow_self=False), 48, 48, True)
    assert open_ends[0].nonzero()[0].tolist() == [1, 2, 8, 9, 16]
    tenths = Grid((8, 6), (0.8, 0.6))  # 0.2 is not two times 0.1 there
    assert (matrix(DistanceDependent(tenths, tenths, 0.2, 1, "step", period=(0.8, 0.6)), 48, 48) == counts).all()


def test_a_grid_counts_columns_first():
    assert Grid((3, 2)).positions.tolist() == [[0.5, 0.5], [1.5, 0.5], [2.5, 0.5], [0.5, 1.5], [1.5, 1.5], [2.5, 1.5]]
    assert Grid((2,), (1.0,)).positions.tolist() == [[0.25], [0.75]]
    assert Grid((1, 1, 2), (2, 2, 2)).positions.tolist() == [[1, 1, 0.5], [1, 1, 1.5]]


def test_a_big_sheet_has_local_connections():
    grid = Grid((100, 80))
    pointers, targets = DistanceDependent(grid, grid, 2.0, 3, peak=0.5).rows(8000, 8000)
    pre = np.repeat(np.arange(8000), np.diff(pointers.astype(int)))
    dx, dy = pre % 100 - targets % 100.0, pre // 100 - targets // 100.0
    inside = (np.abs(pre % 100 - 50) < 30) & (np.abs(pre // 100 - 40) < 20)
    assert np.mean(inside) > 0.2
    a_neuron = inside.sum() / np.unique(pre[inside]).size
    assert abs(a_neuron - 0.5 * 2 * np.pi * 4) < 0.2
    assert abs(np.mean(dx[inside] ** 2) - 4) < 0.1
    assert abs(np.mean(dy[inside] ** 2) - 4) < 0.1


# seeds and errors --------------------------------------------------------------------------------------------
def test_seeds_tell_connectors_apart():
    made = [matrix(cls(5, seed), 20, 20).tobytes() for cls in (FixedIndegree, FixedOutdegree) for seed in (1, 2)]
    assert len(set(made)) == 4


POINTS = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: FixedProbability(1.5, 1), "p = 1.5: must be >= 0 and at most 1"),
        (lambda: FixedProbability(math.nan, 1), "p = nan: must be finite"),
        (lambda: FixedProbability("a", 1), "p = 'a': must be a number"),
        (lambda: FixedProbability(0.5, -1), "seed = -1: must be a whole number >= 0"),
        (lambda: FixedProbability(0.5, 1.0), "seed = 1.0: must be a whole number >= 0"),
        (lambda: FixedProbability(0.5, 1, 1), "allow_self = 1: must be true or false"),
        (lambda: FixedIndegree(0, 1), "n = 0: must be a whole number >= 1"),
        (lambda: FixedOutdegree(2, True), "seed = True: must be a whole number >= 0"),
        (lambda: FixedOutdegree(2, 1, with_replacement="yes"), "with_replacement = 'yes': must be true or false"),
        (lambda: FixedOutdegree(5, 1).rows(9, 4), "n = 5: must be at most 4, the neurons to choose from; or draw with_replacement"),
        (lambda: FixedIndegree(4, 1, allow_self=False).rows(4, 4, True), "n = 4: must be at most 3"),
        (lambda: FixedIndegree(1, 1, allow_self=False, with_replacement=True).rows(1, 1, True), "n = 1: must be at most 0"),
        (lambda: FixedOutdegree(10**5, 1).rows(10**5, 10**5), "10,000,000,000 synapses': must be at most 4,294,967,295; split"),
        (lambda: FixedProbability(1, 1).rows(10**6, 10**6), "1,000,000,000,000 synapses': must be at most 4,294,967,295"),
        (lambda: AllToAll().rows(10**6, 10**6), "1,000,000,000,000 synapses': must be at most 4,294,967,295"),
        (lambda: OneToOne().rows(3, 4), "'one_to_one': sizes must agree: 3 and 4"),
        (lambda: FromArrays([0, 1], [0]), "post_index = 'shape (1,), dtype int64': must be whole numbers, one for each synapse (2)"),
        (lambda: FromArrays([0.5], [0]), "pre_index = 'shape (1,), dtype float64': must be whole numbers"),
        (lambda: FromArrays(0, 0), "pre_index = 'shape (), dtype int64': must be whole numbers"),
        (lambda: FromArrays([0, 5], [0, 0]).rows(5, 1), "pre_index = 5: must lie in [0, 5)"),
        (lambda: FromArrays([0, 4], [0, -2]).rows(5, 1), "post_index = -2: must lie in [0, 1)"),
        (lambda: Grid(()), "shape = (): must be (columns,), (columns, rows) or (columns, rows, layers)"),
        (lambda: Grid((3, 0)), "shape[1] = 0: must be a whole number >= 1"),
        (lambda: Grid((3, 2), (1.0,)), "extent = (1.0,): must be 2 lengths, one for each axis"),
        (lambda: DistanceDependent([1, 2], POINTS, 1, 1), "pre_positions = 'shape (2,), dtype int64': must be a Grid or (n, axes) numbers"),
        (lambda: DistanceDependent(POINTS, Grid((3,)), 1, 1), "post_positions = '1 axes': must have as many axes as pre_positions (2)"),
        (lambda: DistanceDependent(POINTS * math.nan, POINTS, 1, 1), "pre_positions = 'NaN or infinity': must be finite"),
        (lambda: DistanceDependent(POINTS, POINTS, 0, 1), "width = 0: must be > 0"),
        (lambda: DistanceDependent(POINTS, POINTS, 1, 1, "linear"), "kind = 'linear': must be 'gaussian', 'exponential' or 'step'"),
        (lambda: DistanceDependent(POINTS, POINTS, 1, 1, peak=2), "peak = 2: must be >= 0 and at most 1"),
        (lambda: DistanceDependent(POINTS, POINTS, 1, 1, period=(1, -1)), "period = (1, -1): must be > 0"),
        (lambda: DistanceDependent(POINTS, POINTS, 1, 1).rows(3, 4), "post_positions = '3 positions': must be one for each neuron: 4"),
    ],
)  # fmt: skip
def test_a_rule_has_its_message(make, expected):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert expected in str(caught.value)
