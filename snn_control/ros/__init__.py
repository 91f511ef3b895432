"""ROS 2: messages, ports, nodes. The only room that imports rclpy, and only inside its modules."""

from __future__ import annotations

import os
import signal
import sys

NODES = ("controller_node", "world_node", "encoder_node", "view_node")


def _quiet_start() -> None:
    """In a node's process: until it is there, a signal just ends it; its imports take a second."""
    names = {os.path.basename(word).removeprefix("snn_control.ros.") for word in sys.orig_argv}
    if names & set(NODES):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
                signal.signal(number, lambda *_: os._exit(0))


_quiet_start()
