"""A ROS domain of one's own."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path


def own_domain() -> int:
    """A domain that no other test process of this machine holds; released when this process ends."""
    folder = Path(tempfile.gettempdir())
    for domain in range(1, 100):
        lock = os.open(folder / f"snn_control_test_domain_{domain}", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return domain
        except OSError:
            os.close(lock)
    raise RuntimeError("all ROS domains are taken by other tests")
