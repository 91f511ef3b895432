"""Every kernel gives the bits of its reference implementation."""

import copy
import math

import numpy as np
import pytest

from snn_control.engine import registry
from snn_control.engine.compile import compile_function
from snn_control.engine.kernels import HUGE, TINY, functions, settle
from snn_control.engine.kernels.delivery import add_sparse_rows
from snn_control.engine.registry import all_kernels, kernel
from snn_control.errors import ProgramError
from snn_control.testing import call_kernel, check_kernel
from tests import reference

REFERENCES = {**reference.REFERENCES, **registry.companions("reference")}


@pytest.mark.parametrize("name", sorted(all_kernels()))
def test_a_kernel_agrees_with_its_reference_to_the_bit(name):
    check_kernel(name, REFERENCES)


#: kernel -> largest error of one step from an equal state, over the largest number in it
IN_DOUBLE = {
    **dict.fromkeys(("integrate_and_fire", "leaky_integrator", "adex", "izhikevich"), 4e-7),
    **dict.fromkeys(("population", "synapse", "release"), 1e-7),
    **dict.fromkeys(("dense_spikes", "conv_spikes", "trace"), 4e-6),  # sums of up to 70 rows
    **dict.fromkeys(("stdp", "reward_stdp", "pes", "eprop"), 4e-6),
}
FIRING = ("integrate_and_fire", "adex", "izhikevich")


@pytest.mark.parametrize("name", IN_DOUBLE)
def test_one_step_agrees_with_float64_within_a_bound(name):
    address, steps, flips = kernel(name).address, 0, 0

    for seed in range(60):
        plain, case = reference.REFERENCES[name]
        ours = [tame(o) for o in case(np.random.default_rng(seed), 40)]
        exact = [o.astype(np.float64) if is_float(o) else copy.copy(o) for o in ours]
        scale = max(float(np.abs(o).max()) for o in ours if is_float(o) and o.size)
        call_kernel(address, ours)
        plain(*exact)
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


def test_every_reference_has_a_kernel():
    assert set(REFERENCES) <= set(all_kernels())


def test_an_unknown_kernel_and_another_version_are_refused():
    with pytest.raises(ProgramError, match=r"'trase' is not installed; known: .*trace"):
        kernel("trase")
    with pytest.raises(ProgramError, match="has version 1, the Program was built for 7; build it again"):
        kernel("trace", 7)


def test_exponential_is_within_its_bound_and_has_the_bits_of_its_reference():
    compiled = compile_function(functions.exponential, "float32(float32)")
    x = np.concatenate([np.linspace(-87, 0, 20001), -np.logspace(-30, 1.9, 500), [-0.0]]).astype(np.float32)
    got = np.array([compiled(v) for v in x], np.float32)
    exact = np.exp(x.astype(np.float64))
    inside = x > -87
    error = np.abs(got[inside] / exact[inside] - 1)
    assert error.max() < 3e-7, f"at {x[inside][error.argmax()]}: {error.max()}"
    assert compiled(np.float32(0)) == 1
    plain = np.array([reference.exponential(v) for v in x[::20]], np.float32)
    assert got[::20].tobytes() == plain.tobytes()
    for beyond in (-87.0, -88.0, -1e30, -math.inf, math.nan):
        assert compiled(np.float32(beyond)) == 0


def settle_all(x):
    for i in range(x.size):
        x[i] = settle(x[i])


def test_settle_is_flush_and_bounded_for_every_kind_of_number():
    rng = np.random.default_rng(0)
    borders = np.array([TINY, HUGE, 0, np.inf, 1], np.float32).view(np.uint32)
    around = (borders[:, None].astype(np.int64) + np.arange(-3, 4)).clip(0).astype(np.uint32).ravel()
    bits = np.concatenate([around, around | 1 << 31, rng.integers(0, 1 << 32, 200_000, dtype=np.uint32)])
    x = bits.astype(np.uint32).view(np.float32).copy()
    want = np.where((np.abs(x) > TINY) & (np.abs(x) < HUGE), x, np.float32(0))
    compile_function(settle_all, "void(float32[::1])")(x)
    assert x.tobytes() == want.tobytes()


def sparse_rows_from_memory(y, pointers, synapses, spikes):
    return add_sparse_rows(y, pointers, synapses, spikes, spikes.size, True)


@pytest.mark.parametrize("longest", [3, 16, 17, 200])
def test_rows_that_come_from_memory_give_the_same_sums(longest):
    """In a Program, this variant is used only for more than 16 MB of synapses."""
    rng = np.random.default_rng(longest)
    add = compile_function(sparse_rows_from_memory, "int64(float32[::1],uint32[::1],int64,uint32[::1])")
    for fired in (1, 2, 9, 10, 11, 40):
        counts = rng.integers(0, longest + 1, 50)
        pointers = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
        targets, weights = rng.integers(0, 30, pointers[-1]), rng.normal(size=pointers[-1]).astype(np.float32)
        synapses = np.stack([targets.astype(np.uint32), weights.view(np.uint32)], axis=1)
        spikes = np.sort(rng.choice(50, fired, replace=False)).astype(np.uint32)
        y = rng.normal(size=30).astype(np.float32)
        want = y.copy()
        for i in spikes:
            for s in range(pointers[i], pointers[i + 1]):
                want[targets[s]] += weights[s]
        assert add(y, pointers, synapses.ctypes.data, spikes) == counts[spikes].sum()
        assert y.tobytes() == want.tobytes()
