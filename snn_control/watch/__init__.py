"""The live page: a browser shows a running or recorded controller, in a simulation, on a robot or in training."""

from .client import Client

__all__ = ["Client"]
