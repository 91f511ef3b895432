"""Port for an events input whose source is frames: Images become events by the simulated event camera.

The conversion of a frame takes milliseconds, more than the period of a fast loop. Therefore, in realtime, the port has
a thread that takes and converts the messages. The thread runs one compiled function without Python, at a priority below
that of the DDS threads. It appends the events of each frame to a queue, from which the loop's thread copies the events
to the input. If the queue is full, frames wait in the middleware. In lockstep, the loop's thread converts the one frame
of each tick.

The time of a frame is its stamp or, without a stamp, the time at which it became available (`base`). The input's pace
determines when the events of a frame are due:

- "arrival": all events are due as soon as the frame has been converted.
- "sensor": the events are spread over a time as long as that between the frame and the frame before. The events arrive
  one frame late, but as evenly as those of an event camera.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...engine.atomics import load_acquire, store_release, write_word
from ...engine.bound import Bound
from ...engine.camera.frame_camera import TIME, FrameCamera, see
from ...engine.camera.frame_camera import WORDS as CAMERA_WORDS
from ...engine.camera.frames import ENCODINGS
from ...engine.compile import compile_function
from ...engine.facts import InputFacts
from ...engine.memory import i64
from ...engine.slots import ARRIVAL, COUNT, DROPPED, FRESH, SLOT_WORDS, STAMP, clear_marks
from ...realtime import histogram
from ...realtime.clock import now_monotonic, semaphore_drain, semaphore_post, semaphore_wait
from ...realtime.histogram import percentile, record
from ...realtime.port import LOCKSTEP
from ...realtime.ports.columns import addresses_of, copy_events
from ...realtime.rights import set_fifo
from ..messages.frames import parse_frame
from ..messages.images import IMAGE_TYPE
from ..messages.malformed import ABOUT, CODE, COUNTS, OTHER_SIZE, explain
from . import base
from .base import SubscriptionPort, check_type
from .rcl import new_message_wakes

__all__ = ["FramesPort", "convert_frames", "take_frames"]

QUEUE = base.OWN  # word of the context: address of the queue

# Words of the queue: the camera's context and the size of its frames; addresses of the input's columns and of those of
# the queue, and the room for the events of a tick and of a frame; address of the entries
CAMERA, SIDES, T, X, Y, P, KEPT_T, KEPT_X, KEPT_Y, KEPT_P, ROOM, ENTRIES = 0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
APART, SPREAD, SEMAPHORE, WAKES = 13, 14, 15, 16  # settings; semaphores of the thread and of the loop, 0: none
DURATIONS = 17  # address of the histogram of conversions
WRITTEN, READ, POSITION, CUT, HALT = 18, 19, 20, 21, 22  # frames written and read; events read of the current one
SPARE = 23  # eight words: a header of an input for `available_since`, and two words for the name of an encoding
DETAIL = SPARE + SLOT_WORDS
WORDS = DETAIL + 2
# Words of an entry: number of events that were kept and of all; stamp and time of availability of the frame; what has
# to be added to the time of an event to get the time at which it is due
KEPT, ALL, FRAME_STAMP, KNOWN, SHIFT, ENTRY = range(6)
DEPTH = 4  # frames in the queue
CHUNK_NS = 20_000_000  # longest sleep of the thread


@register_jitable
def _queue_frame(context, c, q, now, stamp, encoding, big, step, data, known):
    """Convert a frame, and append its events to the queue."""
    k = q[WRITTEN] % DEPTH
    entry, at, camera = i64(q[ENTRIES] + 8 * ENTRY * k, ENTRY), q[ROOM] * k, i64(q[CAMERA], CAMERA_WORDS)
    before, time = camera[TIME], stamp if stamp > 0 else known
    n = see(
        q[CAMERA], data, step, encoding, big, time, q[KEPT_T] + 8 * at, q[KEPT_X] + 2 * at, q[KEPT_Y] + 2 * at,
        q[KEPT_P] + at, q[ROOM],
    )  # fmt: skip
    end = now_monotonic(context + 8 * base.TIMESPEC)
    record(q[DURATIONS], end - now)
    entry[KEPT], entry[ALL] = min(n, q[ROOM]), n
    entry[FRAME_STAMP], entry[KNOWN], entry[SHIFT] = stamp, known, end - before
    store_release(c[QUEUE] + 8 * WRITTEN, q[WRITTEN] + 1)


@register_jitable
def _convert_next(context, now, mode, end):
    """Take the next message and, if it is well-formed, convert its frame. Return whether there was a message."""
    c = i64(context, base.WORDS)
    q = i64(c[QUEUE], WORDS)
    address, length = base.next_message(c, end)
    if length == base.NOTHING:
        return False
    detail = c[QUEUE] + 8 * DETAIL
    code, stamp, width, height, encoding, big, step, data = parse_frame(
        address, length, q[SIDES], q[SIDES + 1], detail
    )  # fmt: skip
    about = i64(detail, 2)
    if code == 0 and data == 0:
        c[base.EMPTY] += 1
        return True
    if code == 0 or code == OTHER_SIZE:
        c[base.WIDTH], c[base.HEIGHT] = width, height
    if code != 0:
        base.refuse(c, code, about[0], about[1])
        return True
    slot = i64(c[QUEUE] + 8 * SPARE, SLOT_WORDS)
    known = base.available_since(context, slot, stamp, now, mode)
    if known != base.REJECTED:
        slot[STAMP] = stamp
        _queue_frame(context, c, q, now, stamp, encoding, big, step, data, known)
    return True


def convert_frames(context):
    """Main function of the port's thread: convert frames until the word HALT is set."""
    c = i64(context, base.WORDS)
    queue = c[QUEUE]
    q, timespec = i64(queue, WORDS), context + 8 * base.TIMESPEC
    while load_acquire(queue + 8 * HALT) == 0:
        semaphore_drain(q[SEMAPHORE])  # a post from here on ends the wait below
        now = now_monotonic(timespec)
        end, more = base.begin_take(c, now, np.int64(0)), True
        while more and load_acquire(queue + 8 * HALT) == 0 and q[WRITTEN] - load_acquire(queue + 8 * READ) < DEPTH:
            written, now = q[WRITTEN], now_monotonic(timespec)
            more = _convert_next(context, now, np.int64(0), end)
            wakes = load_acquire(queue + 8 * WAKES)
            if q[WRITTEN] > written and wakes != 0:
                semaphore_post(wakes)
        wait = CHUNK_NS if not more else np.int64(500_000)  # the queue is full, or there were many messages
        semaphore_wait(q[SEMAPHORE], now_monotonic(timespec) + wait, timespec)
    return np.int64(0)


