"""The header of an input: int64 words in the io block that describe the input's newest sample, for the tick.

The last column is the code that writes the word: the port that receives messages, or the real-time loop.

fresh    number of messages with a sample since the last tick                             (port)
age      time from the arrival of the newest message to this tick [ns]; -1: no message    (loop)
count    number of events in this tick                                                    (port)
dropped  number of events that were left out in this tick, because of the capacity        (port)
stamp    source stamp of the newest message [ns]; -1: no stamp, or no message             (port)
arrival  time of CLOCK_MONOTONIC at the arrival of the newest message [ns]; -1: no message (port)
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
    """Mark in an input's header, (SLOT_WORDS,) int64, that no sample arrived in this tick.

    The words age, stamp and arrival do not change.
    """
    slot[FRESH] = slot[COUNT] = slot[DROPPED] = 0


@register_jitable(forceinline=True)
def count_age(slot, period, delay):
    """Set the age of an input [ns] if no clock measures the age, as in a simulation.

    The age becomes ``delay`` [ns] if a sample arrived in this tick. Otherwise it grows by ``period`` [ns].
    """
    if slot[FRESH] > 0:
        slot[AGE] = delay
    elif slot[AGE] >= 0:
        slot[AGE] += period
