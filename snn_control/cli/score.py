"""``snn_control score FILE|all``: evaluate controllers and policies with the protocol of the scoreboard."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DescriptionError, SnnControlError
from . import common

if TYPE_CHECKING:
    from ..scoreboard.protocol import Task
    from ..scoreboard.row import Row

MORE = """\
FILE is a controller file, the name of a shipped controller, a policy (.zip of stable-baselines3, .onnx,
module:function), the name of a baseline of the environment, or "chance". It plays the episodes of the protocol:
100 episodes in classic control and Box2D, 20 in MuJoCo, 10 in the worlds, always with the same seeds. The result has
return, spikes, operations, footprint, sparsity, estimated energy with memory accesses, the cost of an int8 perceptron
with the same layers, the time of a tick, and a digest of all actions and rewards. docs/scoreboard.md explains them.

"all" plays every row of the scoreboard again and compares the digests. The exit code is 1 if a digest differs or a row
could not be played. Of rows "module:function", only modules that are installed are imported.

examples:
  snn_control score cartpole --env CartPole-v1
  snn_control score trained.yaml --env LunarLander-v3 --add docs/scoreboard/mine.json --by "A. Name"
  snn_control score all --suite classic
  snn_control score all --page scoreboard.html
"""
BOARD = "docs/scoreboard"


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "score", run, "score a controller or policy in fixed episodes", MORE)
    parser.add_argument("file", metavar="FILE", help="controller, policy, baseline, chance, or all: see below")
    common.add_shared(parser, "--env", type=common.environment)
    parser.add_argument("--normalize", metavar="FILE.pkl", help="statistics of observations, saved by VecNormalize")
    text = "with all: only the environments of this suite"
    parser.add_argument("--suite", choices=("classic", "mujoco", "worlds"), help=text)
    text = f"folder of the scoreboard's rows (default {BOARD})"
    parser.add_argument("--board", metavar="FOLDER", default=BOARD, help=text)
    parser.add_argument("--add", metavar="ROWS.json", help="add the row to this file, or replace the row of this name")
    parser.add_argument("--name", help="name of the row (default: the name of the file)")
    parser.add_argument("--by", default="", help="who made it, for --add")
    parser.add_argument("--source", default="", help="how it was made: a command or a reference, for --add")
    parser.add_argument("--page", metavar="HTML", help="write the table of the board and its picture as a page")
    parser.add_argument("--force", action="store_true", help="replace the file of --page")
    common.add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    common.need_extra("gymnasium", "sim")
    common.check_free("--page", options.page, options.force)
    code = _again(options) if options.file == "all" else _one(options)
    if options.page:
        _page(options)
    return code


def _one(options: argparse.Namespace) -> int:
    from ..scoreboard.protocol import task_of
    from ..scoreboard.row import Row, check_rows, write_row

    if options.suite:
        raise DescriptionError("--suite", options.suite, "is for `score all`", "leave it out")
    if not options.env:
        rule = "is needed: the environment in which it plays"
        raise DescriptionError("--env", None, rule, "snn_control score FILE --env CartPole-v1")
    task = task_of(options.env)
    if options.add and not (options.by and options.source):
        raise DescriptionError("--add", options.add, "needs --by and --source", "say who made it, and how")
    if options.add:
        check_rows(Path(options.add))  # before the episodes
    kind, results = _played(options.file, task, Path(), options.normalize, options.json)
    actor = options.file
    if options.add and Path(actor).is_file():  # so that the row can be played from the folder of the rows
        actor = Path(os.path.relpath(actor, Path(options.add).parent)).as_posix()
    name = options.name or Path(options.file).stem
    row = Row(name, options.env, actor, kind, options.by, options.source, results=results)
    if options.add:
        write_row(Path(options.add), row)
    if options.json:
        common.print_json(vars(row))
    else:
        _print([row])
        _print_one(row)
        if options.add:
            print(f"{options.add}: row '{name}' written")
    return 0


def _played(file: str, task: Task, folder: Path, normalize: str | None, quiet: bool) -> tuple[str, dict[str, Any]]:
    """Play the episodes of a task of the scoreboard.

    Return the kind of actor ("controller", "policy" or "chance"), and the results.

    normalize : file of VecNormalize with statistics of a policy's observations; None: no normalisation
    """
    from rich.console import Console
    from rich.progress import Progress

    from ..scoreboard.measure import measure

    console = Console(stderr=True)
    with common.our_output():
        env = common.make_environment(task.environment, {})
        kind, actor = _actor(file, env, folder, normalize)
        with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
            bar = progress.add_task(f"{Path(file).stem} in {task.environment}", total=task.episodes)
            results = measure(task, actor, lambda done: progress.update(bar, completed=done))
        env.close()
    return kind, results


def _actor(file: str, env: Any, folder: Path, normalize: str | None) -> tuple[str, Any]:
    from ..controller import Controller
    from ..controller_file import load_spec
    from ..resources import controller_path, shipped_names
    from ..scoreboard.measure import Actor, Spiking
    from ..training.teachers.teacher import teacher_of
    from ..training.teachers.trained_policy import load_policy

    if file == "chance":
        return "chance", Actor(env, None)
    there = str(folder / file) if (folder / file).is_file() else file
    if normalize:
        return "policy", Actor(env, teacher_of(load_policy(there, normalize, "FILE"), env))
    if file in shipped_names() or there.endswith((".yaml", ".yml", ".npz")):
        path = controller_path(there, "FILE")
        spec = None if path.suffix == ".npz" else load_spec(path)
        controller = Controller.load(path) if spec is None else Controller.from_spec(spec)
        common.check_fit(controller, env, file)
        return "controller", Spiking(env, controller, spec)
    return "policy", Actor(env, teacher_of(there, env))


# the whole board ---------------------------------------------------------------------------------------------
def _again(options: argparse.Namespace) -> int:
    """Play the episodes of all rows of the scoreboard again, and compare the digests of the results."""
    from ..scoreboard.protocol import task_of
    from ..scoreboard.row import read_board

    folder = Path(options.board)
    rows = [row for row in read_board(folder) if options.suite in (None, task_of(row.environment).suite)]
    if not rows:
        raise DescriptionError("--board", options.board, "has no rows (*.json) of this suite", "name another folder")
    found, verdicts = [], dict[str, int]()
    for row in rows:
        new, verdict = _compared(row, folder, options.json)
        found.append((new, verdict))
        verdicts[verdict.partition(":")[0]] = verdicts.get(verdict.partition(":")[0], 0) + 1
        print(f"{row.environment}, {row.name}: {verdict}", file=sys.stderr)
    if options.json:
        common.print_json([vars(row) | {"verdict": verdict} for row, verdict in found])
    else:
        _print([row for row, _ in found])
        print(", ".join(f"{n} {verdict}" for verdict, n in verdicts.items()))
    return 0 if set(verdicts) == {"same digest"} else 1


def _compared(row: Row, folder: Path, quiet: bool) -> tuple[Row, str]:
    from ..scoreboard.protocol import task_of
    from ..training.environments.gymnasium_calls import import_installed

    task = task_of(row.environment)
    try:
        if ":" in row.actor and not (folder / row.actor).is_file():
            import_installed(row.actor.partition(":")[0], f"{row.name}.actor")
        results = _played(row.actor, task, folder, None, quiet)[1]
    except SnnControlError as error:
        needs = f" (pip install '{task.extra}')" if task.extra else ""
        return row, f"not played: {error}{needs}"
    same = results["digest"] == row.results["digest"]
    return replace(row, results=results), "same digest" if same else "differs"


def _page(options: argparse.Namespace) -> None:
    from ..files import replace_text, writing
    from ..report.scoreboard_page import board_page
    from ..scoreboard.row import read_board

    with writing("--page", options.page):
        replace_text(options.page, board_page(read_board(Path(options.board))))
    if not options.json:
        print(f"page: {options.page}")


# output ------------------------------------------------------------------------------------------------------
def _print(rows: Sequence[Row]) -> None:
    columns = ["environment", "name", "return", "IQM", "95 %", "spikes", "operations", "bytes", "nJ", "int8 nJ", "us"]
    shown = []
    for row in rows:
        r, own = row.results, row.results.get("operations")
        cost = ["-"] * 6
        if own is not None:
            done = own["accumulates"] + own["multiply_accumulates"]
            beside = r["perceptron"]["nanojoule"] if "perceptron" in r else "-"
            cost = [r["spikes"], done, r["footprint"], sum(r["nanojoule"].values()), beside, r["tick_us"]]
        of = r["return"]
        name = row.environment.removeprefix("sim_worlds:")
        shown.append([name, row.name, of["mean"], of["iqm"], f"{of['low']:.4g} to {of['high']:.4g}", *cost])
    common.table("scoreboard: cost of a step of the environment", columns, shown)


def _print_one(row: Row) -> None:
    r = row.results
    print(f"{r['episodes']} episodes, worst {r['return']['worst']:.4g}, best {r['return']['best']:.4g}")
    if "operations" in r:
        operations, silent = r["operations"], r["activation_sparsity"]
        quiet = "" if silent is None else f"; {silent:.1%} of the neurons silent in a network step"
        print(f"a step: {operations['accumulates']:.4g} accumulates, {operations['multiply_accumulates']:.4g} "
              f"multiply-accumulates, of {operations['dense']:.4g} if nothing were skipped{quiet}")  # fmt: skip
        energy = r["nanojoule"]
        print(f"estimated energy of a step: {energy['arithmetic']:.3g} nJ of arithmetic, {energy['memory']:.3g} nJ of "
              "memory accesses (45 nm, Horowitz 2014)")  # fmt: skip
    if "perceptron" in r:
        p = r["perceptron"]
        print(f"int8 perceptron with the same layers: {p['operations']:,} multiply-accumulates, {p['footprint']:,} "
              f"bytes, {p['nanojoule']:.3g} nJ")  # fmt: skip
    print(f"digest {r['digest']}")
