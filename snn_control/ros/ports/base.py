"""Common base of all ports between DDS and the control loop: receive and publish messages, and find their age.

A port's context (`realtime.port`) is an array of int64 words, on which the compiled functions here work. The port's
Python object creates the context, owns all memory to which the context points, and reads the counters in the context.

Age of a message
----------------
The age of a message counts from the time at which its data became available, not from the time at which the loop read
the message. A rule of the input selects the time from which the age counts:

arrival : the time at which the message was published, by the publisher's clock, as the middleware reports it. A
    publisher on this machine has the same clock as the loop, so the age is the difference to the present time. For any
    other publisher, the age is the message's delay relative to the fastest message of the last 10 to 20 s, so that the
    clocks need not agree. The first message of a publisher may be as old as the time since the loop last read. So
    messages that waited while the process was paused are old. Stamps in the message are ignored.
stamp : the stamp in the message's header, by CLOCK_REALTIME. A stamp at most FUTURE_NS in the future counts as the
    present time. A message is counted and ignored if its stamp is further in the future, zero (no stamp), or older than
    the current message's stamp. An older stamp is accepted if the clock was set back, so that the current message's
    stamp is now in the future.
older : the earlier of the two times above; the time of ``arrival`` if the message has no stamp.

These rules apply in the mode realtime only. In the other modes, the loop counts the ages itself.

Each port belongs to one thread. Its subscription or publisher must be on a node that no executor spins, because an
executor would take the messages. While the port is in use, ``with port:`` must keep the handle of rcl alive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...engine.memory import call_int1, call_int3, call_int4, i64
from ...engine.slots import STAMP
from ...errors import DescriptionError, RuntimeFault
from ...realtime.clock import now_realtime
from ...realtime.port import LOCKSTEP, REALTIME, CompiledPort
from ..messages.malformed import ABOUT, CODE, COUNTS, REASON_WORDS, REASONS, explain
from ..messages.message_types import type_name
from .rcl import INFO_BYTES, TAKE_FAILED, ReceiveBuffer, SendBuffer, address_of, count_matched, new_message_wakes

__all__ = [
    "AGES", "MOST_MESSAGES", "NOTHING", "REJECTED", "PublisherPort", "RclPort", "SubscriptionPort", "available_since",
    "begin_take", "check_type", "next_message", "refuse", "send",
]  # fmt: skip

#: largest number of messages in one call of ``take``: the rest waits for the next tick
MOST_MESSAGES = 64

# Words of a context. All ports: addresses of rcutils_reset_error, of rcl_take_serialized_message or
# rcl_publish_serialized_message, of an rcl_subscription_t or rcl_publisher_t, of an rcl_serialized_message_t, and of
# the scratch memory; counters:
RESET_ERROR, CALL, HANDLE, MESSAGE, SCRATCH, ERRORS, LAST_ERROR = range(7)
PUBLISHED, OWN_OF_OUTPUT = 7, 8  # outputs only; from word 8 on, words that depend on the kind of output
# Inputs:
WHY, INFO, SLOT = 7, 8, 9  # address of the counters of `malformed`; of rmw_message_info_t; of the io slot
MAX_MESSAGE_BYTES = 10  # longer messages are ignored [bytes]
TAKEN, MALFORMED, OVERSIZED, EMPTY = 11, 12, 13, 14
WIDTH, HEIGHT = 15, 16  # size of the sensor, from the newest message of events; 0: not stated
RULE, HOST = 17, 18  # rule of ages; lower half of word GID for publishers on this machine, -1: unknown
LOOKED, GAP, WATCHED = 19, 20, 21  # time of the last read, time between the last two [ns], total time watched
SENDER, SWITCHES = 22, 24  # two words, id of the newest message's publisher; number of changes of the publisher
LEAST, LEAST_BEFORE, SINCE = 25, 26, 27  # smallest delay [ns] in this window and in the last; start of this window
UNSTAMPED, FUTURE, BACKWARDS = 28, 29, 30
TIMESPEC = 31  # two words
OWN = 33  # from this word on, words that depend on the kind of input
WORDS = 48

# Words of rmw_message_info_t: two times of CLOCK_REALTIME [ns], 0 if the middleware does not provide them; two sequence
# numbers and a pointer; the publisher's id, two words
PUBLISHED_AT, RECEIVED_AT, GID = 0, 1, 5

NOTHING = np.int64(-1)  # returned by `next_message` in place of a length
REJECTED = np.int64(-1)  # returned by `available_since` in place of a time

BY_ARRIVAL, BY_STAMP, OLDER = range(3)
AGES = {"arrival": BY_ARRIVAL, "stamp": BY_STAMP, "older": OLDER}
FUTURE_NS = 100_000_000  # clocks synchronised by NTP differ by less
WINDOW_NS = 10_000_000_000
CONTINUOUS_NS = 100_000_000  # of a longer time without a read, only this much counts as watched


@register_jitable
def begin_take(c, now_ns, mode):
    """Prepare to read the messages of a tick, and store the time since the loop last read messages.

    Return the value of the counter TAKEN at which reading must stop, so that a tick reads a limited number of messages.

    c : the port's context, int64 words; all functions here have this argument
    """
    c[GAP] = max(now_ns - c[LOOKED], 0) if c[LOOKED] > 0 else 0
    c[LOOKED] = now_ns
    c[WATCHED] += min(c[GAP], CONTINUOUS_NS)
    return c[TAKEN] + (1 if mode == LOCKSTEP else MOST_MESSAGES)


@register_jitable
def next_message(c, end):
    """Take the next message from the subscription. Return the message's address and length [bytes].

    The length is NOTHING if no message waits, or if the counter TAKEN has reached ``end``. Messages longer than
    MAX_MESSAGE_BYTES are counted and ignored.
    """
    while c[TAKEN] < end:
        code = call_int4(c[CALL], c[HANDLE], c[MESSAGE], c[INFO], np.int64(0))
        if code != 0:
            if code != TAKE_FAILED:
                c[ERRORS] += 1
                c[LAST_ERROR] = code
            call_int1(c[RESET_ERROR], np.int64(0))
            break
        c[TAKEN] += 1
        info = i64(c[INFO], GID + 2)
        if info[GID] != c[SENDER] or info[GID + 1] != c[SENDER + 1]:
            c[SENDER], c[SENDER + 1], c[SINCE] = info[GID], info[GID + 1], 0
            c[SWITCHES] += 1
        message = i64(c[MESSAGE], 2)  # rcl may move the buffer with each message
        if message[1] <= c[MAX_MESSAGE_BYTES]:
            return message[0], message[1]
        c[OVERSIZED] += 1
    return np.int64(0), NOTHING


@register_jitable
def _waited(c, now_real):
    """Return the age of the message just taken by the rule "arrival", the time since its publication [ns]."""
    info = i64(c[INFO], GID + 1)
    if info[PUBLISHED_AT] <= 0:
        return c[GAP]
    delay = now_real - info[PUBLISHED_AT]
    if info[GID] & 0xFFFFFFFF == c[HOST]:
        return max(delay, 0)
    if c[SINCE] == 0:
        c[SINCE] = max(c[WATCHED], 1)
        c[LEAST] = c[LEAST_BEFORE] = delay - c[GAP]
    elif c[WATCHED] - c[SINCE] > WINDOW_NS:
        c[LEAST_BEFORE], c[LEAST], c[SINCE] = c[LEAST], delay, c[WATCHED]
    c[LEAST] = min(c[LEAST], delay)
    return delay - min(c[LEAST], c[LEAST_BEFORE])


@register_jitable
def available_since(context, slot, stamp, now_ns, mode):
    """Return the time at which the message just taken became available [ns, CLOCK_MONOTONIC].

    If the message's stamp is not accepted, count the message and return REJECTED.

    slot : address of the input's header (`snn_control.engine.slots`)
    stamp : stamp of the message [ns]; -1 or 0: none
    now_ns : present time of the loop [ns]
    mode : mode of the loop, see `realtime.port`
    """
    c = i64(context, WORDS)
    if mode != REALTIME:
        return now_ns
    now_real = now_realtime(context + 8 * TIMESPEC)
    age = np.int64(0)
    if c[RULE] != BY_STAMP:
        age = _waited(c, now_real)
    if c[RULE] != BY_ARRIVAL:
        if stamp > 0:
            age = max(age, now_real - stamp)
            if now_real - stamp < -FUTURE_NS:
                c[FUTURE] += 1
                return REJECTED
        elif c[RULE] == BY_STAMP:
            c[UNSTAMPED] += 1
            return REJECTED
        if 0 < stamp < slot[STAMP] <= now_real + FUTURE_NS:
            c[BACKWARDS] += 1
            return REJECTED
    return max(now_ns - age, 0)


@register_jitable
def refuse(c, code, a, b):
    """Count a malformed message, and store the reason for reports.

    code : error code of the reason, see `malformed`
    a, b : two numbers that describe the error
    """
    c[MALFORMED] += 1
    words = i64(c[WHY], REASON_WORDS)
    words[CODE], words[ABOUT], words[ABOUT + 1] = code, a, b
    words[COUNTS - code] += 1


@register_jitable
def send(c):
    """Publish the present bytes of an output's message. Return 0, or rcl's error code."""
    code = call_int3(c[CALL], c[HANDLE], c[MESSAGE], np.int64(0))
    if code == 0:
        c[PUBLISHED] += 1
    else:
        c[ERRORS] += 1
        c[LAST_ERROR] = code
        call_int1(c[RESET_ERROR], np.int64(0))
    return code


class RclPort(CompiledPort):
    """Base class of the ports that receive or publish ROS messages, with their context, counters and rcl handle."""

    _counts: Mapping[str, int] = {}

    def __init__(self, entity: Any, function: Any, call: str, scratch_words: int, name: str) -> None:
        super().__init__(name or entity.topic_name, function, np.zeros(WORDS, np.int64))
        self._entity, self._scratch = entity, np.zeros(scratch_words, np.int64)
        self._block[[RESET_ERROR, CALL]] = address_of("rcutils", "rcutils_reset_error"), address_of("rcl", call)
        self._block[[HANDLE, SCRATCH]] = entity.handle.pointer, self._scratch.ctypes.data

    @property
    def topic(self) -> str:
        return self._entity.topic_name

    def counters(self) -> dict[str, int]:
        """Return the port's counters since its creation: name -> count; the port's class describes them."""
        return {name: int(self._block[word]) for name, word in self._counts.items()}

    def matched(self) -> int:
        """Return the number of publishers or subscriptions of other nodes with which this port is matched.

        A publisher or subscription whose process died stays matched for a while.
        """
        return count_matched(self._entity)

    def __enter__(self) -> None:
        """Keep rcl's handle alive, so that the subscription or publisher is not destroyed before ``__exit__``.

        ``with`` statements for the same port may be nested.
        """
        self._entity.handle.__enter__()

    def __exit__(self, *exc: object) -> None:
        self._entity.handle.__exit__(None, None, None)


class SubscriptionPort(RclPort):
    """Base of the ports that receive messages for an input.

    problems : counters that diagnostics report if they increase: name of the counter -> description of what it counts
    """

    _size: Sequence[int] | None = None  # (width, height) of an events input
    limit_ns = 0  # greatest age of data that commands depend on; 0: no limit
    unawaited = False  # whether lockstep does not wait for this input
    problems: Mapping[str, str] = {
        "malformed": "malformed messages",
        "oversized": "oversized messages",
        "unstamped": "messages without a stamp",
        "future": f"messages stamped more than {FUTURE_NS / 1e9:g} s ahead",
        "backwards": "messages with an older stamp than the one before",
    }
    _counts: Mapping[str, int] = {
        "taken": TAKEN, "malformed": MALFORMED, "oversized": OVERSIZED, "empty": EMPTY, "unstamped": UNSTAMPED,
        "future": FUTURE, "backwards": BACKWARDS, "errors": ERRORS, "last_error": LAST_ERROR,
    }  # fmt: skip

    def __init__(
        self, subscription: Any, function: Any, scratch_words: int, slot: int, max_bytes: int, name: str
    ) -> None:
        if max_bytes < 4:
            raise DescriptionError("max_bytes", max_bytes, "must be at least 4")
        super().__init__(subscription, function, "rcl_take_serialized_message", scratch_words, name)
        self.slot, self._wakes, self._buffer = slot, False, ReceiveBuffer(max_bytes)
        self._info, self._reasons = np.zeros(INFO_BYTES, np.uint8), np.zeros(REASON_WORDS, np.int64)
        self._block[[WHY, INFO]] = self._reasons.ctypes.data, self._info.ctypes.data
        self._block[[MESSAGE, SLOT, MAX_MESSAGE_BYTES]] = self._buffer.address, slot, max_bytes
        self.judge_ages("arrival")

    def judge_ages(self, rule: str, host: int = -1) -> None:
        """Set the rule by which the age of messages is determined, one of `AGES`.

        host : number of this machine in the ids of publishers, see `topics.host_of`; -1: not known
        """
        self._block[[RULE, HOST]] = AGES[rule], host

    def clear(self) -> None:
        """Forget all earlier messages; the counters are not changed. Do not call this while a loop runs."""
        self._block[[WIDTH, HEIGHT, LOOKED, GAP, SENDER, SENDER + 1, SINCE]] = 0

    def counters(self) -> dict[str, Any]:
        """Return the port's counters, which its class describes.

        For each reason why a message was malformed, there is also a counter ``malformed.REASON``.
        """
        reasons = {f"malformed.{word}": int(self._reasons[COUNTS - code]) for code, word in REASONS.items()}
        return {**super().counters(), **{key: n for key, n in reasons.items() if n}}

    def why_malformed(self) -> str:
        """Describe why the newest malformed message is malformed; "" if no message was malformed."""
        return explain(int(self._reasons[CODE]), self._reasons[ABOUT:COUNTS].tolist())

    @property
    def frame(self) -> str:
        """Size of an events input as a text such as "640x480"."""
        return f"{self._size[0]}x{self._size[1]}" if self._size else "the input"

    def fault(self) -> str:
        """The reason why every message of this topic is invalid; "" if messages can be valid."""
        width, height = self._block[[WIDTH, HEIGHT]].tolist()
        if self._size is None or not width or not height or [width, height] == list(self._size):
            return ""
        fix = f"set size: [{width}, {height}]"
        return f"events come from a sensor of {width}x{height}, the input's size is {self.frame}: {fix}"

    def sender(self) -> tuple[bytes, int]:
        """Return the ROS graph's id of the newest message's publisher, and how often the publisher has changed."""
        return self._block[SENDER : SENDER + 2].tobytes(), int(self._block[SWITCHES])

    def attach_semaphore(self, address: int) -> None:
        """Post the ``sem_t`` at ``address`` whenever a message arrives, and once for each message that already waits.

        The semaphore must exist until `detach` is called. Until then, rcl's handle is kept alive. Raises RuntimeFault
        if the subscription was destroyed.
        """
        from rclpy.impl.implementation_singleton import rclpy_implementation

        self.detach()
        try:
            self.__enter__()
        except rclpy_implementation.InvalidHandle:
            raise RuntimeFault(f"the subscription of {self.name} was destroyed") from None
        self._wakes = True
        new_message_wakes(int(self._block[HANDLE]), address)

    def detach(self) -> None:
        """Stop posting the semaphore of `attach_semaphore`, if one is attached."""
        if self._wakes:
            self._wakes = False
            new_message_wakes(int(self._block[HANDLE]), 0)
            self.__exit__()


class PublisherPort(RclPort):
    """Base of the ports that publish: a compiled function replaces numbers in the bytes of one message.

    Counters: published (messages), errors (of rcl), and last_error (the newest error code).
    """

    _counts: Mapping[str, int] = {"published": PUBLISHED, "errors": ERRORS, "last_error": LAST_ERROR}

    def __init__(self, publisher: Any, function: Any, message: np.ndarray, name: str) -> None:
        super().__init__(publisher, function, "rcl_publish_serialized_message", 2, name)
        self._buffer = SendBuffer(message)
        self._block[MESSAGE] = self._buffer.address


def check_type(entity: Any, *wanted: str) -> None:
    """Raise DescriptionError unless the message type of a subscription or publisher is one of the ``wanted`` types."""
    has = type_name(entity.msg_type)
    if has not in wanted:
        rule = f"the port of {entity.topic_name} needs {' or '.join(wanted)}"
        raise DescriptionError("type", has, rule, "use one type for both")
