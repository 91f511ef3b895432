"""Which colour an input or population has, in every picture of its controller."""

from __future__ import annotations

from ..controller_file import ControllerSpec
from .canvas import PALETTE

__all__ = ["colour_places", "colours_of"]


def colour_places(spec: ControllerSpec) -> dict[str, int]:
    """Name -> place in a list of colours: inputs in the order of the file, then populations."""
    names = [*(one.name for one in spec.inputs), *(p.name for p in spec.network.populations)]
    return {name: k for k, name in enumerate(names)}


def colours_of(spec: ControllerSpec) -> dict[str, str]:
    """Name -> colour, for white paper."""
    return {name: PALETTE[k % len(PALETTE)] for name, k in colour_places(spec).items()}
