"""The Neural Engineering Framework (Eliasmith & Anderson 2003), built from ordinary populations and projections."""

from .connect import Connection, network
from .ensemble import Ensemble, EnsembleParameters, rates, solve

__all__ = ["Connection", "Ensemble", "EnsembleParameters", "network", "rates", "solve"]
