"""A controller node whose 100th publication never returns: ``python -m tests.ros.hanging_node --ros-args ...``.

With the environment variable HANGS_WITH it is the first after the file of that name is there.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from numba.extending import register_jitable

from snn_control.engine.memory import i64
from snn_control.realtime.clock import sleep_until
from snn_control.ros.nodes.controller_node import ControllerNode
from snn_control.ros.nodes.process import run_node
from snn_control.ros.ports import numeric as ports
from snn_control.ros.ports.base import PUBLISHED, SCRATCH, WORDS

NEVER = 1 << 62
WHEN = WORDS - 1  # a word that ports leave free
AT_100, LATER, NOW = range(3)
publish = register_jitable(ports.publish_command)


def publish_or_hang(context, stamp_ns, now_ns):
    c = i64(context, WORDS)
    if c[WHEN] == NOW or (c[WHEN] == AT_100 and c[PUBLISHED] == 99):
        sleep_until(NEVER, c[SCRATCH])
    return publish(context, stamp_ns, now_ns)


def hang_with(file: Path) -> None:
    """Let the outputs that are made from now on hang when the file is there."""
    make = ports.CommandOutput.__init__

    def made(self, *arguments, **named):
        make(self, *arguments, **named)
        self._block[WHEN] = LATER
        threading.Thread(target=wait_for, args=[self._block], daemon=True).start()

    def wait_for(block):
        while not file.exists():
            time.sleep(0.01)
        block[WHEN] = NOW

    ports.CommandOutput.__init__ = made


if __name__ == "__main__":
    ports.publish_command = publish_or_hang
    if "HANGS_WITH" in os.environ:
        hang_with(Path(os.environ["HANGS_WITH"]))
    sys.exit(run_node(ControllerNode))
