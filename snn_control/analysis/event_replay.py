"""Run a controller on the recording of an event camera.

`fit` adapts the controller to the recording's camera. The controller is then stepped through the events, without or
with ROS topics. Without topics, a tick is a call of `Controller.step` in the present process. With topics, the world
``sim_worlds: EventReplay-v0`` plays the recording. Events, their times and other inputs are equal in both cases. In
lockstep, the commands are equal, too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ..coding import EventsInput, ValueInput
from ..controller import Controller
from ..controller_file import ControllerSpec, nearest
from ..errors import NO_VALUE, DescriptionError
from ..events.slicing import Tick
from ..record.activity_recorder import ActivityRecorder
from ..record.input_recorder import InputLogRecorder

__all__ = ["Fitted", "command_digest", "fit", "paced", "play", "replay"]


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A controller that `fit` has adapted to the recording of an event camera.

    spec : the controller for the recording's camera, with one tick in each step
    events : name of the input that receives the recording's events
    values : name of a value input -> constant sample for every tick
    silent : names of the other events inputs, which receive no events
    notes : changes and assumptions, one text line each
    """

    spec: ControllerSpec
    events: str
    values: Mapping[str, list[float]]
    silent: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def camera(self) -> EventsInput:
        return next(i for i in self.spec.inputs if isinstance(i, EventsInput) and i.name == self.events)

    @property
    def period_ns(self) -> int:
        return round(self.spec.period * 1e9)


def fit(
    spec: ControllerSpec,
    size: tuple[int, int] | None,
    name: str | None = None,
    values: Mapping[str, Any] | None = None,
    guessed: bool = False,
) -> Fitted:
    """Adapt a controller to the camera of a recording, and set constant values for the controller's other inputs.

    size : (width, height) of the recording's camera; None: unknown, use the size in the controller
    name : name of the input that receives the events; None: the only events input
    values : name of a value input -> constant sample for every tick; 0 by default
    guessed : whether the size was guessed from the events

    Raises DescriptionError for an unknown input, for values of a wrong size, and for a grid or filters that do not fit
    the camera.
    """
    cameras = {i.name: i for i in spec.inputs if isinstance(i, EventsInput)}
    if name is not None and name not in cameras:
        raise DescriptionError("--input", name, "must be an input of events", nearest(name, cameras))
    if name is None and len(cameras) != 1:
        fix = "give --input" if cameras else "take a controller that sees events, e.g. motion"
        raise DescriptionError("inputs", list(cameras), "must be one input of events", fix)
    camera = cameras[name or next(iter(cameras))]
    notes, unknown = [], "the recording does not state the size of its camera:"
    if size is None:
        notes.append(f"{unknown} {_of(camera.size)} as {camera.name}'s")
    elif guessed:
        notes.append(f"{unknown} {_of(size)} guessed from the coordinates; --width and --height for another")
    if size is not None and size != tuple(camera.size):
        notes.append(f"{camera.name} is for {_of(camera.size)} pixels, the recording of {_of(size)}: size changed")
        camera = _resized(camera, size)
    filled = _values(spec, values or {}, notes)
    inputs = tuple(camera if i.name == camera.name else i for i in spec.inputs)
    silent = tuple(other for other in cameras if other != camera.name)
    notes += [f"{other}, another camera, gets no events" for other in silent]
    changed = dataclasses.replace(spec, inputs=inputs, repeat=1, path="")
    return Fitted(changed, camera.name, filled, silent, tuple(notes))


def _of(size: Any) -> str:
    return f"{size[0]}x{size[1]}"


def _resized(camera: EventsInput, size: tuple[int, int]) -> EventsInput:
    try:
        return dataclasses.replace(camera, size=size)
    except DescriptionError as error:
        rule = f"{error.rule}, which is the recording's"
        fix = "take another controller, or a smaller grid"
        if error.path.endswith(".mask"):
            fix = "learn one from this camera: snn_control events hot-pixels"
        elif ".filters" in error.path:
            fix = "change this filter, or leave it out"
        raise DescriptionError(error.path, error.value, rule, fix) from None


