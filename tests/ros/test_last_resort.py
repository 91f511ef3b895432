"""A publication that never returns: the process is ended, and another one goes on to the safe command."""

from __future__ import annotations

import signal

import pytest

from tests.ros.hanging import hanging
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, ERROR, SAFE, changed
from tests.ros.test_supervisor import MOTIONS, is_one_motion

SAID = "the loop's heartbeat stopped for 0.5 s: ended"


def hangs(answers):
    """Wait for the 100th publication, which hangs."""
    wait(lambda: len(answers) >= 99, what="the command before the hang")


@pytest.mark.parametrize("signalled", [False, True])
def test_a_hanging_publication_ends_in_the_safe_command_of_another_process(tmp_path, robot, signalled):
    with hanging(tmp_path, robot, CONTROLLER) as (process, answers):
        hangs(answers)
        if signalled:
            assert not list(tmp_path.glob("snn_control-*.xml"))  # nothing that a cleaner of old files removes
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
    values, hang = changed(CONTROLLER, "outputs.drive", CONTROLLER["outputs"]["drive"] | motion), tmp_path / "hang"
    with hanging(tmp_path, robot, values, {"HANGS_WITH": str(hang)}) as (process, answers):
        wait(lambda: answers and answers[-1][1] > 0.99)
        hang.touch()
        assert process.wait(20) == 1
        before, last = len(answers), answers[-1][1]
        wait(lambda: len({value for _, value in answers[before:][-40:]}) == 1 and len(answers) > before + 50)
        is_one_motion(answers, motion)
        assert answers[-1][1] == (SAFE if name == "smooth" else pytest.approx(last, abs=0.1))
