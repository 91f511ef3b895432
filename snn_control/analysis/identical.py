"""Find neurons that behave identically, so that one neuron could replace several.

Neurons with equal parameters and equal incoming weights fire together; some of them also have equal outgoing weights.
The module computes a hash of each neuron's parameters and weights. Neurons with equal hashes form a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..controller_file import ControllerSpec
from ..engine.build.builder import vector
from ..network import Bernoulli, Distribution, Poisson, Population
from .synapses import Synapses

__all__ = ["Groups", "identical"]

#: odd constants of splitmix64
MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)

Groups = tuple[int, ...]


def identical(spec: ControllerSpec, synapses: Sequence[Synapses]) -> dict[str, tuple[Groups, Groups]]:
    """Return the sizes of groups of neurons that behave identically, for each population, the largest groups first.

    The result is population -> (sizes of the groups of neurons that fire together, sizes of the groups of identical
    neurons). Identical neurons also have equal outgoing weights.

    The result excludes:

    - populations without groups
    - populations whose neurons become different: incoming weights learn, neurons draw random numbers, or a learning
      rule reads them individually
    - neurons without any input, which are the subject of another finding
    """
    rules = [s.of.learning for s in synapses if s.of.learning is not None]
    taught = {getattr(rule, key) for rule in rules for key in rule.signals()}
    found = {}
    for p in spec.network.populations:
        into, out = ([s for s in synapses if getattr(s.of, key) == p.name] for key in ("post", "pre"))
        learns = any(s.of.learning is not None for s in into)
        if learns or p.name in taught or isinstance(p.neuron, Bernoulli | Poisson):
            continue
        bias = vector("bias", p.bias, p.size)
        reached = bias != 0
        for s in into:
            reached[s.post] = True
        own = _hashes([*_parameters(p, bias, into), *(_synapses(p.size, s.post, s.pre, s) for s in into)])
        all_of = _hashes([own, *_read(spec, p), *(_synapses(p.size, s.pre, s.post, s) for s in out)])
        together = _groups(own[reached])
        if together:
            found[p.name] = together, _groups(all_of[reached])
    return found


def _groups(hashes: np.ndarray) -> Groups:
    _, counts = np.unique(hashes, return_counts=True)
    return tuple(sorted((int(c) for c in counts if c > 1), reverse=True))


def _hashes(columns: Iterable[np.ndarray]) -> np.ndarray:
    """Return a hash of each of the n rows of a table, (n,) uint64. Different rows almost surely have different hashes.

    columns : columns of the table, (n,) each: numbers, or uint64 hashes; splitmix64 processes one column after another
    """
    state: Any = np.uint64(0)
    with np.errstate(over="ignore"):
        for column in columns:
            is_hash = column.dtype == np.uint64
            bits = column if is_hash else (column.astype(np.float64) + 0.0).view(np.uint64)  # without negative zeros
            state = (state ^ bits) * MIX[0] + MIX[0]
            state = (state ^ (state >> np.uint64(30))) * MIX[1]
            state = (state ^ (state >> np.uint64(27))) * MIX[2]
            state = state ^ (state >> np.uint64(31))
    return state


def _synapses(n: int, own: np.ndarray, other: np.ndarray, s: Synapses) -> np.ndarray:
    """Return a hash of the synapses of each neuron, (n,) uint64. The order of the synapses does not matter.

    s : the synapses
    own : (k,), index of the neuron whose hash includes each synapse
    other : (k,), hash or index of the neuron at the other end of each synapse
    """
    total = np.zeros(n, np.uint64)
    with np.errstate(over="ignore"):
        np.add.at(total, own, _hashes([other, s.weight, s.delay]))
    return total


def _parameters(p: Population, bias: np.ndarray, into: Sequence[Synapses]) -> list[np.ndarray]:
    """Return the parameters of a population that vary between neurons, as a list of (n,) arrays."""
    start = np.arange(p.size) if isinstance(p.v_init, Distribution) else p.v_init
    each = [bias, start, *(getattr(p.neuron, name) for name in p.neuron.arrays()), *(s.of.bias for s in into)]
    given = [np.asarray(value) for value in each if np.ndim(value)]
    return [np.repeat(numbers, p.size // numbers.size) for numbers in given]  # a convolution has one for each channel


def _read(spec: ControllerSpec, p: Population) -> list[np.ndarray]:
    """Return the weights with which decoders read each neuron of a population, as a list of (n,) arrays."""
    columns = []
    for output in spec.outputs:
        for term in output.terms:
            if term.source != p.name:
                continue
            given = vars(term).get("weights", vars(term).get("directions"))
            if given is None or isinstance(given, Distribution):  # one number for each neuron, or drawn for each
                columns.append(np.arange(p.size))
            elif np.ndim(given):
                columns += [*np.asarray(given).reshape(p.size, -1).T]
    return columns
