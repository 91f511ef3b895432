"""Pages of the reference, made of the declarations in the code: ``python -m tools.reference`` rewrites those that are
committed; the others are written when the site is built (docs/declared.py)."""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).resolve().parents[1] / "docs" / "reference"
NODES = {
    "controller_node": "ControllerNode", "world_node": "WorldNode", "encoder_node": "EncoderNode",
    "view_node": "ViewNode",
}  # fmt: skip


def cell(text: str) -> str:
    """A text as a cell of a table."""
    return " ".join(text.replace("``", "`").split()).replace("|", "\\|").replace("<", "&lt;")


def number(value: float) -> str:
    """A limit, for readers: 1,000,000 or 2^63 - 1."""
    if value == 2**63 - 1:
        return "2^63 - 1"
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def table(head: str, rows: list[tuple[str, ...]]) -> str:
    lines = [f"| {head} |", "|" + "---|" * len(head.split("|"))]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


# commands --------------------------------------------------------------------------------------------------------
COMMANDS_HEAD = """# Commands

Each command has `--help`. Exit codes: 0 success; 1 a run failed; 2 bad input, or something is not installed; 130
interrupted. FILE may be the name of a controller that ships with the package. `--json` prints one JSON object. In a
ROS 2 installation, `ros2 snn` has the same commands.

"""


def commands() -> str:
    from snn_control.cli import parser

    found = list(_subcommands(parser()))
    summary = [
        (f"[`{name}`](#{name.replace(' ', '-')})", cell(text)) for name, _, text in found if name.count(" ") == 1
    ]
    parts = [COMMANDS_HEAD, table("command | does", summary)]
    for name, one, _ in found:
        parts.append(f"\n## {name}\n\n{one.description}\n")
        rows = [_option(action) for action in one._actions if not isinstance(action, HIDDEN)]
        if rows:
            parts.append("\n" + table("argument | default | meaning", rows))
        if one.epilog:
            parts.append(f"\n```text\n{one.epilog.strip()}\n```\n")
    return "".join(parts)


HIDDEN = (argparse._HelpAction, argparse._SubParsersAction, argparse._VersionAction)


