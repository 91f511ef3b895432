"""Memory in which a loop and its supervisor leave the motion of the commands to each other; int64 words.

Each of them writes only its own two places, in turns, and counts: what a count points to is whole, wherever the writer
was killed or stopped. The loop commits the motion of each tick before it publishes (`COMMITTED`). The supervisor
claims the motion of each of its commands before it publishes (`TAKEN`); it says by `BASE` which commit it went on from.

Neither waits for the other, and no two commands follow the same motion: each writes its own word (the loop its
heartbeat, the supervisor `TAKEN`), then reads the other's, and publishes only if that has not changed.
"""

from __future__ import annotations

__all__ = ["BASE", "BEGUN", "COMMITTED", "HEAD", "PLACES", "TAKEN", "THEIRS", "WHEN", "words_of"]

COMMITTED, TAKEN, PLACES = range(3)  # two counts; then two motions of the loop, and two of the supervisor
THEIRS = 2  # the first of the supervisor's
# A motion begins with the time of its command (the number of its period, or ns where messages wake the loop), the
# commit that a supervisor went on from, and whether commands have begun; then the words of the guard's state.
WHEN, BASE, BEGUN, HEAD = range(4)


def words_of(motion: int) -> int:
    """Words of the memory, for motions of so many words, head included."""
    return PLACES + 4 * motion
