"""Supervisor: a small process that publishes the safe command if the control loop's heartbeat stops.

A loop publishes nothing if it was killed, if it hangs in its publish call, or if its process was stopped. Then the
robot continues to execute the last command. The supervisor compiles nothing, and has a higher priority than the loop.
Its publishers are matched long before they are needed. It reads the loop's heartbeat, and the motion of the commands,
in shared memory. When the heartbeat is older than ``supervise`` seconds, the supervisor moves the commands to their
safe values within the guard's limits (`continuation`). It repeats the safe commands every `REPEAT_PERIOD_S` until the
loop runs again, or for `PUBLISH_AFTER_DEATH_S` after the loop's process has ended. A loop that runs again continues
from the supervisor's last command.

The class `Supervisor` belongs to the controller's process, and the function `main` runs the supervisor's process. The
supervisor's process ends when the pipe from the controller is closed while no loop runs. It ignores SIGINT from the
terminal, because it must outlive the loop.

Without a supervisor started in advance (`Supervisor.start`), the controller's watchdog starts one when the loop hangs,
and terminates the controller's process (`Supervisor.wait_for_a_hang`). This supervisor needs a second to start. It does
not help after SIGKILL, which also kills the watchdog. An actuator needs a time-out of its own in any case, because the
whole machine may fail.
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

from ...errors import RuntimeFault
from ...realtime.rights import lock_memory, set_fifo
from .. import STOP_SIGNALS
from ..messages.rounding import ROW
from ..ports.transport import profile_files, remove_profile, use_udp
from .continuation import Continued, Numbers

__all__ = ["Supervisor", "main"]

REPEAT_PERIOD_S = 0.02  # time between safe commands
PUBLISH_AFTER_DEATH_S = 5.0  # how long they are published after the controller's process has ended
READY_WITHIN = 10.0  # s, time for the start of the process
IDLE = 0.05  # s between two checks whether a loop runs again
MATCH_POLL_S = 0.2  # time between checks whether its publishers are matched
HEARD_WITHIN = 1.0  # s for which a process that starts late waits for subscribers; then it publishes without them
NOBODY = -1  # in place of a pipe: no process is at its other end
DIED, HUNG, SILENT, BACK, ENDED = (
    "the control loop's process is gone: this is the safe command of its supervisor",
    "the control loop hung and its process was ended; this is the safe command of a process of its own",
    "the control loop gives no sign of life: this is the safe command of its supervisor",
    "the control loop is back: its supervisor is silent again",
    "the control loop's process was stopped while it published, and would go on with an old command: it is ended",
)


class Supervisor:
    """Starts the supervisor's process, and allocates the memory that this process shares with the controller's process.

    words : size of the loop's table [int64 words]
    motion : size of the commands' motion, see `shared_motion` [int64 words]
    numbers : for each port, how many numbers its message contains

    The shared memory has these parts:

    table : int64, the loop's table of settings and counters
    motion : int64, the motion of the commands
    rows : for each port, (numbers, ROW) int64, the limits and last values of the message's numbers, see `rounding`

    ``program`` is the command line with which the watchdog starts a supervisor if the loop hangs. It is empty if a
    supervisor already runs.
    """

    def __init__(self, words: int, motion: int, numbers: Sequence[int]) -> None:
        self._sizes = [words, motion, *(ROW * n for n in numbers), 1]
        self._files = [os.memfd_create(f"snn_control_{name}", os.MFD_CLOEXEC) for name in ("loop", "supervisor")]
        os.ftruncate(self._files[0], 8 * sum(self._sizes))
        self.table, self.motion, *rows, self._matched = _parts(self._files[0], self._sizes)
        self.rows = [part.reshape(-1, ROW) for part in rows]
        self.limit = 0.0  # s; 0: only a publication that hangs is followed by the safe command
        self.limit = 0.0  # s, as in `start`
        self._process: subprocess.Popen | None = None
        self._pipe = NOBODY
        self.program: list[str] = []

    def wait_for_a_hang(self, given: dict[str, Any], priority: int) -> None:
        """Prepare `program`, the command line with which the watchdog starts a supervisor if the loop hangs.

        The supervisor's process inherits open files of this process, such as the shared memory.

        given : the result of `safe_messages.messages_of` for the ports, with further entries. ``motion`` is the
            argument ``given`` of `Continued`; ``heartbeat``, ``running`` and ``publishing`` are the indices of these
            words in the loop's table
        priority : SCHED_FIFO priority of the process; 0: ordinary scheduling
        """
        for file in self._files:
            os.set_inheritable(file, True)
        self.program = self._line(given, 0.0, priority, NOBODY, NOBODY)

    def start(self, given: dict[str, Any], limit: float, priority: int) -> None:
        """Start the supervisor's process. Raises RuntimeFault if it is not ready within `READY_WITHIN` seconds.

        given, priority : as in `wait_for_a_hang`
        limit : age of the loop's heartbeat above which the supervisor publishes commands [s]
        """
        self.limit = limit
        theirs, self._pipe = os.pipe2(os.O_CLOEXEC)
        ready, told = os.pipe2(os.O_CLOEXEC)
        self._process = subprocess.Popen(
            self._line(given, limit, priority, theirs, told),
            pass_fds=(*self._files, *profile_files(), theirs, told),
            start_new_session=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        for end in (theirs, told, *self._files):  # the mapping stays
            os.close(end)
        self._files = []
        answered = select.select([ready], [], [], READY_WITHIN)[0] and os.read(ready, 1)
        os.close(ready)
        if not answered:
            self._process.kill()
            self.close()
            raise RuntimeFault(f"the supervisor was not ready within {READY_WITHIN:g} s")

    def _line(self, given: dict[str, Any], limit: float, priority: int, alive: int, ready: int) -> list[str]:
        """Return the command line of the supervisor's process, after writing its arguments to a file.

        The arguments may be too long for a command line.
        """
        memory, file = self._files
        more = {
            "memory": memory, "sizes": self._sizes, "alive": alive, "ready": ready, "process": os.getpid(),
            "limit_ns": round(limit * 1e9), "priority": priority,
        }  # fmt: skip
        os.pwrite(file, json.dumps(given | more).encode(), 0)
        return [sys.executable, "-m", __name__, str(file)]

    @property
    def beside(self) -> bool:
        """Whether `start` has started the supervisor's process."""
        return self._process is not None

    @property
    def matched(self) -> bool:
        """Whether each publisher of the supervisor's process has a subscriber."""
        return bool(self._matched[0])

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        """End the supervisor's process. Do not call this while the loop runs."""
        for end in (self._pipe, *self._files):
            if end != NOBODY:
                os.close(end)
        self._pipe, self._files = NOBODY, []
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(2 * IDLE + 1.0)
            self._process = None


