"""The rows of the loop's table: one for each port, with the addresses that compiled code calls."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import DescriptionError
from . import table as words
from .port import InputPort, Port

__all__ = ["NULL", "input_rows", "output_rows", "table_rows"]

NULL = "must not be null: compiled code would jump or write there"


def table_rows(name: str, width: int, keys: Sequence[str], rows: Sequence[Sequence[int]]) -> np.ndarray:
    """Rows of the loop's table, (n, width) int64, zeros after the keys. Raises DescriptionError for a null address."""
    table = np.zeros((len(rows), width), np.int64)
    for k, row in enumerate(rows):
        for key, value in zip(keys, row, strict=True):
            if value <= 0:
                raise DescriptionError(f"{name}[{k}].{key}", value, NULL)
        table[k, : len(keys)] = row
    return table


def input_rows(inputs: Sequence[InputPort]) -> np.ndarray:
    ports = [(port.function, port.context, port.slot) for port in inputs]
    table = table_rows("inputs", words.IN_WORDS, ("function", "context", "slot"), ports)
    for row, port in zip(table, inputs, strict=False):
        row[words.IN_OWN_AGE], row[words.IN_LIMIT] = getattr(port, "writes_age", False), getattr(port, "limit_ns", 0)
        row[words.IN_UNAWAITED] = getattr(port, "unawaited", False)
    return table


def output_rows(name: str, ports: Sequence[Port]) -> np.ndarray:
    return table_rows(name, words.OUT_WORDS, ("function", "context"), [(port.function, port.context) for port in ports])
