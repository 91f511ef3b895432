"""What controllers can be made of, by name: kernels, and descriptions with their lowerings.

Ours and those of other packages are registered in the same way, as a `Plugin`: ours under the name `OURS`, others as
entry points of the group ``snn_control.plugins``. Those are loaded when a name or a description is asked for that is
none of ours, and not before. One that cannot be loaded stops nobody who does not use it: it is a fault, which every
error about an unknown name tells. `add` registers for the running process.
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

__all__ = ["GROUP", "add", "all_kernels", "companions", "faults", "kernel", "lowering", "name_of", "our", "types"]

GROUP = "snn_control.plugins"
OURS = "snn_control.engine.builtin:OURS"
Key = tuple[str, str]  # kind, name


class _Table:
    """The entries of some plug-ins, and what is wrong with them."""

    def __init__(self) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.entries: dict[Key, Any] = {}  # a kernel, or a pair (description, lowering)
        self.origins: dict[Key, str] = {}
        self.faults: list[str] = []

    def add(self, origin: str, plugin: Plugin) -> None:
        self.plugins[origin] = plugin
        for key, value in plugin.entries():
            if key in self.origins:  # neither: which of them is meant nobody can know
                self.faults.append(f"{key[0]} '{key[1]}' is in {self.origins[key]} and in {origin}")
                self.entries.pop(key, None)
            else:
                self.entries[key], self.origins[key] = value, origin


@functools.cache
def _ours() -> _Table:
    module, _, name = OURS.partition(":")
    table = _Table()
    table.add("snn_control", getattr(importlib.import_module(module), name))
    return table


_added = _Table()


@functools.cache
def _others() -> _Table:
    table = _Table()
    for entry in sorted(entry_points(group=GROUP), key=_origin):
        try:
            plugin = entry.load()
            if not isinstance(plugin, Plugin):
                raise ProgramError(f"{entry.value} is a {type(plugin).__name__}, must be a Plugin")
            _check(plugin)
        except Exception as error:  # whatever the import of a stranger's package raises
            what = "" if isinstance(error, ProgramError) else f"{type(error).__name__}: "
            table.faults.append(f"{_origin(entry)}: {what}{' '.join(str(error).split())}")
        else:
            table.add(_origin(entry), plugin)
    return table


def _origin(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist is not None else "an unknown package"
    return f"plug-in '{entry.name}' of {package}"


def _check(plugin: Plugin) -> None:
    """Raise ProgramError where a plug-in would change what is ours."""
    for one in plugin.kernels:
        if ("kernels", one.name) in _ours().entries:
            raise ProgramError(f"a kernel '{one.name}' exists already")
    for kind in BASES:
        for name, (cls, _) in getattr(plugin, kind).items():
            if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:
                rule = f"{cls.__name__} is a description of snn_control; make a subclass of it"
                raise ProgramError(f"{kind} '{name}': {rule}")


def add(plugin: Plugin) -> None:
    """Register for the running process; raises ProgramError where a kernel or a description is ours already."""
    _check(plugin)
    _added.add("this process", plugin)


def _tables() -> Iterator[_Table]:
    """Tables in the order of search: ours, those added in this process, then entry points, loaded when reached."""
    yield _ours()
    yield _added
    yield _others()


# kernels ---------------------------------------------------------------------------------------------------------
def our(kind: str) -> dict[str, Any]:
    """What is ours: name -> kernel, or pair (description, lowering)."""
    return {name: value for (one, name), value in _ours().entries.items() if one == kind}


def all_kernels() -> dict[str, Kernel]:
    """Every known kernel by name, plug-ins included."""
    found: dict[str, Kernel] = {}
    for table in _tables():
        found = {name: value for (kind, name), value in table.entries.items() if kind == "kernels"} | found
    return found


def kernel(name: str, version: int | None = None) -> Kernel:
    """The kernel of that name; raises ProgramError if it, or that version of it, is not here."""
    found = next((t.entries["kernels", name] for t in _tables() if ("kernels", name) in t.entries), None)
    if found is None:
        broken = f"; {faults()}" if faults() else ""
        raise ProgramError(f"kernel '{name}' is not installed; known: {', '.join(sorted(all_kernels()))}{broken}")
    if version is not None and version != found.version:
        raise ProgramError(
            f"kernel '{name}' has version {found.version}, the Program was built for {version}; build it again"
        )
    return found


# descriptions ----------------------------------------------------------------------------------------------------
def types(kind: str, name: Any = None) -> dict[str, type]:
    """``type`` in a controller file -> description, of one field of `Plugin`; ours alone if these have ``name``."""
    found: dict[str, type] = {}
    for table in _tables():
        found = found | {n: pair[0] for (one, n), pair in table.entries.items() if one == kind and n not in found}
        if isinstance(name, str) and name in found:
            break
    return found


def name_of(description: type) -> str | None:
    """The ``type`` of a description in a controller file, None where it has none that means this one."""
    for table in _tables():
        for (kind, name), value in table.entries.items():
            if kind in BASES and value[0] is description:
                return name if types(kind, name)[name] is description else None
    return None


def lowering(kind: str, description: type) -> Any | None:
    """The lowering of a description, or of the nearest of its bases that has one."""
    for cls in description.__mro__:
        if cls in (object, BASES[kind][0]):
            continue
        for table in _tables():
            for (one, _), pair in table.entries.items():
                if one == kind and pair[0] is cls:
                    return pair[1]
    return None


def faults(kind: str = "") -> str:
    """What is wrong with plug-ins, in one line; empty where nothing is. With ``kind`` also names that ours have."""
    clashes = [
        f"{table.origins[key]}: {kind} '{key[1]}' exists already"
        for table in (_added, _others()) for key in table.origins if key[0] == kind and key in _ours().entries
    ]  # fmt: skip
    return "; ".join([*_added.faults, *_others().faults, *clashes])


def companions(kind: str) -> dict[str, Any]:
    """What goes with kernels, by kernel: of the kind "reference" their reference implementations."""
    found: dict[str, Any] = {}
    for table in _tables():
        for plugin in table.plugins.values():
            module, _, name = plugin.companions.get(kind, "").partition(":")
            found = (getattr(importlib.import_module(module), name) if name else {}) | found
    return found
