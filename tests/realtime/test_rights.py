"""Rights: asked for, reported, never fatal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from snn_control.realtime import rights
from snn_control.realtime.rights import Rights, ask

ROOT = Path(__file__).resolve().parents[2]

# Everything is imported before the rights go: an ordinary user may not be able to read the sources.
WITHOUT = """
import dataclasses, json, os, resource, sys
from snn_control.realtime.rights import ask, priority_of_new_threads
resource.setrlimit(resource.RLIMIT_RTPRIO, (int(sys.argv[1]),) * 2)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
if os.getuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
rights = ask(priority=80, memory=True)
with priority_of_new_threads(60) as granted:
    pass
print(json.dumps(dataclasses.asdict(rights) | {"text": rights.warnings(), "inherited": granted}))
"""


def _without(rtprio: int) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(rtprio)], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_missing_rights_are_named_with_the_command():
    result = _without(0)
    assert result["priority"] == 0
    assert result["inherited"] == 0
    assert not result["memory_locked"]
    assert result["signals_blocked"]
    assert result["timer_slack_ns"] == 1
    assert len(result["missing"]) == 2
    for word in ("SCHED_FIFO: priority 80", "rtprio 98", "setcap", "memlock unlimited", "ulimit -l", "--cap-add"):
        assert word in result["text"]


def _rtprio_can_be_raised() -> bool:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_RTPRIO)[1]
    return hard >= 30 or rights._has_capability(24)  # CAP_SYS_RESOURCE


@pytest.mark.skipif(not _rtprio_can_be_raised(), reason="the limit rtprio is 0 and may not be raised here")
def test_part_of_the_priority_is_better_than_none():
    result = _without(30)
    assert result["priority"] == 30
    assert "got priority 30" in result["text"]


def _in_thread(**wanted) -> Rights:
    result = []
    thread = threading.Thread(target=lambda: result.append(ask(**wanted)))
    thread.start()
    thread.join()
    return result[0]


def test_nothing_wanted_nothing_missing():
    granted = _in_thread()
    assert granted.warnings() == ""
    assert granted.priority == 0
    assert granted.cpus == tuple(sorted(os.sched_getaffinity(0)))


def test_affinity_belongs_to_the_thread():
    before = os.sched_getaffinity(0)
    cpu = min(before)
    assert _in_thread(cpus=[cpu]).cpus == (cpu,)
    assert os.sched_getaffinity(0) == before


def test_impossible_wishes_are_missing_and_not_raised():
    granted = _in_thread(priority=500, cpus=[4095])
    assert granted.priority == 0
    assert "CPUs: [4095] were not granted" in granted.warnings()
    assert "priority 500 does not exist" in granted.warnings()


def test_new_threads_inherit_and_the_caller_does_not():
    seen = []

    def body() -> None:
        with rights.priority_of_new_threads(5) as granted:
            inner = threading.Thread(target=lambda: seen.append(os.sched_getparam(0).sched_priority))
            inner.start()
            inner.join()
        seen.extend([granted, os.sched_getscheduler(0)])

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    inherited, granted, after = seen
    assert inherited == granted
    assert after == os.SCHED_OTHER
