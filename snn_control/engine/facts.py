"""Facts about a Program: its inputs, outputs, populations and projections. Reports and code that runs ticks read them.

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
    """Facts about an input of the controller.

    kind : "value" or "events"
    size : number of values, int; for an events input (width, height) of the sensor [pixel]
    capacity : maximum number of events in a tick
    filters : names of the event filters, which are also the names of their counters
    stop_when : condition under which the input stops the commands, see `snn_control.coding.ValueInput`
    camera : parameters of the simulated event camera if the source of events is frames, see
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
    """Facts about an output of the controller. ``actions``: number of actions of an arg-max decoder, otherwise 0."""

    name: str
    size: int
    actions: int
    unit: str


@dataclass(frozen=True)
class PopulationFacts:
    """Facts about a population, or about the neurons of an encoder.

    A spiking population has a ring buffer of slots. Each slot contains the spike list of one network step.

    stride : size of a slot [bytes]
    slots : number of slots
    multiplicity : offset in a slot [bytes] of the number of spikes per neuron; 0 if a neuron fires at most once in a
        step
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

    label : name of the projection, encoder or decoder whose operations are counted
    kind : "accumulate" if source signals are 0 or 1; "multiply_accumulate" for other signals
    each : "step" or "tick": how often the operation runs
    synapses : number of synaptic operations in one run, if none is skipped
    weights : number of all weights
    zeros : number of weights that are 0
    precision : dtype of the weights
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

    used : number of synapses, without those whose weight is always 0
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

    name : name by which an operator switches the rule on and off
    title : title of the rule's projection, with which the names of the projection's arrays begin
    sparse : true if the weights are stored as sparse synapses; false if they are a dense matrix
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
    """Facts about a controller that was built for one network step ``dt`` and one tick period.

    dt, period : [s]; 0 if they are not known
    spiking : names of the spiking populations, in the order of their spike counters
    updates : number of state variables that decay in a network step
    repeat : number of ticks for which an observation is used (`ControllerSpec.repeat`)
    tunable : names of the tunable numbers (`ControllerSpec.tunable`)
    tuned : values of the tunable numbers in the controller file
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
    """Convert JSON data to the type ``hint``: a dataclass, a tuple, a string or a number.

    Raise ProgramError with the path ``where`` if the data do not have this type.
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
