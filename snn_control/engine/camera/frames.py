"""Convert camera frames in the encodings of ROS to pictures of log intensity, for the simulated event camera.

The log intensity of a pixel is ``ln((I + FLOOR) / (1 + FLOOR))``, where ``I`` is the linear light intensity from 0 to
1. A grey value v from 0 to 1 has ``I = v ** gamma``. The ``I`` of a colour is a weighted sum of the intensities of red,
green and blue (ITU-R BT.709).

Logarithms are read from tables, so that no value depends on libm at run time. A table has 256 entries for 8 bits and
65,536 entries otherwise. For grey pictures of 8 bits, the result has the same bits as the result of
`sim_worlds.sensors.intensity.log_intensity`.

Bayer patterns are not interpolated. The intensity of pixel (i, j) is computed from the 2 x 2 pixels that begin at
(i, j): one red, one blue and two green pixels. The last row and the last column of the picture reuse the 2 x 2 pixels
of the row and the column before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba.extending import register_jitable

from ..memory import f32, load_f32, load_u8, load_u16, u32

__all__ = ["ENCODINGS", "FLOOR", "LUMA", "PIXEL_BYTES", "Tables", "grey_logarithms", "log_picture"]

#: added to an intensity from 0 to 1, as the light that a pixel sees in black. It keeps the steps of 8 bits below a
#: threshold of 0.2
FLOOR = 0.02
LUMA = (0.2126, 0.7152, 0.0722)  # weights of linear red, green and blue (ITU-R BT.709)
FINE = 65535  # largest index of the fine tables
HALF = np.float32(0.5)

GREY8, GREY16, FLOAT32, COLOUR, BAYER = range(5)
#: encoding -> form, bytes of a pixel; then the offset of the grey value, or those of red, green and blue [bytes]; for a
#: Bayer pattern the column and row, 0 or 1, of the first red pixel
ENCODINGS = {
    "mono8": (GREY8, 1, 0, 0, 0), "8UC1": (GREY8, 1, 0, 0, 0), "mono16": (GREY16, 2, 0, 0, 0),
    "32FC1": (FLOAT32, 4, 0, 0, 0), "rgb8": (COLOUR, 3, 0, 1, 2), "bgr8": (COLOUR, 3, 2, 1, 0),
    "rgba8": (COLOUR, 4, 0, 1, 2), "bgra8": (COLOUR, 4, 2, 1, 0), "yuv422": (GREY8, 2, 1, 0, 0),
    "uyvy": (GREY8, 2, 1, 0, 0), "yuv422_yuy2": (GREY8, 2, 0, 0, 0), "yuyv": (GREY8, 2, 0, 0, 0),
    "bayer_rggb8": (BAYER, 1, 0, 0, 0), "bayer_grbg8": (BAYER, 1, 1, 0, 0), "bayer_gbrg8": (BAYER, 1, 0, 1, 0),
    "bayer_bggr8": (BAYER, 1, 1, 1, 0),
}  # fmt: skip
LAYOUTS = np.array(list(ENCODINGS.values()), np.int64)
PIXEL_BYTES = np.ascontiguousarray(LAYOUTS[:, 1])


def grey_logarithms(values: int, gamma: float) -> np.ndarray:
    """Return the log intensity of each grey value from 0 to ``values`` - 1, (values,) float32."""
    linear = (np.arange(values) / (values - 1.0)) ** gamma
    return np.log((linear + FLOOR) / (1.0 + FLOOR)).astype(np.float32)


@dataclass(frozen=True)
class Tables:
    """Tables for one gamma, from which `log_picture` reads logarithms and intensities.

    logarithms : (256 + 2 * 65536,) float32, log intensity of each grey value of 8 bits, each grey value of 16 bits, and
        each linear intensity of 16 bits
    shares : (4, 256) uint32, contribution of each 8-bit value of red, green, blue and half of green to the linear
        intensity of a colour, in units of 1 / (256 * 65535)
    """

    logarithms: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, gamma: float) -> Tables:
        logarithms = [grey_logarithms(256, gamma), grey_logarithms(FINE + 1, gamma), grey_logarithms(FINE + 1, 1.0)]
        linear = (np.arange(256) / 255.0) ** gamma
        weights = np.array([*LUMA, LUMA[1] / 2])[:, None]
        return cls(np.concatenate(logarithms), np.rint(weights * linear * (256 * FINE)).astype(np.uint32))


@register_jitable
def _grey8(data, pixel, offset, row, table):
    for i in range(row.size):
        row[i] = table[load_u8(data + i * pixel + offset)]


@register_jitable
def _grey16(data, big, row, table):
    for i in range(row.size):
        v = load_u16(data + 2 * i)
        row[i] = table[(v & 0xFF) << 8 | v >> 8] if big else table[v]


@register_jitable
def _float32(data, row, table):
    for i in range(row.size):
        v = load_f32(data + 4 * i)
        v = v if v > np.float32(0.0) else np.float32(0.0)  # NaN, too
        v = v if v < np.float32(1.0) else np.float32(1.0)
        row[i] = table[np.int64(v * np.float32(FINE) + HALF)]


@register_jitable
def _colour(data, pixel, red, green, blue, row, table, shares):
    for i in range(row.size):
        at = data + i * pixel
        total = shares[load_u8(at + red)] + shares[256 + load_u8(at + green)] + shares[512 + load_u8(at + blue)]
        row[i] = table[(total + np.uint32(128)) >> np.uint32(8)]


@register_jitable
def _share_of(column, row):
    """Return the index in `Tables.shares` at which the entries for the colour of a Bayer pixel begin.

    column, row : position of the pixel relative to a red pixel
    """
    if (column ^ row) & 1 == 1:
        return 768  # half of green
    return 512 * (column & 1)


@register_jitable
def _bayer(upper, lower, column, line, row, table, shares):
    """Convert one row of a Bayer pattern to log intensities.

    upper, lower : addresses of the values of this row and of the next row
    column, line : position of the first pixel of ``upper`` relative to a red pixel
    row : (columns,) float32, result
    table, shares : as in `Tables`: logarithms of linear intensities, and contributions of colours
    """
    even, odd = _share_of(column, line), _share_of(column + 1, line)
    under_even, under_odd = _share_of(column, line + 1), _share_of(column + 1, line + 1)
    for i in range(row.size):
        at = min(i, row.size - 2)
        if at & 1 == 0:
            total = shares[even + load_u8(upper + at)] + shares[odd + load_u8(upper + at + 1)]
            total += shares[under_even + load_u8(lower + at)] + shares[under_odd + load_u8(lower + at + 1)]
        else:
            total = shares[odd + load_u8(upper + at)] + shares[even + load_u8(upper + at + 1)]
            total += shares[under_odd + load_u8(lower + at)] + shares[under_even + load_u8(lower + at + 1)]
        row[i] = table[(total + np.uint32(128)) >> np.uint32(8)]


@register_jitable
def log_picture(data, step, encoding, big, width, height, logarithms, shares, out):
    """Write the log intensity of a frame's pixels to ``out``. Addresses and numbers are int64.

    data : address of the frame's first row
    step : number of bytes from one row to the next
    encoding : index in ENCODINGS
    big : whether numbers of 16 bits are big endian
    width, height : size of the frame [pixel]; at least 2 x 2 for a Bayer pattern
    logarithms, shares : addresses of the arrays of `Tables`
    out : address of (height * width,) float32
    """
    form, pixel = LAYOUTS[encoding, 0], LAYOUTS[encoding, 1]
    a, b, c = LAYOUTS[encoding, 2], LAYOUTS[encoding, 3], LAYOUTS[encoding, 4]
    coarse, fine = f32(logarithms, 256), f32(logarithms + 4 * 256, FINE + 1)
    linear, parts = f32(logarithms + 4 * (256 + FINE + 1), FINE + 1), u32(shares, 1024)
    for j in range(height):
        at, row = data + j * step, f32(out + 4 * width * j, width)
        if form == GREY8:
            _grey8(at, pixel, a, row, coarse)
        elif form == GREY16:
            _grey16(at, big, row, fine)
        elif form == FLOAT32:
            _float32(at, row, fine)
        elif form == COLOUR:
            _colour(at, pixel, a, b, c, row, linear, parts)
        else:
            top = min(j, height - 2)
            _bayer(data + top * step, data + (top + 1) * step, a, top + b, row, linear, parts)
