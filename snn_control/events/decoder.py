"""`Decoder`: decode the packets of one event camera to events, from Python code."""

from __future__ import annotations

import numpy as np

from . import state as words
from .codecs import codec
from .columns import Events, empty_columns

__all__ = ["Decoder"]

MOST_A_WORD = 32  # events in a word, see `codecs`
ROOM = 1 << 16  # initial room of the columns, in events


class Decoder:
    """Decodes the packets of one stream. Pass them in order, because times and rows may continue from packet to packet.

    encoding : one of `snn_control.events.codecs.ENCODINGS`
    width, height : size of the sensor [pixel]; None: not known, so no event counts as outside the frame

    Raises DescriptionError if the encoding is unknown. Decoding never raises: problems in packets are counted.
    """

    def __init__(self, encoding: str, width: int | None = None, height: int | None = None) -> None:
        self.codec = codec(encoding)
        self.width, self.height = width, height
        self.state = words.new_state(1, width, height)
        self._decode = self.codec.compiled()
        self._columns = empty_columns(ROOM)
        self._triggers = np.empty((ROOM, 2), np.int64)
        self._seen: list[np.ndarray] = []

    def decode(self, packet: bytes | np.ndarray, time_base: int = 0, big_endian: bool = False) -> Events:
        """Return the events of the next packet.

        packet : bytes, or an array whose bytes are read; bytes after the last whole word are dropped and counted
        time_base : time base of the packet [ns], clipped to -2^61 .. 2^62; only used by encodings with times relative
            to a time base
        big_endian : whether the bytes of each word are in big-endian order
        """
        raw = np.frombuffer(packet, np.uint8)
        rest = len(raw) % self.codec.word
        self.state[words.PARTIAL] += rest
        whole = raw[: len(raw) - rest]
        if big_endian:
            whole = whole.view(f"<u{self.codec.word}").byteswap()
        data = np.require(whole.view(self.codec.item), requirements=["C", "A"])
        self.state[words.TIME_BASE] = min(max(time_base, -words.NEVER), words.NEVER)
        self.state[words.FRESH] = 1
        columns, n = self._columns, 0
        while True:
            n += self._decode(self.state, data, *(column[n:] for column in columns), self._triggers)
            m = int(self.state[words.TRIGGERS_WRITTEN])
            if m:
                self._seen.append(self._triggers[:m].copy())
            used = int(self.state[words.CONSUMED])
            data = data[used // data.itemsize :]
            if not len(data):
                break
            if not used and not m and n + MOST_A_WORD <= len(columns[0]):  # more room would not help
                self.state[words.PARTIAL] += data.nbytes
                break
            if m < len(self._triggers):  # or there is still room for events
                # more room: an event for each remaining item, or half as much again; only the copy takes time
                left, used = len(data), max(len(raw) // data.itemsize - len(data), 1)
                longer = empty_columns(n + ROOM + max(left, 3 * n * left // (2 * used)))
                for old, new in zip(columns, longer):
                    new[:n] = old[:n]
                columns = longer
        t, x, y, p = (column[:n].copy() if columns is self._columns else column[:n] for column in columns)
        return Events(t, x, y, p, unit=self.codec.unit, width=self.width, height=self.height)

    @property
    def triggers(self) -> np.ndarray:
        """The external triggers of all decoded packets, (n, 3) int64. The columns are time, id and edge (1: rising)."""
        rows = np.concatenate(self._seen) if self._seen else np.empty((0, 2), np.int64)
        return np.stack([rows[:, 0], rows[:, 1] >> 1, rows[:, 1] & 1], axis=1)

    @property
    def counters(self) -> dict[str, int]:
        """The counters of events and problems in all decoded packets: name -> count."""
        return {name: int(self.state[word]) for name, word in words.COUNTERS.items()}
