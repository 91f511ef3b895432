"""A rosbag2 of ordinary messages as a stimulus: the topics of a controller's ``ros.inputs``, tick by tick.

Numbers are read by the same program as in the loop (`wire`), out of the bag's bytes. Tick k, k periods after the first
message, sees what the loop would have seen then: of values the newest message received so far, NaN (not plausible)
before the first one and once it is older than ``stale``; of events those of the messages received in its period.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.stimulus import MOST_TICKS, Stimulus
from ..coding import EventsInput as EventsDescription
from ..coding import ValueInput
from ..controller_file import ControllerSpec, RosTopic
from ..errors import NO_VALUE, DescriptionError, InputError, counted, how_to_install, nearest
from ..events.columns import FURTHEST
from ..events.decoder import Decoder
from ..events.files.bags import Storage, is_bag, storages_of
from ..events.files.messages import EVENT_TYPES, reader_of
from ..record.input_log import InputLog

__all__ = ["bag_inputs", "has_numbers"]

MOST_NUMBERS = 100_000_000  # held in memory, 8 bytes each


def has_numbers(path: str | os.PathLike, spec: ControllerSpec) -> bool:
    """Whether it is a bag, and the controller has an input of values that comes from a topic."""
    values = {one.name for one in spec.inputs if isinstance(one, ValueInput)}
    return bool(values & spec.ros_inputs.keys()) and is_bag(Path(path))


def bag_inputs(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None = None) -> Stimulus:
    """The stimulus of a bag: a folder, or its .db3 or .mcap file.

    seconds : show only so much of it; None: all

    Raises DescriptionError for a bag that cannot be read or lacks the topic of a required input, and where the message
    types are not installed here.
    """
    bag = _Bag(path, spec)
    received = {name: rows for one in spec.inputs if (rows := bag.read(name := one.name)) is not None}
    times = [t for t, _ in received.values() if len(t)]
    if not times:
        raise DescriptionError("--input", str(path), "has no message that an input could take")
    begin, period = int(min(t[0] for t in times)), spec.period * 1e9
    whole = int((max(int(t[-1]) for t in times) - begin) / period) + 1
    ticks = whole if seconds is None else max(1, round(seconds / spec.period))
    numbers = ticks * sum(one.size for one in spec.inputs if isinstance(one, ValueInput))
    if ticks > MOST_TICKS or numbers > MOST_NUMBERS:
        rule = f"is {ticks:,} ticks of {spec.period:g} s, {numbers:,} numbers: more than memory should hold"
        raise DescriptionError("--input", str(path), rule, "give --seconds")
    if ticks > whole:
        rule = f"must be at most the {whole * spec.period:g} s that {path} lasts"
        raise DescriptionError("--seconds", seconds, rule)
    now = begin + np.rint(np.arange(ticks) * period).astype(np.int64)
    values, events = {}, {}
    for one in spec.inputs:
        if one.name in received and isinstance(one, ValueInput):
            values[one.name] = _newest(*received[one.name], now, one.stale)
        elif one.name in received:
            t, columns = received[one.name]
            events[one.name] = (t - begin, *columns.T)
    text = f"bag {os.path.basename(path)}"
    text += f", {counted(bag.malformed, 'message')} left out that no input could take" if bag.malformed else ""
    return Stimulus(text, spec.period, InputLog.of(spec.period, ticks, values, events))


def _newest(t: np.ndarray, rows: np.ndarray, now: np.ndarray, stale: float) -> np.ndarray:
    """(ticks, n) float64: at each time the newest row so far; NaN where there is none, or it is too old."""
    if not len(t):
        return np.full((len(now), rows.shape[1]), np.nan)
    at = np.searchsorted(t, now, "right") - 1
    found = rows[np.maximum(at, 0)]
    found[(at < 0) | (now - t[np.maximum(at, 0)] > stale * 1e9)] = np.nan
    return found


class _Bag:
    """The bag's messages for a controller's inputs."""

    def __init__(self, path: str | os.PathLike, spec: ControllerSpec) -> None:
        self.path, self.spec, self.malformed = str(path), spec, 0
        self.storages: list[Storage] = storages_of(Path(path))[0]
        self.topics: dict[str, str] = {}
        for storage in self.storages:
            self.topics = storage.topics() | self.topics

    def read(self, name: str) -> tuple[np.ndarray, np.ndarray] | None:
        """Times of receipt (n,) int64 [ns], ascending, and rows: values (n, size), or x, y, p (n, 3), a row an event.

        None for an input that is not required and that the bag has no topic for.
        """
        one = next(one for one in self.spec.inputs if one.name == name)
        topic = self.spec.ros_inputs.get(name)
        full = None if topic is None else next((t for t in (topic.topic, f"/{topic.topic}") if t in self.topics), None)
        if topic is None or full is None:
            if not one.required:
                return None
            if topic is None:
                raise DescriptionError(f"ros.inputs.{name}", NO_VALUE, "is missing", "say on which topic it comes")
            fix = nearest(topic.topic, list(self.topics))
            raise DescriptionError(f"ros.inputs.{name}.topic", topic.topic, f"is not in {self.path}", fix)
        if self.topics[full] != topic.type:
            rule = f"must be that of the bag's topic {full}, {self.topics[full]}"
            raise DescriptionError(f"ros.inputs.{name}.type", topic.type, rule)
        rows = self._events(topic, full, one) if isinstance(one, EventsDescription) else self._values(topic, full, one)
        t = np.array([log for log, _ in rows], np.int64)
        order = np.argsort(t, kind="stable")
        kept = [rows[k][1] for k in order]
        if isinstance(one, EventsDescription):
            lengths = [len(part) for part in kept]
            return np.repeat(t[order], lengths), np.concatenate(kept) if kept else np.empty((0, 3), np.int64)
        return t[order], np.array(kept).reshape(len(kept), one.size)

    def _messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        for storage in self.storages:
            for log_time, message in storage.messages(topic):
                if 0 <= log_time <= FURTHEST:
                    yield log_time, message
                else:
                    self.malformed += 1

    def _values(self, topic: RosTopic, full: str, one: Any) -> list[tuple[int, np.ndarray]]:
        if importlib.util.find_spec("rclpy") is None:
            rule = "is a bag of messages whose types are looked up with rclpy, which is not installed"
            raise DescriptionError("--input", self.path, rule, how_to_install("ros"))
        from .ports import check_size
        from .sectors import reduced
        from .topics import message_class
        from .wire import compile_path, read_values

        where = f"ros.inputs.{one.name}"
        try:
            program = compile_path(message_class(where, topic.type), topic.field)
            check_size(program, one.size, topic.reduce)
        except DescriptionError as error:
            raise (error if error.path.startswith(where) else error.within(where)) from None
        rows: list[tuple[int, np.ndarray]] = []
        for log_time, message in self._messages(full):
            try:
                values = read_values(program, message)[0]
            except InputError:
                values = np.empty(0)
            if topic.reduce and len(values) >= one.size:
                values = reduced(values, one, topic.reduce)
            if len(values) != one.size:  # an empty sequence is no measurement, but no mistake either
                self.malformed += 1
                continue
            rows.append((log_time, values.copy()))
            if len(rows) * one.size > MOST_NUMBERS:
                raise DescriptionError("--input", self.path, f"has more than {MOST_NUMBERS:,} numbers on {full}")
        return rows

    def _events(self, topic: RosTopic, full: str, one: Any) -> list[tuple[int, np.ndarray]]:
        """Events within the input's frame, as (n, 3) rows of x, y, p a message."""
        if topic.type not in EVENT_TYPES:
            raise DescriptionError(f"ros.inputs.{one.name}.type", topic.type, "is no type of events")
        counts: dict[str, int] = {}

        def count(name: str, n: int) -> None:
            counts[name] = counts.get(name, 0) + n

        reader = reader_of(topic.type, count, lambda encoding: Decoder(encoding, *one.size))
        rows, held = [], 0
        for log_time, message in self._messages(full):
            columns = reader.read(log_time, message)
            if columns is None:
                continue
            _, x, y, p = columns
            inside = (x < one.size[0]) & (y < one.size[1])
            rows.append((log_time, np.stack([x, y, p], axis=1)[inside]))
            held += 3 * len(rows[-1][1])
            if held > MOST_NUMBERS:
                raise DescriptionError("--input", self.path, f"has more than {MOST_NUMBERS:,} numbers on {full}")
        self.malformed += counts.get("malformed", 0)
        return rows
