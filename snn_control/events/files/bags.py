"""Read recordings from bags: a bag of ROS 2 as a folder or as one of its files, or a bag of ROS 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ...errors import DescriptionError, counted
from ...files import open_file
from ..columns import NANOSECONDS, Events
from ..recording import Recording, refused
from .mcap_storage import McapStorage
from .messages import CLOUD_TYPE, EVENT_TYPES, MessageReader, PacketReader, reader_of
from .ros1_storage import Ros1Storage
from .sqlite_storage import SqliteStorage
from .storage import BAGS, Storage

__all__ = ["BagRecording", "is_bag", "storages_of", "topics_of"]

STORAGES: dict[bytes, Callable[[Path], Storage]] = dict(zip(BAGS, (SqliteStorage, McapStorage, Ros1Storage)))
BACK, APART = 1_000_000, 1_000_000_000  # ns, see `_is_jump`


def is_bag(path: Path) -> bool:
    """Return whether a path is a bag by its contents: a folder or file of ROS 2, or a file of ROS 1."""
    if path.is_dir():
        return any(one.suffix in (".db3", ".mcap") for one in path.iterdir())
    if not path.is_file():
        return False
    with open_file(path) as file:
        return file.read(16).startswith(BAGS)


def storages_of(path: Path) -> tuple[list[Storage], bool]:
    """Return two values: the files of a bag that are not empty, in order, and whether the bag also has empty files.

    path : the bag's folder, or one of its files
    """
    if path.is_dir():
        return _folder(path)
    with open_file(path) as file:
        head = file.read(16)
    for first, storage in STORAGES.items():
        if head.startswith(first):
            return [storage(path)], False
    raise refused(path, "is not a bag")


def _folder(path: Path) -> tuple[list[Storage], bool]:
    """Return the two values of `storages_of` for a folder. The files are ordered by the numbers in their names."""
    found = {suffix: [p for p in path.iterdir() if p.suffix == suffix] for suffix in (".db3", ".mcap")}
    if found[".db3"] and found[".mcap"]:
        raise refused(path, "has .db3 and .mcap files", "name one of the files")
    names = sorted(found[".db3"] or found[".mcap"], key=_natural)
    full = [name for name in names if name.stat().st_size]
    if not full:
        rule = "has only empty bag files" if names else "is a folder without .db3 or .mcap files"
        raise refused(path, rule, "unpack them first: zstd -d *.zstd" if any(path.glob("*.zstd")) else "")
    storage = SqliteStorage if found[".db3"] else McapStorage
    return [storage(name) for name in full], len(full) < len(names)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key for a path, with which bag_2 comes before bag_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name)]


class BagRecording(Recording):
    """A recording in a bag: the events on one topic. Messages are read in the order in which they were written."""

    topic: str

    def __init__(self, path: Path, topic: str | None, width: int | None, height: int | None) -> None:
        self._storages, self._cut = storages_of(path)
        self._given = width, height
        self.topics = topics_of(self._storages)
        self.topic = self._choose(str(path), topic)
        self.type = self.topics[self.topic]
        super().__init__(path, width, height)
        self.size_bytes = sum(storage.size_bytes for storage in self._storages)
        self._look()

    def packets(self) -> Iterator[tuple[int, str, bytes]]:
        """Yield the log time [ns], the message type and the CDR bytes of every message of the recording's topic."""
        before = 0
        for storage in self._storages:
            for log_time, message in storage.messages(self.topic):
                self.bytes_read = before + storage.bytes_read
                yield log_time, self.type, message
            before += storage.size_bytes

    def _look(self) -> None:
        """Read the encoding, the time unit and the sensor's size from the first complete message."""
        reader = reader_of(self.type, self._counts, *self._given)
        whole = any(reader.read(message) is not None for _, _, message in self.packets())
        if not whole and isinstance(reader, PacketReader) and reader.unknown:
            raise refused(self.path, f"has packets of the encoding {reader.unknown!r}, which is not known")
        self._describe(reader)
        self._begin()

    def _describe(self, reader: MessageReader) -> None:
        self.width, self.height = reader.size
        self.encoding, self.unit = reader.encoding, reader.unit

    def _pieces(self) -> Iterator[Events]:
        reader = reader_of(self.type, self._counts, *self._given)
        self._decoders, self.messages = reader.decoders, 0
        before: tuple[int, int] | None = None
        for log_time, _, message in self.packets():
            self.messages += 1
            columns = reader.read(message)
            if columns is None:
                continue
            self._describe(reader)
            if len(columns[0]):
                t, to_ns = columns[0], NANOSECONDS[self.unit]
                if before is not None:
                    self._counts["jumps"] += _is_jump(int(t[0]) * to_ns - before[1], log_time - before[0])
                before = log_time, int(t[-1]) * to_ns
            yield self._in_frame(*columns)
        self._counts["truncated"] = int(self._cut or any(storage.truncated for storage in self._storages))
        self._counts["malformed"] += sum(storage.malformed for storage in self._storages)

    def _choose(self, path: str, topic: str | None) -> str:
        """Return the topic to read. Topics of PointCloud2 are considered only if no other topic contains events."""
        of_events = [name for name, kind in self.topics.items() if kind in EVENT_TYPES]
        packets = [name for name in of_events if self.topics[name] != CLOUD_TYPE]
        if topic is None and len(packets or of_events) == 1:
            return (packets or of_events)[0]
        if topic is not None and topic not in self.topics and f"/{topic}" in self.topics:
            topic = f"/{topic}"
        if topic in of_events:
            return topic
        if topic in self.topics:
            rule = f"is of type {self.topics[topic]}, which holds no events; known are {', '.join(EVENT_TYPES)}"
            raise DescriptionError("--topic", topic, rule)
        listed = self._listed(list(self.topics) if topic or not of_events else of_events)
        if topic is not None:
            raise DescriptionError("--topic", topic, f"{path} has no such topic; it has {listed}")
        if of_events:
            raise refused(path, f"has several topics of events: {listed}", "choose one with --topic")
        raise refused(path, f"is a bag without events; it has {listed}")

    def _listed(self, names: Sequence[str]) -> str:
        counts = dict.fromkeys(names, 0)
        for storage in self._storages:
            for name, n in storage.counts().items():
                if name in counts:
                    counts[name] += n
        return (
            ", ".join(f"{name} ({self.topics[name]}, {counted(counts[name], 'message')})" for name in names) or "none"
        )


def topics_of(storages: Sequence[Storage]) -> dict[str, str]:
    """Return the topics in all files of a bag: topic -> type. If a topic has several types, the first one is used."""
    topics: dict[str, str] = {}
    for storage in storages:
        topics = {**topics, **storage.topics, **topics}
    return topics


def _is_jump(sensor: int, bag: int) -> bool:
    """Return whether the sensor's clock jumped between two messages.

    A jump is a step back, or a change that differs from the change of the bag's clock by more than a second.

    sensor : change of the sensor's clock [ns]
    bag : change of the bag's clock [ns]
    """
    return sensor < -BACK or abs(sensor - bag) > APART
