"""Write descriptions as controller files: YAML, with large arrays in a separate .npz file.

Reading the written files leads to the same Program. Keys with default values are omitted. An array of up to `INLINE`
numbers is in the YAML; a larger array is in the .npz file of the same name. An array that is used several times is
stored once.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import is_dataclass, replace
from pathlib import Path
from typing import Any, get_origin

import numpy as np
import yaml

from ..engine import registry
from ..errors import NO_VALUE, DescriptionError
from ..files import Arrays, read_text, replace_files
from ..network import Distribution, Projection
from ..network.graph import CONNECTIONS, free_name
from ..network.quantization import codes
from .keys import INPUTS, OWN, PLUGINS, keys, members, type_of, types_at
from .reader import VERSION, Loader
from .ros import ONLY_WITH, RosTopic, end_kind, usual_values
from .training import Training
from .tunable import mark

__all__ = ["save_spec"]

INLINE = 64  # largest array in the YAML
COMPRESSED = 1 << 26  # [bytes] larger arrays are not compressed, which would take too long

#: fields of a ControllerSpec that have their own writer; ``path`` is no key of the file
SECTIONS = ("inputs", "network", "outputs", "guard", "ros_inputs", "ros_outputs", "training", "tunable", "path")
#: keys that come first, in this order; the others follow in the order of the description
ORDER = (
    "topic", "kind", "type", "pre", "post", "from", "tau", "size", "unit", "range", "plausible", "not_finite", "stale",
    "required", "capacity", "filters", "encoder", "decoder",
)  # fmt: skip


class _Writer:
    """Converts descriptions to plain data for YAML, and collects the large arrays that the data refer to."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.arrays: dict[str, np.ndarray] = {}
        self._names: dict[tuple, str] = {}

    def described(self, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
        """Convert a description, such as a neuron, encoder, decoder or connection, to a mapping with its ``type``."""
        kind = type_of(type(value))
        if kind is None:
            kinds = PLUGINS.values()
            known = ", ".join(cls.__name__ for place in (*kinds, *OWN) for cls in types_at(place).values())
            fix = "; ".join([known, *sorted({registry.faults(one) for one in kinds} - {""})])
            raise DescriptionError(".".join(path), type(value).__name__, "has no name in the controller file", fix)
        return ({"type": kind} if kind else {}) | self.fields(value, path)

    def fields(
        self, value: Any, path: tuple[str, ...], skip: Collection[str] = (), defaults: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return the fields of a description that differ from their defaults, as keys and values of the file.

        skip : fields that are omitted
        defaults : default values of the file's keys, where they differ from the defaults of the description's fields
        """
        found: dict[str, Any] = {}
        cls: Any = type(value)
        for key in keys(cls):
            one, default = getattr(value, key.field), (defaults or {}).get(key.field, key.default)
            if key.field not in skip and not _same(one, default):
                one_by_one = any(get_origin(hint) is tuple for hint in members(key.hint))
                found[key.name] = self.value(one, (*path, key.field), one_by_one)
        rank = {key: k for k, key in enumerate(ORDER)}
        return dict(sorted(found.items(), key=lambda item: rank.get(item[0], len(rank))))

    def value(self, value: Any, path: tuple[str, ...], one_by_one: bool = False) -> Any:
        if is_dataclass(value):
            return self.described(value, path)
        if value is None or isinstance(value, str | bool | np.bool_ | Mapping):
            return _plain(value)
        if one_by_one and isinstance(value, tuple | list):
            return [self.value(v, (*path, str(k))) for k, v in enumerate(value)]
        return self.numbers(value, path)

    def numbers(self, value: Any, path: tuple[str, ...]) -> Any:
        """Return numbers as the file contains them: a number, lists, or a reference to a large array in the .npz."""
        array = np.asarray(value)
        if array.dtype.kind not in "iuf":
            raise DescriptionError(".".join(path), value, "must be numbers")
        if array.size <= INLINE:
            return array.tolist()
        content = array.dtype.str, array.shape, hashlib.sha256(np.ascontiguousarray(array).data).digest()
        if content not in self._names:
            key = free_name("_".join(path[1:]), self.arrays)  # without the section
            self.arrays[key], self._names[content] = array, key
        return f"{self.file}#{self._names[content]}"

    # the sections of the file ----------------------------------------------------------------------------------
    def document(self, spec: Any) -> dict[str, Any]:
        """Convert a ControllerSpec to plain data for the YAML file."""
        numbers = self.fields(spec, (), skip=SECTIONS, defaults={"dt": spec.period})
        inputs = self.topics("inputs", spec.ros_inputs, spec.inputs)
        topics = {"inputs": inputs, "outputs": self.topics("outputs", spec.ros_outputs, spec.outputs)}
        sections = {
            "inputs": {one.name: self.input(one) for one in _named("inputs", spec.inputs)},
            "network": self.network(spec.network),
            "outputs": {one.name: self.output(one) for one in _named("outputs", spec.outputs)},
            "guard": self.fields(spec.guard, ("guard",)),
            "ros": {side: found for side, found in topics.items() if found},
            "training": self.training(spec.training),
        }
        found = {key: section for key, section in sections.items() if section or key == "outputs"}
        return {"version": VERSION, **numbers, **found}

    def input(self, one: Any) -> dict[str, Any]:
        kinds = {cls: kind for kind, cls in INPUTS.items()}
        if type(one) not in kinds:
            rule = f"must be one of {', '.join(cls.__name__ for cls in kinds)}"
            raise DescriptionError(f"inputs.{one.name}", type(one).__name__, rule)
        return {"kind": kinds[type(one)]} | self.fields(one, ("inputs", one.name), skip=("name",))

    def network(self, network: Any) -> dict[str, Any]:
        populations = {
            one.name: self.fields(one, ("populations", one.name), skip=("name",))
            for one in _named("network.populations", network.populations)
        }
        written = (_in_words(_as_codes(one)) for one in network.projections)
        projections = [self.fields(one, ("projections", one.pre, one.post)) for one in written]
        found = {"populations": populations, "projections": projections}
        return {key: values for key, values in found.items() if values}

    def output(self, one: Any) -> dict[str, Any]:
        found = self.fields(one, ("outputs", one.name), skip=("name",))
        decoder = found["decoder"]
        if not decoder:
            raise DescriptionError(f"outputs.{one.name}.decoder", decoder, "must hold at least one decoder")
        if isinstance(decoder, list) and len(decoder) == 1:
            found["decoder"] = decoder[0]
        return found

    def training(self, one: Training) -> dict[str, Any]:
        found = self.fields(one, ("training",), skip=("trainable", "settings"))
        limits = {pattern: self.fields(each, ("training", pattern)) for pattern, each in one.trainable.items()}
        more = {"trainable": limits, "settings": _plain(one.settings)}
        return found | {key: values for key, values in more.items() if values}

    def topics(self, section: str, topics: Mapping[str, RosTopic], ends: Iterable[Any]) -> dict[str, Any]:
        kinds, found = {end.name: end_kind(end) for end in ends}, {}
        for name, topic in topics.items():
            kind = kinds.get(name, "")
            for key, which in ONLY_WITH.items():
                value = getattr(topic, key)
                if kind not in which and (value or None) != (getattr(RosTopic, key) or None):
                    rule = f"is for {' and '.join(which)} only"
                    raise DescriptionError(f"ros.{section}.{name}.{key}", value, rule)
            found[name] = self.fields(topic, ("ros", name), defaults=usual_values(kind, topic.type))
        return found


def _named(section: str, values: Iterable[Any]) -> Iterable[Any]:
    """Return the values unchanged; raises DescriptionError if two of them have the same name."""
    for name, times in Counter(value.name for value in values).items():
        if times > 1:
            raise DescriptionError(section, name, "every name must be unique")
    return values


def _as_codes(one: Projection) -> Projection:
    """Return the projection with its int8 weights as an int8 array, if the array is large enough for the .npz file."""
    if one.precision != "int8" or isinstance(one.weights, Distribution) or np.size(one.weights) <= INLINE:
        return one
    whole, scale = codes(f"{one.label}.scale", np.asarray(one.weights, np.float32), one.scale)
    return replace(one, weights=whole, scale=scale)


def _in_words(one: Projection) -> Projection:
    """Return the projection with its connector replaced by the connector's name, e.g. "dense", if it has a name."""
    word = next((word for word, cls in CONNECTIONS.items() if type(one.connection) is cls), "")
    if not word:
        return one
    index: dict[str, Any] = {key: getattr(one.connection, key, None) for key in ("pre_index", "post_index")}
    return replace(one, connection=word, **index)


def _same(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple | list) and len(value) == len(default) and all(map(_same, value, default))
    return np.ndim(value) == 0 and bool(_plain(value) == default)  # a float32 that is only near the default is written


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_plain(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


class _Dumper(yaml.SafeDumper):
    """YAML dumper: nested mappings in block style, lists and the innermost mappings on one line, no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


# a text that YAML 1.1 or our own reader would read as another type is quoted
_Dumper.yaml_implicit_resolvers = {
    first: [*yaml.SafeDumper.yaml_implicit_resolvers.get(first, ()), *Loader.yaml_implicit_resolvers.get(first, ())]
    for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *Loader.yaml_implicit_resolvers}
}


def _mapping(dumper: yaml.SafeDumper, data: dict) -> yaml.Node:
    node = yaml.SafeDumper.represent_dict(dumper, data)
    inner = [one for value in data.values() for one in (value if isinstance(value, list) else [value])]
    node.flow_style = not any(isinstance(one, dict) for one in inner)
    return node


def _sequence(dumper: yaml.SafeDumper, data: list) -> yaml.Node:
    flow = not any(isinstance(e, dict) for e in data)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


def _text(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    style = None if data.isprintable() else '"'  # the only style in which PyYAML preserves every line break
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(dict, _mapping)
_Dumper.add_representer(list, _sequence)


def _check_own(path: Path, beside: Path, names: Iterable[str]) -> None:
    """Raise DescriptionError if writing would overwrite foreign arrays in the .npz file ``beside``.

    A foreign array is one to which the controller file ``path`` does not refer, and which is not among ``names``, the
    arrays to write. Arrays among ``names`` may already be in the .npz file if a process was killed after it wrote only
    this file.
    """
    if not beside.exists() or beside.stat().st_size == 0:
        return
    try:
        with Arrays(beside) as archive:
            held = set(archive)
    except (OSError, ValueError):
        held = {beside.name}  # not a file of arrays, so not ours
    try:
        events = yaml.parse(read_text(path), Loader)
        known = {event.value for event in events if isinstance(event, yaml.ScalarEvent)}
    except (OSError, ValueError, yaml.YAMLError):
        known = set()
    known |= {f"{beside.name}#{name}" for name in names}
    if other := sorted(name for name in held if f"{beside.name}#{name}" not in known):
        rule = f"holds arrays that {path.name} does not use ({', '.join(other[:3])}) and would be replaced"
        raise DescriptionError(str(beside), NO_VALUE, rule, "choose another name, or move it away")


def save_spec(spec: Any, path: str | os.PathLike, head: str = "") -> Path:
    """Write a ControllerSpec as ``NAME.yaml``, and its larger arrays as ``NAME.npz``; write both files or none.

    head : comment lines at the start, e.g. "Made by: ..."

    Return the path of the YAML file. `load_spec` reads a description from it whose Program has the same digest. An
    existing ``NAME.yaml`` is replaced. An existing ``NAME.npz`` is replaced if the existing YAML file refers to all of
    its arrays. Raises DescriptionError if ``NAME.npz`` contains other arrays, or if a description's type has no name in
    the file. Raises OSError if a file cannot be written. In all these cases nothing is written.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml"):
        raise DescriptionError("path", str(path), "must end with .yaml")
    beside = path.with_suffix(".npz")
    writer = _Writer(beside.name)
    document = writer.document(spec)
    mark(document, spec)
    comment = "".join(f"# {line}\n" for line in head.splitlines())
    text = comment + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    files: dict[str | os.PathLike, Any] = {}
    if writer.arrays:
        _check_own(path, beside, writer.arrays)
        size = sum(array.nbytes for array in writer.arrays.values())
        save = np.savez_compressed if size <= COMPRESSED else np.savez
        files[beside] = lambda file: save(file, **writer.arrays)  # type: ignore[arg-type]
    files[path] = lambda file: file.write(text.encode("utf-8"))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_files(files)
    return path
