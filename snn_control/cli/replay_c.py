"""The part of ``snn_control replay`` that runs recorded inputs in exported C, and compares it with the engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DescriptionError, InputError

__all__ = ["replay_c"]


def replay_c(controller: Any, log: Any, folder: str) -> tuple[int, str]:
    """Run the ticks of an input log in the engine and in the exported C of a folder, compiled for this computer.

    Return the number of ticks, and a text about the first bit of state or command that differs; "" if none differs.

    Raise DescriptionError if the folder does not contain the C of this controller, or if the log contains changes that
    the C cannot repeat: tuned parameters, or commands that a supervisor continued.
    """
    from ..c_export.host import HostMachine
    from ..c_export.layout import read_layout
    from ..c_export.mirror import Mirror
    from ..engine.kernels.guard import FAULTED
    from ..record.replay import play_log

    bound, at = controller.bound, Path(folder)
    try:
        if log.settings(bound) or log.handed:
            raise InputError("the record has tuned numbers or a motion from a supervisor, which C cannot repeat")
        layout = read_layout(at)
        mirror = Mirror(bound, layout, HostMachine(at, layout))
        log.begin(bound)
    except InputError as error:
        raise DescriptionError("--c", folder, str(error)) from None
    if log.faulted:
        bound.array("guard")[FAULTED] = 1
    mirror.begin()
    for tick in play_log(controller, log, [], 1):
        mirror.give()  # the inputs of this tick are still in the io block
        mirror.step()
        if found := mirror.difference():
            return tick, f"tick {log.first_tick + tick - 1:,}: {found}"
    return log.ticks, ""
