"""Populations and projections."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DescriptionError
from .neurons import NeuronModel

__all__ = ["Network", "Population", "Projection"]

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
MOST = 100_000_000  # neurons, numbers
CONNECTIONS = ("dense", "sparse", "one_to_one")


def check_name(path: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.match(name):
        raise DescriptionError(path, name, "must be a name: a letter, then letters, digits and underscores")


def check_size(path: str, value: Any) -> None:
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 1 <= value <= MOST:
        raise DescriptionError(path, value, f"must be a whole number >= 1, at most {MOST:,}")


@dataclass(frozen=True)
class Population:
    """``size`` neurons of one model.

    bias : scalar or (size,), a constant current into every membrane
    v_init : membrane at reset, scalar or (size,)
    """

    name: str
    size: int
    neuron: NeuronModel
    bias: Any = 0.0
    v_init: Any = 0.0

    def __post_init__(self) -> None:
        check_name("name", self.name)
        check_size(f"populations.{self.name}.size", self.size)
        if not isinstance(self.neuron, NeuronModel):
            raise DescriptionError(f"populations.{self.name}.neuron", self.neuron, "must be a neuron model")
        for key in ("bias", "v_init"):
            value = np.asarray(getattr(self, key), np.float64)
            if value.shape not in ((), (self.size,)):
                rule = f"must be a number or have shape ({self.size},)"
                raise DescriptionError(f"populations.{self.name}.{key}", f"shape {value.shape}", rule)
            if not np.isfinite(value).all():
                raise DescriptionError(f"populations.{self.name}.{key}", getattr(self, key), "must be finite")


@dataclass(frozen=True, eq=False)
class Projection:
    """Connections from ``pre`` (a population or an input) to ``post``.

    weights : dense: a number or (n_pre, n_post); one_to_one: a number or (n,); sparse: (k,) with pre_index, post_index
    delay : [s]; a spike of step k arrives in step k + round(delay / dt)
    receptor : "current" (into the membrane, for one step) or "synaptic" (adds to isyn; models that have one);
        empty takes "synaptic" where the model has it
    bias : scalar or (n_post,), added in every step, as in NIR's Affine
    """

    pre: str
    post: str
    weights: Any = 1.0
    connection: str = "dense"
    pre_index: Any = None
    post_index: Any = None
    delay: float = 0.0
    receptor: str = ""
    bias: Any = None

    @property
    def label(self) -> str:
        return f"projections[{self.pre} -> {self.post}]"

    def __post_init__(self) -> None:
        if self.connection not in CONNECTIONS:
            raise DescriptionError(
                f"{self.label}.connection", self.connection, f"must be one of {', '.join(CONNECTIONS)}"
            )
        if self.receptor not in ("", "current", "synaptic"):
            raise DescriptionError(f"{self.label}.receptor", self.receptor, "must be 'current' or 'synaptic'")
        if not np.isfinite(self.delay) or self.delay < 0:
            raise DescriptionError(f"{self.label}.delay", self.delay, "must be >= 0 s")
        for key in ("weights", "bias"):
            value = getattr(self, key)
            if value is None:
                continue
            array = np.asarray(value)
            if array.dtype.kind not in "fiu":
                raise DescriptionError(f"{self.label}.{key}", f"dtype {array.dtype}", "must be numbers")
            if not np.isfinite(array).all():
                raise DescriptionError(f"{self.label}.{key}", "NaN or infinity", "must be finite")
        indexed = {self.pre_index is not None, self.post_index is not None}
        if indexed != {self.connection == "sparse"}:
            rule = "pre_index and post_index go with connection 'sparse', and both are needed there"
            raise DescriptionError(f"{self.label}.connection", self.connection, rule)


@dataclass(frozen=True)
class Network:
    """Populations by name, and the projections among them and from the inputs."""

    populations: tuple[Population, ...] = ()
    projections: tuple[Projection, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [p.name for p in self.populations]
        for name in names:
            if names.count(name) > 1:
                raise DescriptionError("populations", name, "every name must be there once")
