"""The registry: the kernels and descriptions of snn_control and of plug-ins, which controllers use by name.

Each kernel and description belongs to a `Plugin`. The plug-in of snn_control is `BUILTIN`. Packages declare other plug-
ins as entry points of the group ``snn_control.plugins``; `add` registers a plug-in for the running process. Entry
points are loaded only if a controller uses a name or a description that is not part of snn_control. A plug-in that
cannot be loaded does not affect controllers that do not use it. An error about an unknown name reports the plug-ins
that could not be loaded.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from ..errors import ProgramError
from .lowering import BASES, Plugin
from .rows import Kernel

__all__ = ["GROUP", "add", "all_kernels", "builtin", "companions", "faults", "kernel", "lowering", "name_of", "types"]

GROUP = "snn_control.plugins"
BUILTIN = "snn_control.engine.builtin:BUILTIN"
Key = tuple[str, str]  # kind, name


class _Table:
    """The kernels and descriptions of several plug-ins, and the problems found in these plug-ins."""

    def __init__(self) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.entries: dict[Key, Any] = {}  # a kernel, or a pair (description, lowering)
        self.origins: dict[Key, str] = {}
        self.faults: list[str] = []

    def of(self, kind: str) -> dict[str, Any]:
        """Return the entries of one kind, such as "kernels" or "neurons": name -> entry."""
        return {name: value for (one, name), value in self.entries.items() if one == kind}

    def add(self, origin: str, plugin: Plugin) -> None:
        self.plugins[origin] = plugin
        for key, value in plugin.entries():
            if key in self.origins:  # it would be ambiguous, so neither is registered
                self.faults.append(f"{key[0]} '{key[1]}' is in {self.origins[key]} and in {origin}")
                self.entries.pop(key, None)
            else:
                self.entries[key], self.origins[key] = value, origin


def _named(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


@functools.cache
def _ours() -> _Table:
    table = _Table()
    table.add("snn_control", _named(BUILTIN))
    return table


_added = _Table()


@functools.cache
def _others() -> _Table:
    table = _Table()
    for entry in sorted(entry_points(group=GROUP), key=_origin):
        try:
            plugin = entry.load()
            _check(plugin, entry.value)
        except Exception as error:  # the import of a package may raise any exception
            what = "" if isinstance(error, ProgramError) else f"{type(error).__name__}: "
            table.faults.append(f"{_origin(entry)}: {what}{' '.join(str(error).split())}")
        else:
            table.add(_origin(entry), plugin)
    return table


def _origin(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist is not None else "an unknown package"
    return f"plug-in '{entry.name}' of {package}"


def _check(plugin: Any, name: str) -> None:
    """Raise ProgramError if ``plugin`` is not a `Plugin`, or would replace a kernel or description of snn_control."""
    if not isinstance(plugin, Plugin):
        raise ProgramError(f"{name} is a {type(plugin).__name__}, must be a Plugin")
    for one in plugin.kernels:
        if ("kernels", one.name) in _ours().entries:
            raise ProgramError(f"a kernel '{one.name}' exists already")
    for kind in BASES:
        for name, (cls, _) in getattr(plugin, kind).items():
            if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:
                rule = f"{cls.__name__} is a description of snn_control; make a subclass of it"
                raise ProgramError(f"{kind} '{name}': {rule}")


def add(plugin: Plugin) -> None:
    """Register a plug-in for this process.

    Raise ProgramError if the object is not a plug-in, or if it uses a name of snn_control.
    """
    _check(plugin, repr(plugin))
    _added.add("this process", plugin)


def _tables() -> Iterator[_Table]:
    """Yield the tables of plug-ins in the order of search: snn_control, this process, entry points.

    Entry points are loaded only when the search reaches them.
    """
    yield _ours()
    yield _added
    yield _others()


# kernels ---------------------------------------------------------------------------------------------------------
def builtin(kind: str) -> dict[str, Any]:
    """Return snn_control's own entries of one kind: name -> kernel, or name -> (description, lowering)."""
    return _ours().of(kind)


def all_kernels() -> dict[str, Kernel]:
    """Return all kernels of snn_control and of plug-ins: name -> kernel."""
    return functools.reduce(lambda found, table: table.of("kernels") | found, _tables(), {})


def kernel(name: str, version: int | None = None) -> Kernel:
    """Return the kernel with this name. Raise ProgramError if the kernel is missing or has another version."""
    found = next((t.entries["kernels", name] for t in _tables() if ("kernels", name) in t.entries), None)
    if found is None:
        broken = f"; {faults()}" if faults() else ""
        raise ProgramError(f"kernel '{name}' is not installed; known: {', '.join(sorted(all_kernels()))}{broken}")
    if version is not None and version != found.version:
        rule = f"has version {found.version}, the Program was built for {version}; build it again"
        raise ProgramError(f"kernel '{name}' {rule}")
    return found


# descriptions ----------------------------------------------------------------------------------------------------
def types(kind: str, name: Any = None) -> dict[str, type]:
    """Return the descriptions of one kind, such as "neurons": ``type`` in a controller file -> description.

    If ``name`` is a type of snn_control, no plug-in is loaded.
    """
    found: dict[str, type] = {}
    for table in _tables():
        found = found | {n: pair[0] for n, pair in table.of(kind).items() if n not in found}
        if isinstance(name, str) and name in found:
            break
    return found


def name_of(description: type) -> str | None:
    """Return the ``type`` of a description in a controller file; None if the description is not registered."""
    for table in _tables():
        for (kind, name), value in table.entries.items():
            if kind in BASES and value[0] is description:
                return name if types(kind, name)[name] is description else None
    return None


def lowering(kind: str, description: type) -> Any | None:
    """Return the lowering of a description or of its nearest base class with a lowering; None if there is none."""
    return next((table.entries[key][1] for table, key in _found(kind, description)), None)


def origin(kind: str, description: type) -> str:
    """Return the name of the plug-in with a description's lowering, e.g. "snn_control"; "" without a lowering."""
    return next((table.origins[key] for table, key in _found(kind, description)), "")


def _found(kind: str, description: type) -> Iterator[tuple[_Table, Key]]:
    for cls in description.__mro__:
        if cls in (object, BASES[kind][0]):
            continue
        for table in _tables():
            for key, value in table.entries.items():
                if key[0] == kind and value[0] is cls:
                    yield table, key


def faults(kind: str = "") -> str:
    """Return a text that lists the problems of plug-ins; "" if there are no problems.

    kind : with a kind, such as "neurons", names of this kind that snn_control already uses are problems, too
    """
    clashes = [
        f"{table.origins[key]}: {kind} '{key[1]}' exists already"
        for table in (_added, _others()) for key in table.origins if key[0] == kind and key in _ours().entries
    ]  # fmt: skip
    return "; ".join([*_added.faults, *_others().faults, *clashes])


def companions(kind: str) -> dict[str, Any]:
    """Return one kind of companions of all plug-ins, such as "reference" implementations: kernel -> companion."""
    found: dict[str, Any] = {}
    for plugin in (plugin for table in _tables() for plugin in table.plugins.values() if kind in plugin.companions):
        found = _named(plugin.companions[kind]) | found
    return found
