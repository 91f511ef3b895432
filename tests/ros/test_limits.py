"""No number that leaves exceeds its limits or its slew, whatever the type of its field."""

from __future__ import annotations

import ctypes
import math

import numpy as np
import pytest
from std_msgs.msg import Bool, Float32, Int8

from snn_control import Controller
from snn_control.coding import MembraneDecoder, Output
from snn_control.controller_file import parse_spec
from snn_control.errors import DescriptionError
from snn_control.ros.messages.element_types import FLOAT32, KINDS
from snn_control.ros.messages.field_limits import fit_bounds, rows_of
from snn_control.ros.ports.topics import command_ports
from tests.ros.calling import call, put_rows

PERIOD = 0.001


def output(**options) -> Output:
    return Output("y", (MembraneDecoder("a", 1.0),), **options)


def guarded(raw, previous, low, high, step):
    """The guard's command."""
    return np.clip(np.clip(raw, low, high), previous - step, previous + step)


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_what_leaves_is_within_limits_and_slew(kind):
    """100 fields with limits and slews of their own, 100 ticks of commands as the guard gives them, and a jump to the
    safe value in the middle, which the slew lets through."""
    rng, n = np.random.default_rng(kind), 100
    dtype = np.dtype(KINDS[kind])
    whole = dtype.kind != "f"
    info = np.finfo(np.float32) if not whole else np.iinfo(dtype) if dtype.kind in "iu" else np.array([0, 1])
    least, most = (0.0, 1.0) if dtype.kind == "b" else (float(info.min), float(info.max))
    wide = 10.0 ** rng.uniform(0.3, min(math.log10(most), 19) if most > 1 else 0.3, n)
    safe = np.rint(rng.uniform(max(least, -1), 1, n) * np.minimum(wide, most))
    low, high = safe - wide * rng.uniform(0, 1, n) ** 2, safe + wide * rng.uniform(1e-7, 1, n) ** 2
    slew = wide * 10.0 ** rng.uniform(-4, 1, n) / PERIOD
    slew[::7] = np.inf
    step = slew * PERIOD
    message, command, faulted = np.zeros(n, dtype), np.zeros(n), np.zeros(1, np.int64)
    one = output(size=n, limits=(low, high), slew=slew, safe=safe)
    bounds = fit_bounds(one, kind, "data", PERIOD)
    places = [message.ctypes.data + k * dtype.itemsize for k in range(n)]
    rows = rows_of(places, kind, command.ctypes.data, bounds, faulted.ctypes.data)
    exact = np.longdouble  # holds every number of these types
    allowed = (step * (1 + 1e-9)).astype(exact)
    allowed[np.isinf(slew) | (dtype == np.float64)] = np.inf
    last, since, before, moved = None, np.zeros(n, int), safe.copy(), 0
    for tick in range(100):
        faulted[0] = 45 <= tick < 55
        raw = rng.choice([low, high, (low + high) / 2, safe], axis=0) + step_of(rng, wide)
        command[:] = before = safe if faulted[0] else guarded(raw, before, low, high, step)
        put_rows(rows)
        heard, since = message.astype(exact), since + 1
        assert (heard >= low).all()
        assert (heard <= high).all()
        if faulted[0]:
            np.testing.assert_array_equal(heard, bounds["safe"])
        elif last is not None:
            change = abs(heard - last)
            assert (change <= np.where(whole & (allowed < 1), 1, allowed)).all()
            if whole:
                assert (since * allowed >= change)[change > 0].all(), "a step of 1 waits until the slew has come to 1"
            moved += np.count_nonzero(change)
        if last is not None:
            since[heard != last] = 0
        last = heard
    assert moved > (50 if whole else 2000)


def step_of(rng, wide):
    return rng.standard_normal(wide.size) * wide * rng.choice([1e-6, 0.1, 3.0])


def test_a_field_of_whole_numbers_arrives_where_its_slew_leads():
    for slew, ticks in ((0.4, 9), (1.5, 3), (3.0, 1)):
        message, command = np.zeros(1, np.int8), np.zeros(1)
        bounds = fit_bounds(output(limits=(-3.5, 3.5), slew=slew / PERIOD), KINDS.index("int8"), "data", PERIOD)
        rows = rows_of([message.ctypes.data], KINDS.index("int8"), command.ctypes.data, bounds, 0)
        heard = []
        for tick in range(40):
            command[0] = min(3.5, slew * (tick + 1))
            put_rows(rows)
            heard.append(int(message[0]))
        assert heard[-1] == 3
        assert heard.index(3) >= ticks - 1
        command[0] = 0.0  # the final safe command, which is published once
        put_rows(rows, final=True)
        assert message[0] == 0


