"""What ports and the loop do to the header of an io slot; its words stand in ``engine.slots``."""

from __future__ import annotations

import ctypes

from numba.extending import register_jitable

from ..engine.memory import store_i64
from ..engine.slots import AGE as SLOT_AGE
from ..engine.slots import ARRIVAL as SLOT_ARRIVAL
from ..engine.slots import COUNT as SLOT_COUNT
from ..engine.slots import DROPPED as SLOT_DROPPED
from ..engine.slots import FRESH as SLOT_FRESH
from ..engine.slots import SLOT_WORDS
from ..engine.slots import STAMP as SLOT_STAMP

__all__ = ["SLOT_AGE", "SLOT_ARRIVAL", "SLOT_COUNT", "SLOT_DROPPED", "SLOT_FRESH", "SLOT_STAMP", "SLOT_WORDS",
           "forget", "nothing_came"]  # fmt: skip


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
