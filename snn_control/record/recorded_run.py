"""Read a recorded run from .npz files or one .mcap file: its commands and spikes, its inputs and its controller."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..controller_file import ControllerSpec, load_spec
from ..errors import NO_VALUE, DescriptionError, InputError
from .input_log import InputLog
from .mcap_record import read_mcap
from .run_folder import companion, read_record

__all__ = ["RecordedRun", "read_run_record"]


class RecordedRun(NamedTuple):
    """The data of a recorded run.

    arrays : commands and spikes, as `ActivityRecorder.arrays` returns them
    log : inputs and control words of each tick
    spec : description of the controller that ran; None if it was not requested
    condition : "whole"; "cut" if a .mcap file has no end; "damaged" if its checksums differ or ticks are missing
    """

    arrays: dict[str, np.ndarray]
    log: InputLog
    spec: ControllerSpec | None
    condition: str = "whole"


def read_run_record(file: str | os.PathLike, controller: bool = True) -> RecordedRun:
    """Read a run that ``controller_node`` recorded: RUN.npz and the files of the same record beside it, or RUN.mcap.

    controller : whether to read the controller's description, too

    Raise DescriptionError if a file is missing, and InputError if one cannot be read.
    """
    file = Path(file)
    if not file.is_file():
        raise DescriptionError("RUN", str(file), "is not a file", "name the record, RUN.npz or RUN.mcap")
    if file.suffix == ".mcap":
        return _of_mcap(file, controller)
    arrays, _ = read_record(file, InputError)
    log = InputLog.load(_there(companion(file, "inputs"), "the inputs"))
    return RecordedRun(arrays, log, load_spec(_there(companion(file, "controller"), "the controller"))
                       if controller else None)  # fmt: skip


def _of_mcap(file: Path, controller: bool) -> RecordedRun:
    arrays, log, files, condition = read_mcap(file)
    spec = None
    with tempfile.TemporaryDirectory() as folder:
        for name in set(files) & {"controller.yaml", "controller.npz"} if controller else ():
            (Path(folder) / name).write_bytes(files[name])
        if controller:
            spec = load_spec(Path(folder) / "controller.yaml")
    return RecordedRun(arrays, log, spec, condition)


def _there(file: Path, what: str) -> Path:
    if not file.is_file():
        raise DescriptionError(os.fspath(file), NO_VALUE, f"is not there: {what} of the run", "record it anew")
    return file
