"""trigger: 64-bit words of external triggers: ns after ``time_base`` 0..31, id 48..62, edge 63 (event_camera_codecs).

No events, and no state of its own.
"""

from __future__ import annotations

import numpy as np

from .. import state as words
from .common import put_trigger
from .packet_loop import word_codec

__all__ = ["CODEC"]


def _word(state, data, k, n, t, x, y, p, triggers):
    now = (state[words.TIME_BASE] + np.int64(data[k])) * state[words.SCALE]
    d = np.int64(data[k + 1])
    return put_trigger(state, now, d >> 16 & 0x7FFF, d >> 31, triggers)


CODEC = word_codec("trigger", "ns", "<u4", 8, _word)
