"""The safe command from a separate process, after the controller's process hung in its middleware and was ended.

The controller's watchdog starts it; it needs neither the controller nor its file, only the messages that were made when
the controller was activated: ``python -m snn_control.ros.last_resort JSON``. It publishes them for `SECONDS`, reports
on /diagnostics what happened, and ends. It inherits the watchdog's blocked signals, so nothing except SIGKILL
interrupts it. An actuator still needs a time-out of its own: this process takes a second to start, and nothing helps if
the machine fails. A `supervisor` is there before.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from ..errors import DescriptionError
from .safe_messages import SafeMessages

__all__ = ["main", "program"]

SECONDS, EVERY = 5.0, 0.02
CAUSE = "the control loop hung and its process was ended; this is the safe command of a process of its own"


def program(given: dict[str, Any]) -> list[str]:
    """The command line for what `safe_messages.messages_of` gave."""
    return [sys.executable, "-m", __name__, json.dumps(given)]


def main(arguments: Sequence[str] | None = None) -> None:
    """Publish the messages until `SECONDS` have passed."""
    from .transport import VARIABLES, use_udp

    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent process has blocked some signals
    given = json.loads((sys.argv[1:] if arguments is None else arguments)[0])
    try:
        use_udp()
    except DescriptionError:  # the profile was in a folder of temporary files that is gone
        for name in VARIABLES:
            os.environ.pop(name, None)
        use_udp()

    import rclpy

    commands = SafeMessages(given, "last_resort")
    commands.node.get_logger().error(CAUSE)
    end = time.monotonic() + SECONDS
    while (now := time.monotonic()) < end:
        commands.publish()
        commands.report(CAUSE)
        time.sleep(max(0.0, now + EVERY - time.monotonic()))
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
