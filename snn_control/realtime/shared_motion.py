"""Layout of the memory in which a loop and its supervisor pass the motion of the commands to each other; int64 words.

Each side writes only its own two places, in turns, and then increases its count. The place that a count points to is
therefore complete, wherever the writer was killed or stopped. Before publishing, the loop commits the motion of each
tick (`COMMITTED`), and the supervisor claims the motion of each of its commands (`TAKEN`). `BASE` names the commit that
the supervisor continued from.

Neither waits for the other, and no two commands follow the same motion. Each side writes its own word (the loop its
heartbeat, the supervisor `TAKEN`), then reads the other's word, and publishes only if that has not changed.
"""

from __future__ import annotations

__all__ = ["BASE", "BEGUN", "COMMITTED", "HEAD", "PLACES", "TAKEN", "THEIRS", "WHEN", "words_of"]

COMMITTED, TAKEN, PLACES = range(3)  # two counts; then two motions of the loop and two of the supervisor
THEIRS = 2  # number of the supervisor's first motion
# The head of a motion: the time of its command (the number of its period, or ns if messages wake the loop), the commit
# that a supervisor continued from, and whether commands have begun. The words of the guard's state follow.
WHEN, BASE, BEGUN, HEAD = range(4)


def words_of(motion: int) -> int:
    """Return how many words the memory needs if one motion has ``motion`` words, head included."""
    return PLACES + 4 * motion
