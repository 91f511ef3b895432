"""Ports over memory: recorded inputs into the loop, commands out of it. No middleware.

They obey the rules of every port: compiled functions over an int64 block of their own, called from the
loop's thread without Python and without allocation. Used for replay, benchmarks, and wherever the other
end lives in the same process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...engine.bound import Bound, io_arrays
from ...engine.compile import compile_callback
from ...engine.kernels.outputs import DRIVER, ELAPSED, FAULTED, GUARD_WORDS
from ...engine.memory import i64, load_i64, load_u8, load_u16, store_i64, store_u8, store_u16
from ...engine.slots import EVENT_COLUMNS
from ...errors import DescriptionError, InputError
from ..atomics import fence, load_acquire, read_word, store_release, write_word
from ..slots import SLOT_AGE, SLOT_ARRIVAL, SLOT_COUNT, SLOT_DROPPED, SLOT_FRESH, SLOT_STAMP, SLOT_WORDS, nothing_came

__all__ = ["RecordOutput", "ReplayGuard", "ReplayInput"]

# Context of a replay input. Addresses of the record; 0 where a column is absent.
(
    R_SLOT, R_LENGTH, R_POSITION, R_AVAILABLE, R_FRESH, R_STAMPS, R_AGES, R_WIDTH, R_VALUES, R_OFFSETS,
    R_T, R_X, R_Y, R_P, R_TO_T, R_TO_X, R_TO_Y, R_TO_P, R_CAPACITY, R_DROPPED, R_WORDS,
) = range(21)  # fmt: skip

# Context of a recording output.
O_SOURCE, O_WORDS, O_ROWS, O_TOTAL, O_RING, O_LENGTH = range(6)
O_STAMP, O_NOW, O_DATA = range(3)  # words of a row


@register_jitable
def _replay_values(ctx, k):
    width, slot = load_i64(ctx + 8 * R_WIDTH), load_i64(ctx + 8 * R_SLOT)
    source = load_i64(ctx + 8 * R_VALUES) + 8 * width * k
    for i in range(width):
        store_i64(slot + 8 * (SLOT_WORDS + i), load_i64(source + 8 * i))


@register_jitable
def _replay_events(ctx, k):
    slot, capacity = load_i64(ctx + 8 * R_SLOT), load_i64(ctx + 8 * R_CAPACITY)
    first = load_i64(load_i64(ctx + 8 * R_OFFSETS) + 8 * k)
    n = load_i64(load_i64(ctx + 8 * R_OFFSETS) + 8 * (k + 1)) - first
    cut = max(n - capacity, 0)
    n -= cut
    t, x = load_i64(ctx + 8 * R_T) + 8 * first, load_i64(ctx + 8 * R_X) + 2 * first
    y, p = load_i64(ctx + 8 * R_Y) + 2 * first, load_i64(ctx + 8 * R_P) + first
    to_t, to_x = load_i64(ctx + 8 * R_TO_T), load_i64(ctx + 8 * R_TO_X)
    to_y, to_p = load_i64(ctx + 8 * R_TO_Y), load_i64(ctx + 8 * R_TO_P)
    for i in range(n):
        store_i64(to_t + 8 * i, load_i64(t + 8 * i))
        store_u16(to_x + 2 * i, load_u16(x + 2 * i))
        store_u16(to_y + 2 * i, load_u16(y + 2 * i))
        store_u8(to_p + i, load_u8(p + i))
    store_i64(slot + 8 * SLOT_COUNT, n)
    store_i64(slot + 8 * SLOT_DROPPED, cut)
    store_i64(ctx + 8 * R_DROPPED, load_i64(ctx + 8 * R_DROPPED) + cut)


def _take(ctx, now, limit):
    slot, k = load_i64(ctx + 8 * R_SLOT), load_i64(ctx + 8 * R_POSITION)
    nothing_came(slot)
    if k >= load_acquire(ctx + 8 * R_AVAILABLE):
        return 0
    fresh = load_i64(load_i64(ctx + 8 * R_FRESH) + 8 * k)
    if load_i64(ctx + 8 * R_AGES) != 0:
        store_i64(slot + 8 * SLOT_AGE, load_i64(load_i64(ctx + 8 * R_AGES) + 8 * k))
    if fresh > 0:
        if load_i64(ctx + 8 * R_VALUES) != 0:
            _replay_values(ctx, k)
        else:
            _replay_events(ctx, k)
        store_i64(slot + 8 * SLOT_FRESH, fresh)
        store_i64(slot + 8 * SLOT_ARRIVAL, now)
        store_i64(slot + 8 * SLOT_STAMP, load_i64(load_i64(ctx + 8 * R_STAMPS) + 8 * k))
    store_release(ctx + 8 * R_POSITION, k + 1)
    return max(fresh, 1)


class ReplayInput:
    """A recorded input: every take delivers the next record, one record a tick.

    A record with ``fresh`` 0 is a tick in which no sample came: it counts as one message with nothing in
    it, so that lockstep goes on. After the last record nothing comes any more. ``release`` makes records
    available one by one, as a live sender would; without it all are.

    Use ``ReplayInput.of`` for an input of a controller. ``ReplayInput.values`` and ``ReplayInput.events`` write to
    addresses: who gives them answers for the room there.
    """

    def __init__(self, name: str, slot: int, length: int, fresh: np.ndarray, stamps, ages, columns: dict) -> None:
        self.name, self.slot = name, slot
        self.length = length
        self._held = {
            R_FRESH: _column("fresh", fresh, length, np.int64),
            R_STAMPS: _column("stamps", np.full(length, -1) if stamps is None else stamps, length, np.int64),
            **columns,
        }
        self.writes_age = ages is not None
        if self.writes_age:
            self._held[R_AGES] = _column("ages", ages, length, np.int64)
        self._context = np.zeros(R_WORDS, np.int64)
        for word, array in self._held.items():
            self._context[word] = array.ctypes.data
        self._context[R_SLOT], self._context[R_LENGTH], self._context[R_AVAILABLE] = slot, length, length
        self.context = int(self._context.ctypes.data)
        self.function = compile_callback(_take, "int64(int64,int64,int64)")

    @classmethod
    def of(cls, bound: Bound, name: str, record: np.ndarray | Sequence[np.ndarray], **marks: Any) -> ReplayInput:
        """Into the input ``name`` of a controller's `Bound`.

        record : of a value input (T, n) float64; of an events input offsets, t, x, y and p, as `events` has them
        marks : fresh, stamps and ages, as `values` has them

        Raises InputError where the controller has no such input, or one of another size.
        """
        kinds = {one.name: one.kind for one in bound.program.facts.inputs}
        kind = "value" if isinstance(record, np.ndarray) else "events"
        if kinds.get(name) != kind:
            raise InputError(f"record of input '{name}': the controller has no such input")
        if isinstance(record, np.ndarray):
            slot, data = io_arrays(bound.program, bound.io, "a value input", name, slot="<i8", data="<f8")
            if record.shape[1:] != data.shape:
                raise InputError(f"record of input '{name}': shape {record.shape}: must be (ticks, {data.size})")
            return cls.values(slot.ctypes.data, record, name=name, **marks)
        slot, *columns = io_arrays(bound.program, bound.io, "an events input", name, slot="<i8", **EVENT_COLUMNS)
        t, x, y, p = (column.ctypes.data for column in columns)
        return cls.events(slot.ctypes.data, (t, x, y, p), columns[0].size, *record, name=name, **marks)

    @classmethod
    def values(cls, slot: int, values: np.ndarray, fresh=None, stamps=None, ages=None, name="values") -> ReplayInput:
        """A value input.

        slot : address of the io slot; its data, float64[n], follow the header
        values : (T, n) float64, the sample of each tick; rows with ``fresh`` 0 are not copied
        fresh : (T,) int64, messages that arrived in each tick; None: 1 each
        stamps : (T,) int64 ns, -1 unstamped; None: all unstamped
        ages : (T,) int64 ns, ages at each tick, replayed as they were recorded; None: the loop's own rule
        """
        values = np.ascontiguousarray(values, np.float64)
        if values.ndim != 2:
            raise DescriptionError(f"{name}.values", values.shape, "must have shape (ticks, n)")
        fresh = np.ones(len(values)) if fresh is None else fresh
        port = cls(name, slot, len(values), fresh, stamps, ages, {R_VALUES: values})
        port._context[R_WIDTH] = values.shape[1]
        return port

    @classmethod
    def events(
        cls,
        slot: int,
        addresses: tuple[int, int, int, int],
        capacity: int,
        offsets: np.ndarray,
        t: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        p: np.ndarray,
        fresh=None,
        stamps=None,
        ages=None,
        name="events",
    ) -> ReplayInput:
        """An event stream.

        addresses : where t, x, y and p of the io slot stand; each holds ``capacity`` events
        offsets : (T + 1,) int64, events of tick k are ``offsets[k]:offsets[k + 1]``; what exceeds the capacity
            is dropped and counted
        t : (N,) int64 ns; x, y : (N,) uint16; p : (N,) uint8, ON = 1
        fresh : (T,) int64; None: 1 where a tick has events
        stamps, ages : as for values
        """
        offsets = np.ascontiguousarray(offsets, np.int64)
        n = len(t)
        if capacity < 0:
            raise DescriptionError(f"{name}.capacity", capacity, "must not be negative")
        if offsets.ndim != 1 or len(offsets) < 1 or offsets[0] < 0 or offsets[-1] > n or (np.diff(offsets) < 0).any():
            raise DescriptionError(f"{name}.offsets", offsets, f"must ascend within 0 .. {n}, the number of events")
        columns = {
            R_OFFSETS: offsets,
            R_T: _column("t", t, n, np.int64),
            R_X: _column("x", x, n, np.uint16),
            R_Y: _column("y", y, n, np.uint16),
            R_P: _column("p", p, n, np.uint8),
        }
        fresh = (np.diff(offsets) > 0) if fresh is None else fresh
        port = cls(name, slot, len(offsets) - 1, fresh, stamps, ages, columns)
        port._context[R_TO_T : R_TO_P + 1] = addresses
        port._context[R_CAPACITY] = capacity
        return port

    def rewind(self, available: int | None = None) -> None:
        """Begin again with the first record; ``available`` records are there (None: all). Not while a loop runs."""
        self._context[R_POSITION] = self._context[R_DROPPED] = 0
        there = self.length if available is None else max(0, min(available, self.length))
        write_word(self.context + 8 * R_AVAILABLE, there)

    def release(self, n: int = 1) -> None:
        """Let ``n`` more records arrive."""
        available = max(0, min(int(self._context[R_AVAILABLE]) + n, self.length))
        write_word(self.context + 8 * R_AVAILABLE, available)

    @property
    def position(self) -> int:
        """Records delivered."""
        return read_word(self.context + 8 * R_POSITION)

    def counters(self) -> dict[str, int]:
        """``delivered`` records and ``dropped`` stream elements."""
        return {"delivered": self.position, "dropped": int(self._context[R_DROPPED])}


# Context of what a loop told the guard
G_GUARD, G_TOLD, G_LENGTH, G_HELD, G_POSITION, G_WORDS = range(6)


def _tell(ctx, now, limit):
    o = i64(ctx, G_WORDS)
    guard, k = i64(o[G_GUARD], GUARD_WORDS), o[G_POSITION]
    if k < o[G_LENGTH]:
        told = i64(o[G_TOLD] + 16 * k, 2)
        guard[DRIVER], guard[ELAPSED] = told[0], told[1]
        if k == 0 and o[G_HELD] != 0:
            guard[FAULTED] = 1
        o[G_POSITION] = k + 1
        return 1
    guard[DRIVER] = guard[ELAPSED] = 0
    return 0


class ReplayGuard:
    """An input port that tells the guard, tick by tick, what a loop told it; it brings no message.

    told : (T, 2) int64, DRIVER and ELAPSED as in `engine.kernels.outputs`
    held : the guard begins in a fault
    """

    writes_age = True

    def __init__(self, bound: Bound, told: np.ndarray, held: bool, name: str = "guard") -> None:
        self.name, self._told = name, np.array(told, np.int64, order="C")
        if self._told.shape[1:] != (2,):
            raise DescriptionError(f"{name}.told", self._told.shape, "must have shape (ticks, 2)")
        self.length = len(self._told)
        self._slot = np.array([0, -1, 0, 0, -1, -1, 0, 0], np.int64)
        self.slot = int(self._slot.ctypes.data)
        self._context = np.array([bound.address("guard"), self._told.ctypes.data, len(self._told), held, 0], np.int64)
        self.context = int(self._context.ctypes.data)
        self.function = compile_callback(_tell, "int64(int64,int64,int64)")

    def rewind(self) -> None:
        """Begin again. Not while a loop runs."""
        self._context[G_POSITION] = 0

    def counters(self) -> dict[str, int]:
        """``delivered`` ticks."""
        return {"delivered": int(self._context[G_POSITION])}


def _column(name: str, array, length: int, dtype) -> np.ndarray:
    array = np.array(array, dtype, order="C")
    if array.shape != (length,):
        raise DescriptionError(name, array.shape, f"must have shape ({length},), one entry for each tick or event")
    return array


def _publish(ctx, stamp, now):
    total, words = load_i64(ctx + 8 * O_TOTAL), load_i64(ctx + 8 * O_WORDS)
    source = load_i64(ctx + 8 * O_SOURCE)
    row = load_i64(ctx + 8 * O_RING) + 8 * (O_DATA + words) * (total % load_i64(ctx + 8 * O_ROWS))
    fence()  # a reader that sees this row half written also sees that the one before it is complete
    store_i64(row + 8 * O_STAMP, stamp)
    store_i64(row + 8 * O_NOW, now)
    for i in range(words):
        store_i64(row + 8 * (O_DATA + i), load_i64(source + 8 * i))
    store_release(ctx + 8 * O_TOTAL, total + 1)
    return 0


class RecordOutput:
    """A ring of the newest ``capacity`` publications of ``n`` words at ``address``; counts what it overwrote.

    As an output port it records one command; over an io slot it records that input at every tick. It may be
    read while the loop runs.

    address : of the words to record
    n : how many 8-byte words
    dtype : float64 (commands) or int64 (headers of slots)
    """

    def __init__(self, address: int, n: int, capacity: int, name: str = "record", dtype=np.float64) -> None:
        if n < 1 or capacity < 1:
            raise DescriptionError(name, (n, capacity), "words and capacity must be at least 1")
        self.name, self.capacity, self.dtype = name, capacity, np.dtype(dtype)
        if self.dtype.itemsize != 8:
            raise DescriptionError(f"{name}.dtype", str(self.dtype), "must have 8 bytes")
        # one row more than the capacity: the one that is being written
        self._ring = np.empty((capacity + 1, O_DATA + n), np.int64)
        self._ring[:] = 0
        self._context = np.zeros(O_LENGTH, np.int64)
        self._context[:] = [address, n, capacity + 1, 0, self._ring.ctypes.data] + [0] * (O_LENGTH - 5)
        self.context = int(self._context.ctypes.data)
        self.function = compile_callback(_publish, "int64(int64,int64,int64)")

    @property
    def total(self) -> int:
        """Publications since the beginning."""
        return read_word(self.context + 8 * O_TOTAL)

    @property
    def dropped(self) -> int:
        """Publications that were overwritten."""
        return max(self.total - self.capacity, 0)

    def counters(self) -> dict[str, int]:
        """``published`` and ``dropped``."""
        total = self.total
        return {"published": total, "dropped": max(total - self.capacity, 0)}

    def read(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """stamps (T,) int64 ns, times (T,) int64 ns monotonic, words (T, n); oldest first, T <= capacity.

        The time of the parting command is `cycle.PARTED`.
        """
        total = self.total
        first = max(total - self.capacity, 0)
        rows = self._ring[np.arange(first, total) % len(self._ring)]
        # what the loop overwrote during the copy goes; the row after the newest may be half written
        rows = rows[max(self.total - self.capacity - first, 0) :]
        return rows[:, O_STAMP].copy(), rows[:, O_NOW].copy(), np.ascontiguousarray(rows[:, O_DATA:]).view(self.dtype)

    def clear(self) -> None:
        """Forget everything. Not while a loop runs."""
        write_word(self.context + 8 * O_TOTAL, 0)
