"""Statistics of an environment's observations under random and held actions, and ranges of inputs from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .rollout import play

__all__ = ["Actions", "Seen", "actions_of", "ranges", "seen_in"]

SPANS = (10, 50)  # steps for which an action is held
EPISODES = 5  # smallest number of episodes with random actions, and of episodes for each way of holding an action
MOST_CONSTANT = 16  # actions that are held for a whole episode
WIDE = 3.0  # bounds of a space that are wider than so many times the values seen are not used as a range


BULK, FAR = 0.9, 1e4  # share of the numbers that defines their usual size; an outlier is so many times larger
DECADES = 40  # powers of ten that are distinguished, from 1 on


@dataclass
class Seen:
    """Statistics of an array of numbers, flattened: (n,) float64 each.

    low, high : smallest and largest finite value; NaN if there was none
    finite : all values were finite as float32
    sizes : (n, DECADES), how many values were below 1, 10, 100, ..
    """

    low: np.ndarray
    high: np.ndarray
    finite: bool = True
    sizes: np.ndarray | None = None

    @classmethod
    def nothing(cls, n: int) -> Seen:
        return cls(np.full(n, np.nan), np.full(n, np.nan), sizes=np.zeros((n, DECADES), np.int64))

    def add(self, values: Any) -> None:
        x = np.asarray(values, np.float64).reshape(-1)
        usable = np.abs(x) <= np.finfo(np.float32).max  # false for NaN
        if not usable.all():
            self.finite = False
            x = np.where(usable, x, np.nan)
        np.fmin(self.low, x, out=self.low)
        np.fmax(self.high, x, out=self.high)
        if self.sizes is not None:
            size = np.ceil(np.log10(np.maximum(np.abs(x[usable]), 1))).astype(int)
            self.sizes[np.flatnonzero(usable), np.minimum(size, DECADES - 1)] += 1

    def usual(self) -> tuple[np.ndarray, np.ndarray]:
        """low and high without outliers, such as values that stand for an error."""
        if self.sizes is None:
            return self.low, self.high
        reached = self.sizes.cumsum(1) >= BULK * self.sizes.sum(1, keepdims=True)
        bulk = 10.0 ** reached.argmax(1)
        far = np.fmax(np.abs(self.low), np.abs(self.high)) > FAR * bulk
        return np.where(far, np.fmax(self.low, -bulk), self.low), np.where(far, np.fmin(self.high, bulk), self.high)


@dataclass(frozen=True)
class Actions:
    """Actions of a space, drawn with a generator of ours, because a space's own samples may exceed the useful limits.

    any : draws a random action
    constant : actions that are held for whole episodes
    """

    any: Callable[[np.random.Generator], Any]
    constant: tuple[Any, ...]


def actions_of(space: Any, limits: tuple[np.ndarray, np.ndarray] | None = None) -> Actions:
    """Actions of a Discrete, MultiDiscrete or MultiBinary, or of a Box within ``limits``, (low, high) of (n,) each."""
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
    if space.shape == () and hasattr(space, "n"):
        n, start = int(space.n), int(getattr(space, "start", 0))
        return Actions(lambda rng: start + int(rng.integers(n)), tuple(range(start, start + min(n, MOST_CONSTANT))))
    nvec = np.asarray(getattr(space, "nvec", np.full(space.shape, 2)))
    constant = tuple(np.minimum(k, nvec - 1).astype(space.dtype) for k in range(min(int(nvec.max()), MOST_CONSTANT)))
    return Actions(lambda rng: rng.integers(nvec).astype(space.dtype), constant)


def _held(actions: Actions, rng: np.random.Generator, steps: int) -> Callable[[Any, Any], Any]:
    """An actor that holds each random action for ``steps`` steps."""
    left, action = 0, None

    def choose(observation: Any, info: Any) -> Any:
        nonlocal left, action
        if left == 0:
            left, action = steps, actions.any(rng)
        left -= 1
        return action

    return choose


def _constant(action: Any) -> Callable[[Any, Any], Any]:
    return lambda observation, info: action


def _scripts(actions: Actions, rng: np.random.Generator) -> Iterator[Callable[[Any, Any], Any]]:
    """Actors for episodes with held actions, one after another without end."""
    while True:
        for k, constant in enumerate(actions.constant):
            yield _constant(constant)
            yield _held(actions, rng, SPANS[k % len(SPANS)])


def seen_in(
    env: Any, sizes: Mapping[str | None, int], actions: Actions, steps: int, seed: int
) -> tuple[dict[str | None, Seen], int]:
    """Play ``steps`` steps with random actions and as many with held ones.

    sizes : key of an observation -> how many numbers; None is the key if the observation is not a Dict
    seed : seed of the actions and of the first episode; each further episode has the next seed

    Returns key -> Seen, and the first seed that was not used.
    """
    rng, seen = np.random.default_rng([seed, 0x5EE]), {key: Seen.nothing(n) for key, n in sizes.items()}

    def look(observation: Any) -> None:
        for key, one in seen.items():
            one.add(observation if key is None else observation[key])

    def watched(choose: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        def looking(observation: Any, info: Any) -> Any:
            look(observation)
            return choose(observation, info)

        return looking

    scripts = _scripts(actions, rng)
    for random in (True, False):
        left = steps
        while left > 0:
            choose = _held(actions, rng, 1) if random else next(scripts)
            most = max(1, min(left, steps // EPISODES if random else steps // (EPISODES * len(SPANS))))
            left -= len(play(env, watched(choose), seed, most)[0])
            seed += 1
    return seen, seed


def ranges(low: np.ndarray, high: np.ndarray, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranges, (n,) each: the space's bounds, or the values seen where the bounds are infinite or far wider.

    low, high : bounds of the space

    Returns low < high, and a mask of the ranges that come from the values seen.
    """
    least, most = _around(seen)
    least, most = np.maximum(least, low), np.minimum(most, high)
    with np.errstate(invalid="ignore", over="ignore"):
        measured = ~(high - low <= WIDE * (most - least)) & (least < most)
    least, most = np.where(measured, least, low), np.where(measured, most, high)
    same = ~(least < most)  # a space with a single value
    return np.where(same, least - 1, least), np.where(same, most + 1, most), measured


def _around(seen: Seen) -> tuple[np.ndarray, np.ndarray]:
    """Limits with a margin of a tenth around the values seen, symmetrical if they have both signs, rounded to about
    two digits."""
    low, high = (np.nan_to_num(side) for side in seen.usual())
    far, both, still = np.maximum(-low, high), (low < 0) & (high > 0), low == high
    low, high = np.where(both, -far, low), np.where(both, far, high)
    room = np.where(still, np.maximum(np.abs(low), 1.0), 0.05 * (high - low))
    least = np.where((low >= 0) & ~still, np.maximum(low - room, 0.0), low - room)
    most = np.where((high <= 0) & ~still, np.minimum(high + room, 0.0), high + room)
    step = 10.0 ** np.floor(np.log10(most - least) - 1.5)
    return np.floor(least / step) * step, np.ceil(most / step) * step
