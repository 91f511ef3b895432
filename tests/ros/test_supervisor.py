"""The safe command from a process beside the loop: after SIGKILL, while the process is stopped, while its publish
stands."""

from __future__ import annotations

import os
import signal
import subprocess
import time

from snn_control.ros.launching import NodeProcess, command_line
from tests.ros.node import first, is_safe
from tests.ros.robot import CONTROLLER, ERROR, OK, SAFE, changed, child_environment, die_with_the_parent, wait, write

LIMIT, PERIOD = 0.05, CONTROLLER["period"]
VALUES = changed(CONTROLLER, "inputs.sensor.stale", 10.0)


def supervised(start, robot, folder, **more):
    """A node that commands 1, and what it publishes."""
    process = start("controller_node", controller_file=str(write(folder, VALUES)), supervise=LIMIT, **more)
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status(
        "/controller: supervisor", level=OK, message="commands what is safe after 0.05 s without a sign of life"
    )
    wait(lambda: commands and commands[-1][1] > 0.9)
    return process, commands


def ends_of(text):
    return [line for line in text.splitlines() if "supervisor" in line]


def late(commands, begin):
    """From a moment to the first safe command after it [s]."""
    return (wait(lambda: first(commands, begin, is_safe)) - begin) * 1e-9


def test_a_killed_loop_is_followed_by_the_safe_command(tmp_path, start, robot):
    process, commands = supervised(start, robot, tmp_path)
    begin = time.time_ns()
    process.send(signal.SIGKILL)
    process.wait()
    assert late(commands, begin) <= LIMIT + 2 * PERIOD + 0.05
    robot.status("/controller: guard", level=ERROR, text="process is gone: this is the safe command of its supervisor")
    after = len(commands)
    wait(lambda: len(commands) > after + 20)
    assert {command for _, command in list(commands)[after:]} == {SAFE}
    count = wait(lambda: (n := len(commands), time.sleep(1.0)) and len(commands) == n and n, seconds=30)
    assert count > after + 100  # for five seconds, then it ends


def test_a_stopped_process_is_safe_until_it_goes_on(tmp_path, start, robot):
    process, commands = supervised(start, robot, tmp_path)
    for _ in range(3):
        begin = time.time_ns()
        process.send(signal.SIGSTOP)
        assert late(commands, begin) <= LIMIT + 2 * PERIOD + 0.05
        time.sleep(0.3)
        assert {command for stamp, command in commands if stamp > begin + 0.2e9} == {SAFE}
        process.send(signal.SIGCONT)
        wait(lambda: commands[-1][1] > 0.9)
    assert process.end() == 0
    assert "gives no sign of life" in process.text
    assert "its supervisor is silent again" in process.text
    assert "is gone" not in process.text


def test_an_orderly_end_is_no_alarm(tmp_path, start, robot):
    process, commands = supervised(start, robot, tmp_path)
    robot.status("/controller: output drive", time.monotonic(), level=OK, message="matched")  # its publisher is known
    assert process.end() == 0
    n = len(commands)
    assert commands[-1][1] == SAFE
    time.sleep(3 * LIMIT)
    assert len(commands) == n
    assert not [line for line in ends_of(process.text) if "sign of life" in line or "gone" in line]
    assert not _children(process)


def _children(process):
    """Supervisors of a controller file that still run."""
    listed = subprocess.run(["pgrep", "-f", "snn_control.ros.supervisor"], capture_output=True, text=True, check=False)
    return [pid for pid in listed.stdout.split() if _session_of(pid) == process.process.pid]


def _session_of(pid):
    try:
        return os.getsid(int(pid))
    except ProcessLookupError:
        return 0


def test_a_publication_that_stands_is_safe_before_the_process_is_ended(tmp_path, robot):
    parameters = {"controller_file": str(write(tmp_path, VALUES)), "supervise": LIMIT}
    environment = child_environment() | {"HANGS_WITH": str(tmp_path / "hang")}
    line = command_line(NodeProcess("controller_node", "controller", parameters))
    line[line.index("snn_control.ros.controller_node")] = "tests.ros.hanging_node"
    answers = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            line, env=environment, cwd=tmp_path, stderr=log, preexec_fn=die_with_the_parent,
            start_new_session=True,
        )  # fmt: skip
        try:
            robot.status("/controller: supervisor", level=OK, text="commands what is safe")
            (tmp_path / "hang").touch()
            assert process.wait(20) == 1
            stamps, values = zip(*list(answers), strict=True)
            last = max(k for k, value in enumerate(values) if value != SAFE)
            assert (stamps[last + 1] - stamps[last]) * 1e-9 < LIMIT + 2 * PERIOD + 0.1  # before the watchdog's 0.5 s
            wait(lambda: len(answers) > last + 40)
        finally:
            process.kill()
            process.wait()


def test_a_limit_that_no_loop_keeps_is_refused(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path, VALUES)), supervise=PERIOD)
    assert process.wait() == 2
    assert "supervise = 0.01: must be at least two periods: 0.02 s" in process.text


def test_a_supervisor_that_is_gone_is_an_error(tmp_path, start, robot):
    process, _ = supervised(start, robot, tmp_path)
    listed = subprocess.run(
        ["pgrep", "-P", str(process.process.pid), "-f", "supervisor"], capture_output=True, text=True
    )
    os.kill(int(listed.stdout.split()[0]), signal.SIGKILL)
    robot.status("/controller: supervisor", level=ERROR, message="is gone")
