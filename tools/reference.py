"""Pages of the reference, made of the declarations in the code: ``python -m tools.reference`` rewrites those that are
committed; the others are written when the site is built (docs/declared.py)."""

from __future__ import annotations

import argparse
import functools
import importlib
import inspect
import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .key_examples import KeyExamples

if TYPE_CHECKING:
    from snn_control.engine.rows import Kernel

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
interrupted. A controller FILE may also be the name of a controller that ships with the package, such as `cartpole`.
`--json` prints the result as one JSON object. In a ROS 2 installation, `ros2 snn` has the same commands.

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

This page lists every key of a [controller file](controller_file.md). Units are SI, given in brackets. An *array* is a
number, nested lists, or `file.npz#name` (the array `name` of a NumPy file). A *tunable* value may also be written as
`{value: ..., tunable: [low, high]}`, and can then change while the controller runs.

The examples are from tested files: shipped controllers, templates, and the {download}`file of rare keys
<examples/rare_keys.yaml>`.
"""


#: title, part of the schema, and class of each section; None if no class describes the keys
Section = tuple[str, Mapping[str, Any], Any]


def keys() -> str:
    from snn_control.controller_file.schema import schema

    whole = schema()
    shown = KeyExamples(whole)
    return KEYS_HEAD + "".join(_section(*one, shown) for one in (*_parts(whole), *_definitions(whole["$defs"])))


def _parts(whole: Mapping[str, Any]) -> Iterator[Section]:
    """Yield the sections of the file, in its order."""
    from snn_control import coding, controller_file, network
    from snn_control.controller_file.joint_limits import JointLimits
    from snn_control.controller_file.keys import INPUTS
    from snn_control.controller_file.ros import RosTopic

    given = whole["properties"]
    yield "The file", whole, controller_file.ControllerSpec
    for variant in given["inputs"]["additionalProperties"]["oneOf"]:
        kind = variant["properties"]["kind"]["const"]
        yield f"inputs.NAME, kind: {kind}", variant, INPUTS[kind]
    output = given["outputs"]["additionalProperties"]
    yield "outputs.NAME", output, coding.Output
    yield "outputs.NAME.joint_limits", output["properties"]["joint_limits"], JointLimits
    yield "network, from a NIR file", given["network"]["then"], None
    described = given["network"]["else"]["properties"]
    yield "network.populations.NAME", described["populations"]["additionalProperties"], network.Population
    yield "network.projections[k]", described["projections"]["items"], network.Projection
    yield "guard", given["guard"], coding.Guard
    yield "training", given["training"], controller_file.Training
    for name, one in given["ros"]["properties"].items():
        yield f"ros.{name}.NAME", one["additionalProperties"], RosTopic


def _definitions(definitions: Mapping[str, Any]) -> Iterator[Section]:
    """Yield a section for each ``type`` of each place, such as ``neurons: lif``."""
    from snn_control.controller_file.keys import SINGLE, types_at

    for place, definition in definitions.items():
        for variant in definition.get("oneOf", [definition] if "properties" in definition else []):
            kind = variant.get("properties", {}).get("type", {}).get("const")
            if kind:
                yield f"{place.replace('_', ' ')}: {kind}", variant, types_at(place)[kind]
            elif not definition.get("oneOf"):
                yield place.replace("_", " "), variant, SINGLE.get(place)


def _details(described: Any) -> str:
    """The docstring of a class between its summary and its fields, with formulas as blocks, then the class's name."""
    text = re.split(FIELD, inspect.getdoc(described) or "", maxsplit=1, flags=re.MULTILINE)[0].partition("\n\n")[2]
    names = described.__module__.split(".")
    modules = (".".join(names[: k + 1]) for k in range(1, len(names)))
    module = next(one for one in modules if hasattr(importlib.import_module(one), described.__name__))
    return "\n\n".join([*_paragraphs(text), f"In Python: `{module}.{described.__name__}`."])


FIELD = r"^\w+(?:, \w+)* : "  # a line of a docstring that describes fields


