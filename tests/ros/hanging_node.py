"""A controller node whose 100th publication never returns: ``python -m tests.ros.hanging_node --ros-args ...``.

The environment variable HANGS_AFTER is another number of those that do return.
"""

from __future__ import annotations

import os
import sys

from numba.extending import register_jitable

from snn_control.engine.memory import i64
from snn_control.realtime.clock import sleep_until
from snn_control.ros import ports
from snn_control.ros.controller_node import ControllerNode
from snn_control.ros.port_base import PUBLISHED, SCRATCH, WORDS
from snn_control.ros.process import run_node

NEVER = 1 << 62
AFTER = int(os.environ.get("HANGS_AFTER", "99"))
publish = register_jitable(ports.publish_command)


def publish_or_hang(context, stamp_ns, now_ns):
    c = i64(context, WORDS)
    if c[PUBLISHED] == AFTER:
        sleep_until(NEVER, c[SCRATCH])
    return publish(context, stamp_ns, now_ns)


if __name__ == "__main__":
    ports.publish_command = publish_or_hang
    sys.exit(run_node(ControllerNode))
