"""The networks of the engine's benchmarks, as plain numbers, so that a process with another engine can read them.

A  32 -> 128 -> 128 -> 8 neurons, dense; 5 to 15 % of the hidden neurons fire in a step
B, C, D  1,000, 10,000 and 100,000 neurons with 100 synapses each, 80 % excitatory, about 18, 18 and 10
         spikes a second for each neuron

All are leaky integrate-and-fire neurons with an exponential synaptic current, dt = 1 ms, float32, one thread::

    isyn <- decay_syn isyn + weights of the spikes (A: of this step, with the bias; else of the last step)
    v    <- decay v + (1 - decay) (isyn + bias + input);  a spike if v >= 1, then v <- 0

A new vector of 32 numbers arrives in each step (B, C, D: number i % 32 is a current of neuron i), and the spikes of
each step can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = ["DECAY", "DECAY_SYN", "DT", "INPUTS", "SIZES", "TAU_MEM", "TAU_SYN", "Recurrent"]
__all__ += ["inputs", "layers", "recurrent", "synaptic_layers"]

DT, TAU_MEM, TAU_SYN = 1e-3, 0.02, 0.005
DECAY, DECAY_SYN = math.exp(-DT / TAU_MEM), math.exp(-DT / TAU_SYN)
SIZES = (32, 128, 128, 8)
INPUTS = SIZES[0]
FAN_OUT, WEIGHT = 100, 0.02
#: neurons, and the range of their biases
RECURRENT = {"B": (1_000, 0.80, 1.40), "C": (10_000, 0.80, 1.40), "D": (100_000, 0.80, 1.18)}


def inputs(n: int = 1024) -> np.ndarray:
    """Return (n, 32) float32 inputs."""
    r = np.random.default_rng(7)
    phase = r.uniform(0, 2 * np.pi, INPUTS)
    t = np.arange(n)[:, None] * 1e-3
    f = r.integers(1, 6, INPUTS)
    return (0.05 * np.sin(2 * np.pi * f * t + phase) + 0.05 * r.standard_normal((n, INPUTS))).astype(np.float32)


def layers() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights (neurons, inputs) and biases of each layer of A, for which a constant input of 1 makes a current
    of 1."""
    r = np.random.default_rng(5)
    found = []
    for k, (a, b) in enumerate(pairwise(SIZES)):
        w = r.standard_normal((b, a)).astype(np.float32) * np.float32((10.0, 0.6, 0.6)[k] / np.sqrt(a))
        found.append((np.ascontiguousarray(w), np.full(b, (2.5, 2.0, 1.2)[k], np.float32)))
    return found


def synaptic_layers() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights (inputs, neurons) and biases of `layers`, scaled to act on the synaptic current."""
    jump = np.float32(1 - DECAY_SYN)
    return [(w.T * (jump if k == 0 else np.float32(1)), bias * jump) for k, (w, bias) in enumerate(layers())]


@dataclass(frozen=True, eq=False)
class Recurrent:
    """Synapses by rows: those of neuron i go to ``targets[i]``, ascending, with ``weights[i]``."""

    targets: np.ndarray  # (n, FAN_OUT) int32
    weights: np.ndarray  # (n, FAN_OUT) float32
    bias: np.ndarray
    v_init: np.ndarray

    @property
    def n(self) -> int:
        return self.bias.size


def recurrent(workload: str) -> Recurrent:
    """Return the network of B, C or D."""
    n, low, high = RECURRENT[workload]
    r = np.random.default_rng(11)
    targets = np.sort(r.integers(0, n, (n, FAN_OUT), dtype=np.int32), axis=1)
    own = np.where(np.arange(n) % 5 == 4, -4 * WEIGHT, WEIGHT).astype(np.float32)
    weights = np.ascontiguousarray(np.broadcast_to(own[:, None], targets.shape))
    return Recurrent(
        targets, weights, r.uniform(low, high, n).astype(np.float32), r.uniform(0, 1, n).astype(np.float32)
    )
