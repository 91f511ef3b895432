"""Control words: what is changed while a controller runs, an input of the tick as others are.

They stand in the io block (``control``). The first two are written by who drives the ticks, the loop say; the others by
any thread. At the beginning of a tick they are copied
into the state (``controlled``), and all that the tick does, and what is recorded of it, follows the copy.

driver    what the driver reports: bits of the guard's reasons
elapsed   periods that have passed since the last tick; 0 and 1 are the same
release   how often an operator has asked to end a fault; one more is a request
restart   how often the network was to begin anew; one more is a request
learning  from here on a word a rule, in the order of the projections: 1 on, 0 off

The copy has the whole switch of each rule in place of its word.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "DRIVER", "ELAPSED", "LEARNING", "ON", "RELEASE", "RESTART", "RUNS", "SWITCH_WORDS", "UPDATES", "as_taken",
    "words_of",
]  # fmt: skip

DRIVER, ELAPSED, RELEASE, RESTART, LEARNING = range(5)
#: words of a switch: the rule is on; it was on in the last step; weights it has visited so far
ON, RUNS, UPDATES, SWITCH_WORDS = range(4)


def words_of(rules: int) -> tuple[int, int]:
    """How many control words there are with so many learning rules: in the io block, and in the state."""
    return LEARNING + rules, LEARNING + SWITCH_WORDS * rules


def as_taken(controlled: np.ndarray) -> np.ndarray:
    """Control words (..., io words) that ask for nothing new, of those in the state (..., words)."""
    return np.concatenate([controlled[..., :LEARNING], controlled[..., LEARNING + ON :: SWITCH_WORDS]], axis=-1)
