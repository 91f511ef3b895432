"""``snn_control train event_tracker``: the pan-tilt controller for bright and dark targets in front of any wall.

Its network is in ``event_tracker_network.py``. Least squares computes the read-outs from the commands of the teacher
`TrueMotion`, anew in each round, from the data of all rounds so far. In the first round the teacher drives, and later
the controller more and more (DAgger, Ross et al. 2011, arXiv:1011.0686). There are three stages:

- ``CALM``: the first read-out. Many episodes are short and begin with a fast target, because that is when targets are
  lost. Others are long, because some offsets grow for seconds.
- ``OFFSETS``: a read-out for small lasting errors, fitted separately. It is added to the first one, which hardly reacts
  to them.
- ``BUSY``: the second read-out, for what the first one misses with noisy cameras and walls of high contrast. Episodes
  continue after the target is lost, and at times a disturbance turns the head away.

Noise in the counts makes fitted weights too small (regression dilution), so those of the pictures are multiplied by a
gain. The result is a mean over rounds, and does not depend on the number of processes.
"""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from event_tracker_network import DT, GRID, LIMIT, SIZE, Settings, make
from threadpoolctl import threadpool_limits

from snn_control import Controller
from snn_control.cli import main
from snn_control.controller import build_program
from snn_control.controller_file import ControllerSpec
from snn_control.training.progress import Folder, locked_folder
from snn_control.training.recipes import TaughtRecipe

WORLD = "sim_worlds:PanTiltTracking-v0"
CALM, OFFSETS, BUSY = range(3)  # stages


@dataclass(frozen=True)
class Stage:
    """How a read-out is taught.

    shares : for each round, the share of the time in which the teacher drives; in `BUSY`, in which a disturbance turns
        the head away
    ridge : weight of the squared weights, see `solve`
    episodes : for each kind of episode in a round, the number of episodes and the arguments of the world
    """

    shares: tuple[float, ...]
    ridge: float
    episodes: tuple[tuple[int, dict[str, Any]], ...]


HARD = {"contrast": -1.1, "background": 0.085, "camera": "noisy", "randomize": 0.2}
STAGES = (
    Stage(
        (1.0, 0.5, 0.2, 0.1, *[0.0] * 6),
        2e-5,
        (
            (6, {"frequency": 0.8, "duration": 5.0, "size": (240, 180)}),
            (26, {"frequency": 0.65, "duration": 5.0, "randomize": 1.0}),
            (26, {"frequency": 0.65, "duration": 6.0, "randomize": 0.6, "background": 0.035}),
            (24, {"frequency": 1.2, "duration": 0.8}),
            (16, {"frequency": 1.2, "duration": 2.5}),
            (8, {"frequency": 0.8, "duration": 3.0, "scene": "rendered", "randomize": 0.3}),
            (4, {"frequency": 1.2, "duration": 2.0, "scene": "rendered"}),
            (32, {"frequency": 1.0, "duration": 0.8, "randomize": 1.0}),
            (10, {"frequency": 0.65, "duration": 5.0, "randomize": 0.5, "camera": "noisy"}),
            (16, {"frequency": 1.0, "duration": 0.8, "randomize": 1.0, "camera": "noisy"}),
            (16, {"frequency": 1.0, "duration": 0.8, **HARD}),
            (16, {"frequency": 1.05, "duration": 2.5, "randomize": 0.25}),
            (8, {"frequency": 0.65, "duration": 2.4, "background": 0.1}),
            (8, {"frequency": 1.2, "duration": 0.8, "background": 0.1, "randomize": 0.3}),
        ),
    ),
    Stage(
        (0.0,) * 3,
        2e-5,
        (
            (8, {"frequency": 0.8, "duration": 5.0, "size": (240, 180)}),
            (16, {"frequency": 0.8, "duration": 5.0, "scene": "rendered", "randomize": 0.2}),
            (16, {"frequency": 0.65, "duration": 10.0, "randomize": 1.0}),
            (26, {"frequency": 0.65, "duration": 11.0, "randomize": 0.6, "background": 0.035}),
            (30, {"frequency": 0.8, "duration": 5.0, "randomize": 0.3}),
            (16, {"frequency": 1.2, "duration": 2.5}),
            (16, {"frequency": 1.05, "duration": 2.5, "randomize": 0.25}),
            (20, {"frequency": 0.65, "duration": 5.0, "randomize": 0.5, "camera": "noisy"}),
            (20, {"frequency": 0.65, "duration": 4.0, "background": 0.1}),
        ),
    ),
    Stage(
        (0.02,) * 8,
        5e-4,
        (
            (16, {"frequency": 0.65, "duration": 5.0, "randomize": 0.5, "camera": "noisy"}),
            (10, {"frequency": 0.8, "duration": 5.0, "randomize": 0.15, "camera": "noisy"}),
            (16, {"frequency": 0.65, "duration": 4.0, "randomize": 1.0, "camera": "noisy"}),
            (8, {"frequency": 1.1, "duration": 3.0, "randomize": 0.3, "camera": "noisy"}),
            (12, {"frequency": 1.0, "duration": 3.0, **HARD}),
            (6, {"frequency": 0.65, "duration": 5.0, "background": 0.1, "randomize": 0.2}),
            (6, {"frequency": 1.1, "duration": 3.0, "background": 0.1, "randomize": 0.2}),
            (12, {"frequency": 1.05, "duration": 3.0, "background": 0.075, "randomize": 0.3}),
            (6, {"frequency": 1.05, "duration": 3.0, "background": 0.075, "contrast": -1.3, "randomize": 0.3}),
        ),
    ),
)


