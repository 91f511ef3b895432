"""Input ports that read from memory, for replay and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...engine.atomics import load_acquire, read_word, store_release
from ...engine.bound import Bound, input_arrays
from ...engine.control_words import DRIVER, ELAPSED
from ...engine.kernels.guard import FAULTED
from ...engine.memory import i64
from ...engine.slots import AGE, ARRIVAL, COUNT, DROPPED, EMPTY, EVENT_COLUMNS, FRESH, SLOT_WORDS, STAMP, clear_marks
from ...errors import DescriptionError, InputError
from ..port import CompiledPort
from .columns import addresses_of, copy_events

__all__ = ["ReplayInput"]

# Context of a replay input: addresses of the record (0 for a missing column) and of its destination. R_BEGIN: address
# of a word that the first record sets to 1, or 0
(
    R_SLOT, R_LENGTH, R_POSITION, R_FRESH, R_STAMPS, R_AGES, R_WIDTH, R_VALUES, R_TO_VALUES, R_BEGIN, R_OFFSETS,
    R_T, R_X, R_Y, R_P, R_TO_T, R_TO_X, R_TO_Y, R_TO_P, R_CAPACITY, R_DROPPED, R_WORDS,
) = range(22)  # fmt: skip


@register_jitable
def _replay_events(context, o, slot, k):
    offsets = i64(o[R_OFFSETS] + 8 * k, 2)
    first, n = offsets[0], offsets[1] - offsets[0]
    cut = max(n - o[R_CAPACITY], 0)
    n -= cut
    copy_events(context + 8 * R_TO_T, np.int64(0), context + 8 * R_T, first, n)
    slot[COUNT], slot[DROPPED] = n, cut
    o[R_DROPPED] += cut


def take_record(context, now, mode):
    """Deliver the next record of a `ReplayInput` to the loop. This is the ``take`` function of the port."""
    o = i64(context, R_WORDS)
    slot, k = i64(o[R_SLOT], SLOT_WORDS), o[R_POSITION]
    clear_marks(slot)
    if k >= load_acquire(context + 8 * R_LENGTH):
        return 0
    if k == 0 and o[R_BEGIN] != 0:
        i64(o[R_BEGIN], 1)[0] = 1
    fresh = i64(o[R_FRESH], k + 1)[k]
    if o[R_AGES] != 0:
        slot[AGE] = i64(o[R_AGES], k + 1)[k]
    if fresh > 0:
        if o[R_VALUES] != 0:
            values, to = i64(o[R_VALUES] + 8 * o[R_WIDTH] * k, o[R_WIDTH]), i64(o[R_TO_VALUES], o[R_WIDTH])
            for i in range(values.size):  # copied bit by bit, float64 or int64
                to[i] = values[i]
        else:
            _replay_events(context, o, slot, k)
        slot[FRESH], slot[ARRIVAL], slot[STAMP] = fresh, now, i64(o[R_STAMPS], k + 1)[k]
    store_release(context + 8 * R_POSITION, k + 1)
    return max(fresh, 1)


class ReplayInput(CompiledPort):
    """An input port that replays a record: every ``take`` delivers the data of the next tick.

    A record with ``fresh`` 0 stands for a tick without a sample. It counts as an empty message, so that lockstep
    continues. Nothing is delivered after the last record.

    Use `ReplayInput.of` for an input of a controller, and `ReplayInput.control` for its control words. If you use the
    class itself, make sure that the arrays to which it writes have enough room.

    slot : address of the input's header in the io block (`snn_control.engine.slots`)
    record : for a value input the samples of all ticks, (T, n) float64; rows with ``fresh`` 0 are not copied. For an
        events input the arrays offsets, t, x, y, p: offsets (T + 1,) int64, where tick k has the events
        ``offsets[k]:offsets[k + 1]``; t (N,) int64 ns; x, y (N,) uint16; p (N,) uint8, ON = 1. Events beyond the
        capacity are dropped and counted
    to : for a value input the address of its n float64, by default the address after the slot's header; for an events
        input the addresses of the columns t, x, y and p
    capacity : for an events input: number of events for which each of these columns has room
    fresh : (T,) int64 numbers of messages that arrived in each tick. None: 1 for values; for events 1 if the tick has
        events, otherwise 0
    stamps : (T,) int64 stamps [ns], -1 for a tick without a stamp; None: there are no stamps
    ages : (T,) int64 recorded ages [ns]; None: the loop determines the ages
    name : name of the input in reports
    """

    def __init__(
        self, slot: int, record: np.ndarray | Sequence[Any], to: int | Sequence[int] = 0, capacity: int = 0,
        fresh: Any = None, stamps: Any = None, ages: Any = None, name: str = "recorded",
    ) -> None:  # fmt: skip
        super().__init__(name, take_record, np.zeros(R_WORDS, np.int64))
        self.slot, self.writes_age, context = slot, ages is not None, self._block
        if isinstance(record, np.ndarray):
            if record.ndim != 2:
                raise DescriptionError(f"{name}.values", record.shape, "must have shape (ticks, n)")
            self._held: dict[int, np.ndarray] = {R_VALUES: np.ascontiguousarray(record, np.float64)}
            usual: np.ndarray = np.ones(len(record))
            context[[R_WIDTH, R_TO_VALUES]] = record.shape[1], to or slot + 8 * SLOT_WORDS
        else:
            self._held = _events(name, record, capacity)
            usual = np.diff(self._held[R_OFFSETS]) > 0
            context[R_TO_T : R_TO_P + 1], context[R_CAPACITY] = to, capacity
        self.length = len(usual)
        fresh, stamps = usual if fresh is None else fresh, np.full(self.length, -1) if stamps is None else stamps
        for word, key, marks in ((R_FRESH, "fresh", fresh), (R_STAMPS, "stamps", stamps), (R_AGES, "ages", ages)):
            if marks is not None:
                self._held[word] = _column(key, marks, self.length)
        for word, array in self._held.items():
            context[word] = array.ctypes.data
        context[R_SLOT], context[R_LENGTH] = slot, self.length

    @classmethod
    def of(cls, bound: Bound, name: str, record: np.ndarray | Sequence[np.ndarray], **marks: Any) -> ReplayInput:
        """Return an input port that replays data for the input ``name`` of a controller's `Bound`.

        marks : the arguments fresh, stamps and ages of this class

        Raises InputError if the controller has no such input, or if the input has another size.
        """
        kind = "value" if isinstance(record, np.ndarray) else "events"
        if (name, kind) not in {(one.name, one.kind) for one in bound.program.facts.inputs}:
            raise InputError(f"record of input '{name}': the controller has no such input")
        if isinstance(record, np.ndarray):
            slot, data = input_arrays(bound.program, bound.io, name, kind)
            if record.shape[1:] != data.shape:
                raise InputError(f"record of input '{name}': shape {record.shape}: must be (ticks, {data.size})")
            return cls(slot.ctypes.data, record, name=name, **marks)
        address, columns, capacity = addresses_of(bound, name)
        return cls(address, record, columns, capacity, name=name, **marks)

    @classmethod
    def control(cls, bound: Bound, record: np.ndarray, faulted: bool = False) -> ReplayInput:
        """Return an input port that replays recorded control words.

        After the last record, the words that the loop writes (DRIVER, ELAPSED) are set to 0.

        record : (T, words) int64 control words, see `snn_control.engine.control_words`
        faulted : whether the guard starts in a fault

        Raises InputError if the controller has another number of control words.
        """
        words, slot = bound.array("control"), np.array(EMPTY, np.int64)
        if record.shape[1:] != words.shape:
            rule = f"must be (ticks, {words.size}), with words for each of the controller's learning rules"
            raise InputError(f"record of control words: shape {record.shape}: {rule}")
        rows = np.vstack([record, record[-1:] if len(record) else words[None]])
        rows[-1, [DRIVER, ELAPSED]] = 0
        port = cls(slot.ctypes.data, rows.view(np.float64), words.ctypes.data, name="control")
        port.length, port._held[R_SLOT] = len(record), slot
        port._block[R_BEGIN] = bound.address("guard") + 8 * FAULTED if faulted else 0
        return port

    def rewind(self) -> None:
        """Go back to the first record. Do not call this while a loop runs."""
        self._block[R_POSITION] = self._block[R_DROPPED] = 0

    def counters(self) -> dict[str, int]:
        """Return two counts by name: ``delivered`` (records) and ``dropped`` (events)."""
        return {"delivered": read_word(self.context + 8 * R_POSITION), "dropped": int(self._block[R_DROPPED])}


def _events(name: str, record: Sequence[Any], capacity: int) -> dict[int, np.ndarray]:
    offsets, n = np.ascontiguousarray(record[0], np.int64), len(record[1])
    if capacity < 0:
        raise DescriptionError(f"{name}.capacity", capacity, "must not be negative")
    if offsets.ndim != 1 or len(offsets) < 1 or offsets[0] < 0 or offsets[-1] > n or (np.diff(offsets) < 0).any():
        raise DescriptionError(f"{name}.offsets", offsets, f"must ascend within 0 .. {n}, the number of events")
    columns = {R_OFFSETS: offsets}
    for word, (key, dtype), array in zip((R_T, R_X, R_Y, R_P), EVENT_COLUMNS.items(), record[1:], strict=True):
        columns[word] = _column(key, array, n, dtype)
    return columns


def _column(name: str, array: Any, length: int, dtype: Any = np.int64) -> np.ndarray:
    array = np.array(array, dtype, order="C")
    if array.shape != (length,):
        raise DescriptionError(name, array.shape, f"must have shape ({length},), one entry for each tick or event")
    return array
