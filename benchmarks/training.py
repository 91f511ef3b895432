"""Training by the commands alone: ``new`` and ``train`` for each task and seed, with defaults or settings files.

| column | meaning |
|---|---|
| score | mean return of 100 episodes that nothing else used, for each seed |
| CPU | CPU seconds of the whole command ``train``: training, validations, evaluation, page |
| spikes | spikes of all neurons in a step of the environment |

``python -m benchmarks.training [TASK ...] [--seeds N] [--tuned] [--set KEY=VALUE]``; ``--tuned`` uses the settings file
``benchmarks/settings/TASK.yaml`` of a task that has one, whose values were found by trying on this task;
``--set spike_cost=0`` sets another value; ``--curves FILE.png`` draws score and spikes of all seeds. LunarLander and
BipedalWalker need ``pip install 'gymnasium[box2d]'``, HalfCheetah, Hopper and Walker2d ``'gymnasium[mujoco]'``.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.play_episode import play
from snn_control.training.result import FINAL
from snn_control.training.teachers.teacher import teacher_of
from snn_control.training.training_run import EVALUATION_EPISODES

from .processes import ROOT, verdict

SETTINGS = ROOT / "benchmarks/settings"
SETTLED = -159.3  # mean return of `benchmarks.parity.swing_up` in the episodes of the evaluation


def positions_only(**arguments: Any) -> gymnasium.Env:
    """CartPole whose velocities cannot be observed, so that a controller must remember."""
    env = gymnasium.make("CartPole-v1", **arguments).unwrapped
    seen = env.observation_space
    space = gymnasium.spaces.Box(seen.low[::2], seen.high[::2], dtype=seen.dtype)
    return gymnasium.wrappers.TransformObservation(env, lambda observation: observation[::2], space)


gymnasium.register("CartPolePositions-v0", positions_only, reward_threshold=475, max_episode_steps=500)


@dataclass(frozen=True)
class Task:
    """An environment and a way to train.

    score : score that at least ``of`` out of ``seeds`` seeds should reach
    seconds : CPU time that a run may take
    teacher : as in ``train --teacher``
    steps : as in ``train --steps``; 0: the default
    extra : package that the environment needs, as Python imports it
    """

    env: str
    how: str
    score: float
    of: int
    seconds: float
    seeds: int = 5
    teacher: str = ""
    steps: int = 0
    extra: str = ""

    @property
    def missing(self) -> bool:
        """Whether the package that the environment needs is not installed."""
        return bool(self.extra) and importlib.util.find_spec(self.extra) is None


HEURISTIC = "gymnasium.envs.box2d.lunar_lander:heuristic"
SWING_UP = "benchmarks.parity:swing_up"
TASKS = {
    "cartpole": Task("CartPole-v1", "ppo", 500, 5, 30),
    "pendulum": Task("Pendulum-v1", "sac", SETTLED - 8, 5, 45),
    "acrobot": Task("Acrobot-v1", "ppo", -95, 5, 45),
    "mountain-car": Task("MountainCarContinuous-v0", "sac", 93, 5, 60),
    "lander": Task("LunarLander-v3", "ppo", 220, 4, 150, extra="Box2D"),
    "lander-imitate": Task("LunarLander-v3", "imitate", 245, 5, 15, teacher=HEURISTIC, extra="Box2D"),
    "pendulum-imitate": Task("Pendulum-v1", "imitate", SETTLED - 8, 5, 10, teacher=SWING_UP),
    "cartpole-positions": Task("benchmarks.training:CartPolePositions-v0", "ppo", 450, 4, 90),
    "cartpole-evolve": Task("CartPole-v1", "evolve", 500, 5, 20),
    "walker": Task("BipedalWalker-v3", "sac", 250, 2, 1800, seeds=3, extra="Box2D"),
    # score and CPU time of the SAC of stable-baselines3 in as many steps (docs/explanation/training.md)
    "half-cheetah": Task("HalfCheetah-v5", "sac", 4769, 2, 2260, seeds=3, steps=200_000, extra="mujoco"),
    "hopper": Task("Hopper-v5", "sac", 1210, 2, 1890, seeds=3, steps=200_000, extra="mujoco"),
    "walker2d": Task("Walker2d-v5", "sac", 1488, 2, 1910, seeds=3, steps=200_000, extra="mujoco"),
}
QUICK = ("cartpole", "cartpole-evolve")
CURVE = ("steps", "score", "spikes_a_step")


def snn_control(*arguments: str, folder: Path) -> str:
    """Run a command; returns its output."""
    environment = os.environ | {"SDL_VIDEODRIVER": "dummy"}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH")]))
    command = [str(Path(sys.executable).with_name("snn_control")), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def run(name: str, seed: int, settings: list[str], tuned: bool) -> dict[str, Any]:
    """Train a task; returns its figures. This needs a process of its own, so that its children's CPU time is that of
    the command.

    settings : values of the option ``--set``
    tuned : whether to use the task's settings file, if it has one
    """
    task = TASKS[name]
    given = [part for pair in settings for part in ("--set", pair)]
    if tuned and (file := SETTINGS / f"{name}.yaml").is_file():
        given += ["--settings", str(file)]
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        snn_control("new", "start.yaml", "--env", task.env, "--seed", str(seed), folder=folder)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(
            snn_control(
                "train", "start.yaml", "--env", task.env, "--how", task.how, "--out", "trained.yaml", "--run", "run",
                "--seed", str(seed), "--json", *(["--teacher", task.teacher] if task.teacher else []),
                *(["--steps", str(task.steps)] if task.steps else []), *given, folder=folder,
            )
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        with (folder / "run/progress.csv").open() as file:
            curve = [[float(row[key]) for key in CURVE] for row in csv.DictReader(file)]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    kept = {key: found[key] for key in ("mean", "worst", "steps", "spikes_a_step")}
    return {"seed": seed, "cpu": cpu, **kept, "curve": curve}


def score_of_teacher(task: Task) -> float:
    """Return the mean return of a task's teacher in the episodes of the evaluation."""
    env = make(task.env, {})
    teacher, returns = teacher_of(task.teacher, env), []
    for k in range(EVALUATION_EPISODES):
        returns.append(play(env, lambda observation, info: teacher(env, observation, info), FINAL + k)[0].sum())
    env.close()
    return float(np.mean(returns))


