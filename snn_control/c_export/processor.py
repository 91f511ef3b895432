"""Processor in the loop: exported C controls from an emulated processor, and is compared with the engine."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ..engine.bound import Bound
from .emulator import EmulatedMachine
from .export import write
from .exported import Exported
from .layout import Layout
from .mirror import Mirror

__all__ = ["Processor", "Ticks"]


@dataclass
class Ticks:
    """Statistics of successive ticks on a processor.

    ticks : number of ticks
    instructions, most : number of instructions in all ticks together, and in the longest tick
    differing : number of ticks after which a bit of the commands or of the state differs from the engine
    first : text on the first of the differing ticks; "" if there is none
    """

    ticks: int = 0
    instructions: int = 0
    most: int = 0
    differing: int = 0
    first: str = ""

    def __add__(self, other: Ticks) -> Ticks:
        return Ticks(
            self.ticks + other.ticks, self.instructions + other.instructions, max(self.most, other.most),
            self.differing + other.differing, self.first or other.first,
        )  # fmt: skip


class Processor:
    """An emulated processor that runs the exported C of a controller. Call this object after each tick of ``bound``.

    The processor computes the tick from the engine's inputs. Its commands then replace the engine's commands, so that
    they act in the environment.
    """

    def __init__(self, bound: Bound, e: Exported, target: str, optimise: str = "-Os") -> None:
        layout = Layout.of(e)
        with tempfile.TemporaryDirectory() as folder:
            write(e, Path(folder))
            self._machine = EmulatedMachine(Path(folder), layout, target, optimise, count=True)
        self._mirror, self._done = Mirror(bound, layout, self._machine), Ticks()
        self._clock, self._command = bound.array("clock"), bound.array("command")

    def __call__(self) -> None:
        if self._clock[0] == 1:  # the first tick since a reset
            self._machine.call("init")
        self._mirror.give()
        self._mirror.step()
        n, found = self._machine.instructions, self._mirror.difference()
        first = f"tick {self._clock[0] - 1:,}: {found}" if found else ""
        self._done += Ticks(1, n, n, bool(found), first)
        self._command[:] = self._mirror.commands()

    def take(self) -> Ticks:
        """Return the statistics of the ticks since the last call of this method."""
        done, self._done = self._done, Ticks()
        return done
