"""The tables of docs/reference/api.md, made of signatures and docstrings: ``python -m tests.api_tables`` rewrites them.

A table of docs/reference/api.md follows a line ``<!-- module.Class -->``, which names the class.
"""

import importlib
import inspect
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "reference/api.md"
TABLE = re.compile(r"(<!-- ([\w.]+)\.(\w+) -->\n)((?:\|.*\n)*)")


def row(name, member):
    """A member as a call, and the first sentence of its docstring."""
    function = member.fget if isinstance(member, property) else inspect.unwrap(getattr(member, "__func__", member))
    call = name
    if not isinstance(member, property):
        parameters = list(inspect.signature(function).parameters.values())[not isinstance(member, staticmethod) :]
        call += "(" + ", ".join(str(p.replace(annotation=p.empty)) for p in parameters) + ")"
    text = " ".join(inspect.getdoc(function).partition("\n\n")[0].split())
    sentence = re.split(r"(?<!\.\w)\. (?=[A-Z`])", text)[0].replace("``", "`").rstrip(".")
    return f"| `{call}` | {sentence} |\n"


def table(module, name):
    """The public members of a class, in the order of its source."""
    members = vars(getattr(importlib.import_module(module), name)).items()
    public = [
        (n, m)
        for n, m in members
        if not n.startswith("_") and (callable(getattr(m, "__func__", m)) or isinstance(m, property))
    ]
    return "| member | does |\n|---|---|\n" + "".join(row(n, m) for n, m in public)


def renewed(text):
    """The text of a page with tables that agree with the code."""
    return TABLE.sub(lambda found: found[1] + table(found[2], found[3]), text)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
