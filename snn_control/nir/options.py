"""Options of the import, for choices that a NIR file does not state, such as the reset, named as in each framework."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..errors import NO_VALUE, DescriptionError, nearest
from .graph import Node

__all__ = ["ASK", "FLAG", "Choices", "Option"]

ASK = object()  # no default: the user must choose
FLAG = ("true", "false")
MEANING = {"true": True, "false": False}


@dataclass(frozen=True)
class Option:
    """Declaration of an option of a dialect.

    words : the allowed values of the option
    default : one value for all types of nodes, or one value for each type; ASK if the user must choose
    kinds : types of nodes that the option affects
    tried : values that `snn_control.nir.verification` tries, because the file does not state the correct value
    asked : text for a user who must choose, with the meaning of the values and a method to find the correct one
    number : whether the option also accepts a number <= 0, a lower bound of membrane potentials; "none" then means None
    """

    words: tuple[str, ...]
    default: Any
    kinds: tuple[str, ...]
    tried: tuple[str, ...] = ()
    asked: str = ""
    number: bool = False

    def read(self, value: Any) -> Any:
        """Convert a text, or the value that YAML has parsed from it, to a value of the option.

        Raises ValueError, which states the rule, if the value is not allowed.
        """
        word = str(value).lower()
        if self.number:
            with suppress(ValueError):
                if word == "none" or -math.inf < float(word) <= 0:
                    return None if word == "none" else float(word)
            raise ValueError("must be a number <= 0, or none")
        if word not in self.words:
            raise ValueError(f"must be {', '.join(self.words[:-1])} or {self.words[-1]}")
        return MEANING.get(word, word)


@dataclass
class Choices:
    """The options for one file: those that the user has set, and defaults for the others.

    given : name of an option -> value set by the user. An option is named ``option``, ``KIND.option`` or
        ``NODE.option``; the most specific name takes precedence
    defaults : used default values, by option and type of node
    """

    dialect: str
    options: Mapping[str, Option]
    given: Mapping[str, Any]
    nodes: Mapping[str, Node]
    defaults: dict[str, Any] = field(default_factory=dict)  # defaults, by option and kind
    used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.values = {key: self._read(key, value) for key, value in self.given.items()}

    def _read(self, key: str, value: Any) -> Any:
        target, _, name = key.rpartition(".")
        path = f"options.{key}"
        if name not in self.options:
            known = nearest(name, self.options) if self.options else f"{self.dialect} has none"
            if name == "dt":
                known = "give it as --dt"
            raise DescriptionError(path, value, f"is not an option of {self.dialect}", known)
        if target and target not in self.nodes and target not in self.options[name].kinds:
            rule = "must follow the name or type of a node"
            raise DescriptionError(path, target, rule, nearest(target, [*self.nodes, *self.options[name].kinds]))
        try:
            return self.options[name].read(value)
        except ValueError as error:
            raise DescriptionError(path, value, str(error)) from None

    def ask(self, node: Node, name: str) -> Any:
        """Return an option's value for a node: the user's value, or else the default, which is recorded in
        ``defaults``.

        Raises DescriptionError if there is no default and the user must choose.
        """
        for key in (f"{node.name}.{name}", f"{node.kind}.{name}", name):
            if key in self.values:
                self.used.add(key)
                return self.values[key]
        default = self.options[name].default
        if isinstance(default, Mapping):
            default = default[node.kind]
        if default is ASK:
            rule = f"is missing: the file does not say it, and it changes how {node.kind} '{node.name}' works"
            raise DescriptionError(f"options.{name}", NO_VALUE, rule, self.options[name].asked)
        self.defaults[f"{node.kind}.{name}"] = default
        return default
