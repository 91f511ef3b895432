"""Read the YAML of controller files strictly: unknown keys are errors, and every error names path, value, rule and fix.

An array is written as lists in the YAML, or as a reference ``file.npz#name`` with a path relative to the controller
file.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Hashable, Mapping
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..errors import NO_VALUE, DescriptionError, close_match, counted, nearest
from ..files import Arrays, reason

__all__ = ["VERSION", "Loader", "Reader", "nearest", "read_yaml"]

VERSION = 1  # of the file format
NUMBERS = "must be a number, lists of numbers or 'file.npz#name'"
WITH_UNIT = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*[a-zA-Zµ°%][^#]*")
FLOAT_MAX = float(np.finfo(np.float32).max)
#: kind of a plain value -> its types in Python, and its description
PLAIN: dict[type, tuple[Any, str]] = {
    float: (int | float, "a number"), str: (str, "a text"), bool: (bool, "true or false"), list: (list, "a list"),
}  # fmt: skip
MOST_VALUES = 1_000_000  # in a file; values that references repeat count each time
DEEPEST = 50  # nesting of lists and mappings


class Loader(yaml.SafeLoader):
    """YAML loader that reads numbers and booleans as in YAML 1.2, and rejects mappings with a duplicate key.

    So 1e-3 is a number; ``on`` and ``no`` are words. The nesting depth and the number of values are limited. An alias
    (``*name``) counts with all its values each time it is used.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._values = self._depth = 0
        self._sizes: dict[str, int] = {}  # anchor -> number of values that it stands for

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()
        line, before = f"line {event.start_mark.line + 1}", self._values
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self._sizes:
                raise DescriptionError(line, f"*{event.anchor}", "refers to a part that contains it")
            self._values += self._sizes.get(event.anchor or "", 0)
        else:
            self._values += 1
        self._depth += 1
        if self._values > MOST_VALUES:
            rule = f"there are more than {MOST_VALUES:,} values"
            fix = "write arrays as 'file.npz#name'" if not self._sizes else "use fewer references"
            raise DescriptionError(line, NO_VALUE, rule, fix)
        if self._depth > DEEPEST:
            raise DescriptionError(line, NO_VALUE, f"lists and mappings nest deeper than {DEEPEST}")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(event, yaml.NodeEvent) and event.anchor and not isinstance(event, yaml.AliasEvent):
            self._sizes[event.anchor] = self._values - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        seen: dict[Hashable, int] = {}
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=deep), key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise DescriptionError(str(key), f"line {line}", "a key must be a name")
            if key in seen:
                rule = f"a key may occur only once, and this one is already in line {seen[key]}"
                raise DescriptionError(str(key), f"line {line}", rule)
            seen[key] = line
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"),
    list("-+0123456789."),
)
Loader.yaml_implicit_resolvers = {
    first: sorted(
        [rule for rule in rules if first in "tTfF" or rule[0] != "tag:yaml.org,2002:bool"],
        key=lambda rule: rule[0] == "tag:yaml.org,2002:float",  # whole numbers stay whole
    )
    for first, rules in Loader.yaml_implicit_resolvers.items()
}


