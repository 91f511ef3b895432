"""What a controller is shown when nobody connects it to a robot: a default that reaches everything, or a file.

The default stimulus, the same for the same seed and duration T:

- a value input of n numbers: a sinusoid each over the whole range, 1 to 2 periods in T, frequency and phase at random
- an events input: a bright disc wanders over the whole frame (4 periods in T along one axis, 5 along the other); its
  edge gives ON events in front and OFF events behind, and single events of both polarities come at random from
  everywhere. About two events a second from each pixel, but at most half of the input's capacity a tick.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from ..coding import EventsInput, FieldsEncoder, PopulationEncoder, ValueInput
from ..errors import NO_VALUE, DescriptionError
from ..events import open_recording
from ..files import Arrays, open_file, reason
from ..spec import ControllerSpec, nearest
from .shown import FORMAT, Shown

__all__ = ["Stimulus", "default_stimulus", "load_stimulus", "value_range"]

EVENTS_A_PIXEL = 2.0  # 1/s
NOISE = 0.2  # share of the events that do not come from the disc
RADIUS = 0.1  # of the disc, in shorter sides of the frame
LAPS = (4, 5)  # periods of its path along x and y
MOST_TICKS = 10_000_000


@dataclass(frozen=True)
class Stimulus:
    """What every input gets, tick by tick.

    text : what it is, for titles
    period : [s] of a tick
    ticks : how long it lasts
    values : input -> (ticks, size) float64
    events : input -> columns t int64 [ns], x, y, p, ascending in t
    record : where it was recorded in a running loop; it then says which events belong to a tick, and what was fresh
    synthetic : nobody measured or simulated it, so what a controller does with it proves little
    """

    text: str
    period: float
    ticks: int
    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    events: Mapping[str, tuple[np.ndarray, ...]] = field(default_factory=dict)
    record: Shown | None = None
    synthetic: bool = False

    @property
    def seconds(self) -> float:
        return self.ticks * self.period

    def cuts(self, name: str) -> np.ndarray:
        """(ticks + 1,) indices: events of tick k are those from cuts[k] to cuts[k + 1]."""
        if self.record is not None:
            return self.record.inputs[name]["offsets"][: self.ticks + 1]
        return np.searchsorted(self.events[name][0], np.arange(self.ticks + 1) * self.period * 1e9)

    def observations(self) -> Any:
        """An observation for `Controller.step` a tick."""
        if self.record is not None:
            yield from islice(self.record.observations(), self.ticks)
            return
        cuts = {name: self.cuts(name) for name in self.events}
        for k in range(self.ticks):
            seen: dict[str, Any] = {name: rows[k] for name, rows in self.values.items()}
            for name, columns in self.events.items():
                seen[name] = tuple(column[cuts[name][k] : cuts[name][k + 1]] for column in columns)
            yield seen


def value_range(spec: ValueInput) -> tuple[np.ndarray, np.ndarray]:
    """(size,) low and high of what an input means: its range, else what its encoder covers, else what is plausible,
    else -1 to 1; where one side alone is known, 2 from there."""
    low, high = (np.broadcast_to(np.asarray(side, np.float64), spec.size).copy() for side in spec.range)
    others = [spec.plausible]
    e = spec.encoder
    if isinstance(e, PopulationEncoder | FieldsEncoder) and e.low is not None and e.high is not None:
        others.insert(0, (e.low, e.high))
    for least, most in others:
        low = np.where(np.isfinite(low), low, least)
        high = np.where(np.isfinite(high), high, most)
    known_low, known_high = np.isfinite(low), np.isfinite(high)
    low = np.where(known_low, low, np.where(known_high, high - 2.0, -1.0))
    return low, np.where(known_high, high, low + 2.0)


def default_stimulus(spec: ControllerSpec, seconds: float, seed: int = 0) -> Stimulus:
    """The default stimulus of this module's docstring, at least one tick long."""
    rng = np.random.default_rng(seed)
    ticks = max(1, round(seconds / spec.period))
    if ticks > MOST_TICKS:
        raise DescriptionError("--seconds", seconds, f"must be at most {MOST_TICKS:,} ticks of {spec.period} s")
    values, events = {}, {}
    for one in spec.inputs:
        if isinstance(one, ValueInput):
            values[one.name] = _sinusoids(one, ticks, rng)
        elif isinstance(one, EventsInput):
            events[one.name] = _wandering_disc(one, ticks, spec.period, rng)
    return Stimulus(f"default stimulus, seed {seed}", spec.period, ticks, values, events, synthetic=True)


