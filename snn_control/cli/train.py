"""``snn_control train``: train a controller file in a Gymnasium environment, or train by a shipped recipe."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import RuntimeFault, counted
from . import common
from .training_display import display

if TYPE_CHECKING:
    import numpy as np

    from ..training.recipes import TaughtRecipe
    from ..training.result import Trained

MORE = """\
A controller file is trained in a Gymnasium environment on the spikes of the engine that will run it:
  ppo       reinforcement learning, for discrete actions
  sac       reinforcement learning, for continuous actions
  imitate   imitation of a teacher: --teacher; a policy (.zip, .onnx) as import does it, --set spikes=N sets its spikes
  evolve    CMA-ES over the weights that the outputs read; for few numbers, and rewards without a gradient
  adapt     online, in the loop: the learning rules of the file, which continue to learn on the robot
Without --how, imitate is used if there is a teacher, otherwise the learner in the file's section training, otherwise
one that suits the actions. That section also selects what is trained, within which limits, and with which settings;
options of the command take precedence. Ctrl-C ends training and keeps the best controller so far; the same command
resumes training and gives the same bits. --seeds 5 trains with five seeds in parallel, reports all of them, and writes
the one with the best validation. 'new FILE --env ID' writes a controller file to start from.

A recipe is a Python file that makes a shipped controller (examples/recipes); name it or give its path. CMA-ES evolves
the few numbers of cartpole, pan_tilt and arm; event_tracker is taught by a procedure of its own.

examples:
  snn_control new my.yaml --env CartPole-v1
  snn_control train my.yaml --env CartPole-v1 --out trained.yaml
  snn_control train my.yaml --env LunarLander-v3 --teacher gymnasium.envs.box2d.lunar_lander:heuristic
  snn_control train my.yaml --env CartPole-v1 --seeds 5
  snn_control train cartpole --generations 30
  snn_control train pan_tilt --arg camera=noisy --run runs/noisy     for a noisy camera
  snn_control train event_tracker --seed 2
