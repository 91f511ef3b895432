"""The events of a tick, and the list of those that filters have left."""

from collections import namedtuple

from ...errors import ProgramError
from ..places import FOLLOWED, followed, need, positive, writable
from ..rows import Word
from ..slots import SLOT_WORDS

#: the header of the io slot, the list, and the columns of the events; of the sensor; what a filter removed
EventList = namedtuple("EventList", "slot kept capacity x y width height removed")


class Events(Word):
    """An `EventList`. Words: slot; kept, uint32[1 + capacity] (io): how many events are left, and where they stand in
    the columns, ascending; capacity; x, y uint16[capacity] (io); width, height; removed int64[1].
    """

    uses = (EventList,)
    words = EventList._fields

    def code(self, parameter, w):
        slot, kept, capacity, x, y, width, height, removed = (w[name] for name in EventList._fields)
        views = (
            f"i64({slot}, {SLOT_WORDS})", f"u32({kept}, {capacity} + 1)", capacity, f"u16({x}, {capacity})",
            f"u16({y}, {capacity})", width, height, f"i64({removed}, 1)",
        )  # fmt: skip
        return [f"{parameter} = EventList({', '.join(views)})"]

    def check(self, parameter, w):
        listed(w)
        need(1, 8, w.removed)
        writable(w.removed)


def listed(w):
    """A list of events: all who share it must mean the same columns, of the same frame."""
    positive(w.capacity, w.width, w.height)
    if max(w.capacity, w.width, w.height) >= 1 << 31 or w.width * w.height >= 1 << 32:
        raise ProgramError(f"capacity {w.capacity}, sensor {w.width} x {w.height}: too large")
    need(SLOT_WORDS, 8, w.slot)
    need(w.capacity + 1, 4, w.kept)
    need(w.capacity, 2, w.x, w.y)
    writable(w.kept)
    followed(w.kept, w.x, w.y)
    w.kept.lists = (w.capacity, w.width, w.height, *w.slot.block, *w.x.block, *w.y.block)
    w.kept.made = w.x.made = w.y.made = FOLLOWED
