"""The safe command from a process beside the loop: after SIGKILL, while the process is stopped, while its publish
stands."""

from __future__ import annotations

import math
import os
import random
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from snn_control.record.input_log import InputLog
from tests.motion_judge import heard_beyond
from tests.ros.hanging import hanging
from tests.ros.node import first, is_safe
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, ERROR, OK, SAFE, changed, write
from tests.ros.test_replay import replayed

LIMIT, PERIOD = 0.05, CONTROLLER["period"]


def supervised(start, robot, folder, values=CONTROLLER, supervise=LIMIT, **more):
    """A node that commands 1, and what it publishes."""
    process = start("controller_node", controller_file=str(write(folder, values)), supervise=supervise, **more)
    commands = robot.commands()
    feeder = robot.feed(robot.publisher(), 1.0, 0.0)
    robot.status(
        "/controller: supervisor", level=OK, message="publishes the safe command after 0.05 s without a heartbeat"
    )
    wait(lambda: commands and commands[-1][1] > 0.9)
    return process, commands, feeder


def pause(process, commands):
    """Stop it between two publications; the time [ns]."""
    while True:
        n = len(commands)
        wait(lambda n=n: len(commands) > n)
        if 0.2 < (time.time_ns() - commands[-1][0]) * 1e-9 / PERIOD < 0.6:  # published, and the next is far
            process.send(signal.SIGSTOP)
            return time.time_ns()


def end(supervisor):
    """End the process, which would publish for five seconds."""
    with suppress(ProcessLookupError):
        os.kill(supervisor, signal.SIGKILL)


MOTIONS = {
    "ramp": {"slew": 2.0, "ramp": True, "safe": SAFE},
    "smooth": {"slew": 2.0, "acceleration": 10.0, "jerk": 200.0, "ramp": True, "safe": SAFE},
    "hold": {"slew": 2.0, "acceleration": 10.0, "safe": "hold"},
}


def is_one_motion(commands, motion):
    """Assert that what a loop and its supervisor commanded is within the limits of motion."""
    stamps, values = np.array(commands).T
    early = np.flatnonzero(np.diff(stamps) <= 0)
    assert not early.size, [commands[max(k - 5, 0) : k + 6] for k in early]
    limits = (motion.get(key, math.inf) for key in ("slew", "acceleration", "jerk"))
    assert heard_beyond(stamps * 1e-9, values, PERIOD, *limits, most=math.inf) == 0
    assert np.ptp(values) > 0.5


@pytest.mark.parametrize("motion", MOTIONS.values(), ids=MOTIONS)
def test_no_limit_of_motion_is_passed_by_a_loop_and_its_supervisor(motion, tmp_path, start, robot):
    pytest.importorskip("mcap")
    rng, values = (
        random.Random(str(motion)),
        changed(CONTROLLER, "outputs.drive", CONTROLLER["outputs"]["drive"] | motion),
    )
    record = tmp_path / "run.mcap"
    process, commands, feeder = supervised(start, robot, tmp_path, values, record=str(record))
    own = supervisor_of(process)
    for k in range(1, 6):
        feeder.set((1.0, -1.0)[k % 2], 0.0)
        time.sleep(rng.uniform(0.05, 0.5))  # it moves
        process.send(signal.SIGSTOP)
        begin = time.time_ns()
        time.sleep(rng.uniform(0.1, 0.6))
        wait(lambda after=begin + LIMIT * 1e9: commands[-1][0] > after, what="a command of the supervisor")
        if not process.alive:  # it was stopped while it published
            break
        process.send(signal.SIGCONT)
        time.sleep(0.2)
    process.send(signal.SIGKILL)
    process.wait()
    wait(lambda: len({value for _, value in list(commands)[-40:]}) == 1)  # it rests
    end(own)
    is_one_motion(commands, motion)
    assert (commands[-1][1] == SAFE) == (motion["safe"] == SAFE)
    code, found = replayed(record)
    assert (code, found["identical"], found["first_tick"]) == (0, True, 0)
    assert found["ticks"] > 100 or "was stopped while it published" in process.text


def test_a_record_that_ends_has_what_was_handed_over(tmp_path, start, robot):
    values = changed(CONTROLLER, "outputs.drive", CONTROLLER["outputs"]["drive"] | MOTIONS["smooth"])
    record = tmp_path / "run.npz"
    for _ in range(5):
        process, commands, _ = supervised(start, robot, tmp_path, values, record=str(record))
        own = supervisor_of(process)
        pause(process, commands)
        wait(lambda found=commands: found[-1][1] < 0.7)
        process.send(signal.SIGCONT)
        wait(lambda one=process, found=commands: not one.alive or found[-1][1] > 0.9)
        if process.alive:
            break  # else it was stopped while it published, and ended
        end(own)
    assert process.end() == 0
    is_one_motion(commands, MOTIONS["smooth"])
    assert len(InputLog.load(tmp_path / "run_shown.npz").handed) == 1
    code, found = replayed(record)
    assert (code, found["identical"], found["first_tick"]) == (0, True, 0)


