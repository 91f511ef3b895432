"""Packet codecs: one file for each encoding, or for several similar encodings.

Such a file defines a codec as a variable with the name of the encoding in capitals. Usually, `packet_loop.word_codec`
makes the codec from a function that decodes one word. The codec also has a function ``encode`` if this package writes
packets in the encoding. Each codec has these functions:

``decode(state, data, t, x, y, p, triggers) -> events written``
    state : (32,) int64, see `snn_control.events.state`
    data : the packet as (n,) unsigned numbers of the encoding's ``item`` (uint16 or uint32)
    t, x, y, p : int64, uint16, uint16, uint8 arrays of equal length, written from index 0 on. If there is no room for
        the events of a word, the word is left for the next call; room for 32 events is enough for any word. Elements
        after the last event may be overwritten
    triggers : (m, 2) int64, for each trigger the columns t and id << 1 | edge. A trigger that does not fit is left for
        the next call. If m is 0, triggers are only counted
Before the first call for a packet, set ``state[FRESH]`` to 1 and ``state[TIME_BASE]`` to the packet's time base.
``decode`` never raises, reads no byte beyond ``data`` and writes no byte beyond the arrays.

``decode_at(state, data, size, columns) -> events written`` decodes a packet at memory addresses, for ports. ``size`` is
in bytes, and ``columns`` points to five int64: the addresses of t, x, y and p, and the room [events]. Bytes after the
last whole word of a packet are dropped and counted, because each packet starts with a whole word. Triggers are only
counted.
"""

from __future__ import annotations

import importlib
from functools import cache

from ...errors import DescriptionError
from .packet_loop import Codec

__all__ = ["ENCODINGS", "Codec", "codec"]

#: in the order of their numbers in a port
ENCODINGS = ("evt3", "evt2", "evt21", "evt21_legacy", "libcaer", "libcaer_cmp", "mono", "trigger", "evt4")
#: encodings that are in a module with another name
MODULES = {"evt21": "evt2", "evt21_legacy": "evt2", "libcaer_cmp": "libcaer", "trigger": "mono"}


@cache
def codec(name: str) -> Codec:
    """Return the codec of an encoding. Raise DescriptionError if the encoding is unknown."""
    if name not in ENCODINGS:
        raise DescriptionError("encoding", name, f"must be one of {', '.join(ENCODINGS)}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES.get(name, name)}"), name.upper())