def _parts(file: int, sizes: Sequence[int]) -> list[np.ndarray]:
    shared = np.frombuffer(mmap.mmap(file, 8 * sum(sizes)), np.int64)
    return np.split(shared, np.cumsum(sizes)[:-1])


# the process -----------------------------------------------------------------------------------------------------
def main(arguments: Sequence[str] | None = None) -> None:
    from .safe_messages import SafeMessages

    signal.pthread_sigmask(signal.SIG_SETMASK, ())  # the parent process has blocked some signals
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    file = int((sys.argv[1:] if arguments is None else arguments)[0])
    given = json.loads(os.pread(file, os.fstat(file).st_size, 0))
    use_udp()

    import rclpy

    supervision = _Supervision(given, SafeMessages(given, "supervisor"))
    remove_profile()
    gc.collect()
    gc.freeze()
    gc.disable()
    if given["priority"]:
        set_fifo(given["priority"])
    lock_memory()
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as adjust:
        adjust.write("-1000")  # if memory runs out, the kernel kills this process last
    if given["ready"] != NOBODY:
        os.write(given["ready"], b"r")
        os.close(given["ready"])
    supervision.run()
    rclpy.try_shutdown()


def _is_stopped(process: int) -> bool:
    with suppress(OSError), open(f"/proc/{process}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    return False


class _Supervision:
    """Monitors the heartbeat of a loop, and publishes commands while the heartbeat is too old."""

    def __init__(self, given: dict[str, Any], commands: Any) -> None:
        self._table, memory, *rows, self._matched = _parts(given["memory"], given["sizes"])
        self._heartbeat, self._running, self._publishing = (given[k] for k in ("heartbeat", "running", "publishing"))
        self._limit, self._process = given["limit_ns"], given["process"]
        self._alive, self._commands, self._motion = given["alive"], commands, Continued(given["motion"], memory)
        ends = zip(given["messages"], rows, commands.data, strict=True)
        self._numbers = [Numbers(one, part.reshape(-1, ROW), data) for one, part, data in ends]
        self._gone, self._silent, self._looked, self._reported = 0, True, 0, 0
        self._cause_gone = HUNG if self._alive == NOBODY else DIED
        self._say("")

    def _say(self, cause: str) -> None:
        """Log an error. The first error is not logged, because a logger's first message takes 30 ms."""
        self._commands.node.get_logger().error(cause, skip_first=True)

    def _late_ns(self, now: int) -> int:
        """Return the age of the heartbeat minus the limit [ns]; positive if the heartbeat is too old."""
        return now - int(self._table[self._heartbeat]) - self._limit

    def run(self) -> None:
        if self._alive == NOBODY:  # commands published before a subscriber is matched would be missing in the motion
            self._gone = time.monotonic_ns()
            while not self._commands.matched and time.monotonic_ns() - self._gone < HEARD_WITHIN * 1e9:
                time.sleep(REPEAT_PERIOD_S)
        while True:
            now = time.monotonic_ns()
            if now - self._looked > MATCH_POLL_S * 1e9:
                self._matched[0], self._looked = self._commands.matched, now
            if not self._gone and select.select([self._alive], [], [], 0)[0]:  # the other end of the pipe was closed
                self._gone = now
            if not self._table[self._running]:
                if self._gone:
                    return
                self._silent = True
                select.select([self._alive], [], [], IDLE)
                continue
            late = self._late_ns(now)
            if late <= 0 and not self._gone:
                if not self._silent:
                    self._commands.node.get_logger().warning(BACK)
                self._silent = True
                time.sleep(-late * 1e-9 + 1e-6)
                continue
            moves = self._command(now)
            if self._gone and now - self._gone > PUBLISH_AFTER_DEATH_S * 1e9 and not moves:
                return
            due = self._motion.next_ns(now) if moves else now + round(REPEAT_PERIOD_S * 1e9)
            time.sleep(max(0, due - time.monotonic_ns()) * 1e-9)

    def _command(self, now: int) -> bool:
        """Publish the next command on the way to the safe values, unless the loop's heartbeat is recent again.

        Return whether more commands follow.
        """
        motion = self._motion
        if not self._gone and self._table[self._publishing] and _is_stopped(self._process):
            os.kill(self._process, signal.SIGKILL)
            self._say(ENDED)
        if not motion.advance(now):
            return True
        if not self._gone and (self._late_ns(time.monotonic_ns()) <= 0 or not motion.newest):
            return True
        moves = [one.put(motion.command, motion.periods) for one in self._numbers]
        self._commands.publish(motion.begun)
        cause = self._cause_gone if self._gone else SILENT
        if self._silent:
            self._say(cause)
        if self._silent or now - self._reported >= REPEAT_PERIOD_S * 1e9:
            self._reported = now
            self._commands.report(cause)
        self._silent = False
        return motion.moves or any(moves)


if __name__ == "__main__":
    main()
