"""Simulate an event camera, whose pixels report changes of log intensity in a sequence of pictures.

Between two pictures the log intensity of a pixel is linear in time. A low-pass filter smooths it, less strongly for
brighter pixels. When the filtered value differs from the pixel's reference by a threshold, the reference moves by this
threshold, and the pixel reports an event. The event has the sign and the time of the crossing; the time is interpolated
within the step. Leakage moves the reference down continuously, which appears as a slow brightening. Shot noise adds
events of either sign, more of them in the dark. Finally, an event that follows its pixel's previous event within the
refractory time is removed. This removal does not undo the change of the reference.
"""

from __future__ import annotations

import numpy as np

from snn_control.coding.camera_model import CameraModel, camera_model
from snn_control.engine.camera.pixel_array import MAX_SHOTS, MAX_SIDE_PX, PixelArray
from snn_control.engine.camera.pixels import compiled_observe, compiled_rows
from snn_control.errors import DescriptionError, InputError
from snn_control.events import Events

__all__ = ["EventCamera"]

MAX_PERIOD_S = 2.0  # s, because nanoseconds are stored as int32


class EventCamera(PixelArray):
    """A simulated event camera, with the state of all its pixels.

    size : width and height [pixels]
    model : a CameraModel, or the name of a preset: ``clean``, ``default`` or ``noisy``
    period : time between pictures [s]; a call of `advance` can override this time
    capacity : maximum number of events that a call of ``observe`` returns; further events are dropped and counted
    """

    def __init__(
        self,
        size: tuple[int, int] = (128, 128),
        model: str | CameraModel = "default",
        period: float = 1e-3,
        capacity: int = 4096,
    ) -> None:
        if not isinstance(size, tuple | list) or len(size) != 2:
            raise DescriptionError("size", size, "must be a width and a height")
        for k, side in enumerate(size):
            if isinstance(side, bool) or not isinstance(side, int | np.integer) or not 1 <= side <= MAX_SIDE_PX:
                raise DescriptionError(f"size[{k}]", side, f"must be a whole number from 1 to {MAX_SIDE_PX}")
        if isinstance(capacity, bool) or not isinstance(capacity, int | np.integer) or capacity < 1:
            raise DescriptionError("capacity", capacity, "must be a whole number of at least 1")
        super().__init__(size, camera_model(model))
        self.period, self.capacity = period, capacity
        self._set_period(period)
        self._observe, self._rows = compiled_observe(), compiled_rows()
        self.reset(np.zeros(self.size[::-1], np.float32), 0)

    def _set_period(self, period: float) -> None:
        if not 1e-6 <= period <= MAX_PERIOD_S:
            raise DescriptionError("period", period, f"must be from 1e-06 to {MAX_PERIOD_S:g} s")
        if self.model.shot * self.size[0] * period > MAX_SHOTS:
            rule = f"must give at most {MAX_SHOTS:g} events per row of {self.size[0]} pixels in a step of {period:g} s"
            raise DescriptionError("camera.shot", self.model.shot, rule, "take smaller steps")
        self.clock[2] = round(period * 1e9)

    @property
    def reference(self) -> np.ndarray:
        """Reference of each pixel, with which it compares the present log intensity, (height, width) float32."""
        return self.state[1 if self.model.cutoff else 0] - self.state[2]

    @property
    def thresholds(self) -> tuple[np.ndarray, np.ndarray]:
        """Thresholds for ON and for OFF events, as two (height, width) float32 arrays."""
        return self.state[3].copy(), self.state[4].copy()

    @property
    def time(self) -> int:
        """Time of the last picture, counted from the picture given to `reset` [ns]."""
        return int(self.clock[1])

    def reset(self, picture: np.ndarray, seed: int) -> None:
        """Reset all pixels, so that they have adapted to ``picture`` and it causes no events.

        picture : (height, width) float32, log intensity
        seed : whole number from 0 to 2^64 - 1; thresholds, leakage and all further noise depend on it
        """
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 1 << 64:
            raise DescriptionError("seed", seed, "must be a whole number from 0 to 2^64 - 1")
        picture = self._checked(picture)
        if not np.isfinite(picture).all():
            raise InputError("picture: a log intensity is not finite")
        self.adapt(picture, int(seed))
        self._set_period(self.period)

    def set_shot(self, shot: float) -> None:
        """Set the rate of shot noise [Hz] until the next `reset`; it is limited to a value that a step can simulate."""
        self.numbers[2] = min(shot, MAX_SHOTS / (self.size[0] * self.period))

    def _checked(self, picture: np.ndarray) -> np.ndarray:
        picture = np.ascontiguousarray(picture)  # no copy if it is contiguous
        width, height = self.size
        if picture.shape != (height, width) or picture.dtype != np.float32:
            raise InputError(f"picture: must be ({height}, {width}) float32, is {picture.shape} {picture.dtype}")
        return picture

    def _step(self, picture: np.ndarray) -> tuple[int, int]:
        pixels = self.state, self.last, self.sign
        result = self._observe(self._checked(picture), *pixels, *self.scratch, self.clock, self.key, self.numbers)
        if result < 0:
            raise InputError("picture: a log intensity is not finite, or changed by more than 1e4; reset the camera")
        self.clock[0] += 1
        self.clock[1] += self.clock[2]
        return result >> 32, result & 0xFFFFFFFF

    def observe(self, picture: np.ndarray) -> tuple[np.ndarray, int, int]:
        """Return the events since the previous picture, which was ``period`` ago, as the rows of one array.

        picture : (height, width) float32, present log intensity

        Return three values: the events as a new (capacity, 4) float32 array, the number of events, and the number of
        events beyond the capacity. The columns are the time t after the previous picture [s], x, y, and the polarity
        (1: ON, 0: OFF). Rows are in the order of t; the rows after the last event are zero.
        """
        events = np.zeros((self.capacity, 4), np.float32)
        n, lost = self._step(picture)
        count = min(n, self.capacity)
        self._rows(count, self.size[0], self._when[0], self._what[0], events)
        return events, count, lost + n - count

    def advance(self, picture: np.ndarray, period: float | None = None) -> tuple[Events, int]:
        """Return the events since the previous picture, as arrays of times, coordinates and polarities.

        picture : (height, width) float32, present log intensity
        period : time since the previous picture [s]; None: the camera's period

        Return two values: the events, in the order of their times t [ns after ``reset``], and the number of lost
        events. Events are lost if a step has more than four threshold crossings per pixel.
        """
        self._set_period(self.period if period is None else period)
        start = self.time
        n, lost = self._step(picture)
        what, width = self._what[0, :n], self.size[0]
        y, x = np.divmod(what >> 1, width)
        columns = x.astype(np.uint16), y.astype(np.uint16), (what & 1).astype(np.uint8)
        return Events(start + self._when[0, :n].astype(np.int64), *columns, "ns", *self.size), lost
