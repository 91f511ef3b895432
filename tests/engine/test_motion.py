"""Limits of slew, acceleration and jerk, and outputs that stay where they are: for any input, at any time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.coding import Guard, MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.control_words import ELAPSED
from snn_control.errors import DescriptionError
from snn_control.network import Network
from tests.motion_judge import heard_beyond

LOW, HIGH, SAFE, PERIOD = -0.7, 0.9, 0.1, 1e-3
SLEW, ACCELERATION = 5.0, 400.0
KEPT = 60  # ticks at a target after which nothing moves any more
ARRIVES = 1e-6  # relative, by which the last step to a target may be another


def direct(release=1, limits=(LOW, HIGH), **more):
    """A controller whose raw output is its input x, which is valid for 3 ticks; ``joint`` is measured."""
    inputs = [ValueInput("x", stale=3 * PERIOD, range=(-9, 9)), ValueInput("joint", range=(-9, 9))]
    output = Output("u", (MembraneDecoder("x", 1.0),), limits=limits, **{"slew": SLEW, "safe": SAFE} | more)
    return Controller(build(Network(), inputs, [output], dt=PERIOD, period=PERIOD, guard=Guard(release)))


def u(controller, x=None, joint=0.5):
    return float(controller.step({"x": x, "joint": joint})["u"][0])


VALUES = st.lists(
    st.tuples(st.none() | st.floats(-2, 2) | st.sampled_from([math.nan, LOW, HIGH, SAFE]), st.integers(1, 40)),
    min_size=1, max_size=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    values=VALUES,
    slew=st.sampled_from([SLEW, 0.2, math.inf]),
    acceleration=st.sampled_from([ACCELERATION, 17.0, 1e5]),
    jerk=st.sampled_from([math.inf, 1e5, 3e4]),
    safe=st.sampled_from(["hold", "none", "ramp"]),
)
def test_no_limit_is_ever_passed(values, slew, acceleration, jerk, safe):
    more = {"safe": SAFE, "ramp": True} if safe == "ramp" and slew < math.inf else {"safe": "hold"}
    if more["safe"] == "hold" and safe != "ramp":
        more["safe"] = safe
    if jerk < 3e4 or acceleration / jerk > 0.3:
        jerk = math.inf
    controller = direct(slew=slew, acceleration=acceleration, jerk=jerk, start="joint" * (more["safe"] != SAFE), **more)
    commands = [u(controller) for _ in range(3)]  # the first are where it starts
    assert len(set(commands)) == 1
    commands += [u(controller, value) for value, times in values for _ in range(times)]
    commands = np.array([commands[0]] * 3 + commands)  # it was at rest
    assert np.isfinite(commands).all()
    assert ((LOW <= commands) & (commands <= HIGH)).all()
    rounding = 1e-15
    assert np.abs(np.diff(commands)).max() <= slew * PERIOD * (1 + ARRIVES) + rounding
    assert np.abs(np.diff(commands, 2)).max() <= acceleration * PERIOD**2 * (1 + ARRIVES) + 4 * rounding
    assert np.abs(np.diff(commands, 3)).max() <= jerk * PERIOD**3 * (1 + ARRIVES) + 8 * rounding


@settings(max_examples=100, deadline=None)
@given(
    targets=st.lists(st.floats(LOW, HIGH), min_size=1, max_size=4),
    acceleration=st.floats(1.0, 1e4),
    slew=st.sampled_from([SLEW, math.inf]),
    jerk=st.sampled_from([math.inf, 2e6]),
)
def test_a_target_that_stays_is_reached_without_passing_it_and_kept(targets, acceleration, slew, jerk):
    controller = direct(slew=slew, acceleration=acceleration, jerk=jerk)
    for target in targets:
        target = float(np.clip(np.float32(target), LOW, HIGH))
        before = u(controller, target)
        rest = round(3 * math.sqrt(4 * 1.6 / acceleration) / PERIOD) + round(1.6 / SLEW / PERIOD) + 60
        path = [before]
        while len(path) <= rest and path[-KEPT:] != [target] * KEPT:
            path.append(u(controller, target))
        assert path[-1] == target
        # what moves away when a new target comes must first brake: from then on it comes from one side
        steps, distance = np.diff(path), target - np.array(path[1:])
        turned = np.flatnonzero(steps * distance < -1e-15)
        after = distance[turned.max() + 1 :] if turned.size else distance
        assert (after > -1e-15).all() or (after < 1e-15).all()


def test_a_path_is_as_quick_as_its_limits_allow():
    """A trapezoid of speed: away with the acceleration, with the slew, and to rest at the limit itself."""
    controller = direct(acceleration=ACCELERATION, safe=0.0)
    path = np.array([u(controller, 2.0) for _ in range(300)])
    speeds = np.diff(np.concatenate([[0.0], path])) / PERIOD
    assert speeds.max() == pytest.approx(SLEW)
    assert path[-1] == HIGH
    arrived = np.argmax(path == HIGH) * PERIOD
    assert arrived == pytest.approx(HIGH / SLEW + SLEW / ACCELERATION, abs=2 * PERIOD)


def test_a_jerk_costs_the_time_that_it_says():
    slow = direct(acceleration=ACCELERATION, jerk=2e4, safe=0.0)
    quick = direct(acceleration=ACCELERATION, safe=0.0)
    paths = [np.array([u(c, 2.0) for _ in range(400)]) for c in (quick, slow)]
    ticks = 2 * ACCELERATION / 2e4 / PERIOD
    middle = [np.interp(0.45, path, np.arange(400)) for path in paths]
    assert middle[1] - middle[0] == pytest.approx((ticks - 1) / 2, abs=0.01)
    assert paths[1][-1] == HIGH


def test_hold_brakes_and_stays_and_goes_on_from_there():
    controller = direct(release=2, acceleration=ACCELERATION, safe="hold")
    for _ in range(60):
        u(controller, 2.0)
    commands = np.array([u(controller, math.nan) for _ in range(40)])
    assert controller.safe
    steps = np.diff(commands)
    assert (steps >= 0).all()
    assert (np.diff(steps) <= 1e-15).all()  # it only brakes
    assert commands[-1] == commands[-20]
    assert [u(controller, 2.0), u(controller, 2.0)][0] == commands[-1]
    assert u(controller, 2.0) > commands[-1]


def test_hold_without_an_acceleration_stays_at_once():
    controller = direct(safe="hold", slew=math.inf)
    assert [u(controller, x) for x in (0.3, math.nan, math.nan, 0.4)] == [
        float(np.float32(0.3))] * 3 + [float(np.float32(0.4))]  # fmt: skip


def test_commands_begin_where_the_joint_is_and_follow_it_only_before_the_first():
    controller = direct(release=1, safe="hold", start="joint", slew=SLEW)
    before = [u(controller, math.nan, joint) for joint in (0.5, -0.25, -9.0)]
    assert before == [0.5, -0.25, LOW]
    u(controller, math.nan, 0.25)
    assert u(controller, 0.9, 0.25) == pytest.approx(0.25 + SLEW * PERIOD)
    held = u(controller, math.nan, -0.5)
    assert held == pytest.approx(0.25 + SLEW * PERIOD)


def test_missed_ticks_are_steps_of_their_own():
    one, other = direct(acceleration=ACCELERATION, jerk=4e5), direct(acceleration=ACCELERATION, jerk=4e5)
    for c in (one, other):
        u(c, 0.9)
    for _ in range(4):
        every = u(one, 0.9)
    other.bound.array("control")[ELAPSED] = 4000
    assert u(other, 0.9) == every


def test_a_restart_of_the_network_keeps_the_motion():
    one, other = direct(acceleration=ACCELERATION, jerk=4e5), direct(acceleration=ACCELERATION, jerk=4e5)
    for c in (one, other):
        for _ in range(8):
            u(c, 0.9)
    other.restart()
    assert u(other, 0.9) == u(one, 0.9)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"acceleration": 0.0}, r"outputs\.u\.acceleration = 0\.0: must be > 0"),
        ({"jerk": 3.0}, r"outputs\.u\.jerk = 3\.0: needs a finite acceleration; give the acceleration too"),
        ({"safe": "stay"}, r"outputs\.u\.safe = 'stay': must be a number, lists of numbers, 'hold' or 'none'"),
        ({"safe": "hold", "ramp": True}, r"outputs\.u\.ramp = True: does not go with safe: hold"),
        ({"start": "joint"}, r"outputs\.u\.start = 'joint': requires safe: hold or none"),
        ({"safe": "hold", "start": "wheel"}, r"outputs\.u\.start = 'wheel': must be a value input of 1 numbers"),
        ({"acceleration": 9.0, "jerk": 1e-3}, r"outputs\.u\.jerk = 0\.001: needs a mean over 18000000 ticks"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(values, said):
    with pytest.raises(DescriptionError, match=said):
        direct(**values)


def test_the_judge_of_what_was_heard_tells_lost_messages_from_commands_beyond_a_limit():
    numbers = np.r_[:30, 60:100]  # 30 messages were lost
    stamps, values = numbers * PERIOD, numbers * PERIOD * SLEW

    def beyond(heard, published):
        return heard_beyond(stamps, heard, PERIOD, SLEW, math.inf, math.inf, numbers=published)

    assert beyond(values, numbers) == 0
    assert beyond(values, np.arange(70)) == 1  # the loop catches up less after a pause
    assert beyond(values + (numbers >= 80) * 1e-3, numbers) == 1
