"""Numbers, comments and long lines of a controller file that people read."""

from __future__ import annotations

import textwrap

import numpy as np

__all__ = ["comment", "flow", "number", "pair", "wrapped"]


def number(x: float) -> str:
    """The shortest text of a number; a bound that is a float32 is written with the digits of a float32."""
    short = float(str(np.float32(x)))
    x = (short if np.float32(x) == x else float(f"{x:.9g}")) + 0.0  # no -0
    return f"{x:g}" if float(f"{x:g}") == x and "e" not in f"{x:g}" else repr(x)


def flow(values: np.ndarray) -> str:
    """``[0.5, 1]`` for (n,) numbers."""
    return f"[{', '.join(number(float(x)) for x in values)}]"


def pair(low: np.ndarray, high: np.ndarray) -> str:
    """``[low, high]``: of numbers if all are equal, otherwise of lists."""
    if (low == low[0]).all() and (high == high[0]).all():
        return f"[{number(float(low[0]))}, {number(float(high[0]))}]"
    return f"[{flow(low)}, {flow(high)}]"


def comment(text: str, indent: int = 4) -> list[str]:
    """Lines of a comment."""
    start = " " * indent + "# "
    return textwrap.wrap(text, 116, initial_indent=start, subsequent_indent=start)


def wrapped(key: str, value: str) -> list[str]:
    """A key of an input or an output, wrapped into lines of limited length."""
    return textwrap.wrap(
        f"{key}: {value}", 116, initial_indent="    ", subsequent_indent="      ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
