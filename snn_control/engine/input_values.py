"""Python values that compiled code does not accept (lists, other dtypes): copied into an input's slot, or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, counted, in_line

__all__ = ["set_input", "set_numbers"]


def set_input(path: str, take: Callable[..., bool], data: np.ndarray | None, value: Any) -> None:
    """Give an input a value, which errors call ``path``; raises InputError if it does not fit.

    take : the input's function, see `snn_control.engine.bound.input_taker`
    data : the numbers of a value input, float64; None for an events input
    value : numbers; for events (n, 4) rows of t, x, y, p, or a tuple of the four arrays, t as in `Controller.step`
    """
    if data is not None:
        set_numbers(path, data, value)
        take(data)
        return
    if isinstance(value, tuple) and len(value) == 4:
        columns = value
    else:
        rows = np.asarray(value)
        if rows.ndim != 2 or rows.shape[1] != 4:
            raise InputError(f"{path}: shape {rows.shape}: must be (n, 4) rows of t, x, y, p")
        columns = tuple(rows.T)
    if not take(*columns):
        take(*_usual_columns(path, columns))


def set_numbers(path: str, data: np.ndarray, value: Any) -> None:
    """Copy the numbers of a value into ``data`` [float64]; raises InputError if they do not fit."""
    rule, given = f"must be {counted(data.size)}", _plain_numbers(value)
    if given is None:
        raise InputError(f"{path} = {in_line(repr(value), 80)}: {rule}")
    if given.size != data.size:
        raise InputError(f"{path}: shape {given.shape}: {rule}")
    data[:] = given.reshape(data.shape)


def _plain_numbers(value: Any) -> np.ndarray | None:
    """An array of a value; None for text, times, objects, and arrays that mask some of their numbers."""
    try:
        given = np.asarray(value)
    except ValueError:  # rows of different lengths
        return None
    return given if given.dtype.kind in "biuf" and not isinstance(value, np.ma.MaskedArray) else None


def _usual_columns(path: str, columns: tuple[Any, ...]) -> tuple[np.ndarray, ...]:
    """Columns of other types (lists, float16, uint64, ...) as ones that compiled code reads; raises InputError."""
    arrays = [array for column in columns if (array := _plain_numbers(column)) is not None]
    if len(arrays) < len(columns):
        raise InputError(f"{path}: t, x, y and p must be numbers")
    t, x, y, p = arrays
    if not t.shape == x.shape == y.shape == p.shape or t.ndim != 1:
        shapes = f"{t.shape}, {x.shape}, {y.shape}, {p.shape}"
        raise InputError(f"{path}: shapes {shapes}: t, x, y and p must have one length")
    t = t.astype(np.float64 if t.dtype.kind == "f" else np.int64)
    return t, x.astype(np.float64), y.astype(np.float64), p > 0
