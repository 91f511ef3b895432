"""Derive the JSON Schema of controller files, for editors, from the keys that the reader uses.

The schema contains all rules on single keys. It contains a rule on several keys only if `TOGETHER` lists the rule. The
reader checks all rules.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, get_args, get_origin

from ..coding import FieldsEncoder, Guard, HotPixels, Output, PoolEncoder, ValueInput
from ..coding.inputs import NOT_FINITE
from ..network import Population, Projection
from ..network.checks import MAX_SIZE, NAME, Numbers, OneOf, OrWord, Whole, check_name
from ..network.convolution import Pair
from ..network.distance import check_positions
from ..network.graph import CONNECTIONS, Drawn
from . import VERSION, ControllerSpec
from .joint_limits import JointLimits
from .keys import EVENTS_ENCODERS, INPUTS, OWN, PLACES, PLUGINS, SINGLE, Key, keys, may_be_tuned, members, types_at
from .perturbations import Span
from .ros import ONLY_WITH, OUTPUTS, TYPE, RosTopic, check_type, usual_values
from .training import Training
from .writing import SECTIONS

__all__ = ["schema"]

Schema = dict[str, Any]


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _with(*names: str) -> Schema:
    return {"required": list(names)}


REFERENCE = {"type": "string", "pattern": r"^(?!/)(?!(.*/)?\.\./).*\.npz#.+"}
REFERENCE["description"] = "An array in a file beside this one, or in a folder there: file.npz#name."
LISTS = {"type": "array", "items": {"anyOf": [{"type": "number"}, _ref("lists")]}}
#: type of a field -> the schema of its values
VALUES: dict[Any, Schema] = {
    float: {"type": "number"}, int: {"type": "integer"}, str: {"type": "string"}, bool: {"type": "boolean"},
    Any: {"anyOf": [{"type": "number"}, _ref("reference"), _ref("lists")]},
    Mapping[str, Any]: {"type": "object"}, type(None): {"type": "null"},
}  # fmt: skip
#: schema of a tunable number or array, which may be changed while the controller runs
TUNABLE: Schema = {
    "type": "object",
    "description": "A number, or the factor of an array, that may be changed while the controller runs.",
    "required": ["value", "tunable"],
    "additionalProperties": False,
    "properties": {
        "value": VALUES[Any] | {"description": "The number or array itself."},
        "tunable": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
        | {"description": "The range of the number, or of the array's factor, which is 1 at first."},
    },
}
ARRAY: Schema = {"anyOf": [_ref("reference"), _ref("lists")]}
#: keys whose values do not follow from the annotation of the field, or that have a shorter form in the file
SPECIAL: dict[Any, Schema] = {
    (HotPixels, "mask"): ARRAY,
    (HotPixels, "pixels"): ARRAY,
    (ValueInput, "not_finite"): {
        "anyOf": [{"enum": list(NOT_FINITE)}, {"type": "array", "minItems": 1, "items": {"enum": list(NOT_FINITE)}}]
    },
    (Projection, "connection"): {"anyOf": [{"enum": list(CONNECTIONS)}, _ref("connection")]},
    (Training, "trainable"): {"type": "object", "additionalProperties": _ref("limits")},
    (Output, "decoder"): {
        "anyOf": [_ref("argmax"), _ref("decoders"), {"type": "array", "minItems": 1, "items": _ref("decoders")}]
    },
}
#: rules between the keys of one mapping
TOGETHER: dict[Any, Schema] = {
    FieldsEncoder: {
        "oneOf": [_with("grid") | {"not": _with("centres")}, _with("centres", "sigma") | {"not": _with("grid")}]
    },
    HotPixels: {"oneOf": [_with("mask"), _with("pixels")]},
    PoolEncoder: {
        "if": _with("response") | {"properties": {"response": {"const": "saturate"}}},
        "then": _with("ceiling"),
        "else": {"not": _with("ceiling")},
    },
    Projection: {
        "if": _with("connection") | {"properties": {"connection": {"const": "sparse"}}},
        "then": _with("pre_index", "post_index"),
        "else": {"not": {"anyOf": [_with("pre_index"), _with("post_index")]}},
    },
}


def schema() -> Schema:
    """Return the whole schema (JSON Schema, draft 2020-12), including types from plug-ins."""
    from ..nir import DIALECTS

    whose = "The framework that wrote the numbers; a file of 'snn_control export' states it itself."
    left_open = "Choices that the file leaves open, with the framework's names, e.g. {reset_mechanism: zero}."
    nir = {
        "nir": {"type": "string", "description": "A NIR file beside this one that holds the network."},
        "dialect": {"enum": list(DIALECTS), "description": whose},
        "options": {"type": "object", "description": left_open},
    }
    network = {"populations": _by_name(_mapping(Population, ("name",)))}
    network["projections"] = {"type": "array", "items": _mapping(Projection)}
    output = _mapping(Output, ("name",))
    output["properties"]["joint_limits"] = _mapping(JointLimits)
    sections = {
        "inputs": _by_name(_choice("kind", INPUTS, ("name",))),
        "network": {"type": "object", "if": _with("nir"), "then": _closed(nir), "else": _closed(network)},
        "outputs": _by_name(output),
        "guard": _mapping(Guard),
        "training": _mapping(Training),
        "ros": {"type": "object"} | _closed({"inputs": _topics(output=False), "outputs": _topics(output=True)}),
    }
    families = {place: _choice("type", types_at(place)) for place in (*PLUGINS.values(), EVENTS_ENCODERS, *OWN)}
    single = {place: _mapping(cls) for place, cls in SINGLE.items()}
    whole = _mapping(ControllerSpec, SECTIONS)
    version = {"version": {"const": VERSION, "description": "Version of this format."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"snn_control controller file, version {VERSION}",
        **whole,
        "description": "A controller file describes inputs with encoders, a spiking network, outputs with decoders and "
        "limits, ROS topics and training. Units are SI.",
        "required": ["version", "period", "outputs"],
        "properties": version | whole["properties"] | sections,
        "$defs": families | single | {"reference": REFERENCE, "lists": LISTS, "tunable": TUNABLE},
    }


def _closed(properties: Schema) -> Schema:
    return {"additionalProperties": False, "properties": properties}


def _by_name(item: Schema) -> Schema:
    names = {"type": "string", "pattern": _whole(NAME)}
    return {"type": "object", "propertyNames": names, "additionalProperties": item}


def _whole(pattern: re.Pattern[str]) -> str:
    """Return ``pattern`` as a regular expression of JSON Schema that must match the whole text."""
    return f"^{pattern.pattern}$"


def _choice(key: str, types: dict[str, Any], skip: Collection[str] = ()) -> Schema:
    cases = []
    for name, described in types.items():
        case = _mapping(described, skip)
        cases.append(case | {"properties": {key: {"const": name}} | case["properties"]})
    return {"type": "object", **_with(key), "properties": {key: {"enum": list(types)}}, "oneOf": cases}


def _mapping(described: Any, skip: Collection[str] = ()) -> Schema:
    used = [key for key in keys(described) if key.field not in skip]
    properties = {key.name: _key(described, key) for key in used}
    summary = " ".join(inspect.cleandoc(described.__doc__ or "").partition("\n\n")[0].split())
    needed = [key.name for key in used if key.required]
    said = {"type": "object", "description": summary.replace("``", "`"), **_closed(properties)}
    return said | (_with(*needed) if needed else {}) | TOGETHER.get(described, {})


def _topics(output: bool) -> Schema:
    skip = [key for key, kinds in ONLY_WITH.items() if (OUTPUTS in kinds) != output]
    topic = _mapping(RosTopic, skip)
    for name, value in usual_values(OUTPUTS if output else "", "").items():
        topic["properties"][name]["default"] = value
    return {"type": "object", "additionalProperties": topic}


def _key(described: Any, key: Key) -> Schema:
    allowed = members(key.hint)
    if key.optional and type(None) not in allowed:
        allowed.append(type(None))
    said = SPECIAL.get((described, key.field)) or _any_of([_value(one, key.place) for one in allowed])
    if may_be_tuned(described, key):
        said = {"anyOf": [*said.get("anyOf", [said]), _ref("tunable")]}
    if key.text:
        said = said | {"description": key.text}
    default = key.default  # shown if it is a finite number or a text
    number = isinstance(default, int | float) and math.isfinite(default)
    return said | {"default": default} if number or (isinstance(default, str) and default) else said


def _any_of(cases: list[Schema]) -> Schema:
    return cases[0] if len(cases) == 1 else {"anyOf": cases}


def _value(hint: Any, place: str = "") -> Schema:
    """Return the schema of a key's value.

    hint : annotation of the value's type
    place : place (see `keys`) that selects the descriptions allowed in the value
    """
    arguments = get_args(hint)
    if get_origin(hint) is Annotated:
        return _ruled(arguments[1], arguments[0], place)
    if get_origin(hint) is not tuple:
        return VALUES.get(hint) or (_ref(place) if hint in PLACES else {})
    items = {"type": "array", "items": _value(arguments[0], place)}
    if arguments[-1] is not Ellipsis:
        return items | {"minItems": len(arguments), "maxItems": len(arguments)}
    return items | {"minItems": 1} if place == "decoders" else items


def _ruled(rule: Any, base: Any, place: str) -> Schema:
    """Return the schema of a value that follows a rule of `snn_control.network.checks`."""
    said = _any_of([_value(one) for one in members(base) if one is not type(None)])
    if isinstance(rule, Drawn):
        return _any_of([_ruled(rule.rule, base, place), _ref(place)])
    if isinstance(rule, Numbers):
        bounds = _bounds("exclusiveMinimum" if rule.strict else "minimum", rule.least, rule.most)
        number, *arrays = VALUES[Any]["anyOf"]
        return {"anyOf": [number | bounds, *arrays]} if rule.ndim else said | bounds
    if isinstance(rule, Whole):
        return said | _bounds("minimum", rule.least, rule.most)
    if isinstance(rule, Span):
        one: Schema = {"type": "integer" if rule.whole else "number"} | _bounds("minimum", rule.least, rule.most)
        return {"anyOf": [one, _pair(one)]}
    if isinstance(rule, OrWord):
        return {"anyOf": [*said["anyOf"], {"enum": list(rule.words)}]}
    if isinstance(rule, OneOf):
        return {"enum": list(rule.words)}
    if isinstance(rule, Pair):
        one = {"type": "integer", "minimum": rule.least, "maximum": MAX_SIZE}
        cases = [one, _pair(one)]
        return _any_of([*cases, {"const": rule.word}] if rule.word else cases)
    known: dict[Any, Schema] = {check_name: {"pattern": _whole(NAME)}, check_type: {"pattern": _whole(TYPE)}}
    return said | (known | {check_positions: {"anyOf": [*ARRAY["anyOf"], _ref("grid")]}}).get(rule, {})


def _pair(one: Schema) -> Schema:
    return {"type": "array", "items": one, "minItems": 2, "maxItems": 2}


def _bounds(low: str, least: float, most: float | None) -> Schema:
    bounds = {low: least, "maximum": most}
    return {key: bound for key, bound in bounds.items() if bound is not None and math.isfinite(bound)}
