"""The interface of a backend, the place where training tasks run, and the messages that it passes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...errors import SnnControlError
from ..result import Phase, Trained

__all__ = ["POLL_SECONDS", "Backend", "FinalMessage", "WorkerDied"]

POLL_SECONDS = 0.2  # s, longest wait for a message before other work is done


class WorkerDied(NamedTuple):
    """Message about a worker that ended without a result; ``why`` is the reason, in one line."""

    why: str


#: a task's last message
FinalMessage = Trained | SnnControlError | WorkerDied


class Backend(Protocol):
    """A place where training tasks run: processes of this machine, or a cluster."""

    most: int  # largest number of tasks at a time

    def start(self, name: str, folder: Path, arguments: Mapping[str, Any]) -> None:
        """Start `train` with these arguments and with its checkpoints in this folder."""

    def messages(self) -> Iterator[tuple[str, Phase | FinalMessage]]:
        """Yield (name of a task, message) in order. If there are none, wait a moment.

        A phase is reported when its checkpoint is in the task's folder. Any other message is the last message of its
        task.
        """

    def end(self) -> None:
        """Ask all tasks to stop and to return their best result so far, as Ctrl-C makes `train` do."""

    def close(self) -> None:
        """Stop all remaining tasks immediately."""
