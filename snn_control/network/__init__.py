"""Descriptions of networks: frozen, in SI units, without a time step. Names are those of NIR and PyNN."""

from .graph import Network, Population, Projection
from .neurons import (
    ALIF,
    IF,
    LI,
    LIF,
    AdEx,
    CubaLI,
    CubaLIF,
    Integrator,
    Izhikevich,
    NeuronModel,
    Relay,
    SpikingModel,
    Threshold,
)

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "AdEx",
    "CubaLI",
    "CubaLIF",
    "Integrator",
    "Izhikevich",
    "Network",
    "NeuronModel",
    "Population",
    "Projection",
    "Relay",
    "SpikingModel",
    "Threshold",
]
