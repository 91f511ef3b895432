"""Outputs: how activity becomes a command, and what bounds it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..network.graph import check_name, check_size

__all__ = [
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


class Decoder:
    """Base of all decoder descriptions: what one population adds to an output, a term of a sum.

    source : population
    """

    source: str


def _time(path: str, value: Any) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise DescriptionError(path, value, "must be > 0 s")


@dataclass(frozen=True, eq=False)
class SpikeDecoder(Decoder):
    """Linear in the filtered rates [Hz]: sum over neurons of weights x rate.

    source : population
    weights : a number, (n,) or (n, size)
    tau : time constant of the exponential filter [s]; its area is one, so a steady rate reads as that rate
    """

    source: str
    weights: Any
    tau: float

    def __post_init__(self) -> None:
        _time("tau", self.tau)


@dataclass(frozen=True, eq=False)
class MembraneDecoder(Decoder):
    """Linear in a graded population's output (LI): v W, weights a number, (n,) or (n, size).

    window : v is the mean over the last ``window`` seconds, whole steps; it is 0 before the first step. None takes the
        newest value
    """

    source: str
    weights: Any
    window: float | None = None

    def __post_init__(self) -> None:
        if self.window is not None:
            _time("window", self.window)


@dataclass(frozen=True, eq=False)
class PopulationVectorDecoder(Decoder):
    """Mean of the neurons' directions, weighted by their filtered rates (Georgopoulos et al. 1986, Science 233:1416).

    directions : (n, size), or (n,) for one number: what each neuron stands for
    tau : time constant of the rates' exponential filter [s]
    hold : while the population is silent keep the last mean, else 0; silent is a sum of rates below what one spike
        leaves after 5 tau
    """

    source: str
    directions: Any
    tau: float
    hold: bool = False

    def __post_init__(self) -> None:
        _time("tau", self.tau)


@dataclass(frozen=True, eq=False)
class SpikeCountDecoder(Decoder):
    """Linear in the spikes of each neuron in the last ``window`` seconds, counted exactly.

    weights : a number, (n,) or (n, size)
    window : [s], whole steps; it slides with every step
    """

    source: str
    weights: Any
    window: float

    def __post_init__(self) -> None:
        _time("window", self.window)


@dataclass(frozen=True, eq=False)
class FirstSpikeDecoder(Decoder):
    """The weights of the neuron that fired first in a decision window, of the lowest index where several did.

    Windows follow each other from step 0 on; what the last one decided holds until a neuron fires in the next. Before
    any decision it is 0.

    window : [s], whole steps
    weights : a number, (n,) or (n, size); of groups, one row a neuron that is the same in a group. None takes the
        index of the neuron where the output is one number, else one output a neuron, 1 for the one that fired first:
        with arg-max, an action a neuron
    """

    source: str
    window: float
    weights: Any = None

    def __post_init__(self) -> None:
        _time("window", self.window)


@dataclass(frozen=True)
class ArgmaxDecoder:
    """A discrete action: the index of the largest of ``actions`` decoded values."""

    actions: int
    terms: tuple[Decoder, ...]

    def __post_init__(self) -> None:
        check_size("actions", self.actions)
        if self.actions < 2:
            raise DescriptionError("actions", self.actions, "must be a whole number >= 2")
        if not self.terms:
            raise DescriptionError("terms", self.terms, "must hold at least one decoder")


@dataclass(frozen=True, eq=False)
class Output:
    """A command of ``size`` numbers: the sum of its decoders' terms and a bias, guarded.

    limits : (low, high), numbers or (size,)
    slew : largest change a second, inf for none
    safe : the command when something is wrong
    ramp : go to the safe value along the slew limit instead of at once
    """

    name: str
    decoder: tuple[Decoder, ...] | ArgmaxDecoder
    size: int = 1
    bias: Any = 0.0
    limits: tuple[Any, Any] = (-math.inf, math.inf)
    slew: Any = math.inf
    safe: Any = 0.0
    ramp: bool = False
    unit: str = ""

    def __post_init__(self) -> None:
        check_name("name", self.name)
        where = f"outputs.{self.name}"
        check_size(f"{where}.size", self.size)
        values = {"bias": self.bias, "slew": self.slew, "safe": self.safe}
        values |= {"limits[0]": self.limits[0], "limits[1]": self.limits[1]}
        for key, value in values.items():
            array = np.asarray(value, np.float64)
            if array.shape not in ((), (self.size,)) or np.isnan(array).any():
                raise DescriptionError(f"{where}.{key}", value, f"must be a number or {self.size} numbers")
        if not (np.abs(np.asarray(self.bias, np.float64)) <= np.finfo(np.float32).max).all():
            raise DescriptionError(f"{where}.bias", self.bias, "must be finite numbers of float32")
        if isinstance(self.decoder, ArgmaxDecoder):
            self._check_action(where, values, self.decoder.actions)
        low, high, safe = (np.asarray(v, np.float64) for v in (*self.limits, self.safe))
        if not (low < high).all():
            raise DescriptionError(f"{where}.limits", list(self.limits), "low must be < high")
        if not ((safe >= low) & (safe <= high)).all() or not np.isfinite(safe).all():
            raise DescriptionError(f"{where}.safe", self.safe, f"must be finite and within limits {list(self.limits)}")
        if not (np.asarray(self.slew, np.float64) > 0).all():
            raise DescriptionError(f"{where}.slew", self.slew, "must be > 0 a second")
        if self.ramp and not np.isfinite(np.asarray(self.slew, np.float64)).all():
            raise DescriptionError(f"{where}.slew", self.slew, "must be finite where safe is 'ramp'", "give a slew")

    def _check_action(self, where: str, values: dict[str, Any], actions: int) -> None:
        """An index of an action knows no bias, no limits of its own and no slew."""
        if self.size != 1:
            raise DescriptionError(f"{where}.size", self.size, "must be 1 with arg-max")
        for key, none in (("bias", 0.0), ("limits[0]", -math.inf), ("limits[1]", math.inf), ("slew", math.inf)):
            if np.any(np.asarray(values[key]) != none):
                raise DescriptionError(f"{where}.{key}", values[key], "does not go with arg-max", "leave it out")
        if float(np.max(self.safe)) not in range(actions):
            rule = f"must be an action: a whole number in [0, {actions})"
            raise DescriptionError(f"{where}.safe", self.safe, rule)


@dataclass(frozen=True)
class Guard:
    """release : valid ticks in a row that end a fault; 0 waits for an operator."""

    release: int = 5

    def __post_init__(self) -> None:
        if not isinstance(self.release, int) or isinstance(self.release, bool) or not 0 <= self.release <= 1 << 31:
            raise DescriptionError("guard.release", self.release, "must be a whole number >= 0 (0: an operator)")
