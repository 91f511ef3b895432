"""Adjoints of kernels, by name: they propagate gradients back through the operations of a tick.

The engine runs forward and records its spikes. An `Adjoint` then processes the recorded sequences twice. Its `forward`
computes the membranes and graded signals that belong to these spikes. Its `backward` computes the derivatives of a loss
by the inputs of an operation, and by the constants of the operation (weights, biases and neuron parameters). A plug-in
adds the adjoints of its own kernels with the entry "adjoint" of its companions (`snn_control.engine.lowering.Plugin`).
"""

from .adjoint import Adjoint
from .delivery import Add, Copy, Dense, DenseInt8, PopulationVector, Synapse, Trace, Window
from .integrate_and_fire import IntegrateAndFire
from .leaky_integrator import LeakyIntegrator
from .synapses import Convolution, Delayed, Gather, OneToOne, Release, Sparse, Tiles

__all__ = ["ADJOINTS"]

ADJOINTS: dict[str, type[Adjoint]] = {
    "add": Add,
    "conv_graded": Convolution,
    "conv_spikes": Convolution,
    "copy": Copy,
    "csr_delayed": Delayed,
    "csr_graded": Sparse,
    "csr_spikes": Sparse,
    "dense_graded": Dense,
    "dense_spikes": Dense,
    "dense_spikes_int8": DenseInt8,
    "gather_graded": Gather,
    "integrate_and_fire": IntegrateAndFire,
    "leaky_integrator": LeakyIntegrator,
    "one_to_one_graded": OneToOne,
    "population_vector": PopulationVector,
    "release": Release,
    "synapse": Synapse,
    "tile_graded": Tiles,
    "trace": Trace,
    "window_counts": Window,
    "window_mean": Window,
}
