"""The random numbers of the tick: published vectors, and uniform over neurons, steps and operations."""

import numpy as np
import pytest

from snn_control.engine.compile import compile_function
from snn_control.engine.random import operation_number, philox, uniform4
from tests import reference

#: counter, key and result, from tests/kat_vectors of Random123 (Salmon et al. 2011), lines "philox4x32 10"
PUBLISHED = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text):
    return [int(word, 16) for word in text.split()]


def compiled_philox(counter, key):
    function = compile_function(philox, f"UniTuple(uint64, 4)({', '.join(['uint64'] * 6)})")
    return list(function(*(np.uint64(word) for word in (*counter, *key))))


@pytest.mark.parametrize(("counter", "key", "expected"), PUBLISHED)
def test_philox_gives_the_published_numbers(counter, key, expected):
    assert compiled_philox(words(counter), words(key)) == words(expected)
    assert reference.philox(words(counter), words(key)) == words(expected)


def numbers(seed, number, step, n):
    four = compile_function(uniform4, "UniTuple(float32, 4)(int64, int64, int64, int64)")
    return np.array([four(seed, number, step, k) for k in range(-(-n // 4))], np.float32).reshape(-1)[:n]


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**63 - 1])
@pytest.mark.parametrize("step", [0, 2**32 - 1, 2**32, 2**62])
def test_all_bits_of_seed_and_step_are_used(seed, step):
    assert numbers(seed, 2**32 - 1, step, 8).tolist() == reference.uniforms(seed, 2**32 - 1, step, 8)
    assert numbers(seed, 5, step, 8).tolist() != numbers(seed ^ 1 << 40, 5, step, 8).tolist()
    assert numbers(seed, 5, step, 8).tolist() != numbers(seed, 5, step ^ 1 << 40, 8).tolist()


def test_they_are_uniform_in_0_to_1():
    u = np.concatenate([numbers(3, operation_number("p"), step, 400) for step in range(100)])
    assert u.min() >= 0
    assert u.max() < 1
    assert (u * 2**24 == np.rint(u * 2**24)).all()
    observed = np.histogram(u, 64, (0, 1))[0]
    chi_square = ((observed - u.size / 64) ** 2 / (u.size / 64)).sum()
    assert abs(chi_square - 63) < 4 * np.sqrt(2 * 63), chi_square


def test_neighbours_steps_and_operations_are_independent():
    u = np.array([numbers(3, operation_number("p"), step, 400) for step in range(100)], np.float64)
    other = np.array([numbers(3, operation_number("q"), step, 400) for step in range(100)], np.float64)
    bound = 4 / np.sqrt(u.size)
    for a, b in ((u[:, 1:], u[:, :-1]), (u[:, 4:], u[:, :-4]), (u[1:], u[:-1]), (u, other)):
        assert abs(np.corrcoef(a.reshape(-1), b.reshape(-1))[0, 1]) < bound
