"""A supervisor moves commands as the guard, and rounds them as the ports: to the bit, and without a compiler."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.coding import MembraneDecoder, Output, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.control_words import ELAPSED
from snn_control.network import Network
from snn_control.realtime.handover import Handover, go_on_from
from snn_control.realtime.shared_motion import BASE, COMMITTED, HEAD, PLACES, TAKEN, THEIRS
from snn_control.ros.messages.element_types import FLOAT32, KINDS
from snn_control.ros.messages.field_limits import fit_bounds, rows_of
from snn_control.ros.supervision.continuation import Continued, Numbers
from tests.ros.calling import put_rows

PERIOD, PERIOD_NS = 1e-3, 1_000_000

WAYS = {"jump": {"safe": 0.1}, "ramp": {"safe": 0.1, "ramp": True}, "hold": {"safe": "hold"}}


@st.composite
def controllers(draw):
    """A controller of three outputs of two numbers each, one for each way to the safe command."""
    outputs = []
    for name, more in WAYS.items():
        acceleration = draw(st.sampled_from([math.inf, 400.0, 17.0]))
        jerk = math.inf if acceleration == math.inf else draw(st.sampled_from([math.inf, 1e5, 3e4]))
        slew = draw(st.sampled_from([5.0, 0.2] + [math.inf] * (name != "ramp")))
        more = more | {"slew": slew, "acceleration": acceleration, "jerk": jerk, "limits": (-0.7, 0.9), "size": 2}
        outputs.append(Output(name, (MembraneDecoder("x", [[1.0, -0.5]]),), **more))
    program = build(Network(), [ValueInput("x", stale=2 * PERIOD)], outputs, dt=PERIOD, period=PERIOD)
    return Controller(program)


def supervised(controller, **grid):
    """The end of its loop, the memory, and a supervisor's motion."""
    memory = np.zeros(Handover.words_of(controller.bound), np.int64)
    handover = Handover(controller.bound, memory)
    grid = {"period_ns": PERIOD_NS, "phase_ns": 0, "woken": False} | grid
    handover.begin()
    return handover, memory, Continued(handover.told() | grid, memory)


def motion(controller):
    return controller.bound.array("motion").tobytes()


@settings(max_examples=60, deadline=None)
@given(
    controller=controllers(), seed=st.integers(0, 1 << 30),
    passed=st.lists(st.sampled_from([1, 1, 1, 2, 3, 9, 10, 11, 500]), min_size=1, max_size=40),
)  # fmt: skip
def test_it_moves_as_the_guard_to_the_bit(controller, seed, passed):
    rng = np.random.default_rng(seed)
    for _ in range(rng.integers(0, 60)):
        controller.step({"x": float(rng.choice([-2, -0.3, 0.4, 2]))})
    _, memory, other = supervised(controller)
    cell = 0
    for periods in passed:
        controller.bound.array("control")[ELAPSED] = 1000 * periods
        expected = controller.step({"x": math.nan})
        cell += periods
        assert other.advance(cell * PERIOD_NS)
        assert np.array(other.command).tobytes() == np.concatenate(list(expected.values())).tobytes()
        left = memory[PLACES:].reshape(4, -1)[THEIRS + memory[TAKEN] % 2]
        assert left[HEAD:].tobytes() == motion(controller)
        assert left[BASE] == memory[COMMITTED]


def test_between_two_messages_it_moves_by_the_time_that_passed():
    outputs = [Output("u", (MembraneDecoder("x", 1.0),), limits=(-1, 1), slew=5.0, safe=0.0, ramp=True)]
    program = build(Network(), [ValueInput("x")], outputs, dt=PERIOD, period=PERIOD)
    one, other = Controller(program), Controller(program)
    for c in (one, other):
        for _ in range(100):
            c.step({"x": 1.0})
    _, _, continued = supervised(one, woken=True)
    now = 123
    for elapsed in (300, 1700, 1000, 250):
        now += elapsed * 1000 + (now == 123) * -123
        other.bound.array("control")[ELAPSED] = elapsed
        expected = other.step({"x": math.nan})["u"][0]
        assert continued.advance(now)
        assert continued.command == [expected]


