"""Control words: requests to a running controller, such as to end a fault, restart the network or switch learning.

They are int64 words in the io block (``control``). The driver of the ticks, such as the loop, writes the first two. Any
thread may write the others. At the beginning of a tick they are copied into the state (``controlled``). The tick uses
this copy, and recordings contain it.

driver    faults that the driver reports, as bits of the guard's reasons
elapsed   time since the last tick in thousandths of a period; 0 counts as a whole period
release   how many times an operator has asked to end a fault; an increase is a request. The bit HELD is set while an
          operator stops the commands
restart   number of requested restarts of the network, plus FORGET times the number of requested restarts that also
          forget what was learned; an increase is a request
learning  first of the switches of the learning rules: one word for each rule, in the order of the projections: 1 on,
          0 off

In the copy, a rule has all words of its switch instead of one word. The copy ends with the words for tunable numbers:
how often the numbers were set, and their values (float64). A tick reads these values from a setting
(`snn_control.engine.bound.Bound.tune`), because they become many constants, which must all change between the same two
ticks.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "DRIVER", "ELAPSED", "FORGET", "HELD", "LEARNING", "ON", "RELEASE", "RESTART", "RUNS", "SWITCH_WORDS", "UPDATES",
    "WHOLE", "no_request", "tuned_words", "words_of",
]  # fmt: skip

DRIVER, ELAPSED, RELEASE, RESTART, LEARNING = range(5)
FORGET = 1 << 32
HELD = 1 << 62
WHOLE = 1000  # a period, in the unit of ELAPSED
#: words of a switch: the rule is on; it was on in the last step; number of weights visited so far
ON, RUNS, UPDATES, SWITCH_WORDS = range(4)


def words_of(rules: int, tunable: int = 0) -> tuple[int, int]:
    """Return how many control words a controller has: in the io block, and in the state.

    rules, tunable : number of learning rules, and of tunable numbers
    """
    return LEARNING + rules, LEARNING + SWITCH_WORDS * rules + tuned_words(tunable)


def tuned_words(tunable: int) -> int:
    """Return how many words of the copy belong to ``tunable`` numbers: how often they were set, and each value."""
    return tunable + (tunable > 0)


def no_request(controlled: np.ndarray, tunable: int = 0) -> np.ndarray:
    """Return control words for the io block that request nothing new: they repeat what was accepted.

    controlled : the accepted words in the state, (..., words) int64; the result is (..., words of the io block)
    tunable : number of tunable numbers
    """
    switches = controlled[..., LEARNING : controlled.shape[-1] - tuned_words(tunable)]
    return np.concatenate([controlled[..., :LEARNING], switches[..., ON::SWITCH_WORDS]], axis=-1)
