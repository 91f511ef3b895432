"""The kernels and descriptions of snn_control itself, by their names in controller files and Programs."""

from __future__ import annotations

from .build.encoders import ENCODERS
from .build.filters import FILTERS
from .build.neurons import NEURONS
from .build.outputs import DECODERS
from .build.rules import RULES
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
from .lowering import Plugin
from .rows import Kernel

__all__ = ["OURS"]

_FAMILIES = (
    encoders, filters, vectors, delivery, convolution, gather, neurons, plasticity, sources, decoders, outputs,
)  # fmt: skip

OURS = Plugin(
    kernels=tuple(one for family in _FAMILIES for one in vars(family).values() if isinstance(one, Kernel)),
    neurons=NEURONS,
    encoders=ENCODERS,
    filters=FILTERS,
    rules=RULES,
    decoders=DECODERS,
    companions={"adjoint": "snn_control.training.gradients.adjoints:ADJOINTS"},
)
