"""The compiled receiver of event packets: it decodes packets, assigns their events to ticks, limits and counts them.

The receiver runs in the loop's thread. A port gets packets as bytes, for example from DDS or from a ring buffer, and
makes these calls in each tick::

    begin_tick(context, now, mode)
    while decode_due(context) != 0 and <a packet waits, and the port has not reached its limit of packets>:
        offer(context, address, size, ...)      # the bytes must stay until `decode_due` returns 1
    fresh = finish_tick(context)

The receiver decodes a packet as long as the packet's events are due and the time budget is not used up. It decodes the
rest of the packet in the next tick. Sensor time (column t [ns]) and host time (arrival and stamp in the input's header)
are never mixed. docs/howto/events_realtime.md defines which events belong to a tick, how the sensor's clock is mapped
to the host's clock, late events, jumps of time, and the treatment of events beyond the capacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba.extending import register_jitable

from ...engine.bound import Bound
from ...engine.memory import call4, i64
from ...engine.slots import ARRIVAL, COUNT, DROPPED, FRESH, SLOT_WORDS, STAMP, clear_marks
from ...errors import DescriptionError
from ...events import state as words
from ...events.codecs import ENCODINGS, codec
from .. import histogram
from ..clock import now_monotonic
from ..histogram import record_since
from ..port import LOCKSTEP, REALTIME
from .columns import addresses_of, copy_events

__all__ = ["PACES", "Pacing", "PacketReceiver", "begin_tick", "decode_due", "finish_tick", "offer"]

PACES = ("arrival", "sensor")
SENSOR = 1

CHUNK_EVENTS, CHUNK_BYTES = 4096, 16384  # limits of one call of a codec, after which the budget is checked
MOST_A_WORD = 64  # largest number of events in a word of any encoding
AHEAD_NS = 100_000_000  # longest wait for a sensor time
BACK_NS, FAR_NS = 100_000_000, 1_000_000_000  # steps of the sensor's clock, back and ahead, that count as jumps
DRIFT = 10_000  # the mapping relaxes by 1 ns in this many

# Words of the context. Settings, written once:
(
    SLOT, T, X, Y, P, CAPACITY, SCRATCH_T, SCRATCH_X, SCRATCH_Y, SCRATCH_P, STATE, PEEK_STATE, CODECS, N_CODECS,
    WIDTH, HEIGHT, PACE, LATE, BUDGET, LATENCY,
) = range(20)  # fmt: skip
COLUMNS, TIMESPEC = 20, 25  # arguments of a codec, five words; scratch of a clock, two words
# the tick:
NOW, DEADLINE, WHOLE, SPENT, TICK_COUNT, TICK_DROPPED, TICK_FRESH, COUNTED = range(32, 40)
# the current packet and its next event:
HAND, DATA, LEFT, ENCODING, PACKET_STAMP, PACKET_ARRIVAL, FIRST, PEEKED, FOUND, NEXT_T, UNTIL = range(40, 51)
# the clocks:
KNOWN, NEWEST, OFFSET, LAST_ARRIVAL, SEQ, HAS_SEQ = range(51, 57)
# counters:
(
    PACKETS, GAPS, REORDERED, JUMPS, UNKNOWN_ENCODING, BIG_ENDIAN, ENCODING_CHANGES, GEOMETRY, GIVEN, CUT, LATE_EVENTS,
    EXHAUSTED, UNRELATED,
) = range(57, 70)  # fmt: skip
WORDS = 70
CODEC_WORDS = 2  # a row of the codecs: address of decode_at, factor to ns

#: name of a counter -> its word
COUNTED_BY_RECEIVER = {
    "packets": PACKETS, "gaps": GAPS, "reordered": REORDERED, "jumps": JUMPS, "unknown_encoding": UNKNOWN_ENCODING,
    "big_endian": BIG_ENDIAN, "encoding_changes": ENCODING_CHANGES, "geometry": GEOMETRY, "events": GIVEN,
    "dropped": CUT, "late": LATE_EVENTS, "budget_exhausted": EXHAUSTED, "stamps_unrelated": UNRELATED,
    "newest_t": NEWEST,
}  # fmt: skip


@register_jitable
def begin_tick(context, now, mode):
    """Begin a tick at the time ``now`` [ns] of the loop's clock. ``mode`` is one of the modes in `port`."""
    o = i64(context, WORDS)
    clear_marks(i64(o[SLOT], SLOT_WORDS))
    o[NOW], o[WHOLE] = now, mode == LOCKSTEP
    o[SPENT] = o[TICK_COUNT] = o[TICK_DROPPED] = o[TICK_FRESH] = o[COUNTED] = 0
    o[DEADLINE] = words.NEVER
    if o[BUDGET] > 0 and mode == REALTIME:
        o[DEADLINE] = now_monotonic(context + 8 * TIMESPEC) + o[BUDGET]


