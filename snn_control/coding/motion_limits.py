"""The rule `MotionLimit`, which marks the fields of `Output` that limit slew, acceleration and jerk of a command.

A field with this rule becomes a key of the controller file, a row of the guard's table of limits, and a line in
``check``. `snn_control.engine.command_limiter` enforces the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..network.checks import Numbers

__all__ = ["MotionLimit"]


@dataclass(frozen=True)
class MotionLimit(Numbers):
    """Rule for a field that is a motion limit: one number > 0, or a number for each element of the output.

    The default value of the field means no limit.

    order : order of the command's derivative that the field limits (1: slew); the unit of the limit is the output's
        unit / s^order
    joint : name of this derivative of a position in joint_limits.yaml and URDF, e.g. velocity; empty if these files do
        not limit it
    needs : name of another motion limit that must be finite if this one is finite
    smooth : whether the limit compares successive changes of the command; all ticks must then have the same length, and
        the message field must allow fractions
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
        """Convert a limit from per second to per ``period`` [s], because commands change once per period."""
        for _ in range(self.order):
            value = value * period
        return value
