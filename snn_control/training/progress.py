"""Write and read the files of a training run, from which the run can be resumed: arrays and JSON, no pickles.

``run.json``        the arguments of the run
``checkpoint.npz``  the state of the run after its last phase, from which it continues
``progress.csv``    results, one row for each phase
``newest.yaml``     the controller of the newest phase, at most every few seconds, for `snn_control watch`
``events.*``        the numbers of ``progress.csv`` for TensorBoard, if TensorBoard is installed
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..controller_file import ControllerSpec
from ..errors import DescriptionError, RuntimeFault
from ..files import Arrays, read_text, reason, replace_file, replace_text
from .algorithms.networks import set_array
from .tensorboard import EventFile

__all__ = [
    "FILES",
    "NEWEST",
    "Folder",
    "arrays_of",
    "history_in",
    "locked_folder",
    "part_of",
    "read_progress",
    "restore",
]

FILES = ("run.json", "checkpoint.npz", "progress.csv")
NEWEST = "newest.yaml"
NEWEST_S = 5.0  # at least between two of them
FORMAT = "snn_control training 4"
FIX = "choose another folder, or remove it"


@contextmanager
def locked_folder(path: str | os.PathLike) -> Iterator[None]:
    """Context that creates a folder if it does not exist, and locks it against other training runs.

    The operating system releases the lock if the process ends. Raises DescriptionError if another run uses the folder.
    """
    os.makedirs(path, exist_ok=True)
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "wait until it has ended, or choose another folder"
            raise DescriptionError("--run", str(path), "is in use by another training", fix) from None
        except OSError:  # of a file system without locks
            pass
        yield
    finally:
        os.close(folder)


def arrays_of(value: Any) -> dict[str, np.ndarray]:
    """Return the arrays in an attribute of a learner, for a checkpoint: name -> array.

    value : an array, a number, an object with arrays in its attribute ``state``, or a list or dictionary of such values
    """
    value = getattr(value, "state", value)
    if isinstance(value, np.ndarray | int | float):
        return {"": np.asarray(value)}
    return {f"/{key}{rest}": array for key, one in _items(value) for rest, array in arrays_of(one).items()}


def _items(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, Mapping) else enumerate(value)


def restore(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Restore an attribute of a learner from the arrays of a checkpoint, and return the restored value.

    Arrays and dictionaries are changed in place. A number cannot be changed in place, so the stored number is returned.

    value : present value of the attribute
    arrays : arrays that `arrays_of` returned
    """
    state = getattr(value, "state", value)
    if isinstance(state, int | float):
        return type(state)(arrays[""])
    if isinstance(state, np.ndarray):
        set_array(state, arrays[""])
    elif isinstance(value, dict):  # a dictionary of arrays, whose keys may not exist yet
        value.clear()
        value.update({name[1:]: array for name, array in arrays.items()})
    else:
        for key, one in _items(state):
            if isinstance(one, np.ndarray) and f"/{key}" not in arrays:
                raise KeyError(key)
            restore(one, part_of(arrays, f"/{key}"))
    return value


