"""Controllers: load one from a file or describe it in Python, then step one instance or a batch of instances."""

from .batch import Batch
from .build import build_program
from .controller import Controller
from .model import Model

__all__ = ["Batch", "Controller", "Model", "build_program"]
