"""ROS 2 interface: messages, ports, nodes and the supervisor.

Only modules of this package import rclpy; this file does not.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["STOP_SIGNALS", "block_stop_signals"]

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)  # the signals that end a node
NODES = ("controller_node", "world_node", "encoder_node", "view_node")


def block_stop_signals() -> tuple[signal.Signals, ...]:
    """Block the signals that terminate a node, and return the blocked signals.

    SIGHUP is left out if the process already ignores it, as under nohup.
    """
    found = tuple(n for n in STOP_SIGNALS if not (n == signal.SIGHUP and signal.getsignal(n) == signal.SIG_IGN))
    signal.pthread_sigmask(signal.SIG_BLOCK, found)
    return found


# In a node's process, block the signals before any library starts threads: threads inherit this, only the watchdog
# then receives the signals.
if {os.path.basename(word).removeprefix("snn_control.ros.nodes.") for word in sys.orig_argv} & set(NODES):
    block_stop_signals()
