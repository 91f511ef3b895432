"""Validation rules for the fields of descriptions, declared as ``tau_mem: Annotated[Any, SECONDS] = 0.02``.

A rule is called with the path and value of a field, and raises DescriptionError if the value breaks it. A dataclass
derived from `Checked` validates its fields, in order, when an object is created. A field whose default is None accepts
None.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

import numpy as np

from ..errors import DescriptionError, close_match, counted

__all__ = [
    "EACH", "MAX_SIZE", "SIZE", "TICK_SEED", "Bound", "Checked", "Each", "EachBound", "EachPositive", "EachSeconds",
    "Flag", "Items", "Name", "Numbers", "OneOf", "OrWord", "Positive", "Real", "Seconds", "Seed", "Size", "Whole",
    "array_of", "check_name",
]  # fmt: skip

MAX_SIZE = 100_000_000  # largest number of neurons or numbers
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

Rule = Callable[[str, Any], None]


def array_of(value: Any) -> np.ndarray:
    """Convert a value to an array; nested lists of different lengths become an array of dtype object."""
    try:
        return np.asarray(value)
    except ValueError:
        return np.asarray(None)


@dataclass(frozen=True)
class Numbers:
    """Rule for a number or array of numbers from ``least`` to ``most``.

    ndim : maximum number of array dimensions; 0 allows only a single number
    strict : whether numbers must be > ``least``; otherwise >= ``least``
    unit : unit of the bounds in error messages
    finite : whether infinite numbers are rejected; NaN is always rejected
    """

    ndim: int = 0
    least: float = -math.inf
    most: float = math.inf
    strict: bool = False
    unit: str = ""
    finite: bool = True

    def __call__(self, path: str, value: Any) -> None:
        array = array_of(value)
        kinds = "fiub" if array.ndim else "fiu"  # an array of truth values is read as 0 and 1
        if array.dtype.kind not in kinds or array.ndim > self.ndim:
            raise DescriptionError(path, value, "must be numbers" if self.ndim else "must be a number")
        if np.isnan(array).any() or (self.finite and np.isinf(array).any()):
            raise DescriptionError(path, value, "must be finite")
        above = array > self.least if self.strict else array >= self.least
        if not (above & (array <= self.most)).all():
            low = f"{'>' if self.strict else '>='} {self.least:g} {self.unit}".rstrip()
            most = "" if self.most == math.inf else f" and at most {self.most:g} {self.unit}".rstrip()
            raise DescriptionError(path, value, f"must be {low}{most}")


@dataclass(frozen=True)
class Whole:
    """Rule for a whole number from ``least`` to ``most``.

    said : text that replaces ``most`` in error messages
    """

    least: int
    most: int | None = None
    said: str = ""

    def __call__(self, path: str, value: Any) -> None:
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < self.least or (self.most is not None and value > self.most):
            most = self.said or ("" if self.most is None else f", at most {self.most:,}")
            raise DescriptionError(path, value, f"must be a whole number >= {self.least}{most}")


@dataclass(frozen=True)
class Items:
    """Rule for a list: a rule for each of its items or, if ``many``, one rule for all items of a non-empty list."""

    rules: tuple[Rule, ...]
    many: bool

    def __call__(self, path: str, value: Any) -> None:
        n = len(self.rules)
        if not isinstance(value, tuple | list | np.ndarray) or not (len(value) if self.many else len(value) == n):
            raise DescriptionError(path, value, f"must be a list of {'numbers' if self.many else counted(n)}")
        for k, one in enumerate(value):
            self.rules[0 if self.many else k](f"{path}[{k}]", one)


class OneOf:
    """Rule for a value that must be one of several words. Error messages do not list the empty string."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, path: str, value: Any) -> None:
        if not isinstance(value, str) or value not in self.words:
            *others, last = (repr(word) for word in self.words if word)
            rule = f"must be {', '.join(others)} or {last}"
            raise DescriptionError(path, value, rule, close_match(value, self.words))


class OrWord(OneOf):
    """Rule for a value that is one of several words, or numbers. The description's class checks the numbers."""

    def __call__(self, path: str, value: Any) -> None:
        if isinstance(value, str) and value not in self.words:
            rule = f"must be a number, lists of numbers, {' or '.join(map(repr, self.words))}"
            raise DescriptionError(path, value, rule, close_match(value, self.words))


