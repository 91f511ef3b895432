"""``snn_control run``: evaluate a controller in a Gymnasium environment."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import Any

from ..errors import DescriptionError, counted
from ..files import writing
from ..record.input_recorder import InputLogRecorder
from ..training.environments.gymnasium_calls import PERTURB
from ..training.environments.play_episode import Spread
from . import common
from .episodes import CHANCE, CONTROLLER, Player, Task, World, in_processes, print_statistics, statistics_of
from .processor import add_processor_options, check_processor, figures_of, print_processor

MORE = """\
The controller is compared with chance (the same episodes with random actions), and with classical controllers if the
environment provides some. docs/howto/running.md explains the figures.

examples:
  snn_control run --env CartPole-v1 cartpole
  snn_control run --env CartPole-v1 --episodes 100 --seed 1000 --json cartpole
  snn_control run --env sim_worlds:PanTiltTracking-v0 --arg frequency=0.3 --episodes 1 --video seen.mp4 pan_tilt
  snn_control run --env CartPole-v1 --episodes 1 --record recorded.npz cartpole
  snn_control plot --input recorded.npz cartpole
  snn_control run --env CartPole-v1 --perturb observation_delay=2 dropout=0:0.2 cartpole
  snn_control run --env CartPole-v1 --robustness cartpole
  snn_control run --env CartPole-v1 --episodes 1 --target cortex-m4f --mhz 168 cartpole
"""

#: heading -> key of an episode's row in the JSON
COLUMNS = {
    "seed": "seed", "steps": "steps", "return": "return", "us/step": "us_a_step", "spikes/s": "spikes_a_second",
    "syn.ops/s": "synaptic_operations_a_second", "faults": "faults", "safe": "safe_ticks",
}  # fmt: skip
MOST_ROWS = 20  # episodes that are shown individually
WORTH = 6.0  # s of remaining work above which more processes save time, as they start in about 3 s


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "run", run, "run a controller in a Gymnasium environment", MORE)
    common.add_shared(parser, "file")
    common.add_shared(parser, "--env", type=common.environment, required=True)
    common.add_shared(parser, "--arg")
    common.add_shared(parser, "--perturb")
    parser.add_argument("--episodes", type=common.whole(1), default=5, help="number of episodes (default 5)")
    parser.add_argument("--seed", type=common.whole(0), default=0, help="seed of the first episode (default 0)")
    parser.add_argument("--steps", type=common.whole(1), help="maximum number of steps in an episode")
    text = "number of processes (default: one a core if the run takes long); the results are the same"
    parser.add_argument("--jobs", type=common.whole(1, 1024), metavar="N", help=text)
    parser.add_argument("--alone", action="store_true", help="do not compare with chance and other controllers")
    text = "keep learned weights from episode to episode, in one process; otherwise each begins with the file's weights"
    parser.add_argument("--keep-learning", action="store_true", help=text)
    text = "write the controller's inputs in the first episode, for --input of plot, check and bench"
    parser.add_argument("--record", metavar="NPZ", help=text)
    text = "write a video of the first episode: .mp4, .gif or .png (a sheet of pictures)"
    parser.add_argument("--video", metavar="VIDEO", help=text)
    parser.add_argument("--force", action="store_true", help="replace the files of --record, --video and --out")
    text = "score with each perturbation, beside the baselines: a table and a page"
    parser.add_argument("--robustness", action="store_true", help=text)
    text = "the page of --robustness (default runs/robustness-NAME.html)"
    parser.add_argument("--out", metavar="HTML", help=text)
    add_processor_options(parser)
    common.add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    if options.robustness:
        from .robustness import run_robustness

        return run_robustness(options)
    if options.out:
        raise DescriptionError("--out", options.out, "is for --robustness", "leave it out")
    begin = time.perf_counter()
    check_processor(options)
    world = World(
        options.file, options.env, common.arguments_of(options), options.steps, options.keep_learning,
        options.target or "",
    )  # fmt: skip
    with common.our_output():
        player = Player(world)
        _check(options, player)
        others = () if options.alone else player.others()
        seeds = range(options.seed, options.seed + options.episodes)
        tasks: list[Task] = [(who, seed) for who in (CONTROLLER, *others) for seed in seeds]
        rows: dict[Task, dict[str, Any]] = {}
        notes: list[str] = []
        try:
            jobs = _play(options, player, tasks, rows, notes)
        except KeyboardInterrupt:
            if not rows:
                raise
            jobs = None
        player.env.close()
    played = {who: [rows[who, seed] for seed in seeds if (who, seed) in rows] for who in (CONTROLLER, *others)}
    result = _result(options, player, played) | {"wall_time_s": time.perf_counter() - begin, "jobs": jobs}
    result["interrupted"] = jobs is None
    if options.json:
        common.print_json(result)
    else:
        _print(options, result, notes)
    if jobs is None:
        return 130
    return 1 if (result["processor"] or {}).get("differing") else 0


def _check(options: argparse.Namespace, player: Player) -> None:
    """Raise DescriptionError if controller, environment and options do not fit together."""
    common.check_fit(player.controller, player.env, options.file)
    for flag, path in (("--record", options.record), ("--video", options.video)):
        if path:
            common.check_free(flag, path, options.force)
    if options.keep_learning and not player.controller.program.facts.learning:
        fix = "leave --keep-learning out"
        raise DescriptionError("--keep-learning", options.file, "no projection of it learns", fix)
    if options.keep_learning and (options.jobs or 1) > 1:
        rule = "must be 1 with --keep-learning: an episode needs the one before"
        raise DescriptionError("--jobs", options.jobs, rule)


def _play(
    options: argparse.Namespace,
    player: Player,
    tasks: Sequence[Task],
    rows: dict[Task, dict[str, Any]],
    notes: list[str],
) -> int:
    """Play the episodes of all tasks. Return the number of processes that played them.

    rows : dictionary to which the results are added; after an interrupt, it contains the completed episodes
    notes : list to which notes about written files are appended
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=options.json or not console.is_terminal) as progress:
        bar = progress.add_task("episodes", total=len(tasks))
        begin = time.perf_counter()
        rows[tasks[0]] = _first(options, player, tasks[0], notes)
        progress.update(bar, advance=1)
        left, seconds = tasks[1:], time.perf_counter() - begin
        cores = len(os.sched_getaffinity(0)) if seconds * len(left) > WORTH else 1
        jobs = 1 if options.keep_learning else max(1, min(options.jobs or cores, len(left)))
        here = ((task, player.play(*task)) for task in left)
        with closing(in_processes(player.world, left, jobs) if jobs > 1 else here) as played:
            for task, row in played:
                rows[task] = row
                progress.update(bar, advance=1)
    return jobs