def _paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a docstring; indented lines are formulas, and become a block."""
    for indented, lines in itertools.groupby(text.splitlines(), lambda line: line.startswith("    ")):
        part = "\n".join(lines)
        if indented:
            yield f"```text\n{inspect.cleandoc(part)}\n```"
        else:
            yield from (cell(one) for one in part.split("\n\n") if one.strip())


def _section(title: str, one: Mapping[str, Any], described: Any, shown: KeyExamples) -> str:
    text, needed = cell(one.get("description", "")), one.get("required", ())
    text = "\n\n".join(filter(None, [text, _details(described) if described else ""]))
    rows = []
    for name, value in one.get("properties", {}).items():
        if "const" in value and name in ("type", "kind"):
            continue
        default = "needed" if name in needed else f"`{_yaml(value['default'])}`" if "default" in value else ""
        example = shown.of(one, name)
        rows.append((f"`{name}`", cell(_type(value)), default, cell(f"`{example}`") if example else "",
                     cell(value.get("description", ""))))  # fmt: skip
    body = table("key | type, range | default | example | meaning", rows) if rows else ""
    return f"\n## {title}\n\n{text + chr(10) + chr(10) if text else ''}{body}"


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
        inner = re.sub(r"\b(number|array|mapping|text)\b", r"\1s", _type(value.get("items", {})))
        return (f"{count} " if count and count == value.get("maxItems") else "list of ") + (inner or "values")
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

A Program (a compiled controller) is a list of operations. Each operation is a *row*: the name of a kernel, and operands
(*words*). This page lists the kernels and the words of their rows, in order, as `snn_control/engine/kernels` declares
them. An array is written as `type[elements]`; `or 0` marks an array that a row may omit. [Your own
neuron](../tutorials/own_neuron.md) explains how to write a kernel.
"""


def kernels() -> str:
    from snn_control.engine.builtin import BUILTIN

    page = [KERNELS_HEAD]
    for one in sorted(BUILTIN.kernels, key=lambda one: one.name):
        text = re.split(FIELD, inspect.getdoc(one.function) or "", maxsplit=1, flags=re.MULTILINE)[0].rstrip()
        page.append(f"\n## {one.name}\n\n{text.replace('``', '`').replace('|', chr(92) + '|')}\n\n")
        page.append(f"Version {one.version}.\n\n{table('parameter | words | what it is', list(_words(one)))}")
    return "".join(page)


def _words(one: Kernel) -> Iterator[tuple[str, ...]]:
    """Yield a row for each parameter of a kernel, with the explanation in the docstring of its function."""
    from snn_control.controller_file.keys import explanations

    texts = explanations(one.function)
    for name, word in one.row.items():
        text = texts.get(name, "")
        what = f"{word}. {text[:1].upper()}{text[1:]}" if text else str(word)
        yield f"`{name}`", ", ".join(f"`{w}`" for w in word.names(name)), cell(what)


# classes ---------------------------------------------------------------------------------------------------------
#: modules whose public names have entries on the site
PUBLIC = (
    "snn_control.controller", "snn_control.controller_file", "snn_control.network.neurons", "snn_control.network.graph",
    "snn_control.network.connectors", "snn_control.network.convolution", "snn_control.network.distance",
    "snn_control.network.distributions", "snn_control.network.plasticity", "snn_control.coding.inputs",
    "snn_control.coding.encoders", "snn_control.coding.filters", "snn_control.coding.outputs",
    "snn_control.events", "snn_control.nef", "snn_control.nir", "snn_control.realtime.loop",
    "snn_control.training.trainer", "snn_control.training.result", "snn_control.training.distributed.seeds",
    "snn_control.record", "snn_control.report", "snn_control.testing", "snn_control.gym_adapter.flat",
    "snn_control.gym_adapter.spaces", "snn_control.engine.lowering", "snn_control.findings", "snn_control.errors",
    "sim_worlds.core", "sim_worlds.sensors.event_camera",
)  # fmt: skip


def module(name: str) -> str:
    """The page of a module, which autodoc fills."""
    return f"# {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n```\n"


#: pages that are committed -> what they are made of
COMMITTED = {
    REFERENCE / "cli.md": lambda page: commands(),
    REFERENCE / "nodes.md": nodes,
}
#: pages that are written when the site is built
BUILT = {"keys.md": keys, "kernels.md": kernels}
BUILT |= {f"api/{name}.md": functools.partial(module, name) for name in PUBLIC}


def main() -> None:
    for path, make in COMMITTED.items():
        path.write_text(make(path.read_text("utf-8") if path.exists() else ""), "utf-8")


if __name__ == "__main__":
    main()
