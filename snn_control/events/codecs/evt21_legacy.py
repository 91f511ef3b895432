"""EVT2.1 with the halves of its words swapped, as older firmware writes it ("endianness=legacy" in RAW headers)."""

from __future__ import annotations

import numpy as np

from .evt21 import decode_halves
from .packet_loop import word_codec

__all__ = ["CODEC"]


def _word(state, data, k, n, t, x, y, p, triggers):
    return decode_halves(state, np.int64(data[k]), np.int64(data[k + 1]), n, t, x, y, p, triggers)


CODEC = word_codec("evt21_legacy", "us", "<u4", 8, _word)
