"""Inputs: what arrives, and what is believed of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..network.graph import check_name, check_size
from .encoders import Encoder, PoolEncoder, SurfaceEncoder
from .filters import EventFilter

__all__ = ["EventsInput", "Input", "ValueInput"]

LONGEST = 1e9  # s


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
    encoder: Encoder | None = None
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
    filters : run in this order, in front of the encoder
    """

    size: tuple[int, int] = (128, 128)
    encoder: PoolEncoder | SurfaceEncoder = field(default_factory=lambda: PoolEncoder((16, 16)))
    capacity: int = 16384
    filters: tuple[EventFilter, ...] = ()

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
        for k, one in enumerate(self.filters):
            path = f"inputs.{self.name}.filters[{k}]"
            if not isinstance(one, EventFilter):
                raise DescriptionError(path, type(one).__name__, "must be a filter, e.g. Refractory(0.001)")
            one.check(path, *self.size)
