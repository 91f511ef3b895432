"""Play the episodes of the scoreboard's protocol, and measure the returns, the cost and the digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..analysis import energy, speed
from ..analysis.perceptron import perceptron_of
from ..analysis.stimulus import Stimulus
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..engine.workload import workload
from ..gym_adapter.flat import unflattened
from ..record.input_recorder import InputLogRecorder
from ..record.provenance import software
from ..training.environments.play_episode import play, random_actions
from ..training.teachers.teacher import Teacher
from .protocol import PHYSICS, Task
from .statistics import interquartile_mean, interval

__all__ = ["Actor", "Spiking", "measure"]

RECORDED = 2_000  # ticks of the first episode, with which the tick is timed


class Actor:
    """A policy that acts in the episodes: any function of the environment's observation, or random actions."""

    def __init__(self, env: Any, teacher: Teacher | None) -> None:
        self.env, self.teacher = env, teacher

    def begin(self, seed: int) -> None:
        if self.teacher is None:
            self._random = random_actions(self.env, seed)
        else:
            self.teacher.reset()

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        if self.teacher is None:
            return self._random(observation, info)
        return self.teacher(self.env, unflattened(self.env, observation), info)

    def end(self, steps: int) -> None:
        """Handle the end of an episode of ``steps`` steps. `measure` calls this method."""

    def results(self) -> dict[str, Any]:
        """Return further results of the policy for its row, such as the cost of a spiking controller."""
        return {}


class Spiking(Actor):
    """A spiking controller that acts in the episodes. Its spikes, operations, memory and energy are measured."""

    def __init__(self, env: Any, controller: Controller, spec: ControllerSpec | None) -> None:
        self.env, self.controller, self.spec = env, controller, spec
        self.steps, self.sums = 0, dict[str, float]()
        self.recorder: InputLogRecorder | None = InputLogRecorder(controller.bound, real_time=False)
        self.log: Any = None

    def begin(self, seed: int) -> None:
        self.controller.reset()
        if self.recorder:
            self.controller.observers.append(self.recorder)

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        if self.recorder and (self.recorder.total >= RECORDED or not self.recorder.has_room(self.controller.repeat)):
            self._recorded()
        return self.controller.act(observation, self.env.action_space)

    def _recorded(self) -> None:
        """End the recording of the first episode's inputs, with which the duration of a tick is measured."""
        assert self.recorder is not None
        self.controller.observers.remove(self.recorder)
        self.log, self.recorder = self.recorder.log(), None

    def end(self, steps: int) -> None:
        if self.recorder:
            self._recorded()
        bound, counted = self.controller.bound, self.controller.counters()
        found, ticks = workload(bound), counted["ticks"]
        operations, spent = found["synaptic_operations"], energy.estimate(bound)
        network_steps = ticks * self.controller.program.steps
        values = {
            "spikes": sum(counted["spikes"].values()),
            **{key: operations[key] * network_steps for key in operations},
            "silent": (found["activation_sparsity"] or 0.0) * steps,
            "arithmetic": spent.tick * ticks, "memory": energy.memory(bound) * ticks,
        }  # fmt: skip
        self.sums = {key: self.sums.get(key, 0.0) + value for key, value in values.items()}
        self.steps += steps

    def results(self) -> dict[str, Any]:
        found, mean = workload(self.controller.bound), {key: one / self.steps for key, one in self.sums.items()}
        program = self.controller.program
        stimulus = Stimulus("the first episode", program.facts.period, self.log)
        own = {
            "spikes": mean["spikes"],
            "operations": {key: mean[key] for key in ("dense", "accumulates", "multiply_accumulates")},
            "footprint": sum(found["footprint"].values()),
            "connection_sparsity": found["connection_sparsity"],
            "activation_sparsity": mean["silent"] if found["activation_sparsity"] is not None else None,
            "nanojoule": {"arithmetic": mean["arithmetic"] * 1e-3, "memory": mean["memory"] * 1e-3},
            "tick_us": speed.loop_times(program, stimulus)["p50"],
        }
        if self.spec is not None:
            own["perceptron"] = vars(perceptron_of(self.spec, program))
        return own


def measure(task: Task, actor: Actor, progress: Callable[[int], object] = lambda done: None) -> dict[str, Any]:
    """Play the episodes of a task. Return the results of a `snn_control.scoreboard.row.Row`.

    The digest is the SHA-256 of all actions and rewards, as float64, in the order of the episodes.

    progress : function that is called with the number of complete episodes
    """
    digest, returns, steps = hashlib.sha256(), [], 0

    def choose(observation: Any, info: Mapping[str, Any]) -> Any:
        action = actor.act(observation, info)
        digest.update(np.asarray(action, np.float64).tobytes())
        return action

    for k, seed in enumerate(task.seeds):
        actor.begin(seed)
        rewards, _ = play(actor.env, choose, seed)
        digest.update(rewards.tobytes())
        returns.append(float(rewards.sum()))
        steps += len(rewards)
        actor.end(len(rewards))
        progress(k + 1)
    values = np.array(returns)
    low, high = interval(values)
    spread = {"mean": float(values.mean()), "iqm": float(interquartile_mean(values)), "low": low, "high": high}
    return {
        "episodes": task.episodes, "return": spread | {"worst": float(values.min()), "best": float(values.max())},
        "steps": steps / task.episodes, **actor.results(), "digest": digest.hexdigest(),
        "versions": software("gymnasium", "numpy", *PHYSICS.get(task.extra, ())),
    }  # fmt: skip
