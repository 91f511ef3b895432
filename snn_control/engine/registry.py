"""The registry of kernels: a name and a version -> a function, compiled at first use.

Ours are listed here; other packages add theirs as plug-ins (`snn_control.engine.plugins`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ProgramError
from . import plugins
from .compile import compile_callback
from .kernels import (
    convolution,
    decoders,
    delivery,
    encoders,
    filters,
    gather,
    neurons,
    outputs,
    plasticity,
    sources,
    vectors,
)
from .operands import CHECKS

__all__ = ["OURS", "Kernel", "all_kernels", "kernel"]


@dataclass(frozen=True)
class Kernel:
    """One operation of a tick.

    name : unique, by which a Program names it
    version : raised whenever the result or the row changes, so that an old Program is refused
    function : ``void(int64 row)``, see `snn_control.engine.kernels`
    check : has the parameters of the row and raises ProgramError, see `snn_control.engine.operands`; without one
        only the bounds of each place are checked, and a wrong row can read or write anywhere
    """

    name: str
    version: int
    function: Callable
    check: Callable | None = None

    @property
    def address(self) -> int:
        """Address of the compiled function; compiles at the first call, or takes it from the cache."""
        return compile_callback(self.function, "void(int64)")


_FUNCTIONS = (
    encoders.sample, encoders.finite, encoders.population, encoders.fields, encoders.signed, encoders.changes,
    encoders.pool, encoders.surface, encoders.respond, filters.region, filters.hot_pixels, filters.refractory,
    filters.background, filters.one_polarity, filters.rate_limit,
    vectors.copy, vectors.add, vectors.clear, vectors.remember,
    delivery.dense_spikes, delivery.csr_spikes, delivery.dense_spikes_int8, delivery.csr_spikes_int8,
    delivery.csr_delayed, delivery.release, delivery.synapse, delivery.dense_graded, delivery.one_to_one_graded,
    convolution.conv_spikes, convolution.conv_graded,
    gather.gather_graded, gather.tile_graded, gather.csr_graded,
    neurons.integrate_and_fire, neurons.leaky_integrator, neurons.adex, neurons.izhikevich,
    plasticity.stdp, plasticity.reward_stdp, plasticity.pes, plasticity.eprop,
    sources.stochastic, sources.temporal,
    decoders.population_vector, decoders.window_counts, decoders.window_mean, decoders.first_spike,
    outputs.trace, outputs.argmax, outputs.guard,
)  # fmt: skip
_VERSIONS = {"pool": 3, "surface": 2, "finite": 2}  # 1 where it stands not here
OURS: dict[str, Kernel] = {
    f.__name__: Kernel(f.__name__, _VERSIONS.get(f.__name__, 1), f, CHECKS[f.__name__]) for f in _FUNCTIONS
}


def all_kernels() -> dict[str, Kernel]:
    """Every known kernel by name, plug-ins included."""
    return {**OURS, **plugins.kernels()}


def kernel(name: str, version: int | None = None) -> Kernel:
    """The kernel of that name; raises ProgramError if it, or that version of it, is not here."""
    found = OURS.get(name) or plugins.kernels().get(name)
    if found is None:
        broken = f"; {plugins.faults()}" if plugins.faults() else ""
        raise ProgramError(f"kernel '{name}' is not installed; known: {', '.join(sorted(all_kernels()))}{broken}")
    if version is not None and version != found.version:
        raise ProgramError(
            f"kernel '{name}' has version {found.version}, the Program was built for {version}; build it again"
        )
    return found
