"""The keys of a controller file, from which its reader, its writer and its JSON Schema are derived.

The reader converts each mapping in the file to a *description*: an object of a dataclass such as `LIF`. The keys of the
mapping are the fields of this class. The class supplies the keys' names, rules (annotations of
`snn_control.network.checks`), defaults and explanations (docstring). The present module adds the information that a
class does not declare. A *place* is a kind of position in the file that allows certain types of descriptions, for
example "neurons" or "connection".
"""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from .. import network
from ..coding import ArgmaxDecoder, Decoder, Encoder, EventFilter, EventsInput, FrameCameraSettings, Output, ValueInput
from ..engine import registry
from ..network import Connector, Distribution, Grid, LearningRule, NeuronModel, Population, Projection
from ..network.checks import Checked, Items, Numbers, OrWord
from ..network.convolution import Convolution, Pair, pooling
from ..network.distance import check_positions
from ..network.graph import Drawn
from .perturbations import Perturbations
from .training import Limits, Surrogate

__all__ = ["EVENTS_ENCODERS", "INPUTS", "OUTPUT_DECODERS", "OWN", "PLACES", "PLUGINS", "SINGLE", "Key", "explanations"]
__all__ += ["keys", "may_be_tuned", "members", "type_of", "types_at"]

INPUTS: dict[str, type] = {"value": ValueInput, "events": EventsInput}  # by ``kind``
#: base of descriptions -> name of the places where these are allowed, as in `snn_control.engine.registry`; an events
#: input's encoder is at the place `EVENTS_ENCODERS`
PLUGINS: dict[Any, str] = {
    NeuronModel: "neurons", Encoder: "encoders", EventFilter: "filters", LearningRule: "rules", Decoder: "decoders",
}  # fmt: skip
EVENTS_ENCODERS = "events_encoders"
OUTPUT_DECODERS = "output_decoders"  # an output may have one of these, or `decoders`
#: place -> ``type`` -> description, for places without plug-ins; `pooling` makes a Convolution and its weights
OWN: dict[str, dict[str, Any]] = {
    "connection": {
        "fixed_probability": network.FixedProbability, "fixed_indegree": network.FixedIndegree,
        "fixed_outdegree": network.FixedOutdegree, "distance_dependent": network.DistanceDependent,
        "convolution": Convolution, "pooling": pooling,
    },
    "distribution": {"uniform": network.Uniform, "normal": network.Normal},
    "argmax": {"argmax": ArgmaxDecoder},
}  # fmt: skip
#: place -> the only description that is allowed there, without a ``type``
SINGLE: dict[str, type] = {
    "grid": Grid, "limits": Limits, "surrogate": Surrogate, "perturb": Perturbations, "camera": FrameCameraSettings
}  # fmt: skip
#: annotation of a field -> place of the descriptions that it allows
PLACES: dict[Any, str] = PLUGINS | {
    Connector: "connection", Convolution: "connection", Distribution: "distribution", Grid: "grid",
    Surrogate: "surrogate", Perturbations: "perturb", ArgmaxDecoder: "argmax", FrameCameraSettings: "camera",
}  # fmt: skip
#: keys with other names in the file than in the descriptions, except those of an EventsInput
RENAMED = {"source": "from"}
#: keys that the file requires although the description has a default
NEEDED: dict[Any, tuple[str, ...]] = {EventsInput: ("size", "encoder")}

LINE = re.compile(r"( *)(\w+(?:, \w+)*) : (.*)")


def types_at(place: str, name: Any = None) -> dict[str, Any]:
    """Return the types that a place of the file allows: value of the key ``type`` -> class or, for "pooling", function.

    place : a key of `OWN`, a value of `PLUGINS`, `EVENTS_ENCODERS` or `OUTPUT_DECODERS`
    name : value of ``type``, if the caller knows it; plug-ins are then loaded only if snn_control has no such type
    """
    if place in OWN:
        return OWN[place]
    if place == OUTPUT_DECODERS:
        return OWN["argmax"] if name == "argmax" else registry.types("decoders", name) | OWN["argmax"]
    if place not in ("encoders", EVENTS_ENCODERS):
        return registry.types(place, name)
    known = registry.types("encoders", name)
    lowerings = {key: registry.lowering("encoders", cls) for key, cls in known.items()}
    events = place == EVENTS_ENCODERS
    return {key: known[key] for key, one in lowerings.items() if one is not None and one.events == events}


def type_of(cls: type) -> str | None:
    """Return the value of the key ``type`` that denotes a class in the file; None if no value denotes it.

    The value is an empty string if the class is the only one that its place allows.
    """
    if cls in SINGLE.values():
        return ""
    own = {described: name for table in OWN.values() for name, described in table.items()}
    return own.get(cls) or registry.name_of(cls)