def _subcommands(one: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Name, parser and summary of each command that does something, in the order of --help."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            texts = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, made in action.choices.items():
                if not any(isinstance(a, argparse._SubParsersAction) for a in made._actions):
                    yield made.prog, made, texts.get(name, "")
                else:
                    if made.prog.count(" ") == 1:
                        yield made.prog, made, texts.get(name, "")
                    yield from _subcommands(made)


def _option(action: argparse.Action) -> tuple[str, str, str]:
    names = ", ".join(f"`{name}`" for name in action.option_strings) or f"`{action.metavar or action.dest}`"
    value = action.metavar or (",".join(map(str, action.choices)) if action.choices else "")
    if action.option_strings and action.nargs != 0 and value:
        names += f" {cell(str(value))}"
    default = action.default
    shown = "" if default in (None, False, argparse.SUPPRESS) or default == [] else f"`{default}`"
    return names, shown, cell((action.help or "").replace("%%", "%"))


# nodes -----------------------------------------------------------------------------------------------------------
def nodes(page: str) -> str:
    """The page of nodes with the tables of parameters as they are declared, each after ``<!-- parameters NODE -->``."""
    return re.sub(r"(<!-- parameters (\w+) -->\n)((?:\|.*\n)*)", lambda found: found[1] + parameters(found[2]), page)


def parameters(node: str) -> str:
    made = getattr(importlib.import_module(f"snn_control.ros.nodes.{node}"), NODES[node])
    rows = []
    for name, one in made.PARAMETERS.items():
        kind = {bool: "bool", int: "int", float: "double", str: "string"}[type(one.default)]
        span = f", {number(one.low)} to {number(one.high)}" if one.low is not None else ""
        span += f": {', '.join(one.words)}" if one.words else ""
        default = str(one.default).lower() if isinstance(one.default, bool) else one.default
        shown = "needed" if one.required else "empty" if default == "" else f"`{default}`"
        rows.append((f"`{name}`", cell(kind + span), shown, cell(one.description)))
    return table("parameter | type, range | default | meaning", rows)


# keys of a controller file ---------------------------------------------------------------------------------------
KEYS_HEAD = """# Keys of a controller file

Every key, from the declarations that the reader and the [JSON Schema](controller_file.md) use. Units are SI, in
brackets. *array*: a number, nested lists, or `file.npz#name`. *tunable*: may also be
`{value: ..., tunable: [low, high]}`.
"""


def keys() -> str:
    from snn_control.controller_file.schema import schema

    whole = schema()
    parts = [KEYS_HEAD, "\n## The file\n\n", _keys_of(whole)]
    for name, text in (("inputs", "inputs.NAME"), ("outputs", "outputs.NAME")):
        one = whole["properties"][name]["additionalProperties"]
        for variant in one.get("oneOf", [one]):
            kind = variant["properties"].get("kind", {}).get("const")
            parts.append(_section(f"{text}" + (f", kind: {kind}" if kind else ""), variant))
    network = whole["properties"]["network"]["else"]["properties"]
    parts.append(_section("network, from a NIR file", whole["properties"]["network"]["then"]))
    parts.append(_section("network.populations.NAME", network["populations"]["additionalProperties"]))
    parts.append(_section("network.projections[k]", network["projections"]["items"]))
    for name in ("guard", "training"):
        parts.append(_section(name, whole["properties"][name]))
    for name in ("inputs", "outputs"):
        parts.append(
            _section(f"ros.{name}.NAME", whole["properties"]["ros"]["properties"][name]["additionalProperties"])
        )
    for place, definition in whole["$defs"].items():
        variants = definition.get("oneOf", [definition] if "properties" in definition else [])
        for variant in variants:
            kind = variant.get("properties", {}).get("type", {}).get("const")
            if kind or not definition.get("oneOf"):
                parts.append(_section(f"{place.replace('_', ' ')}" + (f": {kind}" if kind else ""), variant))
    return "".join(parts)


def _section(title: str, one: Mapping[str, Any]) -> str:
    text = cell(one.get("description", ""))
    return f"\n## {title}\n\n{text + chr(10) + chr(10) if text else ''}{_keys_of(one)}"


def _keys_of(one: Mapping[str, Any]) -> str:
    needed = one.get("required", ())
    rows = []
    for name, value in one.get("properties", {}).items():
        if "const" in value and name in ("type", "kind"):
            continue
        default = "needed" if name in needed else f"`{_yaml(value['default'])}`" if "default" in value else ""
        rows.append((f"`{name}`", cell(_type(value)), default, cell(value.get("description", ""))))
    return table("key | type, range | default | meaning", rows) if rows else ""


def _type(value: Mapping[str, Any]) -> str:
    """The type and range of a value, in words."""
    if "const" in value:
        return f"`{_yaml(value['const'])}`"
    if "enum" in value:
        return ", ".join(f"`{_yaml(one)}`" for one in value["enum"])
    if "$ref" in value:
        return _named(value["$ref"])
    if choices := value.get("anyOf") or value.get("oneOf"):
        found = dict.fromkeys(_type(one) for one in choices)
        if {"number", "array"} <= found.keys():
            found.pop("number")
        return " or ".join(found)
    kind = value.get("type", "")
    if kind in ("number", "integer"):
        return " ".join(filter(None, ["whole number" if kind == "integer" else "number", _span(value)]))
    if kind == "array":
        count = value.get("minItems")
        inner = _type(value.get("items", {}))
        some = f"{count} of " if count and count == value.get("maxItems") else "list of "
        return some + (inner or "values")
    return {"string": "text", "boolean": "true or false", "object": "mapping", "null": "null"}.get(kind, kind)


def _named(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return {"reference": "array", "lists": "array", "tunable": "tunable"}.get(name, name.replace("_", " "))


def _span(value: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return " ".join(f"{word} {number(value[key])}" for key, word in words.items() if key in value)


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value) if value != "" else '""'


# kernels ---------------------------------------------------------------------------------------------------------
KERNELS_HEAD = """# Kernels

What the operations of a Program do, and the words of their rows, in their order, from the declarations in
`snn_control/engine/kernels`. [Architecture](../explanation/architecture.md) says how a row is checked,
[Your own neuron](../tutorials/own_neuron.md) how to write a kernel. An array is `type[elements]`; `or 0` means that the
row may be without it.
"""


def kernels() -> str:
    from snn_control.engine.builtin import BUILTIN

    page = [KERNELS_HEAD]
    for one in sorted(BUILTIN.kernels, key=lambda one: one.name):
        text = (inspect.getdoc(one.function) or "").replace("``", "`").replace("|", "\\|")
        rows = [
            (f"`{name}`", ", ".join(f"`{w}`" for w in word.names(name)), cell(str(word)))
            for name, word in one.row.items()
        ]
        page.append(
            f"\n## {one.name}\n\nVersion {one.version}. {text}\n\n{table('parameter | words | what it is', rows)}"
        )
    return "".join(page)


# classes ---------------------------------------------------------------------------------------------------------
TABLE = re.compile(r"(<!-- ([\w.]+)\.(\w+) -->\n)((?:\|.*\n)*)")


def api(page: str) -> str:
    """The page of classes with the tables of their public members, each after ``<!-- module.Class -->``."""
    return TABLE.sub(lambda found: found[1] + members(found[2], found[3]), page)


def members(module: str, name: str) -> str:
    """The public members of a class, in the order of its source."""
    found = vars(getattr(importlib.import_module(module), name)).items()
    public = [(n, m) for n, m in found if not n.startswith("_")]
    rows = [_member(n, m) for n, m in public if isinstance(m, property) or callable(getattr(m, "__func__", m))]
    return table("member | does", rows)


def _member(name: str, member: Any) -> tuple[str, str]:
    """A member as a call, and the first sentence of its docstring."""
    function = member.fget if isinstance(member, property) else inspect.unwrap(getattr(member, "__func__", member))
    call = name
    if not isinstance(member, property):
        arguments = list(inspect.signature(function).parameters.values())[not isinstance(member, staticmethod) :]
        call += "(" + ", ".join(str(p.replace(annotation=p.empty)) for p in arguments) + ")"
    text = " ".join((inspect.getdoc(function) or "").partition("\n\n")[0].split())
    return f"`{call}`", re.split(r"(?<!\.\w)\. (?=[A-Z`])", text)[0].replace("``", "`").rstrip(".")


#: pages that are committed -> what they are made of
COMMITTED = {
    REFERENCE / "cli.md": lambda page: commands(),
    REFERENCE / "nodes.md": nodes,
    REFERENCE / "api.md": api,
}
#: pages that are written when the site is built
BUILT = {"keys.md": keys, "kernels.md": kernels}


def main() -> None:
    for path, make in COMMITTED.items():
        path.write_text(make(path.read_text("utf-8") if path.exists() else ""), "utf-8")


if __name__ == "__main__":
    main()
