"""The interface of a backend, which runs training tasks, and the messages that it passes on from these tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ...errors import SnnControlError
from ..result import Phase, Trained

__all__ = ["POLL_SECONDS", "Backend", "FinalMessage", "WorkerDied"]

POLL_SECONDS = 0.2  # s, longest wait for a message before other work is done


class WorkerDied(NamedTuple):
    """Message that a worker process ended without a result; ``why`` is the reason, in one line."""

    why: str


#: a task's last message
FinalMessage = Trained | SnnControlError | WorkerDied


class Backend(Protocol):
    """A backend runs training tasks: in processes of this machine, or on a cluster."""

    most: int  # largest number of tasks at a time

    def start(self, name: str, folder: Path, arguments: Mapping[str, Any]) -> None:
        """Start a task in the background: call `train` with these arguments and store its checkpoints in ``folder``."""

    def messages(self) -> Iterator[tuple[str, Phase | FinalMessage]]:
        """Yield new messages in order, as (name of the task, message). If there are none, wait a moment first.

        The message `Phase` comes after the checkpoint of this phase is in the task's folder. Any other message is the
        last message of its task.
        """

    def end(self) -> None:
        """Ask all tasks to stop and return their best results so far, as Ctrl-C makes `train` do."""

    def close(self) -> None:
        """Stop all remaining tasks immediately."""
