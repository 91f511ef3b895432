"""The safe command from a process that is always there, as soon as the loop gives no sign of life.

A loop that was killed, that stands in its publish, or whose process was stopped, cannot command anything: its last
command stands. The supervisor is a small process without compiled code, with a priority above the loop's, and with
publishers of its own that are matched long before they are needed. It sees the loop's heartbeat in memory that both
share. When the heartbeat is older than ``supervise`` seconds it publishes the safe commands at once, then every
`EVERY`, until the loop is back, or for `SECONDS` after its process is gone.

``Supervisor`` is its end in the controller's process; ``python -m snn_control.ros.supervisor JSON`` is the process. It
ends when the pipe from the controller is closed while no loop runs. SIGINT from the terminal does not end it: the loop
needs it until its own end.
"""

from __future__ import annotations

import gc
import json
import mmap
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ..errors import RuntimeFault
from ..realtime.rights import lock_memory, set_fifo

__all__ = ["Supervisor", "main"]

EVERY = 0.02  # s between safe commands
SECONDS = 5.0  # for which they are published after the end of the process
READY_WITHIN = 10.0  # s for the start of the process
IDLE = 0.05  # s between looks at a loop that does not run
LOOK = 0.2  # s between looks at who hears it
DIED, SILENT, BACK = (
    "the control loop's process is gone: this is the safe command of its supervisor",
    "the control loop gives no sign of life: this is the safe command of its supervisor",
    "the control loop is back: its supervisor is silent again",
)


class Supervisor:
    """The process that supervises a loop, and the memory of the loop's table, which both share.

    words : of the table
    table : (words,) int64
    """

    def __init__(self, words: int) -> None:
        self._file = os.memfd_create("snn_control_loop", os.MFD_CLOEXEC)
        os.ftruncate(self._file, 8 * (words + 1))
        shared = np.frombuffer(mmap.mmap(self._file, 8 * (words + 1)), np.int64)
        self.table, self._matched = shared[:words], shared[words:]
        self._process: subprocess.Popen | None = None
        self._pipe = -1

    def start(self, given: dict[str, Any], heartbeat: int, running: int, limit: float, priority: int) -> None:
        """Start the process; raises RuntimeFault if it is not ready within `READY_WITHIN`.

        given : of `safe_messages.messages_of`
        heartbeat, running : words of the table
        limit : age of the heartbeat beyond which it commands [s]
        priority : SCHED_FIFO; 0: ordinary
        """
        theirs, self._pipe = os.pipe2(os.O_CLOEXEC)
        ready, told = os.pipe2(os.O_CLOEXEC)
        more = {
            "table": self._file, "alive": theirs, "ready": told, "heartbeat": heartbeat, "running": running,
            "limit_ns": round(limit * 1e9), "priority": priority,
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(given | more)],
            pass_fds=(self._file, theirs, told), start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (theirs, told, self._file):  # the mapping stays
            os.close(end)
        self._file = -1
        answered = select.select([ready], [], [], READY_WITHIN)[0] and os.read(ready, 1)
        os.close(ready)
        if not answered:
            self._process.kill()
            self.close()
            raise RuntimeFault(f"the supervisor was not ready within {READY_WITHIN:g} s")

    @property
    def matched(self) -> bool:
        """Whether each of its publishers is heard by somebody."""
        return bool(self._matched[0])

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the process; not while the loop runs."""
        for end in (self._pipe, self._file):
            if end >= 0:
                os.close(end)
        self._pipe = self._file = -1
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(2 * IDLE + 1.0)
            self._process = None


# the process -----------------------------------------------------------------------------------------------------
def _rights(priority: int) -> None:
    """What is granted of: SCHED_FIFO, memory that is never swapped out, and to be the last that lack of memory ends."""
    if priority:
        set_fifo(priority)
    lock_memory()
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")


def main(arguments: Sequence[str] | None = None) -> None:
    """Supervise until the controller's process is gone, or closes its pipe while no loop runs."""
    from .safe_messages import SafeMessages
    from .transport import use_udp

    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent process has blocked some signals
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    given = json.loads((sys.argv[1:] if arguments is None else arguments)[0])
    table = np.frombuffer(mmap.mmap(given["table"], 0), np.int64)
    use_udp()

    import rclpy

    commands = SafeMessages(given, "supervisor")
    gc.collect()
    gc.freeze()
    gc.disable()
    _rights(given["priority"])
    os.write(given["ready"], b"r")
    os.close(given["ready"])
    _supervise(commands, table, given)
    rclpy.try_shutdown()


def _supervise(commands: Any, table: np.ndarray, given: dict[str, Any]) -> None:
    heartbeat, running, limit, alive = (given[key] for key in ("heartbeat", "running", "limit_ns", "alive"))
    gone, silent, looked = 0, False, 0
    while True:
        now = time.monotonic_ns()
        if now - looked > LOOK * 1e9:
            table[-1], looked = commands.matched, now
        if not gone and select.select([alive], [], [], 0)[0]:  # the other end of the pipe was closed
            gone = now
        if not table[running]:
            if gone:
                return
            silent = False
            select.select([alive], [], [], IDLE)
            continue
        late = now - int(table[heartbeat]) - limit
        if late <= 0 and not gone:
            if silent:
                commands.node.get_logger().warning(BACK)
            silent = False
            time.sleep(-late * 1e-9 + 1e-6)
            continue
        commands.publish()
        cause = DIED if gone else SILENT
        if not silent:
            commands.node.get_logger().error(cause)
        silent = True
        commands.report(cause)
        if gone and now - gone > SECONDS * 1e9:
            return
        time.sleep(EVERY)


if __name__ == "__main__":
    main()
