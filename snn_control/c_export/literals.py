"""Numbers as C source text: each is the shortest decimal that a compiler converts to the same bits."""

from __future__ import annotations

import textwrap

import numpy as np

__all__ = ["array", "comment", "literal", "values"]

SPECIAL = {
    "<f4": {"inf": "SNN_INF", "-inf": "-SNN_INF", "nan": "SNN_NAN"},
    "<f8": {"inf": "SNN_INF_DOUBLE", "-inf": "-SNN_INF_DOUBLE", "nan": "SNN_NAN_DOUBLE"},
}
WIDTH = 116


def comment(text: str) -> str:
    """Return a user's text on one line, and so that it cannot begin or end a comment of C."""
    printable = "".join(one if one.isprintable() else " " for one in text)
    return printable.replace("*/", "* /").replace("/*", "/ *")


def values(numbers: np.ndarray) -> list[str]:
    """Return each number of an array as a C literal."""
    numbers = numbers.reshape(-1)
    if numbers.dtype.kind != "f":
        return [literal(int(x)) for x in numbers]
    special, end = SPECIAL[numbers.dtype.str], "f" if numbers.dtype.itemsize == 4 else ""
    return [special[text] if text in special else text + end for text in numbers.astype(str).tolist()]


def literal(number: int) -> str:
    """Return an integer as a C literal, with the suffix or macro that its size needs."""
    if number == -(1 << 63):
        return "(-INT64_C(9223372036854775807) - 1)"
    if abs(number) < 1 << 31:
        return str(number)
    return f"{number}u" if 0 <= number < 1 << 32 else f"INT64_C({number})"


def array(declaration: str, texts: list[str]) -> str:
    """Return the C definition ``declaration = {texts};`` of a constant array, in lines of at most 120 columns.

    texts : the elements of the array as C literals
    """
    if len(texts) > 1 and len(set(texts)) == 1 and texts[0] in ("0", "0.0", "0.0f"):
        texts = texts[:1]  # C fills the rest with 0
    lines = textwrap.wrap(", ".join(texts), WIDTH, break_long_words=False, break_on_hyphens=False)
    if len(lines) == 1 and len(declaration) + len(lines[0]) < WIDTH - 10:
        return f"{declaration} = {{{lines[0]}}};"
    return f"{declaration} = {{\n" + "\n".join(f"    {line}" for line in lines) + "\n};"
