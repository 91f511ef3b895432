"""Columns of any number of events, kept on the disk once they are long."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.slots import EVENT_COLUMNS
from .columns import Events

__all__ = ["Digest", "Spool"]

IN_MEMORY = 1 << 26  # bytes of a column that are not yet written to the disk
BLOCK = 1 << 22


class Spool:
    """Appends chunks of events and gives each column back as a whole, in blocks of bytes.

    Memory stays below 64 MB a column; beyond that they lie in temporary files, which nobody else sees.
    """

    def __init__(self, names: str = "txyp") -> None:
        self._files: dict[str, Any] = {name: tempfile.SpooledTemporaryFile(IN_MEMORY) for name in names}
        self.count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def add(self, events: Events) -> None:
        for name, file in self._files.items():
            file.write(np.ascontiguousarray(getattr(events, name), EVENT_COLUMNS[name]))
        self.count += len(events)

    def blocks(self, name: str) -> Iterator[bytes]:
        """The bytes of a column, from its beginning."""
        file = self._files[name]
        file.seek(0)
        while block := file.read(BLOCK):
            yield block
        file.seek(0, 2)


class Digest:
    """`Events.digest` of events that come in chunks: the times are hashed as they come, the other columns spooled."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rest = Spool("xyp")

    def add(self, events: Events) -> None:
        self._hash.update(np.ascontiguousarray(events.t, EVENT_COLUMNS["t"]).data)
        self._rest.add(events)

    def finish(self) -> str:
        """16 hex digits; nothing can be added after it."""
        for name in "xyp":
            for block in self._rest.blocks(name):
                self._hash.update(block)
        self.close()
        return self._hash.hexdigest()[:16]

    def close(self) -> None:
        self._rest.close()
