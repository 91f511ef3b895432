"""A controller node whose publication hangs, as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from snn_control.ros.nodes.launching import NodeProcess, command_line
from tests.ros.forks import die_with_the_parent
from tests.ros.node_processes import child_environment
from tests.ros.robot import Robot, write


@contextmanager
def hanging(
    folder: Path, robot: Robot, values: Any, variables: Mapping[str, str] = {}, **parameters: Any
) -> Iterator[tuple[subprocess.Popen, list]]:
    """A process of ``hanging_node``, and what is heard of it. What it says is in ``folder / "log"``.

    values : of the controller file; variables : of the environment; parameters : of the node
    """
    parameters["controller_file"] = str(write(folder, values))
    line = command_line(NodeProcess("controller_node", "controller", parameters))
    line[line.index("snn_control.ros.nodes.controller_node")] = "tests.ros.hanging_node"
    answers = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    environment = child_environment() | {"TMPDIR": str(folder), **variables}
    with (folder / "log").open("w+") as log:
        process = subprocess.Popen(
            line, env=environment, cwd=folder, stderr=log, preexec_fn=die_with_the_parent, start_new_session=True
        )
        try:
            yield process, answers
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what its watchdog started, too
            process.wait()
