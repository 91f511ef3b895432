"""An event camera: what the pixels report when the log intensity changes.

Between two pictures the log intensity of a pixel is a straight line. Whenever it is a threshold away
from the pixel's reference, the reference moves by that threshold and the pixel reports the sign and the
time of the crossing. Noise events of either sign are added. Then, in the order of time, a pixel that
reported less than a refractory time ago stays silent; its reference has moved all the same, as that of
a pixel whose report is lost.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function
from snn_control.engine.memory import flags64, lowest_bit
from snn_control.errors import DescriptionError

__all__ = ["EventCamera"]

CANDIDATES = 1 << 16  # crossings of a step before the refractory filter; more are counted as dropped
RADIX = 1024
NEVER = -(1 << 62)


@register_jitable
def mix64(x):
    """A hash of a uint64: the finaliser of MurmurHash3 with Stafford's variant 13."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@register_jitable
def uniform(key, counter):
    """Number ``counter`` of the stream ``key``, in [0, 1): float64 of 53 bits."""
    word = mix64(np.uint64(key) + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15))
    return np.float64(np.int64(word >> np.uint64(11))) * (1.0 / 9007199254740992.0)


@register_jitable
def crossings(picture, before, reference, threshold, period, flags, when, what):
    """Threshold crossings of all pixels, row by row; returns how many (more than fit are not written).

    ``when`` (n,) int32 ns after the first picture, ``what`` (n,) int32 pixel << 1 | polarity.
    """
    rows, columns = picture.shape
    n = 0
    address = np.int64(flags.ctypes.data)
    for j in range(rows):
        now, ref, thr = picture[j], reference[j], threshold[j]
        for i in range(columns):  # vector code: most pixels are silent
            flags[i] = abs(now[i] - ref[i]) >= thr[i]
        for word in range(columns // 64):
            mask = flags64(address + word * 64)
            while mask != np.uint64(0):
                bit = lowest_bit(mask)
                mask = mask & (mask - np.uint64(1))
                i = word * 64 + bit
                on = now[i] > ref[i]
                step = thr[i] if on else -thr[i]
                start = np.float64(before[j, i])
                change = np.float64(now[i]) - start
                while (now[i] - ref[i] >= thr[i]) if on else (ref[i] - now[i] >= thr[i]):
                    ref[i] += step
                    part = (np.float64(ref[i]) - start) / change if change != 0.0 else 1.0
                    if n < when.size:
                        when[n] = np.int32(min(max(part, 0.0), 1.0) * period)
                        what[n] = np.int32((j * columns + i) << 1 | on)
                    n += 1
    return n


@register_jitable
def add_noise(n, pixels, silence, period, key, step, when, what):
    """Append a Poisson number of events, none with probability ``silence``, at random times, pixels and signs."""
    stream = mix64(np.uint64(key) ^ mix64(np.uint64(step)))
    counter = 0
    product = uniform(stream, counter)  # Knuth's product of uniform numbers: the mean is about one
    while product > silence:
        a, b, c = uniform(stream, counter + 1), uniform(stream, counter + 2), uniform(stream, counter + 3)
        if n < when.size:
            when[n] = np.int32(a * period)
            what[n] = np.int32(np.int64(b * pixels) << 1 | np.int64(c < 0.5))
        n += 1
        counter += 4
        product *= uniform(stream, counter)
    return n


@register_jitable
def sort_by_time(n, when, what, when_2, what_2, counts):
    """Stable sort by a time below 2**20, two passes of ten bits."""
    for shift in (0, 10):
        source_t, source_w = (when, what) if shift == 0 else (when_2, what_2)
        target_t, target_w = (when_2, what_2) if shift == 0 else (when, what)
        counts[:] = 0
        for k in range(n):
            counts[(source_t[k] >> shift) & 1023] += 1
        total = 0
        for b in range(counts.size):
            total, counts[b] = total + counts[b], total
        for k in range(n):
            b = (source_t[k] >> shift) & 1023
            target_t[counts[b]] = source_t[k]
            target_w[counts[b]] = source_w[k]
            counts[b] += 1


@register_jitable
def refractory_filter(n, when, what, start, refractory, columns, last, sign, rows_out):
    """Emit the events whose pixel is not refractory; returns how many, also those beyond the capacity."""
    emitted = 0
    for k in range(n):
        pixel = what[k] >> 1
        t = start + when[k]
        if t - last[pixel] >= refractory:
            last[pixel] = t
            sign[pixel] = what[k] & 1
            if emitted < rows_out.shape[0]:
                rows_out[emitted, 0] = np.float32(when[k] * 1e-9)
                rows_out[emitted, 1] = np.float32(pixel % columns)
                rows_out[emitted, 2] = np.float32(pixel // columns)
                rows_out[emitted, 3] = np.float32(what[k] & 1)
            emitted += 1
    return emitted


def observe(picture, before, reference, threshold, last, sign, when, what, counts, flags, clock, key, silence, out):
    """One step of the camera: the events between two pictures.

    Parameters
    ----------
    picture, before : (rows, columns) float32, log intensity at the end and at the start of the step;
        the first becomes the second
    reference, threshold : (rows, columns) float32, log intensity; the reference moves
    last : (rows * columns,) int64, time of a pixel's last event [ns]; sign : uint8, its polarity
    when, what : (2, candidates) int32, scratch; counts : (1024,) int32; flags : (columns,) uint8
    clock : (3,) int64, number of the step, its length [ns, < 2**20], refractory time [ns]
    key : uint64, seed of the noise; silence : probability of a step without noise events
    out : (capacity, 4) float32, events (t [s] after the start of the step, x, y, polarity)

    Returns
    -------
    int64, events that ``out`` had room for << 32 | events that were dropped
    """
    step, period, refractory = clock[0], clock[1], clock[2]
    n = crossings(picture, before, reference, threshold, period, flags, when[0], what[0])
    n = add_noise(n, picture.size, silence, period, key, np.uint64(step), when[0], what[0])
    lost = max(n - when.shape[1], 0)
    n -= lost
    sort_by_time(n, when[0], what[0], when[1], what[1], counts)
    n = refractory_filter(n, when[0], what[0], step * period, refractory, picture.shape[1], last, sign, out)
    before[:] = picture
    lost += max(n - out.shape[0], 0)
    return min(n, out.shape[0]) << 32 | lost


def compiled_observe():
    """``observe``, compiled."""
    frame = "float32[:,::1]"
    return compile_function(
        observe,
        f"int64({frame}, {frame}, {frame}, {frame}, int64[::1], uint8[::1], int32[:,::1], int32[:,::1], "
        f"int32[::1], uint8[::1], int64[::1], uint64, float64, {frame})",
    )


class EventCamera:
    """The pixels of an event camera.

    Parameters
    ----------
    size : rows and columns; columns a multiple of 64
    period : time between pictures [s], below 1.048 ms
    threshold : change of log intensity that is reported
    mismatch : standard deviation of the pixels' thresholds, relative
    refractory : least time between two events of a pixel [s]
    noise : rate of noise events [Hz a pixel]
    capacity : events of a step that are delivered; the rest is dropped and counted
    """

    def __init__(
        self,
        size: tuple[int, int] = (128, 128),
        period: float = 1e-3,
        threshold: float = 0.2,
        mismatch: float = 0.03,
        refractory: float = 1e-3,
        noise: float = 0.1,
        capacity: int = 4096,
    ) -> None:
        pixels = size[0] * size[1]
        mean = noise * pixels * period
        if size[1] % 64:
            raise DescriptionError("size[1]", size[1], "must be a multiple of 64")
        if not 0 < period * 1e9 < 1 << 20:
            raise DescriptionError("period", period, "must be positive and below 1.048 ms", "take smaller steps")
        if not threshold >= 0.01:  # a reference must move by more than the rounding of float32
            raise DescriptionError("threshold", threshold, "must be at least 0.01")
        if not 0 <= mean <= 500:
            raise DescriptionError("noise", noise, "must give 0 to 500 events a step")
        if capacity < 1:
            raise DescriptionError("capacity", capacity, "must be at least 1")
        self.threshold_mean, self.mismatch = threshold, mismatch
        self.capacity = capacity
        self.before = np.zeros(size, np.float32)
        self.reference = np.zeros(size, np.float32)
        self.threshold = np.full(size, threshold, np.float32)
        self.last = np.full(pixels, NEVER, np.int64)
        self.sign = np.zeros(pixels, np.uint8)
        self.clock = np.array([0, round(period * 1e9), round(refractory * 1e9)], np.int64)
        self._when = np.zeros((2, CANDIDATES), np.int32)
        self._what = np.zeros((2, CANDIDATES), np.int32)
        self._counts = np.zeros(RADIX, np.int32)
        self._flags = np.zeros(size[1], np.uint8)
        self._silence = float(np.exp(-mean))
        self._key = np.uint64(0)
        self._observe = compiled_observe()

    def reset(self, picture: np.ndarray, rng: np.random.Generator) -> None:
        """A new camera that has looked at ``picture`` for long. Thresholds and noise are drawn from ``rng``."""
        spread = 1.0 + self.mismatch * rng.standard_normal(self.threshold.shape)
        self.threshold[:] = self.threshold_mean * np.maximum(spread, 0.1)
        self._key = np.uint64(rng.integers(0, 2**64, dtype=np.uint64))
        self.before[:] = picture
        self.reference[:] = picture
        self.last[:] = NEVER
        self.sign[:] = 0
        self.clock[0] = 0

    def observe(self, picture: np.ndarray) -> tuple[np.ndarray, int, int]:
        """The events since the picture before.

        Returns
        -------
        events : (capacity, 4) float32, a new array: t [s] after the picture before, x, y, polarity (ON 1),
            ascending in t; zeros after the last
        count : events in it
        dropped : events that did not fit
        """
        events = np.zeros((self.capacity, 4), np.float32)
        result = self._observe(
            picture,
            self.before,
            self.reference,
            self.threshold,
            self.last,
            self.sign,
            self._when,
            self._what,
            self._counts,
            self._flags,
            self.clock,
            self._key,
            self._silence,
            events,
        )
        self.clock[0] += 1
        return events, result >> 32, result & 0xFFFFFFFF
