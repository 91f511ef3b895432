"""Convert frames in serialized messages to events, for events inputs whose source is frames: live and from bags."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ...coding import EventsInput
from ...engine.camera.frame_camera import FrameCamera, see
from ...engine.camera.frame_taker import encoding_of
from ...engine.camera.frames import ENCODINGS, PIXEL_BYTES
from ...engine.compile import compile_function
from ...engine.memory import i64
from ...errors import optional
from ...events.cdr import TRUNCATED
from .images import COMPRESSED, names_of, parse_image
from .malformed import OTHER_SIZE

__all__ = ["FrameReader", "parse_frame"]

NAMES = names_of(ENCODINGS)
NUMBER = {name: k for k, name in enumerate(ENCODINGS)}
ELEVEN = ",".join(["int64"] * 11)
MODES = {"L": "L", "I;16": "I;16"}  # modes of Pillow that are grey; all others become RGB


@register_jitable
def parse_frame(address, length, width, height, detail):
    """Read the metadata of a serialized Image, which must have width x height pixels.

    address, length, detail : as in `parse_image`; for a frame of another size, ``detail`` receives its width and height

    Return the eight values that `parse_image` returns.
    """
    code, stamp, wide, high, encoding, big, step, data = parse_image(address, length, NAMES, detail)
    if code == 0 and data != 0:
        if wide != width or high != height:
            code, words = np.int64(OTHER_SIZE), i64(detail, 2)
            words[0], words[1] = wide, high
        elif width > step // PIXEL_BYTES[encoding]:
            code = np.int64(TRUNCATED)
    return code, stamp, wide, high, encoding, big, step, data


def see_message(camera, address, length, width, height, detail, now, t, x, y, p, room):
    """Pass the frame of a message to a simulated event camera, with `see`.

    Return the number of events, or a negative error code.

    width, height, detail : as in `parse_frame`
    now : time of a frame without a stamp [ns]
    """
    code, stamp, _, _, encoding, big, step, data = parse_frame(address, length, width, height, detail)
    if code < 0 or data == 0:
        return code
    return see(camera, data, step, encoding, big, stamp if stamp > 0 else now, t, x, y, p, room)


def see_image(camera, data, step, encoding, big, time, t, x, y, p, room):
    return see(camera, data, step, encoding, big, time, t, x, y, p, room)


class FrameReader:
    """Converts the Image or CompressedImage (JPEG, PNG) messages of a bag's topic to events.

    one : the events input, whose simulated event camera receives the frames
    kind : type of the messages
    """

    def __init__(self, one: EventsInput, kind: str) -> None:
        width, height = self._size = one.size
        self._camera, self._compressed = FrameCamera(one.size, one.numbers), kind == COMPRESSED
        room = 8 * width * height
        self._columns = [np.zeros(room, dtype) for dtype in (np.int64, np.uint16, np.uint16, np.uint8)]
        self._to = *(column.ctypes.data for column in self._columns), room
        self._see_message = compile_function(see_message, f"int64({ELEVEN},int64)")
        self._see_image = compile_function(see_image, f"int64({ELEVEN})")
        self._pictures: Any = (
            optional("PIL.Image", "compressed pictures need Pillow", "report") if self._compressed else None
        )

    def read(self, message: bytes, log_time: int) -> np.ndarray | None:
        """Return the events between the previous frame and this message's frame, as columns x, y and p, (n, 3).

        Return None if the message is malformed.

        log_time : time of the frame if the message has no stamp [ns]
        """
        if self._compressed:
            n = self._decoded(message, log_time)
        else:
            data, detail = np.frombuffer(message, np.uint8), np.zeros(2, np.int64)
            place = data.ctypes.data, data.size, *self._size, detail.ctypes.data
            n = self._see_message(self._camera.context, *place, log_time, *self._to)
        if n < 0:
            return None
        return np.stack([column[:n].astype(np.int64) for column in self._columns[1:]], axis=1)

    def _decoded(self, message: bytes, log_time: int) -> int:
        """Pass a compressed picture to the simulated camera. Return the number of events; -1 for a damaged picture."""
        try:
            stamp, data = _compressed(message)
            with self._pictures.open(io.BytesIO(data), formats=("JPEG", "PNG")) as opened:
                if opened.size != tuple(self._size):  # before the pixels are decoded
                    return -1
                image: Any = np.ascontiguousarray(np.asarray(opened.convert(MODES.get(opened.mode, "RGB"))))
        except Exception:  # Pillow raises many
            return -1
        encoding = NUMBER[encoding_of(image.shape, image.dtype) or ""]
        place = self._camera.context, image.ctypes.data, image.strides[0], encoding, 0
        return self._see_image(*place, stamp if stamp > 0 else log_time, *self._to)


def _compressed(message: bytes) -> tuple[int, bytes]:
    """Return stamp [ns] and data of a serialized CompressedImage. Raises struct.error for a truncated message."""
    order, at = "<" if message[1] else ">", 12
    seconds, nanoseconds = struct.unpack_from(f"{order}iI", message, 4)
    for _ in ("frame_id", "format"):
        (size,) = struct.unpack_from(f"{order}I", message, at)
        at = (at + 4 + size + 3) & -4
    (size,) = struct.unpack_from(f"{order}I", message, at)
    return seconds * 1_000_000_000 + nanoseconds, message[at + 4 : at + 4 + size]