def show(name: str, rows: list[dict[str, Any]]) -> bool:
    """Print a task's line; returns whether scores and CPU time reach its bars."""
    task = TASKS[name]
    scores, cpu = [row["mean"] for row in rows], [row["cpu"] for row in rows]
    reached = sum(score >= task.score for score in scores)
    good = reached >= min(task.of, len(rows)) and float(np.median(cpu)) <= task.seconds
    said = " ".join(f"{score:.1f}" for score in scores)
    print(
        f"{name:17} {said}; {reached} of {len(rows)} reach {task.score:g} (bar: {task.of}); "
        f"CPU {min(cpu):.0f} to {max(cpu):.0f} s (bar: {task.seconds:g}); "
        f"spikes {' '.join(format(row['spikes_a_step'], '.0f') for row in rows)}; worst episode "
        f"{min(row['worst'] for row in rows):.0f}; {verdict(good)}",
        flush=True,
    )
    return good


def draw(figures: dict[str, list[dict[str, Any]]], path: str) -> None:
    """Draw score and spikes of all runs over the steps of the environment, a column for each task."""
    from matplotlib.figure import Figure

    picture = Figure((3.2 * len(figures), 4.6), layout="constrained")
    axes = picture.subplots(2, len(figures), sharex="col", squeeze=False)
    for (name, rows), (above, below) in zip(figures.items(), axes.T, strict=True):
        for row in rows:
            steps, score, spikes = np.array(row["curve"]).T
            above.plot(steps / 1000, score, linewidth=1)
            below.semilogy(steps / 1000, spikes, linewidth=1)
        above.axhline(TASKS[name].score, color="0.6", linestyle=":", linewidth=1)
        above.set_title(f"{TASKS[name].env.rpartition(':')[2]}, {TASKS[name].how}", fontsize=10)
        below.set_xlabel("thousand steps")
    axes[0, 0].set_ylabel("score in validation")
    axes[1, 0].set_ylabel("spikes in a step")
    picture.savefig(path, dpi=110)


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=f"one or more of {', '.join(TASKS)} (default: all)")
    parser.add_argument("--quick", action="store_true", help=f"one seed of {' and '.join(QUICK)}")
    parser.add_argument("--seeds", type=int, help="number of seeds (default: 5; locomotion: 3)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the learner")
    parser.add_argument("--tuned", action="store_true", help="use the tasks' files in benchmarks/settings")
    parser.add_argument("--processes", type=int, default=1, help="runs at a time (default 1)")
    parser.add_argument("--curves", metavar="FILE.png", help="draw the learning curves (needs matplotlib)")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        print(json.dumps(run(options.one[0], int(options.one[1]), options.set, options.tuned)))
        return {}
    if unknown := [name for name in options.tasks if name not in TASKS]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(TASKS)}")
    names = options.tasks or (QUICK if options.quick else tuple(TASKS))
    if left := [name for name in names if TASKS[name].missing]:
        print(f"left out: {', '.join(left)}; they need pip install 'gymnasium[box2d,mujoco]'")
        names = [name for name in names if name not in left]

    def one(job: tuple[str, int]) -> dict[str, Any]:
        command = [sys.executable, "-m", "benchmarks.training", "--one", job[0], str(job[1])]
        command += [part for pair in options.set for part in ("--set", pair)] + ["--tuned"] * options.tuned
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return json.loads(done.stdout)

    figures: dict[str, Any] = {"set": options.set, "tuned": options.tuned}
    passed = True
    with ThreadPoolExecutor(options.processes) as pool:
        for name in names:
            seeds = range(1 if options.quick else options.seeds or TASKS[name].seeds)
            figures[name] = list(pool.map(one, [(name, seed) for seed in seeds]))
            passed &= show(name, figures[name])
            if TASKS[name].teacher:
                print(f"{'':17} {score_of_teacher(TASKS[name]):.1f}: the teacher in the same episodes", flush=True)
    if options.curves:
        draw({name: figures[name] for name in names}, options.curves)
    return figures | {"passed": passed}


if __name__ == "__main__":
    main()
