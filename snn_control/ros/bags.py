"""Read a rosbag2 of ordinary messages as a stimulus: the topics of a controller's ``ros.inputs``, tick by tick.

The control loop's own program reads the numbers from the bag's bytes. Tick k begins k control periods after the first
message of the bag, and receives the data that a live loop would receive:

- A value input receives the newest message so far. Before the first message, and when the newest message is older than
  ``stale``, the value input receives NaN, so the controller rejects the sample.
- An events input receives the events of all messages that arrived during the tick's period.
- Frames are converted to events as in a node. If the bag does not contain the Image topic, the topic with the suffix
  ``/compressed`` is used.
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.stimulus import MOST_TICKS, Stimulus
from ..coding import EventsInput, Input, ValueInput
from ..controller_file import ControllerSpec, RosTopic
from ..errors import NO_VALUE, DescriptionError, InputError, counted, how_to_install, nearest
from ..events.columns import FURTHEST
from ..events.files.bags import is_bag, storages_of, topics_of
from ..events.files.messages import EVENT_TYPES, reader_of
from ..record.input_log import InputLog

__all__ = ["bag_inputs", "has_numbers"]

PICTURES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
MOST_NUMBERS = 100_000_000  # limit of the numbers held in memory, 8 bytes each


def has_numbers(path: str | os.PathLike, spec: ControllerSpec) -> bool:
    """Return whether ``path`` is a bag and the controller reads at least one input of values or frames from a topic."""
    values = {one.name for one in spec.inputs if isinstance(one, ValueInput) or _of_frames(one)}
    return bool(values & spec.ros_inputs.keys()) and is_bag(Path(path))


def _of_frames(one: Input) -> bool:
    return isinstance(one, EventsInput) and one.source == "frames"


def bag_inputs(path: str | os.PathLike, spec: ControllerSpec, seconds: float | None = None) -> Stimulus:
    """Return the stimulus that a bag contains.

    path : the bag's folder, or its .db3 or .mcap file
    seconds : duration to read from the bag's start [s]; None: the whole bag

    Raises DescriptionError if the bag cannot be read, lacks the topic of a required input, or has unknown types.
    """
    bag = _Bag(path, spec)
    received = {one.name: rows for one in spec.inputs if (rows := bag.read(one)) is not None}
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
        raise DescriptionError("--seconds", seconds, f"must be at most the {whole * spec.period:g} s that {path} lasts")
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
    """Return, for each tick, the newest sample received by the time of the tick: (ticks, size) float64.

    The sample is NaN if none was received by then, or if the newest sample was older than ``stale`` [s].

    t : times at which the samples were received [ns], ascending
    rows : the samples, (n, size)
    now : times of the ticks [ns]
    """
    if not len(t):
        return np.full((len(now), rows.shape[1]), np.nan)
    at = np.searchsorted(t, now, "right") - 1
    found = rows[np.maximum(at, 0)]
    found[(at < 0) | (now - t[np.maximum(at, 0)] > stale * 1e9)] = np.nan
    return found


class _Bag:
    """Reads from a bag the messages of a controller's input topics."""

    def __init__(self, path: str | os.PathLike, spec: ControllerSpec) -> None:
        self.path, self.spec, self.malformed = str(path), spec, 0
        self.storages = storages_of(Path(path))[0]
        self.topics = topics_of(self.storages)

    def read(self, one: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the times and the data of all messages for the input ``one``, as two arrays.

        - times of receipt [ns], (n,) int64, ascending
        - the data at these times: the samples of a value input, (n, size), or single events x, y, p, (n, 3)

        Return None if the input is optional and its topic is not in the bag.
        """
        where, topic = f"ros.inputs.{one.name}", self.spec.ros_inputs.get(one.name)
        full, frames = None, _of_frames(one)
        if topic is not None:
            names = [topic.topic, f"/{topic.topic}"]
            names += [f"{name}/compressed" for name in names] if frames else []
            full = next((name for name in names if name in self.topics), None)
        if full is None and not one.required:
            return None
        if topic is None:
            raise DescriptionError(where, NO_VALUE, "is missing", "name its topic")
        if full is None:
            fix = nearest(topic.topic, list(self.topics))
            raise DescriptionError(f"{where}.topic", topic.topic, f"is not in {self.path}", fix)
        if self.topics[full] != topic.type and not (frames and self.topics[full] in PICTURES):
            rule = f"must be that of the bag's topic {full}, {self.topics[full]}"
            raise DescriptionError(f"{where}.type", topic.type, rule)
        read, width = (self._values, one.size) if isinstance(one, ValueInput) else (self._events, 3)
        found, held = [], 0
        for log_time, rows in read(topic, full, one):
            found.append((log_time, rows))
            held += rows.size
            if held > MOST_NUMBERS:
                raise DescriptionError("--input", self.path, f"has more than {MOST_NUMBERS:,} numbers on {full}")
        found.sort(key=itemgetter(0))
        parts = [rows for _, rows in found] or [np.empty((0, width), np.int64)]
        return np.repeat([t for t, _ in found], [len(rows) for _, rows in found]), np.concatenate(parts)

    def _messages(self, topic: str) -> Iterator[tuple[int, bytes]]:
        for storage in self.storages:
            for log_time, message in storage.messages(topic):
                if 0 <= log_time <= FURTHEST:
                    yield log_time, message
                else:
                    self.malformed += 1

    def _values(self, topic: RosTopic, full: str, one: ValueInput) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the time of receipt [ns] and the values, (1, size) float64, of each well-formed message."""
        if importlib.util.find_spec("rclpy") is None:
            rule = "is a bag of messages whose types are looked up with rclpy, which is not installed"
            raise DescriptionError("--input", self.path, rule, how_to_install("ros"))
        from .messages.images import cells
        from .messages.message_values import read_values
        from .messages.reduction import reduced
        from .ports.topics import value_field

        program = None if topic.grid else value_field(f"ros.inputs.{one.name}", topic, one.size)[1]
        for log_time, message in self._messages(full):
            try:
                values = read_values(program, message)[0] if program else cells(message, topic.grid or (0, 0))
            except InputError:
                values = np.empty(0)
            if topic.reduce and len(values) >= one.size:
                values, _ = reduced(values, one, topic.reduce)
            if len(values) == one.size:
                yield log_time, values[None].copy()
            else:  # an empty sequence is no measurement, but not malformed either
                self.malformed += 1

    def _events(self, topic: RosTopic, full: str, one: EventsInput) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the time of receipt [ns] and the events of each well-formed message.

        The events are an (n, 3) array with the columns x, y and p. Events outside the input's frame are left out.
        """
        if _of_frames(one):
            yield from self._frames(full, one)
            return
        if topic.type not in EVENT_TYPES:
            raise DescriptionError(f"ros.inputs.{one.name}.type", topic.type, "is not a type of events")
        counts: Counter[str] = Counter()
        reader = reader_of(topic.type, counts, *one.size)
        for log_time, message in self._messages(full):
            columns = reader.read(message)
            if columns is not None:
                _, x, y, p = columns
                inside = (x < one.size[0]) & (y < one.size[1])
                yield log_time, np.stack([x, y, p], axis=1)[inside]
        self.malformed += counts["malformed"]

    def _frames(self, full: str, one: EventsInput) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the time of receipt [ns] and the events of each well-formed frame, in the format of `_events`."""
        from .messages.frames import FrameReader

        reader = FrameReader(one, self.topics[full])
        for log_time, message in self._messages(full):
            if (events := reader.read(message, log_time)) is not None:
                yield log_time, events
            else:
                self.malformed += 1
