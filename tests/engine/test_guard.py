"""The guard: for any input, the command is finite, within limits and slew, or it is the safe value."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.coding import ArgmaxDecoder, EventsInput, Guard, MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.control_words import DRIVER
from snn_control.engine.kernels.guard import STOPPED
from snn_control.network import LI, Network, Population, Projection

LOW, HIGH, SAFE, SLEW, PERIOD = -0.7, 0.9, 0.1, 30.0, 1e-3
ANYTHING = (
    st.none() | st.floats(width=64) | st.sampled_from([math.nan, math.inf, -math.inf, 3.5, -3.5, 1e39, 1e-45, 2.5, 0.7])
)


def direct(release=2, slew=SLEW, ramp=False, required=True, limits=(LOW, HIGH), weight=1.0, safe=SAFE):
    """A controller whose raw output is its input x, which is valid for 3 ticks and plausible within +-3."""
    x = ValueInput("x", stale=3 * PERIOD, range=(-2.5, 2.5), plausible=(-3.0, 3.0), required=required)
    output = Output("u", (MembraneDecoder("x", weight),), limits=limits, slew=slew, safe=safe, ramp=ramp)
    return Controller(build(Network(), [x], [output], dt=PERIOD, period=PERIOD, guard=Guard(release)))


def u(controller, x=None):
    return float(controller.step({"x": x})["u"][0])


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(ANYTHING, min_size=1, max_size=25),
    ramp=st.booleans(),
    release=st.integers(0, 3),
    slew=st.sampled_from([SLEW, 1e-4, 1e6]),
    weight=st.sampled_from([1.0, 1e30, -1.0]),
)
def test_the_command_is_always_finite_within_limits_and_within_slew(values, ramp, release, slew, weight):
    controller, before = direct(release, slew, ramp, weight=weight), SAFE
    for value in values:
        command = u(controller, value)
        assert math.isfinite(command)
        assert LOW <= command <= HIGH
        if controller.safe and not ramp:
            assert command == SAFE
        else:
            assert abs(command - before) <= slew * PERIOD * (1 + 1e-9)
        before = command


@settings(max_examples=100, deadline=None)
@given(values=st.lists(ANYTHING, min_size=1, max_size=25), release=st.integers(1, 4))
def test_a_fault_is_exactly_an_invalid_input_and_what_follows_it(values, release):
    controller, age, good, faulted, streak = direct(release, slew=1e6), None, False, False, 0
    for value in values:
        if value is not None:
            age, good = 0, abs(np.float32(np.clip(value, -1e30, 1e30))) <= 3.0
        elif age is not None:
            age += 1
        valid = good and age is not None and age <= 3
        streak = streak + 1 if valid else 0
        faulted = not valid or (faulted and streak < release)
        command = u(controller, value)
        assert controller.safe == faulted
        if faulted:
            assert command == SAFE


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 3.1, -1e300])
def test_a_bad_sample_gives_the_safe_command_in_its_tick_and_the_last_good_value_is_held(bad):
    controller = direct()
    assert u(controller, 0.5) == pytest.approx(SAFE + SLEW * PERIOD)
    assert u(controller, bad) == SAFE
    assert controller.bound.array("x.held")[0] == np.float32(0.5)
    assert controller.counters()["inputs"]["x"]["rejected"] == 1
    assert controller.counters()["guard"]["faults"] == 1


def test_an_input_that_never_came_is_a_fault_from_the_first_tick():
    controller = direct(slew=math.inf)
    assert [u(controller) for _ in range(3)] == [SAFE] * 3
    assert controller.safe
    assert controller.counters()["inputs"]["x"]["stale_ticks"] == 3


def test_a_stale_input_gives_the_safe_command_in_the_first_tick_beyond_its_age():
    controller = direct(slew=math.inf)
    assert [u(controller, x) for x in (0.5, None, None, None, None)] == [0.5, 0.5, 0.5, 0.5, SAFE]


def test_values_beyond_their_range_are_clamped_and_counted():
    controller = direct(slew=math.inf, limits=(-9, 9))
    assert [u(controller, x) for x in (2.9, -2.9, 2.5)] == [2.5, -2.5, 2.5]
    assert controller.counters()["inputs"]["x"] == {"clamped": 2, "rejected": 0, "stale_ticks": 0, "cut": 0}


def test_a_bound_itself_is_inside_whatever_float32_makes_of_it():
    x = ValueInput("x", range=(-0.7, 0.7), plausible=(-0.7, 0.7))
    output = Output("u", (MembraneDecoder("x", 10.0),), limits=(-0.1, 0.1), safe=0.1)
    controller = Controller(build(Network(), [x], [output], dt=PERIOD, period=PERIOD))
    assert u(controller, 0.7) == 0.1  # not float32(0.1), which is more
    assert u(controller, -0.7) == -0.1
    assert not controller.safe
    assert u(controller, 0.71) == 0.1


@pytest.mark.parametrize("release", [1, 2, 5])
def test_m_valid_ticks_in_a_row_release(release):
    controller = direct(release, slew=math.inf)
    u(controller, math.nan)
    for _ in range(release - 1):
        assert u(controller, 0.5) == SAFE
    u(controller, math.nan)  # begin again
    assert [u(controller, 0.5) for _ in range(release)] == [SAFE] * (release - 1) + [0.5]
    assert controller.counters()["guard"]["faults"] == 1


def test_with_release_0_only_an_operator_releases_and_only_when_all_is_well():
    controller = direct(0, slew=math.inf)
    u(controller, math.nan)
    assert [u(controller, 0.5) for _ in range(20)] == [SAFE] * 20
    controller.release()
    assert u(controller, math.nan) == SAFE
    assert u(controller, 0.5) == SAFE  # the release met a fault and is spent
    controller.release()
    assert u(controller, 0.5) == 0.5


def test_the_ramp_starts_within_one_tick_and_keeps_the_slew():
    controller = direct(ramp=True)
    for _ in range(50):
        before = u(controller, 0.9)
    assert before == HIGH or before == float(np.float32(0.9))
    commands = [before] + [u(controller, math.nan) for _ in range(40)]
    assert np.diff(commands)[:20] == pytest.approx(-SLEW * PERIOD)
    assert commands[-1] == SAFE


def test_a_slew_smaller_than_float32_resolves_still_arrives():
    x = ValueInput("x", range=(-2000, 2000))
    output = Output("u", (MembraneDecoder("x", 1.0),), limits=(-2000, 2000), slew=1e-2, safe=1000.0, ramp=True)
    controller = Controller(build(Network(), [x], [output], dt=PERIOD, period=PERIOD))
    for _ in range(100):
        command = u(controller, 2000.0)
    assert command == pytest.approx(1000 + 100 * 1e-5, abs=1e-9)


def test_an_optional_input_may_fail():
    controller = direct(required=False, slew=math.inf)
    assert [u(controller, x) for x in (0.5, math.nan, None)] == [0.5] * 3
    assert not controller.safe


def test_a_command_that_is_not_finite_is_a_fault():
    network = Network((Population("v", 1, LI()),), (Projection("x", "v", 3e38),))
    inputs, outputs = [ValueInput("x", range=(-1e9, 1e9))], [Output("u", (MembraneDecoder("v", 1.0),), safe=SAFE)]
    controller = Controller(build(network, inputs, outputs, dt=PERIOD, period=PERIOD))
    assert u(controller, 1e8) == SAFE
    assert controller.bound.array("guard")[2] == 2


def test_scores_that_are_not_finite_choose_the_safe_action():
    network = Network((Population("v", 2, LI()),), (Projection("x", "v", [[3e38, -3e38]]),))
    decoder = ArgmaxDecoder(3, (MembraneDecoder("v", [[1.0, 0, 0], [0, 1.0, 0]]),))
    controller = Controller(
        build(network, [ValueInput("x", range=(-1e9, 1e9))], [Output("u", decoder, safe=2)], dt=PERIOD, period=PERIOD)
    )
    assert u(controller, 1.0) in (0, 1)
    assert u(controller, 1e8) == 2


def test_all_inputs_are_watched_and_a_stream_has_an_age():
    inputs = [ValueInput("x"), EventsInput("camera", size=(32, 32), stale=2 * PERIOD)]
    output = Output("u", (MembraneDecoder("x", 1.0),), safe=SAFE)
    controller = Controller(build(Network(), inputs, [output], dt=PERIOD, period=PERIOD, guard=Guard(1)))
    nothing = np.zeros((0, 4))
    got = [float(controller.step({"x": 0.5, "camera": c})["u"][0]) for c in (None, nothing, None, None, None, nothing)]
    assert got == [SAFE, 0.5, 0.5, 0.5, SAFE, 0.5]


def test_each_number_has_its_own_limits():
    x = ValueInput("x", size=2)
    output = Output(
        "u", (MembraneDecoder("x", np.eye(2)),), 2, limits=([-1, -2], [1, 2]), slew=[1e9, 1000], safe=[0.5, -0.5]
    )
    controller = Controller(build(Network(), [x], [output], dt=PERIOD, period=PERIOD))
    assert controller.step({})["u"].tolist() == [0.5, -0.5]
    got = [controller.step({"x": [9, 9]})["u"].tolist() for _ in range(7)]
    assert got == [[0.5, -0.5]] * 4 + [[1, 0.5], [1, 1.5], [1, 2]]


def test_an_overflow_is_gone_a_step_later():
    network = Network((Population("v", 1, LI()),), (Projection("x", "v", 3e38),))
    inputs, outputs = [ValueInput("x", range=(-1e9, 1e9))], [Output("u", (MembraneDecoder("v", 1.0),), safe=SAFE)]
    controller = Controller(build(network, inputs, outputs, dt=PERIOD, period=PERIOD, guard=Guard(2)))
    assert [u(controller, x) for x in (1e8, 0.0, 0.0)] == [SAFE, SAFE, 0.0]


def test_an_overflow_in_a_delayed_loop_is_gone_too():
    weights = (Projection("x", "v", 1000.0), Projection("v", "v", 0.5, delay=PERIOD))
    network = Network((Population("v", 1, LI()),), weights)
    output = Output("u", (MembraneDecoder("v", 1.0),), safe=SAFE)
    controller = Controller(build(network, [ValueInput("x")], [output], dt=PERIOD, period=PERIOD, guard=Guard(2)))
    assert u(controller, 1e38) == SAFE
    for _ in range(5):
        last = u(controller, 0.0)
    assert last == 0.0
    assert not controller.safe


def test_a_driver_that_stops_gets_the_safe_command():
    network = Network((Population("v", 1, LI()),), (Projection("x", "v", 1.0),))
    output = Output("u", (MembraneDecoder("v", 1.0),), safe=SAFE, ramp=True, slew=1.0)
    controller = Controller(build(network, [ValueInput("x")], [output], dt=PERIOD, period=PERIOD))
    for _ in range(200):
        before = u(controller, 1.0)
    controller.bound.array("control")[DRIVER] = STOPPED
    after = u(controller, 1.0)
    assert controller.safe
    assert after == pytest.approx(before - PERIOD)
