"""Read the .db3 files of rosbag2, which are SQLite files. Reading needs no lock, no journal and no other file."""

from __future__ import annotations

import re
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from urllib.parse import quote

from ..recording import refused
from .storage import Storage, full_type

__all__ = ["SqliteStorage"]

#: limits for one query, in units of TURN instructions of SQLite's virtual machine: a constant, and a number for each
#: byte. A row takes about 15 instructions and 8 bytes at least
TURN, START, PER_BYTE = 100_000, 100, 16


class SqliteStorage(Storage):
    """Reads one .db3 file of a bag."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            with closing(self._open()) as bag:
                (self._page,) = bag.execute("PRAGMA page_size").fetchone()
                # tables whose rows are computed, possibly without end, rather than stored in the file are refused
                tables = bag.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND rootpage > 0")
                stored = {name for name, sql in tables if not re.search(r"\bAS\b", str(sql), re.IGNORECASE)}
                if not {"topics", "messages"} <= stored:
                    raise sqlite3.DatabaseError("it has no tables topics and messages")
                rows = bag.execute("SELECT id, name, type, serialization_format FROM topics").fetchall()
                bag.execute("SELECT id, topic_id, timestamp, data FROM messages LIMIT 0")
        except sqlite3.DatabaseError as error:
            raise refused(path, f"is an SQLite file, but not a readable bag: {error}") from None

        self._names = {number: name for number, name, _, _ in rows}
        self.topics = {name: full_type(kind) for _, name, kind, form in rows if form in ("cdr", "")}

    def _open(self) -> sqlite3.Connection:
        bag = sqlite3.connect(f"file:{quote(str(self.path.resolve()))}?mode=ro&immutable=1", uri=True)
        try:
            bag.execute("PRAGMA writable_schema=ON")  # otherwise a file shorter than its header says is not read at all
        except sqlite3.DatabaseError:
            bag.close()
            raise
        # pages that form a circle have more rows than the file has room for
        left = count(START + PER_BYTE * self.size_bytes // TURN, -1)
        bag.set_progress_handler(lambda: next(left) < 0, TURN)
        return bag

    def counts(self) -> dict[str, int]:
        counts = dict.fromkeys(self._names.values(), 0)
        try:
            with closing(self._open()) as bag:
                for (number,) in bag.execute("SELECT topic_id FROM messages"):
                    if number in self._names:
                        counts[self._names[number]] += 1
        except sqlite3.DatabaseError:
            pass  # cut: `messages` reports it
        return counts

    def messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        log = self.path.with_name(self.path.name + "-wal")  # messages that wait in it are not read
        self._begin()
        self.truncated = log.is_file() and log.stat().st_size > 0
        messages = self._rows(topic)
        return messages if self.size_bytes % self._page == 0 else self._held_back(messages)

    def _rows(self, topic: str) -> Iterator[tuple[int, bytes]]:
        numbers = [number for number, name in self._names.items() if name == topic]
        marks = ",".join("?" * len(numbers))
        query = f"SELECT timestamp, data FROM messages WHERE topic_id IN ({marks}) ORDER BY id"
        try:
            with closing(self._open()) as bag:
                for log_time, data in bag.execute(query, numbers):
                    message = self._message(data)
                    if message is None or not isinstance(log_time, int):
                        if self.size_bytes % self._page:  # zeros after the cut
                            return
                        self.malformed += 1
                        continue
                    self.bytes_read += len(data)
                    if self.bytes_read > self.size_bytes:
                        raise sqlite3.DatabaseError("more messages than it has room for")
                    yield log_time, message
        except sqlite3.DatabaseError:
            self.truncated = True

    def _held_back(self, messages: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """Yield all messages of a truncated file, except messages that may have bytes in the file's last page.

        SQLite fills the missing part of the last page with zeros, so that a message with bytes in this page may be
        wrong. Each message has either all its bytes in one page, or at least an eighth of a page.
        """
        waiting: deque[tuple[int, bytes]] = deque()
        held = 0
        for row in messages:
            waiting.append(row)
            held += min(len(row[1]), self._page // 9)
            while (first := min(len(waiting[0][1]), self._page // 9)) <= held - self._page:
                held -= first
                yield waiting.popleft()
        self.truncated = True
