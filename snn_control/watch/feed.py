"""Make the frames of the live page: the activity of a controller since the last frame, read from its recorders."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import numpy as np

from ..analysis.energy import estimate
from ..controller import Controller
from ..controller.batch import encoded_of
from ..controller_file import ControllerSpec
from ..engine.kernels.guard import FAULTED
from ..realtime.fault_causes import causes_now
from ..record.activity_recorder import ActivityRecorder
from ..record.gate import Gate
from ..record.input_log import InputLog
from ..record.input_recorder import InputLogRecorder
from .marks import Marks
from .weights import Weights

__all__ = ["Feed", "picture_of"]

MAX_TICKS, MAX_SPIKES, MAX_EVENTS = 2_000, 20_000, 20_000  # of a frame; older ones are left out and counted
KEPT_TICKS, KEPT_SPIKES, KEPT_BYTES = 8_192, 262_144, 32 << 20  # of the rings
MAX_ENCODED = 512  # numbers of an encoder that are shown
MAX_PICTURE = 160  # columns or rows of a picture of events
SLOW_S = 0.5  # between two readings of what changes slowly: learned weights, times, power
ABSENT_S = 1.0  # without a call of `take`, nobody looks
REPEAT_S = 3.0  # between two copies of the weights that do not learn, because a page may not have got a frame


class Timed(Protocol):
    """A loop whose timing statistics the page shows, such as `snn_control.realtime.loop.Loop`."""

    def stats(self) -> dict[str, Any]: ...


def picture_of(log: Mapping[str, np.ndarray], size: tuple[int, int]) -> np.ndarray:
    """Return the newest events of an input as a picture, (rows, columns) int8.

    Each value is the number of ON events minus the number of OFF events in one pixel, or in one cell of pooled pixels.

    log : columns x, y, p of the events, as in `InputLog`
    size : (width, height) of the sensor [pixel]; the pixels of large sensors are pooled to at most `MAX_PICTURE` cells
        along each side
    """
    width, height = size
    cell = -(-max(width, height) // MAX_PICTURE)
    columns, rows = -(-width // cell), -(-height // cell)
    x, y, p = (log[key][-MAX_EVENTS:].astype(np.int64) for key in ("x", "y", "p"))
    inside = (x < width) & (y < height)
    places = ((y // cell) * columns + x // cell)[inside]
    signed = np.bincount(places, np.where(p[inside] > 0, 1.0, -1.0), rows * columns)
    return np.clip(signed, -127, 127).astype(np.int8).reshape(rows, columns)


class Feed:
    """Makes frames from the recorders of a running controller. The controller never waits for a frame.

    states : maximum number of copies of the state; ``inputs`` can be replayed from such a copy if it is saved
    loop : the loop that runs the controller; None: there is none
    clock : function that returns a time [s]; it decides when values that change slowly are read again
    repeat_s : time after which unchanged weights are sent again [s]
    observer : port that the loop or the `Controller` must call after each tick; it does nothing until `watch` is called
    looked_at : names of the populations whose membranes and weights are in the frames
    """

    def __init__(self, controller: Controller, spec: ControllerSpec, states: int = 0) -> None:
        self.controller, self._release, facts = controller, spec.guard.release, controller.program.facts
        self.activity = ActivityRecorder(controller.bound, KEPT_TICKS, KEPT_SPIKES)
        events = max([65_536, *(2 * one.capacity for one in facts.inputs)])
        self.inputs = InputLogRecorder(controller.bound, KEPT_TICKS, events, KEPT_BYTES, states)
        self.observer = Gate(self.activity, self.inputs)
        self.loop: Timed | None = None
        self.looked_at: Collection[str] = ()
        self.clock: Callable[[], float] = time.monotonic
        self.repeat_s = REPEAT_S
        self.left_out = 0  # spikes that no frame had
        self._ticks = self._spikes = 0  # that were taken, of what the recorders counted
        self._tick = 0  # the controller's own number of the newest one
        self._sizes = {one.name: one.size for one in facts.inputs if one.kind == "events"}
        encoded = {one.name: encoded_of(controller.program, one.name) for one in facts.inputs if one.kind == "value"}
        self._encoded = {
            name: controller.bound.array(place) for name, place in encoded.items()
            if place is not None and math.prod(place.shape) <= MAX_ENCODED
        }  # fmt: skip
        self._marks, self._weights = Marks(facts.tunable), Weights(controller, spec)
        self._slow: dict[str, Any] = {}
        self._weights_of: tuple[str, ...] = ()
        self._taken_at = self._read_at = self._all_at = -math.inf

    def watch(self, on: bool) -> None:
        """Start recording if ``on`` is true, otherwise stop. The next frame contains only ticks after this call."""
        if on:
            self._ticks, self._spikes = self.activity.totals()
            self._tick = int(self.controller.bound.array("clock")[0])
            self._marks.restart()
        self.observer.open(on)

    def restart(self) -> None:
        """Clear the recorders after a reset of the controller, whose tick number is then 0. No loop may run."""
        self.activity.clear()
        self.inputs.clear()
        self._marks.restart()
        self._ticks = self._spikes = self._tick = 0

    def take(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return a frame with the ticks since the last frame: its header, and its arrays by name."""
        ticks, spikes = self.activity.totals()
        ticks = min(ticks, self.inputs.total)
        first = max(self._ticks, ticks - MAX_TICKS, 0)
        start = max(self._spikes, spikes - MAX_SPIKES, 0)
        if time.monotonic() < self._taken_at + ABSENT_S:  # before, nobody looked
            self.left_out += start - self._spikes
        self._taken_at = time.monotonic()
        activity = self.activity.part((first, start), (ticks, spikes))
        log = self.inputs.part(first, ticks)
        controller, guard = self.controller, self.controller.bound.array("guard")
        counters = controller.counters()
        self._tick = tick = log.first_tick + log.ticks if log.ticks else self._tick
        whole = int(np.searchsorted(activity["spike_step"], tick * controller.program.steps))  # a tick may have begun
        activity |= {key: activity[key][:whole] for key in ("spike_step", "spike_population", "spike_neuron")}
        self._ticks, self._spikes = ticks, start + whole
        faulted = bool(guard[FAULTED])
        arrays = self._activity(activity) | self._inputs(log) | self._membranes()
        header = {
            "sent": time.time(), "tick": tick, "t": tick * controller.program.facts.period, "ticks": ticks - first,
            "left_out": self.left_out, "faulted": faulted, "safe": controller.safe,
            "causes": causes_now(controller.bound, self._release) if faulted else "",
            "guard": counters["guard"], "spikes": counters["spikes"],
            "operations": counters["synaptic_operations"], "tuned": list(controller.tuned.values()),
            "learning": [rule["on"] for rule in counters["learning"].values()], "marks": self._marks.of(log),
        }  # fmt: skip
        return header | self._slowly(arrays), arrays

    def _slowly(self, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
        """Return values that change slowly: power, timing statistics, and descriptions of the pictures of weights.

        They are read only every `SLOW_S`.

        arrays : arrays of the frame, to which this method adds the pictures of weights
        """
        now, anew = self.clock(), tuple(self.looked_at) != self._weights_of
        if now < self._read_at + SLOW_S and not anew:
            return self._slow
        self._read_at, self._weights_of = now, tuple(self.looked_at)
        self._slow = {"microwatt": float(estimate(self.controller.bound).microwatt)}
        if self.loop is not None:
            self._slow["timing"] = timing_of(self.loop.stats())
        anew = anew or now > self._all_at + self.repeat_s
        self._all_at = now if anew else self._all_at
        told = []
        for name in self.looked_at:
            pictures, found = self._weights.onto(name, learned=not anew)
            told += pictures
            arrays |= found
        return self._slow | ({"weights": told} if told else {})

    @staticmethod
    def _activity(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        first = int(found["spike_step"][0]) if len(found["spike_step"]) else 0
        return {
            "command": found["command"].astype("<f4"), "fault": found["fault"],
            "spike_step": (found["spike_step"] - first).astype("<u4"), "first_step": np.array([first], "<i8"),
            "spike_population": found["spike_population"].astype("<u2"),
            "spike_neuron": found["spike_neuron"].astype("<u4"),
        }  # fmt: skip

    def _inputs(self, log: InputLog) -> dict[str, np.ndarray]:
        arrays = {}
        for name, one in log.inputs.items():
            if name in self._sizes:
                arrays[f"events.{name}"] = picture_of(one, self._sizes[name])
            elif len(one["values"]):
                arrays[f"value.{name}"] = one["values"][-1].astype("<f4")
            if name in self._encoded:
                arrays[f"encoded.{name}"] = self._encoded[name].astype("<f4")
            if len(one["age"]):
                arrays[f"age.{name}"] = one["age"][-1:].astype("<i8")
        return arrays

    def _membranes(self) -> dict[str, np.ndarray]:
        known = {one.name for one in self.controller.program.facts.populations}
        known = {name for name in known.intersection(self.looked_at) if f"{name}.v" in self.controller.program.names}
        return {f"membrane.{name}": self.controller.values(name).astype("<f4") for name in sorted(known)}


def timing_of(stats: Mapping[str, Any]) -> dict[str, Any]:
    """Return timing statistics of a loop since its start [us], for the page. ``stats``: from `realtime.Loop.stats`."""
    times = {key: {p: stats[key][p] * 1e-3 for p in ("p50", "p99", "max")} for key in ("wake", "tick", "latency")}
    return {"missed": stats["missed"], **{key: one for key, one in times.items() if stats[key]["count"]}}
