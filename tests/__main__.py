"""``python -m tests [ARGUMENTS OF PYTEST]``: all tests, with an empty home folder.

Only what is found by a digest of all that it was made from is kept between runs, in the user's cache: compiled kernels,
packages of messages, and what zig compiled. Everything else that lies in the home folder (fonts, settings, Python's
bytecode) begins empty and is thrown away at the end.

First everything that does not watch the clock, on all cores, then the tests marked ``timed``, two at a time. The
packages of messages are built meanwhile; the fixture ``interfaces`` waits for them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WORKERS = len(os.sched_getaffinity(0)) + 1  # tests of nodes wait more than they compute
PHASES = (
    ("-n", str(WORKERS), "--dist", "loadfile", "--no-loadscope-reorder", "-m", "not timed"),
    ("-n", "2", "--dist", "loadfile", "-m", "timed"),
)
NO_TESTS = 5  # exit code of pytest
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PATIENCE = 5.0  # s for a group that was told to end
#: what leads out of the home folder, or forbids to write there
ELSEWHERE = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "PYTHONDONTWRITEBYTECODE", "ROS_HOME",
             "ROS_LOG_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")  # fmt: skip


def environment(home: Path) -> dict[str, str]:
    """The environment of this process, with another home; pip's settings (package sources) are linked there."""
    before = Path.home()
    config = Path(os.environ.get("XDG_CONFIG_HOME") or before / ".config")
    (home / ".config").mkdir()
    for there, here in ((config / "pip", ".config/pip"), (before / ".pip", ".pip"), (before / ".netrc", ".netrc")):
        if there.exists():
            (home / here).symlink_to(there)
    kept = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    # as in `snn_control.engine.code_cache`, whose import starts threads, which would take the signals `group` blocks
    cache = Path(os.environ.get("XDG_CACHE_HOME") or before / ".cache")
    folders = {"SNN_CONTROL_CACHE": "snn_control", "ZIG_GLOBAL_CACHE_DIR": "zig"}
    caches = {name: os.environ.get(name) or str(cache / folder) for name, folder in folders.items()}
    # the hundreds of processes that tests start would otherwise each compile all their modules
    return kept | caches | {"HOME": str(home), "PYTHONPYCACHEPREFIX": str(home / "bytecode")}


def stop(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


@contextmanager
def group(env: dict[str, str], *arguments: str, **options: Any) -> Iterator[subprocess.Popen]:
    """Run ``python -m ARGUMENTS`` in its own process group; when the context ends, all processes of it have ended."""
    line = [sys.executable, "-m", *arguments]
    # a signal while the process is being made would leave a process behind that is not registered
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)

    def begin() -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell that starts this in the background has it ignored
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    options["preexec_fn"] = begin
    with subprocess.Popen(line, cwd=ROOT, env=env, start_new_session=True, **options) as process:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            yield process
        finally:
            for number in (signal.SIGINT, signal.SIGKILL):  # ninja ends its jobs, which have groups of their own
                end = time.monotonic() + PATIENCE
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)
                    while time.monotonic() < end:
                        process.poll()
                        os.killpg(process.pid, 0)  # what still runs may write into the home
                        time.sleep(0.02)


def pytest(env: dict[str, str], *arguments: str) -> int:
    """Run pytest; returns its exit code."""
    with group(env, "pytest", *arguments) as process:
        return process.wait()


def main(arguments: list[str]) -> int:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}  # what fails there fails in the fixture, too
    with tempfile.TemporaryDirectory(prefix="snn_control_tests_", ignore_cleanup_errors=True) as home:
        env = environment(Path(home))
        with group(env, "tests.ros.interfaces", **quiet):
            codes = [pytest(env, "--durations=12", *phase, *arguments) for phase in PHASES]
    if codes == [NO_TESTS] * len(PHASES):
        return NO_TESTS
    return max(code for code in codes if code != NO_TESTS)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
