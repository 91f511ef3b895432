"""A publication that never returns: another thread publishes the safe command, and the process ends."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from snn_control.ros.launching import NodeProcess, command_line
from tests.ros.robot import ERROR, SAFE, child_environment, die_with_the_parent, wait, write


@pytest.mark.parametrize("signalled", [False, True])
def test_a_hanging_publication_ends_in_the_safe_command_of_another_process(tmp_path, robot, signalled):
    line = command_line(NodeProcess("controller_node", "controller", {"controller_file": str(write(tmp_path))}))
    line[line.index("snn_control.ros.controller_node")] = "tests.ros.hanging_node"
    answers = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    log = (tmp_path / "log").open("w+")
    environment = child_environment() | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(
        line, env=environment, cwd=tmp_path, stderr=log, preexec_fn=die_with_the_parent, start_new_session=True
    )
    try:
        wait(lambda: len(answers) >= 99, what="the command before the hang")
        if signalled:
            for profile in tmp_path.glob("snn_control-*.xml"):  # as a cleaner of old files does
                profile.unlink()
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 1
        before = len(answers)
        assert "the loop's heartbeat stopped for 0.5 s: ended" in (tmp_path / "log").read_text()
        wait(lambda: len(answers) > before + 3, what="a command from outside")
        assert all(command == SAFE for _, command in answers[before:])
        stamps = [stamp for stamp, _ in answers[before:]]
        assert stamps == sorted(set(stamps))
        robot.status("/controller: guard", level=ERROR, text="the control loop hung")
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the last resort too
        process.wait()
        log.close()
