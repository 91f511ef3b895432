"""A short burst over DDS: every event is accounted for, whatever the load of the machine."""

from __future__ import annotations

import pytest

from benchmarks import burst_dds


@pytest.mark.timed
def test_every_event_of_a_burst_is_counted(interfaces, capsys):
    for _ in range(3):  # the machine may spoil what is about time
        found = burst_dds.main(["--quick", "--seconds", "0.5"])
        (one,) = found["rounds"]
        if one["after_us"] < 20e3:
            break
    burst = one["burst"]
    assert one["lost_events"] == 0, one
    assert one["full"] > 50
    assert burst["events"] > 0  # how many of each is the machine's speed
    assert burst["dropped"] > 0
    assert burst["malformed"] == burst["oversized"] == burst["errors"] == burst["unknown_words"] == 0
    assert burst["packets"] + burst["gaps"] == one["full"] + 3  # three empty ones end it
    assert one["after_us"] < 20e3
    assert "missed %" in capsys.readouterr().out
    # the judgement can fail
    lost = found | {"fifo": True, "rounds": [one | {"lost_events": 3, "after_us": 5000.0}]}
    passed, why = burst_dds.judge(lost)
    assert passed is False
    assert "3 events neither given" in why
    assert "published 5000 us after its time" in why
