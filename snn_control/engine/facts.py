"""What a Program states about itself for people and drivers. Only this module converts it to and from JSON."""

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
    size : number of values, int; for events (width, height) [pixel], tuple[int, int]
    capacity : most events in a tick
    filters : names of the filters, which are those of their counters
    stop_when : see `snn_control.coding.ValueInput`
    """

    name: str
    kind: str
    size: Any
    required: bool
    capacity: int = 0
    filters: tuple[str, ...] = ()
    stop_when: str = ""


@dataclass(frozen=True)
class OutputFacts:
    """An output; ``actions`` of an arg-max decoder, otherwise 0."""

    name: str
    size: int
    actions: int
    unit: str


@dataclass(frozen=True)
class PopulationFacts:
    """A population, or the neurons of an encoder; if it fires, also the ring of its spike lists: bytes of a slot,
    number of slots, and offset of the multiplicities in a slot (0: each neuron fires once in a step)."""

    name: str
    size: int
    spiking: bool
    stride: int
    slots: int
    multiplicity: int


@dataclass(frozen=True)
class CountedFacts:
    """What one counter of synaptic operations counts.

    label : its place in the controller
    kind : "accumulate" if sources are 0 or 1, otherwise "multiply_accumulate"
    each : "step" or "tick", in which it runs once
    synapses : number of operations if nothing is skipped
    weights, zeros : number of its weights, and of those that are 0
    precision : type of the weights
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
    """A projection; used : number of synapses without those whose weight is always 0."""

    pre: str
    post: str
    synapses: int
    used: int
    delay_steps: int


@dataclass(frozen=True)
class RuleFacts:
    """A learning rule; title : title of the projection, with which the names of its arrays start."""

    name: str
    rule: str
    pre: str
    post: str
    title: str
    sparse: bool
    synapses: int


@dataclass(frozen=True)
class Facts:
    """Facts of a controller built for one dt and period [s]; both are 0 if nothing is known.

    spiking : populations that fire, in the order of their counters
    updates : number of state variables that decay in a step
    repeat : number of ticks for which an observation is used (`ControllerSpec.repeat`)
    tunable : names of the numbers that can be tuned (`ControllerSpec.tunable`)
    tuned : their values in the file
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
    tunable: tuple[str, ...] = ()
    tuned: tuple[float, ...] = ()

    @property
    def period_ns(self) -> int:
        return round(self.period * 1e9)


NOTHING_KNOWN = Facts()


def from_json(hint: Any, where: str, data: Any) -> Any:
    """JSON data as a dataclass, a tuple, a word or a number; raises ProgramError, at ``where``, for another form."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = get_type_hints(hint)
        if not isinstance(data, dict) or set(data) != set(hints):
            raise ProgramError(f"{where}: does not have the fields of {hint.__name__}")
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
