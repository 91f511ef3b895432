"""Distributions: their moments, their seeds, and that cutting the numbers into pieces changes nothing."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.errors import DescriptionError
from snn_control.network import FixedProbability, Normal, Uniform


def test_moments():
    x = Uniform(-1.0, 3.0, seed=1).sample(100_000)
    assert x.min() >= -1
    assert x.max() < 3
    assert abs(x.mean() - 1) < 5 * 4 / math.sqrt(12e5)
    y = Normal(0.5, 2.0, seed=1).sample((1000, 100))
    assert y.shape == (1000, 100)
    assert abs(y.mean() - 0.5) < 5 * 2 / math.sqrt(1e5)
    assert abs(y.std() / 2 - 1) < 0.02
    assert (Normal(0.5, 0.0, seed=1).sample(3) == 0.5).all()
    assert (Uniform(2, 2, seed=1).sample(3) == 2).all()


@given(st.sampled_from([Uniform, Normal]), st.integers(0, 2**70), st.lists(st.integers(0, 50), max_size=6))
def test_pieces_are_the_whole(cls, seed, cuts):
    draw = cls(0.0, 1.0, seed).stream()
    pieces = np.concatenate([np.zeros(0), *[draw(n) for n in cuts]])
    assert pieces.tobytes() == cls(0.0, 1.0, seed).sample(sum(cuts)).tobytes()


def test_seeds_tell_them_apart():
    assert (Normal(0, 1, seed=1).sample(5) != Normal(0, 1, seed=2).sample(5)).all()
    a, b = (np.random.Generator.random(cls(0.5, 1.0, 7).generator(), 5) for cls in (Normal, Uniform))
    assert (a != b).all()  # of one seed
    assert (FixedProbability(0.5, seed=7).generator().random(5) != b).all()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: Uniform(1, 0, 1), "high = 0: must be >= low (1)"),
        (lambda: Uniform(math.nan, 0, 1), "low = nan: must be finite"),
        (lambda: Uniform(0, "1", 1), "high = '1': must be a number"),
        (lambda: Normal(0, -1, 1), "std = -1: must be >= 0"),
        (lambda: Normal(math.inf, 1, 1), "mean = inf: must be finite"),
        (lambda: Normal(0, 1, None), "seed = None: must be a whole number >= 0"),
    ],
)
def test_a_rule_has_its_message(make, expected):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert expected in str(caught.value)
