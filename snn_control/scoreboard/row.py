"""Rows of the scoreboard's table, and the JSON files that contain these rows."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import DescriptionError
from ..files import read_text, replace_text, writing
from . import protocol
from .protocol import VERSION, task_of

__all__ = ["Row", "check_rows", "read_board", "read_rows", "write_row"]

KINDS = ("controller", "policy", "chance")
MOST = 1e300  # above all numbers of a row


@dataclass(frozen=True)
class Row:
    """One row of the table: a controller or policy, its environment, and its results.

    name : name of the row in the table, unique for an environment
    environment : id of an environment of the protocol
    actor : the controller or policy: a controller file or a policy's file, relative to the folder of the rows; the name
        of a shipped controller or of a baseline of the environment; ``module:function``; or "chance"
    kind : "controller" for a spiking controller, "policy" for any other, or "chance" for random actions
    by : author of the controller or policy
    source : origin of the controller or policy: the command that made it, or a reference
    protocol : version of the protocol
    results : results from `snn_control.scoreboard.measure.measure`
    """

    name: str
    environment: str
    actor: str
    kind: str
    by: str
    source: str
    protocol: int = VERSION
    results: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        return self.environment, self.name


TEXTS = ("name", "environment", "actor", "kind", "by", "source")
#: keys of the results that each row has -> keys of the numbers in the object there; None if it is a number
NEEDED = {"episodes": None, "return": ("mean", "iqm", "low", "high", "worst", "best"), "steps": None, "versions": ()}
#: the same, for rows with the key "operations": those of spiking controllers
COSTS = {
    "operations": ("dense", "accumulates", "multiply_accumulates"), "nanojoule": ("arithmetic", "memory"),
    "spikes": None, "footprint": None, "tick_us": None,
}  # fmt: skip
PERCEPTRON = {"perceptron": ("operations", "footprint", "nanojoule")}


def read_rows(path: Path) -> list[Row]:
    """Read a JSON file of rows. Raises DescriptionError, which names the position of the error, if a row is invalid."""
    try:
        found = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise DescriptionError(str(path), None, f"is not JSON: {error}") from None
    if not isinstance(found, list):
        raise DescriptionError(str(path), None, "must be a list of rows")
    rows = [_row(f"{path}[{k}]", one) for k, one in enumerate(found)]
    keys = [row.key for row in rows]
    if double := next((key for key in keys if keys.count(key) > 1), None):
        raise DescriptionError(str(path), double[1], f"has two rows with this name for {double[0]}")
    return rows


def _row(where: str, data: Any) -> Row:
    known = {f.name for f in fields(Row)}
    if not isinstance(data, dict) or set(data) != known:
        raise DescriptionError(where, None, f"must have the keys {', '.join(sorted(known))}")
    for key in TEXTS:
        if not isinstance(data[key], str) or not data[key]:
            raise DescriptionError(f"{where}.{key}", data[key], "must be a text")
    if data["kind"] not in KINDS:
        raise DescriptionError(f"{where}.kind", data["kind"], f"must be one of {', '.join(KINDS)}")
    if data["protocol"] != VERSION:
        fix = "run it again: snn_control score FILE --add"
        raise DescriptionError(f"{where}.protocol", data["protocol"], f"must be {VERSION}", fix)
    try:
        task = task_of(data["environment"])
    except DescriptionError as error:
        raise DescriptionError(f"{where}.environment", data["environment"], error.rule) from None
    results = data["results"]
    if not isinstance(results, dict):
        raise DescriptionError(f"{where}.results", results, "must be an object")
    needed = NEEDED | (COSTS if "operations" in results else {}) | (PERCEPTRON if "perceptron" in results else {})
    for key, inner in needed.items():
        there = results.get(key)
        numbers = [there] if inner is None else [there.get(one) for one in inner] if isinstance(there, dict) else [None]
        if not all(map(_finite, numbers)):
            raise DescriptionError(f"{where}.results.{key}", there, "must be as `score` writes it")
    if results["episodes"] != task.episodes:
        raise DescriptionError(f"{where}.results.episodes", results["episodes"], f"must be {task.episodes}")
    digest = results.get("digest")
    if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise DescriptionError(f"{where}.results.digest", digest, "must be a SHA-256 in hexadecimal digits")
    return Row(**data)


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST


def read_board(folder: Path) -> list[Row]:
    """Read the rows of all files in a folder. Sort them by environment, in the protocol's order, and by mean return."""
    order = [task.environment for suite in protocol.SUITES.values() for task in suite]
    rows = [row for path in sorted(folder.glob("*.json")) for row in read_rows(path)]
    return sorted(rows, key=lambda row: (order.index(row.environment), -row.results["return"]["mean"], row.name))


def check_rows(path: Path) -> None:
    """Raise DescriptionError if a row cannot be added to a JSON file: file or folder is invalid."""
    if path.exists():
        read_rows(path)
    if not os.access(path.parent, os.W_OK):
        raise DescriptionError("--add", str(path), "is in a folder that does not exist or cannot be written")


def write_row(path: Path, row: Row) -> None:
    """Add a row to a JSON file, and create the file if it does not exist.

    A row for the same environment with the same name is replaced. Processes that add to one file wait for each other.
    """
    with writing("--add", path):
        folder = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        rows = {one.key: one for one in read_rows(path)} if path.exists() else {}
        rows[row.key] = row
        text = json.dumps([asdict(one) for _, one in sorted(rows.items())], indent=1) + "\n"
        with writing("--add", path):
            replace_text(path, text)
    finally:
        os.close(folder)
