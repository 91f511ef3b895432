"""A world is a physics client, a robot, a task and sensors: together a Gymnasium environment.

The structure is that of panda-gym (Gallouédec et al. 2021, arXiv:2106.13687). A new world derives a `Robot` and a
`Task`, combines them in a class derived from `World`, and is registered in ``sim_worlds/__init__.py``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from snn_control.errors import DescriptionError

from .client import Client, silent
from .sensors.event_sensor import EventSensor

__all__ = ["Robot", "Task", "Tracking", "World"]


class Robot(ABC):
    """A body that is fixed to the ground, and the actuators of its joints.

    A derived class sets ``action_space``, and ``observation_spaces`` for `observe`.

    Parameters
    ----------
    client : the physics client that the body is loaded into
    file : URDF
    joints : names of the joints that are driven and observed

    Attributes
    ----------
    position, velocity : of the joints [rad, rad/s]
    """

    action_space: spaces.Space
    observation_spaces: Mapping[str, spaces.Space]

    def __init__(self, client: Client, file: Path, joints: Sequence[str]) -> None:
        self.client = client
        with silent():
            self.body = client.loadURDF(str(file), useFixedBase=True)
        names = [client.getJointInfo(self.body, k)[1].decode() for k in range(client.getNumJoints(self.body))]
        self.joints = [names.index(name) for name in joints]
        self.read()

    @abstractmethod
    def act(self, action: Any) -> None:
        """Drive the joints during the step that starts now."""

    def read(self) -> None:
        """Update ``position`` and ``velocity`` from the physics client."""
        states = self.client.getJointStates(self.body, self.joints)
        self.position, self.velocity = [s[0] for s in states], [s[1] for s in states]

    def reset(self, position: Sequence[float] | np.ndarray) -> None:
        """Place the joints at these angles [rad], at rest."""
        for joint, angle in zip(self.joints, position, strict=True):
            self.client.resetJointState(self.body, joint, angle, 0.0)
        self.read()

    def observe(self) -> dict[str, np.ndarray]:
        """``joint_position`` and ``joint_velocity``: (joints,) float64, new arrays."""
        return {"joint_position": np.array(self.position), "joint_velocity": np.array(self.velocity)}


class Task(ABC):
    """A task, and the measure of its success."""

    @abstractmethod
    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        """Draw an episode and place the robot for step 0.

        times : (steps + 1,) float64, of the episode's steps [s]
        """

    @abstractmethod
    def step(self, k: int) -> None:
        """Advance to step ``k`` of the episode; the robot has moved already."""

    @abstractmethod
    def judge(self) -> tuple[float, bool, dict[str, Any]]:
        """Reward of this step, whether it ends the episode, and info; called once for each step."""

    def score(self) -> dict[str, float]:
        """Scores of the whole episode: name -> number, in the units of the world's ``metadata["score_units"]``."""
        return {}


@dataclass(frozen=True)
class Tracking:
    """What a world's robot should follow, for the tables and pictures of a run.

    target, head : name of the target's position (in info) and of what follows it (in the observation), [rad or m]
    error : name of their distance (in info)
    axes : names of the numbers of ``target`` and ``head``
    unit, scale : unit of the error in keys of a summary; factor for that unit
    lost, closed : an error that means the target is lost; an rms that only a closed loop keeps [unit]
    scored_from : the error counts from this time of an episode on [s]
    note : remark on ``closed``
    """

    target: str
    head: str
    error: str
    axes: tuple[str, ...]
    lost: float
    closed: float
    unit: str = "deg"
    scale: float = 180.0 / math.pi
    scored_from: float = 0.0
    note: str = ""


class World(gymnasium.Env):
    """An environment of a client, a robot, a task and sensors.

    Info has ``time`` [s] and the info of task and sensors; that of an episode's last step has the task's ``score``.

    ``snn_control run`` and ``demo`` use a world's ``metadata``: ``title``; ``controller``, the
    shipped one; ``tracking``; ``score_units``; ``compared_with``, the `baselines` that ``run`` plays. All optional.

    Parameters
    ----------
    client : the physics client that ``robot`` was loaded into
    sensors : their observations come before the robot's
    dt : of a step [s]
    duration : of an episode [s], after which it is truncated
    render_mode : None or one of the class's ``metadata["render_modes"]``
    """

    def __init__(
        self,
        client: Client,
        robot: Robot,
        task: Task,
        sensors: Sequence[EventSensor] = (),
        *,
        dt: float,
        duration: float,
        render_mode: str | None = None,
    ) -> None:
        if not (math.isfinite(duration) and duration >= dt):
            raise DescriptionError("duration", duration, f"must be finite and at least one step of {dt} s")
        if render_mode not in (None, *self.metadata["render_modes"]):
            modes = ", ".join(map(repr, self.metadata["render_modes"]))
            raise DescriptionError("render_mode", render_mode, f"must be None or {modes}")
        self.client, self.robot, self.task, self.sensors = client, robot, task, sensors
        self.dt, self.steps, self.render_mode = dt, round(duration / dt), render_mode
        self.max_episode_steps = self.steps  # so that trainers need not cut its episodes
        self.action_space = robot.action_space
        self._parts: tuple[EventSensor | Robot, ...] = (*sensors, robot)
        observed = [item for part in self._parts for item in part.observation_spaces.items()]
        if len(dict(observed)) < len(observed):
            rule = "two parts of a world must not use the same name for an observation"
            raise DescriptionError("sensors", sorted(name for name, _ in observed), rule, "give each sensor a name")
        self.observation_space = spaces.Dict(dict(observed))
        client.setTimeStep(dt)
        client.setGravity(0.0, 0.0, -9.81)
        self._start = client.saveState()
        self._k = self.steps  # no episode has started

    def baselines(self) -> dict[str, Any]:
        """Classical controllers for a world with these arguments, by name; many worlds have none.

        Each has ``label`` and ``note`` (str), ``reset()`` and ``predict(observation, info) -> (action, None)``.
        """
        return {}

    def _observe(self) -> dict[str, np.ndarray]:
        return {name: value for part in self._parts for name, value in part.observe().items()}

    def _judge(self) -> tuple[float, bool, dict[str, Any]]:
        reward, over, info = self.task.judge()
        told = [one for sensor in self.sensors for one in sensor.info().items()]
        return reward, over, {"time": self._k * self.dt, **info, **dict(told)}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._k = 0
        # a newly loaded body may move differently from a restored state, so the first episode restores it too
        self.client.restoreState(self._start)
        self.task.reset(self.np_random, np.arange(self.steps + 1) * self.dt)
        for sensor in self.sensors:
            sensor.reset(self.np_random)
        return self._observe(), self._judge()[2]

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        if self._k >= self.steps:
            raise gymnasium.error.ResetNeeded("the episode is over or has not started: call reset()")
        self.robot.act(action)
        self.client.stepSimulation()
        self._k += 1
        self.robot.read()
        self.task.step(self._k)
        for sensor in self.sensors:
            sensor.step()
        reward, over, info = self._judge()
        truncated = self._k >= self.steps
        if (over or truncated) and (score := self.task.score()):
            info["score"] = score
        return self._observe(), reward, over, truncated, info

    def close(self) -> None:
        self.client.close()
        for sensor in self.sensors:
            sensor.close()
        super().close()
