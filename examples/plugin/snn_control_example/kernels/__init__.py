"""One file a kernel: an edited file is compiled again with all that stands in it, and with all that it imports."""

from . import lif_again, oja, quadratic, weber

__all__ = ["lif_again", "oja", "quadratic", "weber"]