"""
#: options that no recipe accepts; that only taught recipes accept; that only evolved recipes accept
OF_FILES = ("how", "teacher", "trainable", "set", "settings", "seeds", "ray", "steps", "json", "watch", "perturb")
OF_WORKERS, OF_EVOLUTION = ("workers",), ("arg", "generations", "population", "episodes")


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "train", run, "train a controller in an environment", MORE)
    parser.add_argument("file", metavar="FILE", help="controller file; or a recipe, e.g. cartpole or FILE.py")
    parser.add_argument(
        "--env",
        type=common.environment,
        metavar="ID",
        help="Gymnasium environment to train in, e.g. CartPole-v1 or module:ID",
    )
    common.add_shared(parser, "--arg", help="argument of the environment; a recipe adds it to its own")
    common.add_shared(parser, "--perturb")
    parser.add_argument("--how", metavar="HOW", help="way to train, see below (default: one that suits the actions)")
    text = "teacher to imitate: FILE.yaml, FILE.zip of stable-baselines3, FILE.onnx, module:function, or a baseline"
    parser.add_argument("--teacher", metavar="WHO", help=text)
    text = "parameters to train instead of the file's, e.g. 'hidden.*'; may be repeated"
    parser.add_argument("--trainable", action="append", default=[], metavar="PATTERN", help=text)
    text = "setting of the way to train, e.g. learning_rate=0.001; may be repeated"
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help=text)
    text = "YAML file of settings (NAME: VALUE), and optionally how: HOW; --set takes precedence"
    parser.add_argument("--settings", metavar="FILE", help=text)
    parser.add_argument("--out", metavar="FILE", help="file for the trained controller (default: in the run's folder)")
    common.add_shared(parser, "--force", help="replace the file of --out if it exists already")
    parser.add_argument("--run", metavar="FOLDER", help="folder for checkpoints and progress (default runs/train-NAME)")
    parser.add_argument("--seed", type=common.whole(0), help="seed of all random numbers (default 1)")
    text = "number of seeds to train with, beginning with --seed (default 1)"
    parser.add_argument("--seeds", type=common.whole(1), default=1, metavar="N", help=text)
    text = "number of processes that train at a time, with one thread each (default: the number of cores)"
    parser.add_argument("--workers", type=common.whole(1), metavar="N", help=text)
    text = "train on the Ray cluster at this address, host:port; without one, on Ray on this machine"
    parser.add_argument("--ray", nargs="?", const="", metavar="ADDRESS", help=text)
    text = "maximum number of learning steps, but at least one phase (default: depends on the way to train); reducing "
    text += "spikes may take as many steps again, and a search for gains ten times as many"
    parser.add_argument("--steps", type=common.whole(1), metavar="N", help=text)
    common.add_shared(parser, "--json", help="print one JSON object at the end")
    text = "open a page with the learning curve and episodes of the newest controller (as `watch FOLDER`, at any time)"
    parser.add_argument("--watch", action="store_true", help=text)
    evolve = parser.add_argument_group("for a recipe")
    text = "number of generations of CMA-ES, those of a resumed run included (default 15)"
    evolve.add_argument("--generations", type=common.whole(0), default=15, help=text)
    text = "candidates per generation (default 12, or those of the checkpoint)"
    evolve.add_argument("--population", type=common.whole(2), help=text)
    evolve.add_argument("--episodes", type=common.whole(1), default=3, help="per candidate and setting (default 3)")
    parser.set_defaults(usual=parser.get_default, cut=[])  # cut: what limits the episodes of a world without a limit


def run(options: argparse.Namespace) -> int:
    return _recipe(options) if options.env is None else _file(options)


# a controller file -----------------------------------------------------------------------------------------------
def _file(options: argparse.Namespace) -> int:
    from ..errors import DescriptionError
    from ..resources import controller_path
    from ..training.environments.gymnasium_calls import LIMIT, episode_limit
    from ..training.trainer import train

    common.need_extra("gymnasium", "sim")
    path = Path(controller_path(options.file, "FILE"))
    folder = Path(options.run or f"runs/train-{path.stem}")
    out = Path(options.out) if options.out else folder / f"{path.stem}_trained.yaml"
    if out.suffix not in (".yaml", ".yml"):
        raise DescriptionError("--out", str(out), "must end with .yaml")
    out.parent.mkdir(parents=True, exist_ok=True)  # fails now rather than after minutes
    common.check_free("--out", str(out), options.force, folder)
    with common.our_output():
        options.perturb = _perturbations(path, options.perturb)
        world = common.make_environment(options.env, common.arguments_of(options))  # raises now, in one line
        limit = episode_limit(world)
        world.close()
    if limit is None:
        print(
            f"{options.env} does not limit its episodes: they are cut after {LIMIT:,} steps; "
            "--arg max_episode_steps=N sets another limit",
            file=sys.stderr,
        )
        options.cut = [f"max_episode_steps={LIMIT}"]
    asked = {
        "controller": path, "env": options.env, "arguments": common.arguments_of(options), "how": options.how,
        "teacher": options.teacher,
        "trainable": {pattern: {} for pattern in options.trainable} or None,
        "settings": common.keywords(options.set, "--set")
        | ({"total_timesteps": options.steps} if options.steps else {}),
        "settings_file": options.settings,
    }  # fmt: skip
    first = 1 if options.seed is None else options.seed
    if options.watch and (options.seeds > 1 or options.ray is not None):
        raise DescriptionError("--watch", True, "is for one seed", f"watch {folder}/seed-{first} while it trains")
    if options.seeds > 1 or options.ray is not None:
        return _seeds(options, range(first, first + options.seeds), asked, folder, out)
    with _page(options, folder), common.our_output(), display([path.stem]) as shown:
        trained = train(**asked, seed=first, run=folder, progress=lambda phase: shown.phase(path.stem, phase))
    if not trained.history:
        print(f"{out}: not trained: it ended before the first phase", file=sys.stderr)
    elif trained.steps == trained.resumed:
        steps = counted(trained.steps, "step")
        print(f"{folder}: training already complete ({steps}); evaluating only", file=sys.stderr)
    trained.spec.save(out, _head(options, trained))
    common.note_result(folder, out)
    print(f"{out}: written; plays the same episodes with others to compare", file=sys.stderr)
    _tell(options, {first: trained}, first, folder, out)
    return _ended(trained.ended, bool(trained.history))


def _perturbations(path: Path, given: Sequence[str]) -> list[str]:
    """Return the perturbations for the training, as texts; those of the command replace those of the controller file.

    given : values of the option ``--perturb``
    """
    from ..controller_file import load_spec
    from ..controller_file.perturbations import Perturbations

    return load_spec(path).training.perturb.replaced_by(Perturbations.read(given)).texts


def _given(options: argparse.Namespace) -> list[str]:
    """Return the command-line options that select the environment, quoted for a shell."""
    perturb = ["--perturb", *options.perturb] if options.perturb else []
    return [options.env, *(f"--arg {shlex.quote(pair)}" for pair in options.arg), *perturb]


@contextmanager
def _page(options: argparse.Namespace, folder: Path) -> Iterator[None]:
    """Context manager that serves the live page of a training, in another process, so as not to slow the training."""
    if not options.watch:
        yield
        return
    common.need_extra("websockets", "watch")
    folder.mkdir(parents=True, exist_ok=True)  # the page waits in it for the first controller
    browser = [] if sys.stderr.isatty() else ["--no-browser"]
    page = subprocess.Popen(
        [sys.executable, "-m", "snn_control", "watch", str(folder), *browser], stdout=sys.stderr.fileno(),
    )  # fmt: skip
    try:
        yield
    finally:
        page.terminate()
        page.wait()


def _ended(early: bool, begun: bool = True) -> int:
    if early:
        print(f"interrupted: the same command {'resumes it' if begun else 'begins again'}", file=sys.stderr)
    return 130 if early else 0


def _seeds(options: argparse.Namespace, seeds: range, asked: dict[str, Any], folder: Path, out: Path) -> int:
    """Train with several seeds, and return the exit code of the command.

    Write one controller file for each seed. Also write the controller with the best validation return to ``out``.

    asked : keyword arguments for `train`
    folder : folder of the run
    """
    from ..training.distributed.seeds import train_seeds

    names = [f"seed-{seed}" for seed in seeds]
    with common.our_output(), display(names) as shown:  # Ray reports dead workers on standard output
        where = {"run": folder, "workers": options.workers, "ray": options.ray}
        outcomes = train_seeds(seeds=seeds, **asked, **where, progress=shown.phase, died=shown.died)
    found = {seed: outcomes[name].trained for seed, name in zip(seeds, names, strict=True)}
    trained = {seed: one for seed, one in found.items() if one is not None}
    failed = [f"{name}: {outcomes[name].error}" for name in names if outcomes[name].error]
    heads = {seed: _head(argparse.Namespace(**{**vars(options), "seed": seed}), one) for seed, one in trained.items()}
    for seed, one in trained.items():
        one.spec.save(folder / f"seed-{seed}" / f"{asked['controller'].stem}_trained.yaml", heads[seed])
    if trained:
        best = max(trained, key=lambda seed: trained[seed].validation)
        trained[best].spec.save(out, heads[best])
        common.note_result(folder, out)
        _tell(options, trained, best, folder, out)
    if failed:
        raise RuntimeFault("; ".join(failed))
    return _ended(len(trained) < len(found) or any(one.ended for one in trained.values()))


def _head(options: argparse.Namespace, trained: Trained) -> str:
    """Return the comment at the head of the trained controller file: the training command, and the evaluated return."""
    given = [options.file, "--env", *_given(options)]
    own = {key: getattr(options, key) for key in ("how", "teacher", "seed", "steps", "settings")}
    given += [f"--{key} {shlex.quote(str(value))}" for key, value in own.items() if value is not None]
    given += [f"--{key} {shlex.quote(one)}" for key in ("trainable", "set") for one in getattr(options, key)]
    e = trained.evaluation
    score = f"return {e.score:.4g} +- {e.returns.std():.3g}, worst {e.returns.min():.4g}"
    score += f", of {counted(len(e.returns), 'episode')}"
    return (
        f"Made by: snn_control train {' '.join(given)}\n{options.env}: {score}; {e.spikes.mean():.3g} spikes per step"
    )


def _tell(options: argparse.Namespace, trained: Mapping[int, Trained], best: int, folder: Path, out: Path) -> None:
    """Print the scores of the best seed and, if there are several, of all seeds. Write a page about the best seed.

    trained : results of the training by seed
    """
    import numpy as np

    from .episodes import print_statistics
    from .training_page import make_page

    e, conduct = trained[best].evaluation, conduct_of(trained[best])
    several = options.seeds > 1
    options.arg = [*options.arg, *options.cut]
    arguments = common.arguments_of(options)
    fixed = trained[best].fixed
    with common.our_output():
        returns = _others(out, options.env, arguments, e.seeds)
    learned = _learned(e.returns, returns, _threshold(options.env))
    others = {who: spread(one) for who, one in returns.items()}
    if fixed is not None:
        others = {"learning off": spread(fixed.returns)} | others
    means = spread(np.array([one.evaluation.score for one in trained.values()]))
    names = {seed: f"seed {seed}" if several else "controller" for seed in sorted(trained, key=lambda k: k != best)}
    rows = {name: spread(trained[seed].evaluation.returns) for seed, name in names.items()}
    rows |= ({"means of the seeds": means} if several else {}) | others
    runs = {name: trained[seed] for seed, name in names.items()}
    page = make_page(folder, out, options.env, arguments, runs, rows, others, conduct, _said(learned))
    if options.json:
        found = {
            "file": str(out), "env": options.env, "arguments": arguments, **_numbers(trained[best]), "compared": others,
            "learned": learned, "page": None if page is None else str(page),
        }  # fmt: skip
        if several:
            seeds = [
                {"seed": seed, "validation": one.validation if one.history else None, **_numbers(one)}
                for seed, one in trained.items()
            ]
            found |= {"seed": best, "seeds": seeds, "means": means}
        common.print_json(found)
        return
    title = f"{options.env}: returns of {counted(len(e.returns), 'new episode')}, {e.spikes.mean():.3g} spikes per step"
    common.table(title, ["", *means], [[who, *row.values()] for who, row in rows.items()])
    print(_said(learned))
    print_statistics(conduct)
    where = " ".join(_given(options))
    which = f" (seed {best}, the best in validation)" if several else ""
    if page is not None:
        print(f"page: {page}")
    print(f"{out}: written{which}. Next: snn_control run --env {where} {out}")


def _threshold(env: str) -> float | None:
    import gymnasium

    return gymnasium.spec(env.rpartition(":")[2]).reward_threshold


def _learned(own: np.ndarray, others: Mapping[str, np.ndarray], threshold: float | None) -> dict[str, Any]:
    """Return what was learned, measured from random actions in the same episodes, as ``run`` does it.

    ``above_chance``: whether the controller is better than random actions, by the 95 % confidence interval. ``share``:
    name of a goal (a baseline, or the environment's threshold) -> share of the way from random actions to it. Goals
    that are not above random actions are left out.

    own : returns of the controller
    others : name -> returns of random actions (`CHANCE`) and of baselines
    threshold : return at which the environment counts as solved; None if it names none
    """
    from ..training.environments.play_episode import Spread
    from .episodes import CHANCE

    ways = {name: Spread.of(one - others[CHANCE]) for name, one in others.items() if name != CHANCE}
    gained = Spread.of(own - others[CHANCE])
    goals = {name: way.mean for name, way in ways.items() if (way.low or 0) > 0}
    if threshold is not None and threshold > others[CHANCE].mean():
        goals[f"the reward threshold {threshold:g}"] = threshold - float(others[CHANCE].mean())
    return {"above_chance": (gained.low or 0) > 0, "share": {name: gained.mean / way for name, way in goals.items()}}


def _said(learned: Mapping[str, Any]) -> str:
    """Return the result of `_learned` as a sentence."""
    if not learned["above_chance"]:
        return "not better than random actions: see docs/howto/troubleshooting.md#training-does-not-learn"
    ways = [f"{share:.0%} of the way from random actions to {name}" for name, share in learned["share"].items()]
    return "better than random actions" + (": " + ", ".join(ways) if ways else "")


def _numbers(trained: Trained) -> dict[str, Any]:
    e = trained.evaluation
    return {
        "how": trained.how, "steps": trained.steps, "phases": len(trained.history), "episodes": len(e.returns),
        **spread(e.returns), "spikes_a_step": float(e.spikes.mean()), "operations_a_step": float(e.operations.mean()),
        **conduct_of(trained), "warnings": [asdict(one) for one in trained.warnings],
    }  # fmt: skip


def conduct_of(trained: Trained) -> dict[str, Any]:
    from ..controller import build_program
    from .episodes import statistics_of

    return statistics_of(trained.spec, build_program(trained.spec), trained.evaluation.statistics)


def spread(returns: Any) -> dict[str, float]:
    return {
        "mean": float(returns.mean()),
        "std": float(returns.std()),
        "worst": float(returns.min()),
        "best": float(returns.max()),
    }


def _others(file: Path, env: str, arguments: dict[str, Any], seeds: Collection[int]) -> dict[str, np.ndarray]:
    """Return the returns of chance and of the environment's baselines, in the episodes with these seeds, by name.

    A baseline that raises an exception is left out, and reported on standard error.
    """
    import numpy as np

    from ..errors import DescriptionError
    from .episodes import CHANCE, Player, World

    player, found = Player(World(str(file), env, arguments)), {}
    for who in player.others():
        try:
            found[who] = np.array([player.play(who, int(seed))["return"] for seed in seeds])
        except DescriptionError as error:
            if who == CHANCE:
                raise
            print(f"not compared: {error}", file=sys.stderr)
    return found


# a recipe --------------------------------------------------------------------------------------------------------
def command_of(options: argparse.Namespace) -> str:
    """Return the command that trains the same controller. Options that do not change the result are left out."""
    given: list[tuple[str, int, int | None]] = [("generations", options.generations, 15)]
    if options.generations > 0:
        given += [("population", options.population, None), ("episodes", options.episodes, 3)]
        given += [("seed", options.seed, None)]
    arguments = [f"--arg {shlex.quote(pair)}" for pair in options.arg] if options.generations > 0 else []
    others = [f"--{k} {v}" for k, v, usual in given if v != usual]
    return " ".join(["snn_control train", options.file, *arguments, *others])


def _recipe(options: argparse.Namespace) -> int:
    from rich.progress import Progress

    from ..controller import Controller
    from ..errors import DescriptionError
    from ..gym_adapter.spaces import check_observation
    from ..training.recipes import TaughtRecipe, controller_file, load_recipe, write_controller

    if options.file.endswith((".yaml", ".yml")):
        raise DescriptionError("--env", None, "is needed to train a controller file", "give --env ID")
    recipe = load_recipe(options.file)
    taught = isinstance(recipe, TaughtRecipe)
    for one in OF_FILES + OF_WORKERS * (not taught) + OF_EVOLUTION * taught:
        if (value := getattr(options, one)) != options.usual(one):
            rule = "is for controller files" if one in OF_FILES else f"is not for {options.file}"
            raise DescriptionError(f"--{one}", value, rule, "leave it out")
    if isinstance(recipe, TaughtRecipe):
        return _taught(options, recipe)
    arguments = common.keywords(options.arg)
    recipe = replace(recipe, settings=tuple({**setting, **arguments} for setting in recipe.settings))
    folder = Path(options.run or f"runs/train-{recipe.name}")
    out = controller_file(recipe.name, options.out or folder)
    out.parent.mkdir(parents=True, exist_ok=True)  # fails now rather than after the search
    values = {name: start for name, (start, _) in recipe.parameters.items()}
    if options.generations > 0:
        common.need_extra("cma", "training")
        common.need_extra("gymnasium", "sim")
        from ..training.algorithms.recipe_search import evolve

        world = common.make_environment(recipe.environment, recipe.settings[0])  # raises now for wrong arguments
        check_observation(Controller.from_spec(recipe.make(values)).inputs, world.observation_space)
        world.close()
        with Progress() as progress:
            task = progress.add_task(f"{recipe.name}: compiling", total=options.generations)

            def show(generation: int, best: float, mean: float) -> None:
                text = f"{recipe.name}: best {best:.4g}, mean {mean:.4g}"
                progress.update(task, completed=generation, description=text)

            values = evolve(
                recipe, folder, generations=options.generations, population=options.population,
                episodes=options.episodes, seed=options.seed, progress=show,
            )  # fmt: skip
    path = write_controller(recipe, values, out, command_of(options))
    where = " ".join([recipe.environment, *(f"--arg {shlex.quote(pair)}" for pair in options.arg)])
    print(f"{path}: written. Next: snn_control run --env {where} {path}")
    return 0


def _taught(options: argparse.Namespace, recipe: TaughtRecipe) -> int:
    """Train a controller with the procedure of a recipe, and return the exit code of the command."""
    from ..training.recipes import controller_file

    common.need_extra("gymnasium", "sim")
    folder, seed = Path(options.run or f"runs/train-{recipe.name}"), 1 if options.seed is None else options.seed
    out = controller_file(recipe.name, options.out or folder)
    for one in (folder, out.parent):
        one.mkdir(parents=True, exist_ok=True)
    with common.our_output(), display([recipe.name]) as shown:
        progress = functools.partial(shown.round, recipe.name)
        spec = recipe.teach(seed, folder, options.workers or len(os.sched_getaffinity(0)), progress)
    command = f"snn_control train {recipe.name}" + (f" --seed {seed}" if seed != 1 else "")
    path = spec.save(out, f"{recipe.comment}\nMade by: {command}")
    print(f"{path}: written. Next: snn_control run --env {recipe.environment} {path}")
    return 0
