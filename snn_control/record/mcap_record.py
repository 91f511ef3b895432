"""Record a run as an MCAP file that grows while the loop runs, for rosbag2, Foxglove and `snn_control replay`.

The file contains all data of a replay as CDR messages, with the definitions of the message types:

- ``NODE/inputs/NAME``: the inputs of each tick
- ``NODE/ticks``: control words, command and spikes of each tick
- ``NODE/state``: the state before the first tick
- ``NODE/files``: the controller's files

A thread copies new ticks from the ring buffers of an `InputLogRecorder` and an `ActivityRecorder`, and appends them to
the file in chunks. After a crash or a loss of power, the file is complete up to its last chunk.
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
from .activity_recorder import ActivityRecorder
from .input_log import HEADER, InputLog
from .input_recorder import InputLogRecorder

__all__ = ["McapRecorder", "read_mcap"]

EVERY_S = 0.2  # interval between two checks for new ticks
CHUNK = 256 * 1024  # maximum bytes of a chunk
SYNCED_S = 0.5  # interval at which everything recorded is written to the disk
ENCAPSULATION = b"\0\1\0\0"
SPIKES = {"spike_step": np.int64, "spike_population": np.uint16, "spike_neuron": np.uint32}
SHOWN = dict.fromkeys(HEADER, int)  # fields of an input, before its numbers
#: type of a message -> its fields: int, str, list of str, or the type of an array
FIELDS: dict[str, dict[str, Any]] = {
    "Tick": {"tick": int, "control": np.int64, "command": np.float64, **SPIKES},
    "Values": {**SHOWN, "values": np.float64},
    "Events": {**SHOWN, **EVENT_COLUMNS},
    "State": {"tick": int, "period_ns": int, "faulted": int, "populations": list, "tunable": list, "state": np.uint8},
    "Handover": {"tick": int, "motion": np.int64},
    "File": {"name": str, "data": np.uint8},
}
NAMES = {int: "int64", str: "string", list: "string[]"}


# CDR ----------------------------------------------------------------------------------------------------------------
def definition(kind: str) -> str:
    """Return the definition of the message type ``kind`` in the format of a .msg file."""
    return "".join(f"{NAMES.get(of) or np.dtype(of).name + '[]'} {name}\n" for name, of in FIELDS[kind].items())


def packed(kind: str, message: Mapping[str, Any]) -> bytes:
    """Encode a message of type ``kind`` in CDR, in which each field is aligned to its own size."""
    out = bytearray()

    def put(data: bytes, align: int) -> None:
        out.extend(b"\0" * (-len(out) % align) + data)

    def put_text(text: str) -> None:
        raw = text.encode() + b"\0"
        put(struct.pack("<I", len(raw)) + raw, 4)

    for name, of in FIELDS[kind].items():
        value = message[name]
        if of is int:
            put(struct.pack("<q", value), 8)
        elif of is str:
            put_text(value)
        else:
            put(struct.pack("<I", len(value)), 4)
            if of is list:
                for text in value:
                    put_text(text)
            elif len(value):
                put(np.asarray(value, of).tobytes(), np.dtype(of).itemsize)
    return ENCAPSULATION + bytes(out)


def unpacked(kind: str, data: bytes) -> dict[str, Any]:
    """Decode a CDR message of type ``kind``: name of a field -> value. Raise ValueError if the data are too short."""
    if data[:4] != ENCAPSULATION:
        raise ValueError("is not little-endian CDR")
    body, at = memoryview(data)[4:], 0

    def take(size: int, align: int) -> memoryview:
        nonlocal at
        begin = at + -at % align
        at = begin + size
        if at > len(body):
            raise ValueError("ends too early")
        return body[begin:at]

    def count() -> int:
        return int(struct.unpack("<I", take(4, 4))[0])

    def text() -> str:
        return bytes(take(count(), 1)[:-1]).decode()

    message: dict[str, Any] = {}
    for name, of in FIELDS[kind].items():
        if of is int:
            (message[name],) = struct.unpack("<q", take(8, 8))
        elif of is str:
            message[name] = text()
        elif of is list:
            message[name] = [text() for _ in range(count())]
        else:
            n, dtype = count(), np.dtype(of)
            message[name] = np.frombuffer(take(n * dtype.itemsize, dtype.itemsize if n else 1), dtype)
    return message


# writing ------------------------------------------------------------------------------------------------------------
class McapRecorder:
    """Writes the ticks of two recorders to an MCAP file while the loop runs, in a separate thread.

    path : the file, which must not exist yet
    name : name of the node, which is the beginning of all topics
    inputs, activity : the recorders of inputs, and of commands and spikes
    files : file name -> content, for each of the controller's files
    failed : function that is called once, with the reason as text, if the file can no longer be written. The loop
        continues

    Raises SnnControlError if the library `mcap` is missing, and OSError if the file cannot be created.
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
        self.lost = 0  # number of ticks that were overwritten before they were written
        self._over = threading.Event()
        first, faulted, state = inputs.beginning
        head = {"tick": first, "period_ns": inputs.period_ns, "faulted": faulted, "state": state}
        names = {"populations": activity.populations, "tunable": inputs.tunable}
        self._head: list[tuple[str, str, dict[str, Any]]] = [("state", "State", head | names)]
        for file, data in files.items():
            self._head.append(("files", "File", {"name": file, "data": np.frombuffer(data, np.uint8)}))
        try:
            self._bag.start(profile="ros2", library="snn_control")
            self._sync()
        except OSError:
            with suppress(OSError):
                self._file.close()
            self.path.unlink(missing_ok=True)
            raise
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _begin(self, stamp: int) -> None:
        """Write the messages that precede the first tick, once: the state, and the controller's files.

        stamp : time of the first tick [ns]; with another one, a player of bags would wait for the time between
        """
        for topic, kind, message in self._head:
            self._put(topic, kind, stamp, 0, message)
        self._head = []

    def close(self) -> None:
        """Write the remaining ticks and close the file. Call this after the loop has ended."""
        self._over.set()
        self._thread.join()
        try:
            if not self.error:
                self._begin(0)
                self._bag.finish()
                self._file.flush()
        except OSError as error:
            self._fail(error)
        with suppress(OSError):  # `_fail` has reported what could not be written
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
            except Exception as error:  # whatever it is, nothing more is written, and the loop continues
                self._fail(error)

    def _sync(self) -> None:
        """End the present chunk of the file and wait until it is on the disk, where a loss of power does no harm."""
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
        """Append to the file the ticks that both recorders have completed."""
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
        """Write the messages of some ticks to the file. Return the number of spikes in these ticks."""
        steps = self._inputs.steps * (log.first_tick + 1 + np.arange(log.ticks))  # at the end of each tick
        ends = np.searchsorted(found["spike_step"], steps)
        spikes, begin = {key: found[key].astype(kind) for key, kind in SPIKES.items()}, 0
        self._begin(int(found["stamp_ns"][0]))
        for k, (stamp, end) in enumerate(zip(found["stamp_ns"].tolist(), ends.tolist(), strict=True)):
            number = log.first_tick + k + 1
            if k in log.handed:
                self._put("handovers", "Handover", stamp, number, {"tick": number, "motion": log.handed[k]})
            for name, one in log.inputs.items():
                shown: dict[str, Any] = {key: int(one[key][k]) for key in HEADER}
                if "values" in one:
                    kind, shown["values"] = "Values", one["values"][k]
                else:
                    part = slice(one["offsets"][k], one["offsets"][k + 1])
                    kind, shown = "Events", shown | {key: one[key][part] for key in EVENT_COLUMNS}
                self._put(f"inputs/{name}", kind, stamp, number, shown)
            tick = {"tick": number, "control": log.control[k], "command": found["command"][k]}
            fired = {key: column[begin:end] for key, column in spikes.items()}
            self._put("ticks", "Tick", stamp, number, tick | fired)
            begin = end
        return begin

    def _put(self, topic: str, kind: str, stamp: int, number: int, message: Mapping[str, Any]) -> None:
        if topic not in self._channels:
            name = f"snn_control/msg/{kind}"
            if name not in self._schemas:
                self._schemas[name] = self._bag.register_schema(name, "ros2msg", definition(kind).encode())
            full = f"/{self._name}/{topic}"
            self._channels[topic] = self._bag.register_channel(full, "cdr", self._schemas[name])
        data = packed(kind, message)
        self._bag.add_message(self._channels[topic], stamp, data, stamp, number & 0xFFFFFFFF)


