"""Facts about a Program, for reports and for code that runs it: its inputs, outputs, populations and projections.

Only this module converts facts to and from JSON.
"""

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
    """Facts about an input.

    kind : "value" or "events"
    size : number of values, int; for events (width, height) [pixel], tuple[int, int]
    capacity : maximum number of events in a tick
    filters : names of the filters; the counter of a filter has the same name
    stop_when : see `snn_control.coding.ValueInput`
    camera : for an events input whose source is frames, numbers of the simulated event camera, see
        `snn_control.coding.FrameCameraSettings.numbers`; otherwise empty
    """

    name: str
    kind: str
    size: Any
    required: bool
    capacity: int = 0
    filters: tuple[str, ...] = ()
    stop_when: str = ""
    camera: tuple[float, ...] = ()


@dataclass(frozen=True)
class OutputFacts:
    """Facts about an output. ``actions`` is the number of actions of an arg-max decoder; 0 for other decoders."""

    name: str
    size: int
    actions: int
    unit: str


@dataclass(frozen=True)
class PopulationFacts:
    """Facts about a population, or about the neurons of an encoder.

    A spiking population has a ring of slots; each slot holds the spike list of one step.

    stride : size of a slot [bytes]
    slots : number of slots
    multiplicity : offset in a slot [bytes] of the number of spikes of each neuron; 0: each neuron fires at most once
    """

    name: str
    size: int
    spiking: bool
    stride: int
    slots: int
    multiplicity: int


@dataclass(frozen=True)
class CountedFacts:
    """Facts about one counter of synaptic operations.

    label : place of the counted operation in the controller
    kind : "accumulate" if sources are 0 or 1; "multiply_accumulate" for other sources
    each : "step" or "tick": how often the operation runs
    synapses : number of synaptic operations in one run, if none is skipped
    weights : number of all weights
    zeros : number of weights that are 0
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
    """Facts about a projection.

    used : number of the projection's synapses whose weight is not always 0
    delay_steps : delay in network steps
    """

    pre: str
    post: str
    synapses: int
    used: int
    delay_steps: int


@dataclass(frozen=True)
class RuleFacts:
    """Facts about a learning rule.

    name : name with which an operator switches the rule on and off
    title : title of the rule's projection, with which the names of its arrays start
    sparse : whether the synapses are stored as rows of pairs; if not, they are a matrix
    """

    name: str
    rule: str
    pre: str
    post: str
    title: str
    sparse: bool
    synapses: int


@dataclass(frozen=True)
class Facts:
    """Facts about a controller that was built for one dt and period [s]; both are 0 if they are not known.

    spiking : names of the populations that fire, in the order of their spike counters
    updates : number of state variables that decay in a step
    repeat : number of ticks for which an observation is used (`ControllerSpec.repeat`)
    tunable : names of the tunable numbers (`ControllerSpec.tunable`)
    tuned : values of the tunable numbers in the file
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
    """Convert JSON data to the type ``hint``: a dataclass, a tuple, a text or a number.

    Raise ProgramError, which names the place ``where``, if the data do not have this type.
    """
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
