"""Packets from the same process, for tests and benchmarks: an input port over a bounded ring.

Any thread pushes, the loop's thread takes; neither waits for the other. A packet's bytes are copied once, into memory
reserved at the start; a full ring refuses.
"""

from __future__ import annotations

import ctypes
import threading
import time

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.atomics import load_acquire, read_word, store_release
from snn_control.engine.compile import compile_function
from snn_control.engine.memory import i64, u8
from snn_control.errors import DescriptionError, InputError
from snn_control.events.codecs import ENCODINGS
from snn_control.realtime.port import LOCKSTEP, CompiledPort
from snn_control.realtime.ports.packet_receiver import HAND, PacketReceiver, begin_tick, decode_due, finish_tick, offer
from snn_control.realtime.ports.packet_receiver import WORDS as RECEIVER_WORDS

__all__ = ["PacketQueue", "take_packets"]

MOST_PACKETS = 64  # taken in a tick at most: what is left waits

# Words of the context. Those from HEAD on are the producer's. Positions only grow: they are taken modulo the ring.
RECEIVER, ROWS, N_ROWS, RING, RING_BYTES, TAIL, TAKEN, HEAD, FILLED, REFUSED, WORDS = range(11)
# Words of a packet's row; FROM is the position of the ring before it
FROM, BEGIN, SIZE, ENCODING, TIME_BASE, SEQ, STAMP, ARRIVAL, ROW_WORDS = range(9)
ALIGNED = 8


def take_packets(context, now, mode):
    """``take`` of a `PacketQueue`."""
    o = i64(context, WORDS)
    receiver = o[RECEIVER]
    begin_tick(receiver, now, mode)
    most = 1 if mode == LOCKSTEP else MOST_PACKETS
    taken = 0
    while True:
        ready = decode_due(receiver)
        # the bytes before the packet in hand are the producer's again
        store_release(context + 8 * TAIL, o[TAKEN] - i64(receiver, RECEIVER_WORDS)[HAND])
        if ready == 0 or taken >= most or load_acquire(context + 8 * HEAD) == o[TAKEN]:
            break
        row = _row(o, o[TAKEN])
        o[TAKEN] += 1
        taken += 1
        offer(
            receiver, o[RING] + row[BEGIN], row[SIZE], row[ENCODING], 0, row[TIME_BASE], 0, 0, row[SEQ], row[STAMP],
            row[ARRIVAL], row[ARRIVAL],
        )  # fmt: skip
    return max(finish_tick(receiver), taken)


@register_jitable
def _row(o, packet):
    return i64(o[ROWS] + 8 * ROW_WORDS * (packet % o[N_ROWS]), ROW_WORDS)


def push_packet(context, address, size, encoding, time_base, seq, stamp, arrival):
    """Copy a packet into the ring: 1, or 0 where it is full."""
    o = i64(context, WORDS)
    head, tail = o[HEAD], load_acquire(context + 8 * TAIL)
    length = (size + ALIGNED - 1) // ALIGNED * ALIGNED
    at, begin = o[FILLED], o[FILLED] % o[RING_BYTES]
    if begin + length > o[RING_BYTES]:  # in one piece: from the ring's beginning on
        at, begin = at + o[RING_BYTES] - begin, np.int64(0)
    oldest = _row(o, tail)[FROM] if tail < head else at
    if head - tail == o[N_ROWS] or at + length - oldest > o[RING_BYTES]:
        o[REFUSED] += 1
        return 0
    source, to = u8(address, size), u8(o[RING] + begin, size)
    for k in range(size):
        to[k] = source[k]
    row = _row(o, head)
    row[FROM], row[BEGIN], row[SIZE], row[ENCODING] = o[FILLED], begin, size, encoding
    row[TIME_BASE], row[SEQ], row[STAMP], row[ARRIVAL] = time_base, seq, stamp, arrival
    o[FILLED] = at + length
    store_release(context + 8 * HEAD, head + 1)
    return 1


