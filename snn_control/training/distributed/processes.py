"""Backend that runs training tasks in processes of this machine, each with one thread."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator, Mapping
from multiprocessing import connection
from pathlib import Path
from typing import Any

from ...errors import SnnControlError
from ..result import Phase
from ..trainer import train
from .backend import POLL_SECONDS, FinalMessage, WorkerDied

__all__ = ["Processes"]


class Processes:
    """A `Backend` with one process per task.

    The file ``worker.log`` in the task's folder contains standard output and error of the process.
    """

    def __init__(self, tasks: int, workers: int | None) -> None:
        self.most = workers or min(tasks, len(os.sched_getaffinity(0)))
        self._running: dict[str, tuple[Any, connection.Connection, Path]] = {}

    def start(self, name: str, folder: Path, arguments: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(there, folder, arguments), name=name)
        # the worker inherits a mask that blocks Ctrl-C of the terminal, until it ignores Ctrl-C
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        there.close()
        self._running[name] = process, here, folder

    def messages(self) -> Iterator[tuple[str, Phase | FinalMessage]]:
        connection.wait([here for _, here, _ in self._running.values()], POLL_SECONDS)
        for name, (process, here, folder) in list(self._running.items()):
            for message in _received(process, here, folder):
                if not isinstance(message, Phase):
                    process.join()
                    here.close()
                    del self._running[name]
                yield name, message

    def end(self) -> None:
        for process, _, _ in self._running.values():
            process.terminate()  # the worker treats it as Ctrl-C, see `_work`

    def close(self) -> None:
        for process, here, _ in self._running.values():
            process.kill()
            process.join()
            here.close()
        self._running.clear()


def _work(there: connection.Connection, folder: Path, arguments: Mapping[str, Any]) -> None:
    """Run a training task; this is the main function of a worker process.

    SIGTERM makes the worker stop with its best result, as Ctrl-C makes `train` do. The worker ignores Ctrl-C, because
    the parent process handles it.

    there : pipe to the parent process
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with open(folder / "worker.log", "ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    try:
        there.send(train(**arguments, run=folder, progress=there.send))
    except SnnControlError as error:
        there.send(error)


def _received(process: Any, here: connection.Connection, folder: Path) -> Iterator[Phase | FinalMessage]:
    gone = process.exitcode is not None  # asked before reading: if it is, all its messages have arrived
    try:
        while here.poll():
            message = here.recv()
            yield message
            if not isinstance(message, Phase):
                return
    except (EOFError, OSError):  # possibly in the middle of a message
        gone = True
    if gone:
        process.join()
        yield WorkerDied(_why(process.exitcode, folder))


def _why(code: int, folder: Path) -> str:
    if code < 0:
        return f"killed by signal {-code} ({signal.Signals(-code).name})"
    file = folder / "worker.log"
    last = (file.read_text(errors="replace").strip() or "it wrote nothing").rpartition("\n")[2].strip()
    return f"ended with code {code} ({file}): {last}"
