"""Packets of one stream to events, in Python."""

from __future__ import annotations

import numpy as np

from . import state as words
from .codecs import codec
from .columns import Events

__all__ = ["Decoder"]

CHUNK = 1 << 16  # events a call of the codec has room for


class Decoder:
    """Decodes the packets of one stream, one after the other: times and rows may run on from packet to packet.

    Parameters
    ----------
    encoding : "evt3", "evt2", "evt21", "libcaer", "libcaer_cmp", "mono" or "trigger"
    width, height : of the sensor; None: not known, and then no event is out of the frame

    ``counters`` is what was counted so far, ``triggers`` the external triggers, (n, 3) int64 of t, id and edge.
    """

    def __init__(self, encoding: str, width: int | None = None, height: int | None = None) -> None:
        self.codec = codec(encoding)
        self.width, self.height = width, height
        self.state = words.new_state(1, width, height)
        self._decode = self.codec.compiled()
        self._columns = (
            np.empty(CHUNK, np.int64), np.empty(CHUNK, np.uint16), np.empty(CHUNK, np.uint16), np.empty(CHUNK, np.uint8)
        )  # fmt: skip
        self._triggers = np.empty((CHUNK, 2), np.int64)
        self._seen: list[np.ndarray] = []

    def decode(self, packet: bytes | np.ndarray, time_base: int = 0) -> Events:
        """The events of the next packet; ``time_base`` [ns] is that of its EventPacket."""
        item = np.dtype(self.codec.item)
        raw = np.frombuffer(packet, np.uint8)
        whole = len(raw) // item.itemsize * item.itemsize
        self.state[words.PARTIAL] += len(raw) - whole
        data = np.require(raw[:whole].view(item), requirements=["C", "A"])
        self.state[words.TIME_BASE] = time_base
        parts = []
        while len(data):
            n = self._decode(self.state, data, *self._columns, self._triggers)
            parts.append([column[:n].copy() for column in self._columns])
            if m := int(self.state[words.TRIGGERS_WRITTEN]):
                self._seen.append(self._triggers[:m].copy())
            data = data[self.state[words.CONSUMED] // item.itemsize :]
        columns = [np.concatenate(c) for c in zip(*parts)] if parts else [c[:0].copy() for c in self._columns]
        return Events(*columns, unit=self.codec.unit, width=self.width, height=self.height)

    @property
    def triggers(self) -> np.ndarray:
        rows = np.concatenate(self._seen) if self._seen else np.empty((0, 2), np.int64)
        return np.stack([rows[:, 0], rows[:, 1] >> 1, rows[:, 1] & 1], axis=1)

    @property
    def counters(self) -> dict[str, int]:
        return {name: int(self.state[word]) for name, word in words.COUNTERS.items()}
