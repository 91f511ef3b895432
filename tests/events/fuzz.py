"""Wrong data through every codec: ``python -m tests.events.fuzz [WORDS] [--planted]``.

Random words, truncations, bit flips and shuffled packets go through ``decode`` and ``decode_at`` of each encoding, in
calls of random room and slices. The results are compared with the reference on some packets. Data that `decode_at` gets
ends right before a page that cannot be read, and so do the columns before one that cannot be written. Set
NUMBA_BOUNDSCHECK=1 and an empty SNN_CONTROL_CACHE to have every index checked too; ``--planted`` runs a kernel that
reads one word too many, which such a run must not survive.
"""

from __future__ import annotations

import argparse
import ctypes
import mmap
import resource
import sys
import time

import numpy as np

from snn_control.engine.compile import compile_callback
from snn_control.engine.memory import i64, u16
from snn_control.events import Decoder
from snn_control.events import state as words
from snn_control.events.codecs import ENCODINGS, codec
from tests.events.references import REFERENCES

PIECE = 4096  # bytes of a packet
ROOM = 512
COMPARED = 20  # every so many packets one goes through the reference as well
ESCAPED: list[object] = []  # what compiled code raised behind an address
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded(size: int) -> tuple[np.ndarray, mmap.mmap]:
    """(size,) uint8 right before a page that can be neither read nor written, and what keeps it."""
    page = mmap.PAGESIZE
    whole = -(-size // page) * page
    memory = mmap.mmap(-1, whole + page)
    view = np.frombuffer(memory, np.uint8)
    if LIBC.mprotect(view.ctypes.data + whole, page, 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    return view[whole - size : whole], memory


def planted(state, data, size, columns):
    """A kernel with a fault: it reads a word behind the data."""
    s, d = i64(state, words.WORDS), u16(data, size // 2)
    for k in range(d.size + 1):
        s[words.UNKNOWN] += d[k]
    s[words.CONSUMED] = size
    return 0


class Fuzz:
    """The packets of one encoding, in sequence, with a state that is kept between them."""

    def __init__(self, name: str, planted_kernel: bool, rng: np.random.Generator) -> None:
        self.name, self.rng, self.codec = name, rng, codec(name)
        frame = (1280, 720) if rng.random() < 0.5 else (None, None)
        self.state, self.frame = words.new_state(1, *frame), frame
        address = (
            compile_callback(planted, "int64(int64,int64,int64,int64)") if planted_kernel else self.codec.address()
        )
        self.at = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 4)(address)
        self.decode = self.codec.compiled()
        self.keep = [guarded(PIECE), *(guarded(ROOM * size) for size in (8, 2, 2, 1))]
        self.data = self.keep[0][0]
        dtypes = (np.int64, np.uint16, np.uint16, np.uint8)
        self.columns = [part.view(dtype) for (part, _), dtype in zip(self.keep[1:], dtypes)]
        self.triggers = np.empty((16, 2), np.int64)
        self.previous = np.zeros(PIECE, np.uint8)

    def packet(self) -> np.ndarray:
        """Random bytes, or the packet before with words moved or bits flipped; often cut short."""
        kind = self.rng.integers(4)
        if kind < 2:
            found = self.rng.integers(0, 256, PIECE, np.uint8)
            if kind == 1 and self.codec.word == 2:  # mostly events, masks, rows and times
                high = self.rng.choice(np.array([0, 2, 3, 4, 5, 6, 8, 1], np.uint8), PIECE // 2)
                found[1::2] = found[1::2] & 0xF | high << 4
            if kind == 1 and self.codec.word > 2:
                found[3::4] = found[3::4] & 0xF | self.rng.choice(np.array([0, 1, 8], np.uint8), PIECE // 4) << 4
        elif kind == 2:
            found = self.previous.copy()
            found[self.rng.integers(0, PIECE, 20)] ^= np.uint8(1) << self.rng.integers(0, 8, 20).astype(np.uint8)
        else:
            found = self.rng.permutation(self.previous.reshape(-1, self.codec.word)).ravel()
        self.previous = found
        return found[: PIECE if self.rng.random() < 0.5 else int(self.rng.integers(PIECE + 1))]

    def run(self, packet: np.ndarray) -> int:
        """Decode one packet in calls of random kind, room and slice; returns its whole words."""
        self.state[words.TIME_BASE], self.state[words.FRESH] = int(self.rng.integers(1 << 62)), 1
        left, calls = packet, 0
        while len(left):
            room = int(self.rng.integers(32, ROOM + 1)) if calls % 2 else ROOM
            until = words.NEVER if calls % 3 == 0 else int(self.rng.integers(1 << 62))
            self.state[words.UNTIL], calls = until, calls + 1
            columns = [column[ROOM - room :] for column in self.columns]
            n = self.by_address(left, columns) if calls % 2 else self.by_array(left, columns)
            if not (0 <= n <= room and 0 <= self.state[words.CONSUMED] <= len(left)):
                raise SystemExit(
                    f"{self.name}: {n} events of {room}, {self.state[words.CONSUMED]} of {len(left)} bytes"
                )
            left = left[self.state[words.CONSUMED] :]
        return len(packet) // self.codec.word

    def by_address(self, left: np.ndarray, columns: list[np.ndarray]) -> int:
        begin = PIECE - len(left)
        self.data[begin:] = left
        table = np.array([*(column.ctypes.data for column in columns), len(columns[0])], np.int64)
        address = self.data.ctypes.data + begin
        n = self.at(self.state.ctypes.data, address, len(left), table.ctypes.data)
        if ESCAPED:
            raise SystemExit(f"{self.name}: {ESCAPED[0]!r}")
        return n

    def by_array(self, left: np.ndarray, columns: list[np.ndarray]) -> int:
        whole = len(left) // self.codec.word * self.codec.word
        n = self.decode(self.state, left[:whole].copy().view(self.codec.item), *columns, self.triggers)
        if self.state[words.CONSUMED] == whole:
            self.state[words.PARTIAL] += len(left) - whole
            self.state[words.CONSUMED] = len(left)
        return n

    def compare(self, packet: np.ndarray) -> None:
        """The packet by itself, through `Decoder` and the reference."""
        decoder, plain = Decoder(self.name, *self.frame), REFERENCES[self.name](*self.frame)
        events = decoder.decode(packet)
        plain.packet(packet.tobytes())
        found = list(zip(*(getattr(events, key).tolist() for key in "txyp")))
        counters = {key: n for key, n in decoder.counters.items() if n}
        if found != plain.events or counters != {key: n for key, n in plain.counters.items() if n}:
            raise SystemExit(f"{self.name}: another result than its reference, {counters} for {dict(plain.counters)}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.events.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="?", type=int, default=10_000_000, help="words for each encoding")
    parser.add_argument("--planted", action="store_true", help="a kernel that reads a word too many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--encodings", nargs="*", default=ENCODINGS)
    options = parser.parse_args(arguments)
    sys.unraisablehook = lambda what: ESCAPED.append(what.exc_value)
    for name in options.encodings:
        rng = np.random.default_rng([options.seed, ENCODINGS.index(name)])
        fuzz, done, packets, begin = Fuzz(name, options.planted, rng), 0, 0, time.perf_counter()
        memory = 0
        while done < options.words:
            packet = fuzz.packet()
            done += fuzz.run(packet)
            if packets % COMPARED == 0:
                fuzz.compare(packet)
            packets += 1
            if packets == 100:
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory if memory else 0
        if grown > 20_000:
            raise SystemExit(f"{name}: {grown} KiB more memory after {done} words")
        seconds = time.perf_counter() - begin
        print(f"{name:>13}: {done} words, {packets} packets, {grown} KiB more memory, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
