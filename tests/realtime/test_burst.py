"""A short run of the burst benchmark, on a machine of any speed: every lost event is counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.burst import EVENTS, EVENTS_US, PACKET_US, Packet, all_counted, judge, run
from snn_control.events import Decoder


def test_a_packet_is_what_it_says():
    packet, decoder = Packet(3), Decoder("evt3")
    for k in range(20):
        events = decoder.decode(packet.at(16_770_000 + k * PACKET_US).tobytes())  # over a wrap of the clock
        assert len(events) == EVENTS == 50_000
        times = 16_770_000 + k * PACKET_US + np.arange(PACKET_US)
        np.testing.assert_array_equal(events.t, np.repeat(times, EVENTS_US))
    assert decoder.counters["wraps"] == 1
    assert events.x.max() > 1000
    assert events.y.max() > 720  # some are out of the frame


@pytest.mark.timed
def test_every_event_of_a_burst_is_counted():
    found = run(0.2, priority=0, quiet=0.05)
    assert found["events"] == 200 * EVENTS
    assert found["waiting"] == found["before_time"] == found["late"] == 0
    assert found["given"] > 16384
    assert found["dropped"] > 0
    assert found["out_of_frame"] > 0
    assert found["gaps"] * EVENTS <= found["refused_events"]
    assert all_counted(found)
    assert found["ticks"] > 10
    # the judgement can fail
    quiet = found | {"missed": 0, "first_on_time": True}
    assert judge([{"burst": quiet, "without": quiet}]) == (True, "")
    late = quiet | {"first_on_time": False, "missed": found["ticks"], "given": 0}
    assert judge([{"burst": late, "without": quiet}])[1].count(",") == 3
