"""Controllers: loaded from a file or described in a few lines of Python, and stepped alone or many at once."""

from .batch import Batch
from .build import build_program
from .controller import Controller
from .model import Model

__all__ = ["Batch", "Controller", "Model", "build_program"]
