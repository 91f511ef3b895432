"""Processes of nodes for tests: started fresh or forked, with what they print; and waiting for what they do."""

from __future__ import annotations

import atexit
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from snn_control.ros.nodes.launching import NodeProcess, command_line, environment_of_child
from tests.ros.forks import die_with_the_parent

CHECKOUT = Path(__file__).resolve().parents[2]


def wait(condition: Callable[[], Any], seconds: float = 60.0, what: str = "it") -> Any:
    """Poll until the condition holds; returns its value. The machine may be busy: tests of timing measure the time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"{what} did not come within {seconds} s"
        time.sleep(0.005)
    return value


def within(limit: float, measure: Callable[[], float]) -> None:
    """One of three measurements must be in (0, limit]: other load of the machine may spoil some."""
    found: list[float] = []
    while not found or not 0 < found[-1] <= limit:
        assert len(found) < 3, f"{found}, each time beyond {limit}"
        found.append(measure())


def child_environment() -> dict[str, str]:
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return environment_of_child() | {"PYTHONPATH": os.pathsep.join(paths)}


_origins: dict[tuple[str, frozenset], subprocess.Popen] = {}
_numbers = itertools.count()


@atexit.register
def _end_origins() -> None:
    for one in _origins.values():
        with one:
            one.kill()


def forked(executable: str, cases: Sequence[tuple[Path, str, str, Sequence[str]]]) -> int:
    """Run cases as `tests.ros.forks` has them in the environment of now; returns the process id of the first."""
    environment = child_environment()
    environment.pop("PYTEST_CURRENT_TEST", None)
    key = executable, frozenset(environment.items())
    if key not in _origins:
        _origins[key] = subprocess.Popen(
            [sys.executable, "-m", "tests.ros.forks", executable], env=environment, cwd=CHECKOUT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_the_parent,
        )  # fmt: skip
    asked, answers = _origins[key].stdin, _origins[key].stdout
    assert asked
    assert answers
    asked.write(json.dumps([(str(folder), *case) for folder, *case in cases]) + "\n")
    asked.flush()
    return int(answers.readline())


class Fork:
    """A node in a forked process, as a `subprocess.Popen`."""

    def __init__(self, executable: str, folder: Path, output: str, arguments: Sequence[str]) -> None:
        self._code = folder / f"{output}.{next(_numbers)}.code"  # the next one may have the same output
        self.returncode: int | None = None
        self.pid = forked(executable, [(folder, output, self._code.name, arguments)])

    def poll(self) -> int | None:
        if self.returncode is None and self._code.is_file():
            self.returncode = int(self._code.read_text())
        return self.returncode

    def wait(self, seconds: float) -> int:
        wait(lambda: self.poll() is not None, seconds, "the end of a process")
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and its code is not written yet
                os.kill(self.pid, number)


class Process:
    """An executable of the package, with what it printed; ``fresh``: its imports belong to what is tested."""

    def __init__(
        self, folder: Path, executable: str, name: str, *arguments: str, namespace: str = "", fresh: bool = False,
        **parameters: Any,
    ) -> None:  # fmt: skip
        line = command_line(NodeProcess(executable, name, parameters))
        if namespace:
            line += ["-r", f"__ns:={namespace}"]
        line += arguments
        self.begun = time.monotonic()
        self._log = folder / f"{name}{namespace.replace('/', '_')}.log"
        self.process: Fork | subprocess.Popen
        with self._log.open("w") as log:
            if fresh:
                self.process = subprocess.Popen(
                    line, env=child_environment(), cwd=folder, stdout=log, stderr=log, preexec_fn=die_with_the_parent
                )
            else:
                self.process = Fork(executable, folder, self._log.name, line[3:])

    @property
    def text(self) -> str:
        return self._log.read_text()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        return self.process.wait(seconds)

    def end(self, number: int = signal.SIGINT, seconds: float = 60.0) -> int:
        """Signal it and wait; its exit code."""
        if self.alive:
            self.send(number)
        return self.wait(seconds)

    def close(self) -> None:
        self.end(signal.SIGKILL)


class Processes:
    """Starts processes in a folder; `close` ends whatever is left."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[Process] = []

    def __call__(self, executable: str, *arguments: str, name: str = "", **parameters: Any) -> Process:
        name = name or executable.removesuffix("_node")
        self.all.append(Process(self.folder, executable, name, *arguments, **parameters))
        return self.all[-1]

    def close(self) -> None:
        for process in self.all:
            process.close()


def run_to_end(folder: Path, executable: str, *arguments: str, seconds: float = 60.0, **parameters: Any):
    """Exit code and all lines of a process that ends by itself."""
    node = NodeProcess(executable, executable.removesuffix("_node"), parameters)
    process = Fork(executable, folder, "lines", [*command_line(node)[3:], *arguments])
    try:
        return process.wait(seconds), (folder / "lines").read_text().splitlines()
    finally:
        process.send_signal(signal.SIGKILL)


class Mistakes:
    """Runs cases that end by themselves, each in a process of its own.

    They run one after the other, well before their outcomes are asked for.
    """

    def __init__(self, folder: Path, executable: str, cases: Mapping[str, tuple[dict, Any]]) -> None:
        self._folders: dict[str, Path] = {}
        lines = []
        for k, (case, (parameters, values)) in enumerate(cases.items()):
            own = self._folders[case] = folder / str(k)
            own.mkdir()
            (own / "controller.yaml").write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
            given = {"controller_file": str(own / "controller.yaml")} | parameters
            node = NodeProcess(executable, executable.removesuffix("_node"), given)
            lines.append((own, "lines", "code", command_line(node)[3:]))
        forked(executable, lines)

    def __getitem__(self, case: str) -> tuple[int, list[str]]:
        """Exit code and lines."""
        code = self._folders[case] / "code"
        wait(code.is_file, 60.0, f"the end of {case}")
        return int(code.read_text()), (self._folders[case] / "lines").read_text().splitlines()

    def check(self, case: str, needles: Sequence[str]) -> str:
        """Assert that a case ended with exit code 2 and one line that has all of ``needles``; returns the line."""
        code, lines = self[case]
        assert code == 2
        assert len(lines) == 1, lines
        for needle in needles:
            assert needle in lines[0]
        return lines[0]
