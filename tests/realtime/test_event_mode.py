"""The loop woken by messages: at once, but neither too early nor too late."""

from __future__ import annotations

import time

import numpy as np
import pytest

from snn_control.engine.control_words import LEARNING, WHOLE
from snn_control.errors import DescriptionError
from tests.realtime.rig import MS, Rig, tried_again, until, value_input
from tests.realtime.test_lockstep import send

PERIOD = 100 * MS


def woken(*ports, period=PERIOD, **options) -> Rig:
    return Rig(ports, trigger=ports[0], period=period, **options)


def told(*ports, period=PERIOD):
    """A loop that a message wakes. Its tick adds up the control word ``elapsed``, in word 5 of ``table``."""
    command, safe, control = np.zeros(1), np.zeros(1), np.zeros(LEARNING, np.int64)
    words = [control.ctypes.data, 0, command.ctypes.data, 0, safe.ctypes.data, 0]
    rig = woken(*ports, period=period, tick="count_up_or_ramp", table=np.array(words), control=control.ctypes.data)
    rig.held = command, safe, control
    return rig


def test_each_message_is_a_tick_and_the_guard_is_told_how_long_it_was():
    port = value_input([1] * 6)  # all are there: none can come too late
    rig = told(port)
    rig.loop.start(ticks=6)
    until(lambda: not rig.loop.running)
    assert rig.loop.stop()
    stats, times = rig.loop.stats(), rig.record.read()[1][:6]
    assert (stats["ticks"], stats["timeouts"], stats["wake"]["count"]) == (6, 0, 0)
    assert port.position == 6
    assert np.diff(times).min() > 0.45 * PERIOD
    assert rig.table[5] == pytest.approx(WHOLE + (times[-1] - times[0]) / PERIOD * WHOLE, rel=0.02)


def test_without_messages_it_ticks_after_one_and_a_half_periods():
    port = value_input([1] * 9, available=0)
    rig = told(port, period=20 * MS)
    begin = time.monotonic()
    rig.loop.start()
    until(lambda: rig.loop.ticks >= 10)
    assert time.monotonic() - begin >= 10 * 0.03 * 0.99
    stats = rig.loop.stats()
    assert stats["timeouts"] >= 10
    assert rig.loop.stop()
    assert port.position == 0
    assert port.words[0] == 0  # not fresh
    assert rig.table[5] >= 9 * 1.5 * WHOLE * 0.99


def test_a_flood_of_messages_wakes_it_every_half_period_at_most():
    port = value_input([1] * 500, available=0)
    rig = woken(port, period=20 * MS)
    begin = time.monotonic()
    rig.loop.start()
    while time.monotonic() < begin + 0.5:
        send(rig, port)
        time.sleep(0.001)
    ticks = rig.loop.ticks
    seconds = time.monotonic() - begin
    rig.loop.stop()
    assert 5 <= ticks <= seconds / 0.01 + 2


def test_other_inputs_are_taken_with_the_trigger_and_do_not_wake():
    port, other = value_input([1] * 9, available=0), value_input([1] * 9, name="other", available=0)
    rig = woken(port, other, period=1000 * MS)
    rig.loop.start()
    time.sleep(0.01)
    send(rig, other, 2)
    time.sleep(0.05)
    assert rig.loop.ticks == 0
    send(rig, port)
    until(lambda: rig.loop.ticks >= 1)
    assert other.position >= 1
    rig.loop.stop()


@pytest.mark.timed
@tried_again
def test_a_tick_comes_at_once_and_a_stop_too():
    port = value_input([1] * 99, available=0)
    rig = woken(port, period=20 * MS, priority=80)
    rig.loop.start()
    sent = []
    for k in range(1, 40):
        time.sleep(0.015)
        sent.append(time.monotonic_ns())
        send(rig, port)
        until(lambda k=k: rig.loop.ticks >= k)
    begin = time.monotonic()
    assert rig.loop.stop()
    assert time.monotonic() - begin < 0.02
    took = rig.record.read()[1][: len(sent)] - np.array(sent)
    assert np.median(took) < 1.0 * MS


def test_a_trigger_is_an_input_of_a_loop_with_a_clock():
    port, other = value_input([1]), value_input([1], name="other")
    for options in ({"trigger": other}, {"trigger": port, "mode": "lockstep"}):
        with pytest.raises(DescriptionError, match=r"trigger = '.*': must be one of the inputs, in mode realtime"):
            Rig([port], **options)
