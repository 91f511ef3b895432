"""The controller file: one strict YAML, read into descriptions.

Every mistake is a DescriptionError that names the path, the value, the rule and the nearest valid key.
``controller.schema.json`` beside this file says the same to editors. Arrays may stand inline or as
``file.npz#name``, relative to the controller file.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .coding import (
    ArgmaxDecoder,
    EventsInput,
    Guard,
    Input,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from .engine.build import build
from .engine.program import Program
from .errors import DescriptionError
from .network import LI, LIF, CubaLIF, Network, NeuronModel, Population, Projection

__all__ = ["VERSION", "ControllerSpec", "Reader", "RosTopic", "load_spec", "parse_spec"]

VERSION = 1
NEURONS: dict[str, type[NeuronModel]] = {"lif": LIF, "cuba_lif": CubaLIF, "li": LI}


class _Loader(yaml.SafeLoader):
    """YAML 1.2 numbers (1e-3 is one) and booleans (on and no are words), and no key twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, Hashable):
                raise DescriptionError(str(key), f"line {key_node.start_mark.line + 1}", "a key must be a name")
            if key in seen:
                raise DescriptionError(str(key), f"line {key_node.start_mark.line + 1}", "a key may be there once only")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)
_Loader.yaml_implicit_resolvers = {
    first: sorted(
        [rule for rule in rules if first in "tTfF" or rule[0] != "tag:yaml.org,2002:bool"],
        key=lambda rule: rule[0] == "tag:yaml.org,2002:float",  # whole numbers stay whole
    )
    for first, rules in _Loader.yaml_implicit_resolvers.items()
}


def nearest(word: Any, known: Any) -> str:
    """``did you mean 'x'?`` or a list of what is known."""
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(word), known, 1)
    return f"did you mean '{close[0]}'?" if close else f"known: {', '.join(known)}"


