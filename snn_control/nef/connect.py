"""Connections between ensembles, and their conversion to a network of populations and projections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError, within
from ..network import LI, Network, Population, Projection
from ..network.checks import Checked, Numbers, Positive, check_name
from ..network.graph import reached
from .ensemble import MATRIX, Ensemble, Function, transformed

__all__ = ["Connection", "network"]


@dataclass(frozen=True, eq=False)
class Connection(Checked):
    """Adds transform * function(value of ``pre``), filtered by a synapse, to the value that ``post`` represents.

    pre : an ensemble, or the name of a graded population or of an input without an encoder
    post : an ensemble
    function : function of the value x of the ensemble ``pre``: a callable, or a tuple (points (m, dimensions), targets
        (m, k)) with its values at points; None means the identity
    transform : a number, or a matrix (dimensions of post, k), where k is the number of dimensions of pre or of the
        function's value
    synapse : time constant [s] of the exponential filter; 0 means no filter and is only allowed if pre is an input
    noise : expected noise of the firing rates, which sets the regularisation of the decoders, see `ensemble.solve`

    A connection from an ensemble becomes the projection ``pre -> post_synapse<k>``. The dense weights of this
    projection, (neurons, dimensions), are the decoders. A learning rule such as PES can change them.
    """

    pre: Ensemble | str
    post: Ensemble
    function: Function = None
    transform: Any = 1.0
    synapse: Annotated[float, Numbers(least=0, unit="s")] = 0.005
    noise: Positive = 0.1

    @property
    def label(self) -> str:
        return f"connections[{getattr(self.pre, 'name', self.pre)} -> {self.post.name}]"

    @property
    def where(self) -> str:
        return f"{self.label}."

    def __post_init__(self) -> None:
        if not isinstance(self.post, Ensemble):
            raise DescriptionError("connections.post", self.post, "must be an Ensemble")
        if not isinstance(self.pre, Ensemble):
            check_name("connections.pre", self.pre)
            if self.function is not None:
                raise self.wrong("function", "must be None for an input", "use a transform or an ensemble")
        super().__post_init__()
        if self.synapse == 0 and isinstance(self.pre, Ensemble):
            raise self.wrong("synapse", "must be > 0 s: spikes are filtered")

    def projection(self, target: str, delay: float = 0.0) -> Projection:
        """Return the projection from ``pre`` to a graded population ``target`` with the dimensions of ``post``.

        Raises DescriptionError.
        """
        with within(self.label, "ensembles."):
            if isinstance(self.pre, Ensemble):
                found = self.pre.projection(target, self.function, self.transform, self.noise, delay=delay)
            else:
                MATRIX("transform", self.transform)
                t = np.asarray(self.transform, np.float64)
                numbers = np.eye(t.shape[1] if t.ndim == 2 else self.post.dimensions)
                found = Projection(self.pre, target, transformed(numbers, t), delay=delay)
        size, d = found.weights.shape[1], self.post.dimensions
        if size != d:
            raise DescriptionError(self.label, f"{size} numbers", f"must be {self.post.name}'s {d}", "give a transform")
        return found


def network(
    connections: Sequence[Connection], populations: Iterable[Population] = (), projections: Iterable[Projection] = ()
) -> Network:
    """Convert connections and their ensembles to a network. ``populations`` and ``projections`` are added to it.

    All connections into an ensemble with the same synapse share a population of leaky integrators,
    ``<post>_synapse<k>``, with the dimensions of the ensemble. The integrators implement the synapse. The ensemble's
    encoders convert their output to currents. The decoders of a connection that closes a cycle, such as a recurrent
    connection, act one step later. All other decoders act in the same step.

    Simulate the network with the dt of the ensembles. Raises DescriptionError.
    """
    ensembles = list(dict.fromkeys(e for c in connections for e in (c.pre, c.post) if isinstance(e, Ensemble)))
    if len({e.dt for e in ensembles}) > 1:
        raise DescriptionError("ensembles", sorted({e.dt for e in ensembles}), "must all have the same dt")
    populations, projections = [*(e.population() for e in ensembles), *populations], list(projections)
    synapses: dict[tuple[str, float], str] = {}
    for c in connections:
        d, key = c.post.dimensions, (c.post.name, c.synapse)
        if c.synapse > 0 and key not in synapses:
            synapses[key] = f"{c.post.name}_synapse{sum(name == c.post.name for name, _ in synapses)}"
            populations.append(Population(synapses[key], d, LI(tau_mem=c.synapse)))
            projections.append(Projection(synapses[key], c.post.name, encoding(c.post)))
    for c in connections:
        pre = c.pre if isinstance(c.pre, str) else c.pre.name
        if c.synapse == 0:
            direct = c.projection(c.post.name)
            projections.append(replace(direct, weights=direct.weights @ encoding(c.post)))
            continue
        target = synapses[c.post.name, c.synapse]
        at_once = reached([target], lambda name: [p.post for p in projections if p.pre == name and p.delay == 0])
        projections.append(c.projection(target, delay=c.post.dt if pre in at_once else 0.0))
    return Network(tuple(populations), tuple(projections))


def encoding(ensemble: Ensemble) -> np.ndarray:
    """Return the weights that convert a represented value to neuron currents without biases, (dimensions, neurons)."""
    return ensemble.tuning.encoders.T * (ensemble.tuning.gain / ensemble.radius)