def read_yaml(text: str, file: str) -> Any:
    """Return the values in the text of a YAML file. Raises DescriptionError, which names the file.

    file : name of the file
    """
    try:
        return yaml.load(text, Loader)
    except (ValueError, RecursionError) as error:  # from the loader: an invalid date, deep nesting
        if isinstance(error, DescriptionError):
            raise error.in_file(file) from None
        raise DescriptionError(file, type(error).__name__, f"cannot be read as YAML: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        problem = " ".join(str(getattr(error, "problem", error)).split())
        raise DescriptionError(file, where, f"is not YAML: {problem}") from None


def without_unit(value: Any) -> str:
    """Return a suggested fix for a number with a unit, such as "5 ms"; an empty string for any other value."""
    united = isinstance(value, str) and WITH_UNIT.fullmatch(value)
    return "write the number alone, in SI units: 10 ms is 0.01" if united else ""


def check_lists(path: str, value: Any, rule: str = NUMBERS) -> tuple[int, ...]:
    """Return the shape of a number or of nested lists of numbers; raises DescriptionError for any other value."""
    if isinstance(value, np.ndarray | np.generic):
        return value.shape
    if not isinstance(value, list | tuple):
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise DescriptionError(path, value, rule, without_unit(value))
        if isinstance(value, int) and value.bit_length() > 63:
            raise DescriptionError(path, value, "must fit into 64 bits", "write a large number as 1e20")
        return ()
    shapes = [check_lists(f"{path}[{k}]", one, "must be a number") for k, one in enumerate(value)]
    for k, shape in enumerate(shapes):
        if shape != shapes[0]:
            first = counted(*shapes[0]) if len(shapes[0]) == 1 else f"of shape {shapes[0]}" if shapes[0] else "a number"
            raise DescriptionError(f"{path}[{k}]", value[k], f"must be {first}, as {path}[0] is")
    return (len(value), *(shapes[0] if shapes else ()))


class Reader:
    """Reads the keys of one mapping of the file. Keys that were not read are reported as errors at the end.

    path : path of the mapping in the file, for error messages
    folder : folder of the controller file
    """

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
                raise DescriptionError(self.at(key), NO_VALUE, "is missing", fix)
            return default
        return self.values.pop(key)

    def plain(self, key: str, kind: type, default: Any = MISSING) -> Any:
        """Read a value of the type ``kind``: float, str, bool or list; raises DescriptionError for another type."""
        value = self.take(key, default)
        types, what = PLAIN[kind]
        if not isinstance(value, types) or isinstance(value, bool) != (kind is bool):
            fix = without_unit(value) if kind is float else ""
            raise DescriptionError(self.at(key), value, f"must be {what}", fix)
        if kind is float and FLOAT_MAX < abs(value) < math.inf:
            raise DescriptionError(self.at(key), value, f"must be finite, at most {FLOAT_MAX:.3g}")
        return value

    def pair(self, key: str) -> tuple[Any, Any]:
        value = self.take(key)
        if not isinstance(value, list) or len(value) != 2:
            raise DescriptionError(self.at(key), value, "must be two values [a, b]")
        return value[0], value[1]

    def array(self, key: str) -> Any:
        """Read a number, nested lists of numbers, or the array ``file.npz#name``."""
        value = self.take(key)
        numbers = self._numbers(self.at(key), value)
        found = np.asarray(numbers)
        if found.size and found.dtype == np.float64 and FLOAT_MAX < max(found.max(), -found.min()) < math.inf:
            raise DescriptionError(self.at(key), value, "must be finite numbers of float32")
        return numbers

    def bounds(self, key: str) -> tuple[Any, Any]:
        """Read ``[low, high]``; low and high are each a number, a list of numbers or ``file.npz#name``."""
        low, high = self.pair(key)
        return self._numbers(f"{self.at(key)}[0]", low), self._numbers(f"{self.at(key)}[1]", high)

    def _numbers(self, path: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._from_file(path, value)
        check_lists(path, value)
        array = np.array(value)
        return value if array.ndim == 0 else array if array.size else array.astype(np.int64)

    def _from_file(self, path: str, reference: str) -> np.ndarray:
        name, mark, key = reference.rpartition("#")
        if not mark or not name.endswith(".npz"):
            raise DescriptionError(path, reference, NUMBERS, without_unit(reference))
        file = self.beside(path, name)
        try:
            with Arrays(file) as archive:
                if key not in archive:
                    raise DescriptionError(path, reference, f"{name} has no array '{key}'", nearest(key, list(archive)))
                array = archive[key]
        except FileNotFoundError:
            raise DescriptionError(path, reference, f"there is no file {file}") from None
        except (OSError, ValueError) as error:
            if isinstance(error, DescriptionError):
                raise
            raise DescriptionError(path, reference, f"{file} cannot be read as arrays: {reason(error)}") from None
        if array.dtype.kind not in "iufb":
            raise DescriptionError(path, reference, f"has dtype {array.dtype}: must be numbers")
        return array.astype(np.uint8) if array.dtype.kind == "b" else array  # a mask, kept as 0 and 1

    def beside(self, path: str, name: str) -> Path:
        """Return the path of the file ``name``. Raises DescriptionError unless it is in or below the controller file's
        folder."""
        if Path(name).is_absolute() or ".." in Path(name).parts:
            rule = "must be in the folder of the controller file"
            raise DescriptionError(path, name, rule, f"copy it there, and write {Path(name).name}")
        return self.folder / name

    def child(self, key: str, default: Any = MISSING) -> Reader:
        return Reader(self.take(key, default), self.at(key), self.folder)

    def items(self, key: str) -> list[Reader]:
        return [Reader(value, f"{self.at(key)}[{k}]", self.folder) for k, value in enumerate(self.plain(key, list, []))]

    def children(self, key: str, default: Any = MISSING) -> list[tuple[str, Reader]]:
        inner = self.child(key, default)
        return [(str(name), Reader(value, inner.at(str(name)), self.folder)) for name, value in inner.values.items()]

    def kind(self, table: Collection[str], key: str = "type") -> str:
        value = self.take(key)
        if not isinstance(value, str) or value not in table:
            raise DescriptionError(self.at(key), value, f"must be one of {', '.join(table)}", close_match(value, table))
        return value

    def reject_unknown_keys(self) -> None:
        """Raise a DescriptionError that names all keys that were not read, if there are any."""
        unknown, known = [str(key) for key in self.values], list(dict.fromkeys(self.known))
        if len(unknown) == 1:
            (value,) = self.values.values()
            raise DescriptionError(self.at(unknown[0]), value, "is not a known key", nearest(unknown[0], known))
        if unknown:
            close = {key: close_match(key, known) for key in unknown}
            fixes = [f"{key}: {fix}" for key, fix in close.items() if fix]
            fixes += [] if all(close.values()) else [f"known: {', '.join(known)}"]
            rule = f"{', '.join(unknown)} are not known keys"
            raise DescriptionError(self.path or "file", NO_VALUE, rule, " ".join(fixes))

    def make(self, cls: Any, /, **values: Any) -> Any:
        """Reject unknown keys, then return ``cls(**values)``. Its errors get the path of the mapping in the file."""
        self.reject_unknown_keys()
        try:
            return cls(**values)
        except DescriptionError as error:
            if error.path.startswith("populations."):
                raise error.within("network") from None
            whole = error.path.startswith(("inputs.", "outputs.", "projections[", "guard."))
            raise error if whole or not self.path else error.within(self.path) from None