def test_a_float32_moves_at_a_slew_below_its_resolution():
    """Near 1000 two float32 are 61e-6 apart: a step of that comes after the seven ticks that the slew takes for it."""
    message, command, slew = np.zeros(1, np.float32), np.zeros(1), 1e-5
    one = output(limits=(999, 1001), safe=1000, slew=slew / PERIOD)
    rows = rows_of([message.ctypes.data], FLOAT32, command.ctypes.data, fit_bounds(one, FLOAT32, "data", PERIOD), 0)
    heard = []
    for tick in range(1000):
        command[0] = 1000 + min(tick, 500) * slew
        put_rows(rows)
        heard.append(float(message[0]))
    moved = np.flatnonzero(np.diff(heard))
    assert np.diff(moved).min() == 7
    assert abs(heard[-1] - 1000.005) < 61e-6


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        (
            {"limits": (0.2, 0.8), "safe": 0.5},
            "int8",
            r"outputs.y.limits = \[0.2, 0.8\]: hold no number of data, which is",
        ),
        ({"limits": (200, 300), "safe": 250}, "int8", "hold no number"),
        ({"limits": (-2, 2), "safe": 0.5}, "int32", "outputs.y.safe = 0.5: must be a whole number from -2 to 2"),
        ({"limits": (-300, 300), "safe": 200}, "int8", "must be a whole number from -128 to 127"),
        ({"limits": (0.1, 0.1 + 1e-12), "safe": 0.1}, "float32", "hold no number of data, which is float32"),
    ],
)
def test_what_a_field_cannot_honour_is_refused(options, kind, says):
    with pytest.raises(DescriptionError, match=says):
        fit_bounds(output(**options), KINDS.index(kind), "data", PERIOD)


def relay(outputs, types):
    """A controller that gives its one number times 100 to all outputs."""
    decoder = {"type": "membrane", "from": "a", "weights": 100.0}
    topics = {name: {"topic": name, "type": f"std_msgs/msg/{kind}", "field": "data"} for name, kind in types.items()}
    return parse_spec(
        {
            "version": 1,
            "period": PERIOD,
            "inputs": {"x": {"kind": "value"}},
            "network": {
                "populations": {"a": {"size": 1, "neuron": {"type": "relay"}}},
                "projections": [{"pre": "x", "post": "a"}],
            },
            "outputs": {name: {"decoder": decoder} | values for name, values in outputs.items()},
            "ros": {"outputs": topics},
        }
    )


def test_heard_over_dds(nodes, ros):
    io, other = nodes
    types = {"float": "Float32", "int": "Int8", "bool": "Bool"}
    spec = relay(
        {
            "float": {"limits": [-0.1, 0.1]},
            "int": {"limits": [-3.5, 3.5], "slew": 400.0},
            "bool": {"limits": [0, 0.9]},
        },
        types,
    )
    controller = Controller.from_spec(spec)
    ports = command_ports(io, io, spec, controller.bound, False)
    heard = {name: [] for name in types}
    for name, cls in (("float", Float32), ("int", Int8), ("bool", Bool)):
        other.create_subscription(cls, name, lambda message, name=name: heard[name].append(message.data), 50)
    for _ in range(500):
        if all(port.matched() for port in ports):
            break
        ros.spin_once(other, timeout_sec=0.02)
    for k in range(14):
        controller.step({"x": [1.0 if k < 12 else np.nan]})  # at last a fault, and the safe value at once
        for port in ports:
            assert call(port, 0, 0) == 0
    for _ in range(500):
        if all(len(values) == 14 for values in heard.values()):
            break
        ros.spin_once(other, timeout_sec=0.02)
    assert heard["float"] == [float(np.nextafter(np.float32(0.1), np.float32(0)))] * 12 + [0.0] * 2
    assert heard["int"] == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 0, 0]
    assert heard["bool"] == [False] * 14
    assert ctypes.c_int64.from_address(controller.bound.address("guard")).value == 1
