"""The compiled part of the simulated event camera: compute the events of its pixels between two pictures."""

from __future__ import annotations

import functools
import math

import numpy as np
from numba.extending import register_jitable

from ..compile import compile_function
from ..memory import flags64, lowest_bit, prefetch
from ..random import philox

__all__ = ["DARKEST", "NEVER", "RADIX", "STATE", "compiled_observe", "compiled_rows", "observe"]

RADIX = 4096
AHEAD = 24  # events whose pixels are fetched in advance, because they are anywhere in memory
NEVER = -(1 << 62)
#: planes of a camera's state: the previous picture, the low-passed one, the low-passed one's distance from the
#: reference, the thresholds, and the speed of the reference [1/s]
STATE = ("picture", "light", "gap", "on", "off", "leak")
#: depth below white [log intensity] at which a pixel becomes neither slower nor noisier: v2e's factor of 0.07
DARKEST = np.float32(-math.log(0.07))
MAX_EXPONENT = np.float32(16.0)
BEYOND = np.float32(1e4)  # at this size a float32 still resolves less than the smallest threshold

F1, F6, F12, EIGHTH, PART = (np.float32(v) for v in (1.0, 6.0, 12.0, 0.125, 1.5))
HALF, ZERO = np.float32(0.5), np.float32(0.0)


@register_jitable(forceinline=True)
def decay(a):
    """Return exp(-a) and (1 - exp(-a)) / a for a float32 ``a`` from 0 to 16, with errors below 2e-6.

    The function uses a Pade approximation at a / 8, which the compiler vectorises.
    """
    z = a * EIGHTH
    q = F1 / (F12 + z * (F6 + z))
    p = (F12 - z * (F6 - z)) * q
    p2 = p * p
    p4 = p2 * p2
    return p4 * p4, PART * q * (F1 + p) * (F1 + p2) * (F1 + p4)


@register_jitable(forceinline=True)
def brightness(log_intensity, white):
    """Return the light intensity of a pixel relative to the intensity of white, limited to 0.07 .. 1.

    log_intensity, white : log intensity of the pixel and of white
    """
    x = white - log_intensity
    x = x if x > ZERO else ZERO
    return decay(x if x < DARKEST else DARKEST)[0]


@register_jitable
def follow(now, picture, light, gap, leak, change, dt, speed, white):
    """Advance the first-order low-pass filters of one row of pixels by a step.

    The log intensity changes linearly from ``picture`` to ``now``, and the response of the filters is computed exactly.
    The rate of a pixel's filter is proportional to the light intensity in the middle of the step.

    now : (columns,), log intensity at the end of the step
    picture : (columns,), log intensity at the start of the step; updated
    light : (columns,), output of the filter; updated
    gap : (columns,), output of the filter minus the reference of the pixel; updated
    leak : (columns,), change of the gap by leakage [1/s]
    change : (columns,), change of the gap in this step; written
    dt : length of the step [s]
    speed : rate of the filter at the intensity of white [1/s], times dt; 0: no filter
    white : log intensity above which the filter becomes no faster
    """
    if speed > ZERO:
        for i in range(now.size):
            start, rise = picture[i], now[i] - picture[i]
            a = speed * brightness(start + HALF * rise, white)
            short = a if a < MAX_EXPONENT else MAX_EXPONENT
            share = decay(short)[1] * short
            next_light = now[i] - rise * (share / a) - (start - light[i]) * (F1 - share)
            change[i] = next_light - light[i] + leak[i] * dt
            gap[i] += change[i]
            light[i] = next_light
            picture[i] = now[i]
    else:
        for i in range(now.size):
            change[i] = now[i] - picture[i] + leak[i] * dt
            gap[i] += change[i]
            picture[i] = now[i]


