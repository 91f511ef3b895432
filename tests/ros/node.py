"""Helpers of the tests of the controller node."""

from __future__ import annotations

from tests.ros.node_processes import wait
from tests.ros.robot import SAFE


def first(commands, since, condition):
    """Stamp [ns] of the first command from ``since`` [ns] on that fulfils the condition."""
    return wait(lambda: next((s for s, c in list(commands) if s >= since and condition(c)), None), what="a command")


def is_safe(command):
    return command == SAFE
