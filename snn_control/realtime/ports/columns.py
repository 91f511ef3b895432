"""Copy events between columns in memory. Columns are four arrays: t int64 [ns], x uint16, y uint16, p uint8."""

from __future__ import annotations

from numba.extending import register_jitable

from ...engine.bound import Bound, input_arrays
from ...engine.memory import i64, u8, u16

__all__ = ["addresses_of", "copy_events"]


@register_jitable
def copy_events(to, at, source, begin, n):
    """Copy ``n`` events from the columns ``source`` to the columns ``to``.

    source, to : address of an int64 array that contains the addresses of the four columns
    begin, at : index of the first event in ``source``, and in ``to``
    """
    a, b = i64(to, 4), i64(source, 4)
    to_t, t = i64(a[0] + 8 * at, n), i64(b[0] + 8 * begin, n)
    to_x, x = u16(a[1] + 2 * at, n), u16(b[1] + 2 * begin, n)
    to_y, y = u16(a[2] + 2 * at, n), u16(b[2] + 2 * begin, n)
    to_p, p = u8(a[3] + at, n), u8(b[3] + begin, n)
    for k in range(n):
        to_t[k], to_x[k], to_y[k], to_p[k] = t[k], x[k], y[k], p[k]


def addresses_of(bound: Bound, name: str) -> tuple[int, tuple[int, ...], int]:
    """Return the address of an events input's header, the addresses of its four columns, and the columns' capacity."""
    slot, *columns = input_arrays(bound.program, bound.io, name, "events")
    return slot.ctypes.data, tuple(column.ctypes.data for column in columns), columns[0].size
