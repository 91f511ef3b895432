"""Outputs: decoders that turn activity into a command, and the limits of this command."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from ..network.checks import MAX_SIZE, Checked, Flag, Numbers, OrWord, Seconds, Size, Whole, check_name
from .motion_limits import MotionLimit

__all__ = [
    "MOTION_LIMITS",
    "ArgmaxDecoder",
    "Decoder",
    "FirstSpikeDecoder",
    "Guard",
    "MembraneDecoder",
    "Output",
    "PopulationVectorDecoder",
    "SpikeCountDecoder",
    "SpikeDecoder",
]

STAYS = ("hold", "none")  # words for a safe command that stays at the last command


@dataclass(frozen=True, eq=False)
class Decoder(Checked):
    """Base of all decoders, frozen dataclasses: the contribution of one population to an output.

    source : name of a population
    """

    source: str


@dataclass(frozen=True, eq=False)
class SpikeDecoder(Decoder):
    """Sum over neurons of weight times firing rate [Hz], filtered exponentially.

    weights : (neurons, size of the output), (neurons,) if the size is 1, or one number for all; output units per Hz
    tau : time constant of the filter [s]; its area is one, so a constant rate is decoded as that rate
    """

    weights: Any
    tau: Seconds


@dataclass(frozen=True, eq=False)
class MembraneDecoder(Decoder):
    """Weighted sum v W of a graded population's output v, for example of an `LI`.

    weights : W, a number, (n,) or (n, size)
    window : use the mean of v over the last ``window`` seconds, in whole steps; v is 0 before the first step. None
        takes the newest value
    """

    weights: Any
    window: Seconds | None = None


@dataclass(frozen=True, eq=False)
class PopulationVectorDecoder(Decoder):
    """Mean of the neurons' directions, weighted by their filtered rates (Georgopoulos et al. 1986, Science 233:1416).

    directions : direction that each neuron represents, (n, size), or (n,) for an output of one number
    tau : time constant of the rates' exponential filter [s]
    hold : while the population is silent, keep the last mean; otherwise the mean is 0. It counts as silent if the sum
        of rates is below what is left of one spike after 5 tau
    """

    directions: Any
    tau: Seconds
    hold: Flag = False


@dataclass(frozen=True, eq=False)
class SpikeCountDecoder(Decoder):
    """Weighted sum of each neuron's exact spike count in the last ``window`` seconds.

    weights : a number, (n,) or (n, size)
    window : length [s], whole steps; it slides with every step
    """

    weights: Any
    window: Seconds


@dataclass(frozen=True, eq=False)
class FirstSpikeDecoder(Decoder):
    """Weights of the neuron that fires first in a decision window; if several do, of the lowest index.

    Windows follow each other from step 0. A decision is kept until a neuron fires in a later window. Before the first
    decision the result is 0.

    window : length [s], whole steps
    weights : a number, (n,) or (n, size); groups of neurons have equal rows. None: the index of the neuron if the
        output is one number, otherwise one output per neuron, which is 1 for the first to fire; with arg-max, this
        makes each neuron an action
    """

    window: Seconds
    weights: Any = None


@dataclass(frozen=True)
class ArgmaxDecoder(Checked):
    """Discrete action: the index of the largest of ``actions`` decoded values.

    actions : number of actions to choose from
    terms : decoders whose results are summed
    """

    actions: Annotated[int, Whole(2, MAX_SIZE)]
    terms: tuple[Decoder, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terms:
            raise self.wrong("terms", "must hold at least one decoder")


@dataclass(frozen=True, eq=False)
class Output(Checked):
    """Command of ``size`` numbers: the sum of its decoders' results and a bias, checked by the guard.

    With ``squash`` it is centre + half tanh(sum), with the centre and half the width of its limits.

    decoder : one decoder, or several whose results are summed, or an `ArgmaxDecoder`
    size : how many numbers
    bias : added to the sum, a number or (size,)
    limits : (low, high), numbers or (size,)
    slew : largest change per second, inf for none
    acceleration : largest change per second of the command's rate of change, inf for none
    jerk : largest change per second of the acceleration, inf for none; it delays commands by acceleration / jerk
    safe : command when something is wrong: a number or (size,); or ``hold``, which stays at the last command; or
        ``none``, which stays there and publishes nothing, so that the actuator's time-out acts
    ramp : go to the safe value within slew and acceleration instead of at once
    start : name of a value input of the same size from whose numbers the commands begin, with ``hold`` or ``none``
    unit : a text for readers, e.g. rad/s
    squash : squash the sum smoothly into limits, which must be finite, by tanh; without it, the sum is clamped to them
    """

    name: str
    decoder: tuple[Decoder, ...] | ArgmaxDecoder
    size: Size = 1
    bias: Any = 0.0
    limits: tuple[Any, Any] = (-math.inf, math.inf)
    slew: Annotated[Any, MotionLimit(order=1, joint="velocity")] = math.inf
    acceleration: Annotated[Any, MotionLimit(order=2, joint="acceleration", smooth=True)] = math.inf
    jerk: Annotated[Any, MotionLimit(order=3, joint="jerk", smooth=True, needs="acceleration")] = math.inf
    safe: Annotated[Any, OrWord(*STAYS)] = 0.0
    ramp: Flag = False
    start: str = ""
    unit: str = ""
    squash: Flag = False

    @property
    def where(self) -> str:
        return f"outputs.{self.name}."

    @property
    def terms(self) -> tuple[Decoder, ...]:
        """All decoders of the output, including those of an arg-max."""
        return self.decoder.terms if isinstance(self.decoder, ArgmaxDecoder) else self.decoder

    @property
    def stays(self) -> bool:
        """Whether the output stays at its last command when something is wrong."""
        return isinstance(self.safe, str)

    @property
    def smooth(self) -> str:
        """Name of the first given limit that is `MotionLimit.smooth`, or an empty text."""
        return next((key for key, limit in MOTION_LIMITS.items() if limit.smooth and self.given(key).any()), "")

    @property
    def safe_numbers(self) -> np.ndarray:
        """Safe command, (size,) float64; if the output `stays`, the command before the first tick: 0 within limits."""
        low, high = (np.asarray(side, np.float64) for side in self.limits)
        return np.array(np.broadcast_to(np.clip(0.0, low, high) if self.stays else self.safe, self.size), np.float64)

    def __post_init__(self) -> None:
        check_name("name", self.name)
        super().__post_init__()
        low, high = (self.each(f"limits[{k}]", side, self.size) for k, side in enumerate(self.limits))
        bias = self.each("bias", self.bias, self.size)
        safe = self.safe_numbers if self.stays else self.each("safe", self.safe, self.size)
        if not (np.abs(bias) <= np.finfo(np.float32).max).all():
            raise self.wrong("bias", "must be finite numbers of float32")
        if isinstance(self.decoder, ArgmaxDecoder):
            self._check_action(self.decoder.actions)
        if not (low < high).all():
            raise self.wrong("limits", "low must be < high", value=list(self.limits))
        if self.squash and not (np.maximum(np.abs(low), np.abs(high)) <= np.finfo(np.float32).max).all():
            rule = "must be finite on both sides, as float32, with squash"
            raise self.wrong("limits", rule, "give limits, or leave squash out", value=list(self.limits))
        if not ((safe >= low) & (safe <= high) & np.isfinite(safe)).all():
            raise self.wrong("safe", f"must be finite and within limits {list(self.limits)}")
        self._check_motion()

    def squashed(self, x: Any) -> np.ndarray:
        """Return centre + half tanh(x) of a sum x, (size,) float64, for `squash`."""
        low, high = (np.asarray(side, np.float64) for side in self.limits)
        return np.broadcast_to(low + (high - low) * (0.5 + 0.5 * np.tanh(x)), self.size)

    def given(self, key: str) -> np.ndarray:
        """Return for which numbers a field differs from its default, () or (size,) bool."""
        return np.asarray(np.asarray(getattr(self, key)) != getattr(Output, key))

    def _check_motion(self) -> None:
        """Raise DescriptionError for motion limits that are wrong, alone or together."""
        for key in MOTION_LIMITS:
            self.each(key, getattr(self, key), self.size)
        for key, limit in MOTION_LIMITS.items():
            if limit.needs and (self.given(key) & ~self.given(limit.needs)).any():
                raise self.wrong(key, f"needs a finite {limit.needs}", f"give the {limit.needs} too")
        if self.ramp and self.stays:
            raise self.wrong("ramp", f"does not go with safe: {self.safe}, which stays", "leave it out")
        if self.ramp and not np.isfinite(self.slew).all():
            raise self.wrong("slew", "must be finite with ramp", "give a slew")
        if self.start and not self.stays:
            raise self.wrong("start", "requires safe: hold or none", "leave it out: commands begin at the safe value")

    def _check_action(self, actions: int) -> None:
        """Raise DescriptionError for a bias, limits or motion limits, which the index of an action cannot have."""
        if self.size != 1:
            raise self.wrong("size", "must be 1 with arg-max")
        for k, (side, none) in enumerate(zip(self.limits, Output.limits, strict=True)):
            if np.any(np.asarray(side) != none):
                raise self.wrong(f"limits[{k}]", "does not go with arg-max", "leave it out", value=side)
        for key in ("bias", *MOTION_LIMITS, "squash"):
            if self.given(key).any():
                raise self.wrong(key, "does not go with arg-max", "leave it out")
        if float(np.max(self.safe_numbers)) not in range(actions):
            raise self.wrong("safe", f"must be an action: a whole number in [0, {actions})")


#: field of `Output` -> the motion limit that it declares, in ascending order of derivatives
MOTION_LIMITS = {key: rule for key, rule in Output.checks().items() if isinstance(rule, MotionLimit)}


@dataclass(frozen=True)
class Guard(Checked):
    """Faults of timing, and when a fault ends.

    release : number of valid ticks in a row that end a fault; 0 waits for an operator
    missed : on a robot, more periods in a row without a tick are a fault; 0: no limit
    latency : on a robot, budget of the time from the stamp of the newest message to the command [s]; a later command is
        counted and reported, but is no fault
    """

    release: Annotated[int, Whole(0, 1 << 31)] = 5
    missed: Annotated[int, Whole(0, 1 << 31)] = 0
    latency: Annotated[float, Numbers(least=0, strict=True, unit="s", finite=False)] = math.inf

    @property
    def where(self) -> str:
        return "guard."
