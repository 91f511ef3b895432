"""Show the progress of training on standard error: a bar per run on a terminal, otherwise a line for each phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..training.result import Phase

__all__ = ["Display", "display"]


@contextmanager
def display(names: Sequence[str]) -> Iterator[Display]:
    """Context manager that shows the progress of training runs with these names; it yields their `Display`."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield Display(bars, names)


class Display:
    """Shows the progress of several training runs. The function `display` creates this object."""

    def __init__(self, bars: Any, names: Sequence[str]) -> None:
        self._bars = bars
        self._lines = {name: bars.add_task(f"{name}: first phase", total=None) for name in names}

    def phase(self, name: str, phase: Phase) -> None:
        """Show that the run ``name`` has completed a phase of its training."""
        for one in phase.warnings:
            self.say(f"warning: {one}" if len(self._lines) == 1 else f"warning: {name}: {one}")
        state = "" if phase.stage == "learning" else f"{phase.stage}, "
        state += f"score {phase.score:.4g}, best {phase.best:.4g}, {phase.spikes:.3g} spikes per step"
        state += f"; {phase.stage} ends: {phase.why}; compares in new episodes" if phase.why else ""
        done = {"total": phase.total_timesteps, "completed": phase.steps}
        self._bars.update(self._lines[name], description=f"{name}: {state}", **done)
        if self._bars.disable:
            self.say(f"{name}: {phase.steps} of {phase.total_timesteps} steps, {phase.seconds:.0f} s: {state}")

    def round(self, name: str, number: int, rounds: int, state: str) -> None:
        """Show that the recipe ``name`` has completed a round of its procedure.

        number : number of the completed round
        rounds : number of all rounds
        state : text about the state of the training
        """
        self._bars.update(self._lines[name], description=f"{name}: {state}", total=rounds, completed=number)
        if self._bars.disable:
            self.say(f"{name}: {number} of {rounds} rounds: {state}")

    def died(self, name: str, why: str) -> None:
        """Show that a worker process of the run ``name`` has died and will be replaced.

        why : reason for the death
        """
        self.say(f"{name}: its worker died ({why}); another one continues from its checkpoint")

    def say(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
