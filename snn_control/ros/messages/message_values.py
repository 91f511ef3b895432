"""Read values of serialized messages from Python, with the same path programs as the control loop's ports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...engine.compile import compile_function
from ...errors import InputError
from . import field_reader, malformed
from .path_program import PathProgram
from .selection import DETAIL, SCRATCH_WORDS

__all__ = ["compiled_reader", "locate", "message_end", "read_values"]


def _run(program: PathProgram, data: Any, offsets: int) -> tuple[np.ndarray, int, int]:
    message = np.frombuffer(data, np.uint8)
    out = np.empty(len(message), np.int64 if offsets else np.float64)  # a value takes at least a byte
    scratch = np.zeros(SCRATCH_WORDS, np.int64)
    n = compiled_reader()(
        program.address, message.ctypes.data, len(message), out.ctypes.data, len(out), scratch.ctypes.data, offsets
    )
    if n < 0:
        why = malformed.explain(n, scratch[DETAIL : DETAIL + 2].tolist(), program.field, program.named)
        raise InputError(f"{program.message_type} of {len(message)} bytes {why} ({program.field})")
    return out[:n], int(scratch[0]), int(scratch[1])


def read_values(program: PathProgram, data: Any) -> tuple[np.ndarray, int]:
    """Return the values that a program reads from a serialized message, (n,) float64, and the message's stamp [ns].

    The stamp is -1 if the message type has none. Raises InputError if the message is malformed.
    """
    return _run(program, data, 0)[:2]


def locate(program: PathProgram, data: Any) -> np.ndarray:
    """Return the byte offset of each value in a serialized message, (n,) int64.

    Raises InputError if the message is malformed.
    """
    return _run(program, data, 1)[0]


def message_end(program: PathProgram, data: Any) -> int:
    """Return the number of bytes from a message's start to the end of its last field.

    Raises InputError if the message is malformed.
    """
    return _run(program, data, 0)[2]


def compiled_reader() -> Callable:
    """Return `field_reader.read_fields`, compiled for calls from Python."""
    return compile_function(field_reader.read_fields, "int64(int64,int64,int64,int64,int64,int64,int64)")
