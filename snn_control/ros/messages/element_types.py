"""The numeric types of message fields, and the integer codes of these types in compiled code."""

from __future__ import annotations

import numpy as np

__all__ = ["BOOL", "FLOAT32", "FLOAT64", "KINDS", "KIND_SIZES", "MAX_OF_KIND", "MIN_OF_KIND", "UINT64"]

#: element types; a program refers to one by its index
KINDS = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
KIND_SIZES = np.array([np.dtype(kind).itemsize for kind in KINDS])  # bytes of an element
BOOL, UINT64, FLOAT32, FLOAT64 = 0, 7, 9, 10  # the first nine are whole numbers
#: the smallest and the largest value of the integer types; for uint64 the largest that fits int64
MIN_OF_KIND = np.array([0, *(np.iinfo(kind).min for kind in KINDS[1:9])], np.int64)
MAX_OF_KIND = np.array([1, *(min(np.iinfo(kind).max, 2**63 - 1) for kind in KINDS[1:9])], np.int64)
