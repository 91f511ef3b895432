"""Frames for the live page: the activity of a controller since the last frame, read from the rings of its recorders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ..analysis.energy import estimate
from ..controller import Controller
from ..engine.kernels.guard import FAULTED
from ..record.activity_recorder import ActivityRecorder
from ..record.input_log import InputLog
from ..record.input_recorder import InputLogRecorder

__all__ = ["Feed", "picture_of"]

MAX_TICKS, MAX_SPIKES, MAX_EVENTS = 2_000, 20_000, 20_000  # of a frame; older ones are left out and counted
KEPT_TICKS, KEPT_SPIKES, KEPT_BYTES = 8_192, 262_144, 32 << 20  # of the rings
MAX_PICTURE = 160  # columns or rows of a picture of events


def picture_of(log: Mapping[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return the newest events of an input as a picture, (rows, columns) int8: ON events minus OFF events of each
    cell. Large sensors are pooled to at most `MAX_PICTURE` cells a side."""
    width, height = size
    cell = -(-max(width, height) // MAX_PICTURE)
    columns, rows = -(-width // cell), -(-height // cell)
    x, y, p = (log[key][-MAX_EVENTS:].astype(np.int64) for key in ("x", "y", "p"))
    places = (y // cell) * columns + x // cell
    signed = np.bincount(places, np.where(p > 0, 1.0, -1.0), rows * columns)[: rows * columns]
    return np.clip(signed, -127, 127).astype(np.int8).reshape(rows, columns)


class Feed:
    """Reads the recorders of a controller that runs; it never makes the controller wait.

    observers : what the loop, or the `Controller`, calls after each tick
    looked_at : populations whose membranes are in each frame
    """

    def __init__(self, controller: Controller) -> None:
        self.controller, facts = controller, controller.program.facts
        self.activity = ActivityRecorder(controller.bound, KEPT_TICKS, KEPT_SPIKES)
        events = max([262_144, *(2 * one.capacity for one in facts.inputs)])
        self.inputs = InputLogRecorder(controller.bound, KEPT_TICKS, events, KEPT_BYTES)
        self.observers = (self.activity, self.inputs)
        self.looked_at: Collection[str] = ()
        self.left_out = 0  # spikes that no frame had
        self._ticks = self._spikes = 0
        self._sizes = {one.name: one.size for one in facts.inputs if one.kind == "events"}

    def restart(self) -> None:
        """Begin anew after a reset of the controller, which starts counting its ticks again. Not while a loop runs."""
        for one in self.observers:
            one.clear()
        self._ticks = self._spikes = 0

    def take(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return header and arrays of a frame with the ticks since the last one."""
        ticks, spikes = self.activity.totals()
        ticks = min(ticks, self.inputs.total)
        first = max(self._ticks, ticks - MAX_TICKS, 0)
        start = max(self._spikes, spikes - MAX_SPIKES, 0)
        self.left_out += start - self._spikes
        activity = self.activity.part((first, start), (ticks, spikes))
        log = self.inputs.part(first, ticks)
        self._ticks, self._spikes = ticks, spikes
        controller, guard = self.controller, self.controller.bound.array("guard")
        counters, tick = controller.counters(), log.first_tick + ticks - first
        header = {
            "tick": tick, "t": tick * controller.program.facts.period, "ticks": ticks - first,
            "left_out": self.left_out, "faulted": bool(guard[FAULTED]), "safe": controller.safe,
            "guard": counters["guard"], "spikes": counters["spikes"],
            "operations": counters["synaptic_operations"], "tuned": list(controller.tuned.values()),
            "microwatt": float(estimate(controller.bound).microwatt),
        }  # fmt: skip
        return header, self._activity(activity) | self._inputs(log) | self._looks()

    @staticmethod
    def _activity(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = int(found["spike_step"][0]) if len(found["spike_step"]) else 0
        return {
            "command": found["command"].astype("<f4"), "spike_step": (found["spike_step"] - first).astype("<u4"),
            "spike_population": found["spike_population"].astype("<u2"), "first_step": np.array([first], "<i8"),
            "spike_neuron": found["spike_neuron"].astype("<u4"),
        }  # fmt: skip

    def _inputs(self, log: InputLog) -> dict[str, np.ndarray]:
        arrays = {}
        for name, one in log.inputs.items():
            if name in self._sizes:
                arrays[f"events.{name}"] = picture_of(one, self._sizes[name])
            elif len(one["values"]):
                arrays[f"value.{name}"] = one["values"][-1].astype("<f4")
            if len(one["age"]):
                arrays[f"age.{name}"] = one["age"][-1:].astype("<i8")
        return arrays

    def _looks(self) -> dict[str, np.ndarray]:
        known = {one.name for one in self.controller.program.facts.populations}
        wanted = known.intersection(self.looked_at)
        return {f"membrane.{name}": self.controller.values(name).astype("<f4") for name in sorted(wanted)}
