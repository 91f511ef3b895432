"""Online learning: a controller with learning rules acts in an environment, tick by tick, as on the robot.

One controller acts in one environment, as on one robot. No variants are tried in parallel. The result is the controller
with the weights at the end, even if an earlier phase was better. Each episode starts with the weights that were learned
in the previous episodes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...controller import Controller, build_program
from ...controller_file import ControllerSpec
from ...errors import DescriptionError, InputError, RuntimeFault
from ...findings import Finding, warning
from ...gym_adapter.spaces import check_action, check_observation
from ...network import Projection
from ..environments.evaluation import Evaluation, with_environments
from ..environments.gymnasium_calls import name_of, reset, step
from ..environments.vector_env import Interface
from ..progress import Folder, history_in
from ..result import FINAL, Phase, Trained, first_episode
from .learner import Settings

__all__ = ["Adaptation", "AdaptationSettings", "adapt"]

NOTHING_LEARNED = warning(
    "learning", "no weight has changed", "no neuron before them fires, or the signal that they learn from is 0"
)


@dataclass(frozen=True)
class AdaptationSettings(Settings):
    """Settings of `Adaptation`.

    n_steps : number of environment steps in a phase. After each phase, the learning curve gets a new row and a
        checkpoint is written, without interrupting the loop
    total_timesteps : number of environment steps after which learning ends
    """

    n_steps: int = 2_000
    total_timesteps: int = 50_000


class Adaptation:
    """Runs a controller with learning rules in its environment.

    make : function that makes the environment. A run can be resumed only if the environment depends on nothing except
        seeds and actions
    seeds : function that returns the seed of an episode, from the episode's index

    Raises DescriptionError if no projection learns, or if the controller does not fit the environment.
    """

    def __init__(self, spec: ControllerSpec, make: Callable[[], Any], seeds: Callable[[int], int]) -> None:
        rules = [one.learning for one in spec.network.projections if one.learning is not None]
        if not any(rule.enabled for rule in rules):
            rule = "needs a projection that learns" + ", and all rules are off" * bool(rules)
            fix = "set enabled: true" if rules else "give one a rule, e.g. learning: {type: pes, error: NAME}"
            raise DescriptionError("--how", "adapt", rule, f"{fix} (docs/explanation/plasticity.md)").in_file(spec.path)
        self.spec, self.seeds = spec, seeds
        self.controller, self.env = Controller.from_spec(spec), make()
        facts = self.controller.program.facts
        check_observation(self.controller.inputs, self.env.observation_space)
        check_action({o.name: (o.size, o.actions or None) for o in facts.outputs}, self.env.action_space)
        self._error = getattr(self.env.metadata.get("tracking"), "error", None)
        self.episodes = 0  # number of episodes that have begun
        self._begin()

    def _begin(self) -> None:
        self.controller.reset(keep_learning=True)
        self._now = reset(self.env, self.seeds(self.episodes))[0]
        self.episodes += 1
        self._actions: list[np.ndarray] = []

    def phase(self, steps: int) -> dict[str, float]:
        """Run the loop for ``steps`` steps. Return a report with these entries:

        score : mean return of the episodes that ended, or the sum of the rewards if none ended
        episodes : number of episodes that ended
        spikes_a_step : mean number of spikes in a step
        learned : root mean square of the weight changes
        error : root mean square of the tracking error, if the environment reports one (``metadata["tracking"]``)
        """
        before, rewards, squares, spikes, over = self._weights(), 0.0, 0.0, -self._spikes(), 0
        for _ in range(steps):
            try:
                action = self.controller.act(self._now, self.env.action_space)
            except InputError as error:
                raise RuntimeFault(f"{name_of(self.env)}: gave an observation that does not fit: {error}") from error
            self._actions.append(action)
            self._now, reward, terminated, truncated, info = step(self.env, action)
            rewards += reward
            if self._error is not None:
                squares += float(info[self._error]) ** 2
            if terminated or truncated:
                over, spikes = over + 1, spikes + self._spikes()
                self._begin()
        found = {"score": rewards / max(1, over), "episodes": over}
        found |= {"error": (squares / steps) ** 0.5} if self._error is not None else {}
        found["spikes_a_step"] = (spikes + self._spikes()) / steps
        found["learned"] = float(np.sqrt(np.mean((self._weights() - before) ** 2)))
        return found

    def _spikes(self) -> int:
        """Return the number of spikes in the current episode."""
        return int(self.controller.bound.array("spike_counts").sum())

    def _weights(self) -> np.ndarray:
        """Return the weights of all learning projections as one (k,) float32 array."""
        rules = self.controller.program.facts.learning
        found = [self.controller.rule_weights(rule) for rule in rules]
        return np.concatenate([(w[2] if rule.sparse else w).ravel() for rule, w in zip(rules, found, strict=True)])

    def learned(self, on: bool = True) -> ControllerSpec:
        """Return the controller with its learned weights as initial weights.

        on : whether the learning rules of the returned controller are enabled
        """
        rules = iter(self.controller.program.facts.learning)
        projections = tuple(
            one if one.learning is None else _with_weights(one, self.controller.rule_weights(next(rules)), on)
            for one in self.spec.network.projections
        )
        return replace(self.spec, network=replace(self.spec.network, projections=projections))

    # checkpoints -------------------------------------------------------------------------------------------------
    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays to resume from: controller state, index of the present episode, and its actions.

        The environment's state is not stored. `restore` resets the environment with the seed of the episode, and plays
        the recorded actions again.
        """
        actions = np.array(self._actions).reshape(len(self._actions), *self.env.action_space.shape)
        return {"state": self.controller.state(), "episodes": np.array(self.episodes), "actions": actions}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        self.episodes = int(arrays["episodes"]) - 1
        self._begin()
        for action in arrays["actions"]:
            self._actions.append(action)
            self._now = step(self.env, action)[0]
        self.controller.restore(arrays["state"])


