"""Every kernel gives the bits of its slow twin."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.engine.compile import compile_function
from snn_control.engine.kernels import functions
from snn_control.engine.registry import all_kernels, kernel
from snn_control.errors import ProgramError
from tests import reference

SIZES = st.sampled_from([1, 63, 64, 65, 130]) | st.integers(1, 20)


@pytest.mark.parametrize("name", sorted(all_kernels()))
def test_a_kernel_agrees_with_its_twin_to_the_bit(name):
    assert name in reference.TWINS, f"kernel '{name}' has no slow twin in tests/reference.py"
    address = kernel(name).address

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), size=SIZES)
    def agrees(seed, size):
        assert reference.disagreement(name, address, seed, size) == ""

    agrees()


def test_every_twin_has_a_kernel():
    assert set(reference.TWINS) <= set(all_kernels())


def test_an_unknown_kernel_and_another_version_are_refused():
    with pytest.raises(ProgramError, match=r"'trase' is not installed; known: .*trace"):
        kernel("trase")
    with pytest.raises(ProgramError, match="has version 1, the Program was built for 7; build it again"):
        kernel("trace", 7)


def test_exponential_is_within_its_bound_and_has_the_bits_of_its_twin():
    compiled = compile_function(functions.exponential, "float32(float32)")
    x = np.concatenate([np.linspace(-87, 0, 20001), -np.logspace(-30, 1.9, 500), [-0.0]]).astype(np.float32)
    got = np.array([compiled(v) for v in x], np.float32)
    exact = np.exp(x.astype(np.float64))
    inside = x > -87
    error = np.abs(got[inside] / exact[inside] - 1)
    assert error.max() < 3e-7, f"at {x[inside][error.argmax()]}: {error.max()}"
    assert compiled(np.float32(0)) == 1
    twin = np.array([reference.exponential(v) for v in x[::20]], np.float32)
    assert got[::20].tobytes() == twin.tobytes()
    for beyond in (-87.0, -88.0, -1e30, -math.inf, math.nan):
        assert compiled(np.float32(beyond)) == 0