def check_flag(path: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        raise DescriptionError(path, value, "must be true or false")


def check_name(path: str, value: Any) -> None:
    """Raise DescriptionError unless the value can be the name of an input, population or output."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise DescriptionError(path, value, "must be a name: a letter, then letters, digits and underscores")


EACH = Numbers(ndim=1)
SIZE = Whole(1, MAX_SIZE)
TICK_SEED = Whole(0, (1 << 63) - 1, " and below 2^63")  # seed of a controller's random numbers

Flag = Annotated[bool, check_flag]
Name = Annotated[str, check_name]
Seed = Annotated[int, Whole(0)]
Size = Annotated[int, SIZE]
# one number
Real = Annotated[float, Numbers()]
Positive = Annotated[float, Numbers(least=0, strict=True)]
Seconds = Annotated[float, Numbers(least=0, strict=True, unit="s")]
Bound = Annotated[float, Numbers(finite=False)]  # an infinite bound is no bound
# one number, or one for each neuron or dimension, (n,)
Each = Annotated[Any, EACH]
EachPositive = Annotated[Any, Numbers(ndim=1, least=0, strict=True)]
EachSeconds = Annotated[Any, Numbers(ndim=1, least=0, strict=True, unit="s")]
EachBound = Annotated[Any, Numbers(ndim=1, finite=False)]


def declared_rule(hint: Any) -> Rule | None:
    """Return the rule in an annotation ``Annotated[X, rule]``.

    For a tuple of annotations with rules, return an `Items` rule. For any other annotation, return None.
    """
    if get_origin(hint) is not tuple:
        return hint.__metadata__[0] if hasattr(hint, "__metadata__") else None
    rules = [declared_rule(one) for one in get_args(hint) if one is not ...]
    return Items(tuple(rules), ... in get_args(hint)) if all(rules) else None  # type: ignore[arg-type]


class Checked:
    """Base class of descriptions, which are frozen dataclasses. It validates the fields of each new object."""

    #: the rule of fields that declare none
    default_rule: ClassVar[Rule | None] = None

    @property
    def where(self) -> str:
        """Prefix of the paths of the object's fields in error messages, e.g. ``populations.a.``."""
        return ""

    @classmethod
    @functools.cache
    def checks(cls) -> dict[str, Rule]:
        """Return the rules of the fields: name of a field -> rule. Fields without a rule are omitted."""
        hints = get_type_hints(cls, include_extras=True)
        found = {}
        for f in fields(cls):  # type: ignore[arg-type]
            hint = hints[f.name]
            declared = [hint] if get_origin(hint) is tuple else [hint, *get_args(hint)]
            rules = [rule for one in declared if (rule := declared_rule(one))]
            if rule := (rules[0] if rules else cls.default_rule):
                found[f.name] = rule
        return found

    @classmethod
    def arrays(cls) -> list[str]:
        """Return the names of the fields whose value may be an array of numbers."""
        return [name for name, rule in cls.checks().items() if isinstance(rule, Numbers) and rule.ndim]

    def wrong(self, key: str, rule: str, fix: str = "", value: Any = ...) -> DescriptionError:
        """Return the error for a field ``key`` whose value breaks ``rule``. The caller raises it.

        fix : advice for the user
        value : value in the error message; by default the field's value
        """
        return DescriptionError(self.where + key, getattr(self, key) if value is ... else value, rule, fix)

    def each(self, key: str, value: Any, n: int) -> np.ndarray:
        """Convert a field's value to a float64 array: () for one number, (n,) for ``n`` numbers.

        Infinity is allowed. Raises DescriptionError if the value has another shape.
        """
        try:
            array = np.asarray(value, np.float64)
        except (TypeError, ValueError, OverflowError):
            array = np.asarray(math.nan)
        if array.shape not in ((), (n,)) or np.isnan(array).any():
            raise self.wrong(key, f"must be a number or {n} numbers", value=value)
        return array

    def __post_init__(self) -> None:
        for name, rule in self.checks().items():
            value = getattr(self, name)
            if value is not None or getattr(type(self), name, ...) is not None:
                rule(self.where + name, value)