@register_jitable
def _due(q, entry, first, now_ns):
    """Return how many events of a frame are due at ``now_ns``, including those already copied to the input.

    q : int64 words of the queue
    entry : int64 words of the frame's entry in the queue
    first : index of the frame's first event in the queue
    """
    t, k = i64(q[KEPT_T] + 8 * first, entry[KEPT]), q[POSITION]
    while k < entry[KEPT] and t[k] + entry[SHIFT] <= now_ns:
        k += 1
    return k


def take_frames(context, now_ns, mode):
    """Copy the events that are due from the queue of a `FramesPort` to the input.

    Return the number of frames from which events were copied, or the number of messages taken if that is larger.
    """
    c = i64(context, base.WORDS)
    queue = c[QUEUE]
    q, slot = i64(queue, WORDS), i64(c[base.SLOT], SLOT_WORDS)
    clear_marks(slot)
    taken = np.int64(0)
    if q[APART] == 0:
        before, end = c[base.TAKEN], base.begin_take(c, now_ns, mode)
        while q[WRITTEN] - q[READ] < DEPTH and _convert_next(context, now_ns, mode, end):
            pass
        taken = c[base.TAKEN] - before
    while q[READ] < load_acquire(queue + 8 * WRITTEN):
        k = q[READ] % DEPTH
        entry, first = i64(q[ENTRIES] + 8 * ENTRY * k, ENTRY), q[ROOM] * k
        due = _due(q, entry, first, now_ns) if q[SPREAD] != 0 and mode != LOCKSTEP else entry[KEPT]
        wanted = due - q[POSITION]
        slot[STAMP], slot[ARRIVAL] = entry[FRAME_STAMP], entry[KNOWN]
        if wanted == 0 and due < entry[KEPT]:
            break
        n = min(wanted, q[ROOM] - slot[COUNT])
        copy_events(queue + 8 * T, slot[COUNT], queue + 8 * KEPT_T, first + q[POSITION], n)
        slot[COUNT] += n
        slot[DROPPED] += wanted - n
        slot[FRESH] += 1
        q[POSITION] = due
        if due < entry[KEPT]:
            break
        slot[DROPPED] += entry[ALL] - entry[KEPT]
        q[POSITION] = 0
        store_release(queue + 8 * READ, q[READ] + 1)
    q[CUT] += slot[DROPPED]
    return max(taken, slot[FRESH])


