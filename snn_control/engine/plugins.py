"""Plug-ins: kernels, neurons, encoders, filters, learning rules and decoders of other packages, found by entry point.

An entry of the group ``snn_control.plugins`` is a `Plugin`. All are loaded when a name or a description is asked for
that is none of ours, and not before. One that cannot be loaded stops nobody who does not use it: it is a fault, which
every error about an unknown name tells. ``docs/plugins.md`` is the tutorial.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from ..coding import Decoder, Encoder, EventFilter
from ..errors import ProgramError
from ..network import LearningRule, NeuronModel

if TYPE_CHECKING:
    from .build_encoders import EncoderForm
    from .build_filters import FilterForm
    from .build_outputs import DecoderForm
    from .forms import NeuronForm
    from .rows import Kernel
    from .rules import RuleForm

__all__ = ["GROUP", "Plugin", "faults", "form", "kernels", "twins", "types"]

GROUP = "snn_control.plugins"
#: what a plug-in can bring beside kernels -> the base of its descriptions
BASES: dict[str, type] = {
    "neurons": NeuronModel, "encoders": Encoder, "filters": EventFilter, "rules": LearningRule, "decoders": Decoder,
}  # fmt: skip


@dataclass(frozen=True)
class Plugin:
    """What a package adds; raises ProgramError where something is of the wrong type.

    kernels : of names that nobody else has
    neurons, encoders, filters, rules, decoders : ``type`` in a controller file -> (description, form); a description is
        a dataclass of this package's own, whose fields are the keys in the file
    twins : ``"module:NAME"`` of a mapping kernel -> (slow twin, random operands), see `snn_control.testing`; imported
        by tests only
    """

    kernels: tuple[Kernel, ...] = ()
    neurons: Mapping[str, tuple[type[NeuronModel], NeuronForm]] = field(default_factory=dict)
    encoders: Mapping[str, tuple[type[Encoder], EncoderForm]] = field(default_factory=dict)
    filters: Mapping[str, tuple[type[EventFilter], FilterForm]] = field(default_factory=dict)
    rules: Mapping[str, tuple[type[LearningRule], RuleForm]] = field(default_factory=dict)
    decoders: Mapping[str, tuple[type[Decoder], DecoderForm]] = field(default_factory=dict)
    twins: str = ""

    def __post_init__(self) -> None:
        from .rows import Kernel

        for one in self.kernels:
            if not isinstance(one, Kernel):
                raise ProgramError(f"kernels: {one!r} is no Kernel")
        for kind, base in BASES.items():
            for name, pair in getattr(self, kind).items():
                _check_pair(f"{kind} '{name}'", pair, kind, base)


def _check_pair(where: str, pair: Any, kind: str, base: type) -> None:
    from .build_encoders import EncoderForm
    from .build_filters import FilterForm
    from .build_outputs import DecoderForm
    from .forms import NeuronForm

    if not isinstance(pair, tuple) or len(pair) != 2:
        raise ProgramError(f"{where}: must be a pair (description, form)")
    cls, form = pair
    if not isinstance(cls, type) or not issubclass(cls, base):
        raise ProgramError(f"{where}: {cls!r} is no subclass of {base.__name__}")
    if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:
        raise ProgramError(f"{where}: {cls.__name__} is a description of snn_control; make a subclass of it")
    forms = {"neurons": NeuronForm, "encoders": EncoderForm, "filters": FilterForm, "decoders": DecoderForm}
    if not (callable(form) if kind == "rules" else isinstance(form, forms[kind])):
        raise ProgramError(f"{where}: {form!r} is no form of {kind}")


class _Found:
    """All plug-ins of this environment: what each name means, and what is wrong."""

    def __init__(self) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.faults: list[str] = []
        for entry in sorted(entry_points(group=GROUP), key=_origin):
            self._load(entry)
        self.values: dict[tuple[str, str], Any] = {}  # (kind, name) -> Kernel, or (description, form)
        self.origins: dict[tuple[str, str], str] = {}
        for origin, plugin in self.plugins.items():
            for key, value in _names(plugin):
                if key in self.origins:  # neither: which of them is meant nobody can know
                    self.faults.append(f"{key[0]} '{key[1]}' is in {self.origins[key]} and in {origin}")
                    self.values.pop(key, None)
                else:
                    self.values[key], self.origins[key] = value, origin

    def _load(self, entry: EntryPoint) -> None:
        from .registry import OURS

        try:
            plugin = entry.load()
            if not isinstance(plugin, Plugin):
                raise ProgramError(f"{entry.value} is a {type(plugin).__name__}, must be a Plugin")
            for one in plugin.kernels:
                if one.name in OURS:
                    raise ProgramError(f"a kernel '{one.name}' exists already")
        except Exception as error:  # whatever the import of a stranger's package raises
            what = "" if isinstance(error, ProgramError) else f"{type(error).__name__}: "
            self.faults.append(f"{_origin(entry)}: {what}{' '.join(str(error).split())}")
        else:
            self.plugins[_origin(entry)] = plugin


def _origin(entry: EntryPoint) -> str:
    package = entry.dist.name if entry.dist is not None else "an unknown package"
    return f"plug-in '{entry.name}' of {package}"


def _names(plugin: Plugin) -> Iterator[tuple[tuple[str, str], Any]]:
    for one in plugin.kernels:
        yield ("kernel", one.name), one
    for kind in BASES:
        for name, pair in getattr(plugin, kind).items():
            yield (kind, name), pair


_found = functools.cache(_Found)


def kernels() -> dict[str, Kernel]:
    """Kernels of plug-ins by name."""
    return {name: value for (kind, name), value in _found().values.items() if kind == "kernel"}


def types(kind: str, ours: Mapping[str, type]) -> dict[str, type]:
    """``type`` -> description: ours and, of names that we do not have, those of plug-ins; for ``kind`` see `Plugin`."""
    found = {name: pair[0] for (one, name), pair in _found().values.items() if one == kind and name not in ours}
    return {**ours, **found}


def form(kind: str, description: type) -> Any | None:
    """The form of a plug-in's description, if there is one."""
    values = _found().values.items()
    return next((pair[1] for (one, _), pair in values if one == kind and pair[0] is description), None)


def faults(kind: str = "", ours: Mapping[str, type] | None = None) -> str:
    """What is wrong with plug-ins, in one line; empty where nothing is. ``kind`` and ``ours`` as `types` has them."""
    found = _found()
    clashes = [
        f"{found.origins[kind, n]}: {kind} '{n}' exists already" for n in ours or () if (kind, n) in found.origins
    ]
    return "; ".join([*found.faults, *clashes])


def twins() -> dict[str, Any]:
    """The slow twins that plug-ins bring, by kernel; for tests."""
    found: dict[str, Any] = {}
    for plugin in _found().plugins.values():
        module, _, name = plugin.twins.partition(":")
        found |= getattr(importlib.import_module(module), name) if name else {}
    return found