def _sinusoids(spec: ValueInput, ticks: int, rng: np.random.Generator) -> np.ndarray:
    low, high = value_range(spec)
    cycles, phase = rng.uniform(1, 2, spec.size), rng.uniform(0, 2 * np.pi, spec.size)
    t = np.arange(ticks)[:, None] / ticks
    return np.clip((low + high) / 2 + (high - low) / 2 * np.sin(2 * np.pi * cycles * t + phase), low, high)


def _wandering_disc(spec: EventsInput, ticks: int, period: float, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Times [ns], places and polarities: ON where the disc's edge moves outwards."""
    (width, height), seconds = spec.size, ticks * period
    n = round(min(EVENTS_A_PIXEL * width * height * seconds, spec.capacity * ticks / 2))
    t = np.sort(rng.uniform(0, seconds, n))
    x, y, p = rng.integers(0, width, n), rng.integers(0, height, n), rng.integers(0, 2, n)
    disc = rng.random(n) >= NOISE
    around = rng.uniform(0, 2 * np.pi, disc.sum())
    radius, outwards = RADIUS * min(width, height), np.zeros(len(around))
    for place, size, laps, part in ((x, width, LAPS[0], np.cos(around)), (y, height, LAPS[1], np.sin(around))):
        angle = 2 * np.pi * laps * t[disc] / seconds + rng.uniform(0, 2 * np.pi)
        reach = size / 2 - radius
        place[disc] = np.clip(size / 2 + reach * np.sin(angle) + radius * part, 0, size - 1)
        outwards += laps * reach * np.cos(angle) * part
    p[disc] = outwards > 0
    return np.rint(t * 1e9).astype(np.int64), x, y, p


def load_stimulus(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None = None) -> Stimulus:
    """A stimulus from an .npz file with an array for each input, named as the input.

    values : (ticks, size) numbers, a row a tick
    events : (n, 4) rows of t, x, y, p; t from 0 on, in seconds, or in nanoseconds if the array is of whole numbers

    or what `ShownRecorder` saved of a running loop with the same inputs and period, which is shown as it was, or any
    recording of an event camera (see `recorded_events`).

    seconds : show only so much of it; None: all

    Raises
    ------
    DescriptionError : naming file and array
    """
    if _is_recording(path, spec):
        from .recorded_events import recorded_events

        return recorded_events(path, spec, seconds)
    arrays = _arrays(path)
    if str(arrays.get("format")) == FORMAT:
        return _recorded(path, spec, seconds)
    _check_names(path, arrays, spec)
    values, events = {}, {}
    for one in spec.inputs:
        where, array = f"{path}#{one.name}", arrays.get(one.name)
        if array is None:
            if one.required:
                raise DescriptionError(where, NO_VALUE, "is missing", "every required input needs an array of its name")
        elif isinstance(one, ValueInput):
            values[one.name] = _rows(where, array, one.size)
        else:
            events[one.name] = _columns(where, array)
    lengths = {name: len(rows) for name, rows in values.items()}
    if len(set(lengths.values())) > 1:
        raise DescriptionError(str(path), lengths, "every value input must have as many rows (a row a tick)")
    last = max((float(columns[0][-1]) * 1e-9 for columns in events.values() if len(columns[0])), default=0.0)
    whole = min(lengths.values()) if lengths else int(last / spec.period) + 1
    ticks = whole if seconds is None else max(1, round(seconds / spec.period))
    if lengths and ticks > whole:
        rule = f"must be at most the {whole * spec.period:g} s that {path} lasts"
        raise DescriptionError("--seconds", seconds, rule)
    if ticks > MOST_TICKS:
        rule = f"must last at most {MOST_TICKS:,} ticks of {spec.period} s"
        raise DescriptionError(str(path), f"{ticks * spec.period:g} s", rule, "let t begin at 0, or give --seconds")
    values = {name: rows[:ticks] for name, rows in values.items()}
    return Stimulus(f"stimulus of {os.path.basename(path)}", spec.period, ticks, values, events)


def _is_recording(path: str | os.PathLike, spec: ControllerSpec) -> bool:
    """Whether it is to be read as a recording; raises DescriptionError for a file that is nothing of what is known."""
    if not os.path.exists(path):
        return False
    try:
        if not os.path.isdir(path):
            with open_file(path) as file:
                if file.read(2) == b"PK":  # arrays: of the inputs, or the columns of a recording
                    return {"t", "x", "y", "p"} <= _names(path) - {one.name for one in spec.inputs}
    except (OSError, ValueError):  # said when the arrays are read
        return False
    try:
        open_recording(path)
    except DescriptionError as error:
        if error.path != str(path):
            raise
        raise DescriptionError("--input", str(path), f"is not an .npz file of arrays, and {error.rule}") from None
    return True


def _names(path: str | os.PathLike) -> set[str]:
    with Arrays(path) as archive:
        return set(archive)


def _arrays(path: str | os.PathLike) -> dict[str, np.ndarray]:
    try:
        with Arrays(path) as archive:
            return dict(archive)
    except OSError as error:
        raise DescriptionError("--input", str(path), f"cannot be read: {reason(error)}") from None
    except ValueError as error:
        raise DescriptionError("--input", str(path), f"is not an .npz file of arrays: {error}") from None


def _check_names(path: str | os.PathLike, names: Iterable[str], spec: ControllerSpec) -> None:
    known = [i.name for i in spec.inputs]
    for name in names:
        if name not in known:
            raise DescriptionError(f"{path}#{name}", name, "is not an input", nearest(name, known))


def _recorded(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None) -> Stimulus:
    record = Shown.load(path)
    _check_names(path, record.inputs, spec)
    if record.period_ns != round(spec.period * 1e9):
        rule = f"must be the controller's, {spec.period:g} s"
        raise DescriptionError(
            f"{path}#period", f"{record.period_ns * 1e-9:g} s", rule, "record it again, or run it so"
        )
    ticks = record.ticks if seconds is None else max(1, round(seconds / spec.period))
    if not 1 <= ticks <= record.ticks:
        rule = f"must be at most the {record.ticks * spec.period:g} s that {path} lasts"
        raise DescriptionError("--seconds", seconds, rule)
    values, events = {}, {}
    for one in spec.inputs:
        kept = record.inputs.get(one.name)
        if kept is None or ("values" in kept) != isinstance(one, ValueInput):
            raise DescriptionError(f"{path}#{one.name}", NO_VALUE, "is missing, or of the other kind")
        if isinstance(one, ValueInput):
            values[one.name] = _rows(f"{path}#{one.name}", kept["values"], one.size)[:ticks]
        else:
            end = int(kept["offsets"][ticks])
            events[one.name] = tuple(kept[key][:end] for key in "txyp")
    return Stimulus(f"record of {os.path.basename(path)}", spec.period, ticks, values, events, record)


def _rows(where: str, array: np.ndarray, size: int) -> np.ndarray:
    rows = array[:, None] if array.ndim == 1 and size == 1 else array
    if rows.ndim != 2 or rows.shape[1] != size or not len(rows):
        raise DescriptionError(where, f"shape {array.shape}", f"must be (ticks, {size}): a row a tick")
    if rows.dtype.kind not in "biuf":
        raise DescriptionError(where, f"dtype {rows.dtype}", "must be numbers")
    return rows.astype(np.float64)


def _columns(where: str, array: np.ndarray) -> tuple[np.ndarray, ...]:
    if array.ndim != 2 or array.shape[1] != 4:
        raise DescriptionError(where, f"shape {array.shape}", "must be (n, 4): rows of t, x, y, p")
    if array.dtype.kind not in "biuf":
        raise DescriptionError(where, f"dtype {array.dtype}", "must be numbers")
    t = array[:, 0] if array.dtype.kind != "f" else np.rint(array[:, 0].astype(np.float64) * 1e9)
    if not (np.isfinite(array).all() and (t >= 0).all() and (t < 2.0**62).all()):
        raise DescriptionError(where, "NaN, infinite or negative", "t, x, y and p must be finite, and t >= 0")
    order = np.argsort(t, kind="stable")
    return (t[order].astype(np.int64), *(array[order, k] for k in (1, 2, 3)))
