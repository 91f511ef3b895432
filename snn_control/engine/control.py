"""Control words: inputs of the tick that change what a running controller does.

They are in the io block (``control``). The first two are written by the driver of the ticks, such as the loop; the
others by any thread. At the beginning of a tick they are copied into the state (``controlled``); the tick, and what is
recorded of it, uses the copy.

driver    what the driver reports: bits of the guard's reasons
elapsed   time since the last tick in thousandths of a period; 0 counts as a whole period
release   number of times an operator has asked to end a fault; an increase is a request
restart   number of times a restart of the network was asked for; an increase is a request
learning  from here on one word for each rule, in the order of the projections: 1 on, 0 off

In the copy, each rule has its whole switch in place of its word.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "DRIVER", "ELAPSED", "LEARNING", "ON", "RELEASE", "RESTART", "RUNS", "SWITCH_WORDS", "UPDATES", "WHOLE", "as_taken",
    "words_of",
]  # fmt: skip

DRIVER, ELAPSED, RELEASE, RESTART, LEARNING = range(5)
WHOLE = 1000  # a period, in the unit of ELAPSED
#: words of a switch: the rule is on; it was on in the last step; number of weights visited so far
ON, RUNS, UPDATES, SWITCH_WORDS = range(4)


def words_of(rules: int) -> tuple[int, int]:
    """Number of control words with ``rules`` learning rules: in the io block, and in the state."""
    return LEARNING + rules, LEARNING + SWITCH_WORDS * rules


def as_taken(controlled: np.ndarray) -> np.ndarray:
    """Control words (..., io words) that request nothing new, from those in the state (..., words)."""
    return np.concatenate([controlled[..., :LEARNING], controlled[..., LEARNING + ON :: SWITCH_WORDS]], axis=-1)
