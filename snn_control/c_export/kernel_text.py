"""The C header of a controller's kernels: read their sources, add their parameters, and drop unused code.

A source text consists of *pieces* separated by blank lines. A piece is a function, a type, or some constants. A piece
that begins with ``SNN_KERNEL(name, version)`` is the body of a kernel. Plug-ins supply such source texts as companions
of the kind ``c`` (`snn_control.engine.lowering.Plugin`).
"""

from __future__ import annotations

import functools
import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..engine import registry
from ..errors import ProgramError
from .parameters import parameters

__all__ = ["FUNCTION", "NAMES", "REFUSED", "header", "refusal", "wrapped"]

FOLDER = Path(__file__).parent / "kernels"
FILES = (
    "base", "vectors", "input_checks", "encoders", "pictures", "filters", "delivery", "int8", "graded", "convolution",
    "neurons", "sources", "plasticity", "eprop", "decoders", "guard", "interface",
)  # fmt: skip
#: kernels of snn_control that are not exported: name -> reason
REFUSED: Mapping[str, str] = {}
COMPANION = "c"
#: beginning of the name of a kernel in C
FUNCTION = "snn_kernel_"
GLUE = "\0"  # instead of a space at which no line ends

BODY = re.compile(r"SNN_KERNEL(_INLINE)?\((\w+), (\d+)\) \{")
NAMES = re.compile(r"\b(?:snn|SNN)_\w+")
DEFINED = re.compile(
    r"(?:SNN_FN|SNN_INLINE)\s[^()]*?\b(snn_\w+)\(|^#define (SNN_\w+)|^\} (snn_\w+);|^typedef .* (snn_\w+);", re.M
)
HEAD = """\
/* Kernels of snn_control in C99: freestanding, with the bits of the engine.
 *
 * Numbers are rounded to nearest; nothing is contracted, reassociated or taken from libm. A linker may add only the
 * compiler's own helpers: float64 for a processor without it, memcpy, memset. */
#ifndef SNN_KERNELS_H
#define SNN_KERNELS_H
#include <float.h>
#include <stddef.h>
#include <stdint.h>
"""


@dataclass(frozen=True)
class Piece:
    """A piece of C source: a function, a type, or some constants.

    kernel : name of the kernel whose body the piece is; "" for other pieces
    version : version of the kernel
    names : names that the piece defines
    always : whether every header must contain the piece
    """

    text: str
    kernel: str = ""
    version: int = 0
    names: frozenset[str] = frozenset()
    always: bool = False


def _piece(text: str) -> Piece | None:
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.S).strip()
    if not code:
        return None  # a comment on a whole file
    body = BODY.search(code)
    if body:
        return Piece(text, body[2], int(body[3]), frozenset({FUNCTION + body[2]}))
    names = {name for match in DEFINED.findall(code) for name in match if name}
    if code.startswith("enum"):
        names |= set(NAMES.findall(code))
    return Piece(text, names=frozenset(names), always=code.startswith("#if") or "snn_value" in names)


def _pieces(text: str) -> list[Piece]:
    return [piece for block in re.split(r"\n\s*\n", text.strip()) if (piece := _piece(block)) is not None]


@functools.cache
def _ours() -> tuple[Piece, ...]:
    return tuple(piece for name in FILES for piece in _pieces((FOLDER / f"{name}.h").read_text()))


def _all(kernels: Iterable[str]) -> list[Piece]:
    """Return the pieces of C source of snn_control, and those of each plug-in that defines one of the kernels."""
    own = {piece.kernel for piece in _ours()}
    brought = registry.companions(COMPANION)
    texts = dict.fromkeys(brought[name] for name in kernels if name not in own and name in brought)
    return [*_ours(), *(piece for text in texts for piece in _pieces(text))]


def refusal(name: str) -> str:
    """Return the reason why a kernel cannot be exported to C; "" if it can be exported."""
    if name in REFUSED:
        return REFUSED[name]
    found = next((piece for piece in _all([name]) if piece.kernel == name), None)
    if found is None:
        return "it has no C source; a plug-in brings it as a companion of the kind 'c'"
    version = registry.kernel(name).version
    if found.version != version:
        return f"its C source is of version {found.version}, the kernel has version {version}"
    return ""


def _complete(piece: Piece) -> str:
    """Return the C text of a piece. For a kernel, the function's head with all parameters replaces ``SNN_KERNEL``."""
    if not piece.kernel:
        return piece.text
    row = parameters(registry.kernel(piece.kernel))
    words = [f"{kind}{'' if kind.endswith('*') else ' '}{name}" for name, kind in row.items()]
    inline = "SNN_INLINE" if "SNN_KERNEL_INLINE(" in piece.text else "SNN_FN"
    start = wrapped(f"{inline} void {FUNCTION}{piece.kernel}(", words, ") {")
    return BODY.sub(lambda _: start, piece.text, count=1)


def wrapped(start: str, words: Iterable[str], end: str) -> str:
    """Return ``start word, word, .. end`` in lines of at most 112 columns; no word is broken."""
    whole = [word.replace(" ", GLUE) for word in words]
    text = start.replace(" ", GLUE) + ", ".join(whole) + end.replace(" ", GLUE)
    return textwrap.fill(text, 112, subsequent_indent=" " * 4, break_long_words=False).replace(GLUE, " ")


def header(kernels: Iterable[str], names: Iterable[str] = ()) -> str:
    """Return the C header with these kernels, and with only those other pieces that they use.

    names : other functions, types and constants that the header must contain

    Raise ProgramError for a kernel that cannot be exported.
    """
    kernels = sorted(set(kernels))
    for name in kernels:
        if reason := refusal(name):
            raise ProgramError(f"kernel '{name}' cannot be exported to C: {reason}")
    pieces = _all(kernels)
    where = {name: piece for piece in pieces for name in piece.names}
    wanted = [FUNCTION + name for name in kernels] + list(names)
    wanted += [name for piece in pieces if piece.always for name in NAMES.findall(piece.text)]
    kept: set[str] = set()
    while wanted:
        name = wanted.pop()
        piece = where.get(name)
        if piece is not None and not piece.names <= kept:
            kept |= piece.names
            wanted += NAMES.findall(_complete(piece))
    used = [_complete(piece) for piece in pieces if piece.always or piece.names & kept]
    return HEAD + "\n" + "\n\n".join(used) + "\n\n#endif\n"
