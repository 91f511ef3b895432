"""Limits of how a command moves: the rule by which a field of `Output` declares one.

A field with this rule is a limit everywhere: a key of the controller file, a row of the guard's table of limits, and
what ``check`` prints. `snn_control.engine.command_limiter` keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..network.checks import Numbers

__all__ = ["MotionLimit"]


@dataclass(frozen=True)
class MotionLimit(Numbers):
    """A number or one for each number of an output, > 0; the default of the field stands for no limit.

    order : the derivative of the command that it limits: the unit is that of the output / s^order
    joint : for a position, the derivative's name in joint_limits.yaml and URDF, e.g. velocity; empty: they have none
    needs : another limit, which must be finite where this one is
    smooth : it relates successive changes, so it needs ticks of one length and a field that is not of whole numbers
    """

    ndim: int = 1
    least: float = 0.0
    strict: bool = True
    finite: bool = False
    order: int = 1
    joint: str = ""
    needs: str = ""
    smooth: bool = False

    def a_period(self, value: Any, period: float) -> Any:
        """The limit in units of a period [s], for steps that are changes a period."""
        for _ in range(self.order):
            value = value * period
        return value