def part_of(arrays: Mapping[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    """Return the arrays whose name is ``start`` or begins with ``start/``; their new names lack this beginning."""
    return {name[len(start) :]: a for name, a in arrays.items() if name == start or name.startswith(start + "/")}


def history_in(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Return the results of all phases in a checkpoint: one dictionary for each phase, name of a number -> number.

    Raises ValueError if the checkpoint has no valid history.
    """
    rows = json.loads(str(arrays["history"]))
    for k, row in enumerate(rows):
        if not all(isinstance(row[key], int | float) for key in ("steps", "score", *row)) or row["phase"] != k + 1:
            raise ValueError(f"row {k} of its history is not that of phase {k + 1}")
    if not rows:
        raise ValueError("its history has no phase")
    return rows


def read_progress(path: Path) -> list[dict[str, float]]:
    """Return the rows of a file ``progress.csv``, one dictionary of numbers for each phase.

    Raises ValueError if a cell is not a number, or if a row has more cells than the header.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if any(None in row for row in rows):
        raise ValueError(f"{path}: a row has more cells than the header")
    return [{key: float(text) for key, text in row.items() if text} for row in rows]


def _differences(before: Any, asked: Mapping[str, Any]) -> str:
    """Return a text that lists the changed arguments of a run with both values, e.g. ``seed (1, now 2)``.

    before : arguments in the folder
    asked : arguments of this call
    """
    there, now = dict(before), dict(asked)
    for one in (there, now):
        one.update({f"settings.{key}": value for key, value in (one.pop("settings", None) or {}).items()})
    keys = sorted(key for key in {*there, *now} if there.get(key) != now.get(key))
    return ", ".join(f"{key} ({str(there.get(key))[:60]}, now {str(now.get(key))[:60]})" for key in keys)


class Folder:
    """The folder of one training run, with its checkpoint.

    asked : arguments that identify the run, as JSON data

    Raises DescriptionError if the folder contains a run with other arguments, or a ``run.json`` that cannot be read.
    """

    def __init__(self, path: str | Path, asked: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.events = EventFile(self.path)
        self._newest_at = -math.inf
        self.asked = asked = json.loads(json.dumps(asked, default=str))
        file = self.path / "run.json"
        if file.is_file():
            try:
                before = json.loads(read_text(file))
                if not isinstance(before, dict) or not isinstance(before.get("settings", {}), dict):
                    raise ValueError("it is not the description of a run")
            except (ValueError, OSError, RecursionError) as error:
                raise DescriptionError("--run", str(file), f"cannot be read: {reason(error)}", FIX) from None
            if before != asked:
                rule = f"holds a run of another {_differences(before, asked)}"
                raise DescriptionError("--run", str(self.path), rule, FIX)

    def load(self) -> dict[str, np.ndarray] | None:
        """Return the arrays of the last checkpoint; None if there is no checkpoint."""
        file = self.path / "checkpoint.npz"
        if not file.is_file():
            return None
        with self.reading(), Arrays(file) as arrays:
            if str(arrays["format"]) != FORMAT:
                raise ValueError("it is from another release")
            return dict(arrays)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Context for reading a checkpoint, which is untrusted input and may be damaged.

        Any exception except RuntimeFault becomes a DescriptionError that names the file. RuntimeFault reports a fault
        of the environment, and is raised unchanged.
        """
        try:
            yield
        except RuntimeFault:
            raise
        except Exception as error:
            why = f"it has no {error}" if isinstance(error, KeyError) else reason(error)
            rule = f"is not a readable checkpoint ({why})"
            raise DescriptionError("--run", str(self.path / "checkpoint.npz"), rule, FIX) from error

    def keep_newest(self, spec: Callable[[], ControllerSpec]) -> None:
        """Write the controller of the newest phase (``newest.yaml``), at most every `NEWEST_S`.

        A run also calls this method before its first phase, because it writes ``run.json``, too.
        """
        if time.monotonic() > self._newest_at + NEWEST_S:
            replace_text(self.path / "run.json", json.dumps(self.asked, indent=1) + "\n")
            spec().save(self.path / NEWEST, "The controller of the newest phase of a training")
            self._newest_at = time.monotonic()

    def save(self, arrays: Mapping[str, np.ndarray], rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the files of the run after a phase. JSON, CSV and checkpoint are each written atomically.

        arrays : arrays for the checkpoint
        rows : results of all phases, for ``progress.csv`` and TensorBoard
        """
        whole = {"format": np.array(FORMAT), **arrays}
        text = io.StringIO()
        table = csv.DictWriter(text, list(dict.fromkeys(key for row in rows for key in row)), restval="")
        table.writeheader()
        table.writerows(rows)
        replace_text(self.path / "run.json", json.dumps(self.asked, indent=1) + "\n")
        replace_text(self.path / "progress.csv", text.getvalue())
        # written last: if an interruption prevents it, this phase is repeated and gives the same progress
        replace_file(self.path / "checkpoint.npz", lambda file: np.savez(file, **whole))  # type: ignore[arg-type]
        self.events.write(rows)