def _with_weights(one: Projection, weights: Any, on: bool) -> Projection:
    """Return a copy of a projection with other initial weights.

    weights : the new weights, in the form of `Controller.rule_weights`
    on : whether the learning rule of the copy is enabled
    """
    if not on:
        one = replace(one, learning=replace(one.learning, enabled=False))  # type: ignore[type-var]
    if not isinstance(weights, tuple):
        return replace(one, weights=weights)
    pre, post, values = weights
    if one.connection == "one_to_one":
        return replace(one, weights=values)
    return replace(one, connection="sparse", pre_index=pre, post_index=post, weights=values)


def adapt(
    spec: ControllerSpec, make: Any, chosen: AdaptationSettings, seed: int, folder: Folder | None, most: int,
    progress: Callable[[Phase], object],
) -> Trained:  # fmt: skip
    """Train a controller by online learning, phase after phase, and evaluate the result.

    The evaluation plays as many new episodes as ended during learning, but at most ``most``. Each new episode starts
    with the learned weights.

    chosen : settings of the learner
    folder : folder of the checkpoints; None: no checkpoints
    progress : called after each phase
    """
    loop = Adaptation(spec, make, lambda number: first_episode(seed, 0) + number)
    history: list[dict[str, Any]] = []
    warnings: list[Finding] = []
    if folder is not None and (arrays := folder.load()) is not None:
        with folder.reading():
            loop.restore(arrays)
            history = history_in(arrays)
    length = min(chosen.n_steps, chosen.total_timesteps)
    resumed = len(history) * length
    begun, ended, phases = time.monotonic(), False, chosen.total_timesteps // length
    try:
        while len(history) < phases:
            report = loop.phase(length)
            steps = (len(history) + 1) * length
            history.append({"phase": len(history) + 1, "steps": steps, **report})
            if folder is not None:
                folder.save({**loop.arrays(), "history": np.array(json.dumps(history))}, history)
            best, seconds = max(row["score"] for row in history), time.monotonic() - begun
            new = [] if report["learned"] or warnings else [NOTHING_LEARNED]
            warnings += new
            done = len(history), steps, chosen.total_timesteps
            progress(Phase(*done, report["score"], best, report["spikes_a_step"], seconds, report, new))
        evaluations = _evaluated(loop, make, min(max(loop.episodes - 1, 1), most))
    except KeyboardInterrupt:
        ended = True
        evaluations = _evaluated(loop, make, 1)
    final, fixed = evaluations
    last = history[-1]["score"] if history else -math.inf
    steps = len(history) * length
    return Trained(loop.learned(), "adapt", final, history, steps, ended, last, warnings, resumed, fixed)


def _evaluated(loop: Adaptation, make: Any, episodes: int) -> tuple[Evaluation, Evaluation]:
    """Evaluate the learned controller in new episodes, first with its learning rules on, then with them off."""
    interface = Interface(loop.spec, loop.env.observation_space, loop.env.action_space, name_of(loop.env))
    play = with_environments(make, [FINAL + k for k in range(episodes)])
    return play(build_program(loop.learned()), interface), play(build_program(loop.learned(on=False)), interface)
