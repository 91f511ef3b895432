"""A Sphinx extension: writes the generated pages of the reference, and prepares docstrings for autodoc.

Pages of `tools.reference` that are not committed are written when the site is built. In docstrings, a line
``name : meaning`` outside of NumPy's sections describes a parameter or a field.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import typing
from contextlib import suppress
from pathlib import Path
from typing import Any

from docutils import nodes

from tools.reference import BUILT, PUBLIC

#: first part of a name -> where the documentation of this package says what it is
ELSEWHERE = {
    "numpy.random": "https://numpy.org/doc/stable/reference/random/generator.html",
    "numpy": "https://numpy.org/doc/stable/reference/generated/{name}.html",
    "gymnasium": "https://gymnasium.farama.org/api/env/",
    "pathlib": "https://docs.python.org/3/library/pathlib.html#{name}",
    "collections": "https://docs.python.org/3/library/collections.abc.html#{name}",
    "typing": "https://docs.python.org/3/library/typing.html#{name}",
}
FIELD = re.compile(r"^(\w+(?:, \w+)*) : (.*)$")


def write(app: Any) -> None:
    for name, make in BUILT.items():
        path, text = Path(app.srcdir, "reference", name), make()
        if not path.exists() or path.read_text("utf-8") != text:  # an unchanged page is not read again
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")


def plain_annotations(app: Any) -> None:
    """Show types without their rules, which are objects, and the fields of a dataclass as its parameters."""
    for module in map(importlib.import_module, PUBLIC):
        for thing in (getattr(module, name) for name in module.__all__):
            if dataclasses.is_dataclass(thing):
                parameters = list(inspect.signature(thing.__init__).parameters.values())[1:]
                thing.__signature__ = inspect.Signature([one.replace(annotation=one.empty) for one in parameters])
            alias = typing.get_origin(thing) is not None  # Python 3.10 counts it as a class
            if inspect.isfunction(thing) or (inspect.isclass(thing) and not alias):
                with suppress(NameError):  # a name that is imported for type checkers alone
                    thing.__annotations__ = typing.get_type_hints(thing)


def fields(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Change ``name : meaning`` to a field of reStructuredText; its indented lines belong to it."""
    made: list[str] = []
    for line in (re.sub(r"\|(?=\S)", r"\\|", line) for line in lines):
        found = FIELD.match(line)
        if not found:
            made.append(line)
            continue
        if made and made[-1] and not made[-1].startswith((":param", " ")):
            made.append("")
        made += [f":param {one}: {found[2]}" for one in found[1].split(", ")]
    lines[:] = made


def link(app: Any, env: Any, node: Any, text: Any) -> Any:
    """A link to the documentation of another package, for names that autodoc found in annotations."""
    name = node.get("reftarget", "")
    address = next((found for start, found in ELSEWHERE.items() if name.startswith(f"{start}.")), None)
    if address is None:
        return None
    made = nodes.reference("", "", internal=False, refuri=address.format(name=name))
    made.append(text)
    return made


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    app.connect("builder-inited", plain_annotations, priority=900)  # the pages need the rules
    app.connect("autodoc-process-docstring", fields, priority=100)  # before napoleon
    app.connect("missing-reference", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