@register_jitable
def crossings(j, gap, on, off, change, flags, period, n, when, what):
    """Append an event for each threshold crossing in image row ``j``, after the first ``n`` events.

    Return the new number of events, including events that did not fit and were not written. Return -1 if a value is NaN
    or too large.

    gap : (columns,), distance from the reference after the step
    change : (columns,), change of this distance in the step
    on : (columns,), thresholds for ON events
    off : (columns,), thresholds for OFF events
    flags : uint8, scratch memory
    when : int32, written: times of the events [ns after the previous picture]
    what : int32, written: pixel << 1 | polarity
    period : length of the step [ns]
    """
    columns = gap.size
    address = np.int64(flags.ctypes.data)
    for i in range(columns):  # vector code: most pixels are silent
        flags[i] = not ((gap[i] < on[i]) & (gap[i] > -off[i]))
    for word in range((columns + 63) // 64):
        mask = flags64(address + word * 64)
        while mask != np.uint64(0):
            i = word * 64 + lowest_bit(mask)
            mask = mask & (mask - np.uint64(1))
            if not abs(gap[i]) < BEYOND:
                return np.int64(-1)
            up = gap[i] > ZERO
            step = on[i] if up else -off[i]
            gained = np.float64(change[i])
            start = np.float64(gap[i]) - gained
            moved = 0.0
            while (gap[i] >= on[i]) if up else (gap[i] <= -off[i]):
                gap[i] -= step
                moved += np.float64(step)
                part = (moved - start) / gained if gained != 0.0 else 1.0
                if n < when.size:
                    when[n] = np.int32(min(max(part, 0.0), 1.0) * period)
                    what[n] = np.int32((j * columns + i) << 1 | up)
                n += 1
    return n


@register_jitable
def add_noise(j, picture, white, rate, bright, silence, period, key, step, n, when, what):
    """Append the shot noise of image row ``j`` as events, after the first ``n`` events. Return the new number.

    The number of candidate events is Poisson distributed; their pixels and times are random. Each candidate becomes an
    event with a probability that depends on the intensity of its pixel: nearly 1 in the dark, ``bright`` at ``white``
    and above.

    rate : rate of shot noise [Hz]; 0: no noise
    silence : probability that there is no candidate
    key : seed of the noise
    step : index of the step; key, step, row and the candidate's index determine its random numbers
    when, what, period : as in `crossings`
    """
    if rate <= 0.0:
        return n
    word, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    unit = 1.0 / 4294967296.0
    product, k = 1.0, np.uint64(0)
    while True:
        a, b, c, d = philox(k, np.uint64(j), step & word, step >> half, key & word, key >> half)
        product *= (np.float64(np.int64(a)) + 0.5) * unit  # Knuth's product of uniform numbers
        if product <= silence:
            return n
        i = np.int64(np.float64(np.int64(c)) * unit * picture.size)
        keep = 1.0 - (1.0 - bright) * np.float64(brightness(picture[i], white))
        if np.float64(np.int64(d >> np.uint64(1))) * (2.0 * unit) < keep:
            if n < when.size:
                when[n] = np.int32(np.float64(np.int64(b)) * unit * period)
                what[n] = np.int32((j * picture.size + i) << 1) | np.int32(d & np.uint64(1))
            n += 1
        k += np.uint64(1)


@register_jitable
def sort_by_time(n, period, when, what, counts):
    """Sort the first ``n`` events by time with a stable radix sort, in two passes if all times are below 16 ms.

    Each pass copies the events to the other row of ``when`` and ``what``. Return the row with the sorted events.

    period : upper limit of the times [ns]
    when, what : (2, candidates) int32, events in row 0, see `crossings`
    counts : (4096,) int32, scratch memory
    """
    source, shift, bits = 0, 0, 10 if period >> 20 == 0 else 12
    mask = np.int32((1 << bits) - 1)
    while (period >> shift) > 0:
        target = 1 - source
        counts[: mask + 1] = 0
        for k in range(n):
            counts[(when[source, k] >> shift) & mask] += 1
        total = 0
        for b in range(mask + 1):
            total, counts[b] = total + counts[b], total
        for k in range(n):
            b = (when[source, k] >> shift) & mask
            when[target, counts[b]] = when[source, k]
            what[target, counts[b]] = what[source, k]
            counts[b] += 1
        source, shift = target, shift + bits
    return source


@register_jitable
def refractory_filter(n, when, what, start, refractory, last, sign, when_out, what_out):
    """Copy the events of pixels that are not refractory to ``when_out`` and ``what_out``. Return their number.

    when, what : events, see `crossings`
    start : time at the start of the step [ns]
    refractory : refractory time [ns]
    last : time of each pixel's last event [ns], updated
    sign : polarity of each pixel's last event, updated
    """
    kept, times, signs = 0, np.int64(last.ctypes.data), np.int64(sign.ctypes.data)
    for k in range(n):
        if k + AHEAD < n:
            following = np.int64(what[k + AHEAD] >> 1)
            prefetch(times + 8 * following)
            prefetch(signs + following)
        pixel = what[k] >> 1
        t = start + when[k]
        if t - last[pixel] >= refractory:
            last[pixel] = t
            sign[pixel] = what[k] & 1
            when_out[kept], what_out[kept] = when[k], what[k]
            kept += 1
    return kept


def observe(picture, state, last, sign, when, what, counts, flags, change, clock, key, numbers):
    """Advance the camera by one step, and write the events of this step to ``when[0]`` and ``what[0]``.

    picture : (rows, columns) float32, log intensity at the end of the step
    state : (6, rows, columns) float32, the planes of ``STATE``
    last : (rows * columns,) int64, time of each pixel's last event [ns]; updated
    sign : (rows * columns,) uint8, polarity of each pixel's last event; updated
    when, what : (2, candidates) int32, scratch memory and result, see `crossings`
    counts : (4096,) int32, scratch memory
    flags : (columns and up to 63 zeros,) uint8, scratch memory
    change : (columns,) float32, scratch memory
    clock : (4,) int64, index of the step, its start, its length, and the refractory time [ns]
    key : uint64, seed of the noise
    numbers : (4,) float64: cutoff [Hz], white, shot rate of a pixel [Hz], and its share for bright pixels (see
        `CameraModel`)

    Return one int64: the number of events << 32 | the number of events that did not fit. Return -1 for a picture that
    is not finite.
    """
    step, start, period, refractory = clock[0], clock[1], clock[2], clock[3]
    white, rate, bright = np.float32(numbers[1]), numbers[2], numbers[3]
    dt = period * 1e-9
    speed = np.float32(2.0 * math.pi * numbers[0] * dt)
    silence = math.exp(-rate * picture.shape[1] * dt)
    n = np.int64(0)
    for j in range(picture.shape[0]):
        gap = state[2, j]
        follow(picture[j], state[0, j], state[1, j], gap, state[5, j], change, np.float32(dt), speed, white)
        n = crossings(j, gap, state[3, j], state[4, j], change, flags, period, n, when[0], what[0])
        if n < 0:
            return np.int64(-1)
        n = add_noise(j, picture[j], white, rate, bright, silence, period, key, np.uint64(step), n, when[0], what[0])
    lost = max(n - when.shape[1], 0)
    n -= lost
    row = sort_by_time(n, period, when, what, counts)
    n = refractory_filter(n, when[row], what[row], start, refractory, last, sign, when[0], what[0])
    return n << 32 | lost


def rows(n, columns, when, what, out):
    """Convert ``n`` events to rows (time after the previous picture [s], x, y, polarity) of ``out``, (n, 4) float32.

    columns : width of the picture
    when, what : as in `crossings`
    """
    for k in range(n):
        pixel = what[k] >> 1
        out[k, 0] = np.float32(when[k] * 1e-9)
        out[k, 1] = np.float32(pixel % columns)
        out[k, 2] = np.float32(pixel // columns)
        out[k, 3] = np.float32(what[k] & 1)


compiled_observe = functools.partial(
    compile_function,
    observe,
    "int64(float32[:,::1], float32[:,:,::1], int64[::1], uint8[::1], int32[:,::1], int32[:,::1], int32[::1], "
    "uint8[::1], float32[::1], int64[::1], uint64, float64[::1])",
)
compiled_rows = functools.partial(compile_function, rows, "void(int64, int64, int32[::1], int32[::1], float32[:,::1])")