class PacketQueue(CompiledPort):
    """An input port that is fed packets by `push`.

    Parameters
    ----------
    receiver : of the input, see `PacketReceiver.of`
    name : for reports
    packets : how many may wait at most
    ring_bytes : memory for those that wait

    Any thread may push; pushes are serialized.
    """

    def __init__(
        self, receiver: PacketReceiver, name: str = "events", packets: int = 256, ring_bytes: int = 8 << 20
    ) -> None:
        for key, value in (("packets", packets), ("ring_bytes", ring_bytes // ALIGNED)):
            if value < 1:
                raise DescriptionError(f"{name}.{key}", value, "must be at least 1 (8 bytes)")
        super().__init__(name, take_packets, np.zeros(WORDS, np.int64))
        self.receiver, self.slot = receiver, receiver.slot
        self._ring = np.empty(ring_bytes // ALIGNED, np.int64)
        self._rows = np.empty((packets, ROW_WORDS), np.int64)
        for array in (self._ring, self._rows):
            array[:] = 0  # its pages are there before the loop runs
        self._block[: RING_BYTES + 1] = (
            receiver.context, self._rows.ctypes.data, packets, self._ring.ctypes.data, self._ring.nbytes,
        )  # fmt: skip
        self._push = compile_function(push_packet, f"int64({','.join(['int64'] * 8)})")
        self._semaphore, self._lock = 0, threading.Lock()
        self._seq = 0

    def push(
        self,
        packet: bytes | bytearray | memoryview | np.ndarray,
        encoding: str,
        seq: int | None = None,
        time_base: int = 0,
        stamp: int = -1,
        arrival: int | None = None,
    ) -> bool:
        """Copy a packet into the ring; False where it is full: the packet is refused and counted.

        packet : encoded events
        encoding : as in EventPacket.encoding
        seq : number of the packet; None: one more than the last
        time_base : ns, of encodings whose times are relative to it
        stamp : ns, CLOCK_REALTIME when the packet was made; -1: not known
        arrival : ns, CLOCK_MONOTONIC when it arrived; None: now

        Raises InputError for an encoding that is not known, numbers beyond int64, and a packet longer than the ring.
        """
        if encoding not in ENCODINGS:
            raise InputError(f"{self.name}.push: encoding {encoding!r}: must be one of {', '.join(ENCODINGS)}")
        data = np.frombuffer(packet, np.uint8)
        if data.size > self._ring.nbytes:
            raise InputError(f"{self.name}.push: {data.size} bytes: the ring has {self._ring.nbytes}: raise ring_bytes")
        number, arrival = ENCODINGS.index(encoding), time.monotonic_ns() if arrival is None else arrival
        with self._lock:
            seq = self._seq if seq is None else seq
            if not all(-(1 << 63) <= one < 1 << 63 for one in (seq, time_base, stamp, arrival)):
                rule = "seq, time_base, stamp and arrival must be within int64"
                raise InputError(f"{self.name}.push: {seq}, {time_base}, {stamp}, {arrival}: {rule}")
            self._seq = seq + 1
            taken = self._push(self.context, data.ctypes.data, data.size, number, time_base, seq, stamp, arrival)
            if taken and self._semaphore:
                ctypes.CDLL(None).sem_post(ctypes.c_void_p(self._semaphore))
        return bool(taken)

    def attach_semaphore(self, address: int) -> None:
        """Post the ``sem_t`` at ``address`` with every packet: that of a loop in lockstep, where a packet is a tick."""
        self._semaphore = address

    def detach(self) -> None:
        """End `attach_semaphore`; no thread posts after this returns."""
        with self._lock:
            self._semaphore = 0

    @property
    def waiting(self) -> int:
        """Number of packets in the ring that are not consumed yet."""
        return read_word(self.context + 8 * HEAD) - read_word(self.context + 8 * TAIL)

    def clear(self) -> None:
        """Forget all packets and counters. Not while a loop runs or a thread pushes."""
        with self._lock:
            self._block[TAIL:] = 0
            self._seq = 0
        self.receiver.clear()

    def counters(self) -> dict[str, int]:
        """``refused`` (packets that found the ring full), ``waiting`` packets, and those of the `PacketReceiver`."""
        return {"refused": int(self._block[REFUSED]), "waiting": self.waiting, **self.receiver.counters()}
