"""NAME.json: the positions of the engine's arrays in the struct of an exported controller.

Programs that read the struct use this file: a debugger, a logger on a robot, the comparison with the engine.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.program import IO
from ..errors import InputError
from ..files import read_text
from .arrays import ELEMENTS, Part
from .exported import Exported

__all__ = ["Layout", "read_layout"]

LARGEST = 1 << 28  # bytes of NAME.json; each slot of a delay is three rows
BLOCKS = {"state": 2, "io": 3}
DTYPES = set(ELEMENTS.values())


@dataclasses.dataclass(frozen=True)
class Layout:
    """The contents of the file NAME.json.

    name, digest : C name of the controller, and digest of its Program
    period_ns : control period [ns]
    n_bytes : size of the struct [bytes]
    slots : offset of each input's header in the struct [bytes]
    parts : name of an engine's array -> its parts in the struct; a ring of spike lists has several parts
    """

    name: str
    digest: str
    period_ns: int
    n_bytes: int
    slots: tuple[int, ...]
    parts: dict[str, tuple[Part, ...]]

    @classmethod
    def of(cls, e: Exported) -> Layout:
        slots = tuple(e.arrays.named(f"{one.facts.name}.slot").at for one in e.inputs)
        names = {(p.kind, p.offset): name for name, p in reversed(e.program.names.items())}
        parts = {names.get((a.place.kind, a.place.offset), a.name): tuple(a.parts) for a in e.arrays.members}
        return cls(e.name, e.program.digest, e.program.facts.period_ns, e.struct_bytes, slots, parts)

    def text(self) -> str:
        """Return the text of the JSON file, with one line for each array."""
        kinds = {number: name for name, number in BLOCKS.items()}
        head = {"name": self.name, "digest": self.digest, "period_ns": self.period_ns, "bytes": self.n_bytes}
        lines = [json.dumps(key) + ": " + json.dumps(value) for key, value in {**head, "slots": self.slots}.items()]
        columns = ["engine", "dtype", "c", "c_dtype", "count"]
        arrays = [
            f"  {json.dumps(name)}: "
            + json.dumps({"block": kinds[parts[0].block], "parts": [[getattr(p, k) for k in columns] for p in parts]})
            for name, parts in self.parts.items()
        ]
        lines.append(f'"columns": {json.dumps(columns)}')
        return "{\n" + ",\n".join(lines) + ',\n"arrays": {\n' + ",\n".join(arrays) + "\n}\n}\n"

    @property
    def commands(self) -> Part:
        return self.parts["command"][0]

    def inputs(self) -> list[Part]:
        """Return the parts of the struct that a driver must write before a tick."""
        kept = ("command", ".kept")
        return [p for name, parts in self.parts.items() for p in parts if p.block == IO and not name.endswith(kept)]

    def results(self) -> list[tuple[str, Part]]:
        """Return pairs (name of an array, part) for all parts that a tick computes: the state and the commands."""
        found = [(name, p) for name, parts in self.parts.items() for p in parts if p.block != IO]
        return [*found, ("command", self.commands)]


def read_layout(folder: Path) -> Layout:
    """Read the layout of the controller exported to a folder. Raise InputError if the folder has no such controller."""
    files = [path for path in sorted(folder.glob("*.json")) if path.with_suffix(".h").exists()]
    if len(files) != 1:
        raise InputError(f"{folder}: has no exported controller; snn_control export FILE --c {folder} writes one")
    try:
        data: dict[str, Any] = json.loads(read_text(files[0], LARGEST))
        parts = {
            name: tuple(_part(BLOCKS[one["block"]], row, data["bytes"]) for row in one["parts"])
            for name, one in data["arrays"].items()
        }
        numbers = data["name"], data["digest"], int(data["period_ns"]), int(data["bytes"])
        return Layout(*numbers, tuple(int(x) for x in data["slots"]), parts)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{files[0]}: is damaged: {error}") from None


def _part(block: int, row: list[Any], limit: int) -> Part:
    engine, dtype, c, c_dtype, count = row
    if {dtype, c_dtype} - DTYPES:
        raise ValueError(f"a part of dtype {dtype}, {c_dtype}")
    end = c + np.dtype(c_dtype).itemsize * count
    if min(engine, c, count) < 0 or end > limit:
        raise ValueError(f"a part from {c} to {end} of {limit} bytes")
    return Part(block, engine, dtype, c, c_dtype, count)
