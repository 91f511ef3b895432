"""What a Program says of itself to people and drivers. Written to and read from JSON here alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from ..errors import ProgramError

__all__ = [
    "NOTHING_KNOWN", "CountedFacts", "Facts", "InputFacts", "OutputFacts", "PopulationFacts", "ProjectionFacts",
    "RuleFacts",
]  # fmt: skip


@dataclass(frozen=True)
class InputFacts:
    """An input.

    kind : "value" or "events"
    size : of values how many, int; of events (width, height) [pixel], tuple[int, int]
    capacity : events in a tick; filters : names of the filters, of which counters go by
    """

    name: str
    kind: str
    size: Any
    required: bool
    capacity: int = 0
    filters: tuple[str, ...] = ()


@dataclass(frozen=True)
class OutputFacts:
    """An output; actions : of an arg-max decoder, else 0."""

    name: str
    size: int
    actions: int
    unit: str


@dataclass(frozen=True)
class PopulationFacts:
    """A population, an encoder's neurons included; of one that fires the ring of its spike lists: bytes of a slot, how
    many slots, and where the multiplicities stand in one (0: each neuron fires once a step)."""

    name: str
    size: int
    spiking: bool
    stride: int
    slots: int
    multiplicity: int


@dataclass(frozen=True)
class CountedFacts:
    """What one counter of synaptic operations counts.

    label : where it stands in the controller
    kind : "accumulate" where a source is 0 or 1, else "multiply_accumulate"
    each : "step" or "tick", in which it runs once
    synapses : what it would count each time if it skipped nothing
    weights, zeros : how many weights it has, and how many of them are 0
    precision : of the weights
    """

    label: str
    kind: str
    each: str
    synapses: int
    weights: int
    zeros: int
    precision: str


@dataclass(frozen=True)
class ProjectionFacts:
    """A projection; used : synapses without those whose weight is 0 and stays so."""

    pre: str
    post: str
    synapses: int
    used: int
    delay_steps: int


@dataclass(frozen=True)
class RuleFacts:
    """A learning rule; title : of the projection, by which its arrays are called."""

    name: str
    rule: str
    pre: str
    post: str
    title: str
    sparse: bool
    synapses: int


@dataclass(frozen=True)
class Facts:
    """Facts of a controller built for one dt and period [s]; both are 0 where nothing is known.

    spiking : populations that fire, in the order of their counters
    updates : state variables that decay in a step
    repeat : for how many ticks an observation holds (`ControllerSpec.repeat`)
    """

    dt: float = 0.0
    period: float = 0.0
    inputs: tuple[InputFacts, ...] = ()
    outputs: tuple[OutputFacts, ...] = ()
    populations: tuple[PopulationFacts, ...] = ()
    spiking: tuple[str, ...] = ()
    counted: tuple[CountedFacts, ...] = ()
    updates: int = 0
    projections: tuple[ProjectionFacts, ...] = ()
    learning: tuple[RuleFacts, ...] = ()
    repeat: int = 1

    @property
    def period_ns(self) -> int:
        return round(self.period * 1e9)

    def data(self) -> dict[str, Any]:
        """As plain JSON data."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, data: Any) -> Facts:
        """Facts from the JSON data that `data` gives; raises ProgramError where its form is wrong."""
        return _made(cls, "facts", data)


NOTHING_KNOWN = Facts()
_OF = {
    "inputs": InputFacts, "outputs": OutputFacts, "populations": PopulationFacts, "counted": CountedFacts,
    "projections": ProjectionFacts, "learning": RuleFacts,
}  # fmt: skip


def _made(cls: type, where: str, data: Any) -> Any:
    if not isinstance(data, dict) or set(data) != {f.name for f in fields(cls)}:
        raise ProgramError(f"{where}: has not the fields of {cls.__name__}")
    values = dict(data)
    for f in fields(cls):
        path, value = f"{where}.{f.name}", data[f.name]
        if f.name in _OF and cls is Facts:
            if not isinstance(value, list):
                raise ProgramError(f"{path}: must be a list")
            values[f.name] = tuple(_made(_OF[f.name], f"{path}[{k}]", one) for k, one in enumerate(value))
            continue
        if isinstance(value, list):
            values[f.name] = value = tuple(value)
        hint = get_type_hints(cls)[f.name]
        if not _is(value, hint):
            raise ProgramError(f"{path} = {value!r}: must be {hint}")
    return cls(**values)


def _is(value: Any, hint: Any) -> bool:
    """Whether a value of JSON, lists as tuples, is of a field's type; a whole number is a float too."""
    if hint in (str, bool, int):
        return type(value) is hint
    if hint is float:
        return type(value) in (int, float)
    if hint == tuple[str, ...]:
        return isinstance(value, tuple) and all(type(one) is str for one in value)
    return type(value) is int or (  # the size of an input
        isinstance(value, tuple) and len(value) == 2 and all(type(n) is int for n in value)
    )
