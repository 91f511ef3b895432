"""Export a Program as C: check that the export is possible, then write all files to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..engine.program import Program
from ..errors import NO_VALUE, DescriptionError, ProgramError
from ..files import replace_files
from .arrays import identifier, used_words
from .exported import Exported
from .functions import source
from .header import header
from .kernel_text import NAMES, refusal
from .kernel_text import header as kernels_header
from .layout import Layout
from .parameters import INT32
from .readme import readme
from .selftest import selftest

__all__ = ["c_name", "exported", "texts", "write"]

#: words of rows by which the C divides with 32 bits
DIVISORS = frozenset({"slots", "post_slots", "window", "steps"})
MOST_DIVISOR = 65535
MOST_BYTES = 1 << 30


def obstacles(program: Program) -> Iterator[str]:
    """Yield a text for each reason why a Program cannot be exported as C."""
    for name in sorted({operation.kernel for operation in program.operations}):
        if reason := refusal(name):
            yield f"kernel '{name}': {reason}"
            return
    for operation in program.operations:
        words = {name: x for name, _, x in used_words(operation) if isinstance(x, int)}
        where = f"kernel '{operation.kernel}' of {operation.label}"
        for name, kind, x in used_words(operation):
            if isinstance(x, int) and kind == INT32 and not -(1 << 31) <= x < 1 << 31:
                yield f"{where}: {name} = {x} is beyond 32 bits"
            elif isinstance(x, int) and name in DIVISORS and x > MOST_DIVISOR:
                yield f"{where}: {name} = {x} must be at most {MOST_DIVISOR}"
        if "lines" in words and "of_on" in words:
            if max(2 * words["lines"] * words["rows"], 2 * words["width"] * words["columns"]) >= 1 << 31:
                yield f"{where}: the grid of {words['columns']} x {words['rows']} cells is too fine"
    if program.constants.size + program.initial_state.size + program.io_bytes > MOST_BYTES:
        yield "it is larger than 1 GiB"


def exported(program: Program, name: str, title: str = "") -> Exported:
    """Return a Program together with the layout of its arrays in C. Raise ProgramError if it cannot be exported.

    name : C identifier, the prefix of all names in C
    title : text for the head of each file; empty: a default text
    """
    if reason := next(obstacles(program), ""):
        raise ProgramError(f"cannot be exported to C: {reason}")
    return Exported(program, name, title or f"{name}, exported by snn_control")


def texts(e: Exported) -> dict[str, str]:
    """Return the contents of the files of an exported controller: file name -> text."""
    code, test = source(e), selftest(e)
    kernels = {operation.kernel for operation in e.program.operations}
    return {
        f"{e.name}.h": header(e), f"{e.name}.c": code, f"{e.name}_selftest.c": test,
        "snn_kernels.h": kernels_header(kernels, NAMES.findall(code + test)),
        f"{e.name}.json": Layout.of(e).text(), "README.md": readme(e),
    }  # fmt: skip


def write(e: Exported, folder: Path, more: dict[str, str] | None = None, force: bool = True) -> None:
    """Write the files of an exported controller to a folder, which is created. If writing fails, no file is changed.

    more : further files: name -> text
    force : whether files with these names are replaced

    Raise DescriptionError if the folder contains another controller, whose ``snn_kernels.h`` would be replaced, or,
    without ``force``, one of the files.
    """
    others = [path for path in folder.glob("*.json") if path.stem != e.name and path.with_suffix(".h").exists()]
    if others:
        rule = f"holds the C of '{others[0].stem}'"
        raise DescriptionError("--c", str(folder), rule, "choose another folder: each has kernels of its own")
    files = {folder / name: text for name, text in {**texts(e), **(more or {})}.items()}
    there = sorted(path.relative_to(folder).as_posix() for path in files if path.exists())
    if there and not force:
        rule = f"holds {', '.join(there)} already"
        raise DescriptionError("--c", str(folder), rule, "choose another folder, or give --force")
    for path in files:
        path.parent.mkdir(parents=True, exist_ok=True)
    replace_files({path: lambda file, text=text: file.write(text.encode()) for path, text in files.items()})  # type: ignore[misc]


def c_name(text: str) -> str:
    """Convert a text to the C name of a controller.

    Raise DescriptionError if it has no letter and no digit, or is a name of the kernels.
    """
    name = identifier(text).lower()
    if not name.strip("_n"):
        raise DescriptionError("--name", text or NO_VALUE, "must have a letter or a digit")
    if name == "snn" or name.startswith("snn_"):
        rule = "is a name of the kernels, which begin with snn_"
        raise DescriptionError("--name", name, rule, "choose another with --name")
    return name
