"""Run several trainings in parallel, which differ in the seed or in any other arguments of `train`.

A run is a task with its own checkpoint folder, in a process of this machine or on a Ray cluster. If a worker dies, its
task restarts from the last checkpoint, and the result is bit-identical.

>>> from snn_control.training import train_seeds
>>> outcomes = train_seeds("my.yaml", "CartPole-v1", range(1, 6), run="runs/five")
>>> best = max((o.trained for o in outcomes.values()), key=lambda trained: trained.validation)
"""

from __future__ import annotations

import inspect
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DescriptionError, SnnControlError
from ..result import Phase, Trained
from ..trainer import train
from .backend import Backend, FinalMessage

__all__ = ["DEATHS", "Outcome", "train_seeds", "train_tasks"]

Progress = Callable[[str, Phase], object]
Died = Callable[[str, str], object]
DEATHS = 3  # a task fails when this many of its workers in a row die without completing a phase


@dataclass(frozen=True)
class Outcome:
    """The result of a training task.

    trained : result of `train`; None if the task failed, or was stopped before it had started
    error : reason why the task failed; empty if it did not fail
    """

    trained: Trained | None = None
    error: str = ""


def train_seeds(
    controller: Any, env: str, seeds: Iterable[int], *, run: str | Path, workers: int | None = None,
    ray: str | None = None, progress: Progress = lambda name, phase: None, died: Died = lambda name, why: None,
    **arguments: Any,
) -> dict[str, Outcome]:  # fmt: skip
    """Train a controller with several seeds. Return a dictionary ``"seed-K"`` -> `Outcome`.

    controller, env, arguments : see `train`
    run : folder of the runs; seed K uses the folder ``run/seed-K``
    workers, ray, progress, died : see `train_tasks`
    """
    common = {"controller": controller, "env": env, **arguments}
    tasks = {f"seed-{seed}": {**common, "seed": seed} for seed in seeds}
    return train_tasks(tasks, run, workers=workers, ray=ray, progress=progress, died=died)


def train_tasks(
    tasks: Mapping[str, Mapping[str, Any]], run: str | Path, *, workers: int | None = None, ray: str | None = None,
    progress: Progress = lambda name, phase: None, died: Died = lambda name, why: None,
) -> dict[str, Outcome]:  # fmt: skip
    """Run training tasks in parallel. Return a dictionary name -> `Outcome`, in the order of ``tasks``.

    tasks : name -> keyword arguments of `train`, without ``run`` and ``progress``; these arguments are pickled
    run : folder of the runs; a task uses the folder ``run/name``. The same call resumes the runs in this folder
    workers : maximum number of tasks at a time; None: the number of cores
    ray : address of a Ray cluster; "": the address in the environment variable ``RAY_ADDRESS`` or, if this variable is
        not set, Ray on this machine; None: processes of this machine, without Ray
    progress : called after each phase with the name of the task and the phase
    died : called with the name of a task and the reason why its worker died, before the task is restarted

    Ctrl-C, or a ``progress`` that raises KeyboardInterrupt, ends all tasks, each with its best result. A worker that
    dies is replaced. If the workers of a task die `DEATHS` times in a row without completing a phase, the task has
    failed, and the other tasks continue. A script that calls `train_tasks` needs ``if __name__ == "__main__":``,
    because the workers import the script.

    Raises DescriptionError if the arguments do not fit, and any error of snn_control that a task raised. All tasks are
    then stopped.
    """
    if not tasks:
        raise DescriptionError("seeds", list(tasks), "must be at least one")
    for arguments in tasks.values():
        inspect.signature(train).bind(**arguments)  # raises TypeError here rather than in each worker
    with closing(_backend(len(tasks), workers, ray)) as backend, _interrupts() as interrupted:
        return _Tasks(tasks, Path(run), backend, progress, died).to_the_end(interrupted)


def _backend(tasks: int, workers: int | None, ray: str | None) -> Backend:
    if ray is None:
        from .processes import Processes

        return Processes(tasks, workers)
    from .ray_cluster import Cluster

    return Cluster(ray, workers)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Context in which Ctrl-C sets an event instead of raising KeyboardInterrupt.

    The event is checked between messages, so that Ctrl-C does not interrupt the reading of a message. A second Ctrl-C
    interrupts as usual. Outside the main thread, where Python raises no KeyboardInterrupt, the context does nothing.
    """
    asked = threading.Event()

    def remember(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked
        return
    before = signal.signal(signal.SIGINT, remember)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class _Tasks:
    """Runs training tasks on a backend, and records which tasks are waiting, running or have ended."""

    def __init__(self, tasks: Mapping[str, Mapping[str, Any]], run: Path, backend: Backend, progress: Any, died: Any):
        self.tasks, self.run, self.backend, self.progress, self.died = tasks, run, backend, progress, died
        self.waiting = deque(tasks)
        self.deaths = dict.fromkeys(tasks, 0)  # in a row, since the last phase
        self.outcomes: dict[str, Outcome] = {}
        self.ending = False

    def to_the_end(self, interrupted: threading.Event) -> dict[str, Outcome]:
        working: set[str] = set()
        while self.waiting or working:
            if interrupted.is_set():
                self._end()
            while self.waiting and len(working) < self.backend.most:
                working.add(name := self.waiting.popleft())
                self.backend.start(name, self.run / name, self.tasks[name])
            for name, message in self.backend.messages():
                if isinstance(message, Phase):
                    self._phase(name, message)
                else:
                    working.remove(name)
                    self._over(name, message)
        return {name: self.outcomes.get(name, Outcome()) for name in self.tasks}

    def _phase(self, name: str, phase: Phase) -> None:
        self.deaths[name] = 0
        try:
            self.progress(name, phase)
        except KeyboardInterrupt:
            self._end()

    def _over(self, name: str, message: FinalMessage) -> None:
        if isinstance(message, SnnControlError):
            raise message
        if isinstance(message, Trained):
            self.outcomes[name] = Outcome(message)
            return
        self.deaths[name] += 1
        if self.deaths[name] >= DEATHS:
            why = f"its worker died {DEATHS} times without completing a phase: {message.why}"
            self.outcomes[name] = Outcome(error=why)
        elif not self.ending:
            self.died(name, message.why)
            self.waiting.appendleft(name)

    def _end(self) -> None:
        if not self.ending:
            self.ending = True
            self.waiting.clear()
            self.backend.end()
