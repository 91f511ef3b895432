"""Convert the frames of an ordinary camera to events of a simulated event camera, in one compiled call for each frame.

Between two frames, the log intensity of a pixel changes linearly in time. The time between the frames is divided into
equal steps of at least ``STEP_NS`` (less for strong noise). The number of steps depends on the contrast:

- On average, a pixel crosses at most two thresholds in a step, so that the scratch memory has room for all events.
- Pixels with a low-pass filter change by at most ``FOLLOWED`` in a step, because the filter's speed is constant within
  a step.

The first frame causes no events: the pixels adapt to this frame. The pixels also adapt to a frame that is older than
the last frame, or more than ``PAUSE_NS`` newer; thresholds and noise continue. A frame with the same time as the last
frame is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba.extending import register_jitable

from ...coding.camera_model import CameraModel
from ..memory import f32, f64, i32, i64, u8, u16
from .frames import Tables, log_picture
from .pixel_array import MAX_SHOTS, PixelArray
from .pixels import RADIX, observe

__all__ = ["FrameCamera", "see"]

STEP_NS, PAUSE_NS, SHORTEST_NS = 1_000_000, 1_000_000_000, 1_000
FOLLOWED = 1.0  # largest change of log intensity in a step of pixels with a low-pass filter
CROSSINGS = 2  # threshold crossings in a step, on average over the pixels
SCALE = 1024  # units of a sum of changes, which is exact in any order

# Words of the context: sizes [pixel], addresses of the arguments of `observe` and `log_picture`,
(
    WIDTH, HEIGHT, STATE, LAST, SIGN, WHEN, WHAT, CANDIDATES, COUNTS, FLAGS, CHANGE, CLOCK, KEY, NUMBERS, LOGARITHMS,
    SHARES, PICTURE, BEFORE, BETWEEN,
) = range(19)  # fmt: skip
LEAST_UNITS = 19  # smaller mean threshold, in 1 / SCALE
SEEN, TIME = 20, 21  # whether a frame has come, and the time of the last one [ns]
FRAMES, RESTARTS, REPEATED, LOST = 22, 23, 24, 25  # counters
WORDS = 26
COUNTERS = {"frames": FRAMES, "restarts": RESTARTS, "repeated": REPEATED, "lost": LOST}

_observe = register_jitable(observe)


@register_jitable
def _steps(c, passed):
    """Return the number of steps into which the time since the last frame, ``passed`` [ns], is divided."""
    pixels = c[WIDTH] * c[HEIGHT]
    now, before, numbers = f32(c[PICTURE], pixels), f32(c[STATE], pixels), f64(c[NUMBERS], 4)
    total, most = np.int64(0), np.int32(0)
    for i in range(pixels):
        units = np.int32(abs(now[i] - before[i]) * np.float32(SCALE))
        total += np.int64(units)
        most = max(most, units)
    steps = total // (CROSSINGS * c[LEAST_UNITS] * pixels) + 1
    if numbers[0] > 0.0:
        steps = max(steps, np.int64(most / (FOLLOWED * SCALE)) + 1)
    steps = min(steps, max(passed // STEP_NS, 1))
    return max(steps, np.int64(numbers[2] * c[WIDTH] * passed * 1e-9 / MAX_SHOTS) + 1)


@register_jitable
def _interpolate(c, part):
    pixels = c[WIDTH] * c[HEIGHT]
    before, now, between = f32(c[BEFORE], pixels), f32(c[PICTURE], pixels), f32(c[BETWEEN], pixels)
    for i in range(pixels):
        between[i] = before[i] + (now[i] - before[i]) * part


@register_jitable
def _advance(c, picture):
    """Update all pixels with the next image and return the number of events.

    picture : address of the image. The times and pixels of the events are written to the arrays WHEN and WHAT of ``c``.
    """
    width, height, candidates = c[WIDTH], c[HEIGHT], c[CANDIDATES]
    pixels, clock = width * height, i64(c[CLOCK], 4)
    found = _observe(
        f32(picture, pixels).reshape(height, width), f32(c[STATE], 6 * pixels).reshape(6, height, width),
        i64(c[LAST], pixels), u8(c[SIGN], pixels), i32(c[WHEN], 2 * candidates).reshape(2, candidates),
        i32(c[WHAT], 2 * candidates).reshape(2, candidates), i32(c[COUNTS], RADIX), u8(c[FLAGS], (width + 63) & -64),
        f32(c[CHANGE], width), clock, np.uint64(c[KEY]), f64(c[NUMBERS], 4),
    )  # fmt: skip
    clock[0] += 1
    clock[1] += clock[2]
    c[LOST] += found & 0xFFFFFFFF if found >= 0 else 0
    return found >> 32 if found >= 0 else np.int64(0)


@register_jitable
def _copy(source, to, n):
    a, b = f32(source, n), f32(to, n)
    for i in range(n):
        b[i] = a[i]


@register_jitable
def _write(c, start, n, at, room, t, x, y, p):
    """Append ``n`` events of the camera to the columns t, x, y and p, as far as there is room.

    start : time of the events' zero [ns]
    at : number of events that the columns already contain
    room : number of events for which the columns have room
    """
    when, what, width = i32(c[WHEN], n), i32(c[WHAT], n), np.int32(c[WIDTH])
    kept = max(min(n, room - at), 0)
    to_t, to_x, to_y, to_p = i64(t + 8 * at, kept), u16(x + 2 * at, kept), u16(y + 2 * at, kept), u8(p + at, kept)
    for k in range(kept):
        pixel = what[k] >> 1
        row = pixel // width
        to_t[k], to_x[k], to_y[k], to_p[k] = start + when[k], pixel - row * width, row, what[k] & 1


@register_jitable
def see(context, data, step, encoding, big, time, t, x, y, p, room):
    """Show a frame to the camera, and write the events since the last frame, in the order of their times.

    context : `FrameCamera.context`
    data, step, encoding, big : the frame, as in `log_picture`, with the camera's width and height
    time : time of the frame [ns]
    t, x, y, p : addresses of the columns to write: int64 [ns, on the clock of ``time``], uint16, uint16 and uint8
    room : maximum number of events to write

    Return the number of events, which may exceed ``room``.
    """
    c = i64(context, WORDS)
    pixels = c[WIDTH] * c[HEIGHT]
    passed = time - c[TIME]
    c[FRAMES] += 1
    if c[SEEN] != 0 and 0 <= passed < SHORTEST_NS:
        c[REPEATED] += 1
        return np.int64(0)
    log_picture(data, step, encoding, big, c[WIDTH], c[HEIGHT], c[LOGARITHMS], c[SHARES], c[PICTURE])
    if c[SEEN] == 0 or not 0 < passed <= PAUSE_NS:
        c[RESTARTS] += c[SEEN]
        _copy(c[PICTURE], c[STATE], pixels)
        _copy(c[PICTURE], c[STATE] + 4 * pixels, pixels)
        c[SEEN], c[TIME] = 1, time
        return np.int64(0)
    steps, n, clock = _steps(c, passed), np.int64(0), i64(c[CLOCK], 4)
    if steps > 1:
        _copy(c[STATE], c[BEFORE], pixels)
    for k in range(1, steps + 1):
        begin = passed * (k - 1) // steps
        clock[2] = passed * k // steps - begin
        if k < steps:
            _interpolate(c, np.float32(k / steps))
        found = _advance(c, c[PICTURE] if k == steps else c[BETWEEN])
        _write(c, c[TIME] + begin, found, n, room, t, x, y, p)
        n += found
    c[TIME] = time
    return n


class FrameCamera:
    """A simulated event camera that sees frames: the memory on which the compiled function `see` works.

    size : width and height of the frames [pixel]
    numbers : the fields of a CameraModel, gamma and seed, see `snn_control.coding.FrameCameraSettings.numbers`
    context : address of the camera's table of sizes and addresses, the first argument of `see`
    """

    def __init__(self, size: Sequence[int], numbers: Sequence[float]) -> None:
        *model, gamma, seed = numbers
        width, height = size
        self.size = int(width), int(height)
        self._pixels, self._tables = PixelArray(self.size, CameraModel(*model)), Tables.of(gamma)
        self._pixels.adapt(np.zeros((height, width), np.float32), int(seed))
        self._gap = self._pixels.state[2].copy() if self._pixels.model.leak else np.float32(0.0)
        self._pictures = np.zeros((3, height, width), np.float32)
        one, (when, what, counts, flags, change) = self._pixels, self._pixels.scratch
        least = min(one.model.threshold_on, one.model.threshold_off)
        arrays = (one.state, one.last, one.sign, when, what)
        more = (self._tables.logarithms, self._tables.shares, *self._pictures)
        self._words = np.zeros(WORDS, np.int64)
        self._words[: LEAST_UNITS + 1] = (
            width, height, *(a.ctypes.data for a in arrays), when.shape[1], *(a.ctypes.data for a in (counts, flags)),
            change.ctypes.data, one.clock.ctypes.data, one.key.view(np.int64), one.numbers.ctypes.data,
            *(a.ctypes.data for a in more), int(least * SCALE),
        )  # fmt: skip
        self.context = int(self._words.ctypes.data)

    def reset(self) -> None:
        """Return to the state of a new camera: same thresholds, same noise from the beginning, no frame seen."""
        self._pixels.state[2] = self._gap
        self._pixels.rest()
        self._words[SEEN:] = 0

    def counters(self) -> dict[str, int]:
        """Return the camera's counters by name.

        frames : number of frames
        restarts : number of frames to which the pixels adapted again, after a pause or a step back in time
        repeated : number of frames that were left out, because they had the time of the last frame
        lost : number of events for which the scratch memory had no room
        """
        return {name: int(self._words[word]) for name, word in COUNTERS.items()}
