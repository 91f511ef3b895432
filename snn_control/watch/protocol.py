"""Encode and decode the messages between a run and its live page: version 1 of docs/reference/watch_protocol.md.

Text frames are JSON objects with a key ``op``. A binary frame contains a header and arrays:

1. the length of the header: four bytes, little-endian
2. the header: JSON in UTF-8, padded with spaces to a multiple of eight bytes
3. the arrays, each padded to a multiple of eight bytes

The key ``arrays`` of the header lists name, dtype (as NumPy writes it) and shape of each array.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import InputError
from ..record.run_folder import plain

__all__ = ["MAX_LOOKS", "MAX_MESSAGE", "PART", "RECORD", "SUBPROTOCOL", "VERSION", "decode", "encode"]

VERSION = 1
SUBPROTOCOL = f"snn_control.watch.v{VERSION}"
RECORD = "record.bin"  # the file with all frames of a record, fetched in parts: record.bin?from=BYTE
PART = 256 * 1024  # bytes of a part; the last part is shorter
MAX_MESSAGE = 64 * 1024  # bytes that a page may send at once
MAX_LOOKS = 16  # populations that a page looks at
ALIGNMENT = 8
DTYPES = ("<f4", "<f8", "<i4", "<i8", "<u2", "<u4", "|u1", "|i1")


def _padded(data: bytes, fill: bytes) -> bytes:
    return data + fill * (-len(data) % ALIGNMENT)


def encode(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Encode a header and arrays as one binary frame. Numbers in the header that are not finite become null."""
    listed = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    text = json.dumps(plain({**header, "arrays": listed}, "header"), separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % ALIGNMENT)
    parts = (_padded(np.ascontiguousarray(array).tobytes(), b"\0") for array in arrays.values())
    return b"".join([len(text).to_bytes(4, "little"), text, *parts])


def decode(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a binary frame. Raises InputError if the bytes are not a valid frame."""
    try:
        size = int.from_bytes(frame[:4], "little")
        header = json.loads(frame[4 : 4 + size])
        if not isinstance(header, dict):
            raise ValueError("its header is not an object")
        at, arrays = 4 + size, {}
        for name, dtype, shape in header.pop("arrays"):
            if dtype not in DTYPES:
                raise ValueError(f"dtype {dtype}")
            count = int(np.prod(shape, dtype=np.int64))
            arrays[name] = np.frombuffer(frame, dtype, count, at).reshape(shape)
            at += -(-count * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        raise InputError(f"frame of {len(frame)} bytes: is not of {SUBPROTOCOL}: {error}") from None
    return header, arrays
