"""Read text files of events (.txt, .csv): a line for each event, with numbers between commas, semicolons or spaces.

Lines that begin with '#' or '%' are comments. The first other line may contain the names of the columns, or only the
width and height of the sensor. Without names, the order of the columns is inferred from the values. Times are converted
to whole us, or to whole ns if the first times have fractions of a us.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...engine.compile import compile_function
from ...errors import in_line
from ..columns import FURTHEST, NANOSECONDS, Events, empty_columns
from ..recording import refused
from .fields import FieldRecording, Order, found_order, named_fields, source_unit, unit_of
from .text_numbers import read_lines

__all__ = ["TextRecording", "is_text"]

BLOCK = 1 << 22  # bytes read at once
LONGEST_LINE = 1 << 16
SAMPLE = 1 << 20  # bytes that the columns are judged by
MOST_COLUMNS = 64
SHORTEST = 8  # bytes of a line: "0,0,0,0\n"
SPLIT = re.compile(r"[,;\s]+")
SIZE = re.compile(r"(?:geometry|size|sensor|resolution)\D{0,20}(\d{1,5})\s*[x,]\s*(\d{1,5})", re.IGNORECASE)
DIGITS = {"s": 9, "ms": 6, "us": 3, "ns": 0}  # decimal exponents of the units in ns
WORDS = {"true": 1.0, "false": 0.0, "nan": np.nan, "inf": np.nan}
#: the arguments of `read_lines`
SIGNATURE = (
    "UniTuple(int64,3)(Array(uint8,1,'C',readonly=True),int64[::1],int64,int64,int64,"
    "int64[::1],uint16[::1],uint16[::1],uint8[::1])"
)


def is_text(head: bytes) -> bool:
    """Return whether ``head``, the first bytes of a file, are ASCII text."""
    return all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)


class TextRecording(FieldRecording):
    """The recording in a text file."""

    encoding = "text"

    def __init__(
        self, path: Path, topic: str | None, width: int | None, height: int | None, columns: str | None = None
    ) -> None:
        with open(path, "rb") as file:
            text = file.read(SAMPLE).decode("latin-1")
        lines = text.splitlines()
        if len(text) == SAMPLE and len(lines) > 1:
            lines.pop()  # perhaps not whole
        self._skipped, said, names = _head(path, lines)
        super().__init__(path, width or said[0], height or said[1])
        rows = [row for row in map(_numbers, lines[self._skipped :]) if row is not None]
        self._order = self._find_order(rows, Order.parse(columns) if columns else None, names)
        self._columns = len(rows[0]) if rows else len(self._order.columns)
        sample = "\n".join([*lines[self._skipped :], ""]).encode("latin-1")
        if self.unit == "us" and self._parse(sample)[1][2]:  # times that would be rounded
            self.unit = "ns"
        self.layout = f"text, {self._order}, times in {self.source}"
        self.size_bytes = path.stat().st_size

    def _find_order(self, rows: list[list[float]], given: Order | None, names: list[str]) -> Order:
        """Return the order of the columns t, x, y and p, and store the unit of t.

        The order is ``given``. If it is None, the order follows from the names of the columns, or else from the values.

        rows : numbers in the first lines of the file
        """
        if not rows and not names:
            raise refused(self.path, "is a text without a line of four numbers")
        fields, order, unit = named_fields(names), given, given.unit if given else ""
        if order is None and fields:
            known = {name: column for column, name in fields.items()}
            order = Order(tuple(known.get(name, "-") for name in names))
            unit = unit_of(fields["t"])
        wide = len(rows[0]) if rows else len(order.columns) if order else 4
        table = np.array([row for row in rows if len(row) == wide]).reshape(-1, wide)
        order = order or found_order(table)
        if order is None or len(order.columns) > wide:
            raise refused(self.path, "is a text whose order of columns cannot be told", "give --columns")
        self._set_source(source_unit(unit, table[:, order.columns.index("t")]))
        return order

    def _parse(self, lines: bytes) -> tuple[tuple[np.ndarray, ...], tuple[int, int, int]]:
        """Parse whole lines. Return the columns t, x, y, p, and the three counts that `read_lines` returns."""
        columns = empty_columns(len(lines) // SHORTEST + 1)
        places = np.array(self._order.places(), np.int64)
        scale, most = DIGITS[self.source] - DIGITS[self.unit], FURTHEST // NANOSECONDS[self.unit]
        run = compile_function(read_lines, SIGNATURE)
        counts = run(np.frombuffer(lines, np.uint8), places, self._columns, scale, most, *columns)
        return tuple(column[: counts[0]] for column in columns), counts

    def _pieces(self) -> Iterator[Events]:
        rest = b""
        with open(self.path, "rb") as file:
            for _ in range(self._skipped):
                self.bytes_read += len(file.readline())
            while block := file.read(BLOCK):
                self.bytes_read += len(block)
                end = block.rfind(b"\n") + 1
                if end:
                    yield self._events(rest + block[:end])
                    rest = block[end:]
                elif len(rest) < LONGEST_LINE:
                    rest += block[: LONGEST_LINE + 1]
            if rest:  # a last line without an end
                before = self._counts["malformed"]
                yield self._events(rest[: LONGEST_LINE + 1] + b"\n")
                self._counts["truncated"] = int(self._counts["malformed"] > before)
                self._counts["malformed"] = before

    def _events(self, lines: bytes) -> Events:
        columns, (_, malformed, rounded) = self._parse(lines)
        self._counts["malformed"] += malformed
        self._counts["rounded"] += rounded
        return self._in_frame(*columns)


def _head(path: Path, lines: list[str]) -> tuple[int, tuple[int | None, int | None], list[str]]:
    """Return the number of lines before the events, the sensor's width and height, and the names of the columns."""
    size: tuple[int | None, int | None] = (None, None)
    names: list[str] = []
    for number, line in enumerate(lines):
        if line.startswith(("#", "%")) or not line.strip():
            if match := SIZE.search(line):
                size = int(match[1]) or None, int(match[2]) or None
            names = _names(line.lstrip("#% ")) or names
            continue
        row = _numbers(line)
        if row is None:
            return number + 1, size, _names(line)
        if len(row) != 2 or size[0] is not None:
            return number, size, names if len(names) == len(row) else []
        if not all(0 <= side < 1 << 16 and side == int(side) for side in row):
            rule = f"begins with the sensor's size {in_line(line, 40)}; must be two whole numbers from 0 to 65,535"
            raise refused(path, rule, "correct or delete this line")
        size = int(row[0]) or None, int(row[1]) or None
    return len(lines), size, names


def _names(line: str) -> list[str]:
    """Return the names of columns in a line; an empty list if t, x, y and p are not among them."""
    between = r"[,;\t]" if re.search(r"[,;\t]", line) else r"\s+"
    names = [name.strip(' "') for name in re.split(between, line.strip())]
    return names if named_fields(names) else []


def _numbers(line: str) -> list[float] | None:
    """Return the numbers in a line; None for a comment, and for a line with a part that is not a number."""
    try:
        parts = [part for part in SPLIT.split(line.strip(" \t\r,;")) if part]
        found = [WORDS.get(part.lower(), 0.0) if part.lower() in WORDS else float(part) for part in parts]
    except ValueError:
        return None
    return found if found and len(found) <= MOST_COLUMNS else None
