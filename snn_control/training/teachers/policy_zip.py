"""Read a policy file of stable-baselines3 (.zip) as JSON and arrays, without running any of its code.

Neither stable-baselines3 nor torch is needed. The file contains two members:

- ``data`` is JSON. Its entries ``:serialized:``, which are pickles, are never opened.
- ``policy.pth`` is a file of ``torch.save``: a pickle that describes tensors, and the bytes of these tensors. In files
  of torch 1.6 and newer, pickle and bytes are members of a ZIP; in older files, the bytes follow the pickle.

All sizes in the file are untrusted, and only the tensors that are used are read.
"""

from __future__ import annotations

import functools
import io
import json
import math
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from ...files import MOST_TEXT, open_file
from .pickle_data import Inert, items_of, read_pickle

__all__ = ["read_policy_zip"]

MOST_BYTES = 1 << 26  # largest size of policy.pth
MOST_STORAGE = 1 << 24  # largest storage that is read
MOST_DATA = 1 << 20  # largest size of the JSON, which needs up to 35 times as much memory
MOST_UNPACKED = 1 << 24  # bytes by which a member may be larger than it is in the file; weights hardly shrink
MOST_MEMBERS = 1 << 18  # bytes of the list of members
PART = 1 << 16  # bytes that are unpacked at a time
MOST_AXES = 8
MAGIC = 0x1950A86A20F9469CFC6C  # the first value in a file of torch before 1.6
STORAGES = {
    f"torch {name}Storage": np.dtype(code)
    for name, code in {
        "Float": "<f4", "Double": "<f8", "Half": "<f2", "Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "i1",
        "Byte": "u1", "Bool": "?",
    }.items()
}  # fmt: skip
TENSOR, PARAMETER = "torch._utils _rebuild_tensor_v2", "torch._utils _rebuild_parameter"
KNOWN = frozenset({"collections OrderedDict", TENSOR, PARAMETER, *STORAGES})


