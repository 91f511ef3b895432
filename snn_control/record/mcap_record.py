"""A run as an MCAP file that grows while the loop runs, for rosbag2, Foxglove and `snn_control replay`.

Everything that a replay needs is in it, as messages in CDR with their definitions: what each tick was shown
(``NODE/inputs/NAME``), its control words, command and spikes (``NODE/ticks``), the state before the first tick
(``NODE/state``) and the controller's files (``NODE/files``). A thread takes new ticks from the rings of the two
recorders and appends them, a chunk at a time; what a crash or a loss of power leaves is whole up to the last chunk.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from array import array
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..engine.slots import EVENT_COLUMNS
from ..errors import InputError, optional
from .activity import ActivityRecorder
from .input_log import HEADER, InputLog
from .input_recorder import InputLogRecorder

__all__ = ["McapRecorder", "read_mcap"]

EVERY_S = 0.2  # between two looks for new ticks
CHUNK = 256 * 1024  # bytes, at most
SYNCED_S = 0.5  # between two moments at which all that was recorded is on the disk
ENCAPSULATION = b"\0\1\0\0"
#: type -> its definition
TYPES = {
    "snn_control/msg/Tick": (
        "int64 tick\nint64[] control\nfloat64[] command\nint64[] spike_step\nuint16[] spike_population\n"
        "uint32[] spike_neuron\n"
    ),
    "snn_control/msg/Values": "".join(f"int64 {key}\n" for key in HEADER) + "float64[] values\n",
    "snn_control/msg/Events": "".join(f"int64 {key}\n" for key in HEADER)
    + "int64[] t\nuint16[] x\nuint16[] y\nuint8[] p\n",
    "snn_control/msg/State": (
        "int64 tick\nint64 period_ns\nint64 faulted\nstring[] populations\nstring[] tunable\nuint8[] state\n"
    ),
    "snn_control/msg/Handover": "int64 tick\nint64[] motion\n",
    "snn_control/msg/File": "string name\nuint8[] data\n",
}
SPIKES = {"spike_step": np.int64, "spike_population": np.uint16, "spike_neuron": np.uint32}


# CDR ----------------------------------------------------------------------------------------------------------------
class _Cdr(bytearray):
    """The fields of a message, each aligned to its own size."""

    def align(self, size: int) -> None:
        self.extend(b"\0" * (-len(self) % size))

    def words(self, *values: int) -> None:
        self.align(8)
        self.extend(struct.pack(f"<{len(values)}q", *values))

    def sequence(self, array: np.ndarray) -> None:
        self.align(4)
        self.extend(struct.pack("<I", array.size))
        if array.size:
            self.align(array.itemsize)
            self.extend(array.tobytes())

    def text(self, text: str) -> None:
        raw = text.encode() + b"\0"
        self.align(4)
        self.extend(struct.pack("<I", len(raw)) + raw)

    def message(self) -> bytes:
        return ENCAPSULATION + bytes(self)


class _Reader:
    """The fields of a message; raises ValueError where it ends too early."""

    def __init__(self, data: bytes) -> None:
        if data[:4] != ENCAPSULATION:
            raise ValueError("is not little-endian CDR")
        self._data, self._at = memoryview(data)[4:], 0

    def _take(self, size: int, align: int) -> memoryview:
        begin = self._at + -self._at % align
        self._at = begin + size
        if self._at > len(self._data):
            raise ValueError("ends too early")
        return self._data[begin : self._at]

    def words(self, n: int) -> tuple[int, ...]:
        return struct.unpack(f"<{n}q", self._take(8 * n, 8))

    def count(self) -> int:
        return int(struct.unpack("<I", self._take(4, 4))[0])

    def sequence(self, kind: Any) -> np.ndarray:
        n, dtype = self.count(), np.dtype(kind)
        return np.frombuffer(self._take(n * dtype.itemsize, dtype.itemsize), dtype) if n else np.zeros(0, dtype)

    def text(self) -> str:
        return bytes(self._take(self.count(), 1)[:-1]).decode()


# writing ------------------------------------------------------------------------------------------------------------
class McapRecorder:
    """Appends the ticks of two recorders to a file, in a thread of its own.

    path : the file, which must not exist
    name : of the node, with which its topics begin
    files : name -> content of the controller's files
    failed : called once, with the reason, if the file cannot be written any more; the loop goes on

    Raises SnnControlError without the library `mcap`, and OSError.
    """

    def __init__(
        self, path: str | Path, name: str, inputs: InputLogRecorder, activity: ActivityRecorder,
        files: Mapping[str, bytes], failed: Callable[[str], object],
    ) -> None:  # fmt: skip
        self.path, self._inputs, self._activity, self._failed = Path(path), inputs, activity, failed
        mcap = optional("mcap.writer", "MCAP needs mcap", "events")
        self._file: IO[bytes] = open(path, "xb")  # closed by `close`
        self._bag = mcap.Writer(self._file, chunk_size=CHUNK, enable_data_crcs=True)
        self._schemas: dict[str, int] = {}
        self._channels: dict[str, int] = {}
        self._name, self._done, self._spikes, self.error = name.strip("/"), 0, 0, ""
        self.lost = 0  # ticks that were overwritten before they were written
        self._over = threading.Event()
        try:
            self._begin(files)
        except OSError:
            with suppress(OSError):
                self._file.close()
            self.path.unlink(missing_ok=True)
            raise
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _begin(self, files: Mapping[str, bytes]) -> None:
        """Write what is known before the first tick."""
        self._bag.start(profile="ros2", library="snn_control")
        first, faulted, state = self._inputs.beginning
        head = _Cdr()
        head.words(first, self._inputs.period_ns, faulted)
        head.align(4)
        head.extend(struct.pack("<I", len(self._activity.populations)))
        for population in self._activity.populations:
            head.text(population)
        head.align(4)
        head.extend(struct.pack("<I", len(self._inputs.tunable)))
        for path in self._inputs.tunable:
            head.text(path)
        head.sequence(state)
        self._put("state", "State", 0, 0, head.message())
        for file, content in files.items():
            body = _Cdr()
            body.text(file)
            body.sequence(np.frombuffer(content, np.uint8))
            self._put("files", "File", 0, 0, body.message())
        self._sync()

    def close(self) -> None:
        """Write what is left, after the loop has ended."""
        self._over.set()
        self._thread.join()
        try:
            if not self.error:
                self._bag.finish()
                self._file.flush()
        except OSError as error:
            self._fail(error)
        with suppress(OSError):  # what it could not write was said
            self._file.close()

    def _run(self) -> None:
        last, synced = False, time.monotonic()
        while not last and not self.error:
            last = self._over.wait(EVERY_S)
            try:
                self._append()
                if time.monotonic() >= synced + SYNCED_S:
                    synced = time.monotonic()
                    self._sync()
            except Exception as error:  # whatever it is, nothing more is written, and the loop goes on
                self._fail(error)

    def _sync(self) -> None:
        """Let what was recorded survive a loss of power: end the chunk, and wait for the disk."""
        end_chunk = getattr(self._bag, "_Writer__finalize_chunk", None)  # mcap has no public name for it
        if end_chunk is not None:
            end_chunk()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _fail(self, error: Exception) -> None:
        if not self.error:
            self.error = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            self._failed(self.error)

    def _append(self) -> None:
        """Append the ticks that both recorders have completed."""
        ticks, spikes = self._activity.totals()
        ticks = min(ticks, self._inputs.total)
        if not (self._inputs.still_there(self._done) and self._activity.still_there(self._done, self._spikes)):
            self.lost += ticks - self._done
            self._done, self._spikes = ticks, spikes
        if ticks <= self._done:
            return
        log = self._inputs.part(self._done, ticks)
        found = self._activity.part((self._done, self._spikes), (ticks, spikes))
        self._spikes += self._write(log, found)
        self._done = ticks

    def _write(self, log: InputLog, found: Mapping[str, np.ndarray]) -> int:
        """Write the messages of some ticks; returns how many spikes belong to them."""
        steps = self._inputs.steps * (log.first_tick + 1 + np.arange(log.ticks))  # behind the ticks
        ends = np.searchsorted(found["spike_step"], steps)
        spikes, begin = {key: found[key].astype(kind) for key, kind in SPIKES.items()}, 0
        inputs = [
            (f"inputs/{name}", one, np.stack([one[key] for key in HEADER], 1)) for name, one in log.inputs.items()
        ]
        for k, (stamp, end) in enumerate(zip(found["stamp_ns"].tolist(), ends.tolist(), strict=True)):
            number = log.first_tick + k + 1
            if k in log.handed:
                body = _Cdr()
                body.words(number)
                body.sequence(np.asarray(log.handed[k], np.int64))
                self._put("handovers", "Handover", stamp, number, body.message())
            for topic, one, header in inputs:
                body = _Cdr()
                body.words(*header[k].tolist())
                if "values" in one:
                    body.sequence(one["values"][k])
                else:
                    part = slice(one["offsets"][k], one["offsets"][k + 1])
                    for key in EVENT_COLUMNS:
                        body.sequence(one[key][part])
                self._put(topic, "Values" if "values" in one else "Events", stamp, number, body.message())
            body = _Cdr()
            body.words(number)
            body.sequence(log.control[k])
            body.sequence(found["command"][k])
            for column in spikes.values():
                body.sequence(column[begin:end])
            self._put("ticks", "Tick", stamp, number, body.message())
            begin = end
        return begin

    def _put(self, topic: str, kind: str, stamp: int, number: int, data: bytes) -> None:
        if topic not in self._channels:
            name = f"snn_control/msg/{kind}"
            if name not in self._schemas:
                self._schemas[name] = self._bag.register_schema(name, "ros2msg", TYPES[name].encode())
            full = f"/{self._name}/{topic}"
            self._channels[topic] = self._bag.register_channel(full, "cdr", self._schemas[name])
        self._bag.add_message(self._channels[topic], stamp, data, stamp, number & 0xFFFFFFFF)


# reading ------------------------------------------------------------------------------------------------------------
Read = tuple[dict[str, np.ndarray], InputLog, dict[str, bytes], str]


class _Columns:
    """Columns of numbers that grow by a part of a message each."""

    def __init__(self, kinds: Mapping[str, Any]) -> None:
        self._kinds, self._raw = kinds, {key: bytearray() for key in kinds}
        self.sizes: dict[str, list[int]] = {key: [] for key in kinds}

    def take(self, reader: _Reader) -> None:
        for key, kind in self._kinds.items():
            part = reader.sequence(kind)
            self._raw[key] += part.tobytes()
            self.sizes[key].append(part.size)

    def column(self, key: str, messages: int) -> np.ndarray:
        """All numbers of the first messages."""
        return np.frombuffer(self._raw[key], self._kinds[key])[: sum(self.sizes[key][:messages])].copy()

    def rows(self, key: str, messages: int) -> np.ndarray:
        """The numbers of the first messages, a row each; raises ValueError if they are not equally long."""
        return self.column(key, messages).reshape(messages, -1 if messages else 0)


class _Topic:
    """The messages of one topic with the header of an input, or the number of a tick."""

    def __init__(self, kind: str) -> None:
        self.kind, self.words = kind, len(HEADER) if kind != "Tick" else 1
        kinds: dict[str, Mapping[str, Any]] = {"Values": {"values": np.float64}, "Events": EVENT_COLUMNS}
        self.columns = _Columns(kinds.get(kind, {"control": np.int64, "command": np.float64, **SPIKES}))
        self._heads, self.stamps = bytearray(), array("q")

    def take(self, stamp: int, reader: _Reader) -> None:
        head = struct.pack(f"<{self.words}q", *reader.words(self.words))
        self.columns.take(reader)
        self._heads += head
        self.stamps.append(stamp)

    @property
    def heads(self) -> np.ndarray:
        """(messages, words) int64."""
        return np.frombuffer(self._heads, np.int64).reshape(-1, self.words)


def read_mcap(path: str | Path) -> Read:
    """Arrays as of `ActivityRecorder`, the input log, the controller's files, and the condition of a file that
    `McapRecorder` wrote: "whole", "cut" or "damaged". One that was cut or damaged, or in which ticks are missing (which
    counts as damaged), is read up to there.

    Raises InputError for any other file.
    """
    from ..events.files.mcap_storage import McapStorage
    from ..events.files.storage import BAGS

    topics: dict[str, _Topic] = {}
    states: list[_Reader] = []
    handed: dict[int, np.ndarray] = {}
    files: dict[str, bytes] = {}
    try:
        storage = McapStorage(Path(path))
        for topic, kind, stamp, data in storage.everything():
            if storage.malformed:
                break
            package, _, name = kind.rpartition("/")
            if package != "snn_control/msg" or kind not in TYPES:
                continue
            reader = _Reader(data)
            if name == "State":
                states.append(reader)
            elif name == "Handover":
                handed |= {reader.words(1)[0]: reader.sequence(np.int64)}
            elif name == "File":
                files |= {reader.text(): reader.sequence(np.uint8).tobytes()}
            else:
                topics.setdefault(topic, _Topic(name)).take(stamp, reader)
        if len(states) != 1:
            with open(path, "rb") as file:
                cut = file.read(len(BAGS[1])) == BAGS[1] and storage.truncated and not topics
            why = "cut before anything whole" if cut else "not the record of one run"
            raise InputError(f"{path}: is {'damaged before its first tick' if storage.malformed else why}")
        return _read(states[0], topics, files, handed, storage.condition())
    except (ValueError, OSError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not a record of a run: {error}") from None


def _read(
    state: _Reader,
    topics: Mapping[str, _Topic],
    files: dict[str, bytes],
    handed: Mapping[int, np.ndarray],
    condition: str,
) -> Read:
    first, period, faulted = state.words(3)
    populations = [state.text() for _ in range(state.count())]
    tunable, block = tuple(state.text() for _ in range(state.count())), state.sequence(np.uint8)
    ticks = next((one for one in topics.values() if one.kind == "Tick"), None)
    if ticks is None:
        raise ValueError("it ends before its first tick")
    inputs = {name.rpartition("/inputs/")[2]: one for name, one in topics.items() if one.kind != "Tick"}
    numbers = ticks.heads[:, 0]
    gaps = np.flatnonzero(numbers != first + 1 + np.arange(len(numbers)))
    n = min([int(gaps[0]) if gaps.size else len(numbers), *(len(one.stamps) for one in inputs.values())])
    stamps = np.array(ticks.stamps[:n], np.int64)
    arrays: dict[str, np.ndarray] = {key: ticks.columns.column(key, n) for key in SPIKES}
    arrays |= {"stamp_ns": stamps, "now_ns": stamps, "command": ticks.columns.rows("command", n)}
    arrays |= {"population_names": np.array(populations), "overwritten": np.array([first, 0])}
    control, log = ticks.columns.rows("control", n), {name: _columns(one, n) for name, one in inputs.items()}
    given = {tick - first - 1: motion for tick, motion in handed.items() if first < tick <= first + n}
    found = InputLog(period, first, 0, log, control, bool(faulted), block, tunable, given)
    return arrays, found, files, condition if n == len(numbers) else "damaged"


def _columns(one: _Topic, n: int) -> dict[str, np.ndarray]:
    """The columns of an input, as of `InputLog`."""
    columns = {key: one.heads[:n, k].copy() for k, key in enumerate(HEADER)}
    if one.kind == "Values":
        return columns | {"values": one.columns.rows("values", n)}
    offsets = np.concatenate([[0], np.cumsum(one.columns.sizes["t"][:n], dtype=np.int64)])
    return columns | {key: one.columns.column(key, n) for key in EVENT_COLUMNS} | {"offsets": offsets}
