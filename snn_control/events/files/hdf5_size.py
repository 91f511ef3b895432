"""Find the size of the sensor in an HDF5 file of events; each recording program stores the size in a different form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from .fields import NUMBERS

__all__ = ["sensor_size"]

Size = tuple[int, int] | None

SEARCHED = 1 << 20  # bytes at the beginning and at the end of the file, for texts
HEAP, HEAP_HEAD, OBJECT_HEAD = b"GCOL\x01\0\0\0", 16, 16
MOST_TEXTS = 1000
GEOMETRY = re.compile(rb"(\d{1,5})\s*[xX]\s*(\d{1,5})\0?")


def sensor_size(data: np.ndarray, file: Any, dataset: Any) -> tuple[int | None, int | None]:
    """Return width and height of the sensor [pixel]; (None, None) if the file does not contain them.

    data : bytes of the file
    file : h5py.File
    dataset : dataset of the events or of their times
    """
    group = dataset.parent
    for one in (dataset, group, group.parent, file):
        found = _attributes(data, one.attrs) or (_datasets(one) if hasattr(one, "keys") else None)
        if found:
            return found
    return None, None


def _attributes(data: np.ndarray, attributes: Any) -> Size:
    found = _sides(_numbers(attributes, "width"), _numbers(attributes, "height"))
    if resolution := _numbers(attributes, "sensor_resolution"):  # height, width
        found = found or _sides(resolution[1:], resolution)
    if found is None and "geometry" in attributes:
        match = next((match for text in _texts(data) if (match := GEOMETRY.fullmatch(text))), None)
        found = _sides([int(match[1])], [int(match[2])]) if match else None
    return found


def _datasets(group: Any) -> Size:
    sides = [_small(group.get(name)) for name in ("width", "height")]
    resolution = _small(group.get("calib/resolution"))
    return _sides(*sides) or _sides(resolution, resolution[1:])


def _numbers(attributes: Any, name: str) -> list[float]:
    """Return the numbers in an attribute, or an empty list if it is missing or is a text.

    Texts are not read, because the HDF5 library may allocate all memory for a damaged text.
    """
    if name not in attributes:
        return []
    one = attributes.get_id(name)
    sound = one.dtype.kind in NUMBERS and np.prod(one.shape, dtype=float) <= 4
    return np.ravel(attributes[name]).tolist() if sound else []


def _small(one: Any) -> list[float]:
    """Return the numbers of a dataset with at most two numbers; an empty list for any other object."""
    sound = one is not None and hasattr(one, "dtype") and one.dtype.kind in NUMBERS and one.shape in ((), (1,), (2,))
    return np.ravel(one[()]).tolist() if sound else []


def _sides(width: list[float], height: list[float]) -> Size:
    sides = [side[0] for side in (width, height) if side]
    if len(sides) < 2 or not all(0 < side < 1 << 16 and side == int(side) for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def _texts(data: np.ndarray) -> Iterator[bytes]:
    """Yield the variable-length texts in the file's global heaps, near the beginning and the end of the file."""
    for part in (data[:SEARCHED].tobytes(), data[max(SEARCHED, len(data) - SEARCHED) :].tobytes()):
        for match in re.finditer(re.escape(HEAP), part):
            at, end = match.start() + HEAP_HEAD, len(part)
            for _ in range(MOST_TEXTS):
                number, size = part[at : at + 2], int.from_bytes(part[at + 8 : at + OBJECT_HEAD], "little")
                if number in (b"", b"\0\0") or at + OBJECT_HEAD + size > end:
                    break
                yield part[at + OBJECT_HEAD : at + OBJECT_HEAD + size]
                at += OBJECT_HEAD + -(-size // 8) * 8
