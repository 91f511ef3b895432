"""Declarations of kernel operands for the events of a tick, and for the list of events that passed the filters."""

from ...errors import ProgramError
from ..operand_arrays import FOLLOWED, followed
from ..rows import Record, count, read, written
from ..slots import SLOT_WORDS


class Events(Record):
    """The events of a tick, for a filter. ``kept`` is the list of events that passed the filters so far: their number,
    then their indices in the columns x and y, ascending. ``removed`` counts the events that this filter removes."""

    def __init__(self):
        super().__init__(
            slot=read("i64", SLOT_WORDS), kept=written("u32", "1 + capacity"), capacity=count,
            x=read("u16", "capacity"), y=read("u16", "capacity"), width=count, height=count, removed=written("i64", 1),
        )  # fmt: skip

    def check(self, parameter, w):
        super().check(parameter, w)
        listed(w)


def listed(w):
    """Check the size of an events input, and record which columns its list of events refers to.

    `apart` then checks that all operations that share the list use the same columns and frame size.

    w : operands of the kernel, by name
    """
    if max(w.capacity, w.width, w.height) >= 1 << 31 or w.width * w.height >= 1 << 32:
        raise ProgramError(f"capacity {w.capacity}, sensor {w.width} x {w.height}: too large")
    followed(w.kept, w.x, w.y)
    w.kept.lists = (w.capacity, w.width, w.height, *w.slot.block, *w.x.block, *w.y.block)
    w.kept.made = w.x.made = w.y.made = FOLLOWED
