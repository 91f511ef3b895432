"""A live page of a run: a controller in a world, on a robot, in training, or a record, seen in a browser."""

from .client import Client

__all__ = ["Client"]
