"""The plug-in `BUILTIN`, which contains snn_control's own kernels, neuron models, encoders, decoders and rules."""

from __future__ import annotations

from importlib import import_module

from .build import decoders, encoders, filters, neurons, rules
from .lowering import Plugin
from .rows import Kernel

__all__ = ["BUILTIN"]

FAMILIES = (
    "input_checks", "encoders", "filters", "vectors", "delivery", "convolution", "gather", "neurons", "plasticity",
    "sources", "decoders", "guard",
)  # fmt: skip
MODULES = [import_module(f"snn_control.engine.kernels.{family}") for family in FAMILIES]

BUILTIN = Plugin(
    tuple(one for module in MODULES for one in vars(module).values() if isinstance(one, Kernel)),
    neurons.NEURONS, encoders.ENCODERS, filters.FILTERS, rules.RULES, decoders.DECODERS,
    companions={"adjoint": "snn_control.training.gradients.adjoints:ADJOINTS"},
)  # fmt: skip
