"""Sphinx settings of the documentation: ``make docs`` builds it into ``build/docs``; rosdoc2 runs this file as well."""

from __future__ import annotations

import sys
from pathlib import Path

# rosdoc2 executes this file in a folder of its own, and adds the package to the path
FOLDERS = (*Path(__file__).resolve().parents, *map(Path, sys.path))
ROOT = next(folder for folder in FOLDERS if (folder / "package.xml").is_file())
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

from snn_control import __version__  # noqa: E402

project = "snn_control"
author = copyright = "snn_control contributors"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "sphinx_copybutton", "declared"]
root_doc = "index"
exclude_patterns = ["reference/examples"]
myst_heading_anchors = 4

default_role = "py:obj"  # a `name` in a docstring is a link if there is an entry of this name
add_module_names = False
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
autodoc_mock_imports = ["rclpy"]

html_theme = "furo"
html_title = "snn_control"
html_static_path = ["_static"]
html_css_files = ["site.css"]

rosdoc2_settings = {"allow_other_extensions": True, "override_theme": False}
