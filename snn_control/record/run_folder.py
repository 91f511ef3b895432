"""A run folder: the summary and the arrays of one run, from which `snn_control.report` makes a report.

::

    <folder>/summary.json   nested dictionaries of numbers, strings, booleans, lists and null
    <folder>/data.npz       arrays, no pickle
    <folder>/report.html    made later by snn_control.report

Each file is written whole or not at all. `write_run` removes an old summary first and writes the new summary last, so
that a summary is never in one folder with the arrays of another run.

Keys of the summary
-------------------
Every key is optional; a report leaves out the parts for which keys are missing. It shows other keys unchanged.

=============  ========================================================================================
title          str, one line
verdict        str, one line; may start with ``PASS`` or ``FAIL``
controller     str, name of the controller file
world          str, id of the environment
seed           int
duration_s     float, length of the run [s]
scored_from_s  float, time of the run from which ``tracking`` counts [s]; 0 if missing
tracking       {name: {rms_deg, max_deg, ...}}, one row for each controller; the first row is the run's own, the other
               rows are baselines; a key ends in its unit (deg, m); ``about_the_tracking`` is shown below
loop           ticks, missed, and wakeup_us, latency_us, tick_us: {p50, p99, p999, max} [us];
               ``about_the_loop`` is shown below
criteria       {criterion: {found, wanted, met}}, the criteria of ``PASS``; ``about_the_criteria`` is shown below
stages         {stage: {what: number or text}}, one column for each stage, with its spikes and its cost;
               ``about_the_stages`` is shown below
made           {what: text}: commit, machine, middleware, seeds, date
network        spikes_per_s, synaptic_operations_per_s, events_per_s, and docs/howto/measuring.md: dense_per_s,
               accumulates_per_s, multiply_accumulates_per_s [1/s], connection_sparsity, activation_sparsity
               (shares), footprint_bytes, estimated_microwatt
events         {input: {what: number}}: number of events accepted, dropped, left out by each filter, ...
rights         {what: str or bool}: real-time priority, locked memory, ... as granted
versions       {package: str}
=============  ========================================================================================

Names of the arrays
-------------------
Every array is optional. Times are seconds since the run began; angles are radians.

======================  ========================  =====================================================
t                       (n,) float64              time of the tracking samples [s]
target, head            (n, k) float64            positions of the target, e.g. pan and tilt, and of its follower
                                                  [rad]
error                   (n,) float64              distance of target and head [unit of ``tracking``, e.g. degrees]
axis_names              (k,) str                  names of the columns
command_t               (c,) float64              time of the commands [s]; ``t`` if missing
command                 (c, m) float64            commands [command_unit]
command_names           (m,) str                  names of the commands
command_unit            () str                    unit of the commands, e.g. ``rad/s``; empty if their units differ
frames                  (k, h, w, 3) uint8        pictures of the world, RGB
frame_t                 (k,) float64              times of these pictures [s]
events_*                                          counts of snn_control.report.event_plots.Survey: rate (ON, OFF
                                                  in each bin), pixels, intervals, points, ...
spike_t                 (s,) float64              time of each spike [s]
spike_population        (s,) integer              index into ``population_names``
spike_neuron            (s,) integer              index of the neuron in its population
population_names        (p,) str                  names of the populations; ``population_sizes``, number of neurons of
                                                  each
<name>_edges_ns         (b + 1,) float or int     edges of a histogram [ns], ascending; the first may be
                                                  0 and the last infinite
<name>_counts           (b,) integer              counts; ``name`` is ``wakeup``, ``latency`` (sensor to
                                                  command) or ``tick``
======================  ========================  =====================================================
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, RuntimeFault, SnnControlError
from ..files import Arrays, read_text, reason, replace_file, replace_text

__all__ = [
    "DATA", "HISTOGRAMS", "SUMMARY", "companion", "is_file_of", "new_record", "numbered", "plain", "read_record",
    "read_run", "remove_record", "write_record", "write_run",
]  # fmt: skip

SUMMARY = "summary.json"
DATA = "data.npz"

#: histograms that a run may hold: name -> the time that it measures
HISTOGRAMS = {
    "wakeup": "wake-up after the deadline",
    "latency": "sensor message to command",
    "tick": "duration of a tick",
}


def plain(value: Any, path: str) -> Any:
    """Convert a value to JSON types. Small NumPy arrays become lists, numbers that are not finite become null."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise InputError(f"{path}: key {key!r} must be a string")
        return {key: plain(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, f"{path}[{i}]") for i, item in enumerate(value)]
    raise InputError(f"{path} = {value!r:.60}: must be a number, string, list or dictionary")


