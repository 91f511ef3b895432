"""``snn_control train``: make a shipped controller again, or a better one."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from .common import add_command, add_shared, keywords, make_environment, need_extra, whole

MORE = """\
The search (CMA-ES) can be stopped at any time and goes on where it was when started again.
'--generations 0' writes the controller of the recipe's start values without a search.

examples:
  snn_control train cartpole --generations 30
  snn_control train pan_tilt --arg camera=noisy --run runs/noisy     for the camera that it will have
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "train", run, "evolve the parameters of a shipped recipe", MORE)
    parser.add_argument("recipe", metavar="RECIPE", help="name of a shipped recipe, e.g. cartpole")
    parser.add_argument("--out", metavar="FOLDER", help="where the controller file goes (default: the run's)")
    parser.add_argument("--run", metavar="FOLDER", help="checkpoint (default runs/train-RECIPE)")
    add_shared(parser, "--arg", help="argument of the environment, on top of the recipe's")
    parser.add_argument("--generations", type=whole(0), default=15, help="how many in all (default 15)")
    parser.add_argument(
        "--population", type=whole(2), help="candidates a generation (default 12, or those of the checkpoint)"
    )
    parser.add_argument("--episodes", type=whole(1), default=3, help="of each setting, a candidate (default 3)")
    parser.add_argument("--seed", type=whole(1), help="of the search (default 1, or that of the checkpoint)")


def command_of(options: argparse.Namespace) -> str:
    """The command that makes the same controller again, without options that do not change it."""
    given: list[tuple[str, int, int | None]] = [("generations", options.generations, 15)]
    if options.generations > 0:
        given += [("population", options.population, None), ("episodes", options.episodes, 3)]
        given += [("seed", options.seed, None)]
    arguments = [f"--arg {shlex.quote(pair)}" for pair in options.arg] if options.generations > 0 else []
    others = [f"--{k} {v}" for k, v, usual in given if v != usual]
    return " ".join(["snn_control train", options.recipe, *arguments, *others])


def run(options: argparse.Namespace) -> int:
    from rich.progress import Progress

    from ..controller import Controller
    from ..controller_file import nearest
    from ..errors import DescriptionError
    from ..spaces import check_observation
    from ..training.recipes import recipes, write_controller

    known = recipes()
    if options.recipe not in known:
        raise DescriptionError("RECIPE", options.recipe, "is not known", nearest(options.recipe, known))
    recipe = known[options.recipe]
    arguments = keywords(options.arg)
    recipe = replace(recipe, settings=tuple({**setting, **arguments} for setting in recipe.settings))
    folder = Path(options.run or f"runs/train-{recipe.name}")
    Path(options.out or folder).mkdir(parents=True, exist_ok=True)  # fails now rather than after the search
    values = {name: start for name, (start, _) in recipe.parameters.items()}
    if options.generations > 0:
        need_extra("cma", "training")
        need_extra("gymnasium", "sim")
        from ..training.evolve import evolve

        world = make_environment(recipe.environment, recipe.settings[0])  # raises now for wrong arguments
        check_observation(Controller.from_spec(recipe.make(values)).inputs, world.observation_space)
        world.close()
        with Progress() as progress:
            task = progress.add_task(f"{recipe.name}: compiling", total=options.generations)

            def show(generation: int, best: float, mean: float) -> None:
                text = f"{recipe.name}: best {best:.4g}, mean {mean:.4g}"
                progress.update(task, completed=generation, description=text)

            values = evolve(
                recipe,
                folder,
                generations=options.generations,
                population=options.population,
                episodes=options.episodes,
                seed=options.seed,
                progress=show,
            )
    path = write_controller(recipe, values, options.out or folder, command_of(options))
    where = " ".join([recipe.environment, *(f"--arg {shlex.quote(pair)}" for pair in options.arg)])
    print(f"{path}: written. Next: snn_control run --env {where} {path}")
    return 0
