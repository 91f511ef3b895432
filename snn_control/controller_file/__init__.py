"""Read and write controller files: strict YAML files that describe a controller.

Every error is a DescriptionError that names the path, the value, the rule and the nearest valid key. The dataclasses of
the descriptions and `keys` declare the keys. `schema` derives a JSON Schema for editors from the keys.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from ..coding import Guard, Input, Output
from ..errors import NO_VALUE, DescriptionError, in_file
from ..files import read_text, reason
from ..network import Network
from ..network.checks import TICK_SEED, Checked, Seconds, Whole
from .descriptions import read_fields, read_network, read_output, read_training
from .keys import INPUTS
from .reader import VERSION, Reader, nearest, read_yaml
from .ros import RosTopic, read_topics
from .training import Limits, Surrogate, Training
from .tunable import Tunable, take_tunable, value_at
from .writing import save_spec

__all__ = ["VERSION", "ControllerSpec", "Limits", "Reader", "RosTopic", "Surrogate", "Training", "Tunable"]
__all__ += ["load_spec", "nearest", "parse_spec", "save_spec"]


@dataclass(frozen=True)
class ControllerSpec(Checked):
    """The contents of a controller file.

    period : control period, the length of one tick [s]
    dt : step of the network [s]; the period is a whole number of steps. A file without ``dt`` uses the period
    repeat : number of ticks in one `Controller.step`
    seed : seed of all random numbers in a tick, a whole number >= 0 and below 2^63
    reset_each_tick : whether the populations are reset at the start of each tick
    ros_inputs, ros_outputs : name of an input or output -> RosTopic
    training : settings of the training; not part of the Program
    tunable : path of a number in the file -> the range in which the number may be changed while the controller runs
    path : controller file from which the description was read; empty if there is none

    Raises DescriptionError for an invalid number.
    """

    period: Seconds
    dt: Seconds
    inputs: tuple[Input, ...]
    network: Network
    outputs: tuple[Output, ...]
    guard: Guard = field(default_factory=Guard)
    repeat: Annotated[int, Whole(1, 1_000_000)] = 1
    seed: Annotated[int, TICK_SEED] = 0
    reset_each_tick: bool = False
    ros_inputs: Mapping[str, RosTopic] = field(default_factory=dict)
    ros_outputs: Mapping[str, RosTopic] = field(default_factory=dict)
    training: Training = field(default_factory=Training)
    tunable: Mapping[str, Tunable] = field(default_factory=dict)
    path: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for path in self.tunable:
            value_at(self, path)

    def save(self, path: str | os.PathLike, head: str = "") -> Path:
        """Write the description as a controller file, and return its path; see `save_spec`."""
        return save_spec(self, path, head)


def parse_spec(values: Any, folder: str | os.PathLike = ".", path: str = "") -> ControllerSpec:
    """Convert a parsed YAML document to a ControllerSpec; raises DescriptionError.

    folder : folder of the files to which the document refers
    path : file from which the document was read; empty if there is none
    """
    values, tunable = take_tunable(values)
    r = Reader(values, "", Path(folder))
    version = r.take("version")
    if version != VERSION or isinstance(version, bool):
        raise DescriptionError("version", version, f"must be {VERSION}")
    period = r.plain("period", float)
    dt = r.plain("dt", float, period)
    network = read_network(r.child("network", {}), dt)
    inputs = tuple(
        read_fields(child, INPUTS[child.kind(INPUTS, "kind")], name=name) for name, child in r.children("inputs", {})
    )
    outputs = tuple(read_output(child, name) for name, child in r.children("outputs"))
    guard = read_fields(r.child("guard", {}), Guard)
    ros = r.child("ros", {})
    topics = {"ros_inputs": read_topics(ros, "inputs", inputs), "ros_outputs": read_topics(ros, "outputs", outputs)}
    ros.reject_unknown_keys()
    sections = {"inputs": inputs, "network": network, "outputs": outputs, "guard": guard, **topics}
    sections["training"] = read_training(r.child("training", {}))
    return read_fields(r, ControllerSpec, period=period, dt=dt, path=path, tunable=tunable, **sections)


def load_spec(path: str | os.PathLike) -> ControllerSpec:
    """Read a controller file. The message of every error starts with the file's name."""
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
    values = read_yaml(text, str(file))
    with in_file(str(file)):
        return parse_spec(values, file.parent, str(file))
