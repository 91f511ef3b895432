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

from snn_control.engine.compile import compile_callback
from snn_control.engine.memory import i64
from snn_control.realtime.clock import sleep_until
from snn_control.realtime.port import SIGNATURE
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


def hang(file: Path | None) -> None:
    """Let the outputs that are made from now on hang: when the file is there, or the 100th time."""
    make = ports.CommandOutput.__init__

    def made(self, *arguments, **named):
        make(self, *arguments, **named)
        self.function = compile_callback(publish_or_hang, SIGNATURE)
        if file:
            self._block[WHEN] = LATER
            threading.Thread(target=wait_for, args=[self._block], daemon=True).start()

    def wait_for(block):
        while not file.exists():
            time.sleep(0.01)
        block[WHEN] = NOW

    ports.CommandOutput.__init__ = made


if __name__ == "__main__":
    hang(Path(os.environ["HANGS_WITH"]) if "HANGS_WITH" in os.environ else None)
    sys.exit(run_node(ControllerNode))
