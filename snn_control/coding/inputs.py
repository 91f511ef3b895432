"""Inputs: what arrives, what is believed of it, and how it becomes a signal for the network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..network.graph import check_name, check_size
from ..network.neurons import NeuronModel

__all__ = ["EventsInput", "Input", "LinearEncoder", "PoolEncoder", "PopulationEncoder", "ValueInput"]


LONGEST = 1e9  # s


def _finite(path: str, value: Any) -> None:
    if not math.isfinite(value):
        raise DescriptionError(path, value, "must be finite")


@dataclass(frozen=True)
class PopulationEncoder:
    """Gaussian receptive fields a dimension, evenly spaced over ``range`` (PopSAN, Tang et al. 2020).

    neurons : fields a dimension
    low, high : first and last centre, a number or (dimensions,); None takes the input's range
    sigma : width in units of the input; None takes the distance of two centres
    drive : current at a field's centre
    neuron : spiking model driven by the fields; None leaves the graded current
    """

    neurons: int
    low: Any = None
    high: Any = None
    sigma: Any = None
    drive: float = 4.0
    neuron: NeuronModel | None = None

    def __post_init__(self) -> None:
        check_size("neurons", self.neurons)
        if self.neurons < 2:
            raise DescriptionError("neurons", self.neurons, "must be at least 2 a dimension")
        _finite("drive", self.drive)


@dataclass(frozen=True, eq=False)
class LinearEncoder:
    """current = x W + bias, with W (dimensions, neurons); the encoders, gains and biases of the NEF."""

    weights: Any
    bias: Any = 0.0
    neuron: NeuronModel | None = None


@dataclass(frozen=True)
class PoolEncoder:
    """Events summed over the cells of a grid, a graded vector a tick, in row-major order of (row, column).

    grid : (columns, rows)
    polarity : "signed" (ON adds ``on_weight``, OFF takes ``off_weight`` away), "merge" (both add 1), "split" (OFF
        cells, then ON cells)
    """

    grid: tuple[int, int]
    polarity: str = "signed"
    on_weight: float = 1.0
    off_weight: float = 1.0
    neuron: NeuronModel | None = None

    def __post_init__(self) -> None:
        for k in (0, 1):
            check_size(f"grid[{k}]", self.grid[k])
        if self.polarity not in ("signed", "merge", "split"):
            raise DescriptionError("polarity", self.polarity, "must be 'signed', 'merge' or 'split'")
        _finite("on_weight", self.on_weight)
        _finite("off_weight", self.off_weight)


@dataclass(frozen=True)
class Input:
    """What every input has.

    stale : age [s] beyond which it is invalid
    required : while it is invalid, the command is the safe one
    """

    name: str
    stale: float = math.inf
    required: bool = True

    def __post_init__(self) -> None:
        check_name("name", self.name)
        if not (0 < self.stale <= LONGEST or (math.isinf(self.stale) and self.stale > 0)):
            rule = f"must be > 0 s and at most {LONGEST:g} s, or infinite"
            raise DescriptionError(f"inputs.{self.name}.stale", self.stale, rule)


@dataclass(frozen=True)
class ValueInput(Input):
    """A vector of numbers; the newest wins.

    range : (low, high), numbers or (size,); values beyond are clamped and counted
    plausible : (low, high); a sample with a value beyond, or not finite, is rejected and the input is invalid
    """

    size: int = 1
    encoder: PopulationEncoder | LinearEncoder | None = None
    range: tuple[Any, Any] = (-math.inf, math.inf)
    plausible: tuple[Any, Any] = (-math.inf, math.inf)
    unit: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_size(f"inputs.{self.name}.size", self.size)
        for key in ("range", "plausible"):
            low, high = (np.asarray(side, np.float64) for side in getattr(self, key))
            for k, side in enumerate((low, high)):
                if side.shape not in ((), (self.size,)) or np.isnan(side).any():
                    rule = f"must be a number or {self.size} numbers"
                    raise DescriptionError(f"inputs.{self.name}.{key}[{k}]", getattr(self, key)[k], rule)
            if not (low < high).all():
                raise DescriptionError(f"inputs.{self.name}.{key}", getattr(self, key), "low must be < high")


@dataclass(frozen=True)
class EventsInput(Input):
    """A stream of camera events.

    size : (width, height) in pixels
    capacity : events a tick; what comes beyond is cut and counted
    """

    size: tuple[int, int] = (128, 128)
    encoder: PoolEncoder = field(default_factory=lambda: PoolEncoder((16, 16)))
    capacity: int = 16384

    def __post_init__(self) -> None:
        super().__post_init__()
        for k in (0, 1):
            check_size(f"inputs.{self.name}.size[{k}]", self.size[k])
            if self.size[k] > 65536:
                raise DescriptionError(f"inputs.{self.name}.size[{k}]", self.size[k], "must be at most 65536")
            if self.encoder.grid[k] > self.size[k]:
                rule = f"must be at most the camera's size ({self.size[k]})"
                raise DescriptionError(f"inputs.{self.name}.encoder.grid[{k}]", self.encoder.grid[k], rule)
        check_size(f"inputs.{self.name}.capacity", self.capacity)