@dataclass(frozen=True)
class Teaching:
    """All numbers of the teaching."""

    network: Settings = field(default_factory=Settings)
    stages: tuple[Stage, ...] = STAGES
    first_alert: float = 0.5  # replaces `Settings.alert` while the first read-out is taught
    gain: float = 2.0  # factor of the pictures' weights, during teaching
    final_gain: float = 2.5
    added: float = 0.7  # factor of the second read-out, during teaching
    final_added: float = 0.85
    smooth: float = 0.1  # weight of squared second differences, see `solve`
    kept: float = 0.9  # factor of the sums of earlier rounds, in each new round
    averaged: int = 5  # rounds whose read-outs are averaged
    held: int = 100  # steps between decisions who drives
    noise: float = 0.06  # noise of the teacher's commands when it drives [rad/s per step]
    half_error: float = 0.2  # error at which a step counts half [rad]
    lost_error: float = 0.5  # error at which the target is lost [rad]
    offset_gain: float = 15.0  # gain for small lasting errors [1/s]
    offset_small: float = 0.05  # size of a small error [rad]
    offset_lasts: float = 0.1  # time constant of a lasting error [s]


# least squares -------------------------------------------------------------------------------------------------
def odd(s: Settings) -> np.ndarray:
    """Return odd functions of each picture, and of the velocity: (channels, features)."""
    columns, first = [], 0
    for size in (*[GRID] * len(s.pictures), s.fields):
        for k in range(size // 2):
            column = np.zeros(s.channels)
            column[[first + k, first + size - 1 - k]] = 1, -1
            columns.append(column)
        first += size
    return np.array(columns).T


def features(seen: np.ndarray, s: Settings) -> np.ndarray:
    """Return the features of counts (steps, 2 channels): (steps, axes, filters times odd features)."""
    x = np.swapaxes(seen.reshape(len(seen), s.channels, 2), 1, 2) @ odd(s)
    filtered, state = np.empty((len(x), 2, len(s.filters), x.shape[2])), 0.0
    decay = np.exp(-DT / np.array(s.filters))[:, None]
    for step, counts in enumerate(x):
        state = decay * state + (1 - decay) * counts[:, None]
        filtered[step] = state
    return filtered.reshape(len(x), 2, -1)


def solve(square: np.ndarray, product: np.ndarray, ridge: float, t: Teaching) -> np.ndarray:
    """Compute a read-out (filters, channels) by least squares, with similar weights in neighbouring columns.

    square, product : sums that `episode` returns
    ridge : weight of the squared weights, in units of the mean square of a feature
    """
    s = t.network
    rough, first = np.zeros((sum(s.parts), sum(s.parts))), 0
    for n in s.parts:
        bend = np.diff(np.eye(n), 2, axis=0)
        rough[first : first + n, first : first + n] = bend.T @ bend
        first += n
    penalty = ridge * np.eye(len(product)) + t.smooth * np.kron(np.eye(len(s.filters)), rough)
    weights = np.linalg.solve(square + np.diag(square).mean() * penalty, product)
    return weights.reshape(len(s.filters), -1) @ odd(s).T


def amplify(readout: np.ndarray, gain: float, s: Settings) -> np.ndarray:
    """Return a read-out whose weights of the pictures are ``gain`` times as large."""
    amplified = readout.copy()
    amplified[..., : -s.fields] *= gain
    return amplified


def offsets(errors: np.ndarray, t: Teaching) -> np.ndarray:
    """Return the lasting part of the errors, (steps, 2); errors larger than ``offset_small`` count less and less."""
    means, mean = np.empty_like(errors), np.zeros(2)
    for step, error in enumerate(errors / (1 + (errors / t.offset_small) ** 2)):
        mean = mean + -math.expm1(-DT / t.offset_lasts) * (error - mean)
        means[step] = mean
    return means


# teaching ------------------------------------------------------------------------------------------------------
def drive(
    readouts: np.ndarray, share: float, stage: int, t: Teaching, arguments: dict[str, Any], seed: Sequence[int]
) -> tuple[np.ndarray, ...]:
    """Play an episode.

    Returns for each step: the teacher's command [half limits], the error [rad], the counts, and for how many steps from
    then on the controller's read-outs are silenced. Returns also whether the target was lost.
    """
    s = t.network if stage else replace(t.network, alert=t.first_alert)
    rng, env = np.random.default_rng(seed), world(*arguments.items())
    controller = Controller.from_spec(make(readouts, s, arguments.get("size", SIZE)))
    teacher = env.unwrapped.baselines()["TrueMotion"]
    observation, info = env.reset(seed=int(rng.integers(10**6, 10**9)))
    silencing = {"stray": 5 * s.blind_lasts} | ({"calm": 4 * s.silence_tau} if stage == BUSY else {})  # s
    rows: list[tuple[Any, ...]] = []
    over, lost, noise, drives = False, False, np.zeros(2), False
    push: np.ndarray = np.zeros(2)
    while not over:
        command, said = np.ravel(controller.predict(observation)[0]), teacher.predict(observation, info)[0]
        error = info["target"] - observation["joint_position"]
        if len(rows) % t.held == 0:
            drives = rng.random() < share
            push = LIMIT * rng.choice([-1.0, 1.0], 2) if drives and stage == BUSY else push
        silent = max(lasts * (controller.raster(name)[1].size > 0) for name, lasts in silencing.items())
        rows.append((said / LIMIT, error, controller.bound.array("seen.v").copy(), round(silent / DT)))
        if drives:
            noise += rng.normal(0, t.noise, 2) - 0.01 * noise
            command = push if stage == BUSY else said + noise
        observation, _, _, over, info = env.step(command.astype(np.float32))
        lost = lost or bool(np.hypot(*error) > t.lost_error)
        over = over or (lost and stage != BUSY)
    return *(np.array(column) for column in zip(*rows, strict=True)), np.array(lost)


@threadpool_limits.wrap(limits=1)
def episode(
    readouts: np.ndarray, share: float, stage: int, t: Teaching, arguments: dict[str, Any], seed: Sequence[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Play an episode and return its sums for `solve`.

    readouts : the two that drive, (2, filters, channels)
    share : as in `Stage`
    arguments : arguments of the world

    Returns the sums of products of features; of features with the wanted values of this stage's read-out [half limits];
    and the numbers of steps and of lost targets.
    """
    said, errors, seen, silent, lost = drive(readouts, share, stage, t, arguments, seed)
    worth = 1 / (1 + (errors / t.half_error) ** 2)
    for step in np.flatnonzero(silent):
        worth[step : step + silent[step]] = 0
    x, wanted = features(seen, t.network)[::4], said[::4]  # every fourth step
    if stage == OFFSETS:
        wanted = t.offset_gain / LIMIT * offsets(errors, t)[::4]
    elif stage == BUSY:
        wanted = wanted - x @ (readouts[0] @ odd(t.network)).reshape(-1) / 2
    axes = [*zip(np.swapaxes(x, 0, 1), worth[::4].T, wanted.T, strict=True)]
    square = sum((x * w[:, None]).T @ x for x, w, _ in axes)
    return square, sum(x.T @ (w * y) for x, w, y in axes), np.array([len(said), lost], int)


@functools.cache
def world(*arguments: tuple[str, Any]) -> Any:
    import gymnasium

    return gymnasium.make(WORLD, **dict(arguments), disable_env_checker=True)


def drivers(readouts: np.ndarray, stage: int, added: float, t: Teaching) -> np.ndarray:
    """Return the two read-outs that drive in this stage, (2, filters, channels).

    readouts : those of each stage after each round, (rounds + 1, stages, filters, channels)
    added : factor of the second read-out
    """
    if stage == CALM:
        return np.stack([readouts[-1, CALM], readouts[-1, BUSY]])
    calm = np.mean(readouts[: len(t.stages[CALM].shares) + 1, CALM][-t.averaged :], axis=0)
    first = amplify(calm, t.final_gain / t.gain, t.network) + readouts[-1, OFFSETS]
    return np.stack([first, added * np.mean(readouts[-t.averaged :, BUSY], axis=0)])


def teach(
    seed: int, folder: str | os.PathLike, processes: int, progress: Callable[[int, int, str], object],
    t: Teaching = Teaching(),
) -> ControllerSpec:  # fmt: skip
    """Teach the controller; resumes from the checkpoint in ``folder`` if there is one.

    progress : called after each round with its number, the number of rounds, and a text about the result
    """
    s = t.network
    n = len(s.filters) * sum(s.parts)
    start = np.zeros((len(t.stages), len(s.filters), s.channels))
    digest = build_program(make(start[:2], replace(s, alert=t.first_alert))).digest
    run = Folder(Path(folder), {"recipe": RECIPE.name, "seed": seed, "controller": digest})
    new = {"square": np.zeros((n, n)), "product": np.zeros(n), "readouts": start[None], "played": np.zeros((0, 3), int)}
    saved = run.load() or new
    square, product, readouts, played = (saved[name] for name in new)
    rounds = [(number, k, share) for number, stage in enumerate(t.stages) for k, share in enumerate(stage.shares)]
    with locked_folder(folder), ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for number in range(len(played), len(rounds)):
            stage, k, share = rounds[number]
            if k == 0:
                square, product = new["square"], new["product"]
            episodes = [arguments for times, arguments in t.stages[stage].episodes for _ in range(times)]
            seeds = [(seed, number, k) for k in range(len(episodes))]
            play = functools.partial(episode, drivers(readouts, stage, t.added, t), share, stage, t)
            squares, products, each = zip(*pool.map(play, episodes, seeds), strict=True)
            square, product = t.kept * square + sum(squares), t.kept * product + sum(products)
            newest, solved = readouts[-1].copy(), solve(square, product, t.stages[stage].ridge, t)
            newest[stage] = solved if stage else amplify(solved, t.gain, s)
            readouts = np.append(readouts, [newest], axis=0)
            played = np.append(played, [[*np.sum(each, axis=0), len(episodes)]], axis=0)
            rows = [
                {"phase": k + 1, "steps": int(steps), "score": 1 - int(lost) / int(times)}
                for k, (steps, (_, lost, times)) in enumerate(zip(np.cumsum(played[:, 0]), played, strict=True))
            ]
            run.save(dict(zip(new, (square, product, readouts, played), strict=True)), rows)
            progress(number + 1, len(rounds), f"the target was lost in {played[-1, 1]} of {len(episodes)} episodes")
    return make(drivers(readouts, len(t.stages) - 1, t.final_added, t))


RECIPE = TaughtRecipe(
    "event_tracker",
    "Pan-tilt head with an event camera: 6,656 CubaLIF neurons get events, 82 LIF neurons the velocity.",
    WORLD,
    teach,
)

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv]))
