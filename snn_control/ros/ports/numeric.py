"""Ports that receive numbers, receive events as PointCloud2 or EventArray, and publish commands."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...coding.outputs import STAYS
from ...coding.reduction import REDUCTIONS
from ...engine.compile import compile_function
from ...engine.kernels.guard import BEGUN, FAULTED, GUARD_WORDS
from ...engine.kernels.input_checks import FAILED, NUMBERS, REPLACED
from ...engine.memory import f64, i64, store_u32
from ...engine.slots import ARRIVAL, COUNT, DROPPED, FRESH, SLOT_WORDS, STAMP, clear_marks
from ...errors import DescriptionError, counted
from ...events.packets import ARRAY_TYPES, ARRAY_WORDS, EVENT_SCRATCH_WORDS, parse_event_array, parse_events
from ...events.packets import HEIGHT as ARRAY_HEIGHT
from ...events.packets import WIDTH as ARRAY_WIDTH
from ...realtime.clock import now_realtime
from ...realtime.port import FINAL, WITHHELD
from ..messages.element_types import KIND_SIZES
from ..messages.field_limits import put_row, rows_of
from ..messages.field_reader import read_fields
from ..messages.images import IMAGE_TYPE, read_cells
from ..messages.malformed import ABOUT, CODE, COUNTS, FEW, explain
from ..messages.message_types import type_name
from ..messages.path_program import PathProgram
from ..messages.reduction import reduce_sectors
from ..messages.rounding import COMMAND, PLACE, ROW
from ..messages.selection import DETAIL, SCRATCH_WORDS
from ..messages.template import make_template
from . import base
from .base import OWN, OWN_OF_OUTPUT, PublisherPort, SubscriptionPort, check_type

__all__ = ["CommandOutput", "EventsPort", "NumericInput", "publish_command", "take_events", "take_numbers"]

# Words of the context of a numeric input, and of an events input:
_PROGRAM, _DATA, _SIZE, _STAGING = range(OWN, OWN + 4)
_ROOM, _REDUCE, _RULES = range(OWN + 4, OWN + 7)  # most values that a message may have; the others: see `reduction`
_COLUMNS = OWN + 7  # columns of a picture's grid
_BEAMS = OWN + 8  # three words: counters of `reduction`
_T, _X, _Y, _P, _CAPACITY, _CUT, _ARRAYS = range(OWN + 4, OWN + 11)
# Words of the context of an output:
_ROWS, _ROW_COUNT = OWN_OF_OUTPUT, OWN_OF_OUTPUT + 1  # one row for each number; see `rounding`
_STAMP_AT = OWN_OF_OUTPUT + 2  # address of header.stamp in the message, 0 if there is none
_MICROS_AT = OWN_OF_OUTPUT + 5  # address of the time in microseconds in the message, 0 if there is none
_GUARD, _STAYS = OWN_OF_OUTPUT + 3, OWN_OF_OUTPUT + 4  # address of the guard's words; when the output is silent:
_HOLD, _NONE = range(1, 3)  # before the first command; the same, and also during a fault and at the end

_read_cells = register_jitable(read_cells)


@register_jitable
def _read_numbers(c, address, length):
    """Read the numbers of a message into the port's staging memory.

    Return how many numbers were read, or a negative error code (`malformed`).
    """
    if c[_PROGRAM] == 0:
        columns = c[_COLUMNS]
        return _read_cells(address, length, columns, c[_SIZE] // columns, c[_STAGING], c[base.SCRATCH])
    return read_fields(c[_PROGRAM], address, length, c[_STAGING], c[_ROOM], c[base.SCRATCH], np.int64(0))


def take_numbers(context, now_ns, mode):
    """Take the waiting messages of a `NumericInput`, and use the newest well-formed message as the input's sample.

    Return how many messages were taken.
    """
    c = i64(context, base.WORDS)
    slot, size, scratch = i64(c[base.SLOT], SLOT_WORDS), c[_SIZE], i64(c[base.SCRATCH], SCRATCH_WORDS)
    clear_marks(slot)
    before, end = c[base.TAKEN], base.begin_take(c, now_ns, mode)
    fresh = 0
    while True:
        address, length = base.next_message(c, end)
        if length == base.NOTHING:
            break
        n = _read_numbers(c, address, length)
        if n < 0:
            base.refuse(c, n, scratch[DETAIL], scratch[DETAIL + 1])
            continue
        if n == 0:
            c[base.EMPTY] += 1
            continue
        if n < size:
            base.refuse(c, np.int64(FEW), n, 0)
            continue
        known = base.available_since(context, slot, scratch[0], now_ns, mode)
        if known == base.REJECTED:
            continue
        if c[_REDUCE] == 0:
            data, staging = f64(c[_DATA], size), f64(c[_STAGING], size)
            for k in range(size):
                data[k] = staging[k]
        else:
            reduce_sectors(c[_STAGING], n, c[_DATA], size, c[_REDUCE], c[_RULES], context + 8 * _BEAMS)
        fresh += 1
        slot[FRESH], slot[STAMP], slot[ARRIVAL] = fresh, scratch[0], known
    return c[base.TAKEN] - before


@register_jitable
def _read_events(c, address, length, count, room):
    """Append a message's events to the input's columns, and write the message's stamp to the scratch memory.

    count : number of events that are already in the columns
    room : number of events that still fit

    Return how many events the message contains, or a negative error code (`malformed`).
    """
    t, x, y, p = c[_T] + 8 * count, c[_X] + 2 * count, c[_Y] + 2 * count, c[_P] + count
    if c[_ARRAYS] == 0:
        return parse_events(address, length, room, x, y, p, t, c[base.SCRATCH])
    n = parse_event_array(address, length, room, x, y, p, t, c[base.SCRATCH])
    if n >= 0:
        out = i64(c[base.SCRATCH], ARRAY_WORDS)
        c[base.WIDTH], c[base.HEIGHT] = out[ARRAY_WIDTH], out[ARRAY_HEIGHT]
    return n


def take_events(context, now_ns, mode):
    """Take the waiting messages of an `EventsPort`, and store their events in order, up to the port's capacity.

    Return how many messages were taken.
    """
    c = i64(context, base.WORDS)
    slot, scratch = i64(c[base.SLOT], SLOT_WORDS), i64(c[base.SCRATCH], 1)
    clear_marks(slot)
    before, end = c[base.TAKEN], base.begin_take(c, now_ns, mode)
    fresh = 0
    while True:
        address, length = base.next_message(c, end)
        if length == base.NOTHING:
            break
        room = c[_CAPACITY] - slot[COUNT]
        n = _read_events(c, address, length, slot[COUNT], room)
        if n < 0:
            base.refuse(c, n, 0, 0)
            continue
        known = base.available_since(context, slot, scratch[0], now_ns, mode)
        if known == base.REJECTED:
            continue
        if n == 0:  # a message from a scene at rest is fresh, too
            c[base.EMPTY] += 1
        written = min(n, room)
        slot[COUNT] += written
        slot[DROPPED] += n - written
        fresh += 1
        slot[FRESH], slot[STAMP], slot[ARRIVAL] = fresh, scratch[0], known
    c[_CUT] += slot[DROPPED]
    return c[base.TAKEN] - before


@register_jitable
def _write_numbers(c, final):
    row = c[_ROWS]
    for _ in range(c[_ROW_COUNT]):
        put_row(row, final)
        row += 8 * ROW


def write_final_numbers(context):
    """Write the present command, which is the safe command, into the message of a `CommandOutput`."""
    _write_numbers(i64(context, base.WORDS), True)


@register_jitable
def _is_silent(c, now_ns):
    """Return whether an output must not publish now; this concerns outputs whose safe value is "hold" or "none"."""
    if c[_STAYS] == 0:
        return False
    guard = i64(c[_GUARD], GUARD_WORDS)
    return (guard[BEGUN] == 0) | ((c[_STAYS] == _NONE) & ((guard[FAULTED] != 0) | (now_ns == FINAL)))


def publish_command(context, stamp_ns, now_ns):
    """Publish the command of a `CommandOutput`. Return 0 or rcl's error code."""
    if now_ns == WITHHELD:
        return np.int64(0)
    c = i64(context, base.WORDS)
    silent = _is_silent(c, now_ns)
    _write_numbers(c, silent | (now_ns == FINAL))
    if silent:
        return np.int64(0)
    if (c[_STAMP_AT] != 0) | (c[_MICROS_AT] != 0):
        stamp = stamp_ns if stamp_ns > 0 else now_realtime(c[base.SCRATCH])  # ROS time without a simulation
        if c[_STAMP_AT] != 0:
            store_u32(c[_STAMP_AT], stamp // 1000000000)
            store_u32(c[_STAMP_AT] + 4, stamp % 1000000000)
        if c[_MICROS_AT] != 0:
            store_u32(c[_MICROS_AT], stamp // 1000 & 0xFFFFFFFF)
            store_u32(c[_MICROS_AT] + 4, stamp // 1000 >> 32)
    return base.send(c)


def check_size(program: PathProgram, size: int, reduce: str = "") -> None:
    """Raise DescriptionError if a path does not select as many numbers as an input of size ``size`` needs."""
    if program.size >= 0 and not (program.size >= size if reduce else program.size == size):
        rule = f"names {counted(program.size)}, the input takes {size}"
        fix = "change size or field" if program.size < size or reduce else "change size or field, or `reduce` them"
        raise DescriptionError("field", program.field, rule, fix)


class NumericInput(SubscriptionPort):
    """A port for a value input: it reads numbers from a field of a topic's messages, or grid cells from Images.

    subscription : rclpy subscription on a node that no executor spins
    program : reads the field, see `compile_path`; None: the messages are Images
    slot : address of the input's header (`snn_control.engine.slots`)
    data_address : address of the input's float64[size]
    size : how many numbers the field of a message must contain. An empty sequence means that no sample is due; any
        other number is an error
    columns : columns of the grid on an Image, which has ``size`` cells
    reduce : one of `REDUCTIONS`; a message may then have more numbers, which are divided into ``size`` sectors and
        reduced to one number each
    rules : rules of the sectors, see `reduction.rules_of`; needed if ``reduce`` is given
    max_bytes : length of the longest message that is accepted; memory for it is reserved. 0: 256 KiB, or 32 MiB for
        pictures
    name : name in reports; default: the topic

    Counters of messages: taken (all), malformed (also for each of `malformed.REASONS`), oversized, and empty (no sample
    was due). Further counters: errors (of rcl) and last_error. If ``reduce`` is given, also numbers, replaced and
    failed, see `reduction`.
    """

    problems: Mapping[str, str] = {**SubscriptionPort.problems, "empty": "empty messages"}

    def __init__(
        self, subscription: Any, program: PathProgram | None, slot: int, data_address: int, size: int, *,
        columns: int = 1, reduce: str = "", rules: np.ndarray | None = None, max_bytes: int = 0, name: str = "",
    ) -> None:  # fmt: skip
        if program is not None:
            check_size(program, size, reduce)
        check_type(subscription, IMAGE_TYPE if program is None else program.message_type)
        max_bytes = max_bytes or (32 << 20 if program is None else 256 << 10)
        super().__init__(subscription, take_numbers, SCRATCH_WORDS, slot, max_bytes, name)
        self._program = program
        room = max_bytes // KIND_SIZES[program.kind] if program is not None and reduce else size
        self._staging, self._rules = np.zeros(room, np.float64), rules
        self._block[_PROGRAM] = 0 if program is None else program.address
        self._block[[_DATA, _SIZE, _COLUMNS]] = data_address, size, columns
        self._block[[_STAGING, _ROOM, _REDUCE]] = self._staging.ctypes.data, room, REDUCTIONS.index(reduce)
        if reduce:
            if rules is None:
                raise DescriptionError("rules", rules, "must be given with `reduce`", "reduction.rules_of(input)")
            self._block[_RULES] = rules.ctypes.data
            beams = {"replaced": _BEAMS + REPLACED, "failed": _BEAMS + FAILED, "numbers": _BEAMS + NUMBERS}
            self._counts = {**SubscriptionPort._counts, **beams}

    def why_malformed(self) -> str:
        field, named = ("", None) if self._program is None else (self._program.field, self._program.named)
        code, about = int(self._reasons[CODE]), self._reasons[ABOUT:COUNTS].tolist()
        return explain(code, about, field, named, int(self._block[_SIZE]))


class EventsPort(SubscriptionPort):
    """A port for an events input: it reads the events of a topic's PointCloud2 messages; see `events.packets`.

    If the subscription's type is EventArray, of dvs_msgs or prophesee_event_msgs, the port reads EventArrays.

    subscription, slot, max_bytes, name : as in `NumericInput`
    columns : addresses of the input's arrays t, x, y and p, each with room for ``capacity`` events
    capacity : maximum number of events in a tick; further events are dropped and counted
    size : (width, height) of the input [pixel]; the port compares it with the sensor's size in EventArrays

    A message without events also counts as a fresh sample: nothing moved. Counters: those of `NumericInput`, and
    dropped (events).
    """

    _counts: Mapping[str, int] = {**SubscriptionPort._counts, "dropped": _CUT}
    problems: Mapping[str, str] = {**SubscriptionPort.problems, "dropped": "events dropped beyond the capacity"}

    def __init__(
        self, subscription: Any, slot: int, columns: Sequence[int], capacity: int, *,
        size: Sequence[int] | None = None, max_bytes: int = 4 << 20, name: str = "",
    ) -> None:  # fmt: skip
        if capacity < 1:
            raise DescriptionError("capacity", capacity, "must be at least 1 event")
        check_type(subscription, "sensor_msgs/msg/PointCloud2", *ARRAY_TYPES)
        super().__init__(subscription, take_events, max(EVENT_SCRATCH_WORDS, ARRAY_WORDS), slot, max_bytes, name)
        self._size = size
        arrays = type_name(subscription.msg_type) in ARRAY_TYPES
        self._block[[_T, _X, _Y, _P, _CAPACITY, _ARRAYS]] = *columns, capacity, arrays


class CommandOutput(PublisherPort):
    """A port that publishes the command message of one topic, with the numbers of one or several outputs.

    publisher : rclpy publisher on a node that no executor spins
    message_class : type of the message
    fields : (path, command address, n) for each output. The float64[n] at the command address are converted to the
        field's type (integers rounded and saturated) and written to the n numbers that the path selects
    bounds : for each output the limits of its numbers, see `field_limits.fit_bounds`; None: only the field's type
        limits the numbers
    guard : address of the guard's memory; 0: no guard
    stays : "hold": the port publishes nothing before the first command; "none": it also publishes nothing during a
        fault and at the end of the loop
    values : values of other fields, e.g. ``{"header.frame_id": "base_link", "name": ["pan", "tilt"]}``
    stamp_field : path of a number that receives the time in whole microseconds; empty: none
    name : name in reports; default: the topic
    n_rows : how many numbers the message contains

    The message's header.stamp is the stamp from the loop or, if that is 0 or -1, the present time.
    """

    def __init__(
        self, publisher: Any, message_class: type, fields: Sequence[tuple[str, int, int]], *,
        bounds: Sequence[np.ndarray | None] = (), guard: int = 0, stays: str = "",
        values: Mapping[str, Any] | None = None, stamp_field: str = "", name: str = "",
    ) -> None:  # fmt: skip
        from rclpy.serialization import serialize_message

        check_type(publisher, type_name(message_class))
        sizes = [(path, n) for path, _, n in fields]
        template = make_template(message_class, sizes, values, serialize_message, stamp_field)
        super().__init__(publisher, publish_command, template.data, name)
        start = template.data.ctypes.data
        outputs = zip(fields, template.places, template.kinds, bounds or [None] * len(fields), strict=True)
        faulted = guard + 8 * FAULTED if guard else 0
        rows = [rows_of(start + places, kind, cell, bound, faulted) for (_, cell, _), places, kind, bound in outputs]
        self._rows = np.concatenate(rows)
        self.n_rows, self._stamps = len(self._rows), (template.stamp, template.micros)
        self._block[[_ROWS, _ROW_COUNT]] = self._rows.ctypes.data, self.n_rows
        self._block[[_GUARD, _STAYS]] = guard, ("", *STAYS).index(stays)
        self._block[[_STAMP_AT, _MICROS_AT]] = [start + offset if offset >= 0 else 0 for offset in self._stamps]

    def share(self, memory: np.ndarray) -> None:
        """Move the limits and last values of the message's numbers (`rounding`) into shared memory.

        memory : (n_rows, ROW) int64, the shared memory
        """
        memory[:] = self._rows
        self._rows = memory
        self._block[_ROWS] = memory.ctypes.data

    def safe_message(self, command: int) -> dict[str, Any]:
        """Return the data with which another process can publish the message, as a dictionary for JSON.

        Do not call this while a loop runs. The keys are:

        data : the message in base64, with the present commands
        stamp : byte offset of the message's stamp; -1: none
        micros : byte offset of the message's time in microseconds; -1: none
        places : byte offsets of the message's numbers
        commands : indices of these numbers in the array of all commands, which begins at address ``command``
        waits : whether the message is not published before the first command
        """
        compile_function(write_final_numbers, "void(int64)")(self.context)
        stamp, micros = self._stamps
        return {
            "data": base64.b64encode(self._buffer.data.tobytes()).decode(), "stamp": stamp, "micros": micros,
            "places": (self._rows[:, PLACE] - self._buffer.data.ctypes.data).tolist(),
            "commands": ((self._rows[:, COMMAND] - command) // 8).tolist(), "waits": bool(self._block[_STAYS]),
        }  # fmt: skip
