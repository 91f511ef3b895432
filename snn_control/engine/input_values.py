"""Write the values and events that Python code passes to an input into the io block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import InputError, counted, in_line
from .camera.frame_taker import FrameTaker
from .compile import compile_function
from .memory import f64, i64, u8, u16
from .python_calls import nothing_came
from .slots import AGE, COUNT, DROPPED, FRESH

__all__ = ["NOWHERE", "set_input", "set_numbers", "taker"]

NUMBERS = "biuf"  # kinds of dtypes
NOWHERE = 65535  # coordinate of an event outside the frame; no camera has it, and it does not wrap into the frame
NO_TIME = np.int64(-1 << 63)  # time of an event whose time is NaN or beyond int64
LATEST = np.float64(1 << 63)
WORDS = 11  # of `convert_events`


def convert_events(words):
    """Convert n events, given as float64, to the columns of an events input.

    words : address of `WORDS` int64 words: n, whether t is given in s after ``start``, start [ns], then the addresses
        of the given t, x, y, p, (n,) float64, and of the columns
    """
    o = i64(words, WORDS)
    n, start = o[0], o[2]
    x, y, p = f64(o[4], n), f64(o[5], n), f64(o[6], n)
    to_x, to_y, to_p = u16(o[8], n), u16(o[9], n), u8(o[10], n)
    for k in range(n):
        to_x[k] = np.uint16(x[k]) if (x[k] >= 0) & (x[k] < NOWHERE) else NOWHERE
        to_y[k] = np.uint16(y[k]) if (y[k] >= 0) & (y[k] < NOWHERE) else NOWHERE
        to_p[k] = p[k] > 0
    if o[1]:
        t, to_t = f64(o[3], n), i64(o[7], n)
        for k in range(n):
            ns = np.rint(t[k] * 1e9)
            to_t[k] = start + np.int64(ns) if abs(ns) < LATEST else NO_TIME


def taker(slot: np.ndarray, columns: Sequence[np.ndarray], clock: np.ndarray, period_ns: int) -> Callable[..., bool]:
    """Return ``take(t, x, y, p)``, which writes the events of a tick to an events input.

    ``take`` accepts four vectors of numbers of equal length, and then returns True. It rejects all other arguments: it
    returns False and changes nothing. An integer t is in ns, on the sensor's clock. A float t is in s after the
    beginning of tick ``clock[0]``. ``take(None)`` marks a tick without events.

    slot, columns : the input's header (`snn_control.engine.slots`) and its columns t int64, x and y uint16, p uint8
    clock : array whose first element is the number of the tick
    """
    to_t, given_as = columns[0], np.zeros((4, columns[0].size))
    words = np.array([0, 0, 0, *(row.ctypes.data for row in (*given_as, *columns))], np.int64)
    convert, address = compile_function(convert_events, "void(int64)"), words.ctypes.data

    def take(*given: Any) -> bool:
        if len(given) == 1 and given[0] is None:
            nothing_came(slot, period_ns)
            return True
        if len(given) != 4 or not all(type(one) is np.ndarray and one.ndim == 1 for one in given):
            return False
        count = len(given[0])
        if not all(len(one) == count and one.dtype.kind in NUMBERS for one in given):
            return False
        n, in_s = min(count, columns[0].size), given[0].dtype.kind == "f"
        for row, one in zip(given_as[:, :n], given):
            row[:] = one[:n]
        if not in_s:
            to_t[:n] = given[0][:n]
        words[:3] = n, in_s, clock[0] * period_ns
        convert(address)
        slot[COUNT], slot[DROPPED], slot[FRESH], slot[AGE] = n, count - n, 1, 0
        return True

    return take


def set_input(path: str, take: Callable[..., bool], data: np.ndarray | None, value: Any) -> None:
    """Write a sample to an input. Raise InputError with the input's ``path`` if the sample does not fit the input.

    take : function that writes to the input, see `snn_control.engine.bound.input_taker`
    data : float64 array of the input's numbers in the io block; None for an events input
    value : the sample:

        - value input: numbers
        - events input: an (n, 4) array with columns t, x, y and p, or a tuple of four arrays t, x, y, p. The unit of t
          is that of `Controller.step`
        - events input whose source is frames: an image, or a tuple of four arrays as above
    """
    if data is not None:
        set_numbers(path, data, value)
        take(data)
        return
    if isinstance(value, tuple) and len(value) == 4:
        columns = value
    else:
        rows = np.asarray(value)
        if isinstance(take, FrameTaker):
            rows = rows.astype(np.float32) if rows.dtype.kind == "f" else rows
            if take(rows):
                return
            sides = f"({take.size[1]}, {take.size[0]})"
            rule = f"must be an image {sides} of uint8, uint16 or float from 0 to 1, or of uint8 with 3 or 4 colours"
            raise InputError(f"{path}: shape {rows.shape} {rows.dtype}: {rule}")
        if rows.ndim != 2 or rows.shape[1] != 4:
            raise InputError(f"{path}: shape {rows.shape}: must be (n, 4) rows of t, x, y, p")
        columns = tuple(rows.T)
    if not take(*columns):
        take(*_columns(path, columns))


def set_numbers(path: str, data: np.ndarray, value: Any) -> None:
    """Copy a sample into a value input's ``data``, (n,) float64. Raise InputError if size or type is wrong."""
    rule, given = f"must be {counted(data.size)}", _plain_numbers(value)
    if given is None:
        raise InputError(f"{path} = {in_line(repr(value), 80)}: {rule}")
    if given.size != data.size:
        raise InputError(f"{path}: shape {given.shape}: {rule}")
    data[:] = given.reshape(data.shape)


def _plain_numbers(value: Any) -> np.ndarray | None:
    """Convert a value to an array of numbers. Return None for text, times, objects and masked arrays."""
    try:
        given = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    return given if given.dtype.kind in NUMBERS and not isinstance(value, np.ma.MaskedArray) else None


def _columns(path: str, columns: tuple[Any, ...]) -> list[np.ndarray]:
    """Convert event columns, such as lists, to arrays. Raise InputError if a column cannot be converted."""
    arrays = [array for column in columns if (array := _plain_numbers(column)) is not None]
    if len(arrays) < len(columns):
        raise InputError(f"{path}: t, x, y and p must be numbers")
    t, x, y, p = arrays
    if not t.shape == x.shape == y.shape == p.shape or t.ndim != 1:
        shapes = f"{t.shape}, {x.shape}, {y.shape}, {p.shape}"
        raise InputError(f"{path}: shapes {shapes}: t, x, y and p must have one length")
    return [np.array(one) for one in arrays]  # plain arrays, also of subclasses
