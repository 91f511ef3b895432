"""Recordings: files of events, read in pieces of bounded size."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np

from .columns import Events

__all__ = ["Recording", "open_recording"]


class Recording:
    """An open recording; one file format a subclass.

    path, encoding, unit, topic (None where the file has none)
    width, height : None where the file does not say (known at the latest after the first chunk)
    counters : complete once all chunks were read
    """

    path: str
    encoding: str
    unit: str = "us"
    topic: str | None = None
    width: int | None = None
    height: int | None = None
    counters: dict[str, int]
    triggers: np.ndarray

    def chunks(self) -> Iterator[Events]:
        """The events, in pieces of at most about a million."""
        raise NotImplementedError

    def read(self) -> Events:
        """All events at once."""
        return Events.concatenate(self.chunks())


def open_recording(
    path: str | os.PathLike, topic: str | None = None, width: int | None = None, height: int | None = None
) -> Recording:
    """Open a recording; its format is found by its header, then by its suffix."""
    raise NotImplementedError
