"""Copy the values and events that Python code passes to an input into the io block.

Compiled code reads the columns t, x, y, p of events in their usual dtypes, in one call. Python code converts or rejects
arguments that compiled code does not accept, such as lists and other dtypes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.extending import register_jitable

from ..errors import InputError, counted, in_line
from . import python_calls as calls
from .camera.frame_taker import FrameTaker
from .memory import i64, load_f32, load_f64, load_i8, load_i16, load_i32, load_i64, load_u8, load_u16, load_u32, u8, u16
from .python_calls import DATA, METH_FASTCALL, SHAPE, STRIDES, is_true, is_vector, type_number
from .slots import AGE, COUNT, DROPPED, FRESH, SLOT_WORDS

__all__ = ["NOWHERE", "set_input", "set_numbers", "taker"]

# NumPy's numbers of the dtypes
BOOL, INT8, UINT8, INT16, UINT16, INT32, UINT32, LONG, LONGLONG, FLOAT32, FLOAT64 = 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 12
USUAL = (BOOL, INT8, UINT8, INT16, UINT16, INT32, UINT32, LONG, LONGLONG, FLOAT32, FLOAT64)
NOWHERE = 65535  # coordinate of an event outside the frame; no camera has it, and it does not wrap into the frame
NO_TIME = np.int64(-1 << 63)  # time of an event whose time is NaN or beyond int64
LATEST = np.float64(1 << 63)


@register_jitable(forceinline=True)
def whole(address, kind):
    """Read the integer at an address as int64.

    kind : NumPy's type number of the integer's dtype
    """
    if kind in (LONG, LONGLONG):
        return load_i64(address)
    if kind == UINT16:
        return load_u16(address)
    if kind in (BOOL, UINT8):
        return load_u8(address)
    if kind == INT32:
        return load_i32(address)
    if kind == INT16:
        return load_i16(address)
    return load_i8(address) if kind == INT8 else load_u32(address)


@register_jitable(forceinline=True)
def number(address, kind):
    """Read the number at an address as float64. Integers below 2^53 are exact.

    kind : NumPy's type number of the number's dtype
    """
    if kind == FLOAT64:
        return load_f64(address)
    if kind == FLOAT32:
        return np.float64(load_f32(address))
    return np.float64(whole(address, kind))


@register_jitable(forceinline=True)
def read_times(out, column, stride, kind, start):
    """Convert a column with the times of events to int64 [ns], and write the times to ``out``.

    column, stride : address of the column's first element, and number of bytes from one element to the next
    kind : NumPy's type number of the column's dtype; integers are in ns, floats are in s after ``start``
    start : beginning of the tick [ns]
    """
    for k in range(out.size):
        if kind in (FLOAT32, FLOAT64):
            t = np.rint(number(column + k * stride, kind) * 1e9)
            out[k] = start + np.int64(t) if abs(t) < LATEST else NO_TIME
        else:
            out[k] = whole(column + k * stride, kind)


@register_jitable(forceinline=True)
def read_coordinates(out, column, stride, kind):
    for k in range(out.size):
        c = number(column + k * stride, kind)
        out[k] = np.uint16(c) if (c >= 0) & (c < NOWHERE) else NOWHERE


@register_jitable(forceinline=True)
def read_polarities(out, column, stride, kind):
    """Convert a column of polarities, and write them to ``out``, uint8: 1 for ON (input > 0), 0 for OFF (0 or -1).

    column, stride, kind : as in `read_times`
    """
    for k in range(out.size):
        out[k] = number(column + k * stride, kind) > 0


def take_events(owner, columns, count):
    """Write the events of a tick to an events input: the compiled part of the function that `taker` returns.

    The call in Python is ``take(t, x, y, p)`` with vectors of equal length and usual dtypes, or ``take(None)``.

    owner : address of the Python object that contains the addresses of the input's arrays
    columns, count : address of the arguments (PyObject*), and their number

    Return True if the arguments were accepted.
    """
    o, columns = i64(calls.words_of(owner), 10), i64(columns, count)
    if count == 1 and columns[0] == o[9]:
        calls.nothing_came(o[4], o[8])
        return is_true(True)
    usual = count == 4
    for k in range(count):
        usual = usual and is_vector(columns[k], o[6]) and type_number(columns[k]) in USUAL
        usual = usual and i64(load_i64(columns[k] + SHAPE), 1)[0] == i64(load_i64(columns[0] + SHAPE), 1)[0]
    if not usual:
        return is_true(False)
    given, slot = load_i64(load_i64(columns[0] + SHAPE)), i64(o[4], SLOT_WORDS)
    n = min(given, o[5])
    for k in range(4):
        column, stride = load_i64(columns[k] + DATA), load_i64(load_i64(columns[k] + STRIDES))
        kind = type_number(columns[k])
        if k == 0:
            read_times(i64(o[0], n), column, stride, kind, i64(o[7], 1)[0] * o[8])
        elif k == 3:
            read_polarities(u8(o[3], n), column, stride, kind)
        else:
            read_coordinates(u16(o[k], n), column, stride, kind)
    slot[COUNT], slot[DROPPED], slot[FRESH], slot[AGE] = n, given - n, 1, 0
    return is_true(True)


def taker(
    slot: np.ndarray, columns: Sequence[np.ndarray], clock: np.ndarray, period_ns: int, *keep: Any
) -> Callable[..., bool]:
    """Return ``take(t, x, y, p)``, which writes the events of a tick to an events input.

    ``take`` accepts four vectors of equal length, of bool, int8 to int64, uint8 to uint32, float32 or float64, and then
    returns True. It rejects all other arguments: it returns False and changes nothing. An integer t is in ns, on the
    sensor's clock. A float t is in s after the beginning of tick ``clock[0]``. ``take(None)`` marks a tick without
    events.

    slot, columns : the input's header (`snn_control.engine.slots`) and its columns t int64, x and y uint16, p uint8
    clock : array whose first element is the number of the tick
    keep : objects that must live as long as ``take``
    """
    words = [c.ctypes.data for c in columns]
    words += [slot.ctypes.data, columns[0].size, id(np.ndarray), clock.ctypes.data, period_ns, id(None)]
    return calls.builtin(take_events, METH_FASTCALL, np.array(words, np.int64), slot, *columns, clock, *keep)


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
        take(*_usual_columns(path, columns))


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
    return given if given.dtype.kind in "biuf" and not isinstance(value, np.ma.MaskedArray) else None


def _usual_columns(path: str, columns: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    """Convert event columns of other types, such as lists or float16, to dtypes that compiled code reads.

    Raise InputError if a column cannot be converted.
    """
    arrays = [array for column in columns if (array := _plain_numbers(column)) is not None]
    if len(arrays) < len(columns):
        raise InputError(f"{path}: t, x, y and p must be numbers")
    t, x, y, p = arrays
    if not t.shape == x.shape == y.shape == p.shape or t.ndim != 1:
        shapes = f"{t.shape}, {x.shape}, {y.shape}, {p.shape}"
        raise InputError(f"{path}: shapes {shapes}: t, x, y and p must have one length")
    t = t.astype(np.float64 if t.dtype.kind == "f" else np.int64)
    return t, x.astype(np.float64), y.astype(np.float64), p > 0
