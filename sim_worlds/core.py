"""The base classes of worlds. A world is a Gymnasium environment that combines a physics client, a robot, a task and
sensors.

The structure is that of panda-gym (Gallouédec et al. 2021, arXiv:2106.13687). A new world derives a `Robot` and a
`Task`, combines them in a class derived from `World`, and is registered in ``sim_worlds/__init__.py``.
"""

from __future__ import annotations

import copy
import functools
import inspect
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces

from snn_control.errors import DescriptionError, InputError

from .client import Client, silent
from .sensors.event_sensor import EventSensor

__all__ = ["Baseline", "Goal", "Robot", "Task", "Tracking", "World", "check_action"]


def check_action(action: Any, space: spaces.Space) -> None:
    """Raise InputError if an action does not have the shape of its space, or is not finite.

    The action may exceed the bounds of the space.
    """
    numbers = np.asarray(action, np.float64)
    if numbers.shape != space.shape:
        raise InputError(f"action of shape {numbers.shape}: must have the shape {space.shape}")
    if not math.isfinite(sum(numbers.tolist())) and not (finite := np.isfinite(numbers)).all():
        k = int(np.argmin(finite))
        raise InputError(f"action[{k}] = {numbers[k]}: must be finite")


class Robot(ABC):
    """Base of the robots: a body and its actuators.

    A derived class sets ``action_space``, and ``observation_spaces`` for the entries that `observe` returns.

    client : physics client into which the body is loaded
    file : URDF file
    joints : names of the joints that are driven and observed
    fixed : whether the base is fixed to the ground
    position : angles of the joints [rad]
    velocity : speeds of the joints [rad/s]
    """

    #: names of methods that disturb an episode, see `World.disturbances`; each takes a random generator
    DISTURBANCES: ClassVar[Sequence[str]] = ()
    action_space: spaces.Box
    observation_spaces: Mapping[str, spaces.Space]

    def __init__(self, client: Client, file: Path, joints: Sequence[str], fixed: bool = True) -> None:
        self.client = client
        with silent():
            self.body = client.loadURDF(str(file), useFixedBase=fixed)
        names = [client.getJointInfo(self.body, k)[1].decode() for k in range(client.getNumJoints(self.body))]
        self.joints = [names.index(name) for name in joints]
        self.read()

    @abstractmethod
    def act(self, action: Any) -> None:
        """Drive the joints during the step that starts now. The action has passed `check_action`."""

    def drive(self) -> None:  # noqa: B027 - most need nothing
        """Apply the actuators in the physics step that starts now.

        A step of the world may have several physics steps.
        """

    def read(self) -> None:
        """Update ``position`` and ``velocity`` from the physics client."""
        states = self.client.getJointStates(self.body, self.joints) if self.joints else ()
        self.position, self.velocity = [s[0] for s in states], [s[1] for s in states]

    def reset(self, position: Sequence[float] | np.ndarray) -> None:
        """Place the joints at these angles [rad], at rest."""
        for joint, angle in zip(self.joints, position, strict=True):
            self.client.resetJointState(self.body, joint, angle, 0.0)
        self.read()

    def observe(self) -> dict[str, np.ndarray]:
        """Return ``joint_position`` and ``joint_velocity`` as new (joints,) float64 arrays."""
        return {"joint_position": np.array(self.position), "joint_velocity": np.array(self.velocity)}


class Task(ABC):
    """Base of the tasks: a task defines an episode, its rewards and its end, and measures success."""

    DISTURBANCES: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        """Draw an episode and place the robot for step 0.

        times : (steps + 1,) float64, times of the episode's steps [s]
        """

    @abstractmethod
    def step(self, k: int) -> None:
        """Advance the task to step ``k`` of the episode; the robot has moved already."""

    @abstractmethod
    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        """Return the reward of this step, whether the episode terminates, and info. Called once for each step."""

    def score(self) -> dict[str, float]:
        """Return the scores of the whole episode: name -> number, in the units of ``metadata["score_units"]``."""
        return {}


class Baseline(ABC):
    """A classical controller, for comparison and as a teacher.

    label : name in tables
    note : remark below tables
    """

    label: ClassVar[str]
    note: ClassVar[str] = ""

    def reset(self) -> None:  # noqa: B027 - optional
        """Begin an episode; a controller without state does nothing."""

    @abstractmethod
    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        """Return the action for an observation, and None in place of a state.

        info : the world's info, for baselines that know more than the observation
        """


