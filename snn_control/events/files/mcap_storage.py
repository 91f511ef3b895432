"""Read the .mcap files of rosbag2 from start to end, even if they are damaged.

The file needs no index. A truncated file is read up to its end, even within its last chunk. A chunk whose checksum does
not match is left out and counted as malformed.

In the MCAP specification (mcap.dev/spec), a record consists of one byte (its opcode), a uint64 length and the content.
The library `mcap` parses the contents of records. The library's reader of whole files is not used, because it rejects
an incomplete chunk.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ...errors import SnnControlError, optional
from .storage import BAGS, Storage, full_type

__all__ = ["McapStorage"]

MAGIC = 8  # bytes
FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, DATA_END = 2, 3, 4, 5, 6, 15
MESSAGE_HEAD = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time


class McapStorage(Storage):
    """Reads one .mcap file of a bag."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._contents = optional("mcap.records", "MCAP needs mcap", "events")
        self._counts: dict[str, int] = {}
        if not self._summary():
            for topic, kind, _, _ in self._walk():
                self.topics.setdefault(topic, kind)
                self._counts[topic] = self._counts.get(topic, 0) + 1

    def counts(self) -> dict[str, int]:
        return self._counts

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        return ((log_time, message) for _, _, log_time, message in self.everything(topic))

    def everything(self, topic: str | None = None) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield topic, type, log time [ns] and bytes of the messages in CDR, in the order of the file.

        topic : yield only messages of this topic; None: all messages
        """
        for name, kind, log_time, data in self._walk():
            if topic in (None, name):
                message = self._message(data)
                if message is None:
                    self.malformed += 1
                else:
                    yield name, kind, log_time, message

    def condition(self) -> Literal["whole", "cut", "damaged"]:
        """Return whether the file is "whole", "cut" (only the end is missing) or "damaged".

        A file is damaged if a checksum or the order of its records is wrong. Call this method after reading all
        messages of `everything`.
        """
        from mcap.stream_reader import StreamReader

        with open(self.path, "rb") as file:
            reader = StreamReader(file, emit_chunks=True, validate_crcs=True, record_size_limit=self.size_bytes)
            try:
                checked = sum(1 for _ in reader.records) > 0
            except Exception:  # the library may raise any exception for bytes that are no records
                checked = False
            file.seek(-MAGIC, os.SEEK_END)
            ended = file.read().startswith(BAGS[1])
        if checked and not self.malformed:
            return "whole"
        return "cut" if self.truncated and not (ended or self.malformed) else "damaged"

    def _summary(self) -> bool:
        """Read the topics and their numbers of messages from the summary at the end of the file.

        Return whether the file has a summary.
        """
        from mcap.reader import SeekingReader

        try:
            with open(self.path, "rb") as file:
                summary = SeekingReader(file).get_summary()
            if summary is None or summary.statistics is None or not summary.channels:
                return False
            for number, channel in summary.channels.items():
                if channel.message_encoding == "cdr" and channel.schema_id in summary.schemas:
                    self.topics.setdefault(channel.topic, full_type(summary.schemas[channel.schema_id].name))
                    n = summary.statistics.channel_message_counts.get(number, 0)
                    self._counts[channel.topic] = self._counts.get(channel.topic, 0) + n
        except Exception:  # the library may raise any exception for bytes that are no summary: a file that was cut
            return False
        return True

    def _walk(self) -> Iterator[tuple[str, str, int, bytes]]:
        """Yield the topic, type, log time [ns] and bytes of every message in CDR encoding."""
        self._begin()
        schemas: dict[int, str] = {}
        channels: dict[int, tuple[str, str]] = {}
        with open(self.path, "rb") as file:
            file.seek(MAGIC)
            for opcode, content in self._records(file):
                self.bytes_read = file.tell()
                chunk = opcode == CHUNK
                for kind, body in self._chunk(content, self.truncated) if chunk else [(opcode, content)]:
                    if kind == MESSAGE and len(body) >= MESSAGE_HEAD.size:
                        number, _, log_time, _ = MESSAGE_HEAD.unpack_from(body)
                        if number in channels:
                            yield *channels[number], log_time, bytes(body[MESSAGE_HEAD.size :])
                    elif kind in (SCHEMA, CHANNEL):
                        self._note(kind, body, schemas, channels)

    def _records(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield the opcode and the content of each record, including the readable records of a truncated last chunk."""
        while len(head := file.read(9)) == 9:
            opcode, length = struct.unpack("<BQ", head)
            if opcode in (DATA_END, FOOTER):
                return
            if opcode not in (SCHEMA, CHANNEL, MESSAGE, CHUNK):
                if length > self.size_bytes:
                    break
                file.seek(length, 1)
                continue
            content = file.read(min(length, self.size_bytes))
            self.truncated = len(content) < length
            if opcode == CHUNK or not self.truncated:
                yield opcode, content
        self.truncated = True

    def _chunk(self, content: bytes, cut: bool) -> Iterator[tuple[int, memoryview]]:
        try:
            chunk = self._contents.Chunk.read(_stream(content))
            data = memoryview(self._unpack(chunk.compression, chunk.data, chunk.uncompressed_size))
            if not cut and chunk.uncompressed_crc not in (0, zlib.crc32(data)):
                raise ValueError("checksum")
        except SnnControlError:  # a library that is not installed
            raise
        except Exception:  # no chunk, or one that cannot be unpacked: the libraries may raise any exception
            self.malformed += 1
            return
        at = 0
        while at + 9 <= len(data):
            opcode, length = struct.unpack_from("<BQ", data, at)
            at += 9
            if opcode == 0:  # no record has this opcode
                self.malformed += 1
                return
            if at + length > len(data):
                return
            yield opcode, data[at : at + length]
            at += length

    def _note(
        self, kind: int, body: bytes | memoryview, schemas: dict[int, str], channels: dict[int, tuple[str, str]]
    ) -> None:
        """Store the contents of a definition record: the name of a schema, or topic and type of a channel."""
        try:
            if kind == SCHEMA:
                schema = self._contents.Schema.read(_stream(body))
                schemas[schema.id] = full_type(schema.name)
            else:
                channel = self._contents.Channel.read(_stream(body))
                if channel.message_encoding == "cdr" and channel.schema_id in schemas:
                    channels[channel.id] = (channel.topic, schemas[channel.schema_id])
        except Exception:  # bytes that are not such a record
            self.malformed += 1


def _stream(content: bytes | memoryview) -> Any:
    from mcap.data_stream import ReadDataStream

    return ReadDataStream(BytesIO(content))
