"""Descriptions of a network and its components: `Population`, `Projection` and `Network`."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError, within
from .checks import EACH, Checked, Each, Numbers, OneOf, Positive, Seconds, Size, check_name
from .connectors import AllToAll, Connector, FromArrays, OneToOne
from .convolution import Convolution
from .distributions import Distribution
from .neurons import NeuronModel
from .plasticity import LearningRule

__all__ = ["Network", "Population", "Projection"]

#: connections that have a name
CONNECTIONS: dict[str, type[Connector]] = {"dense": AllToAll, "sparse": FromArrays, "one_to_one": OneToOne}


@dataclass(frozen=True)
class Drawn:
    """Rule for a field that is numbers, or a Distribution from which the numbers are drawn."""

    rule: Numbers

    def __call__(self, path: str, value: Any) -> None:
        if not isinstance(value, Distribution):
            self.rule(path, value)


@dataclass(frozen=True)
class Population(Checked):
    """A group of ``size`` neurons that have the same neuron model.

    size : number of neurons
    neuron : model of the neurons
    bias : constant current into each neuron's membrane: a number, (size,) or a Distribution
    v_init : membrane potential at reset: a number, (size,) or a Distribution; None uses the resting value of the model
    """

    name: str
    size: Size
    neuron: NeuronModel
    bias: Annotated[Any, Drawn(EACH)] = 0.0
    v_init: Annotated[Any, Drawn(EACH)] = None

    @property
    def where(self) -> str:
        return f"populations.{self.name}."

    def __post_init__(self) -> None:
        check_name("name", self.name)
        super().__post_init__()
        if not isinstance(self.neuron, NeuronModel):
            raise self.wrong("neuron", "must be a neuron model")
        if self.neuron.size not in (None, self.size):
            rule = f"has parameters for {self.neuron.size} neurons: must be {self.size}, the population's size"
            raise self.wrong("neuron", rule)
        for key in ("bias", "v_init"):
            shape = np.shape(getattr(self, key))
            if shape not in ((), (self.size,)):
                raise self.wrong(key, f"must be a number or have shape ({self.size},)", value=f"shape {shape}")


@dataclass(frozen=True, eq=False)
class Projection(Checked):
    """Connections from ``pre``, which is a population or an input, to the population ``post``.

    pre : name of the source, which is an input or a population
    post : name of the target population
    weights : a number, a Distribution, or an array. The array's shape is (n_pre, n_post) for "dense", (n,) for
        "one_to_one", and (k,) for "sparse", in the order of pre_index and post_index. For other connectors it is (k,),
        ordered by presynaptic, then by postsynaptic neuron. A convolution requires an array (channels out, channels in
        / groups, rows, columns)
    connection : a Connector or the name of a connector: "dense" (AllToAll), "one_to_one" (OneToOne), "sparse"
        (FromArrays of pre_index and post_index); or a `Convolution`
    delay : transmission delay of spikes [s], a number, or one number per synapse in the shape of the weights; a spike
        of step k arrives in step k + round(delay / dt)
    receptor : "current" (into the membrane, for one step) or "synaptic" (adds to isyn, in models that have isyn); empty
        means "synaptic" if the model has isyn, and "current" if it does not
    tau_syn : time constant [s] of an exponential synaptic current of the projection, which is added to the current into
        the membrane; possible for any neuron model
    pre_index : for the connection "sparse", index of each synapse's source neuron, (k,)
    post_index : for the connection "sparse", index of each synapse's target neuron, (k,)
    bias : current that is added in every step, as in NIR's Affine: a number, (n_post,), or for a convolution (channels
        out,)
    precision : "float32" or "int8". int8 weights are whole numbers in [-127, 127] times ``scale``; a file with a scale
        may contain the whole numbers as an int8 array
    scale : factor of int8 weights; None uses the largest absolute weight / 127
    learning : learning rule that changes the weights while the controller runs; ``weights`` are then the initial
        weights
    """

    pre: str
    post: str
    weights: Annotated[Any, Drawn(Numbers(ndim=4))] = 1.0
    connection: str | Connector | Convolution = "dense"
    pre_index: Any = None
    post_index: Any = None
    delay: Annotated[Any, Numbers(ndim=2, least=0, unit="s")] = 0.0
    receptor: Annotated[str, OneOf("", "current", "synaptic")] = ""
    tau_syn: Seconds | None = None
    bias: Each = None
    precision: Annotated[str, OneOf("float32", "int8")] = "float32"
    scale: Positive | None = None
    learning: LearningRule | None = None

    @property
    def label(self) -> str:
        return f"projections[{self.pre} -> {self.post}]"

    @property
    def where(self) -> str:
        return f"{self.label}."

    @property
    def connector(self) -> Connector | Convolution:
        """Connector of the projection: ``connection``, or the connector that ``connection`` names."""
        if not isinstance(self.connection, str):
            return self.connection
        if self.connection == "sparse":
            return FromArrays(self.pre_index, self.post_index)
        return CONNECTIONS[self.connection]()

    def __post_init__(self) -> None:
        for key in ("pre", "post"):
            check_name(f"projection.{key}", getattr(self, key))
        super().__post_init__()
        if not isinstance(self.connection, Connector | Convolution) and self.connection not in CONNECTIONS:
            raise self.wrong("connection", f"must be one of {', '.join(CONNECTIONS)}, or a connector")
        if self.tau_syn is not None and self.receptor == "synaptic":
            raise self.wrong("tau_syn", "cannot be used with receptor 'synaptic'", "leave receptor out")
        if self.scale is not None and self.precision != "int8":
            raise self.wrong("scale", "requires precision 'int8'")
        self._check_learning()
        indexed = {self.pre_index is not None, self.post_index is not None}
        if indexed != {self.connection == "sparse"}:
            rule = "pre_index and post_index go with connection 'sparse', and both are needed there"
            raise self.wrong("connection", rule)
        with within(self.label):
            self.connector  # noqa: B018  (its arrays are checked)

    def _check_learning(self) -> None:
        if self.learning is None:
            return
        if not isinstance(self.learning, LearningRule):
            raise self.wrong("learning", "must be a learning rule")
        if isinstance(self.connection, Convolution) or np.ndim(self.delay) or self.precision != "float32":
            rule = "requires one delay and float32 weights, and no convolution"
            raise self.wrong("learning", rule, value=type(self.learning).__name__)


@dataclass(frozen=True)
class Network:
    """A network: populations with unique names, and projections from inputs and populations to populations."""

    populations: tuple[Population, ...] = ()
    projections: tuple[Projection, ...] = field(default=())

    def __post_init__(self) -> None:
        names = [p.name for p in self.populations]
        for name in names:
            if names.count(name) > 1:
                raise DescriptionError("populations", name, "every name must be unique")


def free_name(word: str, taken: Container[str]) -> str:
    """Return ``word``, or the first of ``word_2``, ``word_3``, ... that is not in ``taken``."""
    names = (word if k == 1 else f"{word}_{k}" for k in count(1))
    return next(name for name in names if name not in taken)


def reached(starts: Iterable[str], after: Callable[[str], Iterable[str]]) -> set[str]:
    """Return the nodes of a directed graph that can be reached from ``starts``, including ``starts``.

    after : function that returns the direct successors of a node
    """
    seen: set[str] = set()
    todo = list(starts)
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += after(name)
    return seen
