"""Start, monitor and stop the node processes of a command. Each process writes a log to the folder of the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RuntimeFault

if TYPE_CHECKING:
    from ..ros.nodes.launching import NodeProcess

__all__ = ["failure", "run_processes"]


def failure(folder: Path, codes: Mapping[str, int]) -> str:
    """Return a text about the processes that failed, with the last line of each one's log.

    folder : folder of the run, with the logs
    codes : exit codes by the names of the processes
    """
    said = []
    for name in (name for name, code in codes.items() if code):
        path = folder / f"{name}.log"
        last = (path.read_text(errors="replace").strip() or "it wrote nothing").split("\n")[-1].strip()
        said.append(f"{name} ended with code {codes[name]} ({path}): {last}")
    return "; ".join(said)


def run_processes(
    processes: Sequence[NodeProcess],
    folder: Path,
    say: Any,
    quiet: bool,
    seconds: float | None = None,
    limit: float | None = None,
) -> dict[str, int]:
    """Start processes, wait until a ``needed`` process ends, and stop the others. Return the exit codes by name.

    Recordings of an earlier run in the folder are replaced.

    say : function that prints a line
    quiet : whether to show no progress bar
    seconds : expected duration, for the progress bar [s]; None: not known
    limit : time after which RuntimeFault is raised [s]; None: no limit
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    from ..record.run_folder import remove_record
    from ..ros.nodes.launching import command_line, environment_of_child

    for record in filter(None, (p.parameters.get("record") for p in processes)):
        remove_record(Path(str(record)))  # of an earlier run in the same folder
    child = environment_of_child()
    child.setdefault("ROS_DOMAIN_ID", str(20 + os.getpid() % 80))  # separate from other runs on this machine
    logs = [(folder / f"{p.name}.log").open("w") for p in processes]
    # in sessions of their own, because this process forwards Ctrl-C
    how: Any = {"stderr": subprocess.STDOUT, "start_new_session": True, "preexec_fn": end_with_parent}
    started = zip(processes, logs, strict=True)
    running = [subprocess.Popen(command_line(p), env=child, stdout=log, **how) for p, log in started]
    say(f"started: {', '.join(p.executable for p in processes)}; logs in {folder}")
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, disable=quiet or not sys.stdout.isatty()) as progress:
            task = progress.add_task("the loop is closed over DDS", total=seconds)
            begin = time.monotonic()
            while all(r.poll() is None for r, p in zip(running, processes, strict=True) if p.needed):
                if limit is not None and time.monotonic() - begin > limit:
                    raise RuntimeFault(f"the world did not end in time: see {folder}/*.log")
                progress.update(task, completed=time.monotonic() - begin)
                time.sleep(0.1)
    finally:
        codes = [end_process(process) for process in running]
        for log in logs:
            log.close()
    return {p.name: code for p, code in zip(processes, codes, strict=True)}


def end_with_parent() -> None:
    """Make the kernel end this process when its parent process ends, even if the parent is killed."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def end_process(process: subprocess.Popen) -> int:
    """End a process with SIGINT, as ``ros2 launch`` does, and return its exit code.

    If the process does not end within 10 s, it receives SIGKILL.
    """
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode
