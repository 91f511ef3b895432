"""The tables of docs/api.md, made of signatures and docstrings, and docs/kernels.md, made of the declarations of rows:
``python -m tests.api_tables`` rewrites them.

A table of docs/api.md follows a line ``<!-- module.Class -->``, which names the class.
"""

import importlib
import inspect
import re
from pathlib import Path

from snn_control.engine.builtin import BUILTIN

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE, KERNELS = DOCS / "api.md", DOCS / "kernels.md"
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


KERNELS_HEAD = """# Kernels

What the operations of a Program do, and the words of their rows, in their order. Made of the declarations in
`snn_control/engine/kernels` by `python -m tests.api_tables`; [architecture](architecture.md) says how a row is checked,
[plug-ins](plugins.md) how to write a kernel of your own. An array is `type[elements]`; `or 0` means that the row may be
without it.
"""


def kernels():
    """docs/kernels.md."""
    page = [KERNELS_HEAD]
    for one in sorted(BUILTIN.kernels, key=lambda one: one.name):
        text = inspect.getdoc(one.function).replace("``", "`").replace("|", "\\|")
        page.append(f"\n## {one.name}\n\nVersion {one.version}. {text}\n\n")
        page.append("| parameter | words | what it is |\n|---|---|---|\n")
        for name, word in one.row.items():
            words = ", ".join(f"`{w}`" for w in word.names(name))
            page.append(f"| `{name}` | {words} | {str(word).replace('``', '`').replace('|', chr(92) + '|')} |\n")
    return "".join(page)


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text("utf-8")), "utf-8")
    KERNELS.write_text(kernels(), "utf-8")
