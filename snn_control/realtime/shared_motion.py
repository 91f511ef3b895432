"""The layout of the shared memory, int64 words, through which a loop and its supervisor exchange the commands' motion.

The *motion* is the state of the command limiter, see `snn_control.realtime.handover`. The loop and the supervisor each
have two buffers for motions, write to them in turns, and increase a counter after each write. The buffer to which a
counter points is therefore complete, even if the writing process was killed or stopped at any point. Before publishing,
the loop commits the motion of each tick (`COMMITTED`), and the supervisor claims the motion of each of its commands
(`TAKEN`). `BASE` is the number of the commit from which the supervisor continued.

Neither process waits for the other, and only one of them publishes a command that continues a motion. Each process
writes its own word (the loop its heartbeat, the supervisor `TAKEN`), then reads the word of the other process, and
publishes only if the other word has not changed.
"""

from __future__ import annotations

__all__ = ["BASE", "BEGUN", "COMMITTED", "HEAD", "PLACES", "TAKEN", "THEIRS", "WHEN", "words_of"]

COMMITTED, TAKEN, PLACES = range(3)  # two counts; then two motions of the loop and two of the supervisor
THEIRS = 2  # number of the supervisor's first motion
# The head of a motion: the time of its command (the number of its period, or ns if messages wake the loop), the commit
# that a supervisor continued from, and whether commands have begun. The words of the guard's state follow.
WHEN, BASE, BEGUN, HEAD = range(4)


def words_of(motion: int) -> int:
    """Return the size of the shared memory in int64 words, for motions of ``motion`` words including their head."""
    return PLACES + 4 * motion
