"""Every kernel gives the bits of its slow twin."""

import copy
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


#: kernel -> largest error of one step from an equal state, over the largest number in it
IN_DOUBLE = {
    **dict.fromkeys(("integrate_and_fire", "leaky_integrator", "adex", "izhikevich"), 4e-7),
    **dict.fromkeys(("population", "synapse", "release"), 1e-7),
    **dict.fromkeys(("dense_spikes", "conv_spikes", "trace"), 4e-6),  # sums of up to 70 rows
}
FIRING = ("integrate_and_fire", "adex", "izhikevich")


@pytest.mark.parametrize("name", IN_DOUBLE)
def test_one_step_agrees_with_float64_within_a_bound(name):
    address, steps, flips = kernel(name).address, 0, 0

    for seed in range(60):
        twin, case = reference.TWINS[name]
        ours = [tame(o) for o in case(np.random.default_rng(seed), 40)]
        exact = [o.astype(np.float64) if is_float(o) else copy.copy(o) for o in ours]
        scale = max(float(np.abs(o).max()) for o in ours if is_float(o) and o.size)
        reference.call_kernel(address, ours)
        twin(*exact)
        same = np.ones(40, bool)
        if name in FIRING:
            same = ours[5][:40] == exact[5][:40]  # a membrane at the threshold may fall on either side
            flips, steps = flips + int((~same).sum()), steps + 40
        for got, want in zip(ours, exact, strict=True):
            if is_float(got):
                keep = same if got.shape == (40,) else slice(None)
                error = np.abs(got - want) / np.maximum(max(1, scale), np.abs(want))
                assert error[keep].max(initial=0) <= IN_DOUBLE[name]
    assert flips <= steps / 500


def is_float(operand):
    return isinstance(operand, np.ndarray) and operand.dtype == np.float32


def tame(operand):
    """Numbers of order one to a hundred in place of the special ones."""
    if not is_float(operand):
        return operand
    return np.ascontiguousarray(np.where(np.isfinite(operand) & (np.abs(operand) < 200), operand, 0.5), np.float32)


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
