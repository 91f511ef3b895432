"""Training as tasks of Ray (Moritz et al. 2018, OSDI): on the machines of a cluster, or on this one.

Checkpoints travel: a task trains in a folder of the machine that it is on, and after each phase hands its files to the
`Desk`, an actor, from where they come into the folder of the run. A task that is begun again takes them along. So no
file system need be shared, and what dies with a machine is at most a phase.
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

from ..errors import DescriptionError, RuntimeFault, SnnControlError, optional
from ..files import reason, replace_files
from .places import MOMENT, ONE_THREAD, Died, LastWord
from .progress import FILES, read_progress
from .tensorboard import EventFile
from .trainer import Phase, Trained, train

__all__ = ["Cluster"]


class Cluster:
    """A `places.Place`. Each task has one CPU of Ray.

    address : of a cluster; "" that of ``RAY_ADDRESS``, or Ray on this machine, begun now and ended by `close`. Where
        Ray is initialised already, that is taken
    workers : tasks at a time; None: as many as there are CPUs

    Raises SnnControlError where Ray is not installed, DescriptionError where no cluster is at the address.
    """

    def __init__(self, address: str, workers: int | None) -> None:
        self._ray = ray = optional("ray", "training on a cluster needs Ray", "ray")
        self._open = contextlib.ExitStack()
        try:
            if not ray.is_initialized():
                _connect(ray, address or os.environ.get("RAY_ADDRESS", ""))
                self._open.callback(ray.shutdown)
            self.most = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
            here = ray.get_runtime_context().get_node_id()  # the machine that is lost is not to have the desk
            beside = optional("ray.util.scheduling_strategies", "training on a cluster needs Ray", "ray")
            strategy = beside.NodeAffinitySchedulingStrategy(here, soft=False)
            self._desk = ray.remote(num_cpus=0, scheduling_strategy=strategy)(Desk).remote()
            self._open.callback(ray.kill, self._desk)
        except BaseException:
            self._open.close()
            raise
        alone = {"env_vars": ONE_THREAD}
        self._work = ray.remote(num_cpus=1, max_retries=0, runtime_env=alone)(_work)
        self._running: dict[Any, str] = {}
        self._folders: dict[str, tuple[Path, EventFile]] = {}

    def start(self, name: str, folder: Path, arguments: Mapping[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folders[name] = folder, EventFile(folder)
        self._running[self._work.remote(self._desk, name, _files(folder), dict(arguments))] = name

    def heard(self) -> Iterator[tuple[str, Phase | LastWord]]:
        if not self._running:
            return
        done, _ = self._ray.wait(list(self._running), timeout=MOMENT)  # before the desk is asked: it has all of theirs
        try:
            messages = self._ray.get(self._desk.take.remote())
        except self._ray.exceptions.RayError as error:
            raise RuntimeFault(f"the Ray cluster is lost ({reason(error)}); the same command goes on") from None
        for name, phase, files in messages:
            folder, events = self._folders[name]
            _put(files, folder)
            events.write(read_progress(folder / "progress.csv"))
            yield name, phase
        for task in done:
            name = self._running.pop(task)
            try:
                said = self._ray.get(task)
            except self._ray.exceptions.RayError as error:
                said = Died(str(error).strip().rpartition("\n")[2].strip())
            yield name, said

    def end(self) -> None:
        self._desk.end.remote()

    def close(self) -> None:
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._open.close()


def _connect(ray: Any, address: str) -> None:
    os.environ.setdefault("RAY_worker_niceness", "0")  # else workers get what others leave; read when Ray begins
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if not address:
        ray.init("local", include_dashboard=False, **options)
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()  # Ray itself would try for many minutes
        ray.init(address, **options)
    except (OSError, ValueError, OverflowError, RuntimeError) as error:
        rule = f"must be host:port of a Ray cluster that answers: {reason(error)}"
        fix = "start one with 'ray start --head', or leave the address out"
        raise DescriptionError("--ray", address, rule, fix) from None


class Desk:
    """What tasks hand in, until it is taken; an actor."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Phase, dict[str, bytes]]] = []
        self.going = True

    def put(self, name: str, phase: Phase, files: dict[str, bytes]) -> bool:
        """Returns whether the task shall go on."""
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
    """What a task does."""
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
