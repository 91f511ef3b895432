"""What a node says to systemd, if that started it (sd_notify(3)): that it is ready, alive, about to stop.

A unit with ``Type=notify`` and ``WatchdogSec`` then waits for the first activation, and restarts a node whose loop
gives no sign of life. Without ``$NOTIFY_SOCKET`` nothing is said.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

__all__ = ["alive_every", "notify"]


def notify(text: str) -> bool:
    """Send ``READY=1``, ``WATCHDOG=1``, ``STOPPING=1`` or ``STATUS=...``; whether somebody listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as end:
        end.connect("\0" + address[1:] if address.startswith("@") else address)
        end.sendall(text.encode())
        return True
    return False


def alive_every() -> float:
    """How often ``WATCHDOG=1`` is wanted [s], half of what the unit allows; 0: not at all."""
    try:
        if int(os.environ.get("WATCHDOG_PID", os.getpid())) != os.getpid():
            return 0.0
        return int(os.environ.get("WATCHDOG_USEC", "0")) * 0.5e-6
    except ValueError:
        return 0.0
