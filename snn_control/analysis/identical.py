"""Finds neurons that do the same, so that one could do their work.

Neurons with the same parameters and the same weights from everything fire together; some have the same weights to
everything, too. Each neuron gets a hash of all that these depend on; those with equal hashes are a group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder
from ..controller_file import ControllerSpec
from ..network import Bernoulli, Distribution, NeuronModel, Poisson, Population
from .synapses import Synapses

__all__ = ["identical"]

#: odd constants of splitmix64
MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


Groups = tuple[int, ...]


def identical(spec: ControllerSpec, synapses: Sequence[Synapses]) -> dict[str, tuple[Groups, Groups]]:
    """Population -> sizes of its groups of neurons that fire together, and of identical ones, largest first; without
    populations that have none.

    Where weights into a population learn, its neurons draw random numbers, or a rule reads them one by one, none are
    alike for long. Neurons that nothing reaches are left out: they are dead, which is another finding.
    """
    rules = [s.of.learning for s in synapses if s.of.learning is not None]
    taught = {getattr(rule, key) for rule in rules for key in rule.signals()}
    found = {}
    for p in spec.network.populations:
        into, out = ([s for s in synapses if getattr(s.of, key) == p.name] for key in ("post", "pre"))
        learns = any(s.of.learning is not None for s in into)
        if learns or p.name in taught or isinstance(p.neuron, Bernoulli | Poisson):
            continue
        same_in = _marks(p, into)
        to = [column for s in out for column in _summed(p.size, s.pre, s.post, s)]
        same = _mixed(*_halves(same_in), *to, *_halves(_read(spec, p)))
        reached = np.zeros(p.size, bool) | (_bias(p) != 0)
        for s in into:
            reached[s.post] = True
        together = _groups(same_in[reached])
        if together:
            found[p.name] = together, _groups(same[reached])
    return found


def _groups(marks: np.ndarray) -> Groups:
    _, counts = np.unique(marks, return_counts=True)
    return tuple(sorted((int(c) for c in counts if c > 1), reverse=True))


def _bias(p: Population) -> np.ndarray:
    drawn = p.bias.sample(p.size) if isinstance(p.bias, Distribution) else np.asarray(p.bias, np.float64)
    return np.broadcast_to(drawn, p.size)


def _mixed(*words: Any) -> np.ndarray:
    """uint64 that are almost surely different where any of the words (n,) are: splitmix64 of each into the next."""
    state: Any = np.uint64(0)
    with np.errstate(over="ignore"):
        for word in words:
            bits = np.asarray(word, np.float64) + 0.0  # no negative zero
            state = (state ^ np.ascontiguousarray(bits).view(np.uint64)) * MIX[0] + MIX[0]
            state = (state ^ (state >> np.uint64(30))) * MIX[1]
            state = (state ^ (state >> np.uint64(27))) * MIX[2]
            state = state ^ (state >> np.uint64(31))
    return state


def _marks(p: Population, into: Sequence[Synapses]) -> np.ndarray:
    """(size,) uint64: the same for neurons with the same parameters and synapses, in whatever order these stand."""
    drawn = isinstance(p.v_init, Distribution)
    start = np.arange(p.size) if drawn else 0.0 if p.v_init is None else p.v_init
    columns = [_bias(p), np.broadcast_to(np.asarray(start, np.float64), p.size)]
    columns += [np.broadcast_to(value, p.size) for value in _arrays(p.neuron)]
    for s in into:
        columns += _summed(p.size, s.post, s.pre, s)
        if np.ndim(s.of.bias):
            given = np.asarray(s.of.bias, np.float64)
            columns.append(np.repeat(given, p.size // given.size))
    return _mixed(*columns)


def _summed(n: int, own: np.ndarray, other: np.ndarray, s: Synapses) -> list[np.ndarray]:
    """Columns (n,) of the synapses between each neuron and others, whatever their order."""
    total = np.zeros(n, np.uint64)
    with np.errstate(over="ignore"):
        np.add.at(total, own, _mixed(other, s.weight, s.delay))
    return _halves(total)


def _halves(marks: np.ndarray) -> list[np.ndarray]:
    """The 64 bits in two columns that a float64 holds."""
    return [(marks >> np.uint64(32)).astype(np.float64), (marks & np.uint64(0xFFFFFFFF)).astype(np.float64)]


def _arrays(model: NeuronModel) -> list[np.ndarray]:
    """Parameters of one number a neuron."""
    values = (np.asarray(getattr(model, name)) for name in model.arrays())
    return [value.astype(np.float64) for value in values if value.ndim and value.dtype.kind in "fiu"]


def _read(spec: ControllerSpec, p: Population) -> np.ndarray:
    """(size,) uint64 of what decoders make of each neuron."""
    columns: list[np.ndarray] = []
    for output in spec.outputs:
        for term in output.decoder.terms if isinstance(output.decoder, ArgmaxDecoder) else output.decoder:
            if term.source != p.name:
                continue
            given = vars(term).get("weights", vars(term).get("directions"))
            if given is None or isinstance(given, Distribution):  # a number a neuron, or one drawn for each
                columns.append(np.arange(p.size, dtype=np.float64))
            elif np.ndim(given):
                rows = np.asarray(given, np.float64)
                columns += list(rows.reshape(p.size, -1).T)
    return _mixed(*columns) if columns else np.zeros(p.size, np.uint64)
