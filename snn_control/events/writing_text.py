"""Write text files of events: .txt with times in seconds, as in many data sets, or .csv with whole us or ns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path
from typing import IO

import numpy as np
from numba.extending import register_jitable

from ..engine.compile import compile_function
from ..files import replace_file
from .columns import Events

__all__ = ["write_text"]

LONGEST = 48  # bytes of a line
STEP = 1 << 18  # lines at once
COLUMNS = ",".join(f"Array({kind},1,'C',readonly=True)" for kind in ("int64", "uint16", "uint16", "uint8"))
SIGNATURE = f"int64({COLUMNS},int64,int64,uint8[::1])"
POINT, COMMA, SPACE, MINUS, ZERO, NEWLINE = (ord(c) for c in ".,\x20-0\n")


def write_text(
    path: str | PathLike, chunks: Callable[[], Iterable[Events]], unit: str, width: int | None, height: int | None
) -> int:
    """Write events to a text file, and return the number of events.

    | file | separator | first line | times |
    |---|---|---|---|
    | .csv | comma | names of the columns | in ``unit`` |
    | other | space | comment | in seconds, with 6 (us) or 9 (ns) decimals |
    """
    csv = Path(path).suffix.lower() == ".csv"
    size = f"# size {width}x{height}\n" if width and height else ""
    names = f"t{'[ns]' if unit == 'ns' else ''},x,y,p\n" if csv else "# t[s] x y p\n"
    between, decimals = (COMMA, 0) if csv else (SPACE, 9 if unit == "ns" else 6)
    run, count = compile_function(write_lines, SIGNATURE), 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        file.write((size + names).encode())
        out = np.empty(STEP * LONGEST, np.uint8)
        for events in chunks():
            for begin in range(0, len(events), STEP):
                part = events[begin : begin + STEP]
                columns = (np.ascontiguousarray(getattr(part, name)) for name in "txyp")
                file.write(out[: run(*columns, between, decimals, out)].data)
            count += len(events)

    replace_file(path, write)
    return count


@register_jitable
def _put(out, at, value, digits):
    """Write ``value`` as text with at least ``digits`` digits to offset ``at``. Return the offset after the number."""
    length, rest = 1, value // 10
    while rest:
        length, rest = length + 1, rest // 10
    length = max(length, digits)
    for k in range(length):
        out[at + length - 1 - k] = ZERO + value % 10
        value //= 10
    return at + length


def write_lines(t, x, y, p, between, decimals, out):
    """Write a line of text for each event to ``out``, and return the number of bytes.

    between : character code of the separator between the numbers
    decimals : number of decimals of the written times; ``t`` is in units of 10^-decimals
    """
    at, one = 0, 10**decimals
    for k in range(t.size):
        time = t[k]
        if time < 0:
            out[at], at, time = MINUS, at + 1, -time
        at = _put(out, at, time // one, 1)
        if decimals:
            out[at] = POINT
            at = _put(out, at + 1, time % one, decimals)
        for value in (np.int64(x[k]), np.int64(y[k]), np.int64(p[k])):
            out[at] = between
            at = _put(out, at + 1, value, 1)
        out[at] = NEWLINE
        at += 1
    return at
