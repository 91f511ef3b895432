"""Outputs: decoders that convert neural activity to a command, and the limits of the command."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
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
    """Base class of decoders. A decoder computes the contribution of one population to an output.

    Subclasses are frozen dataclasses.

    source : name of the population
    """

    source: str


@dataclass(frozen=True, eq=False)
class SpikeDecoder(Decoder):
    """Weighted sum of the neurons' firing rates [Hz]: spikes, filtered exponentially with the time constant ``tau``.

    weights : weights in output units per Hz: (neurons, size of the output), (neurons,) if the size is 1, or one number
        for all neurons
    tau : time constant of the filter [s]; the filter has unit gain for a constant rate
    """

    weights: Any
    tau: Seconds


@dataclass(frozen=True, eq=False)
class MembraneDecoder(Decoder):
    """Weighted sum v W of the outputs v of a graded population, for example the membranes of leaky integrators (`LI`).

    weights : the matrix W: a number, (n,) or (n, size)
    window : length of a time window [s], a whole number of steps; v is then the mean over this window, and v counts as
        0 before the first step. None uses the newest value of v
    """

    weights: Any
    window: Seconds | None = None


@dataclass(frozen=True, eq=False)
class PopulationVectorDecoder(Decoder):
    """Mean of the directions that the neurons represent, weighted by their filtered firing rates.

    This is the population vector of Georgopoulos et al. 1986, Science 233:1416.

    directions : direction that each neuron represents, (n, size), or (n,) if the output is one number
    tau : time constant of the rates' exponential filter [s]
    hold : whether the decoder returns the last mean while the population is silent; otherwise it then returns 0. The
        population counts as silent if the sum of its filtered rates is below the filtered rate of a single spike 5 tau
        ago
    """

    directions: Any
    tau: Seconds
    hold: Flag = False


@dataclass(frozen=True, eq=False)
class SpikeCountDecoder(Decoder):
    """Weighted sum of each neuron's exact spike count in the last ``window`` seconds.

    weights : a number, (n,) or (n, size)
    window : length of the window [s], a whole number of steps; the window moves with every step
    """

    weights: Any
    window: Seconds


@dataclass(frozen=True, eq=False)
class FirstSpikeDecoder(Decoder):
    """Decision by the first neuron that fires in a time window: the result is this neuron's row of ``weights``.

    If several neurons fire first in the same step, the one with the lowest index decides. Windows follow each other
    from step 0. The result stays until a neuron fires in a later window. Before the first decision the result is 0.

    window : length of a window [s], a whole number of steps
    weights : a number, (n,) or (n, size); neurons that vote for the same result have equal rows. Without weights, an
        output of one number is the index of the first neuron. Without weights, an output of one number per neuron is 1
        for the first neuron and 0 for all others; with arg-max, each neuron then stands for an action
    """

    window: Seconds
    weights: Any = None


@dataclass(frozen=True)
class ArgmaxDecoder(Checked):
    """Choice of a discrete action: the decoders compute a number for each action, and the largest number wins.

    The command is the index of the largest number.

    actions : number of actions to choose from
    terms : decoders; the sum of their results is the vector of these numbers
    """

    actions: Annotated[int, Whole(2, MAX_SIZE)]
    terms: tuple[Decoder, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.terms:
            raise self.wrong("terms", "must hold at least one decoder")


@dataclass(frozen=True, eq=False)
class Output(Checked):
    """A command of ``size`` numbers: the sum of the decoders' results and a bias. The guard keeps it within its limits.

    If ``squash`` is true, tanh maps the sum of decoders and bias smoothly into the limits: the command is centre + half
    tanh(sum). Here ``centre`` is the middle between the two limits, and ``half`` is half the distance between them.

    decoder : one decoder, several decoders whose results are summed, or an `ArgmaxDecoder`
    size : number of elements of the command
    bias : a number or (size,) that is added to the decoders' sum
    limits : (low, high) of the command, each a number or (size,)
    slew : largest change of the command per second; inf for no limit
    acceleration : largest change per second of the command's rate of change; inf for no limit
    jerk : largest change per second of the acceleration; inf for no limit. The limit delays commands by the time
        acceleration / jerk
    safe : command during a fault: a number or (size,), or the word ``hold`` or ``none``. ``hold`` repeats the last
        command. ``none`` publishes no command, so that the actuator's own time-out acts
    ramp : whether the command changes to the safe command within the limits slew and acceleration; otherwise it changes
        in one step
    start : if safe is ``hold`` or ``none``, name of a value input of the same size whose numbers are the first command
    unit : unit of the command, for display only, e.g. rad/s
    squash : whether tanh maps the sum smoothly into the limits, which must then be finite; otherwise the sum is clamped
        to the limits
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
        """All decoders of the output, including the decoders of an arg-max."""
        return self.decoder.terms if isinstance(self.decoder, ArgmaxDecoder) else tuple(self.decoder)

    def with_terms(self, terms: tuple[Decoder, ...]) -> Output:
        """Return a copy of the output in which ``terms`` replace all its decoders."""
        chooses = isinstance(self.decoder, ArgmaxDecoder)
        return replace(self, decoder=replace(self.decoder, terms=terms) if chooses else terms)  # type: ignore[type-var]

    @property
    def stays(self) -> bool:
        """Whether the output remains at its last command during a fault, because ``safe`` is "hold" or "none"."""
        return isinstance(self.safe, str)

    @property
    def smooth(self) -> str:
        """Name of the first finite motion limit whose `MotionLimit.smooth` is true, or an empty string."""
        return next((key for key, limit in MOTION_LIMITS.items() if limit.smooth and self.given(key).any()), "")

    @property
    def safe_numbers(self) -> np.ndarray:
        """Safe command, (size,) float64.

        If the output `stays` at its last command during a fault, the result is the command before the first tick: 0,
        clipped to the limits.
        """
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
        """Return the command centre + half tanh(x), (size,) float64, for a decoded sum x, as ``squash`` defines it."""
        low, high = (np.asarray(side, np.float64) for side in self.limits)
        return np.broadcast_to(low + (high - low) * (0.5 + 0.5 * np.tanh(x)), self.size)

    def given(self, key: str) -> np.ndarray:
        """Return which elements of a field, such as ``slew``, differ from its default, as a bool array, () or
        (size,)."""
        return np.asarray(np.asarray(getattr(self, key)) != getattr(Output, key))

    def _check_motion(self) -> None:
        """Raise DescriptionError if a motion limit is invalid or contradicts another limit or ``safe``."""
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
        """Raise DescriptionError if an arg-max output has a bias, limits or motion limits.

        The command of an arg-max output is the index of an action, for which a bias or limits have no meaning.
        """
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
    """Settings of the guard, which outputs the safe command during a fault: tolerated delays, and the end of a fault.

    release : number of consecutive valid ticks that end a fault; with 0, an operator must end it
    missed : on a robot, largest tolerated number of consecutive periods without a tick; more are a fault. 0 means no
        limit
    latency : on a robot, largest intended time from the stamp of the newest message to the command [s]. A command that
        exceeds this time is counted and reported, but is not a fault
    """

    release: Annotated[int, Whole(0, 1 << 31)] = 5
    missed: Annotated[int, Whole(0, 1 << 31)] = 0
    latency: Annotated[float, Numbers(least=0, strict=True, unit="s", finite=False)] = math.inf

    @property
    def where(self) -> str:
        return "guard."
