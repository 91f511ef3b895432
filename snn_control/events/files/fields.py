"""Find out which numbers of a file are the times, columns, rows and polarities of events, and convert them.

Text, NumPy arrays and HDF5 do not define the order of these numbers. The order is taken from the first of these sources
that exists: the user's option (`Order.parse`), the names of the fields, the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...engine.slots import EVENT_COLUMNS
from ...errors import DescriptionError
from ..columns import FURTHEST, NANOSECONDS, Events
from ..recording import Recording, refused

__all__ = ["NUMBERS", "OF_NAME", "FieldRecording", "Order", "found_order", "named_fields", "source_unit", "unit_of"]

NAMES = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
OF_NAME = {name: column for column, names in NAMES.items() for name in names}
#: orders that occur, the most frequent one first
ORDERS = ("txyp", "xytp", "xypt", "tpxy")
UNITS = {"s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}
NUMBERS = "iufb"  # kinds of NumPy's types
ONE = re.compile(r"(\w+)(?:\s*\[(s|ms|us|ns)\])?", re.ASCII)
UNIT = re.compile(r"(?:\s*[\[(]|_)(s|ms|us|ns)[\])]?$")
SOUND = 0.9  # share of rows that must have possible values, and of steps of the time that must not be negative


@dataclass(frozen=True)
class Order:
    """The order of the columns in a table of events.

    columns : for each column "t", "x", "y", "p", or "-" for a column that is not read
    unit : unit of the times, "s", "ms", "us" or "ns"; "": not known
    """

    columns: tuple[str, ...]
    unit: str = ""

    @classmethod
    def parse(cls, text: str) -> Order:
        """Parse a text such as "x,y,t[ns],p" to an order of columns."""
        parts = [part.strip() for part in text.split(",")] if "," in text else list(text.strip())
        found = [("-", None) if part == "-" else _column(part) for part in parts]
        columns = tuple(column for column, _ in found)
        units = [unit for _, unit in found if unit]
        if sorted(c for c in columns if c != "-") != sorted("txyp") or len(units) > 1:
            rule = "must have t, x, y and p once each; the time may have a unit: s, ms, us or ns"
            raise DescriptionError("--columns", text, rule, "for example t[us],x,y,p; - skips a column")
        return cls(columns, units[0] if units else "")

    def __str__(self) -> str:
        return " ".join(f"t[{self.unit}]" if column == "t" and self.unit else column for column in self.columns)

    def places(self) -> tuple[int, int, int, int]:
        """Return the indices of the columns t, x, y and p in the table."""
        t, x, y, p = (self.columns.index(column) for column in "txyp")
        return t, x, y, p


def _column(part: str) -> tuple[str, str | None]:
    match = ONE.fullmatch(part)
    column = OF_NAME.get(match[1].lower(), "") if match else ""
    return (column, match[2]) if match and (column == "t" or match[2] is None) else ("", None)


def named_fields(names: Iterable[str]) -> dict[str, str] | None:
    """Find the fields t, x, y and p by their names: "t", "x", "y" or "p" -> name of the field.

    Return None if a field is missing or ambiguous.
    """
    found: dict[str, str] = {}
    for name in names:
        column = OF_NAME.get(UNIT.sub("", name.lower()))
        if column is not None and found.setdefault(column, name) != name:
            return None
    return found if len(found) == 4 else None


def unit_of(name: str) -> str:
    """Return the unit in a column's name such as "t[us]", "t (us)" or "timestamp_ns"; "" if the name has no unit."""
    match = UNIT.search(name.lower())
    return match[1] if match else ""


def found_order(rows: np.ndarray) -> Order | None:
    """Return the order of a table's columns that fits the values in its first rows, (n, 4); None if no order fits.

    If several orders fit, choose the order whose time column has the most different values.
    """
    if rows.ndim != 2 or rows.shape[1] != len(ORDERS[0]):
        return None
    best, most = None if len(rows) else ORDERS[0], -1
    for order in ORDERS if len(rows) else ():
        t, x, y, p = (rows[:, order.index(column)] for column in "txyp")
        if _fits(t, x, y, p) and len(np.unique(t)) > most:
            best, most = order, len(np.unique(t))
    return None if best is None else Order(tuple(best))