def _first(options: argparse.Namespace, player: Player, task: Task, notes: list[str]) -> dict[str, Any]:
    """Play the first episode, and return its result. Record its inputs and make a video if the options request them.

    notes : list to which notes about written files are appended
    """
    controller, world, video = player.controller, player.world, None
    recorder = InputLogRecorder(controller.bound, real_time=False) if options.record else None
    if options.video:
        from ..report.video_file import EpisodeVideo, check_draws

        check_draws(player.env, options.video)
        player.env.close()
        player.env = common.make_environment(world.environment, world.arguments, render_mode="rgb_array")
        video = EpisodeVideo(options.video, player.env)

    def forget() -> None:
        if recorder in controller.observers:
            controller.observers.remove(recorder)

    def before_step() -> None:
        if recorder and not recorder.has_room(controller.repeat):
            forget()
        if video:
            video.take()

    if recorder:
        controller.observers.append(recorder)
    with video or nullcontext():
        row = player.play(*task[:2], before_step=before_step)
        if video:
            video.take()
    forget()
    if recorder:
        with writing("--record", options.record):
            replace(recorder.log(), origin=_origin(options, row, task[1])).save(options.record)
        ticks, repeat = recorder.total, controller.repeat
        lasts = f"{counted(ticks // repeat, 'step')}, {ticks * controller.program.facts.period:g} s"
        full = "" if recorder.has_room(repeat) else ", then its memory was full"
        notes.append(f"recorded: {options.record}, {lasts}{full}")
    if video:
        notes.append(f"video: {video.text}")
    return row


def _origin(options: argparse.Namespace, row: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return the origin of recorded inputs, to be stored with them: environment, seed, controller and commit."""
    from ..record.provenance import commit

    return {
        "environment": options.env, "arguments": options.arg, "perturb": options.perturb, "seed": seed,
        "perturbed": row.get("perturbed", {}), "controller": options.file, "made": commit(),
    }  # fmt: skip


# output -------------------------------------------------------------------------------------------------------
def _result(options: argparse.Namespace, player: Player, played: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the result of ``snn_control run`` as plain data for JSON, without duration and number of processes.

    played : results of the episodes by actor: the controller, chance, and the baselines
    """
    rows, program = played[CONTROLLER], player.controller.program
    conduct, ticks = [row.pop("conduct") for row in rows], {row["seed"]: row.pop("processor") for row in rows}
    of_chance = {row["seed"]: row["return"] for row in played.get(CHANCE, [])}
    gains = [row["return"] - of_chance[row["seed"]] for row in rows if row["seed"] in of_chance]
    steps = max(1, sum(row["steps"] for row in rows))
    # the threshold applies to whole episodes of the unchanged environment
    changed = options.arg or options.perturb or options.steps
    return {
        "environment": options.env, "arguments": options.arg, "perturb": player.world.arguments.get(PERTURB, {}),
        "controller": options.file,
        "learning": ("kept" if options.keep_learning else "reset") if program.facts.learning else "none",
        **_figures(rows), "compared": {who: _figures(one) for who, one in played.items() if who != CONTROLLER and one},
        "better_than_chance": _spread(gains, "worst", "best") if gains else None,
        "reward_threshold": None if changed else getattr(player.env.spec, "reward_threshold", None),
        "score_units": dict(player.env.metadata.get("score_units") or {}),
        "spikes_a_step": sum(row["spikes"] for row in rows) / steps,
        "synaptic_operations_a_step": sum(row["synaptic_operations"] for row in rows) / steps,
        **statistics_of(player.spec, program, conduct),
        "processor": figures_of(options, ticks, program.facts.period) if options.target else None,
    }  # fmt: skip


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "episodes": rows,
        "return": _spread([row["return"] for row in rows], "worst", "best"),
        "steps": _spread([row["steps"] for row in rows], "least", "most"),
    }