def read_policy_zip(path: str | os.PathLike) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    """Return two values: the content of the member ``data``, and the arrays of ``policy.pth`` by name.

    An array is read only when it is used. Raises OSError if the file cannot be read, and any other exception if its
    content is invalid.
    """
    with open_file(path) as file:
        outer = _Zip(file, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        data = json.loads(outer.read("data", MOST_DATA).decode())
        raw = outer.read("policy.pth", MOST_BYTES)
    if not isinstance(data, dict):
        raise ValueError("data is not a JSON object")
    return data, _Weights(raw)


class _Zip:
    """Reads members of an untrusted ZIP file.

    Raises ValueError for a member with a compression method other than ``methods``, or with too many bytes.
    """

    def __init__(self, file: IO[bytes], *methods: int) -> None:
        guarded: Any = _Guarded(file)
        self._zip, self._methods = zipfile.ZipFile(guarded), methods
        guarded.most = None
        if sum(info.compress_size for info in self._zip.infolist()) > file.seek(0, os.SEEK_END):
            raise ValueError("its members are together longer than the file")
        self.names = self._zip.namelist()
        if len(set(self.names)) < len(self.names):
            raise ValueError("it has two members of the same name")
        if any(name.startswith("/") or ".." in name.split("/") for name in self.names):
            raise ValueError("it has a member whose name leads out of the file")

    def read(self, name: str, most: int) -> bytes:
        info = self._zip.getinfo(name)
        if info.file_size > min(most, info.compress_size + MOST_UNPACKED):
            most = min(most, info.compress_size + MOST_UNPACKED)
            raise ValueError(f"{name} has {info.file_size:,} bytes; the limit is {most:,}")
        if info.compress_type not in self._methods:
            raise ValueError(f"{name} is compressed by method {info.compress_type}")
        with self._zip.open(info) as stream:
            # in parts, because one large `read` needs three times its size; no more than `file_size` is unpacked
            raw = b"".join(iter(functools.partial(stream.read, PART), b""))
        if len(raw) != info.file_size:
            raise ValueError(f"{name} ends early")
        return raw


class _Guarded:
    """A file that limits the bytes that `zipfile.ZipFile` reads for its list of members, and so the memory of the list.

    Each member needs a few hundred bytes of memory.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.most = file, MOST_MEMBERS

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        if self.most is not None and size > self.most:
            raise ValueError(f"its list of members has {size:,} bytes; the limit is {self.most:,}")
        return self._file.read(size)


@dataclass(frozen=True)
class _Tensor:
    """A tensor in a file of torch. Its numbers are in a *storage*, a one-dimensional array.

    key : name of the storage
    dtype : type of the storage's elements
    count : number of the storage's elements
    offset : index of the tensor's first element in the storage
    size : shape of the tensor
    """

    dtype: np.dtype
    key: str
    count: int
    offset: int
    size: tuple[int, ...]

    @classmethod
    def of(cls, made: Inert) -> _Tensor:
        """Return the tensor that the arguments of ``torch._utils._rebuild_tensor_v2`` describe.

        Raises ValueError if the tensor is not contiguous, or is longer than its storage. Without these checks, a small
        file could describe a tensor of any size, which repeats the numbers of its storage.
        """
        if made.name == PARAMETER and type(made.arguments[0]) is Inert:
            made = made.arguments[0]
        if made.name != TENSOR:
            raise ValueError("policy.pth holds something that is not a tensor")
        storage, offset, size, stride = made.arguments[:4]
        dtype, key, count = _storage(storage)
        if type(size) is not tuple or type(stride) is not tuple or not len(size) == len(stride) <= MOST_AXES:
            raise ValueError("a tensor has no shape")
        if any(type(n) is not int or not 0 <= n <= MOST_BYTES for n in (offset, *size, *stride)):
            raise ValueError("a tensor has sizes that are not whole numbers >= 0, or are too large")
        steps = [math.prod(size[k + 1 :]) for k in range(len(size))]
        if any(n > 1 and s != step for n, s, step in zip(size, stride, steps, strict=True)):
            raise ValueError("a tensor is not contiguous")
        if offset + math.prod(size) > count:
            raise ValueError(f"a tensor of shape {size} is longer than its storage")
        return cls(dtype, key, count, offset, size)

    def array(self, raw: bytes | memoryview) -> np.ndarray:
        if len(raw) != self.count * self.dtype.itemsize:
            raise ValueError(f"storage {self.key} has {len(raw)} bytes, not {self.count} {self.dtype.name}")
        return np.frombuffer(raw, self.dtype)[self.offset :][: math.prod(self.size)].reshape(self.size)


def _storage(named: Any) -> tuple[np.dtype, str, int]:
    """Return the dtype, the name and the number of elements of the storage that a pickle names."""
    parts = named.arguments if type(named) is Inert and not named.name else ()
    if type(parts) is not tuple or len(parts) < 5 or type(parts[0]) is not str or parts[0] != "storage":
        raise ValueError("a tensor has a storage of an unknown kind")
    _, kind, key, _, count = parts[:5]
    name = getattr(kind, "text", "")
    if name not in STORAGES or type(count) is not int or not 0 <= count <= MOST_BYTES:
        raise ValueError("a tensor has a storage of an unknown kind")
    if not (type(key) is str and key.isascii() and key.isdigit()):
        raise ValueError(f"a storage has the name {key[:40]!r}" if type(key) is str else "a storage has no name")
    return STORAGES[name], key, count


Read = Callable[[_Tensor], bytes | memoryview]


class _Weights(Mapping[str, np.ndarray]):
    """The tensors in a file of ``torch.save``: name -> read-only array."""

    def __init__(self, raw: bytes) -> None:
        tensors, self._read = (_of_zip if raw.startswith(b"PK") else _of_pickles)(raw)
        self._made = {name: one for name, one in items_of(tensors).items() if _is_tensor(one)}

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, name: str) -> np.ndarray:
        tensor = _Tensor.of(self._made[name])
        return tensor.array(self._read(tensor))


def _is_tensor(value: Any) -> bool:
    return type(value) is Inert and value.name in (TENSOR, PARAMETER)


def _of_zip(raw: bytes) -> tuple[Any, Read]:
    inner = _Zip(io.BytesIO(raw), zipfile.ZIP_STORED)  # all storages together are no longer than the file
    (name,) = [name for name in inner.names if name.endswith("/data.pkl")]
    folder = name.removesuffix("data.pkl")
    if f"{folder}byteorder" in inner.names and inner.read(f"{folder}byteorder", 16) != b"little":
        raise ValueError("its numbers are not little-endian")
    tensors = read_pickle(io.BytesIO(inner.read(name, MOST_TEXT)), KNOWN, "weights")

    def read(one: _Tensor) -> bytes:
        return inner.read(f"{folder}data/{one.key}", min(one.count * one.dtype.itemsize, MOST_STORAGE))

    return tensors, read


def _of_pickles(raw: bytes) -> tuple[Any, Read]:
    """Read a file of ``torch.save`` from a version of torch before 1.6.

    The file begins with five pickles: magic number, protocol, properties of the machine, tensors, names of the
    storages. The storages follow; each consists of its number of elements (8 bytes) and the bytes of the elements.
    """
    stream = io.BytesIO(raw)
    magic, _, machine, tensors, keys = (read_pickle(stream, KNOWN, "weights") for _ in range(5))
    if type(magic) is not int or magic != MAGIC or items_of(machine).get("little_endian") is not True:
        raise ValueError("it is not a little-endian file of torch.save")
    width = {one.key: one.dtype.itemsize for one in map(_Tensor.of, filter(_is_tensor, items_of(tensors).values()))}
    if type(keys) is not list or any(type(key) is not str or key not in width for key in keys):
        raise ValueError("the names of its storages are not those of its tensors")
    storages, whole, at = {}, memoryview(raw), stream.tell()
    for key in keys:
        end = at + 8 + int.from_bytes(whole[at : at + 8], "little") * width[key]
        storages[key], at = whole[at + 8 : end], end
    return tensors, lambda one: storages[one.key]
