"""Read the content of a policy file of stable-baselines3 (.zip), as JSON and arrays, without running any of its code.

Neither stable-baselines3 nor torch is needed. ``data`` is JSON; its members ``:serialized:``, which are pickles, are
never opened. ``policy.pth`` is a file of ``torch.save``: a pickle that names tensors, and the bytes of these tensors.
Since torch 1.6, pickle and bytes are members of a ZIP; older files contain one after the other. `_value` reads the
pickle. It knows only the operations that torch writes for a dictionary of tensors; for any other operation it raises an
error that names it. No size in the file is trusted.
"""

from __future__ import annotations

import functools
import io
import json
import math
import os
import pickletools
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ...files import MOST_TEXT, open_file

__all__ = ["read_policy_zip"]

MOST_BYTES = 1 << 26  # largest size of policy.pth
MAGIC = 0x1950A86A20F9469CFC6C  # the first value in a file of torch before 1.6
STORAGES = {
    f"torch {name}Storage": np.dtype(code)
    for name, code in {
        "Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1",
        "Byte": "u1", "Bool": "?",
    }.items()
}  # fmt: skip


def read_policy_zip(path: str | os.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return a tuple: the content of ``data``, and the arrays of ``policy.pth`` by name, which are read-only. Raises
    OSError if the file cannot be read, and any other exception if its content is not valid."""
    with open_file(path) as file:
        outer = _Zip(file, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        data = json.loads(outer.read("data", MOST_TEXT))
        raw = outer.read("policy.pth", MOST_BYTES)
    if not isinstance(data, dict):
        raise ValueError("data is not a JSON object")
    return data, _state_dict(raw)


class _Zip:
    """Reads members of a ZIP that are packed by one of ``methods``, and unpacks none to more bytes than allowed."""

    def __init__(self, file: IO[bytes], *methods: int) -> None:
        self._zip, self._methods = zipfile.ZipFile(file), methods
        if sum(info.compress_size for info in self._zip.infolist()) > file.seek(0, os.SEEK_END):
            raise ValueError("its members are together longer than the file")
        self.names = self._zip.namelist()

    def read(self, name: str, most: int) -> bytes:
        info = self._zip.getinfo(name)
        if info.file_size > most:
            raise ValueError(f"{name} has {info.file_size:,} bytes; the limit is {most:,}")
        if info.compress_type not in self._methods:
            raise ValueError(f"{name} is compressed by method {info.compress_type}")
        with self._zip.open(info) as stream:
            raw = stream.read(info.file_size)  # decompresses no more than this
        if len(raw) != info.file_size:
            raise ValueError(f"{name} ends early")
        return raw


@dataclass(frozen=True)
class _Tensor:
    """A tensor of shape ``size`` in a storage, from element ``offset`` on. ``key``, ``dtype`` and ``count`` are the
    name of the storage, the type of its elements, and the number of its elements."""

    dtype: np.dtype
    key: str
    count: int
    offset: int
    size: tuple[int, ...]

    @classmethod
    def rebuilt(cls, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> _Tensor:
        """Make a tensor from the arguments of ``torch._utils._rebuild_tensor_v2``. Raises ValueError if the tensor is
        not contiguous, or is longer than its storage. A tensor that repeats numbers of its storage could otherwise have
        any size."""
        dtype, key, count = storage
        if any(type(n) is not int or n < 0 for n in (offset, *size, *stride)) or len(size) != len(stride):
            raise ValueError("a tensor has sizes that are not whole numbers >= 0")
        steps = [math.prod(size[k + 1 :]) for k in range(len(size))]
        if any(n > 1 and s != step for n, s, step in zip(size, stride, steps, strict=True)):
            raise ValueError("a tensor is not contiguous")
        if offset + math.prod(size) > count:
            raise ValueError(f"a tensor of shape {tuple(size)} is longer than its storage")
        return cls(dtype, key, count, offset, tuple(size))

    def array(self, raw: bytes) -> np.ndarray:
        if len(raw) != self.count * self.dtype.itemsize:
            raise ValueError(f"storage {self.key} has {len(raw)} bytes, not {self.count} {self.dtype.name}")
        return np.frombuffer(raw, self.dtype)[self.offset :][: math.prod(self.size)].reshape(self.size)


#: operation of a pickle -> function that makes its value
SIMPLE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": bool, "EMPTY_TUPLE": tuple, "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
}  # fmt: skip


def _dictionary() -> dict:
    """Return an empty dictionary, in place of the class OrderedDict that a pickle names.

    It accepts no contents as arguments, because nothing would check their keys.
    """
    return {}


#: name in a pickle -> what it stands for
KNOWN: dict[str, Any] = {
    "collections OrderedDict": _dictionary,
    "torch._utils _rebuild_tensor_v2": _Tensor.rebuilt,
    "torch._utils _rebuild_parameter": lambda tensor, *rest: tensor,
    **STORAGES,
}


def _storage(kind: Any, dtype: Any, key: Any, device: Any, count: Any, *rest: Any) -> tuple[np.dtype, str, int]:
    if kind != "storage" or not isinstance(dtype, np.dtype) or type(count) is not int or not 0 <= count <= MOST_BYTES:
        raise ValueError("a tensor has a storage of an unknown kind")
    if not (isinstance(key, str) and key.isascii() and key.isdigit()):
        raise ValueError(f"a storage has the name {key!r}")
    return dtype, key, count


def _value(stream: IO[bytes]) -> Any:
    """Return the value of one pickle, with a `_Tensor` for each tensor. The stream is then at the first byte after the
    pickle. Raises ValueError for an operation or an object that files of weights do not have; the error names it."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def marked() -> list[Any]:
        at = marks.pop()
        found = stack[at:]
        del stack[at:]
        return found

    given: Any
    for operation, given, _ in pickletools.genops(stream):
        match operation.name:
            case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE":
                stack.append(given)
            case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                stack.append(SIMPLE[operation.name]())
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(marked()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                marks.append(len(stack) - int(operation.name[-1]))
                stack.append(tuple(marked()))
            case "APPEND" | "APPENDS":
                found = marked() if operation.name == "APPENDS" else [stack.pop()]
                _extend(stack[-1], found)
            case "SETITEM" | "SETITEMS":
                found = marked() if operation.name == "SETITEMS" else [stack.pop(), stack.pop()][::-1]
                _update(stack[-1], found)
            case "BINPUT" | "LONG_BINPUT":
                memo[given] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[given])
            case "BINPERSID":
                stack.append(_storage(*stack.pop()))
            case "GLOBAL":
                if given not in KNOWN:
                    raise ValueError(f"it names {given.replace(' ', '.')}, which is not part of weights")
                stack.append(KNOWN[given])
            case "REDUCE":
                arguments = stack.pop()
                stack.append(stack.pop()(*arguments))
            case "BUILD":  # attributes of an OrderedDict, in which torch keeps versions
                stack.pop()
            case "STOP":
                return stack.pop()
            case other if other != "PROTO":
                raise ValueError(f"its pickle has the operation {other}, which weights do not need")
    raise ValueError("its pickle has no end")


def _extend(there: Any, values: Iterable[Any]) -> None:
    if type(there) is not list:
        raise ValueError("its pickle appends to something that is not a list")
    there.extend(values)


def _update(there: Any, pairs: list[Any]) -> None:
    if type(there) is not dict or any(type(key) not in (str, int) for key in pairs[::2]):
        raise ValueError("its pickle has a dictionary whose keys are not text or whole numbers")
    there.update(zip(pairs[::2], pairs[1::2], strict=True))


def _state_dict(raw: bytes) -> dict[str, np.ndarray]:
    """Return name -> tensor, as a read-only array, of the bytes of a file of ``torch.save``."""
    stream = io.BytesIO(raw)
    tensors, read = (_of_zip if raw.startswith(b"PK") else _of_pickles)(stream)
    if type(tensors) is not dict:
        raise ValueError("policy.pth is not a dictionary of tensors")
    return {name: one.array(read(one)) for name, one in tensors.items() if isinstance(one, _Tensor)}


Read = Callable[[_Tensor], bytes]


def _of_zip(stream: IO[bytes]) -> tuple[Any, Read]:
    inner = _Zip(stream, zipfile.ZIP_STORED)  # all storages together are no longer than the file
    (name,) = [name for name in inner.names if name.endswith("/data.pkl")]
    folder = name.removesuffix("data.pkl")
    if f"{folder}byteorder" in inner.names and inner.read(f"{folder}byteorder", 16) != b"little":
        raise ValueError("its numbers are not little-endian")
    tensors = _value(io.BytesIO(inner.read(name, MOST_TEXT)))

    @functools.cache  # tensors may share a storage
    def read(key: str, size: int) -> bytes:
        return inner.read(f"{folder}data/{key}", size)

    return tensors, lambda one: read(one.key, one.count * one.dtype.itemsize)


def _of_pickles(stream: IO[bytes]) -> tuple[Any, Read]:
    """Read a file from before torch 1.6. It has five pickles (magic number, protocol, facts about the machine, tensors,
    keys of the storages), then the bytes of the storages."""
    magic, _, machine, tensors, keys = (_value(stream) for _ in range(5))
    if magic != MAGIC or not machine["little_endian"]:
        raise ValueError("it is not a little-endian file of torch.save")
    width = {one.key: one.dtype.itemsize for one in tensors.values() if isinstance(one, _Tensor)}
    storages = {key: stream.read(int.from_bytes(stream.read(8), "little") * width[key]) for key in keys}
    return tensors, lambda one: storages[one.key]
