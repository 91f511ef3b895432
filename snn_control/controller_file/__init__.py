"""The controller file: one strict YAML, read into descriptions and written from them.

Every mistake is a DescriptionError that names the path, the value, the rule and the nearest valid key.
``controller.schema.json`` in the package says the same to editors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ..coding import Guard, Input, Output
from ..engine.build import build
from ..engine.program import Program
from ..engine.random import check_seed
from ..errors import NO_VALUE, DescriptionError
from ..files import read_text, reason
from ..network import Network
from .coding import read_input, read_output
from .network import read_network
from .reader import VERSION, Loader, Reader, nearest
from .ros import RosTopic, read_topics
from .writing import save_spec

__all__ = ["VERSION", "ControllerSpec", "Reader", "RosTopic", "load_spec", "nearest", "parse_spec", "save_spec"]


MOST_TICKS = 1_000_000  # in one `Controller.step`


@dataclass(frozen=True)
class ControllerSpec:
    """A whole controller file.

    period, dt : control period and network step [s]
    repeat : ticks in one `Controller.step`
    seed : of all random numbers, a whole number >= 0
    reset_each_tick : populations begin each tick as after a reset
    ros : name of an input or output -> RosTopic
    """

    period: float
    dt: float
    inputs: tuple[Input, ...]
    network: Network
    outputs: tuple[Output, ...]
    guard: Guard = field(default_factory=Guard)
    repeat: int = 1
    seed: int = 0
    reset_each_tick: bool = False
    ros_inputs: Mapping[str, RosTopic] = field(default_factory=dict)
    ros_outputs: Mapping[str, RosTopic] = field(default_factory=dict)
    path: str = ""

    def build(self) -> Program:
        """Compile for its own dt and period."""
        try:
            same: dict[str, Any] = {
                key: getattr(self, key) for key in ("dt", "period", "guard", "seed", "reset_each_tick")
            }
            program = build(self.network, self.inputs, self.outputs, **same)
        except DescriptionError as error:
            if error.path.startswith(("populations", "projections")):  # as the file says it
                error = error.within("network")
            raise error.in_file(self.path) from None
        except MemoryError:
            rule = "does not fit into this machine's memory"
            raise DescriptionError("network", "its size", rule).in_file(self.path) from None
        return replace(program, facts=replace(program.facts, repeat=self.repeat))

    def save(self, path: str | os.PathLike, head: str = "") -> Path:
        """Write it as a controller file, see `save_spec`."""
        return save_spec(self, path, head)


def parse_spec(values: Any, folder: str | os.PathLike = ".", path: str = "") -> ControllerSpec:
    """A parsed YAML document -> ControllerSpec; raises DescriptionError."""
    r = Reader(values, "", Path(folder))
    version = r.take("version")
    if version != VERSION or isinstance(version, bool):
        raise DescriptionError("version", version, f"must be {VERSION}")
    period = r.number("period")
    dt = r.number("dt", period)
    network = read_network(r.child("network", {}), dt)
    inputs = tuple(read_input(name, child) for name, child in r.children("inputs", {}))
    outputs = tuple(read_output(name, child) for name, child in r.children("outputs"))
    guard = Guard()
    if r.has("guard"):
        g = r.child("guard")
        guard = g.make(Guard, release=g.take("release", 5))
    ros = r.child("ros", {})
    topics = {
        "ros_inputs": read_topics(ros, "inputs", inputs),
        "ros_outputs": read_topics(ros, "outputs", outputs),
    }
    ros.done()
    repeat = r.take("repeat", 1)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or not 1 <= repeat <= MOST_TICKS:
        raise DescriptionError("repeat", repeat, f"must be a whole number >= 1, at most {MOST_TICKS:,}")
    seed = r.take("seed", 0)
    check_seed(seed)
    restart = r.flag("reset_each_tick", False)
    return r.make(
        ControllerSpec,
        period=period,
        dt=dt,
        repeat=repeat,
        seed=seed,
        reset_each_tick=restart,
        inputs=inputs,
        network=network,
        outputs=outputs,
        guard=guard,
        path=path,
        **topics,
    )


def load_spec(path: str | os.PathLike) -> ControllerSpec:
    """Read a controller file; every error names the file first."""
    file = Path(path)
    try:
        text = read_text(file)
    except (OSError, ValueError) as error:
        if file.suffix == ".npz" and file.is_file():
            rule = "is a saved Program or other arrays"
            raise DescriptionError(str(file), NO_VALUE, rule, "this needs the controller file") from None
        if file.suffix == ".nir" and file.is_file():
            fix = f"first 'snn_control import {file} --dialect D --out {file.stem}.yaml'"
            raise DescriptionError(str(file), NO_VALUE, "is a NIR network, not a controller file", fix) from None
        rule = f"cannot be read: {reason(error)}"
        raise DescriptionError(str(file), NO_VALUE, rule, "see 'snn_control new'") from None
    try:
        return parse_spec(yaml.load(text, Loader), file.parent, str(file))
    except (ValueError, RecursionError) as error:  # of the loader: a date that is none, brackets without end
        if isinstance(error, DescriptionError):
            raise error.in_file(str(file)) from None
        raise DescriptionError(str(file), type(error).__name__, f"cannot be read as YAML: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise DescriptionError(f"{file}", where, f"is not YAML: {problem}") from None
