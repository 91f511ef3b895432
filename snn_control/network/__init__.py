"""Descriptions of networks: frozen, in SI units, without a time step. Names are those of NIR and PyNN."""

from .graph import Network, Population, Projection
from .neurons import LI, LIF, CubaLIF, NeuronModel

__all__ = ["LI", "LIF", "CubaLIF", "Network", "NeuronModel", "Population", "Projection"]
