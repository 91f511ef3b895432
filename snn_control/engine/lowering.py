"""The types with which a package adds neuron models, encoders, filters, learning rules and decoders: a `Plugin`.

A plug-in consists of kernels, and of descriptions with their lowerings. A *lowering* converts a description, such as a
neuron model, to operations of kernels. snn_control's own kernels and descriptions are also a plug-in
(`snn_control.engine.builtin`). The tutorial is ``docs/tutorials/own_neuron.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..coding import Decoder, Encoder, EventFilter
from ..errors import BuildError, ProgramError
from ..network import LearningRule, NeuronModel
from .program import Place
from .rows import Kernel

__all__ = [
    "BASES", "FLOAT_MAX", "DecoderLowering", "EncoderLowering", "FilterLowering", "NeuronLowering", "Plugin",
    "RuleLowering",
]  # fmt: skip

FLOAT_MAX = float(np.finfo(np.float32).max)
Numbers = Any  # a number, or (n,) numbers


@dataclass(frozen=True)
class NeuronLowering:
    """The conversion of a neuron model to the operands of a kernel.

    kernel : name of the kernel in the registry
    parameters : function (description, dt [s]) that returns the kernel's parameters by name, each as one number or (n,)
        numbers. If the kernel accepts any number of parameters without names, the function returns a list
    states : function (description) that returns the state arrays of the neurons: name of the operand -> dtype, or None
        if this description does not use the array. "v" is the membrane potential, "isyn" the synaptic current
    options : function (description, dt [s]) that returns the kernel's operands that are numbers, by name
    multiple : function (description) that returns whether a neuron can fire several times in a step; such neurons have
        a state "counts"
    initial : function (description, v at reset) that returns the initial values of other states that are not 0, by name
    random : true if the kernel draws random numbers; the kernel then has the operands ``seed`` and ``number``
    """

    kernel: str
    parameters: Callable[[Any, float], Mapping[str, Numbers] | Sequence[Numbers]]
    states: Callable[[Any], dict[str, str | None]]
    options: Callable[[Any, float], dict[str, int]] = lambda model, dt: {}
    multiple: Callable[[Any], bool] = lambda model: False
    initial: Callable[[Any, np.ndarray], dict[str, Numbers]] = lambda model, v: {}
    random: bool = False

    def synaptic(self, model: NeuronModel) -> bool:
        return self.states(model).get("isyn") is not None

    def matrix(self, model: NeuronModel, dt: float, names: Sequence[str]) -> np.ndarray:
        """Return the kernel's parameters as one array, (parameters, 1 or n) float32, in the order of ``names``.

        Raise ProgramError if the lowering's parameters have other names.
        """
        given = self.parameters(model, dt)
        if isinstance(given, Mapping):
            if set(given) != set(names):
                rule = f"needs the parameters {', '.join(names)}"
                raise ProgramError(f"{type(model).__name__}: kernel '{self.kernel}' {rule}, not {', '.join(given)}")
            given = [given[name] for name in names]
        rows = np.broadcast_arrays(*(np.asarray(row, np.float64).reshape(-1) for row in given))
        found = np.clip(np.stack(rows), -FLOAT_MAX, FLOAT_MAX).astype(np.float32)
        if np.isnan(found).any():
            raise BuildError("", type(model).__name__, f"has no numbers for a step of {dt} s", "use another dt")
        return found


@dataclass(frozen=True)
class EncoderLowering:
    """The conversion of an encoder description to operations.

    build : function (builder, input, source) that emits operations into section PRE, which write all currents once per
        tick. It returns the `Place` of the currents, (neurons,) float32. For a value input, ``source`` is the `Place`
        of the checked numbers, (size,) float32. For an events input, ``source`` is the header
        (`snn_control.engine.slots`), and `event_columns` returns the columns and the list of filtered events
    pulse : true if the currents act only in the first step of a tick; or a function (description) that returns this
    events : true if the encoder reads events; false if it reads numbers
    drawing : ``"module:function"``, the function with which ``snn_control plot`` draws an input with this encoder. Its
        arguments are (figure, input, dt [s], names of the input's numbers), and it returns (caption, alternative text).
        None: the command draws tuning curves, which suit encoders whose currents depend only on the present numbers
    """

    build: Callable[[Any, Any, Place], Place]
    pulse: bool | Callable[[Any], bool] = False
    events: bool = False
    drawing: str | None = None


@dataclass(frozen=True)
class FilterLowering:
    """The conversion of the description of an event filter to an operation.

    kernel : name of the kernel, see `snn_control.engine.kernels.filters`
    operands : function (builder, input, filter, columns) that returns the kernel's operands, except those of `Events`
    """

    kernel: str
    operands: Callable[[Any, Any, Any, Any], dict[str, int | Place]]


@dataclass(frozen=True)
class DecoderLowering:
    """The conversion of a decoder description to operations.

    build : function (builder, path of the decoder, decoder, population, into) that emits operations into section POST,
        which add the decoder's result to ``into``, (m,) float32. It may also emit operations into section STEP
    graded : true if the decoder reads a graded population; false if it reads a spiking population
    lists : function (path, decoder, dt) that returns the number of past network steps whose spikes or graded signals
        the decoder reads
    """

    build: Callable[[Any, str, Any, Any, Place], None]
    graded: bool = False
    lists: Callable[[str, Any, float], int] = lambda path, term, dt: 1


#: (builder, plastic projection) emits the operations of a learning rule into section STEP
RuleLowering = Callable[[Any, Any], None]

#: kind of description that a package can add -> its base class, and its lowering
BASES: dict[str, tuple[type, Any]] = {
    "neurons": (NeuronModel, NeuronLowering), "encoders": (Encoder, EncoderLowering),
    "filters": (EventFilter, FilterLowering), "rules": (LearningRule, Callable), "decoders": (Decoder, DecoderLowering),
}  # fmt: skip


@dataclass(frozen=True)
class Plugin:
    """The kernels and descriptions that a package adds. Raises ProgramError if one of them has the wrong type.

    kernels : kernels with new names
    neurons, encoders, filters, rules, decoders : ``type`` in a controller file -> (description, lowering); a
        description is a dataclass of the package, whose fields are the keys in the file
    companions : further objects for the kernels, which are imported only by code that needs them: kind of object ->
        ``"module:NAME"``, a mapping from the kernel's name to the object. Objects of the kind "reference" are pairs
        (reference implementation, random operands), see `snn_control.testing`. Objects of the kind "c" are C sources,
        see `snn_control.c_export.kernel_text`
    """

    kernels: tuple[Kernel, ...] = ()
    neurons: Mapping[str, tuple[type[NeuronModel], NeuronLowering]] = field(default_factory=dict)
    encoders: Mapping[str, tuple[type[Encoder], EncoderLowering]] = field(default_factory=dict)
    filters: Mapping[str, tuple[type[EventFilter], FilterLowering]] = field(default_factory=dict)
    rules: Mapping[str, tuple[type[LearningRule], RuleLowering]] = field(default_factory=dict)
    decoders: Mapping[str, tuple[type[Decoder], DecoderLowering]] = field(default_factory=dict)
    companions: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.kernels:
            if not isinstance(one, Kernel):
                raise ProgramError(f"kernels: {one!r} is not a Kernel")
        for kind, (base, lowering) in BASES.items():
            for name, pair in getattr(self, kind).items():
                where = f"{kind} '{name}'"
                if not isinstance(pair, tuple) or len(pair) != 2:
                    raise ProgramError(f"{where}: must be a pair (description, lowering)")
                if not isinstance(pair[0], type) or not issubclass(pair[0], base):
                    raise ProgramError(f"{where}: {pair[0]!r} is not a subclass of {base.__name__}")
                if not isinstance(pair[1], lowering):
                    raise ProgramError(f"{where}: {pair[1]!r} is not a lowering of {kind}")

    def entries(self) -> list[tuple[tuple[str, str], Any]]:
        """Return all entries of the plug-in: ((kind, name), kernel) or ((kind, name), (description, lowering))."""
        found: list[tuple[tuple[str, str], Any]] = [(("kernels", one.name), one) for one in self.kernels]
        return found + [((kind, name), pair) for kind in BASES for name, pair in getattr(self, kind).items()]
