"""What ``snn_control doctor`` finds, on this computer and on made-up ones."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import warnings
from contextlib import contextmanager

import pytest

from snn_control.errors import CacheWarning
from snn_control.findings import ERROR, NOTE, OK, WARNING, warning
from snn_control.realtime import machine
from snn_control.realtime.machine import findings
from snn_control.realtime.rights import Rights, set_fifo
from tests.cli.common import call

WHAT = ["C library", "kernel", "SCHED_FIFO", "memory lock", "CPU frequency", "isolated CPUs", "other real-time threads",
        "clock", "ROS 2", "compiled kernels"]  # fmt: skip


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def on(root, rights=None):
    """Findings by what they are about, of a made-up computer."""
    return {one.path: one for one in findings(root, lambda: rights or Rights(80))}


def test_this_computer_has_a_line_for_everything(capsys, monkeypatch):
    once = findings()  # other tests start and end real-time threads meanwhile
    monkeypatch.setattr(machine, "findings", lambda **_: once)
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    for what in WHAT:
        assert what in out
    code, out, _ = call(capsys, "doctor", "--json")
    found = {one["path"]: one for one in json.loads(out)}
    assert set(WHAT) <= set(found)
    assert found["C library"]["level"] == OK
    strict = call(capsys, "doctor", "--strict")[0]
    assert strict == any(one["level"] in (WARNING, ERROR) for one in found.values())


def test_what_costs_deadlines_is_said_with_the_command_that_mends_it(tmp_path):
    cpus = "sys/devices/system/cpu"
    for k, kind in enumerate(("performance", "powersave")):
        write(tmp_path, f"{cpus}/cpu{k}/cpufreq/scaling_governor", f"{kind}\n")
    write(tmp_path, "proc/sys/kernel/sched_rt_runtime_us", "400000\n")
    write(tmp_path, "proc/sys/net/core/rmem_max", "212992\n")
    missing = Rights(0, missing=(warning("SCHED_FIFO", "priority 80 was not granted", "give it"),))
    found = on(tmp_path, missing)
    assert (found["CPU frequency"].level, found["CPU frequency"].fix) == (
        WARNING, "sudo cpupower frequency-set -g performance")  # fmt: skip
    assert "governor performance, powersave" in found["CPU frequency"].text
    assert (found["real-time share"].level, "40%" in found["real-time share"].text) == (WARNING, True)
    assert (found["SCHED_FIFO"].level, found["SCHED_FIFO"].fix) == (WARNING, "give it")
    assert (found["socket buffers"].level, "208 KiB" in found["socket buffers"].text) == (NOTE, True)


def test_a_computer_that_was_made_ready_has_nothing_to_mend(tmp_path):
    write(tmp_path, "sys/kernel/realtime", "1\n")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n")
    write(tmp_path, "sys/devices/system/cpu/isolated", "2-3\n")
    write(tmp_path, "proc/sys/kernel/sched_rt_runtime_us", "-1\n")
    write(tmp_path, "proc/sys/net/core/rmem_max", "8388608\n")
    found = on(tmp_path)
    for what in ("kernel", "SCHED_FIFO", "real-time share", "CPU frequency", "isolated CPUs", "socket buffers"):
        assert (found[what].level, found[what].fix) == (OK, ""), found[what]
    assert found["isolated CPUs"].text == "2-3: start the node with -p cpu:=2"


def test_a_folder_that_is_not_kept_is_a_warning(tmp_path, monkeypatch):
    monkeypatch.setenv("SNN_CONTROL_CACHE", str(tmp_path / "cache"))
    found = on(tmp_path)["compiled kernels"]
    assert (found.level, found.fix) == (NOTE, "snn_control check FILE compiles what FILE needs")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SNN_CONTROL_CACHE", str(tmp_path / "file" / "cache"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)  # said by whoever compiles
        found = on(tmp_path)["compiled kernels"]
    assert (found.level, found.fix.startswith("export SNN_CONTROL_CACHE=")) == (WARNING, True)


def _fifo():
    granted = []
    thread = threading.Thread(target=lambda: granted.append(set_fifo(90)))
    thread.start()
    thread.join()
    return granted == [90]


@contextmanager
def real_time_process(priority, name):
    script = "import os, sys; open('/proc/self/comm', 'w').write(sys.argv[2]); "
    script += "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(sys.argv[1]))); print(1, flush=True); input()"
    line = [sys.executable, "-c", script, str(priority), name]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline()
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(not _fifo(), reason="SCHED_FIFO is not granted")
def test_another_process_that_would_preempt_the_loop_is_named(tmp_path):
    with real_time_process(90, "eager") as other:
        found = on(tmp_path)["other real-time threads"]
    assert found.level == WARNING
    assert f"eager ({other.pid})" in found.text or "..." in found.text


@pytest.mark.skipif(not _fifo(), reason="SCHED_FIFO is not granted")
@pytest.mark.parametrize(("priority", "order"), [(50, "preempts it"), (85, "waits for it")])
def test_a_controller_manager_on_this_computer_is_named_with_who_waits_for_whom(tmp_path, priority, order):
    with real_time_process(priority, "ros2_control_node") as other:
        found = on(tmp_path)["ros2_control"]
    assert (found.level, f"({other.pid}) at SCHED_FIFO {priority}" in found.text) == (NOTE, True)
    assert order in found.text
    assert f"-p priority:={priority - 5}" in found.fix


def test_notes_on_the_priorities_of_ros2_control_are_there_if_asked_for(capsys):
    assert "controller_manager" not in call(capsys, "doctor")[1]
    code, out, _ = call(capsys, "doctor", "--ros2-control")
    assert (code, "SCHED_FIFO 50" in out, "-p priority:=45" in out) == (0, True, True)
