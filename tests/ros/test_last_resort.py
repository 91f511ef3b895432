"""A publication that never returns: the process is ended, and another one goes on to the safe command."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager

import pytest

from snn_control.ros.launching import NodeProcess, command_line
from tests.ros.robot import CONTROLLER, ERROR, SAFE, changed, child_environment, die_with_the_parent, wait, write
from tests.ros.test_supervisor import MOTIONS, is_one_motion

SAID = "the loop's heartbeat stopped for 0.5 s: ended"


@contextmanager
def hanging(folder, robot, values=CONTROLLER):
    """A node whose 100th publication never returns, and what is heard."""
    line = command_line(NodeProcess("controller_node", "controller", {"controller_file": str(write(folder, values))}))
    line[line.index("snn_control.ros.controller_node")] = "tests.ros.hanging_node"
    answers = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    environment = child_environment() | {"TMPDIR": str(folder)}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            line, env=environment, cwd=folder, stderr=log, preexec_fn=die_with_the_parent, start_new_session=True
        )
        try:
            wait(lambda: len(answers) >= 99, what="the command before the hang")
            yield process, answers
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the last resort too
            process.wait()


@pytest.mark.parametrize("signalled", [False, True])
def test_a_hanging_publication_ends_in_the_safe_command_of_another_process(tmp_path, robot, signalled):
    with hanging(tmp_path, robot) as (process, answers):
        if signalled:
            for profile in tmp_path.glob("snn_control-*.xml"):  # as a cleaner of old files does
                profile.unlink()
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
        before = len(answers)
        assert SAID in (tmp_path / "log").read_text()
        wait(lambda: len(answers) > before + 3, what="a command from outside")
        assert all(command == SAFE for _, command in answers[before:])
        stamps = [stamp for stamp, _ in answers[before:]]
        assert stamps == sorted(set(stamps))
        robot.status("/controller: guard", level=ERROR, text="the control loop hung")


@pytest.mark.parametrize("name", ["smooth", "hold"])
def test_it_passes_no_limit_of_motion(name, tmp_path, robot):
    motion = MOTIONS[name]
    values = changed(CONTROLLER, "outputs.drive", CONTROLLER["outputs"]["drive"] | motion)
    with hanging(tmp_path, robot, values) as (process, answers):
        assert process.wait(20) == 1
        before, last = len(answers), answers[-1][1]
        wait(lambda: len({value for _, value in answers[before:][-40:]}) == 1 and len(answers) > before + 50)
        is_one_motion(answers, motion)
        assert answers[-1][1] == (SAFE if name == "smooth" else pytest.approx(last, abs=0.1))
