"""What a file leaves open and its reader must say: options in the words of each framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import NO_VALUE, DescriptionError, nearest
from .graph import Node

__all__ = ["ASK", "Choices", "Option", "flag", "number_or_none", "one_of"]

ASK = object()  # no default: the framework itself has several, or the file says it


def one_of(*words: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in words:
            raise ValueError(f"must be {', '.join(words[:-1])} or {words[-1]}")
        return value

    return read


def flag(value: Any) -> bool:
    word = str(value).lower()
    if word not in ("true", "false"):
        raise ValueError("must be true or false")
    return word == "true"


def number_or_none(value: Any) -> float | None:
    """A lower bound of membranes, or None."""
    if value is None or str(value).lower() == "none":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not -math.inf < number <= 0:
        raise ValueError("must be a number <= 0, or none")
    return number


@dataclass(frozen=True)
class Option:
    """An option of a dialect.

    read : text or value -> value; raises ValueError with the rule
    default : one for all, or for each kind of node; ASK where the user must say
    kinds : the kinds of nodes that it matters for
    asked : where the user must say: what the values mean, and how to find out which is right
    """

    read: Callable[[Any], Any]
    default: Any
    kinds: tuple[str, ...]
    asked: str = ""


@dataclass
class Choices:
    """The options of one reading: what was given, and what was asked.

    ``given`` holds ``option``, ``KIND.option`` or ``NODE.option``; the most particular one counts.
    """

    dialect: str
    options: Mapping[str, Option]
    given: Mapping[str, Any]
    nodes: Mapping[str, Node]
    taken: dict[str, Any] = field(default_factory=dict)  # defaults, by option and kind
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
            rule = "must stand behind a node's name or type"
            raise DescriptionError(path, target, rule, nearest(target, [*self.nodes, *self.options[name].kinds]))
        try:
            return self.options[name].read(value)
        except ValueError as error:
            raise DescriptionError(path, value, str(error)) from None

    def ask(self, node: Node, name: str) -> Any:
        """The value of an option for a node; its default is noted."""
        for key in (f"{node.name}.{name}", f"{node.kind}.{name}", name):
            if key in self.values:
                self.used.add(key)
                return self.values[key]
        default = self.options[name].default
        if isinstance(default, Mapping):
            default = default[node.kind]
        if default is ASK:
            rule = f"is missing: the file does not say it, and it changes what {node.kind} '{node.name}' does"
            raise DescriptionError(f"options.{name}", NO_VALUE, rule, self.options[name].asked)
        self.taken[f"{node.kind}.{name}"] = default
        return default

    def unused(self) -> list[str]:
        """Options that were given and matter for no node of the file."""
        return [key for key in self.given if key not in self.used]