def _values(spec: ControllerSpec, given: Mapping[str, Any], notes: list[str]) -> dict[str, list[float]]:
    """Return the constant sample of every value input: name -> numbers. Append assumptions about it to ``notes``."""
    inputs = {i.name: i for i in spec.inputs if isinstance(i, ValueInput)}
    for name in given:
        if name not in inputs:
            fix = nearest(name, inputs) if inputs else "this controller has none"
            raise DescriptionError(f"--value {name}", NO_VALUE, "is not an input of numbers", fix)
    filled = {}
    for name, one in inputs.items():
        numbers = np.asarray(given.get(name, np.zeros(one.size)), np.float64).reshape(-1)
        if numbers.size != one.size or not np.isfinite(numbers).all():
            raise DescriptionError(f"--value {name}", given[name], f"must be {one.size} numbers, e.g. 0,0.5")
        filled[name] = numbers.tolist()
        if name not in given:
            notes.append(f"{name} is not in the recording: {one.size} x 0 in every tick; --value {name}=... for others")
    return filled


def play(controller: Controller, fitted: Fitted, ticks: Iterable[Tick]) -> Iterator[Tick]:
    """Step the controller ``fitted.spec`` once for each tick of events. Yield each tick after its step.

    Time 0 of the events is one period before the recording's start, as in lockstep over topics.
    """
    nothing = np.empty(0, np.int64)
    given: dict[str, Any] = {**fitted.values, **dict.fromkeys(fitted.silent, (nothing,) * 4)}
    for tick in ticks:
        given[fitted.events] = (tick.t + (tick.index + 1) * fitted.period_ns, tick.x, tick.y, tick.p)
        controller.step(given)
        yield tick


def paced(ticks: Iterable[Tick], period: float, late: list[int]) -> Iterator[Tick]:
    """Yield each tick when it is due in real time: one tick every ``period`` [s].

    late : list to which the function appends the index of each tick that is more than a period late
    """
    begin = None
    for tick in ticks:
        begin = begin or time.monotonic()  # by then the recording is open
        left = begin + tick.index * period - time.monotonic()
        if left < -period:
            late.append(tick.index)
        time.sleep(max(0.0, left))
        yield tick


def replay(
    controller: Controller,
    fitted: Fitted,
    ticks: Iterable[Tick],
    speed: float = 0.0,
    progress: Callable[[int], Any] = lambda index: None,
    input_log: InputLogRecorder | None = None,
) -> dict[str, np.ndarray]:
    """Step the controller ``fitted.spec`` through a recording. Return its commands and spikes.

    speed : sensor time divided by real time; 1: as fast as recorded, 0: as fast as possible
    progress : function that is called with the index of each tick
    input_log : recorder of the controller's inputs, which records each tick

    The result is a dictionary of arrays:

    command : (ticks, outputs)
    safe : (ticks,), whether the command was the safe command
    tick_events, tick_dropped : (ticks,), number of events, and number of events beyond the capacity
    late_ticks : (), number of ticks that started more than a period late
    loop_seconds : (), duration of the replay, from the first tick on [s]

    The newest 2,000,000 spikes follow, as `ActivityRecorder.arrays` returns them.
    """
    recorder = ActivityRecorder(controller.bound, ticks=1)
    controller.observers = [recorder] if input_log is None else [recorder, input_log]
    command = controller.bound.array("command")
    commands, safe, events, dropped = bytearray(), bytearray(), array("q"), array("q")
    late: list[int] = []
    if speed > 0:
        ticks = paced(ticks, fitted.spec.period / speed, late)
    begin = time.perf_counter()
    for tick in play(controller, fitted, ticks):
        if tick.index == 0:  # the recording has been opened and its first chunk read
            begin = time.perf_counter()
        commands += command.tobytes()
        safe.append(controller.safe)
        events.append(len(tick.t))
        dropped.append(tick.dropped)
        progress(tick.index)
    arrays = recorder.arrays()
    kept = ("spike_step", "spike_population", "spike_neuron", "population_names")
    return {key: arrays[key] for key in kept} | {
        "command": np.frombuffer(commands, np.float64).reshape(-1, command.size),
        "safe": np.frombuffer(safe, bool), "tick_events": np.array(events, np.int64),
        "tick_dropped": np.array(dropped, np.int64), "late_ticks": np.array(len(late)),
        "overwritten_spikes": arrays["overwritten"][1], "loop_seconds": np.array(time.perf_counter() - begin),
    }  # fmt: skip


def command_digest(command: np.ndarray) -> str:
    """Return the first 16 hexadecimal digits of the sha256 of all commands, (ticks, outputs) float64."""
    return hashlib.sha256(np.ascontiguousarray(command, "<f8").tobytes()).hexdigest()[:16]
