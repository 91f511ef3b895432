"""Read bags of ROS 1 (.bag, version 2.0) from start to end, even if they are cut or have no index.

A record consists of a header with fields ``name=value``, and data. A chunk contains the records of messages and
connections. A connection contains a topic, its type, and the definition of the type, which is used to convert the
messages to CDR.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

import numpy as np

from .ros1_messages import program_of, to_cdr
from .storage import BAGS, Storage, full_type

__all__ = ["Ros1Storage"]

MESSAGE, HEAD, INDEX, CHUNK, INFO, CONNECTION = range(2, 8)  # kinds of records
LONGEST_HEADER = 1 << 20
LARGEST_CHUNK = 1 << 26  # bytes, of a chunk that was unpacked

Fields = dict[bytes, bytes]


class Ros1Storage(Storage):
    """Reads a bag of ROS 1."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._counts: dict[str, int] = {}
        self._programs: dict[int, tuple[str, np.ndarray | None]] = {}  # connection -> topic, program
        if not self._index():
            for number in self._walk():
                topic = self._programs[number[0]][0]
                self._counts[topic] = self._counts.get(topic, 0) + 1

    def counts(self) -> dict[str, int]:
        return self._counts

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        for number, log_time, data in self._walk():
            name, program = self._programs[number]
            if name == topic and program is not None:
                message = to_cdr(program, data)
                if message is None:
                    self.malformed += 1
                else:
                    yield log_time, message

    def _index(self) -> bool:
        """Read the connections and their numbers of messages from the index at the end of the bag.

        Return whether the bag has this index.
        """
        with open(self.path, "rb") as file:
            file.seek(len(BAGS[2]))
            first = self._record(file)
            where = first[0].get(b"index_pos", b"") if first else b""
            if len(where) != 8 or not 0 < struct.unpack("<Q", where)[0] < self.size_bytes:
                return False
            file.seek(struct.unpack("<Q", where)[0])
            counts: dict[int, int] = {}
            while file.tell() < self.size_bytes:
                record = self._record(file)
                if record is None or record[0].get(b"op") not in (b"\x07", b"\x06"):
                    return False
                if record[0][b"op"] == b"\x07":
                    self._connect(*record)
                else:
                    for number, n in struct.iter_unpack("<II", record[1][: len(record[1]) // 8 * 8]):
                        counts[number] = counts.get(number, 0) + n
        for number, n in counts.items():
            if number in self._programs:
                topic = self._programs[number][0]
                self._counts[topic] = self._counts.get(topic, 0) + n
        return bool(self._programs)

    def _walk(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the number of the connection, the log time [ns] and the bytes of each message."""
        self._begin()
        with open(self.path, "rb") as file:
            file.seek(len(BAGS[2]))
            whole = True
            while whole and file.tell() < self.size_bytes:
                fields = self._fields(file)
                if fields is None:
                    whole = False
                    continue
                kind = fields.get(b"op", b"\0")[0] if fields.get(b"op") else 0
                if kind == CHUNK and fields.get(b"compression") == b"none":
                    file.seek(4, os.SEEK_CUR)  # its records follow
                    continue
                if kind in (HEAD, INDEX, INFO):
                    self._skip(file)
                    continue
                data, whole = self._data(file)
                self.bytes_read = min(file.tell(), self.size_bytes)
                if kind == CHUNK:
                    yield from self._chunk(fields, data)
                elif whole:
                    yield from self._take(fields, data)
            self.truncated = file.tell() != self.size_bytes or not whole

    def _chunk(self, fields: Fields, packed: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield the messages in a compressed chunk or, if the chunk is truncated, in its readable part."""
        try:
            data = self._unpack(fields.get(b"compression", b"").decode("latin-1"), packed)
        except (OSError, RuntimeError, EOFError, ValueError):  # not compressed data
            self.malformed += 1
            return
        file = BytesIO(data)
        while (record := self._record(file)) is not None:
            yield from self._take(*record)

    def _take(self, fields: Fields, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        kind, number, time = fields.get(b"op"), fields.get(b"conn", b""), fields.get(b"time", b"")
        if kind == b"\x07":
            self._connect(fields, data)
        elif kind == b"\x02" and len(number) == 4 and len(time) == 8:
            connection, (seconds, rest) = int.from_bytes(number, "little"), struct.unpack("<II", time)
            if connection in self._programs:
                yield connection, seconds * 10**9 + rest, data
        else:
            self.malformed += 1

    def _connect(self, fields: Fields, data: bytes) -> None:
        """Store a connection's topic and type, and the program that converts its messages, if there is one."""
        more, number = _parsed(data), fields.get(b"conn", b"")
        if more is None or len(number) != 4 or int.from_bytes(number, "little") in self._programs:
            return
        topic = fields.get(b"topic", b"").decode("utf-8", "replace")
        kind, text = (more.get(name, b"").decode("utf-8", "replace") for name in (b"type", b"message_definition"))
        try:
            program = program_of(kind, text)
        except ValueError:
            program = None
        self._programs[int.from_bytes(number, "little")] = topic, program
        if program is not None:
            self.topics.setdefault(topic, full_type(kind))

    def _record(self, file: IO[bytes]) -> tuple[Fields, bytes] | None:
        fields = self._fields(file)
        data, whole = self._data(file) if fields is not None else (b"", False)
        return (fields, data) if fields is not None and whole else None

    def _fields(self, file: IO[bytes]) -> Fields | None:
        """Read the header of a record; return None if the header is truncated or damaged."""
        length = file.read(4)
        size = int.from_bytes(length, "little")
        raw = file.read(size) if len(length) == 4 and size < LONGEST_HEADER else b""
        return _parsed(raw) if raw and len(raw) == size else None

    def _data(self, file: IO[bytes]) -> tuple[bytes, bool]:
        """Read the data of a record. Return the data, and whether they are complete."""
        length = file.read(4)
        size = int.from_bytes(length, "little")
        data = file.read(min(size, max(self.size_bytes, LARGEST_CHUNK)))
        return data, len(length) == 4 and len(data) == size

    def _skip(self, file: IO[bytes]) -> None:
        file.seek(int.from_bytes(file.read(4), "little"), os.SEEK_CUR)


def _parsed(raw: bytes) -> Fields | None:
    """Return the fields of a record's header; None if the header is damaged."""
    fields, at = {}, 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "little")
        name, equals, value = raw[at + 4 : at + 4 + size].partition(b"=")
        if not equals or at + 4 + size > len(raw):
            return None
        fields[name] = value
        at += 4 + size
    return fields
