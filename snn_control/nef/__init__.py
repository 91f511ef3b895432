"""The Neural Engineering Framework (Eliasmith & Anderson 2003), built from ordinary populations and projections."""

from .connect import Connection, network
from .ensemble import Ensemble, Tuning, rates, solve

__all__ = ["Connection", "Ensemble", "Tuning", "network", "rates", "solve"]