@register_jitable
def offer(context, address, size, encoding, big_endian, time_base, width, height, seq, stamp, arrival, known):
    """Pass the next packet to the receiver. Only call this function after `decode_due` has returned 1.

    address : address of the bytes of the packet's events, which must be a multiple of 4
    size : number of these bytes
    encoding : number in `snn_control.events.codecs.ENCODINGS`; -1: unknown
    width, height : size of the sensor that the message states; 0: the message states none
    stamp : stamp of the message's header [ns]; -1: there is none
    arrival : time of arrival that decides when events are due [ns, CLOCK_MONOTONIC]
    known : time of publication [ns, CLOCK_MONOTONIC], from which the age is measured
    """
    o = i64(context, WORDS)
    o[PACKETS] += 1
    _count_sequence(o, seq)
    if width > 0 and height > 0 and o[WIDTH] > 0 and (width != o[WIDTH] or height != o[HEIGHT]):
        o[GEOMETRY] += 1
    if encoding < 0 or encoding >= o[N_CODECS]:
        o[UNKNOWN_ENCODING] += 1
        return
    if big_endian != 0:
        o[BIG_ENDIAN] += 1
        return
    if encoding != o[ENCODING]:
        _use_codec(o, encoding)
    state = i64(o[STATE], words.WORDS)
    state[words.TIME_BASE], state[words.FRESH] = time_base, 1
    o[HAND], o[DATA], o[LEFT], o[FIRST], o[PEEKED] = 1, address, size, 1, 0
    o[PACKET_STAMP], o[PACKET_ARRIVAL] = stamp, arrival
    o[TICK_FRESH] += 1
    o[COUNTED] = 1
    slot = i64(o[SLOT], SLOT_WORDS)
    slot[STAMP], slot[ARRIVAL] = stamp, known


@register_jitable
def decode_due(context):
    """Decode the events of the current packet that are due in this tick.

    Return 1 if the next packet may be offered, 0 if nothing more is decoded in this tick.
    """
    o = i64(context, WORDS)
    while o[HAND] != 0:
        if o[LEFT] <= 0:  # the bytes are no longer needed, and the latency is known
            o[HAND] = 0
            if o[PACKET_STAMP] >= 0 and not record_since(o[LATENCY], o[PACKET_STAMP], context + 8 * TIMESPEC):
                o[UNRELATED] += 1
            break
        if o[SPENT] != 0:
            return 0
        o[UNTIL] = words.NEVER
        if o[PACE] == SENSOR and o[WHOLE] == 0 and not _is_due(context, o):
            return 0
        _decode_chunk(context, o)
        if o[DEADLINE] != words.NEVER and now_monotonic(context + 8 * TIMESPEC) >= o[DEADLINE]:
            o[SPENT] = 1
    return 1 - o[SPENT]


@register_jitable
def finish_tick(context):
    """Write the number and the age of the tick's events into the input's header.

    Return the number of packets that contributed events. The ``take`` function of a port must return this number or the
    number of packets that the port took, whichever is larger.
    """
    o = i64(context, WORDS)
    slot = i64(o[SLOT], SLOT_WORDS)
    slot[COUNT], slot[DROPPED], slot[FRESH] = o[TICK_COUNT], o[TICK_DROPPED], o[TICK_FRESH]
    o[GIVEN] += o[TICK_COUNT]
    o[CUT] += o[TICK_DROPPED]
    o[EXHAUSTED] += o[SPENT]
    return o[TICK_FRESH]


@register_jitable
def _count_sequence(o, seq):
    if o[HAS_SEQ] != 0:
        if seq > o[SEQ]:
            o[GAPS] += seq - o[SEQ] - 1
        else:
            o[REORDERED] += 1
    o[SEQ], o[HAS_SEQ] = seq, 1


@register_jitable
def _use_codec(o, encoding):
    """Switch to another encoding: reset the decoder, but keep the decoder's counters."""
    state = i64(o[STATE], words.WORDS)
    state[words.SCALE] = i64(o[CODECS], CODEC_WORDS * o[N_CODECS])[CODEC_WORDS * encoding + 1]
    for k in range(words.OWN, words.WORDS):
        state[k] = 0
    o[ENCODING_CHANGES] += o[ENCODING] >= 0
    o[ENCODING] = encoding


# ---------------------------------------------------------------- clocks


