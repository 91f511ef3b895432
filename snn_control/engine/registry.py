"""The registry of kernels by name: ours, and those of plug-ins (`snn_control.engine.plugins`)."""

from __future__ import annotations

from ..errors import ProgramError
from . import plugins
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
from .rows import Kernel

__all__ = ["OURS", "all_kernels", "kernel"]

_FAMILIES = (
    encoders, filters, vectors, delivery, convolution, gather, neurons, plasticity, sources, decoders, outputs,
)  # fmt: skip
OURS: dict[str, Kernel] = {
    one.name: one for family in _FAMILIES for one in vars(family).values() if isinstance(one, Kernel)
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