@dataclass(frozen=True)
class Tracking:
    """Description of a tracking task, for the tables and pictures of a run: a robot should follow a target.

    target : key of the target's position in info [rad or m]
    head : key of the robot's position in the observation [rad or m]
    error : key of the distance between target and robot in info
    axes : names of the numbers of ``target`` and ``head``
    unit : unit of the error in a summary
    scale : factor that converts the error to this unit
    lost : error at which the target counts as lost [unit]
    closed : rms error below which only a closed loop can stay [unit]
    scored_from : time in an episode from which the error counts [s]
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


@dataclass(frozen=True)
class Goal:
    """The score that an episode must reach in a world without a tracking task.

    score : name of the score, in the entry ``score`` of an episode's last info
    at_least : smallest score that is good enough
    at_most : largest score that is good enough
    """

    score: str
    at_least: float = -math.inf
    at_most: float = math.inf


class World(gymnasium.Env):
    """Base of the worlds: a Gymnasium environment that combines a physics client, a robot, a task and sensors.

    Info has ``time`` [s] and the info of task and sensors. The info of an episode's last step has the task's ``score``.
    The info of `reset` has the factors that were drawn for ``randomize``, as ``randomized``.

    ``snn_control run``, ``demo`` and ``worlds`` use a world's ``metadata``, all entries of which are optional:
    ``title``; ``pictures``, a description of its pictures; ``controller``, the shipped controller; ``tracking`` or
    ``goal``; ``score_units``; ``compared_with``, the `baselines` that ``run`` plays; ``rows``, the settings of the
    world's table in the gallery: label -> arguments.

    A derived class names in ``RANDOMIZED`` the properties that ``randomize`` changes, and changes them in `vary`. In
    ``PERTURBED`` it says which of them ``--perturb mass``, ``friction`` and ``motor_strength`` change. It
    names its `baselines` in ``BASELINES``, and draws in `picture` the image that `render` returns. Its robot, task and
    sensors name in ``DISTURBANCES`` how people can disturb an episode.

    client : physics client into which ``robot`` was loaded; None if `Robot.drive` computes the robot's motion
    sensors : sensors whose observations come before the robot's
    dt : length of a step [s]
    duration : length of an episode [s], after which it is truncated
    randomize : strength of the domain randomisation, from 0 (none) to 1: share of the spreads in ``RANDOMIZED``
    physics_steps : number of physics steps in a step of the world
    render_mode : None or one of the class's ``metadata["render_modes"]``
    perturbed : factors that `perturb` set

    Copying or unpickling a world makes a new world with the same arguments, in which no episode has begun.
    """

    _made_of: tuple[tuple[Any, ...], dict[str, Any]]
    #: properties that an episode draws: name -> spread s, for a factor of 1 - s to 1 + s
    RANDOMIZED: ClassVar[Mapping[str, float]] = {}
    #: factor that `perturb` takes -> properties, for `vary`, each with the power of the factor that multiplies it
    PERTURBED: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    BASELINES: ClassVar[Sequence[type[Baseline]]] = ()

    def __init__(
        self,
        client: Client | None,
        robot: Robot,
        task: Task,
        sensors: Sequence[EventSensor] = (),
        *,
        dt: float,
        duration: float,
        randomize: float = 0.0,
        physics_steps: int = 1,
        render_mode: str | None = None,
    ) -> None:
        if not 0 <= randomize <= 1:
            raise DescriptionError("randomize", randomize, "must be from 0 to 1")
        if not (math.isfinite(duration) and duration >= dt):
            raise DescriptionError("duration", duration, f"must be finite and at least one step of {dt} s")
        if render_mode not in (None, *self.metadata["render_modes"]):
            modes = ", ".join(map(repr, self.metadata["render_modes"]))
            raise DescriptionError("render_mode", render_mode, f"must be None or {modes}")
        self.client, self.robot, self.task, self.sensors = client, robot, task, sensors
        self.dt, self.steps, self.render_mode = dt, round(duration / dt), render_mode
        self.randomize, self._physics_steps = randomize, physics_steps
        self.max_episode_steps = self.steps  # so that trainers need not cut its episodes
        self.action_space = robot.action_space
        self._parts: tuple[EventSensor | Robot, ...] = (*sensors, robot)
        observed = [item for part in self._parts for item in part.observation_spaces.items()]
        if len(dict(observed)) < len(observed):
            rule = "two parts of a world must not use the same name for an observation"
            raise DescriptionError("sensors", sorted(name for name, _ in observed), rule, "give each sensor a name")
        self.observation_space = spaces.Dict(dict(observed))
        if client is not None:
            client.setTimeStep(dt / physics_steps)
            client.setGravity(0.0, 0.0, -9.81)
            self._start = client.saveState()
        self.perturbed: dict[str, float] = {}
        self._varied = False  # whether the last episode had factors
        self._k = self.steps  # no episode has started

    def __new__(cls, *args: Any, **kwargs: Any) -> World:
        world = super().__new__(cls)
        world._made_of = args, kwargs
        return world

    def __reduce__(self) -> tuple[Any, ...]:  # a physics client cannot be copied
        args, kwargs = self._made_of
        return functools.partial(type(self), **kwargs), args

    def baselines(self) -> dict[str, Baseline]:
        """Return the classical controllers for a world with these arguments: name -> controller. Many worlds have
        none."""
        return {one.__name__: one() for one in self.BASELINES}

    @property
    def disturbances(self) -> dict[str, Callable[[], None]]:
        """The functions with which people can disturb an episode between two steps: name -> function.

        They call the methods that robot, task and sensors name in ``DISTURBANCES``. `reset` ends their effects; between
        two episodes they do nothing. The same calls between the same steps always give the same episode. All other
        random numbers remain those of the undisturbed episode.
        """
        parts: tuple[Robot | Task | EventSensor, ...] = (self.robot, self.task, *self.sensors)
        found: dict[str, list[Callable[[np.random.Generator], None]]] = {}
        for part in parts:
            for name in part.DISTURBANCES:
                found.setdefault(name.replace("_", " "), []).append(getattr(part, name))
        return {name: functools.partial(self._disturb, methods) for name, methods in found.items()}

    def _disturb(self, methods: Sequence[Callable[[np.random.Generator], None]]) -> None:
        if self._k < self.steps:
            for method in methods:
                method(self._disturbance_rng)

    @classmethod
    def start_file(cls) -> Path | None:
        """Return the controller file ``start.yaml`` in the world's folder, from which training starts; None if there is
        none."""
        file = Path(inspect.getfile(cls)).with_name("start.yaml")
        return file if file.is_file() else None

    def vary(self, factors: Mapping[str, float]) -> None:
        """Change the world's properties for the next episode.

        factors : factor for each property in ``RANDOMIZED``, by its name
        """

    def perturb(self, factors: Mapping[str, float]) -> None:
        """Multiply physical quantities in all following episodes, until the next call.

        factors : factor for each quantity, by its name in ``PERTURBED``; those of ``randomize`` also apply
        """
        self.perturbed = dict(factors)

    def _factors(self) -> dict[str, float]:
        """Return the factors of an episode, for `vary`; they are empty if nothing is changed."""
        factors = {}
        if self.randomize and self.RANDOMIZED:
            drawn = self.np_random.uniform(-self.randomize, self.randomize, len(self.RANDOMIZED))
            factors = {name: 1.0 + spread * float(k) for (name, spread), k in zip(self.RANDOMIZED.items(), drawn)}
        elif self.perturbed:
            factors = dict.fromkeys(self.RANDOMIZED, 1.0)
        for quantity, factor in self.perturbed.items():
            for name, power in self.PERTURBED[quantity].items():
                factors[name] = factors.get(name, 1.0) * factor**power
        return factors

    def picture(self) -> np.ndarray:
        """Draw the present state for people. Return a (rows, columns, 3) uint8 array."""
        raise NotImplementedError

    def render(self) -> np.ndarray | None:
        """Return the `picture`; None if ``render_mode`` is None."""
        return None if self.render_mode is None else self.picture()

    def _observe(self) -> dict[str, np.ndarray]:
        observation: dict[str, np.ndarray] = {}
        for part in self._parts:
            observation.update(part.observe())
        return observation

    def _reward_and_info(self) -> tuple[float, bool, dict[str, Any]]:
        reward, terminated, info = self.task.reward_and_termination()
        info = {"time": self._k * self.dt, **info}
        for sensor in self.sensors:
            info.update(sensor.info())
        return reward, terminated, info

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        self._k = 0
        if self.client is not None:  # in the first episode too: a restored body may move unlike a new one
            self.client.restoreState(self._start)
        factors = self._factors()
        if factors or self._varied:
            self.vary(factors or dict.fromkeys(self.RANDOMIZED, 1.0))
        self._varied = bool(factors)
        self.task.reset(self.np_random, np.arange(self.steps + 1) * self.dt)
        for sensor in self.sensors:
            sensor.reset(self.np_random)
        self._disturbance_rng = copy.deepcopy(self.np_random)  # the episode's own numbers stay the same
        return self._observe(), self._reward_and_info()[2] | ({"randomized": factors} if factors else {})

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        if self._k >= self.steps:  # but after termination the robot can still be driven
            raise gymnasium.error.ResetNeeded("the episode was truncated or has not started: call reset()")
        check_action(action, self.action_space)
        self.robot.act(action)
        for _ in range(self._physics_steps):
            self.robot.drive()
            if self.client is not None:
                self.client.stepSimulation()
        self._k += 1
        self.robot.read()
        self.task.step(self._k)
        for sensor in self.sensors:
            sensor.step()
        reward, terminated, info = self._reward_and_info()
        truncated = self._k >= self.steps
        if (terminated or truncated) and (score := self.task.score()):
            info["score"] = score
        return self._observe(), reward, terminated, truncated, info

    def close(self) -> None:
        if self.client is not None:
            self.client.close()
        for sensor in self.sensors:
            sensor.close()
        super().close()