@dataclass(frozen=True)
class Key:
    """Declaration of one key of a mapping in the file.

    name : name of the key in the file
    field : name of the corresponding field of the description
    hint : the field's annotation, with its rule
    default : default value; MISSING if the file must have the key
    text : explanation from the docstring; empty if there is none
    place : place that selects the descriptions allowed as the key's value; empty if the value is not a description
    kind : type of a value that is not a description; None if the description checks the raw value
    """

    name: str
    field: str
    hint: Any
    default: Any
    text: str
    place: str
    kind: Any

    @property
    def required(self) -> bool:
        return self.default is MISSING

    @property
    def words(self) -> tuple[str, ...]:
        """Words that the file may use as the value of the key instead of numbers."""
        return next((one.words for one in getattr(self.hint, "__metadata__", ()) if isinstance(one, OrWord)), ())

    @property
    def optional(self) -> bool:
        """Whether the file may set the key to ``null``."""
        return self.default is None or type(None) in members(self.hint)


#: descriptions whose numbers may be tuned
TUNED = (Population, Projection, Distribution, *PLUGINS)


def may_be_tuned(described: Any, key: Key) -> bool:
    """Return whether the file may declare a key's number or array tunable, that is, changeable while a controller runs.

    described : class of the description that has the key
    """
    tuned = (isinstance(described, type) and issubclass(described, TUNED)) or (described, key.field) == (Output, "bias")
    return tuned and key.kind in (float, Any)


@functools.cache
def keys(described: Callable[..., Any]) -> tuple[Key, ...]:
    """Return the keys of the mapping that describes an object in the file.

    described : class of the description, or a function that returns the description
    """
    texts, found = explanations(described), []
    hints = get_type_hints(described, include_extras=True)
    rules = described.checks() if isinstance(described, type) and issubclass(described, Checked) else {}
    for field, parameter in inspect.signature(described).parameters.items():
        hint, rule = hints[field], rules.get(field)
        if rule is None and get_origin(hint) is Annotated:  # a function has no checks()
            rule = hint.__metadata__[0]
        if rule is not None and _bare(hint) is hint and not isinstance(rule, Items):  # the hint itself has no rule
            hint = Annotated[hint, rule]
        place = next((PLACES[one] for one in _inner(hint) if one in PLACES), "")
        if described is EventsInput and field == "encoder":
            hint, place = Encoder, EVENTS_ENCODERS
        needed = parameter.default is parameter.empty or field in NEEDED.get(described, ())
        default = MISSING if needed else parameter.default
        plain = [one for one in map(_bare, members(hint)) if one is not type(None) and one not in PLACES]
        checked = len(plain) != 1 or isinstance(rule, Pair) or (plain[0] is str and rule is not None)
        kind: Any = Any if isinstance(rule, Numbers) and rule.ndim else None if checked else plain[0]
        name, text = field if described is EventsInput else RENAMED.get(field, field), texts.get(field, "")
        found.append(Key(name, field, hint, default, text, place, kind))
    return tuple(found)


def explanations(described: Any) -> dict[str, str]:
    """Return the explanations of fields from the docstrings of a class and its bases, or of a function's parameters.

    The result is a dictionary: name -> explanation. A line such as ``tau, window : [s]``, with the indented lines after
    it, explains the fields ``tau`` and ``window``.
    """
    found: dict[str, str] = {}
    docs = [vars(cls).get("__doc__") for cls in reversed(getattr(described, "__mro__", ()))] or [described.__doc__]
    for doc in docs:
        names: list[str] = []
        for line in inspect.cleandoc(doc or "").splitlines():
            if start := LINE.match(line):
                margin, names = start[1] + " ", start[2].split(", ")
                found |= dict.fromkeys(names, start[3])
            elif names and line.startswith(margin):
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
            else:
                names = []
    return {name: text.replace("``", "`") for name, text in found.items()}


def members(hint: Any) -> list[Any]:
    """Return the types that an annotation allows: the members if it is a union, otherwise the annotation itself."""
    return list(get_args(hint)) if get_origin(hint) in (Union, types.UnionType) else [hint]


def _bare(hint: Any) -> Any:
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    return tuple[tuple(map(_bare, get_args(hint)))] if get_origin(hint) is tuple else hint  # type: ignore[misc]


def _inner(hint: Any) -> Iterator[Any]:
    """Yield all types that an annotation allows: members of unions and tuples, and descriptions in its rules."""
    for one in members(hint):
        yield from get_args(one) if get_origin(one) is tuple else [one]
        for rule in getattr(one, "__metadata__", ()):
            yield Distribution if isinstance(rule, Drawn) else Grid if rule is check_positions else None
