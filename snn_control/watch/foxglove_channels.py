"""The channels of a watched run in Foxglove's protocol. A channel converts frames to JSON messages.

Pictures, spikes, scans and marks use the message schemas of Foxglove: https://docs.foxglove.dev/docs/sdk/schemas.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .foxglove_schemas import (
    LASER_SCAN,
    LOG,
    NUMBER,
    NUMBERS,
    POINT_CLOUD,
    RAW_IMAGE,
    STATUS,
    VALUES,
    Schema,
    record,
)

__all__ = ["Channel", "Channels", "Frame"]

MAX_ROWS = 100  # commands of a frame; more are thinned out
MAX_POINTS = 10_000  # spikes of a message, the newest ones
SPIKES_S, RATE_S = 1.0, 0.5  # how long a spike is shown; the span of a rate, at least
CONTRAST = 42  # grey levels for each event of a cell, so that three events are black or white

Messages = list[tuple[int, dict[str, Any]]]  # time [ns] and content

ABSENT: dict[str, Any] = {"number": 0, "boolean": False, "string": ""}  # of a status
INFO, ERROR = 2, 4  # levels of LOG
ORIGIN = {"position": {"x": 0, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}
POINT = [  # name, dtype, offset
    ("x", "<f4", 0), ("y", "<f4", 4), ("population", "<u4", 8), ("neuron", "<u4", 12),
    ("red", "|u1", 16), ("green", "|u1", 17), ("blue", "|u1", 18), ("alpha", "|u1", 19),
]  # fmt: skip
NUMBER_TYPES = {"<f4": 7, "<u4": 5, "|u1": 1}  # of FIELD
FIELDS = [{"name": name, "offset": offset, "type": NUMBER_TYPES[dtype]} for name, dtype, offset in POINT]


class Frame(NamedTuple):
    """A frame of the server, with ``ns``, the time stamp of its end [ns]."""

    header: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    ns: int


class Channel(NamedTuple):
    """A topic, the schema of its messages, and the function that makes messages from a frame."""

    topic: str
    schema: Schema
    make: Callable[[Frame], Messages]


def _stamped(ns: int, **fields: Any) -> Messages:
    return [(ns, {"timestamp": {"sec": ns // 10**9, "nsec": ns % 10**9}, **fields})]


def _image(ns: int, name: str, picture: np.ndarray) -> Messages:
    """Return the message for a picture, (rows, columns) or (rows, columns, 3) uint8."""
    rows, columns = picture.shape[:2]
    return _stamped(
        ns, frame_id=name, width=columns, height=rows, encoding="rgb8" if picture.ndim == 3 else "mono8",
        step=picture[:1].nbytes, data=b64encode(picture.tobytes()).decode(),
    )  # fmt: skip


class Channels:
    """The channels of a scene. The object stores the spikes of the last second, from which it computes firing rates."""

    def __init__(self, scene: Mapping[str, Any]) -> None:
        self._period, self._dt = scene["period"], scene["dt"]
        self._spiking = [p for p in scene["populations"] if p["spiking"]]
        sizes = [p["size"] for p in self._spiking]
        self._first_row, self._rows = np.cumsum([0, *sizes])[:-1], max(sum(sizes), 1)
        colours = [[*bytes.fromhex(p["colour"].lstrip("#")), 255] for p in self._spiking]
        self._colours = np.array(colours, np.uint8).reshape(-1, 4)
        self._parts = self._parts_of_command(scene["outputs"])
        outputs = {key: NUMBERS if isinstance(part, slice) else NUMBER for key, part in self._parts.items()}
        rates = {p["name"]: NUMBER for p in self._spiking}
        self.all = [
            Channel("/outputs", record("snn_control.Outputs", outputs), self._commands),
            Channel("/populations/rates", record("snn_control.Rates", rates), self._rates),
            Channel("/status", STATUS, self._status),
            Channel("/spikes", POINT_CLOUD, self._spikes),
            Channel("/marks", LOG, self._marks),
        ]
        if scene.get("kind") in ("world", "training"):
            self.all.append(Channel("/world", RAW_IMAGE, self._world))
        for one in scene["inputs"]:
            self.all += self._of_input(one)
        self.restart()

    def restart(self) -> None:
        """Delete the data of earlier frames, because the next frame does not follow them without a gap."""
        self._kept: np.ndarray = np.zeros((3, 0), np.int64)  # step, population, neuron
        self._counts: list[tuple[float, Mapping[str, int]]] = []

    @staticmethod
    def _parts_of_command(outputs: list[dict[str, Any]]) -> dict[str, int | slice]:
        """Return the elements of the command that each key of the command's message contains: key -> index or slice.

        A key is a label. If the labels are ``joints[0]``, ``joints[1]``, ..., the key is ``joints``, with an array of
        these elements. Each label is therefore a valid message path in Foxglove.
        """
        parts: dict[str, int | slice] = {}
        at = 0
        for one in outputs:
            name, labels = one["name"], one["labels"]
            if labels == [f"{name}[{k}]" for k in range(len(labels))]:
                parts[name] = slice(at, at + len(labels))
            else:
                parts |= {f"{name}.{label}" if label in parts else label: at + k for k, label in enumerate(labels)}
            at += len(labels)
        return parts

    def _of_input(self, one: dict[str, Any]) -> list[Channel]:
        topic = f"/inputs/{one['name']}"
        if one["kind"] == "events":
            return [Channel(topic, RAW_IMAGE, partial(self._events, one))]
        if one.get("grid"):
            return [Channel(topic, RAW_IMAGE, partial(self._grid, one))]
        found = [Channel(topic, VALUES, partial(self._values, one))]
        if one.get("angles"):
            found.append(Channel(f"/scans/{one['name']}", LASER_SCAN, partial(self._scan, one)))
        return found

    def _commands(self, frame: Frame) -> Messages:
        rows = frame.arrays["command"]
        last = len(rows) - 1
        picked = np.unique(np.linspace(0, last, min(len(rows), MAX_ROWS)).astype(np.int64)).tolist()
        return [
            (frame.ns - round((last - k) * self._period * 1e9), {key: rows[k, at] for key, at in self._parts.items()})
            for k in picked
        ]

    def _rates(self, frame: Frame) -> Messages:
        now, counts = frame.header["t"], frame.header["spikes"]
        if not self._counts or now > self._counts[-1][0]:
            self._counts.append((now, counts))
        while len(self._counts) > 2 and self._counts[1][0] <= now - RATE_S:
            self._counts.pop(0)
        before, old = self._counts[0]
        if now <= before or not frame.header["ticks"]:
            return []
        rates = {p["name"]: (counts[p["name"]] - old[p["name"]]) / (now - before) / p["size"] for p in self._spiking}
        return [(frame.ns, rates)]

    def _status(self, frame: Frame) -> Messages:
        known = {**frame.header, **frame.header["guard"]}
        return [(frame.ns, {key: known.get(key, ABSENT[one["type"]]) for key, one in STATUS["properties"].items()})]

    def _spikes(self, frame: Frame) -> Messages:
        arrays = frame.arrays
        if not frame.header["ticks"]:
            return []
        step = arrays["spike_step"].astype(np.int64) + arrays["first_step"][0]
        kept = np.concatenate([self._kept, [step, arrays["spike_population"], arrays["spike_neuron"]]], axis=1)
        now = round(frame.header["t"] / self._dt)
        self._kept = kept[:, kept[0] >= now - SPIKES_S / self._dt][:, -MAX_POINTS:]
        step, population, neuron = self._kept
        points = np.zeros(step.size, [(name, dtype) for name, dtype, _ in POINT])
        points["x"], points["population"], points["neuron"] = (step - now) * self._dt, population, neuron
        points["y"] = 1 - (self._first_row[population] + neuron + 0.5) / self._rows  # the first neuron at the top
        for k, colour in enumerate(("red", "green", "blue", "alpha")):
            points[colour] = self._colours[population, k]
        return _stamped(frame.ns, frame_id="spikes", pose=ORIGIN, point_stride=points.itemsize, fields=FIELDS,
                        data=b64encode(points.tobytes()).decode())  # fmt: skip

    @staticmethod
    def _marks(frame: Frame) -> Messages:
        texts = [(INFO, f"{mark['kind']} {mark['text']}".strip()) for mark in frame.header.get("marks", ())]
        if error := frame.header.get("error"):  # while it lasts, the time stands still
            texts = [(ERROR, error)]
        return [
            one
            for level, text in texts
            for one in _stamped(frame.ns, level=level, message=text, name="snn_control", file="", line=0)
        ]

    @staticmethod
    def _world(frame: Frame) -> Messages:
        return _image(frame.ns, "world", frame.arrays["picture"]) if "picture" in frame.arrays else []

    @staticmethod
    def _events(one: Mapping[str, Any], frame: Frame) -> Messages:
        events = frame.arrays.get(f"events.{one['name']}")
        if events is None or not frame.header["ticks"]:
            return []
        return _image(frame.ns, one["name"], np.clip(128 + CONTRAST * events.astype(np.int16), 0, 255).astype(np.uint8))

    @staticmethod
    def _grid(one: Mapping[str, Any], frame: Frame) -> Messages:
        """Return the message for a picture that an input divides into cells: each cell's mean brightness, 0 to 255."""
        values = frame.arrays.get(f"value.{one['name']}")
        if values is None:
            return []
        grey = np.clip(np.nan_to_num(values), 0, 255).astype(np.uint8)
        return _image(frame.ns, one["name"], grey.reshape(one["grid"][::-1]))

    @staticmethod
    def _values(one: Mapping[str, Any], frame: Frame) -> Messages:
        values, age = (frame.arrays.get(f"{key}.{one['name']}") for key in ("value", "age"))
        if values is None or age is None:
            return []
        return [(frame.ns, {"values": values, "age": age[0] * 1e-9})]

    @staticmethod
    def _scan(one: Mapping[str, Any], frame: Frame) -> Messages:
        """Return the message for a laser scan in equal sectors. It has one beam in the middle of each sector.

        A range of 0 means that nothing was detected.
        """
        ranges = frame.arrays.get(f"value.{one['name']}")
        if ranges is None:
            return []
        low, high = one["angles"]
        half = (high - low) / len(ranges) / 2
        ranges = np.where(np.isfinite(ranges), ranges, 0)  # JSON has no infinity
        return _stamped(frame.ns, frame_id=one["name"], pose=ORIGIN, start_angle=low + half, end_angle=high - half,
                        ranges=ranges, intensities=[])  # fmt: skip
