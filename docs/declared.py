"""A Sphinx extension: the pages of `tools.reference` that are not committed are written when the site is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tools.reference import BUILT


def write(app: Any) -> None:
    for name, make in BUILT.items():
        path, text = Path(app.srcdir, "reference", name), make()
        if not path.exists() or path.read_text("utf-8") != text:  # an unchanged page is not read again
            path.write_text(text, "utf-8")


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