def _spread(values: list[float], least: str, most: str) -> dict[str, Any]:
    s = Spread.of(values)
    interval = None if s.low is None else [s.low, s.high]
    return {"mean": s.mean, "std": s.std, "interval": interval, least: s.least, most: s.most}


def _print(options: argparse.Namespace, result: dict[str, Any], notes: list[str]) -> None:
    rows, title = result["episodes"], f"{options.file} in {options.env}"
    if options.perturb:
        title += f", perturbed by {' '.join(options.perturb)}"
    if len(rows) <= MOST_ROWS:
        common.table(title, list(COLUMNS), [[row[key] for key in COLUMNS.values()] for row in rows])
    _print_scores(rows, result["score_units"])
    shown = [_line(who, one) for who, one in [("controller", result), *result["compared"].items()]]
    columns = ["return", "episodes", "mean", "± 95 %", "std", "worst", "best", "steps"]
    common.table(title if len(rows) > MOST_ROWS else "", columns, shown)
    print_statistics(result)
    if result["processor"]:
        print_processor(result["processor"])
    gain, threshold = result["better_than_chance"], result["reward_threshold"]
    if gain and gain["interval"]:
        low, high = gain["interval"]
        said = "better than chance" if low > 0 else "worse than chance" if high < 0 else "no different from chance"
        print(f"{said}: {gain['mean']:+.4g} an episode, 95 % within {low:+.4g} and {high:+.4g}")
    if threshold is not None:
        reached = "reached" if result["return"]["mean"] >= threshold else "not reached"
        print(f"the environment asks for a mean of {threshold:g}: {reached}")
    if result["learning"] == "kept":
        print("learned weights were carried from episode to episode")
    elif result["learning"] == "reset":
        print("each episode began with the weights of the file; --keep-learning keeps learned weights")
    spikes, operations = result["spikes_a_step"], result["synaptic_operations_a_step"]
    processes = f" in {result['jobs']} processes" if (result["jobs"] or 1) > 1 else ""
    cost = f"{spikes:.4g} spikes, {operations:.4g} synaptic operations"
    print(f"a step: {cost}; {result['wall_time_s']:.3g} s{processes}")
    if safe := sum(row["safe_ticks"] for row in rows):
        ticks = counted(safe, "tick")
        print(f"the guard gave the safe command for {ticks}: an input was missing, stale or not plausible")
    for note in notes:
        print(note)
    if result["interrupted"]:
        others = "".join(f", {len(one['episodes'])} of {who}" for who, one in result["compared"].items())
        print(f"interrupted: after {len(rows)} of {options.episodes} episodes{others}; the figures are of these")


def _line(who: str, one: dict[str, Any]) -> list[Any]:
    of, steps = one["return"], one["steps"]
    half, std = ("-", "-") if of["std"] is None else (0.5 * (of["interval"][1] - of["interval"][0]), of["std"])
    numbers = [of["mean"], half, std, of["worst"], of["best"], steps["mean"]]
    short = [round(n) if isinstance(n, float) and 1000 <= abs(n) < 1e9 else n for n in numbers]  # not 1.234e+04
    return [who, len(one["episodes"]), *short]


def _print_scores(rows: list[dict[str, Any]], units: dict[str, str]) -> None:
    """Print the environment's scores: a row for each episode or, for many episodes, mean, minimum and maximum.

    units : name of a score -> its unit, from the environment's metadata (``score_units``)
    """
    scores = list(dict.fromkeys(key for row in rows for key in row if key.startswith("score.")))
    if not scores:
        return
    names = [key.removeprefix("score.") for key in scores]
    columns = ["seed", *(f"{name} [{units[name]}]" if name in units else name for name in names)]
    if len(rows) <= MOST_ROWS:
        common.table("scores", columns, [[row["seed"], *(row.get(key, "-") for key in scores)] for row in rows])
        return
    spreads = [Spread.of([row[key] for row in rows if key in row]) for key in scores]
    shown = [[name, *(getattr(s, name) for s in spreads)] for name in ("mean", "least", "most")]
    common.table("scores", ["", *columns[1:]], shown)
