"""Header of an io slot: the int64 words in front of an input's data, which ports write and the tick reads.

fresh    messages with a sample since the last tick                         (port)
age      ns since the newest arrived, at this tick; -1 never                (loop)
count    events of the stream in this tick                                  (port)
dropped  stream elements cut in this tick by the capacity                   (port)
stamp    ns, source stamp of the newest message; -1 unstamped or never      (port)
arrival  ns of CLOCK_MONOTONIC when the newest message arrived; -1 never    (port)
"""

from __future__ import annotations

import ctypes

from numba.extending import register_jitable

from ..engine.memory import store_i64

__all__ = ["SLOT_AGE", "SLOT_ARRIVAL", "SLOT_COUNT", "SLOT_DROPPED", "SLOT_FRESH", "SLOT_STAMP", "SLOT_WORDS",
           "forget", "nothing_came"]  # fmt: skip

SLOT_FRESH, SLOT_AGE, SLOT_COUNT, SLOT_DROPPED, SLOT_STAMP, SLOT_ARRIVAL = range(6)
SLOT_WORDS = 8  # two are reserved


@register_jitable
def nothing_came(slot):
    """Mark the slot at address ``slot``: no sample in this tick. Data, stamp and arrival stay."""
    store_i64(slot + 8 * SLOT_FRESH, 0)
    store_i64(slot + 8 * SLOT_COUNT, 0)
    store_i64(slot + 8 * SLOT_DROPPED, 0)


def forget(slot: int) -> None:
    """The header as before the first message."""
    header = (ctypes.c_int64 * SLOT_WORDS).from_address(slot)
    header[:] = (0, -1, 0, 0, -1, -1, 0, 0)
