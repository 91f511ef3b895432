"""The layout of the shared memory, int64 words, in which a loop and its supervisor pass the motion of the commands on.

The *motion* is the state of the command limiter, see `snn_control.realtime.handover`. Each side has room for two
motions, writes them in turns, and increases its count after each writing. The motion to which a count points is
therefore complete, even if the writer was killed or stopped at any point. Before publishing, the loop commits the
motion of each tick (`COMMITTED`), and the supervisor claims the motion of each of its commands (`TAKEN`). `BASE` is the
number of the commit from which the supervisor continued.

Neither side waits for the other, and a motion is never continued by commands of both sides. Each side writes its own
word (the loop its heartbeat, the supervisor `TAKEN`), then reads the other side's word, and publishes only if that word
has not changed.
"""

from __future__ import annotations

__all__ = ["BASE", "BEGUN", "COMMITTED", "HEAD", "PLACES", "TAKEN", "THEIRS", "WHEN", "words_of"]

COMMITTED, TAKEN, PLACES = range(3)  # two counts; then two motions of the loop and two of the supervisor
THEIRS = 2  # number of the supervisor's first motion
# The head of a motion: the time of its command (the number of its period, or ns if messages wake the loop), the commit
# that a supervisor continued from, and whether commands have begun. The words of the guard's state follow.
WHEN, BASE, BEGUN, HEAD = range(4)


def words_of(motion: int) -> int:
    """Return how many int64 words the shared memory needs for motions of ``motion`` words, including their head."""
    return PLACES + 4 * motion
