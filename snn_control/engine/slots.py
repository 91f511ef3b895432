"""The header of an input in the io block: int64 words in front of the input's data, which the tick reads.

The last column names the code that writes a word: the port that receives messages, or the loop.

fresh    number of messages with a sample since the last tick                             (port)
age      ns from the arrival of the newest message to this tick; -1: none has arrived     (loop)
count    number of events of the stream in this tick                                      (port)
dropped  number of stream elements left out in this tick, because of the capacity         (port)
stamp    ns, source stamp of the newest message; -1: it has no stamp, or none has arrived (port)
arrival  ns of CLOCK_MONOTONIC when the newest message arrived; -1: none has arrived      (port)
"""

from __future__ import annotations

from numba.extending import register_jitable

__all__ = [
    "AGE", "ARRIVAL", "COUNT", "DROPPED", "EMPTY", "EVENT_COLUMNS", "FRESH", "SLOT_WORDS", "STAMP", "clear_marks",
    "count_age",
]  # fmt: skip

FRESH, AGE, COUNT, DROPPED, STAMP, ARRIVAL = range(6)
SLOT_WORDS = 8  # two are reserved
#: the header before the first message
EMPTY = (0, -1, 0, 0, -1, -1, 0, 0)
#: the columns of an events input, one element for each event: t [ns], x, y, p
EVENT_COLUMNS = {"t": "<i8", "x": "<u2", "y": "<u2", "p": "|u1"}


@register_jitable(forceinline=True)
def clear_marks(slot):
    """Write into an input's header, (SLOT_WORDS,) int64, that no sample arrived in this tick.

    The words age, stamp and arrival keep their values.
    """
    slot[FRESH] = slot[COUNT] = slot[DROPPED] = 0


@register_jitable(forceinline=True)
def count_age(slot, period, delay):
    """Set the age of an input [ns] when no clock measures the age.

    The age becomes ``delay`` if a sample arrived in this tick. Otherwise it grows by ``period``.
    """
    if slot[FRESH] > 0:
        slot[AGE] = delay
    elif slot[AGE] >= 0:
        slot[AGE] += period
