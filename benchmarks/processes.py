"""Processes of a measurement: start and end, real-time rights, and other load of the machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snn_control.realtime.rights import set_fifo
from snn_control.ros.nodes.launching import environment_of_child
from snn_control.ros.ports.transport import use_udp

ROOT = Path(__file__).resolve().parents[1]
NO_FIFO = "SCHED_FIFO is not granted here: figures without a verdict. " + (
    "Grant it with: ulimit -r 98 (limits.d: rtprio 98), as root, or docker run --cap-add=sys_nice --ulimit rtprio=98"
)
#: a ROS domain above those of the tests, whose ports are below those that Linux assigns
DOMAIN = "100"


def fifo_granted(priority: int) -> bool:
    """Whether a thread of this user gets SCHED_FIFO ``priority``."""
    granted: list[int] = []
    thread = threading.Thread(target=lambda: granted.append(set_fifo(priority)))  # for that thread only
    thread.start()
    thread.join()
    return granted == [priority]


class Process:
    """A process ``python -m benchmarks.<module> ROLE ...``, whose last line on stdout is a JSON mapping."""

    def __init__(self, module: str, *arguments: object) -> None:
        os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        use_udp()  # all use the same transport as the nodes
        environment = environment_of_child() | {"ROS_DOMAIN_ID": DOMAIN}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
        self._errors = tempfile.TemporaryFile("w+")
        self.name = f"{module} {arguments[0]}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.{module}", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment,
        )

    def result(self, timeout: float, other: Process | None = None) -> dict[str, Any]:
        """Wait for the process to end; returns its result. It needs the process ``other``, whose end is an error."""
        until = time.monotonic() + timeout
        while True:
            try:
                # a parent that polls would wake up on the CPUs that are measured
                out, _ = self.process.communicate(timeout=timeout if other is None else 0.25)
                break
            except subprocess.TimeoutExpired:
                if other is not None and other.process.poll() is not None:
                    why = f"{other.name} ended with {other.process.returncode}"
                elif time.monotonic() > until:
                    why = f"{self.name} did not end within {timeout:.0f} s"
                else:
                    continue
                self.end()
                raise RuntimeError(f"{why}\n{self.errors()}") from None
        if self.process.returncode != 0:
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}:\n{self.errors()}")
        return json.loads(out.splitlines()[-1])

    def errors(self) -> str:
        """Return the last lines of its stderr."""
        self._errors.seek(0)
        return "".join(self._errors.readlines()[-15:])

    def priorities(self) -> Counter[int]:
        """Return SCHED_FIFO priority -> number of threads; 0: ordinary scheduling."""
        found: Counter[int] = Counter()
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            try:
                fields = (task / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # ended in the meantime
                continue
            found[int(fields[37])] += 1  # field 40 of proc(5), where the third follows the name
        return found

    def end(self) -> None:
        """Send SIGTERM, and SIGKILL if that does not help."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10.0)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def busy(n: int) -> Iterator[None]:
    """Return a context with ``n`` processes that compute all the time, at ordinary priority."""
    processes = [subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def hog() -> None:
    """Start a thread that holds Python's lock as long as it can and creates cyclic garbage."""

    def work() -> None:
        x = 0
        while True:
            garbage: list[Any] = [{} for _ in range(100)]
            garbage.append(garbage)
            for k in range(1000):
                x += k

    threading.Thread(target=work, daemon=True).start()


def steal() -> tuple[float, float]:
    """Return the time that the hypervisor took from this machine, and all time [ticks]."""
    with open("/proc/stat") as file:
        fields = [float(word) for word in file.readline().split()[1:9]]
    return fields[7], sum(fields)


def stolen(before: tuple[float, float]) -> float:
    """Return the percentage of the time since ``before`` that the hypervisor took."""
    now = steal()
    return 100.0 * (now[0] - before[0]) / max(now[1] - before[1], 1.0)


def verdict(passed: bool | None, why: str = "") -> str:
    word = "no verdict" if passed is None else "PASS" if passed else "FAIL"
    return f"{word}: {why}" if why else word


def exit_code(found: Mapping[str, Any]) -> int:
    """Return the exit code for the result of a benchmark: 1 if "passed", Python's or NumPy's, is false; 0 without a
    verdict."""
    return 0 if found.get("passed") in (None, True) else 1
