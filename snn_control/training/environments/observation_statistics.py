"""Measure the observations of an environment, and derive the ranges of a controller's inputs from them.

The environment is played with random actions, and with actions that are held constant for many steps.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .play_episode import play

__all__ = ["Actions", "ObservationStatistics", "Played", "actions_of", "observe", "ranges", "rounded"]

SPANS = (10, 50)  # steps for which an action is held
EPISODES = 5  # smallest number of episodes with random actions, and for each way of holding actions
MOST_CONSTANT = 16  # largest number of actions that are held for whole episodes
RANDOM, HELD = 0.005, 0.1  # a range goes from this quantile to 1 minus it, in steps with random and with held actions
ROOM = 0.05  # margin at each end, as a fraction of the width
WIDE = 1.5  # a space's bounds are used unless they are more than this many times wider than the measured range
MUCH = 7, 30  # bounds that are wider by these factors widen the measured range to the geometric mean of both widths
COUNTS = 1000  # bounds of whole numbers are always used if they are at most this far apart
LITTLE = 20  # but bounds of a byte, which say less, only up to this many times the measured width
SAME = 1e-5  # relative difference below which values count as equal
BULK_QUANTILE, MAX_BULK_RATIO = 0.9, 1e4  # values larger than the ratio times this quantile's magnitude are ignored


@dataclass
class ObservationStatistics:
    """The observed values of one array of n numbers.

    random : (steps, n), values from the steps with random actions
    held : (steps, n), values from the steps in which an action was held for many steps
    """

    random: np.ndarray
    held: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether all observed values are finite as float32."""
        return bool(all(_usable(x).all() for x in (self.random, self.held)))

    def ends(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return three (n,) arrays: low and high ends that enclose nearly all values, and whether all are whole.

        The ends are NaN for a number without usable values. Held actions often drive the environment to extreme states,
        so only the middle part of their values is used. Values that are far larger than most others, such as error
        codes, are ignored.
        """
        n = self.random.shape[1]
        low, high, whole = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, bool)
        for k in range(n):
            random, held = (x[:, k][_usable(x[:, k])] for x in (self.random, self.held))
            both = np.concatenate([random, held])
            if not both.size:
                continue
            most = MAX_BULK_RATIO * 10.0 ** np.ceil(np.log10(max(np.quantile(np.abs(both), BULK_QUANTILE), 1)))
            random, held, both = (x[np.abs(x) <= most] for x in (random, held, both))
            low[k], high[k], whole[k] = both.min(), both.max(), (both == np.rint(both)).all()
            if not whole[k] and random.size and held.size:
                quantiles = [np.quantile(x, (q, 1 - q)) for x, q in ((random, RANDOM), (held, HELD))]
                low[k], high[k] = np.min(quantiles), np.max(quantiles)
        return low, high, whole


def _usable(x: np.ndarray) -> np.ndarray:
    return np.abs(x) <= np.finfo(np.float32).max  # false for NaN


class Actions(NamedTuple):
    """Actions to try in an environment. `gymnasium.Space.sample` is not used: it may exceed useful limits.

    any : function that returns a random action
    constant : actions that are held for whole episodes
    """

    any: Callable[[np.random.Generator], Any]
    constant: tuple[Any, ...]


def actions_of(space: Any, limits: tuple[np.ndarray, np.ndarray] | None = None) -> Actions:
    """Return the actions to try for an action space: a Discrete, MultiDiscrete, MultiBinary or Box.

    limits : low and high limits of the actions of a Box
    """
    if limits is not None:
        low, high = limits
        rest = np.clip(np.zeros(low.size), low, high)
        ends = [rest, low, high]
        if low.size > 1:  # each number alone at its ends
            alone = np.eye(low.size, dtype=bool)[: MOST_CONSTANT // 2]
            ends += [np.where(this, end, rest) for this in alone for end in (low, high)]

        def shaped(action: np.ndarray) -> np.ndarray:
            return action.astype(space.dtype).reshape(space.shape)

        return Actions(lambda rng: shaped(rng.uniform(low, high)), tuple(map(shaped, ends)))
    start = getattr(space, "start", 0)
    if space.shape == () and hasattr(space, "n"):
        n, start = int(space.n), int(start)
        return Actions(lambda rng: start + int(rng.integers(n)), tuple(range(start, start + min(n, MOST_CONSTANT))))
    nvec = np.asarray(getattr(space, "nvec", np.full(space.shape, 2)))
    held = range(min(int(nvec.max()), MOST_CONSTANT))
    constant = tuple((start + np.minimum(k, nvec - 1)).astype(space.dtype) for k in held)
    return Actions(lambda rng: (start + rng.integers(nvec)).astype(space.dtype), constant)


def _held(actions: Actions, rng: np.random.Generator, steps: int) -> Iterator[Any]:
    """Yield random actions without end. Each action is yielded ``steps`` times in a row."""
    while True:
        yield from itertools.repeat(actions.any(rng), steps)


def _scripts(actions: Actions, rng: np.random.Generator) -> Iterator[Iterator[Any]]:
    """Yield one endless iterator of actions for each episode.

    The episodes alternate between one constant action, and random actions that are each held for several steps.
    """
    while True:
        for k, constant in enumerate(actions.constant):
            yield itertools.repeat(constant)
            yield _held(actions, rng, SPANS[k % len(SPANS)])


class Played(NamedTuple):
    """The actions and the episode starts of the steps with random actions.

    actions : (steps, k) float64; a Discrete action is one-hot
    first : (steps,) bool, whether a step is the first of its episode
    """

    actions: np.ndarray
    first: np.ndarray


def observe(
    env: Any, sizes: Mapping[str | None, int], actions: Actions, steps: int, seed: int
) -> tuple[dict[str | None, ObservationStatistics], Played, int]:
    """Play ``steps`` steps with random actions, and as many steps with held actions.

    sizes : key of an observation -> its number of values; the key is None if the observation is not a Dict
    seed : seed of the actions and of the first episode; each further episode has the next seed

    Returns three values: the observed values (key -> `ObservationStatistics`), the steps that were played with random
    actions, and the first seed that was not used.
    """
    from gymnasium.spaces.utils import flatten

    rng = np.random.default_rng([seed, 0x5EE])
    seen: dict[str | None, tuple[list, list]] = {key: ([], []) for key in sizes}
    taken: list[np.ndarray] = []
    first: list[bool] = []
    now = 0  # 0 with random actions, then 1 with held ones

    def choose(script: Iterator[Any], observation: Any, info: Any) -> Any:
        for key, parts in seen.items():
            parts[now].append(np.array(observation if key is None else observation[key], np.float64).reshape(-1))
        action = next(script)
        if now == 0:
            taken.append(np.asarray(flatten(env.action_space, action), np.float64))
        return action

    scripts = _scripts(actions, rng)
    for now in range(2):
        left, episodes = steps, EPISODES if now == 0 else EPISODES * len(SPANS)
        while left > 0:
            script = _held(actions, rng, 1) if now == 0 else next(scripts)
            n = len(play(env, functools.partial(choose, script), seed, max(1, min(left, steps // episodes)))[0])
            first += [True] + [False] * (n - 1) if now == 0 else []
            left -= n
            seed += 1
    found = {key: ObservationStatistics(*map(np.array, parts)) for key, parts in seen.items()}
    return found, Played(np.array(taken), np.array(first)), seed


def ranges(low: np.ndarray, high: np.ndarray, seen: ObservationStatistics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three (n,) arrays: low and high ends of the ranges, and whether a range comes from observed values.

    A range has the bounds of the space. If these are infinite, or far wider than the observed values, the range comes
    from the observed values instead.

    low : (n,), lower bounds of the space
    high : (n,), upper bounds of the space
    seen : the observed values
    """
    least, most, whole = _around(seen)
    least, most = np.maximum(least, low), np.minimum(most, high)
    with np.errstate(all="ignore"):
        width, byte = most - least, whole & (high - low == 255)
        counts = np.where(whole, np.where(byte, LITTLE * width, COUNTS), 0)
        measured = ~(high - low <= np.maximum(WIDE * width, counts)) & (least < most)
        wider = _towards(least, most, low, high)
        least, most = (np.where(byte, *both) for both in zip((least, most), wider, strict=True))
    least, most = np.where(measured, least, low), np.where(measured, most, high)
    same = ~(least < most)  # a space with a single value
    return np.where(same, least - 1, least), np.where(same, most + 1, most), measured


def _towards(least: np.ndarray, most: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widen measured ranges that cover only a small part of the space, because a controller may leave them.

    Return the low and high ends, (n,) each. If only one sign was observed, the range is not widened beyond 0.

    least : (n,), measured low ends
    most : (n,), measured high ends
    low : (n,), lower bounds of the space
    high : (n,), upper bounds of the space
    """
    wider = (high - low) / (most - least)
    grows = (wider >= MUCH[0]) & (wider <= MUCH[1])
    share = (np.sqrt(wider) - 1) / (wider - 1)
    new_low, new_high = rounded(least - share * (least - low), most + share * (high - most))
    new_low = np.where(least >= 0, np.maximum(new_low, 0), new_low)
    new_high = np.where(most <= 0, np.minimum(new_high, 0), new_high)
    return np.where(grows, new_low, least), np.where(grows, new_high, most)


def _around(seen: ObservationStatistics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return three (n,) arrays: low and high ends of ranges around the observed values, and whether all are whole.

    The ranges begin and end at `ObservationStatistics.ends`. They are made symmetrical if both signs occur, then
    widened by a tenth, then rounded.
    """
    low, high, whole = seen.ends()
    low, high = np.nan_to_num(low), np.nan_to_num(high)
    far, both, still = np.maximum(-low, high), (low < 0) & (high > 0), np.isclose(low, high, rtol=SAME, atol=0)
    low, high = np.where(both, -far, low), np.where(both, far, high)
    room = np.where(still, np.maximum(np.abs(low), 1.0), ROOM * (high - low))
    least = np.where((low >= 0) & ~still, np.maximum(low - room, 0.0), low - room)
    most = np.where((high <= 0) & ~still, np.minimum(high + room, 0.0), high + room)
    return *rounded(least, most), whole


def rounded(low: Any, high: Any) -> tuple[Any, Any]:
    """Return the low and high ends of ranges, rounded outwards to about two digits of the range's width.

    Each low end must be below its high end.
    """
    step = 10.0 ** np.floor(np.log10(high - low) - 1.5)
    return np.floor(low / step) * step, np.ceil(high / step) * step
