"""Parameters of a kernel's C function, generated from the declaration of the kernel's arguments in Python.

The C source of a kernel (``kernels/*.h``) contains only a name, a version and a body. The generated parameters have the
names and the order of the arguments in Python, which are the words of an operation's row. If an argument is removed in
Python, a C body that uses it does not compile. If an argument is added, the compiler warns of the unused parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.kernels.delivery import Synapses
from ..engine.kernels.neurons import Firing, Neurons
from ..engine.kernels.spikes import Line, PastLine, Signal, Spikes
from ..engine.rows import Kernel, Number, Record, Table, View, Word
from ..engine.rows import count as size
from ..errors import ProgramError

__all__ = ["C_TYPES", "INT32", "INT64", "parameters"]

INT32, INT64 = "int32_t", "int64_t"
C_TYPES = {
    "u8": "uint8_t", "i8": "int8_t", "u16": "uint16_t", "u32": "uint32_t", "i32": INT32, "f32": "float", "i64": INT64,
    "f64": "double",
}  # fmt: skip
#: words of the C language that a row may use as a name
KEYWORDS = frozenset({"auto", "const", "default", "double", "float", "int", "register", "signed", "static", "switch"})
CLOCK = f"const {INT64} *"
#: composite declaration -> type of its words; all other words are int32_t
COMPOSITE: dict[type, dict[str, str]] = {
    Neurons: {"params": "const float *", "current": "float *", "bias": "const float *"},
    Firing: {"flags": "uint8_t *", "spikes": "void *", "clock": CLOCK, "counter": f"{INT64} *"},
    Spikes: {"spikes": "const void *", "clock": CLOCK},
    Signal: {"x": "const float *", "clock": CLOCK},
    PastLine: {"line": "const float *", "clock": CLOCK},
    Line: {"line": "float *", "clock": CLOCK},
    Synapses: {"pointers": "const uint32_t *"},
}
#: float64 arrays that hold samples of an input; in C the samples are float, as the caller gives them
SAMPLES = frozenset({"data", "out"})


def parameters(kernel: Kernel) -> dict[str, str]:
    """Return the parameters of a kernel's C function in their order: name -> C type.

    Raise ProgramError if an argument's declaration has no equivalent C type.
    """
    found = _types(kernel.row)
    pairs = any(isinstance(word, Synapses) and word.of == 2 for word in kernel.row.values())
    if pairs and found.get("weights") == "const uint32_t *":
        found["weights"] = "const snn_pair *"
    assert tuple(found) == kernel.words
    return {name + "_" * (name in KEYWORDS): kind for name, kind in found.items()}


def _types(words: Mapping[str, Word]) -> dict[str, str]:
    return {name: kind for parameter, word in words.items() for name, kind in _of(parameter, word).items()}


def _of(parameter: str, word: Any) -> dict[str, str]:
    if isinstance(word, Record):
        return _types(word.fields)
    if isinstance(word, Number):
        return {parameter: INT32 if word.most == size.most or word.most < 1 << 31 else INT64}
    if isinstance(word, Table):  # before Word's other kinds, because it keeps its array in a View
        return {parameter: _pointer(word.dtype, word._whole.written)}
    if isinstance(word, View):
        if word.dtype == "f64" and parameter in SAMPLES:
            return {parameter: "snn_value *" if word.written else "const snn_value *"}
        return {parameter: _pointer(word.dtype, word.written)}
    for kind in type(word).__mro__:
        if kind in COMPOSITE:
            own = COMPOSITE[kind]
            return {name: own.get(name.removeprefix("post_"), INT32) for name in word.names(parameter)}
    raise ProgramError(f"parameter '{parameter}': {type(word).__name__} has no type in C")


def _pointer(dtype: str, written: bool) -> str:
    return f"{'' if written else 'const '}{C_TYPES[dtype]} *"
