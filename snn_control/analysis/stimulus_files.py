"""Load a stimulus from a file: arrays of the inputs, an input log, or a recording of an event camera."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np

from ..coding import EventsInput, ValueInput
from ..controller_file import ControllerSpec, nearest
from ..engine.slots import EVENT_COLUMNS
from ..errors import NO_VALUE, DescriptionError, counted
from ..events import Events, open_recording
from ..events.slicing import MOST_TICKS, Slicer, part
from ..files import Arrays, open_file, reason
from ..record.input_log import FACTS, InputLog
from .stimulus import Stimulus

__all__ = ["load_stimulus"]

MOST_EVENTS = 30_000_000  # maximum number of events of a recording, held in memory


def load_stimulus(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None = None) -> Stimulus:
    """Load a stimulus from a file: arrays of the inputs, an input log, or a recording of an event camera.

    An .npz file has an array for each input, with the name of the input, in one of these forms:

    values : (ticks, size) numbers, one row for each tick
    events : (n, 4) rows of t, x, y, p; t starts at 0, in seconds, or in nanoseconds if the array has an integer type

    An `InputLog` must be of a controller with the same inputs and period. A recording may have any format that
    `open_recording` reads; the controller must have exactly one events input. The recording is divided into ticks as by
    ``snn_control events replay``. Events outside the controller's frame are removed; all other inputs are 0.

    seconds : duration to use, from the start [s]; None: the whole file

    Raises
    ------
    DescriptionError : the file or an array in it does not fit; the message names both
    """
    names = _array_names(path)
    if names is None or EVENT_COLUMNS.keys() <= names - {one.name for one in spec.inputs}:
        return _recorded(path, spec, seconds)
    if {"format", *FACTS} <= names:
        return _logged(path, spec, seconds)
    with _reading(path), Arrays(path) as archive:
        arrays = dict(archive)
    _check_names(path, arrays, spec)
    values, events = {}, {}
    for one in spec.inputs:
        where, array = f"{path}#{one.name}", arrays.get(one.name)
        if array is None:
            if one.required:
                raise DescriptionError(where, NO_VALUE, "is missing", "every required input needs an array of its name")
        elif array.dtype.kind not in "biuf":
            raise DescriptionError(where, f"dtype {array.dtype}", "must be numbers")
        elif isinstance(one, ValueInput):
            values[one.name] = _rows(where, array, one.size)
        else:
            events[one.name] = _columns(where, array)
    lengths = {name: len(rows) for name, rows in values.items()}
    if len(set(lengths.values())) > 1:
        raise DescriptionError(str(path), lengths, "every value input must have equally many rows, one for each tick")
    last = max((float(columns[0][-1]) * 1e-9 for columns in events.values() if len(columns[0])), default=0.0)
    whole = min(lengths.values()) if lengths else int(last / spec.period) + 1
    ticks = _ticks(path, spec.period, whole, seconds, fixed=bool(lengths))
    log = InputLog.of(spec.period, ticks, {name: rows[:ticks] for name, rows in values.items()}, events)
    return Stimulus(f"stimulus of {os.path.basename(path)}", spec.period, log)


def _ticks(path: str | os.PathLike, period: float, whole: int, seconds: float | None, fixed: bool = True) -> int:
    """Return the number of ticks to use from a file, for a duration in seconds; None means the whole file.

    whole : number of ticks in the file
    fixed : whether it is an error to request more than ``whole`` ticks
    """
    ticks = whole if seconds is None else max(1, round(seconds / period))
    if fixed and not 1 <= ticks <= whole:
        raise DescriptionError("--seconds", seconds, f"must be at most the {whole * period:g} s that {path} lasts")
    if ticks > MOST_TICKS:
        rule = f"lasts {ticks * period:,.6g} s, more than {MOST_TICKS:,} ticks of {period:g} s"
        raise DescriptionError("--input", str(path), rule, "start t at 0, or give --seconds")
    return ticks


@contextmanager
def _reading(path: str | os.PathLike) -> Iterator[None]:
    """Context manager that converts exceptions from reading an .npz file to a DescriptionError."""
    try:
        yield
    except OSError as error:
        raise DescriptionError("--input", str(path), f"cannot be read: {reason(error)}") from None
    except ValueError as error:
        raise DescriptionError("--input", str(path), f"is not an .npz file of arrays: {error}") from None


def _array_names(path: str | os.PathLike) -> set[str] | None:
    """Return the names of the arrays in an .npz file.

    Return None for any other file or folder, which must then be a recording.
    """
    with _reading(path):
        is_archive = False
        if not os.path.isdir(path):
            with open_file(path) as file:
                is_archive = file.read(2) == b"PK"
        if is_archive:
            with Arrays(path) as archive:
                return set(archive)
    try:
        open_recording(path)
    except DescriptionError as error:
        if error.path != str(path):
            raise
        raise DescriptionError("--input", str(path), f"is not an .npz file of arrays, and {error.rule}") from None
    return None


def _check_names(path: str | os.PathLike, names: Iterable[str], spec: ControllerSpec) -> None:
    known = [i.name for i in spec.inputs]
    for name in names:
        if name not in known:
            raise DescriptionError(f"{path}#{name}", name, "is not an input", nearest(name, known))


def _logged(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None) -> Stimulus:
    log = InputLog.load(path)
    _check_names(path, log.inputs, spec)
    if log.period_ns != round(spec.period * 1e9):
        rule = f"must be the controller's, {spec.period:g} s"
        fix = "record it again, or run the controller with that period"
        raise DescriptionError(f"{path}#period", f"{log.period_ns * 1e-9:g} s", rule, fix)
    ticks = _ticks(path, spec.period, log.ticks, seconds)
    for one in spec.inputs:
        kept = log.inputs.get(one.name)
        if kept is None or ("values" in kept) != isinstance(one, ValueInput):
            raise DescriptionError(f"{path}#{one.name}", NO_VALUE, "is missing, or of another kind")
        if isinstance(one, ValueInput):
            _rows(f"{path}#{one.name}", kept["values"], one.size)
    return Stimulus(f"record of {os.path.basename(path)}", spec.period, log.up_to(ticks))


def _recorded(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None) -> Stimulus:
    """Return the recording of an event camera as a stimulus. Its text states the number of events outside the frame."""
    cameras = [one for one in spec.inputs if isinstance(one, EventsInput)]
    if len(cameras) != 1:
        rule = "is a recording of events, and the controller must have one input of events"
        raise DescriptionError("--input", str(path), rule, f"it has {len(cameras)}")
    (width, height), pieces, kept = cameras[0].size, [], 0
    period_ns, end = round(spec.period * 1e9), math.inf if seconds is None else seconds * 1e9
    for piece in Slicer(period_ns, 1).timed(part(open_recording(path).chunks())):
        pieces.append(piece[piece.t < end])
        kept += len(piece)
        if kept > MOST_EVENTS:
            raise DescriptionError("--input", str(path), f"has more than {MOST_EVENTS:,} events", "give --seconds")
        if piece.t[-1] >= end:
            break
    events = Events.concatenate(pieces)
    inside = (events.x < width) & (events.y < height)
    events, outside = events[inside], int(np.count_nonzero(~inside))
    if not len(events):
        rule = f"holds no events within the {width}x{height} pixels of input '{cameras[0].name}'"
        raise DescriptionError("--input", str(path), rule)
    ticks = _ticks(path, spec.period, int(events.t.max()) // period_ns + 1, seconds, fixed=False)
    order = np.argsort(events.t, kind="stable")
    columns = tuple(getattr(events, name)[order] for name in "txyp")
    values = {one.name: np.zeros((ticks, one.size)) for one in spec.inputs if isinstance(one, ValueInput)}
    text = f"recording {os.path.basename(path)}" + (", other inputs 0" if values else "")
    text += f", {counted(outside, 'event')} out of the frame left out" if outside else ""
    return Stimulus(text, spec.period, InputLog.of(spec.period, ticks, values, {cameras[0].name: columns}))


def _rows(where: str, array: np.ndarray, size: int) -> np.ndarray:
    rows = array[:, None] if array.ndim == 1 and size == 1 else array
    if rows.ndim != 2 or rows.shape[1] != size or not len(rows):
        raise DescriptionError(where, f"shape {array.shape}", f"must be (ticks, {size}): one row for each tick")
    return rows.astype(np.float64)


def _columns(where: str, array: np.ndarray) -> tuple[np.ndarray, ...]:
    if array.ndim != 2 or array.shape[1] != 4:
        raise DescriptionError(where, f"shape {array.shape}", "must be (n, 4): rows of t, x, y, p")
    t = array[:, 0] if array.dtype.kind != "f" else np.rint(array[:, 0].astype(np.float64) * 1e9)
    if not (np.isfinite(array).all() and (t >= 0).all() and (t < 2.0**62).all()):
        raise DescriptionError(where, "NaN, infinite or negative", "t, x, y and p must be finite, and t >= 0")
    order = np.argsort(t, kind="stable")
    return (t[order].astype(np.int64), *(array[order, k] for k in (1, 2, 3)))