def test_a_process_that_is_stopped_while_it_publishes_is_ended(tmp_path, robot):
    """It would go on with an old command."""
    with hanging_later(tmp_path, robot) as (process, commands):
        own = supervisor_of(process)
        (tmp_path / "hang").touch()
        for _ in range(20):  # the first times it may not hang yet
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.2)
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        assert process.wait(20) == -signal.SIGKILL
        wait(lambda: commands[-1][1] == SAFE)
        end(own)


def ends_of(text):
    return [line for line in text.splitlines() if "supervisor" in line]


def late(commands, begin):
    """From a moment to the first safe command after it [s]."""
    return (wait(lambda: first(commands, begin, is_safe)) - begin) * 1e-9


def test_a_killed_loop_is_followed_by_the_safe_command(tmp_path, start, robot):
    process, commands, _ = supervised(start, robot, tmp_path)
    begin = time.time_ns()
    process.send(signal.SIGKILL)
    process.wait()
    assert late(commands, begin) <= LIMIT + 2 * PERIOD + 0.05
    robot.status("/controller: guard", level=ERROR, text="process is gone: this is the safe command of its supervisor")
    after = len(commands)
    wait(lambda: len(commands) > after + 20)
    assert {command for _, command in list(commands)[after:]} == {SAFE}
    count = wait(lambda: (n := len(commands), time.sleep(2.0)) and len(commands) == n and n, seconds=30)
    assert count > after + 100  # for five seconds, then it ends


def test_a_stopped_process_is_safe_until_it_goes_on(tmp_path, start, robot):
    process, commands, _ = supervised(start, robot, tmp_path)
    for _ in range(3):
        begin = pause(process, commands)
        assert late(commands, begin) <= LIMIT + 2 * PERIOD + 0.05
        wait(lambda begin=begin: commands[-1][0] > begin + 0.4e9)
        assert {command for stamp, command in list(commands) if stamp > begin + 0.2e9} == {SAFE}
        process.send(signal.SIGCONT)
        wait(lambda: commands[-1][1] > 0.9)
    assert process.end() == 0
    assert "gives no sign of life" in process.text
    assert "its supervisor is silent again" in process.text
    assert "is gone" not in process.text


def test_an_orderly_end_is_no_alarm(tmp_path, start, robot):
    process, commands, _ = supervised(start, robot, tmp_path)
    robot.status("/controller: output drive", time.monotonic(), level=OK, message="matched")  # its publisher is known
    own = supervisor_of(process)
    assert process.end() == 0
    wait(lambda: commands[-1][1] == SAFE)
    n = len(commands)
    time.sleep(3 * LIMIT)
    assert len(commands) == n
    assert not [line for line in ends_of(process.text) if "sign of life" in line or "gone" in line]
    wait(lambda: not Path(f"/proc/{own}/cmdline").exists() or not Path(f"/proc/{own}/cmdline").read_bytes())


def supervisor_of(process):
    """The process that supervises a node."""
    pid = getattr(process, "process", process).pid
    line = ["pgrep", "-P", str(pid), "-f", "supervisor"]
    return int(subprocess.run(line, capture_output=True, text=True, check=True).stdout.split()[0])


@contextmanager
def hanging_later(folder, robot):
    """A supervised node whose publication hangs as soon as a file ``hang`` is there, and what is heard."""
    variables = {"HANGS_WITH": str(folder / "hang")}
    with hanging(folder, robot, CONTROLLER, variables, supervise=LIMIT) as (process, answers):
        robot.status("/controller: supervisor", level=OK, text="publishes the safe command")
        wait(lambda: answers and answers[-1][1] != SAFE)
        yield process, answers


def test_a_publication_that_stands_is_safe_before_the_process_is_ended(tmp_path, robot):
    with hanging_later(tmp_path, robot) as (process, answers):
        (tmp_path / "hang").touch()
        assert process.wait(20) == 1
        wait(lambda: answers[-1][1] == SAFE)
        stamps, values = zip(*list(answers), strict=True)
        last = max(k for k, value in enumerate(values) if value != SAFE)
        assert (stamps[last + 1] - stamps[last]) * 1e-9 < LIMIT + 2 * PERIOD + 0.1  # before the watchdog's 0.5 s
        wait(lambda: len(answers) > last + 40)


def test_a_limit_that_no_loop_keeps_is_refused(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path, CONTROLLER)), supervise=PERIOD)
    assert process.wait() == 2
    assert "supervise = 0.01: must be at least two periods: 0.02 s" in process.text


def test_below_0_the_limit_is_that_of_the_node(tmp_path, start, robot):
    process, commands, _ = supervised(start, robot, tmp_path, supervise=-1.0)
    begin = time.time_ns()
    process.send(signal.SIGKILL)
    assert late(commands, begin) <= LIMIT + 2 * PERIOD + 0.05


def test_a_supervisor_that_is_gone_is_an_error(tmp_path, start, robot):
    process, *_ = supervised(start, robot, tmp_path)
    os.kill(supervisor_of(process), signal.SIGKILL)
    robot.status("/controller: supervisor", level=ERROR, message="is gone")
