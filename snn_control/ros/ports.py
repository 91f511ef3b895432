"""Ports between DDS and the io block: take and publish through rcl, called by the loop, without Python.

A port is the address of a compiled function and the address of an int64 block, its context. An input's
function is ``take(context, now_ns, limit)``, an output's ``publish(context, stamp_ns, now_ns)``. The
objects below make the context, keep all its memory alive and read its counters.

Each port belongs to one thread. Its subscription or publisher must sit on a node that no executor spins,
or the executor takes its messages, and while the port runs its handle must be held: ``with port.hold():``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..engine.compile import compile_callback
from ..engine.memory import call_int1, call_int3, call_int4, load_f64, load_i64, store_f64, store_i64, store_u32
from ..errors import DescriptionError, RuntimeFault
from ..realtime.clock import now_realtime
from ..realtime.slots import SLOT_ARRIVAL, SLOT_COUNT, SLOT_DROPPED, SLOT_FRESH, SLOT_STAMP, nothing_came
from .cdr import SCRATCH_WORDS, put_number, walk
from .clouds import EVENT_SCRATCH_WORDS, parse_events
from .rcl import INFO_BYTES, TAKE_FAILED, ReceiveBuffer, SendBuffer, address_of, count_matched, new_message_wakes
from .template import make_template
from .wire import PathProgram, type_name

__all__ = [
    "MOST_MESSAGES",
    "CommandOutput",
    "EventsInput",
    "Hold",
    "NumericInput",
    "publish_command",
    "take_events",
    "take_numbers",
]

#: messages that one call of ``take`` looks at, at most: what is left waits for the next tick
MOST_MESSAGES = 64

# Words of a context. All ports:
_RESET_ERROR = 0  # address of rcutils_reset_error
_CALL = 1  # address of rcl_take_serialized_message or rcl_publish_serialized_message
_HANDLE = 2  # rcl_subscription_t * or rcl_publisher_t *
_MESSAGE = 3  # rcl_serialized_message_t *
_SCRATCH = 4
_ERRORS, _LAST_ERROR = 5, 6
# Inputs:
_INFO = 8
_SLOT = 9
_LONGEST = 10  # longer messages are ignored [bytes]
_TAKEN, _MALFORMED, _OVERSIZED, _EMPTY = 11, 12, 13, 14
_PROGRAM, _DATA, _SIZE, _STAGING = 16, 17, 18, 19
_X, _Y, _P, _T, _CAPACITY, _CUT = range(20, 26)
# Outputs:
_ROWS, _ROW_COUNT = 8, 9  # rows of three words: where the number stands, its kind, address of the command
_STAMP_AT = 10  # address of header.stamp in the message, 0 if there is none
_PUBLISHED = 11
_WORDS = 32


@register_jitable
def _get(context, word):
    return load_i64(context + 8 * word)


@register_jitable
def _add(context, word, n):
    store_i64(context + 8 * word, load_i64(context + 8 * word) + n)


@register_jitable
def _take_message(context):
    """Take one message -> its length, or -1 if there is none."""
    code = call_int4(
        _get(context, _CALL), _get(context, _HANDLE), _get(context, _MESSAGE), _get(context, _INFO), np.int64(0)
    )
    if code == 0:
        return load_i64(_get(context, _MESSAGE) + 8)
    if code != TAKE_FAILED:
        _add(context, _ERRORS, 1)
        store_i64(context + 8 * _LAST_ERROR, code)
    call_int1(_get(context, _RESET_ERROR), np.int64(0))
    return np.int64(-1)


@register_jitable
def _arrived(slot, stamp, now_ns, fresh):
    store_i64(slot + 8 * SLOT_FRESH, fresh)
    store_i64(slot + 8 * SLOT_STAMP, stamp)
    store_i64(slot + 8 * SLOT_ARRIVAL, now_ns)


def take_numbers(context, now_ns, limit):
    """``take`` of a `NumericInput`: the newest well-formed message wins."""
    slot = _get(context, _SLOT)
    size = _get(context, _SIZE)
    data = _get(context, _DATA)
    staging = _get(context, _STAGING)
    scratch = _get(context, _SCRATCH)
    nothing_came(slot)
    most = limit if 0 < limit < MOST_MESSAGES else MOST_MESSAGES
    taken = 0
    fresh = 0
    while taken < most:
        length = _take_message(context)
        if length < 0:
            break
        taken += 1
        if length > _get(context, _LONGEST):
            _add(context, _OVERSIZED, 1)
            continue
        # the buffer may have moved: it is read again after each take
        n = walk(
            _get(context, _PROGRAM), load_i64(_get(context, _MESSAGE)), length, staging, size, scratch, np.int64(0)
        )
        if n != size and n != 0:
            _add(context, _MALFORMED, 1)
            continue
        if n == 0:
            _add(context, _EMPTY, 1)
            continue
        for k in range(size):
            store_f64(data + 8 * k, load_f64(staging + 8 * k))
        fresh += 1
        _arrived(slot, load_i64(scratch), now_ns, fresh)
    _add(context, _TAKEN, taken)
    return taken


def take_events(context, now_ns, limit):
    """``take`` of an `EventsInput`: the events of all messages, in order, up to the capacity."""
    slot = _get(context, _SLOT)
    capacity = _get(context, _CAPACITY)
    scratch = _get(context, _SCRATCH)
    nothing_came(slot)
    most = limit if 0 < limit < MOST_MESSAGES else MOST_MESSAGES
    taken = 0
    fresh = 0
    count = np.int64(0)
    dropped = np.int64(0)
    while taken < most:
        length = _take_message(context)
        if length < 0:
            break
        taken += 1
        if length > _get(context, _LONGEST):
            _add(context, _OVERSIZED, 1)
            continue
        room = capacity - count
        n = parse_events(
            load_i64(_get(context, _MESSAGE)),
            length,
            room,
            _get(context, _X) + 2 * count,
            _get(context, _Y) + 2 * count,
            _get(context, _P) + count,
            _get(context, _T) + 8 * count,
            scratch,
        )
        if n < 0:
            _add(context, _MALFORMED, 1)
            continue
        if n == 0:  # a scene at rest: fresh all the same
            _add(context, _EMPTY, 1)
        written = min(n, room)
        count += written
        dropped += n - written
        fresh += 1
        _arrived(slot, load_i64(scratch), now_ns, fresh)
    store_i64(slot + 8 * SLOT_COUNT, count)
    store_i64(slot + 8 * SLOT_DROPPED, dropped)
    _add(context, _CUT, dropped)
    _add(context, _TAKEN, taken)
    return taken


def publish_command(context, stamp_ns, now_ns):
    """``publish`` of a `CommandOutput` -> 0 or rcl's error code."""
    row = _get(context, _ROWS)
    for _ in range(_get(context, _ROW_COUNT)):
        put_number(load_i64(row), load_i64(row + 8), load_f64(load_i64(row + 16)))
        row += 24
    stamp_at = _get(context, _STAMP_AT)
    if stamp_at != 0:
        scratch = _get(context, _SCRATCH)
        stamp = stamp_ns if stamp_ns > 0 else now_realtime(scratch)  # as ROS time is without a simulation
        store_u32(stamp_at, stamp // 1000000000)
        store_u32(stamp_at + 4, stamp % 1000000000)
    code = call_int3(_get(context, _CALL), _get(context, _HANDLE), _get(context, _MESSAGE), np.int64(0))
    if code == 0:
        _add(context, _PUBLISHED, 1)
    else:
        _add(context, _ERRORS, 1)
        store_i64(context + 8 * _LAST_ERROR, code)
        call_int1(_get(context, _RESET_ERROR), np.int64(0))
    return code


class _Port:
    """Function, context and name; what inputs and outputs share."""

    _counts: Mapping[str, int] = {}

    def __init__(self, entity: Any, function: Any, call: str, scratch_words: int, name: str) -> None:
        self._entity = entity
        self._held = 0
        self.name = name or entity.topic_name
        self.function = compile_callback(function, "int64(int64,int64,int64)")
        self._block = np.zeros(_WORDS, np.int64)
        self._scratch = np.zeros(scratch_words, np.int64)
        self._block[_RESET_ERROR] = address_of("rcutils", "rcutils_reset_error")
        self._block[_CALL] = address_of("rcl", call)
        self._block[_HANDLE] = entity.handle.pointer
        self._block[_SCRATCH] = self._scratch.ctypes.data
        self.context = self._block.ctypes.data

    @property
    def topic(self) -> str:
        return self._entity.topic_name

    def counters(self) -> dict[str, int]:
        """What was counted since the port was made; see the class."""
        return {name: int(self._block[word]) for name, word in self._counts.items()}

    def matched(self) -> int:
        """How many of the other side are matched now. A reader that died stays matched for a while."""
        return count_matched(self._entity)

    def hold(self) -> Hold:
        """A context that keeps rcl's handle alive: destroying the subscription or publisher waits for its end."""
        return Hold(self)

    def _before_release(self) -> None:
        """Called when the last hold ends, while the handle is still good."""


class Hold:
    """Keeps a port's handle alive while it is entered, which may be often and several times at once."""

    def __init__(self, port: _Port) -> None:
        self._port = port

    def __enter__(self) -> None:
        self._port._entity.handle.__enter__()
        self._port._held += 1

    def __exit__(self, *exc: object) -> None:
        port = self._port
        try:
            if port._held == 1:
                port._before_release()
        finally:
            port._held -= 1
            port._entity.handle.__exit__(None, None, None)


class _Input(_Port):
    _counts: Mapping[str, int] = {
        "taken": _TAKEN,
        "malformed": _MALFORMED,
        "oversized": _OVERSIZED,
        "empty": _EMPTY,
        "errors": _ERRORS,
        "last_error": _LAST_ERROR,
    }

    def __init__(
        self, subscription: Any, function: Any, scratch_words: int, slot: int, max_bytes: int, name: str
    ) -> None:
        if max_bytes < 4:
            raise DescriptionError("max_bytes", max_bytes, "must be at least 4")
        super().__init__(subscription, function, "rcl_take_serialized_message", scratch_words, name)
        self.slot = slot
        self._semaphore = 0
        self._buffer = ReceiveBuffer(max_bytes)
        self._info = np.zeros(INFO_BYTES, np.uint8)
        self._block[_INFO] = self._info.ctypes.data
        self._block[_MESSAGE] = self._buffer.address
        self._block[_SLOT] = slot
        self._block[_LONGEST] = max_bytes

    def attach_semaphore(self, address: int) -> None:
        """Post the ``sem_t`` at ``address`` whenever a message arrives (also for those that wait already).

        The semaphore must live until `detach`.
        """
        if not self._alive(lambda: new_message_wakes(int(self._block[_HANDLE]), address)):
            raise RuntimeFault(f"the subscription of {self.name} was destroyed")
        self._semaphore = address

    def detach(self) -> None:
        """End `attach_semaphore`. No fault without it, or after the subscription was destroyed."""
        if self._semaphore:
            end = partial(new_message_wakes, int(self._block[_HANDLE]), 0)
            if not self._alive(end) and self._held:
                end()  # destroying it waits for the hold to end: the pointer is still good
            self._semaphore = 0

    def _alive(self, action: Callable[[], None]) -> bool:
        """Run ``action`` with the handle held, unless the subscription was destroyed."""
        from rclpy.impl.implementation_singleton import rclpy_implementation

        try:
            with self._entity.handle:
                action()
        except rclpy_implementation.InvalidHandle:
            return False
        return True

    def _before_release(self) -> None:
        if not self._alive(lambda: None):
            self.detach()


class NumericInput(_Input):
    """Numbers of one field of a topic's messages, into a value slot.

    Parameters
    ----------
    subscription : rclpy subscription on a node that is not spun
    program : the field; see `wire.compile_path`
    slot : address of the io slot's header
    data_address : address of float64[size]
    size : how many numbers a message must have there. None at all means "nothing is due"; any other number is malformed
    max_bytes : longer messages are ignored; memory for one of this length is reserved
    name : for reports; the topic by default

    Counters: taken (all messages), malformed, oversized, empty (nothing was due), errors of rcl and last_error.
    """

    def __init__(
        self,
        subscription: Any,
        program: PathProgram,
        slot: int,
        data_address: int,
        size: int,
        *,
        max_bytes: int = 256 * 1024,
        name: str = "",
    ) -> None:
        if size < 1 or program.size not in (-1, size):
            names = "any number of" if program.size < 0 else program.size
            raise DescriptionError(
                "size", size, f"must be how many numbers {program.field} has: {names}", "change size or field"
            )
        _check_type(subscription, program.message_type)
        super().__init__(subscription, take_numbers, SCRATCH_WORDS, slot, max_bytes, name)
        self.program = program
        self._staging = np.zeros(size, np.float64)
        self._block[_PROGRAM] = program.address
        self._block[_DATA] = data_address
        self._block[_SIZE] = size
        self._block[_STAGING] = self._staging.ctypes.data


class EventsInput(_Input):
    """Events of a topic's sensor_msgs/msg/PointCloud2 messages, into a stream slot; see `clouds`.

    Parameters
    ----------
    subscription, slot, max_bytes, name : as in `NumericInput`
    x, y, p, t : addresses of uint16[capacity], uint16[capacity], uint8[capacity], int64[capacity]
    capacity : most events a tick; those after it are dropped and counted

    A message without events makes the input fresh: nothing moved. Counters: those of `NumericInput`, and dropped
    (events).
    """

    _counts: Mapping[str, int] = {**_Input._counts, "dropped": _CUT}

    def __init__(
        self,
        subscription: Any,
        slot: int,
        x: int,
        y: int,
        p: int,
        t: int,
        capacity: int,
        *,
        max_bytes: int = 4 * 1024 * 1024,
        name: str = "",
    ) -> None:
        if capacity < 1:
            raise DescriptionError("capacity", capacity, "must be at least 1 event")
        _check_type(subscription, "sensor_msgs/msg/PointCloud2")
        super().__init__(subscription, take_events, EVENT_SCRATCH_WORDS, slot, max_bytes, name)
        self._block[[_X, _Y, _P, _T, _CAPACITY]] = x, y, p, t, capacity


class CommandOutput(_Port):
    """One topic's command message, with the numbers of one or several outputs in it.

    Parameters
    ----------
    publisher : rclpy publisher on a node that is not spun
    message_class : its type
    fields : (path, command address, n) for each output: float64[n] at the address goes to the n numbers of the path,
        narrowed to their type (integers rounded and saturated)
    values : what else the message says, e.g. ``{"header.frame_id": "base_link", "name": ["pan", "tilt"]}``
    name : for reports; the topic by default

    Its header.stamp is the stamp that the loop gives or, if that is 0 or -1, the time. Counters: published, errors
    of rcl and last_error.
    """

    _counts: Mapping[str, int] = {"published": _PUBLISHED, "errors": _ERRORS, "last_error": _LAST_ERROR}

    def __init__(
        self,
        publisher: Any,
        message_class: type,
        fields: Sequence[tuple[str, int, int]],
        *,
        values: Mapping[str, Any] | None = None,
        name: str = "",
    ) -> None:
        from rclpy.serialization import serialize_message

        _check_type(publisher, type_name(message_class))
        template = make_template(message_class, [(path, n) for path, _, n in fields], values, serialize_message)
        super().__init__(publisher, publish_command, "rcl_publish_serialized_message", 2, name)
        self._buffer = SendBuffer(template.data)
        start = template.data.ctypes.data
        rows = [
            (start + offset, kind, command + 8 * k)
            for (_, command, _), offsets, kind in zip(fields, template.places, template.kinds)
            for k, offset in enumerate(offsets.tolist())
        ]
        self._rows = np.array(rows, np.int64)
        self._block[_MESSAGE] = self._buffer.address
        self._block[_ROWS] = self._rows.ctypes.data
        self._block[_ROW_COUNT] = len(rows)
        self._block[_STAMP_AT] = start + template.stamp if template.stamp >= 0 else 0


def _check_type(entity: Any, wanted: str) -> None:
    has = type_name(entity.msg_type)
    if has != wanted:
        raise DescriptionError("type", has, f"the port of {entity.topic_name} needs {wanted}", "use one type for both")
