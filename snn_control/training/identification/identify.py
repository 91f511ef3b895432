"""Identify the delay between command and effect, the gain of each action channel, and the noise of a recorded robot.

The record is compared with a simulation in which the same controller acts. `LinearResponse` computes a first estimate.
The simulation is then perturbed by this estimate (`--perturb`), and the perturbation is estimated in the same way from
the simulation, several times. The mean difference between estimate and perturbation is the bias of the method, which is
subtracted. The spread of the estimates determines the confidence intervals.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...controller import Controller
from ...controller_file.perturbations import Perturbations
from ...errors import NO_VALUE, DescriptionError, counted
from ...gym_adapter.spaces import inputs_of
from ..environments.perturbed.actions import ActionGain, ActionNoise
from ..environments.perturbed.apply import perturbed
from .linear_response import LAGS, LEAST_GAIN, MOST_DELAY, MOST_GAIN, SIGNIFICANT, Episode, LinearResponse

__all__ = ["FEWEST", "MOST_STEPS", "Identified", "Simulation", "identify", "numbers_of"]

HORIZONS = (1, 5, 20)
#: where responses are compared: error of a delay by one step, in errors of a gain; weight of a bias
STEP, BIAS = 0.1, 0.1
DITHERS = (0.05, 0.2)  # noise on the actions in the simulation, as a share of their range
EPISODES = 12  # of the simulation, for its response
ROUNDS, REPEATS = 3, 4  # of the correction; simulations in each
NOISE = 0.02  # observation noise with which the effect of noise is measured, as a share of the range
LITTLE = 0.002  # noise below this share of the range counts as none
NEAR = 2  # steps around a delay that are tried in a simulation with this delay
FIRST_SEED = 20_000
MOST_EPISODES = 20  # that replace one long one
T_975 = 2.262  # Student's t for ROUNDS * (REPEATS - 1) = 9 degrees of freedom
FEWEST = 100  # steps of a record
MOST_STEPS = 10_000  # of a record; later ones are not used


@dataclass(frozen=True)
class Identified:
    """The identified differences between a record and its simulation, with confidence intervals of about 95 %.

    delay : delay between command and effect, in addition to the delay of the simulation [steps]
    delay_interval : (low, high) [steps]
    gains : gain of each number of the action, relative to the simulation; empty for discrete actions
    gain_intervals : (low, high) of each gain
    noise : name of an observed number -> standard deviation of its noise in addition to the noise of the simulation, as
        a fraction of the number's range
    steps : number of steps of the record
    unused : names of observed numbers that never change in the record
    """

    delay: float
    delay_interval: tuple[float, float]
    gains: tuple[float, ...]
    gain_intervals: tuple[tuple[float, float], ...]
    noise: Mapping[str, float]
    steps: int
    unused: tuple[str, ...] = ()

    @property
    def perturbations(self) -> Perturbations:
        """Perturbations for training, whose ranges include the confidence intervals."""
        low, high = self.delay_interval
        found: dict[str, Any] = {"action_delay": [max(0, round(low)), max(0, round(high))]}
        if self.gains:
            ends = [end for pair in self.gain_intervals for end in pair]
            found["action_gain"] = [max(0.0, math.floor(100 * min(ends)) / 100), math.ceil(100 * max(ends)) / 100]
        if most := max(self.noise.values(), default=0.0):
            found["observation_noise"] = [0, math.ceil(1000 * most) / 1000]
        return Perturbations.of(found)


def numbers_of(given: Mapping[str, Any], controller: Controller) -> np.ndarray:
    """Return all numbers for the value inputs of a controller as one (n,) float64 array.

    given : name of an input -> its values
    """
    parts = [np.ravel(given[name]) for name, one in controller.inputs.items() if one.kind == "value" and name in given]
    return np.concatenate(parts).astype(np.float64) if parts else np.zeros(0)


class _Guess(NamedTuple):
    """An estimate of delay [steps], gains and observation noise, with which the record is simulated again."""

    delay: float
    gains: np.ndarray
    noise: float = 0.0

    @property
    def near(self) -> range:
        """Candidate delays for the estimate from this simulation: at most `NEAR` steps from its delay."""
        return range(max(0, int(self.delay) - NEAR), min(MOST_DELAY, int(self.delay) + NEAR) + 1)


class Simulation:
    """The simulation of the record, in which the same controller acts.

    make : function that makes the environment
    steps : number of steps of the record, and of each simulation
    noise : observation noise of the record in addition to the noise of the simulation, as a fraction of the range
    noises : the same noise for each observed number
    used : (n,) bool, whether an observed number is always finite in the simulation, and changes in the record; the
        other numbers are ignored
    """

    noise: float
    noises: np.ndarray
    used: np.ndarray | None = None

    def __init__(self, make: Callable[[], Any], controller: Controller, steps: int) -> None:
        self.make, self.controller, self.steps = make, controller, steps
        env = make()
        self.space: Any = env.action_space
        self.choices = not hasattr(self.space, "low")
        shape = (self.actions_of(env.action_space.sample()).size,)
        ends = (-np.inf, np.inf) if self.choices else (self.space.low, self.space.high)
        self.low, self.high = (np.broadcast_to(np.ravel(end).astype(np.float64), shape) for end in ends)
        env.close()

    def actions_of(self, action: Any) -> np.ndarray:
        """Return an action as an (m,) float64 array. Discrete actions become one-hot."""
        from gymnasium.spaces.utils import flatten

        return np.asarray(flatten(self.space, action), np.float64).ravel()

    def responses_of(self, changes: np.ndarray) -> list[LinearResponse]:
        """Return the linear responses of the simulation: for each action noise and horizon, with ``A`` free and fixed.

        changes : (n,) bool, which observed numbers change in the record
        """
        self.used = None
        dithers = [{}] if self.choices else [{"action_noise": dither} for dither in DITHERS]
        plays = [[one for k in range(EPISODES) for one in self.play(k, dither)] for dither in dithers]
        finite = np.all([np.isfinite(one.seen).all(0) for play in plays for one in play], 0)
        self.used = finite & changes
        found = []
        for play, horizon in itertools.product(plays, HORIZONS):
            longest = 2 * horizon + LAGS + MOST_DELAY
            kept = [self.usable(one) for one in play if len(one.done) > longest]
            for free in (True, False) if sum(len(one.done) - longest for one in kept) > FEWEST else ():
                found.append(LinearResponse(horizon, free, self.low, self.high, kept))
        if not any(one.responds.any() for one in found):
            rule = "no observed number responds to the actions in this environment"
            raise DescriptionError("--env", NO_VALUE, rule, "the controller must observe what it moves")
        return [one for one in found if one.responds.any()]

    def repeat(self, guess: _Guess, k: int) -> list[Episode]:
        """Simulate the record with the delay, gains and noise of ``guess``. ``k`` selects the seeds."""
        perturb: dict[str, Any] = {"action_delay": int(guess.delay)}
        perturb |= {"observation_noise": guess.noise} if guess.noise else {}
        return self.play(EPISODES + k, perturb, guess.gains)

    def play(self, k: int, perturb: Mapping[str, Any], gains: np.ndarray | None = None) -> list[Episode]:
        """Simulate as many steps as the record has, in one or more episodes.

        k : selects the seeds
        perturb : perturbations of the environment
        gains : gain of each number of the action; None: 1
        """
        env, steps, seed = perturbed(self.make(), perturb), self.steps, FIRST_SEED + MOST_EPISODES * k
        found: list[Episode] = []
        taken: list[Any] = []
        if gains is not None and not self.choices:
            env = ActionGain(env, 1.0, 1.0, np.reshape(gains, self.space.shape))
        noisy = next((one for one in _wrappers(env) if isinstance(one, ActionNoise)), None)
        if noisy is not None:  # the actions with their noise are what the response is to
            plain = noisy.do

            def do(action: Any) -> Any:
                taken.append(plain(action))
                return taken[-1]

            noisy.do = do  # type: ignore[method-assign]
        while steps > 0 and len(found) < MOST_EPISODES:
            taken.clear()
            one = self._episode(env, seed + len(found), steps, taken if noisy is not None else None)
            steps -= len(one.done)
            found.append(one)
        env.close()
        return found

    def _episode(self, env: Any, seed: int, steps: int, taken: list[Any] | None) -> Episode:
        self.controller.reset()
        observation, _ = env.reset(seed=seed)
        seen, done = [], []
        for _ in range(steps):
            given = inputs_of(observation, self.controller.inputs)
            seen.append(numbers_of(given, self.controller))
            action = self.controller.act(observation, self.space)
            observation, _, terminated, truncated, _ = env.step(action)
            done.append(self.actions_of(action if taken is None else taken[-1]))
            if terminated or truncated:
                break
        seen.append(numbers_of(inputs_of(observation, self.controller.inputs), self.controller))
        return self.usable(Episode(np.array(seen), np.array(done)))

    def usable(self, one: Episode) -> Episode:
        """Return an episode without the observed numbers that are ignored."""
        if self.used is None:
            return one
        seen = one.seen[:, self.used]
        return Episode(np.nan_to_num(seen, posinf=0.0, neginf=0.0), one.done)


def _wrappers(env: Any) -> list[Any]:
    found = [env]
    while (inner := getattr(found[-1], "env", None)) is not None:
        found.append(inner)
    return found


def identify(
    simulation: Simulation,
    record: Sequence[Episode],
    names: Sequence[str],
    progress: Callable[[float], object] = lambda share: None,
) -> Identified:
    """Identify delay, gains and noise of a record.

    simulation : the simulation with as many steps as the record, at most MOST_STEPS
    record : observations and actions of the controller, as `numbers_of` and `Simulation.actions_of` return them
    names : name of each observed number
    progress : function that is called with the completed fraction of the work

    Raises DescriptionError if the record is too short, or if no observed number responds to the actions, in the
    simulation or in the record.
    """
    steps = sum(len(one.done) for one in record)
    if steps < FEWEST:
        rule = f"must have at least {FEWEST} steps"
        raise DescriptionError("RECORD", counted(steps, "step"), rule, "record a longer run")
    changes = np.any([np.ptp(one.seen, 0) > 0 for one in record], 0)
    if not changes.any():
        fix = "check the sensors, and that the robot was moving"
        raise DescriptionError("RECORD", NO_VALUE, "has no observed number that ever changes", fix)
    responses = simulation.responses_of(changes)
    record = [simulation.usable(one) for one in record]
    progress(0.2)
    response = _best(simulation, responses, record)
    progress(0.4)
    raw = response.estimate(record)
    now, spread = _Guess(float(round(raw.delay)), raw.gains, simulation.noise), []
    for k in range(ROUNDS):
        found = []
        for r in range(REPEATS):
            found.append(response.estimate(simulation.repeat(now, k * REPEATS + r), now.near))
            progress(0.4 + 0.6 * (k * REPEATS + r + 1) / (ROUNDS * REPEATS))
        each = np.array([[one.delay, *one.gains] for one in found])
        spread.append(each - each.mean(0))
        exact, *gains = np.array([now.delay, *now.gains]) + [raw.delay, *raw.gains] - each.mean(0)
        exact = min(max(0.0, float(exact)), float(MOST_DELAY))
        now = now._replace(delay=float(round(exact)), gains=np.clip(gains, LEAST_GAIN, MOST_GAIN))
    half = T_975 * np.sqrt(np.square(spread).sum((0, 1)) / (ROUNDS * (REPEATS - 1)) * (1 + 1 / REPEATS))
    intervals = tuple((float(g - h), float(g + h)) for g, h in zip(now.gains, half[1:], strict=True))
    return Identified(
        exact, (exact - float(half[0]), exact + float(half[0])),
        () if simulation.choices else tuple(now.gains.tolist()), () if simulation.choices else intervals,
        dict(zip(np.array(names)[simulation.used].tolist(), simulation.noises.tolist(), strict=True)), steps,
        tuple(name for name, one in zip(names, changes, strict=True) if not one),
    )  # fmt: skip


def _best(simulation: Simulation, responses: Sequence[LinearResponse], record: Sequence[Episode]) -> LinearResponse:
    """Return the response that best estimates known delays and gains, in simulations with the noise of the record.

    The function also sets the noise of the simulation (``noise``, ``noises``).
    """
    first = responses[0]
    raw = [one.estimate(record) for one in responses]
    if max(one.evidence for one in raw) < SIGNIFICANT:
        rule = "shows no response to the commands: the observed numbers change as they would without them"
        fix = "check the sensors, and record a run in which the commands change faster"
        raise DescriptionError("RECORD", NO_VALUE, rule, fix)
    guess = _Guess(float(round(np.median([one.delay for one in raw]))), np.ones(len(simulation.low)))
    plain, noisy = (
        np.mean(
            [first.estimate(simulation.repeat(guess._replace(noise=noise), 50 + k)).deviation ** 2 for k in range(2)], 0
        )
        for noise in (0.0, NOISE)
    )
    more = np.clip((raw[0].deviation ** 2 - plain) / np.maximum(noisy - plain, 1e-30), 0.0, None)
    shares = NOISE * np.sqrt(more)
    simulation.noises = np.where(first.responds & (shares > LITTLE), shares, 0.0)
    simulation.noise = float(np.median(simulation.noises[first.responds]))
    played = [simulation.repeat(guess._replace(noise=simulation.noise), 60 + k) for k in range(REPEATS)]

    def error(one: LinearResponse) -> float:
        found = [one.estimate(each) for each in played]
        wrong = np.array([[STEP * (each.delay - guess.delay), *(each.gains - 1)] for each in found])
        bias, spread = np.square(wrong.mean(0)), wrong.var(0)  # bias is corrected later
        return float((spread + BIAS * bias) @ [1, *np.full(len(bias) - 1, 1 / (len(bias) - 1))])

    return min(responses, key=error)