class FramesPort(SubscriptionPort):
    """A port for an events input whose source is frames (`sensor_msgs/msg/Image`).

    subscription, name : as in `NumericInput`
    bound, fact : the controller's Program with its memory, and the facts about the input
    apart : whether the port converts the frames in a thread, which runs from the first ``__enter__`` to the last
        ``__exit__``
    spread : whether the events of a frame are spread over the time between two frames

    A frame without events also counts as a fresh sample. Counters: those of `NumericInput` and of `FrameCamera`, and
    dropped (events beyond the capacity). ``conversion_p50_us`` and ``conversion_p99_us`` are the median and the 99th
    percentile of the time that a conversion takes [us].
    """

    problems: Mapping[str, str] = {
        **SubscriptionPort.problems, "empty": "frames without pixels", "dropped": "events dropped beyond the capacity",
        "lost": "events lost in the simulated camera", "restarts": "pauses between frames, or frames from the past",
        "repeated": "frames with the stamp of the last one",
    }  # fmt: skip

    def __init__(
        self, subscription: Any, bound: Bound, fact: InputFacts, *, apart: bool, spread: bool = False,
        max_bytes: int = 32 << 20,
    ) -> None:  # fmt: skip
        check_type(subscription, IMAGE_TYPE)
        slot, columns, capacity = addresses_of(bound, fact.name)
        super().__init__(subscription, take_frames, 2, slot, max_bytes, fact.name)
        self._size, self._camera, self._durations = fact.size, FrameCamera(fact.size, fact.camera), histogram.new()
        self._columns = [np.zeros(DEPTH * capacity, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]
        self._entries, self._semaphore = np.zeros((DEPTH, ENTRY), np.int64), np.zeros(8, np.int64)
        ctypes.CDLL(None).sem_init(ctypes.c_void_p(self._semaphore.ctypes.data), 0, 0)
        self._queue = np.zeros(WORDS, np.int64)
        self._queue[: DURATIONS + 1] = (
            self._camera.context, *fact.size, *columns, *(a.ctypes.data for a in self._columns), capacity,
            self._entries.ctypes.data, apart, spread, self._semaphore.ctypes.data, 0, self._durations.ctypes.data,
        )  # fmt: skip
        self._block[QUEUE] = self._queue.ctypes.data
        self._convert = compile_function(convert_frames, "int64(int64)")
        self._thread: threading.Thread | None = None
        self._priority = os.sched_getparam(0).sched_priority - 1  # see `process.dds_threads`
        self._entered, self._lock = 0, threading.Lock()

    @property
    def _apart(self) -> bool:
        return bool(self._queue[APART])

    def _at(self, word: int) -> int:
        return int(self._block[QUEUE]) + 8 * word

    def __enter__(self) -> None:
        super().__enter__()
        with self._lock:
            self._entered += 1
            if not self._apart or self._entered > 1:
                return
            write_word(self._at(HALT), 0)
            self._thread = threading.Thread(target=self._run, name=f"frames of {self.name}", daemon=True)
            self._thread.start()
            new_message_wakes(int(self._block[base.HANDLE]), int(self._semaphore.ctypes.data))

    def _run(self) -> None:
        set_fifo(self._priority)
        self._convert(self.context)

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._entered -= 1
            if self._thread is not None and self._entered == 0:
                new_message_wakes(int(self._block[base.HANDLE]), 0)
                write_word(self._at(HALT), 1)
                ctypes.CDLL(None).sem_post(ctypes.c_void_p(self._semaphore.ctypes.data))
                self._thread.join()
                self._thread = None
        super().__exit__(*exc)

    def attach_semaphore(self, address: int) -> None:
        """Post the ``sem_t`` at ``address`` whenever a frame has been converted or, in lockstep, has arrived."""
        if self._apart:
            write_word(self._at(WAKES), address)
        else:
            super().attach_semaphore(address)

    def detach(self) -> None:
        write_word(self._at(WAKES), 0)
        super().detach()

    def clear(self) -> None:
        """Forget all earlier frames, so that the simulated camera adapts to the next frame.

        The counters of messages are not changed. Do not call this while a loop runs.
        """
        super().clear()
        self._camera.reset()
        self._queue[[WRITTEN, READ, POSITION]] = 0
        self._queue[SPARE : SPARE + SLOT_WORDS] = 0

    def counters(self) -> dict[str, Any]:
        found = super().counters() | self._camera.counters() | {"dropped": int(self._queue[CUT])}
        for q, value in zip((50, 99), percentile(self._durations, (50.0, 99.0))):  # type: ignore[arg-type]
            if not math.isnan(value):
                found[f"conversion_p{q}_us"] = round(value / 1000)
        return found

    def why_malformed(self) -> str:
        about = self._reasons[ABOUT:COUNTS].tolist()
        return explain(int(self._reasons[CODE]), about, encodings=list(ENCODINGS))

    def fault(self) -> str:
        width, height = self._block[[base.WIDTH, base.HEIGHT]].tolist()
        if not width or not height or (width, height) == tuple(self._size or ()):
            return ""
        return f"frames are {width}x{height}, the input's size is {self.frame}: set size: [{width}, {height}]"
