"""Sphinx settings of the documentation: ``make docs`` builds it into ``build/docs``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = Path(os.environ.get("SNN_CONTROL_ROOT", HERE.parent))  # rosdoc2 builds in a copy of this folder
sys.path[:0] = [str(ROOT), str(HERE)]

from snn_control import __version__  # noqa: E402

project = "snn_control"
author = copyright = "snn_control contributors"
version = release = __version__

extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.intersphinx", "sphinx_autodoc_typehints",
    "sphinx_copybutton", "declared",
]  # fmt: skip
root_doc = "index"
exclude_patterns = ["README.md"]
templates_path: list[str] = []

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # sphinx_autodoc_typehints writes them
always_use_bars_union = True
typehints_defaults = "comma"
napoleon_google_docstring = False
intersphinx_mapping: dict[str, tuple[str, None]] = {}

html_theme = "furo"
html_title = "snn_control"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {"source_directory": "docs/", "navigation_with_keys": True}
copybutton_prompt_text = "$ "
