"""Import and export NIR files (Pedersen et al. 2024, Nature Communications 15:8122), in each framework's dialect."""

from .export import export_graph, export_nir
from .importing import DIALECTS, Imported, import_graph, import_nir

__all__ = ["DIALECTS", "Imported", "export_graph", "export_nir", "import_graph", "import_nir"]
