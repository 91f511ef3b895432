"""Complete programs around an exported controller: for a PC, a Crazyflie and ros2_control."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..exported import Exported
from . import crazyflie, plain, ros2_control

__all__ = ["SHELLS"]

#: name -> function that returns the files of a shell: path within the folder of the C -> text
SHELLS: Mapping[str, Callable[[Exported], dict[str, str]]] = {
    "plain": plain.files,
    "crazyflie": crazyflie.files,
    "ros2_control": ros2_control.files,
}
