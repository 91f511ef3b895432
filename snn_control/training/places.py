"""Where tasks of training are worked on: what such a place does, and what is heard from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import SnnControlError
from .trainer import Phase, Trained

__all__ = ["MOMENT", "ONE_THREAD", "Died", "LastWord", "Place"]

#: environment of a worker: several with a thread a core would only be in each other's way
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
MOMENT = 0.2  # s, that is listened before others are looked at


@dataclass(frozen=True)
class Died:
    """A worker is gone without a result. why : in one line"""

    why: str


#: of a task
LastWord = Trained | SnnControlError | Died


class Place(Protocol):
    """Processes of this machine, or a cluster."""

    most: int  # tasks at a time

    def start(self, name: str, folder: Path, arguments: Mapping[str, Any]) -> None:
        """Begin to call `train` with these arguments and checkpoints in this folder."""

    def heard(self) -> Iterator[tuple[str, Phase | LastWord]]:
        """What tasks said, in order; waits for a moment where they said nothing. A phase is said when its checkpoint
        is in the task's folder; anything else is a task's last word."""

    def end(self) -> None:
        """Ask all tasks to end and to give the best that they have, as Ctrl-C asks `train`."""

    def close(self) -> None:
        """End whatever is left, at once."""
