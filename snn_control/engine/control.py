"""Control words: inputs of the tick that change what a running controller does.

They are in the io block (``control``). The driver of the ticks, such as the loop, writes the first two, any thread the
others. At the beginning of a tick they are copied into the state (``controlled``), which the tick, and what is recorded
of it, uses.

driver    what the driver reports: bits of the guard's reasons
elapsed   time since the last tick in thousandths of a period; 0 counts as a whole period
release   number of times an operator has asked to end a fault; an increase is a request
restart   number of times a restart of the network was asked for, and FORGET times how often one that forgets what was
          learned; an increase is a request
learning  from here on one word for each rule, in the order of the projections: 1 on, 0 off

In the copy, each rule has its whole switch in place of its word. It ends with how often the numbers that can be tuned
were set, and their values (float64), which a tick takes from a setting (`snn_control.engine.bound.Bound.tune`): they
become many constants, and all must change between the same two ticks.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "DRIVER", "ELAPSED", "FORGET", "LEARNING", "ON", "RELEASE", "RESTART", "RUNS", "SWITCH_WORDS", "UPDATES", "WHOLE",
    "no_request", "tuned_words", "words_of",
]  # fmt: skip

DRIVER, ELAPSED, RELEASE, RESTART, LEARNING = range(5)
FORGET = 1 << 32
WHOLE = 1000  # a period, in the unit of ELAPSED
#: words of a switch: the rule is on; it was on in the last step; number of weights visited so far
ON, RUNS, UPDATES, SWITCH_WORDS = range(4)


def words_of(rules: int, tunable: int = 0) -> tuple[int, int]:
    """Number of control words for ``rules`` learning rules and ``tunable`` numbers: in the io block, in the state."""
    return LEARNING + rules, LEARNING + SWITCH_WORDS * rules + tuned_words(tunable)


def tuned_words(tunable: int) -> int:
    """How many words at the end of the copy are for numbers that can be tuned: how often they were set, and each."""
    return tunable + (tunable > 0)


def no_request(controlled: np.ndarray, tunable: int = 0) -> np.ndarray:
    """Control words (..., io words) that request nothing new, from those in the state (..., words)."""
    switches = controlled[..., LEARNING : controlled.shape[-1] - tuned_words(tunable)]
    return np.concatenate([controlled[..., :LEARNING], switches[..., ON::SWITCH_WORDS]], axis=-1)
