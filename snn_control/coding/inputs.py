"""Inputs: the values or events that a controller receives, and the rules for accepting them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError, close_match
from ..network.checks import Checked, Flag, Numbers, OneOf, Size, Whole, check_name
from .encoders import Encoder, PoolEncoder
from .filters import EventFilter
from .frame_source import MOST_FRAME_PX, FrameCameraSettings

__all__ = ["EventsInput", "Input", "ValueInput"]

MAX_STALE_S = 1e9  # s
Side = Annotated[int, Whole(1, 65536)]  # of a camera [pixel]
#: how a number that is not finite is treated, in the order of the kernel's rules
NOT_FINITE = ("reject", "high", "low", "hold")


@dataclass(frozen=True)
class Input(Checked):
    """Base class of inputs.

    stale : age of the newest sample [s] beyond which the input is invalid
    required : whether the controller sends the safe command while the input is invalid
    """

    name: str
    stale: Annotated[float, Numbers(least=0, strict=True, unit="s", finite=False)] = math.inf
    required: Flag = True

    @property
    def where(self) -> str:
        return f"inputs.{self.name}."

    @property
    def needed(self) -> bool:
        """Whether it is a fault if the input is invalid. An invalid input with ``stop_when`` always stops the
        commands."""
        return self.required

    def __post_init__(self) -> None:
        check_name("name", self.name)
        super().__post_init__()
        if MAX_STALE_S < self.stale < math.inf:
            rule = f"must be > 0 s and at most {MAX_STALE_S:g} s, or infinite"
            raise self.wrong("stale", rule)


@dataclass(frozen=True)
class ValueInput(Input):
    """An input whose samples are vectors of numbers, such as joint positions. A tick uses the newest sample.

    size : number of elements of a sample
    encoder : converts the numbers to currents; without an encoder, the numbers are a graded signal
    unit : unit of the numbers, for display only, e.g. rad/s
    range : (low, high), each a number or (size,); values outside are clamped to the range and counted
    plausible : (low, high); a sample that has a value outside these limits, or a value that is not finite, is rejected,
        and the input is then invalid
    rate : largest change of a number per second, given as a number or (size,). A sample that implies a faster change
        since the last accepted sample is rejected
    jump : largest change of a number since the last sample, accepted or not; a sample with a larger change is rejected
    frozen : a sample is rejected if no number has changed for longer than this time [s], because the sensor probably
        hangs
    not_finite : rule for numbers that are not finite: one word for all numbers, or a word for each number. "reject"
        rejects the sample. "high" and "low" replace infinity by the upper and -infinity by the lower end of the range.
        "high" replaces NaN by the upper end, "low" by the lower end. "hold" replaces the number by its last finite,
        plausible value, and rejects the sample if this value does not exist or is older than ``stale``. A sample
        without any measurement is always rejected. Measurements are finite numbers, infinite numbers treated by "high"
        or "low", and numbers that "hold" replaces within a finite ``stale``
    stop_when : "nonzero": the controller sends the safe command while a number of the input is not 0, as for an
        emergency stop. "zero": it sends the safe command while a number of the input is 0, as for an enabling device.
        With either word, an invalid input also stops the commands, so ``stale`` must be finite. Empty: the input does
        not stop the commands
    latched : whether a stop by ``stop_when`` lasts until an operator releases it, even after the input has changed back
    """

    size: Size = 1
    encoder: Encoder | None = None
    range: tuple[Any, Any] = (-math.inf, math.inf)
    plausible: tuple[Any, Any] = (-math.inf, math.inf)
    rate: Any = math.inf
    jump: Any = math.inf
    frozen: Annotated[float, Numbers(least=0, strict=True, unit="s", finite=False)] = math.inf
    unit: str = ""
    not_finite: tuple[str, ...] | str = "reject"
    stop_when: Annotated[str, OneOf("", "nonzero", "zero")] = ""
    latched: Flag = True

    @property
    def needed(self) -> bool:
        return self.required and not self.stop_when

    @property
    def moves(self) -> bool:
        """Whether the input checks changes of its numbers: true if ``rate``, ``jump`` or ``frozen`` is finite."""
        return math.isfinite(self.frozen) or bool(np.isfinite(self.rate).any() or np.isfinite(self.jump).any())

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("rate", "jump"):
            if not (self.each(key, getattr(self, key), self.size) > 0).all():
                raise self.wrong(key, "must be > 0")
        for key in ("range", "plausible"):
            low, high = (self.each(f"{key}[{k}]", side, self.size) for k, side in enumerate(getattr(self, key)))
            if not (low < high).all():
                raise self.wrong(key, "low must be < high")
        self._check_rules()
        if self.stop_when and not math.isfinite(self.stale):
            rule = "must be finite with stop_when: silence of the input must stop the commands, too"
            raise self.wrong("stale", rule, "give a time-out, e.g. stale: 0.5")

    def rules(self) -> tuple[str, ...]:
        """Return the rule for NaN and infinity for each number of the input; each rule is one of `NOT_FINITE`."""
        one = self.not_finite
        return (one,) * self.size if isinstance(one, str) else tuple(one)

    def _check_rules(self) -> None:
        value = self.not_finite
        many = isinstance(value, list | tuple) and len(value) == self.size
        names = [value] if isinstance(value, str) else list(map(str, value)) if many else [""]
        if not set(names) <= set(NOT_FINITE):
            rule = f"must be one of {', '.join(NOT_FINITE)}, or a list of {self.size} of them"
            raise self.wrong("not_finite", rule, close_match(value, NOT_FINITE))
        ends = (np.asarray(side, np.float64) for side in (*self.range, *self.plausible))
        rules, low, high, least, most = np.broadcast_arrays(names, *ends)
        replaced = (rules == "high") | (rules == "low")
        if (k := np.flatnonzero(replaced & ~(np.isfinite(low) & np.isfinite(high)))).size:
            need = f"{rules[k[0]]} needs a finite range, whose ends replace numbers that are not finite"
            raise self.wrong("not_finite", need, "give `range: [low, high]`")
        if (k := np.flatnonzero(replaced & ~((least <= low) & (high <= most)))).size:
            hold = f"[{low[k[0]]:g}, {high[k[0]]:g}]"
            need = f"must hold the ends of the range {hold}, which replace numbers that are not finite"
            raise self.wrong("plausible", need, "widen one of them", value=list(self.plausible))


@dataclass(frozen=True)
class EventsInput(Input):
    """An input that receives the events of an event camera, or the frames of an ordinary camera as simulated events.

    size : (width, height) in pixels
    source : "events": the input receives events of an event camera. "frames": it receives images of an ordinary camera,
        and a simulated event camera converts them to events
    camera : settings of the simulated event camera, for the source "frames"
    encoder : an encoder of events
    capacity : maximum number of events in a tick; further events are discarded and counted
    filters : event filters, which run in this order before the encoder
    """

    size: tuple[Side, Side] = (128, 128)
    source: Annotated[str, OneOf("events", "frames")] = "events"
    camera: FrameCameraSettings | None = None
    encoder: Any = field(default_factory=lambda: PoolEncoder((16, 16)))  # an Encoder of events
    capacity: Size = 16384
    filters: tuple[EventFilter, ...] = ()

    @property
    def numbers(self) -> tuple[float, ...]:
        """Numbers of the simulated event camera, see `FrameCameraSettings.numbers`; empty for the source "events"."""
        return (self.camera or FrameCameraSettings()).numbers if self.source == "frames" else ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_source()
        if not isinstance(self.encoder, Encoder):
            rule = "must be an encoder of events, e.g. PoolEncoder((16, 16))"
            raise self.wrong("encoder", rule, value=type(self.encoder).__name__)
        self.encoder.check(f"{self.where}encoder", self.size)
        for k, one in enumerate(self.filters):
            path = f"{self.where}filters[{k}]"
            if not isinstance(one, EventFilter):
                raise DescriptionError(path, type(one).__name__, "must be a filter, e.g. Refractory(0.001)")
            one.check(path, *self.size)

    def _check_source(self) -> None:
        if self.source == "frames":
            for k, side in enumerate(self.size):
                Whole(2, MOST_FRAME_PX)(f"{self.where}size[{k}]", side)
        if self.camera is None:
            return
        if not isinstance(self.camera, FrameCameraSettings):
            rule = "must be FrameCameraSettings, e.g. FrameCameraSettings('noisy')"  # type: ignore[unreachable]
            raise self.wrong("camera", rule, value=type(self.camera).__name__)
        if self.source != "frames":
            rule = "is only for frames, which a simulated camera turns into events"
            raise self.wrong("camera", rule, "write source: frames, or leave it out", value=type(self.camera).__name__)
