"""``snn_control run --robustness``: measure a controller's return under each perturbation of its environment."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ..analysis.robustness import GRID, Robustness, Sweep
from ..errors import DescriptionError
from ..files import replace_text, writing
from . import common
from .episodes import CHANCE, CONTROLLER, Player, Task, World, in_processes

__all__ = ["measure", "run_robustness"]

ALONE = ("record", "video", "keep_learning", "alone", "target", "mhz")  # options that this measurement does not use


def run_robustness(options: argparse.Namespace) -> int:
    for name in ALONE:
        if getattr(options, name):
            flag = f"--{name.replace('_', '-')}"
            raise DescriptionError(flag, getattr(options, name), "is not for --robustness", "leave it out")
    from ..report.robustness import robustness_page, rows_of

    out = Path(options.out or f"runs/robustness-{Path(options.file).stem}.html")
    if out.suffix != ".html":
        raise DescriptionError("--out", str(out), "must end with .html")
    if options.out:
        common.check_free("--out", options.out, options.force)
    world = World(options.file, options.env, common.arguments_of(options), options.steps)
    with common.our_output():
        found = measure(world, options.episodes, options.seed, options.jobs, show=not options.json)
    with writing("--out", str(out)):
        out.parent.mkdir(parents=True, exist_ok=True)
        replace_text(out, robustness_page(found).html())
    if options.json:
        told = {"environment": options.env, "arguments": options.arg, "controller": options.file, "seed": options.seed}
        common.print_json(told | {"page": str(out)} | found.as_json())
        return 0
    common.table(f"{found.title}: share of the score that is left [%]", *rows_of(found))
    nominal = ", ".join(f"{who} {value:.4g}" for who, value in found.nominal.items())
    print(f"unperturbed: {nominal}; chance {found.chance:.4g}; each a mean of {found.episodes} episodes")
    print(f"page: {out}")
    return 0


def measure(world: World, episodes: int, seed: int, jobs: int | None, show: bool = False) -> Robustness:
    """Play episodes with the controller and the baselines under each perturbation in `GRID`, one value at a time.

    Perturbations that the environment does not support are left out.

    episodes : number of episodes for each value
    seed : seed of the first episode; the episodes have the same seeds for every value
    jobs : number of processes; None: one for each core
    show : whether to show a progress bar, if standard error is a terminal
    """
    from ..training.environments.perturbed.apply import possible

    with closing(Player(world)) as player:
        common.check_fit(player.controller, player.env, world.file)
        actors = (CONTROLLER, *(who for who in player.others() if who != CHANCE))
        names = possible(player.env)
    seeds = range(seed, seed + episodes)
    tasks: list[Task] = [(who, one) for who in (*actors, CHANCE) for one in seeds]
    for name in names:
        tasks += [(who, one, ((name, value),)) for value in GRID[name] for who in actors for one in seeds]
    returns = _played(world, tasks, jobs or len(os.sched_getaffinity(0)), show)

    def mean(who: str, *more: Any) -> float:
        return float(np.mean([returns[(who, one, *more)] for one in seeds]))

    sweeps = [
        Sweep(name, GRID[name], {who: [mean(who, ((name, value),)) for value in GRID[name]] for who in actors})
        for name in names
    ]
    title = f"{world.file} in {world.environment}"
    return Robustness(title, episodes, mean(CHANCE), {who: mean(who) for who in actors}, sweeps)


def _played(world: World, tasks: list[Task], jobs: int, show: bool) -> Mapping[Task, float]:
    """Play the episodes of all tasks: task -> return of its episode."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    returns: dict[Task, float] = {}
    with (
        closing(Player(world)) as player,
        Progress(console=console, transient=True, disable=not (show and console.is_terminal)) as progress,
    ):
        bar = progress.add_task("episodes", total=len(tasks))
        here = ((task, player.play(*task)) for task in tasks)
        with closing(in_processes(world, tasks, jobs) if jobs > 1 else here) as played:
            for task, row in played:
                returns[task] = row["return"]
                progress.update(bar, advance=1)
    return returns
