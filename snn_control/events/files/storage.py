"""`Storage`: the interface to one file of a bag, which each storage format of rosbag2 implements."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from pathlib import Path

from ...errors import optional

__all__ = ["BAGS", "Storage", "full_type"]

#: the first bytes of the files of bags
BAGS = (b"SQLite format 3\0", b"\x89MCAP0\r\n", b"#ROSBAG V2.0\n")
ZSTD = b"\x28\xb5\x2f\xfd"
# A file may unpack to ROOM bytes, and RATIO times its size in addition; one chunk of it to LARGEST bytes.
ROOM, RATIO, LARGEST = 1 << 26, 1000, 1 << 30


class Storage:
    """Reads one file of a bag; one subclass for each storage format.

    topics : topic -> type, for topics with messages in CDR
    truncated : whether `messages` stopped before the last message, because the file is truncated or damaged
    malformed : number of chunks and messages that `messages` could not decompress
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = path.stat().st_size
        self.topics: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        """Forget what an earlier pass through the file counted."""
        self.truncated, self.malformed, self.bytes_read, self._room = False, 0, 0, ROOM

    def counts(self) -> dict[str, int]:
        """Return the number of readable messages of each topic: topic -> number."""
        raise NotImplementedError

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """Yield the log time [ns] and the bytes of each message of a topic, in the order of arrival."""
        raise NotImplementedError

    def _unpack(self, compression: str, packed: bytes, stated: int = LARGEST) -> bytes:
        """Return the unpacked bytes of a chunk: at most ``stated`` bytes, and the readable part of a damaged chunk.

        compression : "bz2", "lz4", "zstd", or "" for bytes that are not compressed

        Raise ValueError if ``compression`` is another one; the libraries may raise any exception for damage.
        """
        self._room += RATIO * len(packed)
        most = min(stated, self._room, LARGEST)
        if compression == "bz2":
            data = bz2.BZ2Decompressor().decompress(packed, most)
        elif compression == "lz4":
            frame = optional("lz4.frame", "this bag needs lz4", "events")
            data = bytes(frame.LZ4FrameDecompressor().decompress(packed, most))
        elif compression == "zstd":
            zstandard = optional("zstandard", "this bag needs zstandard", "events")
            data = zstandard.ZstdDecompressor().stream_reader(packed).read(most)
        elif compression:
            raise ValueError(compression)
        else:
            return packed
        self._room -= len(data)
        return data

    def _message(self, data: object) -> bytes | None:
        """Return the bytes of a message, unpacked if rosbag2 compressed it (mode "message"); None if that fails."""
        if not isinstance(data, bytes) or not data.startswith(ZSTD):
            return data if isinstance(data, bytes) else None
        zstandard = optional("zstandard", "this bag needs zstandard", "events")
        try:
            size = zstandard.frame_content_size(data)
            if size > self._room + RATIO * len(data):
                return None
            message = self._unpack("zstd", data)
        except zstandard.ZstdError:
            return None
        return message if size in (-1, len(message)) else None


def full_type(name: str) -> str:
    """Return a type's name in the form ``package/msg/Name``, also for the short form ``package/Name``."""
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name
