"""Export of a controller to C99 without dependencies, which computes the same bits as the engine."""

from .export import c_name, exported, texts, write
from .readme import constant_bytes

__all__ = ["c_name", "constant_bytes", "exported", "texts", "write"]