@settings(max_examples=30, deadline=None)
@given(controller=controllers(), steps=st.integers(1, 400))
def test_what_was_handed_over_is_where_a_controller_goes_on(controller, steps):
    for _ in range(50):
        controller.step({"x": 2.0})
    _, memory, other = supervised(controller)
    for cell in range(1, steps + 1):
        other.advance(cell * PERIOD_NS)
    left = memory[PLACES:].reshape(4, -1)[THEIRS + memory[TAKEN] % 2]
    go_on_from(controller.bound, left[HEAD:].copy())
    controller.step({"x": math.nan})
    other.advance((steps + 1) * PERIOD_NS)
    assert np.array(other.command).tobytes() == controller.bound.array("command").tobytes()
    if steps == 400:
        assert other.command[:2] == [0.1, 0.1]


def test_it_says_when_it_moves_and_begins_anew_from_a_newer_commit():
    outputs = [Output("u", (MembraneDecoder("x", 1.0),), limits=(-1, 1), slew=5.0, safe=0.0, ramp=True)]
    controller = Controller(build(Network(), [ValueInput("x")], outputs, dt=PERIOD, period=PERIOD))
    for _ in range(10):
        controller.step({"x": 1.0})
    handover, memory, other = supervised(controller)
    assert not other.advance(PERIOD_NS // 2)  # the loop's own period
    for cell in range(1, 10):
        assert other.advance(cell * PERIOD_NS)
        assert other.moves
    assert other.next_ns(9 * PERIOD_NS + 400_000) == 10 * PERIOD_NS
    other.advance(12 * PERIOD_NS)
    other.advance(13 * PERIOD_NS)
    assert (other.command, other.moves) == ([0.0], False)
    assert other.newest
    handover.begin()
    assert not other.newest
    assert other.advance(14 * PERIOD_NS)
    assert other.moves
    assert memory[TAKEN] == 12


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_it_rounds_as_a_port_to_the_bit(kind):
    rng, n = np.random.default_rng(kind), 40
    dtype = np.dtype(KINDS[kind])
    top = {"b": 1.0, "f": 1e6}.get(dtype.kind) or float(np.iinfo(dtype).max)
    low, high = (0.0, 1.0) if dtype.kind == "b" else (-rng.uniform(1, 100, n), rng.uniform(1, min(top, 1e12), n))
    low = np.zeros(n) if dtype.kind in "ub" else np.broadcast_to(low, n)
    slew = 10.0 ** rng.uniform(-2, 5, n) / PERIOD
    slew[::5] = np.inf
    for ramp in (False, True):
        finite = np.where(np.isfinite(slew), slew, 1e9)
        more = {"slew": finite, "ramp": True} if ramp else {"slew": slew}
        one = Output("y", (MembraneDecoder("a", 1.0),), size=n, limits=(low, high), safe=0.0, **more)
        bounds = fit_bounds(one, kind, "data", PERIOD)
        message, command, faulted = np.zeros(n, dtype), np.zeros(n), np.ones(1, np.int64)
        places = [message.ctypes.data + k * dtype.itemsize for k in range(n)]
        rows = rows_of(places, kind, command.ctypes.data, bounds, faulted.ctypes.data)
        others, data = rows.copy(), bytearray(n * dtype.itemsize)
        told = {"places": [k * dtype.itemsize for k in range(n)], "commands": list(range(n))}
        numbers = Numbers(told, others, data)
        for _ in range(60):
            command[:] = rng.choice([rng.uniform(low, high), np.broadcast_to(high, n), low])
            put_rows(rows)
            numbers.put(command.tolist(), 1)
            assert bytes(data) == message.tobytes()
            assert others.tobytes() == rows.tobytes()
        numbers.put(command.tolist(), 0)
        assert bytes(data) == message.tobytes()  # within a period it stands


def test_numbers_of_float32_follow_after_missed_periods():
    """So that what their motion keeps, they keep."""
    command, data = [1.0], bytearray(4)
    one = Output("y", (MembraneDecoder("a", 1.0),), limits=(-2, 2), slew=10.0, safe=0.0, ramp=True)
    rows = rows_of([0], FLOAT32, 0, fit_bounds(one, FLOAT32, "data", PERIOD), 0)
    numbers = Numbers({"places": [0], "commands": [0]}, rows, data)
    assert numbers.put(command, 6)
    assert np.frombuffer(data, np.float32)[0] == pytest.approx(0.06)


def test_it_needs_no_compiler():
    code = (
        "import sys\n"
        "from snn_control.ros.supervision import safe_messages, supervisor\n"
        "from snn_control.ros.ports import transport\n"
        "print([m for m in sys.modules if m.startswith(('numba', 'llvmlite'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
