"""Port for the packets of event cameras: the loop's thread takes EventPackets as bytes and decodes them in place.

Header and events are read in the receive buffer, without Python and without a copy. A tick may not finish a packet,
because some of its events are not due yet or because the tick's time budget is spent. The packet then stays in the
buffer, and the next packet waits in the subscription's queue.

The ``pace`` of the events is based on the time at which the middleware received a packet. The time that the packet then
waited in the queue does not count as transport delay, because pace "sensor" would otherwise never catch up with a
sensor whose clock runs fast. The age of a packet counts from its publication, as for any message (`base`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from numba.extending import register_jitable

from ...engine.memory import i64
from ...engine.slots import SLOT_WORDS
from ...events import packets as header
from ...realtime.clock import now_monotonic, now_realtime
from ...realtime.histogram import percentile
from ...realtime.ports.packet_receiver import PacketReceiver, begin_tick, decode_due, finish_tick, offer
from . import base
from .base import SubscriptionPort, check_type

__all__ = ["PacketInput", "take_packets"]

RECEIVER = base.OWN  # word of the context: address of the receiver
TIMESPEC = header.PACKET_WORDS  # two words of the scratch memory, after those of the header
LONGEST_WAIT = 1_000_000_000  # ns: a longer wait is not plausible and means that the clock was set


@register_jitable
def _arrival(c, now_ns):
    """Return the time at which the middleware received the message just taken [ns, CLOCK_MONOTONIC].

    If this time is not known, return ``now_ns``.
    """
    timespec = c[base.SCRATCH] + 8 * TIMESPEC
    waited = now_realtime(timespec) - i64(c[base.INFO], base.RECEIVED_AT + 1)[base.RECEIVED_AT]
    return now_monotonic(timespec) - waited if 0 <= waited < LONGEST_WAIT else now_ns


def take_packets(context, now_ns, mode):
    """Take the events of a `PacketInput` that are due, from as many packets as needed.

    Return the number of packets taken, or the result of `finish_tick` if that is larger.
    """
    c = i64(context, base.WORDS)
    receiver, slot, head = c[RECEIVER], i64(c[base.SLOT], SLOT_WORDS), i64(c[base.SCRATCH], header.PACKET_WORDS)
    begin_tick(receiver, now_ns, mode)
    before, end = c[base.TAKEN], base.begin_take(c, now_ns, mode)
    while decode_due(receiver) != 0:
        address, length = base.next_message(c, end)
        if length == base.NOTHING:
            break
        code = header.parse_packet(address, length, c[base.SCRATCH])
        if code != 0:
            base.refuse(c, code, 0, 0)
            continue
        known = base.available_since(context, slot, head[header.STAMP], now_ns, mode)
        if known == base.REJECTED:
            continue
        c[base.WIDTH], c[base.HEIGHT] = head[header.WIDTH], head[header.HEIGHT]
        offer(
            receiver, address + head[header.BEGIN], head[header.SIZE], head[header.ENCODING], head[header.BIG_ENDIAN],
            head[header.TIME_BASE], c[base.WIDTH], c[base.HEIGHT], head[header.SEQ], head[header.STAMP],
            _arrival(c, now_ns), known,
        )  # fmt: skip
    return max(c[base.TAKEN] - before, finish_tick(receiver))


class PacketInput(SubscriptionPort):
    """A port for an events input: it reads the events of a topic's EventPackets, or EventArrays of event_array_msgs.

    subscription, max_bytes, name : as in `NumericInput`
    receiver : decodes the packets into the input
    size : (width, height) of the input [pixel], for reports; None: not known

    A packet without events also counts as a fresh sample: nothing moved. Counters: those of `NumericInput` and of
    `PacketReceiver`. ``latency_p50_us`` and ``latency_p99_us`` are the median and the 99th percentile of the time from
    a packet's stamp until all its events are decoded [us].
    """

    _counts: Mapping[str, int] = {k: v for k, v in SubscriptionPort._counts.items() if k != "empty"}
    problems: Mapping[str, str] = {
        **SubscriptionPort.problems, "gaps": "packets lost on the way", "reordered": "packets out of order",
        "jumps": "jumps of the sensor's clock", "unknown_encoding": "packets in an unknown encoding",
        "big_endian": "packets in big-endian order", "unknown_words": "unknown words in packets",
        "partial_bytes": "bytes after the last whole word", "out_of_frame": "events out of the frame",
        "dropped": "events dropped beyond the capacity", "late": "late events",
        "budget_exhausted": "ticks without time for all events",
    }  # fmt: skip

    def __init__(
        self, subscription: Any, receiver: PacketReceiver, size: Sequence[int] | None = None, *,
        max_bytes: int = 4 << 20, name: str = "",
    ) -> None:  # fmt: skip
        check_type(subscription, *header.PACKET_TYPES)
        super().__init__(subscription, take_packets, TIMESPEC + 2, receiver.slot, max_bytes, name)
        self._receiver, self._size = receiver, size
        self._block[RECEIVER] = receiver.context

    def clear(self) -> None:
        """Discard the current packet, and reset the decoder, the clocks and their counters; not while a loop runs."""
        super().clear()
        self._receiver.clear()

    def counters(self) -> dict[str, Any]:
        found: dict[str, Any] = {**super().counters(), **self._receiver.counters()}
        for q, value in zip((50, 99), percentile(self._receiver.latency, (50.0, 99.0))):  # type: ignore[arg-type]
            if not math.isnan(value):
                found[f"latency_p{q}_us"] = round(value / 1000)
        return found
