"""What is wrong with a recording, in lines for people; every command that reads one says it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["faults", "warn"]

#: counter -> what is counted, and what of it; "" where the number says nothing
WRONG = {
    "truncated": ("", "the file ends in the middle: it was read up to the cut"),
    "gaps": ("packet", "missing, by the numbers in them"),
    "reordered": ("packet", "repeated, or sent before one that had come already"),
    "jumps": ("jump", "of the sensor's clock, against the clock of the bag"),
    "malformed": ("message or chunk", "not valid, and passed over"),
    "encoding_changes": ("change", "of the encoding"),
    "unknown_words": ("word", "none of the encoding's"),
    "glitches": ("small step", "of the sensor's clock, backwards"),
    "out_of_frame": ("event", "outside the frame, and left out"),
    "before_time": ("event", "before the first time, and left out"),
    "partial_bytes": ("byte", "behind the last whole word"),
}
NO_FAULT = ("wraps", "triggers")
MANY = {"message or chunk": "messages or chunks"}


def faults(counters: Mapping[str, int]) -> list[str]:
    """A line for each counter of a recording that says that something is wrong."""
    found = []
    for name in [*WRONG, *(other for other in counters if other not in WRONG and other not in NO_FAULT)]:
        if n := counters.get(name, 0):
            noun, rest = WRONG.get(name, (name, ""))
            if noun and n != 1 and name in WRONG:
                noun = MANY.get(noun, f"{noun}s")
            found.append(f"{n:,} {noun} {rest}".rstrip() if noun else rest)
    return found


def warn(recording: Any) -> None:
    """Say on the error stream what was found to be wrong in what was read of the recording."""
    for line in faults(recording.counters):
        print(f"warning: {recording.path}: {line}", file=sys.stderr)
