"""Several controllers in one process: each has its own loop, and all of them end with their safe commands."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState

from tests.ros.forks import die_with_the_parent
from tests.ros.node_processes import child_environment, wait
from tests.ros.robot import CONTROLLER, SAFE, changed, write

NAMES = ("left", "right")


@pytest.fixture
def begin(tmp_path):
    """Starts both in one process, with a file of parameters and the period of the right one."""
    begun = []

    def make(*arguments, module="snn_control.ros.nodes.controller_node", right=0.01, **both):
        parameters = {"/**": {"ros__parameters": both}}
        for name, period in zip(NAMES, (0.01, right), strict=True):
            values = changed(changed(CONTROLLER, "ros.outputs.drive.topic", f"{name}/drive"), "period", period)
            file = write(tmp_path, values, f"{name}.yaml")
            parameters[name] = {"ros__parameters": {"controller_file": str(file)}}
        (tmp_path / "both.yaml").write_text(yaml.safe_dump(parameters))
        line = [sys.executable, "-m", module, *NAMES, "--ros-args", "--params-file", "both.yaml", *arguments]
        begun.append(
            subprocess.Popen(
                line, env=child_environment(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, preexec_fn=die_with_the_parent, start_new_session=True,
            )
        )  # fmt: skip
        return begun[-1]

    yield make
    for process in begun:
        process.kill()
        process.communicate()


def test_each_has_its_loop_and_a_signal_ends_both_with_the_safe_command(robot, begin):
    commands = {name: robot.commands(f"{name}/drive") for name in NAMES}
    robot.feed(robot.publisher(), 1.0, 0.0)
    process = begin(right=0.02)
    wait(lambda: all(len(found) > 50 for found in commands.values()), what="both commands")
    for name, period in zip(NAMES, (10e6, 20e6), strict=True):
        stamps = [stamp for stamp, _ in commands[name][-40:]]
        assert abs(np.median(np.diff(stamps)) - period) < 0.3 * period
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert robot.ask(ChangeState, "/right/change_state", request).success
    stopped, before = time.time_ns(), len(commands["left"])
    wait(lambda: commands["right"][-1][1] == SAFE)
    wait(lambda: len(commands["left"]) > before + 20, what="commands of the one that goes on")
    assert commands["right"][-1][1] == SAFE
    assert commands["right"][-1][0] <= stopped
    assert commands["left"][-1][1] > 0.9
    request.transition.id = Transition.TRANSITION_ACTIVATE
    assert robot.ask(ChangeState, "/right/change_state", request).success
    wait(lambda: commands["right"][-1][1] > 0.9, what="commands of the one that begins again")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    wait(lambda: all(found[-1][1] == SAFE for found in commands.values()), what="the last commands")


def test_if_one_hangs_the_safe_commands_of_both_come_from_outside(robot, begin):
    commands = {name: robot.commands(f"{name}/drive") for name in NAMES}
    robot.feed(robot.publisher(), 1.0, 0.0)
    process = begin(module="tests.ros.hanging_node", right=0.05)  # the 100th publication of the left one hangs
    assert process.wait(60) == 1
    last = max(stamp for stamp, command in commands["left"] if command != SAFE)
    wait(lambda: all(found[-1][1] == SAFE for found in commands.values()), what="commands from outside")
    since = {name: len(found) for name, found in commands.items()}
    wait(lambda: all(len(found) > since[name] + 3 for name, found in commands.items()), what="more of them")
    after = {name: [command for stamp, command in found if stamp > last] for name, found in commands.items()}
    assert after["right"].index(SAFE) >= 5  # the right one goes on until the process is ended, after 0.5 s
    assert all(set(found[found.index(SAFE) :]) == {SAFE} for found in after.values())
    text, _ = process.communicate(timeout=60)  # the programs that publish them write there, too
    assert "snn_control: left: the loop's heartbeat stopped for 0.5 s: ended" in text


@pytest.mark.parametrize(
    ("arguments", "both", "told"),
    [
        (("-r", "__node:=one"), {}, ["__node:=", "would give all nodes one name", "leave it out"]),
        ((), {"record": "run.npz"}, ["record = 'run.npz'", "is written by left", "-p right:record:=FILE"]),
        (("-p", "right:mode:=fast"), {}, ["mode = 'fast'", "'realtime' or 'event' or 'lockstep'"]),
    ],
)
def test_what_cannot_be_for_several_ends_the_process_with_a_line(begin, arguments, both, told):
    process = begin(*arguments, **both)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert all(words in text for words in told), text
    assert "Traceback" not in text


def test_a_name_twice_is_refused(begin):
    line = [sys.executable, "-m", "snn_control.ros.nodes.controller_node", "left", "left"]
    done = subprocess.run(line, env=child_environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "arguments = ['left', 'left']: must be at most 16 names, each of them once" in done.stderr
