"""``python -m tests.ros.forks NODE``: run cases, each in a process forked when NODE was imported, which takes a second.

Standard input: JSON, a list of [folder, arguments]. Each folder gets ``lines``, what was printed, and then ``code``,
the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run(module: Any, folder: Path, arguments: Sequence[str]) -> None:
    """In the forked process: the node's ``main``, as ``python -m`` runs it."""
    os.chdir(folder)
    output = os.open("lines", os.O_WRONLY | os.O_CREAT, 0o666)
    os.dup2(output, 1)
    os.dup2(output, 2)
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


def main() -> None:
    module, cases = importlib.import_module(f"snn_control.ros.{sys.argv[1]}"), json.load(sys.stdin)
    for folder, arguments in cases:
        if not (child := os.fork()):
            signal.alarm(60)
            run(module, Path(folder), arguments)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        part = Path(folder, "code.part")
        part.write_text(str(code))
        part.rename(Path(folder, "code"))


if __name__ == "__main__":
    main()
