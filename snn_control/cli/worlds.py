"""``snn_control worlds``: list the shipped simulated robots, and describe one of them."""

from __future__ import annotations

import argparse
import inspect
import json
import math
import shlex
from pathlib import Path
from typing import Any

from ..errors import DescriptionError, close_match
from ..resources import shipped
from .common import add_command, add_shared, need_extra, print_json, table

MORE = """\
Each world is a Gymnasium environment (sim_worlds:ID) and a ROS 2 node (world_node). Most have classical controllers
and a shipped spiking controller. docs/gallery.md shows their results.

examples:
  snn_control worlds
  snn_control worlds PanTiltTracking-v0     its spaces, arguments and commands
  snn_control demo sim_worlds:PanTiltTracking-v0
"""
MADE_BY = "# Made by: "


def add_to(commands: Any) -> None:
    parser = add_command(commands, "worlds", run, "list the simulated robots and their controllers", MORE)
    parser.add_argument("id", nargs="?", metavar="ID", help="describe this world")
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    for module in ("gymnasium", "pybullet"):
        need_extra(module, "sim")
    from sim_worlds import WORLDS

    if options.id is None:
        found = {f"sim_worlds:{name}": _facts(name) for name in WORLDS}
        if options.json:
            print_json(found)
            return 0
        for name, one in found.items():
            print(f"{name}\n    {_line(one)}")
        print("snn_control worlds ID describes one; snn_control demo ID runs it with its controller over ROS 2")
        return 0
    name = options.id.removeprefix("sim_worlds:")
    if name not in WORLDS:
        raise DescriptionError("ID", options.id, "is not a world that ships", close_match(name, list(WORLDS)))
    facts = {"id": f"sim_worlds:{name}", **_facts(name), **_details(name)}
    if options.json:
        print_json(facts)
    else:
        _tell(facts)
    return 0


def world_class(name: str) -> Any:
    from gymnasium.envs.registration import load_env_creator

    from sim_worlds import WORLDS

    return load_env_creator(WORLDS[name]["entry_point"])


def _facts(name: str) -> dict[str, Any]:
    """Return the data for a world's line in the list, without simulating the world."""
    metadata = world_class(name).metadata
    return {
        "title": metadata.get("title", ""), "controller": metadata.get("controller"), "wanted": _wanted(metadata),
        "baselines": list(metadata.get("compared_with", ())), "step_s": 1.0 / metadata["render_fps"],
        "rows": {label: dict(arguments) for label, arguments in metadata.get("rows", {}).items()},
    }  # fmt: skip


def _wanted(metadata: Any) -> str:
    """Return the text of the criterion by which ``snn_control demo`` judges a run; "" if the world has no criterion.

    metadata : the environment's metadata
    """
    if tracking := metadata.get("tracking"):
        return f"at most {tracking.closed:g} {tracking.unit} rms"
    if goal := metadata.get("goal"):
        bounds = {"at least": goal.at_least, "at most": goal.at_most}
        said = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if math.isfinite(bound))
        return f"{goal.score.replace('_', ' ')} {said}"
    return ""


def _details(name: str) -> dict[str, Any]:
    one = world_class(name)
    parameters = inspect.signature(one).parameters.values()
    given = {p.name: None if p.default is p.empty else p.default for p in parameters if p.name != "render_mode"}
    controller = one.metadata.get("controller")
    return {
        "about": inspect.getdoc(one) or "",
        "arguments": {key: list(value) if isinstance(value, tuple) else value for key, value in given.items()},
        "made_by": _made_by(shipped(controller)) if controller else [],
    }


def _made_by(file: Path) -> list[str]:
    """Return the commands that made a controller file, from the comment at the head of the file."""
    head = file.read_text().splitlines()[:20]
    return [line.removeprefix(MADE_BY) for line in head if line.startswith(MADE_BY)]


def _line(facts: dict[str, Any]) -> str:
    """Return one line of text with title, controller, criterion and baselines of a world."""
    controller, baselines = facts["controller"], ", ".join(facts["baselines"])
    parts = [
        facts["title"],
        f"controller {controller}" if controller else "no controller",
        facts["wanted"] and f"wanted: {facts['wanted']}",
        baselines and f"compared with {baselines}",
    ]
    return "; ".join(part for part in parts if part)


def _arg(name: str, value: Any) -> str:
    """Return the option ``--arg NAME=VALUE`` that passes an argument to a world, quoted for a shell."""
    return f"--arg {shlex.quote(f'{name}={value if isinstance(value, str) else json.dumps(value)}')}"


def _tell(facts: dict[str, Any]) -> None:
    print(f"{facts['id']}: {facts['title']}\n\n{facts['about']}\n")
    if facts["arguments"]:
        table("", ("argument", "default"), [[key, json.dumps(value)] for key, value in facts["arguments"].items()])
    rows = facts["rows"].items()
    settings = [[label, " ".join(_arg(*one) for one in given.items())] for label, given in rows]
    if settings:
        table("measured settings (docs/gallery.md)", ("row", "arguments"), settings)
    for command in facts["made_by"]:
        print(f"its controller was made by: {command}")
    name, controller = facts["id"], facts["controller"]
    if controller:
        print(f"run it: snn_control run --env {name} {controller}")
        print(f"over ROS 2: snn_control demo {name}")
    print(f"a controller of your own: snn_control new my.yaml --env {name}; snn_control train my.yaml --env {name}")
