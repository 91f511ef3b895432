"""The Neural Engineering Framework (NEF): ensembles and connections, built from populations and projections.

Source: Eliasmith and Anderson 2003, "Neural Engineering", MIT Press.
"""

from .connect import Connection, network
from .ensemble import Ensemble, EnsembleParameters, rates, solve

__all__ = ["Connection", "Ensemble", "EnsembleParameters", "network", "rates", "solve"]