def _fits(t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> bool:
    """Return whether the values are plausible as t, x, y and p of events in nearly all rows, with ascending times."""
    sound = np.isfinite(t) & np.isin(p, (0, 1) if (p == 0).any() else (-1, 1))
    for side in (x, y):
        sound &= (side >= 0) & (side < 1 << 16) & (side == np.rint(side))
    t = t[sound]
    return len(t) >= SOUND * len(sound) and bool(np.mean(np.diff(t, prepend=t[:1]) >= 0) >= SOUND)


def source_unit(stated: str, t: np.ndarray) -> str:
    """Return the unit of a file's times: ``stated`` unless empty; otherwise us for whole numbers, and s for others."""
    whole = t.dtype.kind in "iub" or bool((t[np.isfinite(t)] == np.rint(t[np.isfinite(t)])).all())
    return stated or ("us" if whole else "s")


class FieldRecording(Recording):
    """Base of recordings in files with columns of numbers of any type.

    source : unit of the times in the file, "s", "ms", "us" or "ns". The unit of the recording's times is "ns" if the
        file has ns, otherwise "us"
    offset : number that is added to all times of the file, in ``unit``
    """

    source, offset = "us", 0
    _parts: tuple[str | int, ...] = (0, 1, 2, 3)

    def _set_source(self, source: str) -> None:
        self.source, self.unit = source, "ns" if source == "ns" else "us"

    def _recognise(self, rows: np.ndarray, order: Order | None, what: str) -> str:
        """Find the columns t, x, y and p in the first rows of a file. Return a description of the layout.

        rows : records, or a table (n, 4)
        order : order of a table's columns and unit of the times from the user; None: not specified
        what : name of the rows, for error messages
        """
        unit, stated = order.unit if order else "", ""
        if rows.dtype.names is not None:
            fields = named_fields(rows.dtype.names)
            if fields is None or any(rows.dtype[name].kind not in NUMBERS for name in fields.values()):
                raise refused(self.path, f"has {what} with fields {', '.join(rows.dtype.names)}; needed are t, x, y, p")
            self._parts, stated, found = tuple(fields[name] for name in "txyp"), unit_of(fields["t"]), "records"
        else:
            order = order or found_order(rows)
            if order is None or rows.ndim != 2 or len(order.columns) > rows.shape[1]:
                raise refused(self.path, f"has {what}, whose order of columns cannot be told", "give --columns")
            self._parts, found = order.places(), f"table {order}"
        self._set_source(source_unit(unit or stated, self._split(rows)[0]))
        return found

    def _split(self, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the columns t, x, y and p of records or of a table."""
        table: Any = rows
        return tuple(table[part] if isinstance(part, str) else table[:, part] for part in self._parts)

    def _timely(self, t: np.ndarray, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> Events:
        """Convert columns of the file to events. Events with impossible times or pixels are counted and left out."""
        scale, most = UNITS[self.source] // NANOSECONDS[self.unit], FURTHEST // UNITS[self.source]
        after = self.offset / scale if t.dtype.kind == "f" else self.offset // scale
        sound = _within(t, -most - after, most - after)
        for side in (x, y):
            sound = _both(sound, _within(side, 0, (1 << 16) - 1))
        if sound is not None:
            self._counts["malformed"] += int(np.count_nonzero(~sound))
            t, x, y, p = (column[sound] for column in (t, x, y, p))
        room = self._room[0][: len(t)] if self._room and self._room[0].size >= len(t) else None
        if t.dtype.kind == "f":
            t = np.rint(t * float(scale)).astype(np.int64)
        else:
            t = np.multiply(t, scale, dtype=np.int64, casting="unsafe") if scale > 1 else t
        if self.offset:
            t = np.add(t, self.offset, dtype=np.int64, casting="unsafe", out=room)
        t = t.astype(EVENT_COLUMNS["t"], copy=False)
        x, y = (column.astype(EVENT_COLUMNS[name], copy=False) for name, column in zip("xy", (x, y), strict=True))
        return self._in_frame(t, x, y, p if _is_flag(p) else (p > 0).view(np.uint8))


def _is_flag(p: np.ndarray) -> bool:
    """Return whether polarities already have the form of `Events`: uint8, 0 or 1."""
    return p.dtype == np.uint8 and (not len(p) or bool(p.max() <= 1))


def _within(values: np.ndarray, least: float, most: float) -> np.ndarray | None:
    """Return a mask of the values from ``least`` to ``most``, (n,) bool; None if all values are. NaN is outside."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    if kind == "b" or not len(values) or (kind == "u" and (1 << 8 * size) - 1 <= most):
        return None
    low, high = values.min(), values.max()
    if (kind == "u" or low >= least) and high <= most:  # false if there is a NaN
        return None
    return (values >= least) & (values <= most) if kind != "u" else values <= most


def _both(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    return b if a is None else a if b is None else a & b
