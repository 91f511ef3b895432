"""Control words: requests to a running controller, such as to end a fault, restart the network or switch learning.

Control words are int64 words in the io block (array ``control``). The code that runs the ticks, called the driver,
writes the words ``driver`` and ``elapsed``. Any thread may write the other words. At its beginning, a tick copies the
control words into the state (array ``controlled``). The tick uses the copy, and recordings contain the copy.

driver    faults that the driver reports, as bits of the guard's word REASON
elapsed   time since the last tick in thousandths of a period; 0 counts as a whole period
release   number of requests by an operator to end a fault; an increase is a new request. The bit HELD is set while an
          operator stops the commands
restart   number of requested restarts of the network, plus FORGET times the number of requested restarts that also
          reset learned weights; an increase is a new request
learning  switches of the learning rules, 1 on, 0 off: one word for each rule, in the order of the projections

In the copy, a learning rule has all words of its switch instead of one word. The copy ends with words for the tunable
numbers: how often the numbers were set, and their values (float64). A tick does not read tunable numbers from the
control words, but from a *setting* (`snn_control.engine.bound.Bound.tune`): one number may determine many constants,
which must all change between the same two ticks.
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
    """Return two numbers of control words of a controller: in the io block, and in their copy in the state.

    rules, tunable : number of learning rules, and number of tunable numbers
    """
    return LEARNING + rules, LEARNING + SWITCH_WORDS * rules + tuned_words(tunable)


def tuned_words(tunable: int) -> int:
    """Return the number of words in the copy for tunable numbers: how often they were set, and their values."""
    return tunable + (tunable > 0)


def no_request(controlled: np.ndarray, tunable: int = 0) -> np.ndarray:
    """Return control words for the io block that request nothing new: they repeat the accepted requests.

    controlled : copy of the accepted words in the state, (..., words) int64
    tunable : number of tunable numbers

    Return (..., words of the io block) int64.
    """
    switches = controlled[..., LEARNING : controlled.shape[-1] - tuned_words(tunable)]
    return np.concatenate([controlled[..., :LEARNING], switches[..., ON::SWITCH_WORDS]], axis=-1)
