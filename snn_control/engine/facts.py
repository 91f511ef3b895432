"""What a Program says of itself to people and drivers. Written to and read from JSON here alone."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, get_args, get_origin, get_type_hints

from ..errors import ProgramError

__all__ = [
    "NOTHING_KNOWN", "CountedFacts", "Facts", "InputFacts", "OutputFacts", "PopulationFacts", "ProjectionFacts",
    "RuleFacts", "from_json",
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


NOTHING_KNOWN = Facts()


def from_json(hint: Any, where: str, data: Any) -> Any:
    """Data of JSON as a value of an annotation: a dataclass, a tuple of any length, a word or a number.

    Raises ProgramError where its form is another; ``where`` it stands.
    """
    if dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        if not isinstance(data, dict) or set(data) != set(hints):
            raise ProgramError(f"{where}: has not the fields of {hint.__name__}")  # type: ignore[union-attr]
        return hint(**{name: from_json(one, f"{where}.{name}", data[name]) for name, one in hints.items()})
    if hint is Any:  # the size of an input
        hint = tuple[int, ...] if isinstance(data, list) and len(data) == 2 else int
    if get_origin(hint) is tuple:
        if not isinstance(data, list):
            raise ProgramError(f"{where}: must be a list")
        return tuple(from_json(get_args(hint)[0], f"{where}[{k}]", one) for k, one in enumerate(data))
    if type(data) is not hint and not (hint is float and type(data) is int):
        raise ProgramError(f"{where} = {data!r}: must be {hint}")
    return data