# reading ------------------------------------------------------------------------------------------------------------
Read = tuple[dict[str, np.ndarray], InputLog, dict[str, bytes], str]


class _Topic:
    """The messages of one topic that were read from a file. Each field is a column that grows with each message."""

    def __init__(self, kind: str) -> None:
        self.kind, self.stamps = kind, array("q")
        self._raw = {key: bytearray() for key in FIELDS[kind]}
        self.sizes = {key: array("q") for key in FIELDS[kind]}

    def add(self, stamp: int, message: Mapping[str, Any]) -> None:
        for key, value in message.items():
            numbers = np.asarray(value)
            self._raw[key] += numbers.tobytes()
            self.sizes[key].append(numbers.size)
        self.stamps.append(stamp)

    def column(self, key: str, messages: int) -> np.ndarray:
        """Return the values of a field in the first ``messages`` messages as a one-dimensional array."""
        of = FIELDS[self.kind][key]
        return np.frombuffer(self._raw[key], np.int64 if of is int else of)[: sum(self.sizes[key][:messages])].copy()

    def rows(self, key: str, messages: int) -> np.ndarray:
        """Return the values of a field in the first ``messages`` messages, (messages, n).

        Raise ValueError if the messages have different numbers of values.
        """
        return self.column(key, messages).reshape(messages, -1 if messages else 0)


