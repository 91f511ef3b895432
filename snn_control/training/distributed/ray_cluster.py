"""Backend that runs training tasks as tasks of Ray (Moritz et al. 2018, OSDI), on a cluster or on this machine.

A task trains in a folder on its own machine. After each phase it sends its checkpoint files to the `Desk`, an actor of
Ray. The parent process copies the files from the `Desk` into the folder of the run. If a task is restarted, it gets
these files back. No shared file system is needed, and if a machine fails, at most one phase is lost.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

from ...errors import DescriptionError, RuntimeFault, SnnControlError, optional
from ...files import reason, replace_files
from ..progress import FILES, read_progress
from ..result import Phase, Trained
from ..tensorboard import EventFile
from ..trainer import train
from .backend import POLL_SECONDS, FinalMessage, WorkerDied

__all__ = ["Cluster"]


class Cluster:
    """A `Backend` whose tasks use one CPU of Ray each.

    address : address of a cluster; "": the address in the environment variable ``RAY_ADDRESS``. If this variable is not
        set, Ray is started on this machine, and stopped in `close`. If this process has already initialised Ray, that
        instance of Ray is used
    workers : maximum number of tasks at a time; None: the number of CPUs

    Raises SnnControlError if Ray is not installed, and DescriptionError if no cluster answers at the address.
    """

    def __init__(self, address: str, workers: int | None) -> None:
        self._ray = ray = optional("ray", "training on a cluster needs Ray", "ray")
        self._open = contextlib.ExitStack()
        try:
            if not ray.is_initialized():
                _connect(ray, address or os.environ.get("RAY_ADDRESS", ""))
                self._open.callback(ray.shutdown)
            self.most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            here = ray.get_runtime_context().get_node_id()  # keep the desk on this machine, which must not fail
            beside = optional("ray.util.scheduling_strategies", "training on a cluster needs Ray", "ray")
            strategy = beside.NodeAffinitySchedulingStrategy(here, soft=False)
            self._desk = ray.remote(num_cpus=0, scheduling_strategy=strategy)(Desk).remote()
            self._open.callback(ray.kill, self._desk)
        except BaseException:
            self._open.close()
            raise
        self._work = ray.remote(num_cpus=1, max_retries=0)(_work)
        self._running: dict[Any, str] = {}
        self._folders: dict[str, tuple[Path, EventFile]] = {}

    def start(self, name: str, folder: Path, arguments: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folders[name] = folder, EventFile(folder)
        self._running[self._work.remote(self._desk, name, _files(folder), dict(arguments))] = name

    def messages(self) -> Iterator[tuple[str, Phase | FinalMessage]]:
        if not self._running:
            return
        done, _ = self._ray.wait(list(self._running), timeout=POLL_SECONDS)  # before the desk is read
        try:
            reports = self._ray.get(self._desk.take.remote())
        except self._ray.exceptions.RayError as error:
            raise RuntimeFault(f"lost the Ray cluster ({reason(error)}); the same command resumes") from None
        for name, phase, files in reports:
            folder, events = self._folders[name]
            _put(files, folder)
            events.write(read_progress(folder / "progress.csv"))
            yield name, phase
        for task in done:
            name = self._running.pop(task)
            try:
                message = self._ray.get(task)
            except self._ray.exceptions.RayError as error:
                message = WorkerDied(str(error).strip().rpartition("\n")[2].strip())
            yield name, message

    def end(self) -> None:
        self._desk.end.remote()

    def close(self) -> None:
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._open.close()


def _connect(ray: Any, address: str) -> None:
    os.environ.setdefault("RAY_worker_niceness", "0")  # otherwise workers run at low priority; read when Ray starts
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if not address:
        ray.init("local", include_dashboard=False, **options)
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would retry for minutes
        ray.init(address, **options)
    except (OSError, ValueError, OverflowError, RuntimeError) as error:
        rule = f"must be host:port of a Ray cluster that answers: {reason(error)}"
        fix = "start one with 'ray start --head', or leave the address out"
        raise DescriptionError("--ray", address, rule, fix) from None


class Desk:
    """An actor of Ray that stores the messages and checkpoint files of tasks until the parent process fetches them."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Phase, dict[str, bytes]]] = []
        self.going = True

    def put(self, name: str, phase: Phase, files: dict[str, bytes]) -> bool:
        """Store the message that a task has ended a phase, and the checkpoint files of this phase.

        Return whether the task should continue.
        """
        self.messages.append((name, phase, files))
        return self.going

    def take(self) -> list[tuple[str, Phase, dict[str, bytes]]]:
        taken, self.messages = self.messages, []
        return taken

    def end(self) -> None:
        self.going = False


def _files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in FILES if (folder / name).is_file()}


def _put(files: Mapping[str, bytes], folder: Path) -> None:
    replace_files({folder / name: partial(_write, content) for name, content in files.items()})


def _write(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


def _work(desk: Any, name: str, files: Mapping[str, bytes], arguments: Mapping[str, Any]) -> Trained | SnnControlError:
    import ray

    with tempfile.TemporaryDirectory() as folder:
        _put(files, Path(folder))

        def progress(phase: Phase) -> None:
            if not ray.get(desk.put.remote(name, phase, _files(Path(folder)))):
                raise KeyboardInterrupt

        try:
            return train(**arguments, run=folder, progress=progress)
        except SnnControlError as error:
            return error
