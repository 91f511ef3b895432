"""State of a decoder: one int64 block for each stream, which is kept from message to message.

Set by the caller
scale      output times are the encoding's own times this number: 1, or 1000 for ns out of us
time_base  ns, of the packet that is decoded (encodings whose times are relative to it)
width, height  size of the sensor; 0: not known, so that no event is outside the frame
until      only events before this time (of the output) are decoded; NEVER: all
fresh      1 before the first call for a packet: some encodings reset their state with each packet; the call clears it
Set by a call of ``decode``
consumed   bytes that the call used: not all if there was no more room, or ``until`` was reached
triggers_written  external triggers that the call wrote
Counted over all messages
triggers, unknown words, wraps of the clock, glitches (small steps back of it), events outside the frame, events and
triggers before the first time, bytes after the last whole word
From OWN on, words that belong to the codec.
"""

from __future__ import annotations

import numpy as np

__all__ = ["COUNTERS", "NEVER", "WORDS", "new_state"]

(
    SCALE, TIME_BASE, WIDTH, HEIGHT, UNTIL, CONSUMED, TRIGGERS_WRITTEN,
    TRIGGERS, UNKNOWN, WRAPS, GLITCHES, OUT_OF_FRAME, TIMELESS, PARTIAL, FRESH,
) = range(15)  # fmt: skip
OWN = 16
WORDS = 32
NEVER = (1 << 63) - 1

#: name of a counter -> its word
COUNTERS = {
    "triggers": TRIGGERS, "unknown_words": UNKNOWN, "wraps": WRAPS, "glitches": GLITCHES, "out_of_frame": OUT_OF_FRAME,
    "before_time": TIMELESS, "partial_bytes": PARTIAL,
}  # fmt: skip


def new_state(scale: int = 1, width: int | None = None, height: int | None = None) -> np.ndarray:
    """Return the initial state of a decoder, (32,) int64."""
    state = np.zeros(WORDS, np.int64)
    state[SCALE], state[WIDTH], state[HEIGHT], state[UNTIL], state[FRESH] = scale, width or 0, height or 0, NEVER, 1
    return state
