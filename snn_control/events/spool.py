"""Columns of any number of events, kept on the disk once they are long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..engine.slots import EVENT_COLUMNS
from .columns import Events

__all__ = ["Spool"]

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
