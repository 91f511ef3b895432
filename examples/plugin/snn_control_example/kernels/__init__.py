"""The kernels, one per file: an edit compiles all kernels of the file again, and all kernels that import it."""

from . import lif_again, oja, quadratic, weber

__all__ = ["lif_again", "oja", "quadratic", "weber"]
