"""``python -W error -m tests.pages``: programs of pages, in processes that are forked when what most import is there.

A start takes longer than most programs. Each line of standard input is a JSON list [folder, code]: a program in a
folder, as ``python -c`` runs it. The answer is its exit code; the file ``error.txt`` there has its standard error.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import types
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import gymnasium
    import jinja2  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import rich.progress  # noqa: F401
    from numba.core.registry import cpu_target

    from snn_control import cli
    from snn_control.controller import Controller
    from snn_control.training import training_run  # noqa: F401

    cli.parser()
    cpu_target.target_context.refresh()
    gymnasium.make("CartPole-v1")
    Controller.load("cartpole")


def run(folder: str, code: str) -> None:
    """In the forked process."""
    os.chdir(folder)
    os.dup2(os.open("error.txt", os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(os.open(os.devnull, os.O_RDWR), 0)
    os.dup2(0, 1)
    sys.path.insert(0, "")
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    failed = 1
    try:
        exec(compile(code, "<page>", "exec"), vars(main))
        failed = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(failed)


if __name__ == "__main__":
    for line in sys.stdin:
        if not (child := os.fork()):
            run(*json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