def read_mcap(path: str | Path) -> Read:
    """Read a file that `McapRecorder` wrote. Raise InputError for any other file.

    Return the arrays that `ActivityRecorder.arrays` describes, the input log, the controller's files, and the condition
    of the file: "whole", "cut" (without an end) or "damaged". A file that is cut or damaged is read up to that point. A
    file in which ticks are missing counts as damaged.
    """
    from ..events.files.mcap_storage import McapStorage
    from ..events.files.storage import BAGS

    topics: dict[str, _Topic] = {}
    states: list[dict[str, Any]] = []
    handed: dict[int, np.ndarray] = {}
    files: dict[str, bytes] = {}
    try:
        storage = McapStorage(Path(path))
        for topic, kind, stamp, data in storage.everything():
            if storage.malformed:
                break
            package, _, name = kind.rpartition("/")
            if package != "snn_control/msg" or name not in FIELDS:
                continue
            message = unpacked(name, data)
            if name == "State":
                states.append(message)
            elif name == "Handover":
                handed[message["tick"]] = message["motion"]
            elif name == "File":
                files[message["name"]] = message["data"].tobytes()
            else:
                topics.setdefault(topic, _Topic(name)).add(stamp, message)
        if len(states) != 1:
            with open(path, "rb") as file:
                cut = file.read(len(BAGS[1])) == BAGS[1] and storage.truncated and not topics
            why = "cut before its first complete message" if cut else "not the record of one run"
            raise InputError(f"{path}: is {'damaged before its first tick' if storage.malformed else why}")
        return _read(states[0], topics, files, handed, storage.condition())
    except (ValueError, OSError, UnicodeDecodeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: is not a record of a run: {error}") from None


def _read(
    state: Mapping[str, Any], topics: Mapping[str, _Topic], files: dict[str, bytes], handed: Mapping[int, np.ndarray],
    condition: str,
) -> Read:  # fmt: skip
    first = state["tick"]
    ticks = next((one for one in topics.values() if one.kind == "Tick"), None)
    if ticks is None:
        raise ValueError("it ends before its first tick")
    inputs = {name.rpartition("/inputs/")[2]: one for name, one in topics.items() if one.kind != "Tick"}
    numbers = ticks.column("tick", len(ticks.stamps))
    gaps = np.flatnonzero(numbers != first + 1 + np.arange(len(numbers)))
    n = min([int(gaps[0]) if gaps.size else len(numbers), *(len(one.stamps) for one in inputs.values())])
    stamps = np.array(ticks.stamps[:n], np.int64)
    arrays: dict[str, np.ndarray] = {key: ticks.column(key, n) for key in SPIKES}
    arrays |= {"stamp_ns": stamps, "now_ns": stamps, "command": ticks.rows("command", n)}
    arrays |= {"population_names": np.array(state["populations"]), "overwritten": np.array([first, 0])}
    control, log = ticks.rows("control", n), {name: _columns(one, n) for name, one in inputs.items()}
    given = {tick - first - 1: motion for tick, motion in handed.items() if first < tick <= first + n}
    faulted, tunable = bool(state["faulted"]), tuple(state["tunable"])
    found = InputLog(state["period_ns"], first, 0, log, control, faulted, state["state"], tunable, given)
    return arrays, found, files, condition if n == len(numbers) else "damaged"


def _columns(one: _Topic, n: int) -> dict[str, np.ndarray]:
    """Return the arrays of an input from its messages, in the form that `InputLog` documents."""
    columns = {key: one.column(key, n) for key in HEADER}
    if one.kind == "Values":
        return columns | {"values": one.rows("values", n)}
    offsets = np.concatenate([[0], np.cumsum(one.sizes["t"][:n], dtype=np.int64)])
    return columns | {key: one.column(key, n) for key in EVENT_COLUMNS} | {"offsets": offsets}
