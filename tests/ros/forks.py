"""``python -m tests.ros.forks NODE``: processes that are forked when NODE was imported, which takes a second.

Each line of standard input is a JSON list of cases [folder, output, code, arguments] that run one after the other: the
node's ``main``, as ``python -m`` runs it, in that folder, with what it prints in the file ``output`` and at last its
exit code in the file ``code``. The answer on standard output is the process id of the first case.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def die_with_the_parent() -> None:
    """Else a node of a killed test run would answer in the next one's domain. A node under nohup gets SIGHUP too."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def run(module: Any, folder: str, output: str, arguments: Sequence[str]) -> None:
    """In the forked process."""
    die_with_the_parent()
    os.chdir(folder)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 1)
    os.dup2(1, 2)
    sys.argv[1:] = arguments
    code = 1
    try:
        code = module.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def one_after_the_other(module: Any, cases: Sequence[tuple[str, str, str, Sequence[str]]]) -> None:
    for k, (folder, output, code, arguments) in enumerate(cases):
        if not (child := os.fork()):
            run(module, folder, output, arguments)
        if k == 0:
            os.write(1, f"{child}\n".encode())
        part = Path(folder, f"{code}.part")
        part.write_text(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))
        part.rename(Path(folder, code))


def main() -> None:
    module, running = importlib.import_module(f"snn_control.ros.nodes.{sys.argv[1]}"), set()
    for line in sys.stdin:
        running -= {child for child in running if os.waitpid(child, os.WNOHANG)[0]}
        if child := os.fork():
            running.add(child)
        else:
            die_with_the_parent()
            one_after_the_other(module, json.loads(line))
            os._exit(0)


if __name__ == "__main__":
    main()