class Reader:
    """Takes the keys of one mapping; what nobody took is an error."""

    def __init__(self, value: Any, path: str, folder: Path) -> None:
        if not isinstance(value, Mapping):
            raise DescriptionError(path or "file", value, "must be a mapping (key: value)")
        self.values, self.path, self.folder = dict(value), path, folder
        self.known: list[str] = []

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        self.known.append(key)
        return key in self.values

    def take(self, key: str, default: Any = MISSING) -> Any:
        if not self.has(key):
            if default is MISSING:
                near = difflib.get_close_matches(key, [str(k) for k in self.values], 1, 0.75)
                fix = f"'{near[0]}' is not a key here; rename it to '{key}'" if near else f"add '{key}'"
                raise DescriptionError(self.at(key), None, "is missing", fix)
            return default
        return self.values.pop(key)

    def number(self, key: str, default: Any = MISSING) -> float:
        value = self.take(key, default)
        if value is not default and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise DescriptionError(self.at(key), value, "must be a number")
        return value

    def text(self, key: str, default: Any = MISSING) -> str:
        value = self.take(key, default)
        if value is not default and not isinstance(value, str):
            raise DescriptionError(self.at(key), value, "must be a text")
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise DescriptionError(self.at(key), value, "must be true or false")
        return value

    def pair(self, key: str, default: Any = MISSING) -> tuple[Any, Any]:
        value = self.take(key, default)
        if value is default:
            return value
        if not isinstance(value, list) or len(value) != 2:
            raise DescriptionError(self.at(key), value, "must be two values [a, b]")
        return value[0], value[1]

    def array(self, key: str, default: Any = MISSING) -> Any:
        """A number, nested lists, or ``file.npz#name``."""
        value = self.take(key, default)
        return value if value is default else self._numbers(self.at(key), value)

    def bounds(self, key: str, default: Any) -> tuple[Any, Any]:
        """``[low, high]``, each of them a number, a list of numbers or ``file.npz#name``."""
        sides = self.pair(key, default)
        if sides is default:
            return sides
        return self._numbers(f"{self.at(key)}[0]", sides[0]), self._numbers(f"{self.at(key)}[1]", sides[1])

    def _numbers(self, path: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._from_file(path, value)
        try:
            array = np.array(value)
        except (TypeError, ValueError):  # lists of different lengths
            array = np.array(None)
        if (array.dtype.kind not in "iuf" and array.size) or isinstance(value, Mapping) or value is None:
            raise DescriptionError(path, value, "must be a number, lists of numbers or 'file.npz#name'")
        return value if array.ndim == 0 else array if array.size else array.astype(np.int64)

    def _from_file(self, path: str, reference: str) -> np.ndarray:
        name, mark, key = reference.partition("#")
        if not mark or not name.endswith(".npz"):
            raise DescriptionError(path, reference, "must be a number, lists of numbers or 'file.npz#name'")
        file = self.folder / name
        if not file.is_file():
            raise DescriptionError(path, reference, f"there is no file {file}")
        try:
            with open(file, "rb") as opened, np.load(opened, allow_pickle=False) as archive:
                if key not in archive.files:
                    raise DescriptionError(path, reference, f"{name} has no array '{key}'", nearest(key, archive.files))
                array = archive[key]
        except DescriptionError:
            raise
        except Exception as error:  # zipfile, zlib and NumPy each have their own
            raise DescriptionError(path, reference, f"{file} cannot be read as arrays: {error}") from error
        if array.dtype.kind not in "iuf":
            raise DescriptionError(path, reference, f"has dtype {array.dtype}: must be numbers")
        return array

    def child(self, key: str, default: Any = MISSING) -> Reader:
        return Reader(self.take(key, default), self.at(key), self.folder)

    def items(self, key: str) -> list[Reader]:
        value = self.take(key, [])
        if not isinstance(value, list):
            raise DescriptionError(self.at(key), value, "must be a list")
        return [Reader(v, f"{self.at(key)}[{k}]", self.folder) for k, v in enumerate(value)]

    def children(self, key: str, default: Any = MISSING) -> list[tuple[str, Reader]]:
        inner = self.child(key, default)
        return [(str(name), Reader(value, inner.at(str(name)), self.folder)) for name, value in inner.values.items()]

    def kind(self, table: Collection[str], key: str = "type") -> str:
        value = self.take(key)
        if not isinstance(value, str) or value not in table:
            raise DescriptionError(self.at(key), value, f"must be one of {', '.join(table)}", nearest(value, table))
        return value

    def done(self) -> None:
        for key in self.values:
            raise DescriptionError(self.at(str(key)), self.values[key], "is not a known key", nearest(key, self.known))

    def make(self, cls: Any, /, **values: Any) -> Any:
        """``cls(**values)`` after checking that all keys were taken; its errors are seen from this path."""
        self.done()
        try:
            return cls(**values)
        except DescriptionError as error:
            if error.path.startswith("populations."):
                raise error.within("network") from None
            known = error.path.startswith(("inputs.", "outputs.", "projections[", "guard."))
            raise error if known else error.within(self.path) from None


@dataclass(frozen=True)
class RosTopic:
    """One end on a ROS topic.

    topic : relative topic name
    type : message type, e.g. ``sensor_msgs/msg/JointState``
    field : path of the numbers in it, e.g. ``position[:]``; empty for event messages
    reliability : "best_effort" or "reliable"
    depth : queue length
    values : of a command: what its message says beside the numbers, field -> value, e.g. ``name: [pan, tilt]``
    """

    topic: str
    type: str
    field: str = ""
    reliability: str = "best_effort"
    depth: int = 5
    values: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for key in self.values or ():
            if not isinstance(key, str):
                raise DescriptionError("values", key, "must be the name of a field, e.g. 'name' or 'header.frame_id'")
        if not re.fullmatch(r"\w+/msg/\w+", self.type):
            raise DescriptionError("type", self.type, "must look like 'sensor_msgs/msg/JointState'")
        if self.reliability not in ("best_effort", "reliable"):
            raise DescriptionError("reliability", self.reliability, "must be 'best_effort' or 'reliable'")
        if not isinstance(self.depth, int) or isinstance(self.depth, bool) or not 1 <= self.depth <= 1000:
            raise DescriptionError("depth", self.depth, "must be a whole number in [1, 1000]")


@dataclass(frozen=True)
class ControllerSpec:
    """A whole controller file.

    period, dt : control period and network step [s]
    repeat : ticks in one `Controller.step`
    ros : name of an input or output -> RosTopic
    """

    period: float
    dt: float
    inputs: tuple[Input, ...]
    network: Network
    outputs: tuple[Output, ...]
    guard: Guard = field(default_factory=Guard)
    repeat: int = 1
    ros_inputs: Mapping[str, RosTopic] = field(default_factory=dict)
    ros_outputs: Mapping[str, RosTopic] = field(default_factory=dict)
    path: str = ""

    def build(self) -> Program:
        """Compile for its own dt and period."""
        try:
            program = build(self.network, self.inputs, self.outputs, dt=self.dt, period=self.period, guard=self.guard)
        except DescriptionError as error:
            if error.path.startswith(("populations", "projections")):  # as the file says it
                error = error.within("network")
            raise error.in_file(self.path) from None
        except MemoryError:
            rule = "does not fit into this machine's memory"
            raise DescriptionError("network", "its size", rule).in_file(self.path) from None
        return replace(program, facts=program.facts | {"repeat": self.repeat})


def _dataclass_numbers(r: Reader, cls: type, texts: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {}
    for f in fields(cls):
        if f.name in r.values:
            found[f.name] = r.text(f.name) if f.name in texts else r.number(f.name)
        else:
            r.known.append(f.name)
    return found


def _neuron(r: Reader) -> NeuronModel:
    cls = NEURONS[r.kind(NEURONS)]
    return r.make(cls, **_dataclass_numbers(r, cls, texts=("reset",)))


def _optional_neuron(r: Reader) -> NeuronModel | None:
    return _neuron(r.child("neuron")) if r.has("neuron") else None


def _population_encoder(r: Reader) -> PopulationEncoder:
    neuron = _optional_neuron(r)
    arrays = {key: r.array(key, None) for key in ("low", "high", "sigma")}
    return r.make(PopulationEncoder, neurons=r.take("neurons"), drive=r.number("drive", 4.0), neuron=neuron, **arrays)


def _linear_encoder(r: Reader) -> LinearEncoder:
    return r.make(LinearEncoder, weights=r.array("weights"), bias=r.array("bias", 0.0), neuron=_optional_neuron(r))


def _pool_encoder(r: Reader) -> PoolEncoder:
    values: dict[str, Any] = {"grid": r.pair("grid"), "neuron": _optional_neuron(r)}
    values |= {key: r.number(key, 1.0) for key in ("on_weight", "off_weight")}
    values["polarity"] = r.text("polarity", "signed")
    return r.make(PoolEncoder, **values)


ENCODERS = {"population": _population_encoder, "linear": _linear_encoder, "pool": _pool_encoder}


def _encoder(r: Reader, allowed: tuple[str, ...]) -> Any:
    return ENCODERS[r.kind({k: ENCODERS[k] for k in allowed})](r)


def _input(name: str, r: Reader) -> Input:
    kind = r.kind({"value": 0, "events": 0}, "kind")
    values: dict[str, Any] = {"name": name, "stale": r.number("stale", float("inf"))}
    values["required"] = r.flag("required", True)
    if kind == "events":
        values |= {"size": r.pair("size"), "capacity": r.take("capacity", 16384)}
        return r.make(EventsInput, encoder=_encoder(r.child("encoder"), ("pool",)), **values)
    encoder = _encoder(r.child("encoder"), ("population", "linear")) if r.has("encoder") else None
    unbounded = (-float("inf"), float("inf"))
    values |= {"range": r.bounds("range", unbounded), "plausible": r.bounds("plausible", unbounded)}
    return r.make(ValueInput, size=r.take("size", 1), unit=r.text("unit", ""), encoder=encoder, **values)


def _population(name: str, r: Reader) -> Population:
    values = {"bias": r.array("bias", 0.0), "v_init": r.array("v_init", 0.0), "neuron": _neuron(r.child("neuron"))}
    return r.make(Population, name=name, size=r.take("size"), **values)


def _projection(r: Reader) -> Projection:
    values: dict[str, Any] = {key: r.text(key) for key in ("pre", "post")}
    values |= {"connection": r.text("connection", "dense"), "receptor": r.text("receptor", "")}
    values |= {"weights": r.array("weights", 1.0), "bias": r.array("bias", None), "delay": r.number("delay", 0.0)}
    values |= {key: r.array(key, None) for key in ("pre_index", "post_index")}
    try:
        return r.make(Projection, **values)
    except DescriptionError as error:
        path = error.path.replace(f"projections[{values['pre']} -> {values['post']}]", r.path)
        raise DescriptionError(path, error.value, error.rule, error.fix) from None


def _term(r: Reader, terms: tuple[str, ...] = ("linear", "membrane")) -> SpikeDecoder | MembraneDecoder:
    kind = r.kind(terms)
    values: dict[str, Any] = {"source": r.text("from"), "weights": r.array("weights")}
    if kind == "linear":
        return r.make(SpikeDecoder, tau=r.number("tau"), **values)
    return r.make(MembraneDecoder, **values)


def _decoder(r: Reader) -> Any:
    value = r.values.get("decoder")
    if isinstance(value, list):
        if not value:
            raise DescriptionError(r.at("decoder"), value, "must hold at least one decoder")
        return tuple(_term(t) for t in r.items("decoder"))
    inner = r.child("decoder")
    if inner.values.get("type") == "argmax":
        inner.take("type")
        return inner.make(
            ArgmaxDecoder, actions=inner.take("actions"), terms=tuple(_term(t) for t in inner.items("terms"))
        )
    return (_term(inner, ("linear", "membrane", "argmax")),)


def _output(name: str, r: Reader) -> Output:
    values: dict[str, Any] = {key: r.array(key, default) for key, default in (("bias", 0.0), ("safe", 0.0))}
    values["slew"] = r.array("slew", float("inf"))
    values |= {"limits": r.bounds("limits", (-float("inf"), float("inf"))), "ramp": r.flag("ramp", False)}
    return r.make(Output, name=name, size=r.take("size", 1), unit=r.text("unit", ""), decoder=_decoder(r), **values)


def _topic(r: Reader, output: bool) -> RosTopic:
    values: dict[str, Any] = {"topic": r.text("topic"), "type": r.text("type"), "field": r.text("field", "")}
    values["reliability"] = r.text("reliability", "reliable" if output else "best_effort")
    if output:
        fixed = r.child("values", {})
        values["values"] = fixed.values
    return r.make(RosTopic, depth=r.take("depth", 1 if output else 5), **values)


def _topics(r: Reader, key: str, names: list[str]) -> dict[str, RosTopic]:
    found = {}
    for name, child in r.children(key, {}):
        if name not in names:
            raise DescriptionError(child.path, name, f"is not one of the controller's {key}", nearest(name, names))
        found[name] = _topic(child, key == "outputs")
    return found


def parse_spec(values: Any, folder: str | os.PathLike = ".", path: str = "") -> ControllerSpec:
    """A parsed YAML document -> ControllerSpec; raises DescriptionError."""
    r = Reader(values, "", Path(folder))
    version = r.take("version")
    if version != VERSION or isinstance(version, bool):
        raise DescriptionError("version", version, f"must be {VERSION}")
    network = r.child("network", {})
    populations = tuple(_population(name, child) for name, child in network.children("populations", {}))
    projections = tuple(_projection(child) for child in network.items("projections"))
    inputs = tuple(_input(name, child) for name, child in r.children("inputs", {}))
    outputs = tuple(_output(name, child) for name, child in r.children("outputs"))
    guard = Guard()
    if r.has("guard"):
        g = r.child("guard")
        guard = g.make(Guard, release=g.take("release", 5))
    ros = r.child("ros", {})
    topics = {
        "ros_inputs": _topics(ros, "inputs", [i.name for i in inputs]),
        "ros_outputs": _topics(ros, "outputs", [o.name for o in outputs]),
    }
    ros.done()
    repeat = r.take("repeat", 1)
    if not isinstance(repeat, int) or isinstance(repeat, bool) or repeat < 1:
        raise DescriptionError("repeat", repeat, "must be a whole number >= 1")
    period = r.number("period")
    return r.make(
        ControllerSpec,
        period=period,
        dt=r.number("dt", period),
        repeat=repeat,
        inputs=inputs,
        network=network.make(Network, populations=populations, projections=projections),
        outputs=outputs,
        guard=guard,
        path=path,
        **topics,
    )


def load_spec(path: str | os.PathLike) -> ControllerSpec:
    """Read a controller file; every error names the file first."""
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not a text file"
        raise DescriptionError(str(file), None, f"cannot be read: {reason}", "see 'snn_control new'") from None
    try:
        return parse_spec(yaml.load(text, _Loader), file.parent, str(file))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise DescriptionError(f"{file}", where, f"is not YAML: {getattr(error, 'problem', error)}") from None
    except DescriptionError as error:
        raise error.in_file(str(file)) from None
