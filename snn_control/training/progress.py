"""The files of a training run from which it can be resumed: arrays and JSON, no pickles.

``run.json``        the arguments of the run
``checkpoint.npz``  everything that is needed to continue after a phase
``progress.csv``    one row for each phase
``events.*``        the same for TensorBoard, if it is installed
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DescriptionError
from ..files import Arrays, reason, replace_file, replace_text
from .networks import Adam, Perceptron, RunningMeanStd
from .tensorboard import EventFile

__all__ = ["FILES", "Folder", "arrays_of", "read_progress", "restore"]

FILES = ("run.json", "checkpoint.npz", "progress.csv")
FORMAT = "snn_control training 3"


def arrays_of(value: Any) -> dict[str, np.ndarray]:
    """The arrays of a part of a learner: an array itself, an `Adam`, a `Perceptron`, or lists and dictionaries of
    these."""
    if isinstance(value, np.ndarray | int | float):
        return {"": np.asarray(value)}
    if isinstance(value, Adam):
        value = value.arrays()
    elif isinstance(value, Perceptron):
        value = value.values
    elif isinstance(value, RunningMeanStd):
        return {"": value.state}
    elif hasattr(value, "parameters"):
        value = value.parameters
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return {f"/{key}{rest}": array for key, one in items for rest, array in arrays_of(one).items()}


def restore(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The inverse of `arrays_of`, in place where possible; returns the value."""
    if isinstance(value, np.ndarray | RunningMeanStd):
        (value if isinstance(value, np.ndarray) else value.state)[...] = arrays[""]
        return value
    if isinstance(value, int | float):
        return type(value)(arrays[""])
    if isinstance(value, Adam):
        value.restore({name[1:]: array for name, array in arrays.items()})
        return value
    if isinstance(value, dict):  # a dictionary of arrays, whose keys may not exist yet
        value.clear()
        value.update({name[1:]: array for name, array in arrays.items()})
        return value
    parts = value.values if isinstance(value, Perceptron) else getattr(value, "parameters", value)
    for k, one in enumerate(parts):
        start = f"/{k}"
        inner = {n[len(start) :]: a for n, a in arrays.items() if n == start or n.startswith(start + "/")}
        restore(one, inner)
    return value


def read_progress(path: Path) -> list[dict[str, float]]:
    """The rows of a ``progress.csv``."""
    with path.open(encoding="utf-8", newline="") as file:
        return [{key: float(text) for key, text in row.items() if text} for row in csv.DictReader(file)]


def _differences(before: Any, asked: Mapping[str, Any]) -> str:
    """The differences between the stored and the present arguments, e.g. ``seed (1, now 2), settings.budget (..)``."""
    there, now = dict(before), dict(asked)
    for one in (there, now):
        one.update({f"settings.{key}": value for key, value in (one.pop("settings", None) or {}).items()})
    keys = sorted(key for key in {*there, *now} if there.get(key) != now.get(key))
    return ", ".join(f"{key} ({str(there.get(key))[:60]}, now {str(now.get(key))[:60]})" for key in keys)


class Folder:
    """The folder of one run; it is created with the first checkpoint.

    asked : arguments that identify the run, plain JSON data

    Raises DescriptionError if the folder holds another run.
    """

    def __init__(self, path: str | Path, asked: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.events = EventFile(self.path)
        self.asked = asked = json.loads(json.dumps(asked, default=str))
        file = self.path / "run.json"
        if file.is_file():
            try:
                before = json.loads(file.read_text(encoding="utf-8"))
            except ValueError as error:
                raise DescriptionError("--run", str(file), f"cannot be read: {reason(error)}") from None
            if before != asked:
                rule = f"holds a run of another {_differences(before, asked)}"
                raise DescriptionError("--run", str(self.path), rule, "choose another folder, or remove it")

    def load(self) -> dict[str, np.ndarray] | None:
        """The arrays of the last checkpoint, or None."""
        file = self.path / "checkpoint.npz"
        if not file.is_file():
            return None
        try:
            with Arrays(file) as arrays:
                if str(arrays["format"]) != FORMAT:
                    raise ValueError("it is from another release")
                return dict(arrays)
        except Exception as error:  # the file may be damaged or hostile in any way
            rule = f"is not a readable checkpoint ({reason(error)})"
            raise DescriptionError("--run", str(file), rule, "choose another folder, or remove it") from None

    def save(self, arrays: Mapping[str, np.ndarray], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write checkpoint and progress, each atomically."""
        self.path.mkdir(parents=True, exist_ok=True)
        whole = {"format": np.array(FORMAT), **arrays}
        text = io.StringIO()
        table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="")
        table.writeheader()
        table.writerows(rows)
        replace_text(self.path / "run.json", json.dumps(self.asked, indent=1) + "\n")
        replace_text(self.path / "progress.csv", text.getvalue())
        # written last: after an interruption before it, this phase is repeated and gives the same progress
        replace_file(self.path / "checkpoint.npz", lambda file: np.savez(file, **whole))  # type: ignore[arg-type]
        self.events.write(rows)
