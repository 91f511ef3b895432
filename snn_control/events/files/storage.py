"""`Storage`: the interface to one file of a bag, which each storage format of rosbag2 implements."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["BAGS", "Storage", "full_type", "room", "unpacked"]

#: the first bytes of the files of bags
BAGS = (b"SQLite format 3\0", b"\x89MCAP0\r\n", b"#ROSBAG V2.0\n")
ZSTD = b"\x28\xb5\x2f\xfd"


class Storage:
    """Reads one file of a bag; one subclass for each storage format.

    topics : topic -> type, for topics with messages in CDR
    truncated : whether `messages` stopped before the last message, because the file is truncated or damaged
    malformed : number of chunks and messages that `messages` could not decompress
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes, self.bytes_read = path.stat().st_size, 0
        self.truncated, self.malformed = False, 0
        self.topics: dict[str, str] = {}

    def counts(self) -> dict[str, int]:
        """Return the number of readable messages of each topic: topic -> number."""
        raise NotImplementedError

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        """Yield the log time [ns] and the bytes of each message of a topic, in the order of arrival."""
        raise NotImplementedError


def room(packed: int) -> int:
    """Return the largest plausible decompressed size of ``packed`` compressed bytes.

    It limits the memory for decompression, because a damaged file may state a far larger size.
    """
    return min((1 << 26) + 1000 * packed, 1 << 30)


def full_type(name: str) -> str:
    """Return a type's name in the form ``package/msg/Name``, also for the short form ``package/Name``."""
    package, _, rest = name.partition("/")
    return f"{package}/msg/{rest}" if rest and "/" not in rest else name


def unpacked(data: object) -> bytes | None:
    """Return the bytes of a message, decompressed if rosbag2 compressed it (mode "message"); None if that fails."""
    if not isinstance(data, bytes):
        return None
    if not data.startswith(ZSTD):
        return data
    import zstandard

    try:
        size = zstandard.frame_content_size(data)
        if size > room(len(data)):
            return None
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=room(len(data)))
    except zstandard.ZstdError:
        return None
