"""Read pictures (sensor_msgs/msg/Image) as numbers: the mean brightness, 0 to 255, of each cell of a grid.

Accepted encodings have 8 bits: mono8, rgb8, bgr8, rgba8, bgra8, and OpenCV's 8UC1, 8UC3, 8UC4 (blue first). The
brightness of a colour is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). A grid divides a picture of width w and height h
into m columns and n rows of cells. Cell (i, j) covers the pixel columns floor(i w / m) to floor((i + 1) w / m) - 1, and
the pixel rows floor(j h / n) to floor((j + 1) h / n) - 1. Cells are numbered row by row, from the top left.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba.extending import register_jitable

from ...engine.compile import compile_function
from ...engine.memory import f64, i64, load_u8
from ...errors import InputError
from ...events.cdr import TRUNCATED, begin, get_stamp, get_u32, is_big, offset_after, offset_after_text, word_number
from .malformed import BAD_ENCODING, TOO_SMALL, explain
from .selection import DETAIL, SCRATCH_WORDS

__all__ = ["COMPRESSED", "IMAGE_TYPE", "cells", "names_of", "parse_image", "read_cells"]

IMAGE_TYPE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
#: name -> channels, index of red, of green, of blue
ENCODINGS = {
    "mono8": (1, 0, 0, 0), "8UC1": (1, 0, 0, 0), "rgb8": (3, 0, 1, 2), "bgr8": (3, 2, 1, 0), "8UC3": (3, 2, 1, 0),
    "rgba8": (4, 0, 1, 2), "bgra8": (4, 2, 1, 0), "8UC4": (4, 2, 1, 0),
}  # fmt: skip


def names_of(encodings: Iterable[str]) -> np.ndarray:
    """Return the argument ``names`` of `parse_image`: the names of image encodings, (n, 16) uint8."""
    return np.frombuffer(b"".join(name.encode().ljust(16, b"\0") for name in encodings), np.uint8).reshape(-1, 16)


NAMES = names_of(ENCODINGS)
LAYOUTS = np.array(list(ENCODINGS.values()), np.int64)
RED, GREEN, BLUE = 299, 587, 114  # thousandths


@register_jitable
def _mean(data, step, layout, left, right, top, bottom):
    channels, red, green, blue = LAYOUTS[layout, 0], LAYOUTS[layout, 1], LAYOUTS[layout, 2], LAYOUTS[layout, 3]
    total = np.int64(0)
    for y in range(top, bottom):
        at = data + y * step + left * channels
        for _ in range(right - left):
            if channels == 1:
                total += np.int64(load_u8(at))
            else:
                total += RED * np.int64(load_u8(at + red)) + GREEN * np.int64(load_u8(at + green))
                total += BLUE * np.int64(load_u8(at + blue))
            at += channels
    count = (right - left) * (bottom - top)
    return total / count if channels == 1 else total / (1000 * count)


@register_jitable
def parse_image(address, length, names, detail):
    """Read the metadata of a serialized Image: all fields except the pixels.

    address : address of the message
    length : number of bytes of the message
    names : (n, width) uint8, the names of the accepted encodings, each closed by a NUL
    detail : address of two words, which receive the first 16 bytes of the name of an unknown encoding

    Return eight values: 0 or a negative error code, the stamp [ns], width and height [pixel], index of the encoding,
    whether numbers are big-endian, distance from one row to the next [bytes], and the address of the first row. This
    address is 0 for a picture without pixels. After an error code, only the stamp is valid.
    """
    o, end, first = begin(address, length), length - 4, address + 4
    zero = np.int64(0)
    big = is_big(address) if o >= 0 else False
    o = offset_after(o, 4, 8, end)
    stamp = get_stamp(first, big) if o >= 0 else np.int64(-1)
    sides = offset_after(offset_after_text(first, o, end, big), 4, 8, end)
    name = ((sides + 3) & -4) + 4
    named = offset_after_text(first, sides, end, big)
    flag = offset_after(named, 1, 1, end)
    o = offset_after(offset_after(flag, 4, 4, end), 4, 4, end)
    if o < 0:
        return o, stamp, zero, zero, zero, zero, zero, zero
    height, width = get_u32(first + sides - 8, big), get_u32(first + sides - 4, big)
    encoding = np.int64(word_number(names, first + name, named - name))
    step, size = get_u32(first + o - 8, big), get_u32(first + o - 4, big)
    if size > 0 and encoding < 0:
        words = i64(detail, 2)
        words[0] = words[1] = 0
        for k in range(min(16, named - name)):
            words[k // 8] |= np.int64(load_u8(first + name + k)) << (8 * (k % 8))
        return np.int64(BAD_ENCODING), stamp, zero, zero, zero, zero, zero, zero
    if size > 0 and (size > end - o or height > size // max(step, 1)):
        return np.int64(TRUNCATED), stamp, zero, zero, zero, zero, zero, zero
    pixels = first + o if size > 0 else zero
    return zero, stamp, width, height, encoding, np.int64(load_u8(first + flag - 1) != 0), step, pixels


def read_cells(address, length, columns, rows, out, scratch):
    """Read the mean brightness of each grid cell from a serialized Image.

    address : address of the message
    length : number of bytes of the message
    columns, rows : size of the grid [cells]
    out : address of float64[rows * columns] for the brightness of the cells
    scratch : as in `field_reader.read_fields`; for an unknown encoding, its two words DETAIL receive the first 16 bytes
        of the encoding's name

    Return the number of cells, which is 0 for a picture without pixels, or a negative error code.
    """
    code, stamp, width, height, layout, _, step, data = parse_image(address, length, NAMES, scratch + 8 * DETAIL)
    i64(scratch, 1)[0] = stamp
    if code < 0 or data == 0:
        return code
    if width > step // LAYOUTS[layout, 0]:
        return np.int64(TRUNCATED)
    if width < columns or height < rows:
        return np.int64(TOO_SMALL)
    values = f64(out, rows * columns)
    for j in range(rows):
        for i in range(columns):
            values[j * columns + i] = _mean(
                data, step, layout, i * width // columns, (i + 1) * width // columns, j * height // rows,
                (j + 1) * height // rows,
            )  # fmt: skip
    return np.int64(rows * columns)


def cells(message: bytes, grid: tuple[int, int]) -> np.ndarray:
    """Return the mean brightness of each grid cell of a serialized Image, (rows * columns,) float64.

    The array is empty for a picture without pixels. Raises InputError if the message is malformed.

    grid : number of columns and rows of the grid
    """
    data, out = np.frombuffer(message, np.uint8), np.zeros(grid[0] * grid[1])
    scratch = np.zeros(SCRATCH_WORDS, np.int64)
    run = compile_function(read_cells, "int64(int64,int64,int64,int64,int64,int64)")
    n = run(data.ctypes.data, data.size, *grid, out.ctypes.data, scratch.ctypes.data)
    if n < 0:
        raise InputError(f"the picture {explain(int(n), scratch[DETAIL : DETAIL + 2].tolist())}")
    return out[:n]