@register_jitable
def _first_event(o, t):
    """Count jumps and update the offset between the clocks. ``t`` is the sensor time of a packet's first event [ns]."""
    o[FIRST] = 0
    arrival = o[PACKET_ARRIVAL]
    offset, passed = arrival - t, arrival - o[LAST_ARRIVAL]
    if o[KNOWN] == 0:
        o[NEWEST], o[OFFSET] = t, offset
    elif t < o[NEWEST] - max(BACK_NS, o[LATE]) or t - o[NEWEST] - passed > FAR_NS:
        o[JUMPS] += 1
        o[NEWEST], o[OFFSET] = t, offset
    else:
        o[OFFSET] = min(o[OFFSET] + max(passed, 0) // DRIFT, offset)
    o[KNOWN], o[LAST_ARRIVAL] = 1, arrival


@register_jitable
def _is_due(context, o):
    """Return whether the next event belongs to this tick. If so, set UNTIL to the first sensor time after this tick."""
    if o[PEEKED] == 0:
        _peek(context, o)
    if o[FOUND] == 0:
        return True
    ahead = o[NEXT_T] + o[OFFSET] - o[NOW]
    if ahead > AHEAD_NS:
        o[JUMPS] += 1
        o[OFFSET], o[KNOWN] = o[NOW] - o[NEXT_T], 0  # for the rest of this packet
    elif ahead > 0:
        return False
    o[UNTIL] = o[NOW] - o[OFFSET] + 1
    return True


@register_jitable
def _peek(context, o):
    """Find the sensor time of the next event by decoding this event with a temporary copy of the decoder."""
    state, copy = i64(o[STATE], words.WORDS), i64(o[PEEK_STATE], words.WORDS)
    for k in range(words.WORDS):
        copy[k] = state[k]
    n = _call_codec(context, o, o[PEEK_STATE], True, np.int64(MOST_A_WORD), np.int64(words.NEVER))
    o[PEEKED], o[FOUND] = 1, n > 0
    if n > 0:
        o[NEXT_T] = i64(o[SCRATCH_T], 1)[0]
        if o[FIRST] != 0:
            _first_event(o, o[NEXT_T])


@register_jitable
def _watch_time(o, t):
    """Update the newest sensor time. Count late events, older than an event before them by more than `Pacing.late`.

    t : sensor times of the events [ns]
    """
    newest, late = o[NEWEST], o[LATE]
    low, high = t[0], t[0]
    for k in range(t.size):
        low, high = min(low, t[k]), max(high, t[k])
    if low < max(newest, high) - late:
        for k in range(t.size):
            o[LATE_EVENTS] += t[k] < newest - late
            newest = max(newest, t[k])
    o[NEWEST] = max(newest, high)


@register_jitable
def _call_codec(context, o, state, aside, room, until):
    """Decode the next bytes of a packet, up to the sensor time ``until``. Return the number of events.

    The events are written after the events of the tick, or into the scratch columns if ``aside`` is true.

    state : state of the decoder
    room : maximum number of events
    """
    i64(state, words.WORDS)[words.UNTIL] = until
    c, count = i64(context + 8 * COLUMNS, 5), o[TICK_COUNT]
    if aside:
        c[0], c[1], c[2], c[3] = o[SCRATCH_T], o[SCRATCH_X], o[SCRATCH_Y], o[SCRATCH_P]
    else:
        c[0], c[1], c[2], c[3] = o[T] + 8 * count, o[X] + 2 * count, o[Y] + 2 * count, o[P] + count
    c[4] = room
    decode = i64(o[CODECS], CODEC_WORDS * o[N_CODECS])[CODEC_WORDS * o[ENCODING]]
    return call4(decode, state, o[DATA], min(o[LEFT], np.int64(CHUNK_BYTES)), context + 8 * COLUMNS)


@register_jitable
def _decode_chunk(context, o):
    """Decode a part of the current packet, up to the sensor time UNTIL.

    Events beyond the capacity are counted and dropped.
    """
    state = i64(o[STATE], words.WORDS)
    free = o[CAPACITY] - o[TICK_COUNT]
    aside = free < MOST_A_WORD  # one word may hold more events than the capacity allows
    room = np.int64(CHUNK_EVENTS) if aside else min(free, np.int64(CHUNK_EVENTS))
    n = _call_codec(context, o, o[STATE], aside, room, o[UNTIL])
    nothing = n == 0 and state[words.CONSUMED] == 0
    if nothing and o[UNTIL] != words.NEVER:  # no event before UNTIL, although one was due
        n = _call_codec(context, o, o[STATE], aside, np.int64(MOST_A_WORD), np.int64(words.NEVER))
    used = state[words.CONSUMED]
    if n == 0 and used == 0:  # fewer bytes than a word
        state[words.PARTIAL] += o[LEFT]
        used = o[LEFT]
    o[DATA] += used
    o[LEFT] -= used
    o[PEEKED] = 0
    if n > 0:
        _keep(context, o, n, aside, free)


@register_jitable
def _keep(context, o, n, aside, free):
    t = i64(i64(context + 8 * COLUMNS, 1)[0], n)
    if o[FIRST] != 0:
        _first_event(o, t[0])
    _watch_time(o, t)
    if o[COUNTED] == 0:  # the packet was offered in an earlier tick
        o[TICK_FRESH] += 1
        o[COUNTED] = 1
    if not aside:
        o[TICK_COUNT] += n
        return
    kept = min(n, free)
    copy_events(context + 8 * T, o[TICK_COUNT], context + 8 * SCRATCH_T, np.int64(0), kept)
    o[TICK_COUNT] += kept
    o[TICK_DROPPED] += n - kept


@dataclass(frozen=True)
class Pacing:
    """Settings that decide in which tick the network gets an event; see docs/howto/events_realtime.md.

    pace : "arrival": an event is due when its packet arrives; "sensor": an event is due when its sensor time has come
    late : an event counts as late if it is older than the newest event by more than this time [s]
    budget : fraction of the period that decoding may use in a tick (only in the mode realtime); 0: no limit
    """

    pace: str = "arrival"
    late: float = 0.01
    budget: float = 0.4

    def __post_init__(self) -> None:
        if self.pace not in PACES:
            raise DescriptionError("pace", self.pace, f"must be one of {', '.join(PACES)}")
        for key, most in (("late", 3600.0), ("budget", 1.0)):
            value = getattr(self, key)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
                raise DescriptionError(key, value, f"must be from 0 to {most:g}")


class PacketReceiver:
    """A packet receiver for one events input: its memory, settings and counters.

    The attribute ``context`` is the first argument of the compiled functions of this module.

    slot : address of the input's header (`snn_control.engine.slots`)
    columns : addresses of the input's columns t int64, x uint16, y uint16, p uint8, with room for ``capacity`` events
    capacity : maximum number of events in a tick
    size : (width, height) of the input [pixel]; events outside this frame are dropped; (0, 0): unknown
    period_ns : period of a tick [ns]. The budget is a fraction of this period
    """

    def __init__(
        self, slot: int, columns: Sequence[int], capacity: int, size: Sequence[int] = (0, 0),
        pacing: Pacing | None = None, period_ns: int = 0,
    ) -> None:  # fmt: skip
        if capacity < 1:
            raise DescriptionError("capacity", capacity, "must be at least 1 event")
        self.pacing = pacing or Pacing()
        width, height = size
        self.latency = histogram.new()
        self._scratch = [np.zeros(CHUNK_EVENTS, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]
        self._state, self._peek_state = words.new_state(1, width, height), words.new_state()
        codecs = [codec(name) for name in ENCODINGS]
        self._codecs = np.array([(c.address(), {"us": 1000, "ns": 1}[c.unit]) for c in codecs], np.int64)
        self._block = np.zeros(WORDS, np.int64)
        self._block[: LATENCY + 1] = (
            slot, *columns, capacity, *(a.ctypes.data for a in self._scratch), self._state.ctypes.data,
            self._peek_state.ctypes.data, self._codecs.ctypes.data, len(codecs), width, height,
            PACES.index(self.pacing.pace), round(self.pacing.late * 1e9), round(self.pacing.budget * period_ns),
            self.latency.ctypes.data,
        )  # fmt: skip
        self._block[ENCODING] = -1
        self.context = int(self._block.ctypes.data)
        self.slot = slot

    @classmethod
    def of(cls, bound: Bound, name: str, pacing: Pacing | None = None) -> PacketReceiver:
        """Return the receiver for the events input ``name`` of a controller's `Bound`."""
        found = {i.name: i for i in bound.program.facts.inputs if i.kind == "events"}
        if name not in found:
            raise DescriptionError("input", name, f"must be an events input: {', '.join(found) or 'there is none'}")
        slot, addresses, capacity = addresses_of(bound, name)
        return cls(slot, addresses, capacity, found[name].size, pacing, bound.program.facts.period_ns)

    def clear(self) -> None:
        """Reset decoder, clocks, current packet and counters. Do not call this while a loop runs."""
        self._block[NOW:] = 0
        self._block[ENCODING] = -1
        self._state[:] = words.new_state(1, int(self._block[WIDTH]), int(self._block[HEIGHT]))
        self.latency[:] = 0

    def counters(self) -> dict[str, int]:
        """Return the counters of receiver and decoder; see docs/howto/events_realtime.md ("What is counted")."""
        block, state = self._block.copy(), self._state.copy()
        own = {name: int(block[word]) for name, word in COUNTED_BY_RECEIVER.items()}
        return own | {name: int(state[word]) for name, word in words.COUNTERS.items()}
