"""Colours of inputs and populations, which are the same in every picture of a controller."""

from __future__ import annotations

from ..controller_file import ControllerSpec

__all__ = ["OUTPUT", "PALETTE", "colour_places", "colours_of"]

#: Okabe and Ito's colours, which colour-blind people can distinguish
PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#7f7f7f"]
OUTPUT = "#3b4754"  # for commands, which are no population


def colour_places(spec: ControllerSpec) -> dict[str, int]:
    """Return the index of the colour of each input and population: name -> index in a list of colours.

    Indices follow the order in the controller file: first all inputs, then all populations.
    """
    names = [*(one.name for one in spec.inputs), *(p.name for p in spec.network.populations)]
    return {name: k for k, name in enumerate(names)}


def colours_of(spec: ControllerSpec) -> dict[str, str]:
    """Return the colour of each input and population in all pictures of a controller: name -> colour."""
    return {name: PALETTE[k % len(PALETTE)] for name, k in colour_places(spec).items()}
