"""Sphinx settings of the documentation: ``make docs`` builds it into ``build/docs``."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]

from snn_control import __version__  # noqa: E402

project = "snn_control"
author = copyright = "snn_control contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx_copybutton", "declared"]
root_doc = "index"
myst_heading_anchors = 4

html_theme = "furo"
html_title = "snn_control"
html_static_path = ["_static"]
html_css_files = ["site.css"]