def write_run(folder: str | Path, summary: Mapping[str, Any], arrays: Mapping[str, Any] | None = None) -> Path:
    """Write a run folder. Create it if necessary, and replace its contents.

    Parameters
    ----------
    folder : where to write; parent folders are created
    summary : see the module's docstring; non-finite numbers become null
    arrays : name -> array, see the module's docstring; without arrays an old ``data.npz`` is removed

    Raise InputError, and write nothing, for values that JSON or an array without pickle cannot represent.
    """
    folder = Path(folder)
    text = json.dumps(plain(summary, "summary"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    checked: dict[str, Any] = {}
    for name, value in (arrays or {}).items():
        if not name.isidentifier() or name in ("file", "allow_pickle"):  # NumPy's own arguments
            raise InputError(f"arrays: name {name!r} must be an identifier other than file and allow_pickle")
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise InputError(f"arrays.{name}: dtype {array.dtype} must be numeric or a fixed-length string")
        checked[name] = array
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMMARY).unlink(missing_ok=True)
    if checked:
        replace_file(folder / DATA, lambda file: np.savez_compressed(file, **checked))
    else:
        (folder / DATA).unlink(missing_ok=True)
    replace_text(folder / SUMMARY, text)
    return folder


def read_run(folder: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the summary and the arrays of a run folder. Without ``data.npz`` there are no arrays.

    Raise RuntimeFault if this is not a run folder, or if a file cannot be read.
    """
    folder = Path(folder)
    try:
        summary = json.loads(read_text(folder / SUMMARY))
    except FileNotFoundError:
        raise RuntimeFault(f"{folder}: no {SUMMARY} here, so it is not the folder of a finished run") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RuntimeFault(f"{folder / SUMMARY}: cannot be read: {reason(error)}") from None
    if not isinstance(summary, dict):
        raise RuntimeFault(f"{folder / SUMMARY}: must be an object, is {type(summary).__name__}")
    return summary, read_arrays(folder / DATA) if (folder / DATA).exists() else {}


def read_arrays(path: str | os.PathLike, fault: type[SnnControlError] = RuntimeFault) -> dict[str, np.ndarray]:
    """Return all arrays of an .npz file. Raise an error of the class ``fault`` if the file cannot be read."""
    try:
        with Arrays(path) as file:
            return dict(file)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else f"not an .npz file of arrays: {error}"
        raise fault(f"{path}: cannot be read: {why}") from None


def write_record(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write arrays and facts to one .npz file, whole or not at all. Parent folders are created.

    facts : data that become a JSON object
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    everything: dict[str, Any] = {**arrays, "facts": np.array(json.dumps(facts))}
    replace_file(path, lambda file: np.savez(file, **everything))


#: other files of a recorded run ``a/b.npz``: their content -> the end of their names
BESIDE = {"inputs": "_shown.npz", "controller": "_controller.yaml", "arrays of the controller": "_controller.npz"}


def companion(record: str | os.PathLike, what: str) -> Path:
    """Return the path of a further file of a run's record. ``what`` is a key of `BESIDE`.

    For example, the inputs of the record a/b.npz are in a/b_shown.npz.
    """
    path = Path(record)
    return path.with_name(path.name.removesuffix(".npz") + BESIDE[what])


def numbered(record: Path) -> Iterator[Path]:
    """Yield numbered names for a record: for ``a.npz`` the paths ``a.npz``, ``a_2.npz``, ``a_3.npz``, ..."""
    yield record
    yield from (record.with_name(f"{record.stem}_{k}{record.suffix}") for k in count(2))


@contextmanager
def new_record(record: Path) -> Iterator[Path]:
    """Context that reserves the first free name of `numbered` for a record. Raise OSError if this fails.

    The context immediately creates all files of the record as empty files, so that no other process uses the name. At
    its end, it removes the files that are still empty.
    """
    for path in numbered(record):
        with ExitStack() as created:
            try:
                for file in _files(path):
                    open(file, "xb").close()
                    created.callback(_remove_if_empty, file)
            except FileExistsError:
                continue
            yield path
            return


def remove_record(record: Path) -> None:
    """Remove a record: its main file and its further files (`BESIDE`). Its name is then free."""
    for file in filter(Path.is_file, _files(record)):
        file.unlink()


def _files(record: Path) -> list[Path]:
    return [record, *(companion(record, what) for what in BESIDE)]


def _remove_if_empty(file: Path) -> None:
    if file.exists() and not file.stat().st_size:
        file.unlink()


def is_file_of(record: Path, file: Path) -> bool:
    """Return whether ``file`` belongs to a record, or to a record with a number (`numbered`) in the record's folder."""
    endings = "|".join(map(re.escape, (record.suffix, ".npz", *BESIDE.values())))
    name = rf"{re.escape(record.stem)}(_\d+)?({endings})"
    return file.parent == record.parent and re.fullmatch(name, file.name) is not None


def read_record(
    path: str | os.PathLike, fault: type[SnnControlError] = RuntimeFault
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and facts of a file that `write_record` wrote. Raise ``fault`` for any other file."""
    arrays = read_arrays(path, fault)
    try:
        facts = json.loads(str(arrays.pop("facts")))
    except KeyError:
        raise fault(f"{path}: is not a record: it has no facts") from None
    except (ValueError, RecursionError) as error:
        raise fault(f"{path}: cannot be read: {reason(error)}") from None
    if not isinstance(facts, dict):
        raise fault(f"{path}: facts must be an object, is {type(facts).__name__}")
    return arrays, facts
