"""Write an image from Python, for example from a Gymnasium observation, to an events input as events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile import compile_function
from ..memory import i64
from ..slots import AGE, COUNT, DROPPED, FRESH, SLOT_WORDS
from .frame_camera import FrameCamera, see
from .frames import ENCODINGS

__all__ = ["FrameTaker", "encoding_of"]

NUMBER = {name: k for k, name in enumerate(ENCODINGS)}
#: (dtype, channels) of an image -> its encoding
IMAGES = {
    ("uint8", 1): "mono8", ("uint8", 3): "rgb8", ("uint8", 4): "rgba8", ("uint16", 1): "mono16", ("float32", 1): "32FC1"
}  # fmt: skip


def encoding_of(shape: Sequence[int], dtype: Any) -> str | None:
    """Return the ROS encoding of an image, (rows, columns) or (rows, columns, channels); None if no encoding fits."""
    channels = shape[2] if len(shape) == 3 else 1
    return IMAGES.get((np.dtype(dtype).name, channels)) if len(shape) in (2, 3) else None


def show(context, data, step, encoding, time, slot, t, x, y, p, room):
    """Show a frame to a simulated event camera, and write the events and the header of an events input.

    slot : address of the input's header (`snn_control.engine.slots`); the other arguments are those of `see`
    """
    n = see(context, data, step, encoding, np.int64(0), time, t, x, y, p, room)
    header = i64(slot, SLOT_WORDS)
    header[COUNT], header[DROPPED], header[FRESH], header[AGE] = min(n, room), max(n - room, 0), 1, 0


class FrameTaker:
    """Function ``take`` with which Python writes a sample to an events input whose source is frames.

    ``take(image)`` shows an image to the simulated event camera; the time of the image is the time of the tick.
    ``take(None)`` and ``take(t, x, y, p)`` work as for other events inputs. The result is True if the arguments could
    be read. The camera is made at the first image.

    take : function ``take`` for events
    size, numbers : arguments of `FrameCamera`
    slot, columns : the input's header and its columns t, x, y and p
    clock : array whose first element is the number of the tick
    """

    def __init__(
        self, take: Callable[..., bool], size: Sequence[int], numbers: Sequence[float], slot: np.ndarray,
        columns: Sequence[np.ndarray], clock: np.ndarray, period_ns: int,
    ) -> None:  # fmt: skip
        self._take, self.size, self._numbers, self._clock, self._period = take, size, numbers, clock, period_ns
        self.camera: FrameCamera | None = None
        self._to = slot.ctypes.data, *(column.ctypes.data for column in columns), columns[0].size
        self._show = compile_function(show, f"void({','.join(['int64'] * 11)})")

    def __call__(self, *values: Any) -> bool:
        if len(values) != 1 or values[0] is None:
            return self._take(*values)
        image, (width, height) = values[0], self.size
        if not isinstance(image, np.ndarray) or image.shape[:2] != (height, width):
            return False
        encoding = encoding_of(image.shape, image.dtype)
        if encoding is None:
            return False
        if self.camera is None:
            self.camera = FrameCamera(self.size, self._numbers)
        image = np.ascontiguousarray(image)
        time = int(self._clock[0]) * self._period
        self._show(self.camera.context, image.ctypes.data, image.strides[0], NUMBER[encoding], time, *self._to)
        return True

    def reset(self) -> None:
        """Reset the camera, which adapts to the next image without events."""
        if self.camera is not None:
            self.camera.reset()
