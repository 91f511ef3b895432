"""The state of a decoder of event packets: int64 words, one block for each camera, kept from packet to packet.

The caller sets these words:

scale : factor from the encoding's times to the output times: 1, or 1000 to convert us to ns
time_base : time base of the packet that is decoded [ns], for encodings whose times are relative to a time base
width, height : size of the sensor [pixel]; 0: not known, so no event counts as outside the frame
until : only events before this output time are decoded; NEVER: all events
fresh : set to 1 before the first call for a packet, because some encodings reset their state with each packet. The
    call sets this word to 0

A call of ``decode`` sets these words:

consumed : number of bytes that the call decoded; less than all if there was no more room, or ``until`` was reached
triggers_written : number of external triggers that the call wrote

These words are counters over all packets: triggers, unknown words, wraps of the clock, glitches (small steps back of
the clock), events outside the frame, events and triggers before the first time, bytes after the last whole word.

The words from OWN on are for the codec's own state.
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
