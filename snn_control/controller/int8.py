"""Quantisation-aware training: use int8 weights during training, so that the trained controller is the deployed one.

The engine computes with int8 weights. Gradients treat the rounding as the identity (`Parameters`, `DenseInt8`).
"""

from __future__ import annotations

from dataclasses import replace

from ..controller_file import ControllerSpec
from ..errors import DescriptionError
from ..network import AllToAll
from .build import build_program

__all__ = ["with_int8"]


def with_int8(spec: ControllerSpec) -> ControllerSpec:
    """Return a controller whose projections have int8 weights where training supports them.

    Training supports int8 weights in dense projections without a learning rule, from neurons that spike at most once in
    a step. Raises DescriptionError if the controller has no such projection.
    """
    once = {p.name for p in build_program(spec).facts.populations if p.spiking and not p.multiplicity}
    projections = tuple(
        replace(p, precision="int8", scale=None)
        if p.pre in once and isinstance(p.connector, AllToAll) and p.learning is None and p.precision == "float32"
        else p
        for p in spec.network.projections
    )
    if not any(p.precision == "int8" for p in projections):
        rule = "needs a dense projection from neurons that spike at most once in a step, without a learning rule"
        raise DescriptionError("training.weights", "int8", rule)
    return replace(spec, network=replace(spec.network, projections=projections))
