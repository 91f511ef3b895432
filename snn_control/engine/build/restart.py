"""Reset the network while the controller runs: at an operator's request, or in each tick (`reset_each_tick`).

A reset in each tick is for networks that were trained on independent samples.
"""

from __future__ import annotations

import numpy as np

from ...errors import BuildError
from .builder import Builder
from ..program import PRE, STATE, Place, up

__all__ = ["add_restart", "restarts"]

LABEL = "reset_each_tick"


def add_restart(b: Builder, first: int) -> None:
    """Emit operations that reset the network's states in each tick.

    The states of decoders, and the spikes and graded signals of past steps, are not reset. Raise BuildError if one tick
    would still affect the next one, through a learning rule or a delay.

    first : number of the first allocated state that belongs to the network; earlier states belong to encoders
    """
    for index, p in enumerate(b.network.projections):
        if p.learning is not None or np.any(b.synapse_delays[index]):
            what = "a delay: spikes under way would be lost" if p.learning is None else "weights that learn"
            raise BuildError(LABEL, True, f"cannot be used with {what} ({p.label})", "leave it out")
    for name, place, initial in b.layout.states[first:]:
        # past steps, for decoders and observers; currents are set in each step, and drives in each tick
        if name.endswith((".spikes", ".line", ".current", ".drive")):
            continue
        if np.any(initial):
            values = np.array(np.broadcast_to(initial, place.shape), np.float32)
            b.emit(PRE, "copy", n=values.size, y=place, x=b.layout.constant("", values), label=LABEL)
        else:  # 0 has the same bits in every dtype
            words = Place(STATE, place.offset, "<f4", (-(-place.n_bytes // 4),))
            b.emit(PRE, "clear", n=words.shape[0], y=words, label=LABEL)


def restarts(b: Builder, first: int) -> np.ndarray:
    """Return the parts of the state that a requested restart resets, (k, 2) int64: offset and size [bytes].

    A restart resets the states of all populations, projections, learning rules and decoders. It does not reset learned
    weights and the switches of learning rules.

    first : number of the first allocated state that belongs to projections, rules and decoders
    """
    later = [place for _, place, _ in b.layout.states[first:]]
    starts = sorted({place.offset: place.n_bytes for place in [*b.network_states, *later] if place.n_bytes}.items())
    parts: list[list[int]] = []
    for offset, n_bytes in starts:
        if parts and sum(parts[-1]) == offset:
            parts[-1][1] += up(n_bytes)  # every array is padded up to the next
        else:
            parts.append([offset, up(n_bytes)])
    return np.array(parts, np.int64).reshape(-1, 2)
