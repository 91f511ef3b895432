"""Outputs that are squashed into their limits by tanh."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snn_control.coding import ArgmaxDecoder, MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.program import STATE
from snn_control.engine.registry import kernel
from snn_control.errors import DescriptionError
from snn_control.network import LI, Network, Population, Projection
from snn_control.testing import call_kernel

TERM, DT = (MembraneDecoder("x", 1.0),), 1e-3
HUGE = float(np.finfo(np.float32).max)


def controller(limits, **more):
    x = ValueInput("x", size=more.get("size", 1), range=(-1e9, 1e9))
    terms = (MembraneDecoder("x", np.eye(x.size)),)
    output = Output("u", terms, limits=limits, squash=True, **more)
    return Controller(build(Network(), [x], [output], dt=DT, period=DT))


def squashed(x):
    """tanh(x) as the kernel computes it, (n,) float32."""
    x = np.ascontiguousarray(x, np.float32)
    y, n = np.zeros_like(x), x.size
    call_kernel(kernel("squash").address, [n, x, y, np.zeros(n, np.float32), np.ones(n, np.float32)])
    return y


def test_the_kernel_is_tanh_symmetric_to_the_bit_and_exactly_one_far_out():
    x = np.concatenate([np.linspace(0, 12, 20001), np.logspace(-9, 38, 500)]).astype(np.float32)
    got = squashed(x)
    assert np.abs(got - np.tanh(x.astype(np.float64))).max() < 2e-7
    assert (np.diff(got[:20001]) >= -6e-8).all()
    assert (squashed(-x) == -got).all()
    assert (got[x > 10] == 1).all()
    assert (got <= 1).all()
    assert squashed([0.0, -0.0]).tolist() == [0, 0]
    assert np.isnan(squashed([math.nan, math.inf, -math.inf])).all()


def test_the_sum_is_squashed_into_the_limits_and_can_be_read():
    one = controller(([-2, 1], [2, 4]), size=2, bias=[0.5, 0.0], safe=[0, 2])
    place = one.program.names["u.sum"]
    assert (place.kind, place.dtype, place.shape) == (STATE, "<f4", (2,))
    for x in ([0.0, 0.0], [0.3, -0.7], [40.0, -40.0], [-1e9, 1e9]):
        u = one.step({"x": x})["u"]
        total = np.asarray(x) + [0.5, 0]
        assert u == pytest.approx(np.array([0, 2.5]) + np.array([2, 1.5]) * np.tanh(total), abs=1e-6)
        assert one.bound.array("u.sum") == pytest.approx(total)
    assert u.tolist() == [-2, 4]


@given(
    low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6),
    x=st.sampled_from([-1e9, -5.0, 0.0, 0.1, 9.0, 1e9]),
)  # fmt: skip
def test_it_stays_within_limits_without_being_cut_off(low, width, x):
    one = controller((low, low + width), safe=low)
    u = one.step({"x": x})["u"][0]
    assert low <= u <= low + width
    exact = low + width * (0.5 + 0.5 * np.tanh(x))
    assert u == pytest.approx(exact, abs=4e-7 * max(abs(low), abs(low + width)))
    if width > 1e-5 * abs(low):  # which float32 can tell apart
        assert one.counters()["guard"]["clamped"] == 0


def test_a_sum_that_is_not_finite_is_a_fault():
    network = Network((Population("v", 1, LI()),), (Projection("x", "v", 3e38),))
    output = Output("u", (MembraneDecoder("v", 1.0),), limits=(-1, 1), safe=0.25, squash=True)
    one = Controller(build(network, [ValueInput("x", range=(-1e9, 1e9))], [output], dt=DT, period=DT))
    assert one.step({"x": 1e8})["u"] == 0.25
    assert one.safe


def test_slew_holds_for_what_is_squashed():
    one = controller((-1, 1), slew=100.0)
    assert [float(one.step({"x": 50.0})["u"][0]) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("limits", [(-math.inf, 1), (0, math.inf), (-1, 1e39), ([-1, -math.inf], 1)])
def test_limits_must_be_finite(limits):
    with pytest.raises(DescriptionError, match=r"outputs\.u\.limits = .*: must be finite on both sides"):
        Output("u", TERM, size=2, limits=limits, squash=True)
    Output("u", TERM, limits=(-HUGE, HUGE), squash=True)


def test_it_does_not_go_with_arg_max():
    with pytest.raises(DescriptionError, match=r"outputs\.u\.squash = True: does not go with arg-max; leave it out"):
        Output("u", ArgmaxDecoder(2, TERM), squash=True)
    with pytest.raises(DescriptionError, match=r"outputs\.u\.squash = 1: must be true or false"):
        Output("u", TERM, limits=(0, 1), squash=1)


def test_an_output_without_it_is_as_before():
    plain = build(Network(), [ValueInput("x")], [Output("u", TERM, limits=(-1, 1))], dt=DT, period=DT)
    assert "squash" not in {o.kernel for o in plain.operations}
    assert "u.sum" not in plain.names
