"""Packet codecs: one file an encoding, or two that are alike.

Such a file holds a codec, named as its encoding in capitals and made by `packet_loop.word_codec` of a function that
decodes one word, and, where we make such packets, an ``encode``. Of any codec:

``decode(state, data, t, x, y, p, triggers) -> events written``
    state : (32,) int64, see `snn_control.events.state`
    data : the packet as (n,) unsigned numbers of the encoding's ``item`` (uint16 or uint32)
    t, x, y, p : int64, uint16, uint16, uint8, of equal length, written from 0 on; a word whose events do not fit is
        left for the next call (32 events fit any word); behind the last event, what they hold may be overwritten
    triggers : (m, 2) int64 rows of t and id << 1 | edge; one that does not fit is left for the next call, and with
        m = 0 they are only counted
Before the first call for a packet, ``state[FRESH]`` is to be 1 and ``state[TIME_BASE]`` its time base.
It never raises, reads no byte beyond ``data`` and writes none beyond the columns.

``decode_at(state, data, size, columns) -> events written`` is the same over addresses, for ports: ``size`` is in bytes,
``columns`` points to int64 [t, x, y, p, room]. Bytes behind the last whole word of a packet are dropped and counted: a
packet begins with a whole word. There is no room for triggers, which are only counted.
"""

from __future__ import annotations

import importlib
from functools import cache

from ...errors import DescriptionError
from .packet_loop import Codec

__all__ = ["ENCODINGS", "Codec", "codec"]


#: in the order of their numbers in a port
ENCODINGS = ("evt3", "evt2", "evt21", "evt21_legacy", "libcaer", "libcaer_cmp", "mono", "trigger")
#: those whose module is not named as they are
MODULES = {"evt21_legacy": "evt21", "trigger": "mono"}


@cache
def codec(name: str) -> Codec:
    """The codec of an encoding; raises DescriptionError for one that is not known."""
    if name not in ENCODINGS:
        raise DescriptionError("encoding", name, f"must be one of {', '.join(ENCODINGS)}")
    return getattr(importlib.import_module(f"{__name__}.{MODULES.get(name, name)}"), name.upper())
