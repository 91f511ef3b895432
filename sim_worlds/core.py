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
    """Raise InputError if an action does not have the shape of the action space, or has numbers that are not finite.

    Actions outside the bounds of the space pass, because robots clip them.
    """
    numbers = np.asarray(action, np.float64)
    if numbers.shape != space.shape:
        raise InputError(f"action of shape {numbers.shape}: must have the shape {space.shape}")
    if not math.isfinite(sum(numbers.tolist())) and not (finite := np.isfinite(numbers)).all():
        k = int(np.argmin(finite))
        raise InputError(f"action[{k}] = {numbers[k]}: must be finite")


class Robot(ABC):
    """Base class of the robots of worlds: a body in the simulation and its actuators.

    A derived class sets ``action_space``, and ``observation_spaces`` with the space of each entry that `observe`
    returns.

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
        """Set the command for the next step of the world. The action has passed `check_action`."""

    def drive(self) -> None:  # noqa: B027 - most need nothing
        """Apply the forces of the actuators. Called before each physics step.

        A step of the world may have several physics steps.
        """

    def read(self) -> None:
        """Update ``position`` and ``velocity`` from the physics client."""
        states = self.client.getJointStates(self.body, self.joints) if self.joints else ()
        self.position, self.velocity = [s[0] for s in states], [s[1] for s in states]

    def reset(self, position: Sequence[float] | np.ndarray) -> None:
        """Set the joint angles [rad] without simulating a motion, and all joint speeds to 0."""
        for joint, angle in zip(self.joints, position, strict=True):
            self.client.resetJointState(self.body, joint, angle, 0.0)
        self.read()

    def observe(self) -> dict[str, np.ndarray]:
        """Return the observation: ``joint_position`` and ``joint_velocity`` as new (joints,) float64 arrays."""
        return {"joint_position": np.array(self.position), "joint_velocity": np.array(self.velocity)}


class Task(ABC):
    """Base class of tasks. A task sets up each episode, computes rewards and termination, and measures the success."""

    DISTURBANCES: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def reset(self, rng: np.random.Generator, times: np.ndarray) -> None:
        """Draw the random quantities of an episode, and place the robot at its start.

        times : (steps + 1,) float64, times of the episode's steps [s]
        """

    @abstractmethod
    def step(self, k: int) -> None:
        """Advance the task, for example its target, to step ``k`` of the episode. Called after the robot has moved."""

    @abstractmethod
    def reward_and_termination(self) -> tuple[float, bool, dict[str, Any]]:
        """Return the reward of the present step, the flag ``terminated``, and the info. Called once for each step."""

    def score(self) -> dict[str, float]:
        """Return the scores of a whole episode: name -> number, in the units of ``metadata["score_units"]``."""
        return {}


class Baseline(ABC):
    """Base class of classical controllers, which spiking controllers are compared with and can learn from.

    label : name of the controller in tables
    note : remark printed below tables
    """

    label: ClassVar[str]
    note: ClassVar[str] = ""

    def reset(self) -> None:  # noqa: B027 - optional
        """Reset the controller's state at the start of an episode. A controller without state needs no such method."""

    @abstractmethod
    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        """Return the action for an observation, and None, as ``predict`` of stable-baselines3 does.

        info : info of the world's last step, for controllers that use more than the observation
        """


@dataclass(frozen=True)
class Tracking:
    """Description of a task in which a robot follows a target, for the tables and figures of ``snn_control run``.

    target : key of the target's position in info [rad or m]
    head : key of the robot's position in the observation [rad or m]
    error : key of the distance between target and robot in info
    axes : name of each element of ``target`` and ``head``
    unit : unit of the error in a summary
    scale : factor that converts the error to this unit
    lost : error above which the target counts as lost [``unit``]
    closed : rms error that only closed-loop control can stay below [``unit``]
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
    """Criterion of success for an episode, in a world whose task is not a tracking task.

    score : name of a score, as in the entry ``score`` of the info of an episode's last step
    at_least : smallest score that counts as success
    at_most : largest score that counts as success
    """

    score: str
    at_least: float = -math.inf
    at_most: float = math.inf


class World(gymnasium.Env):
    """Base class of worlds: a Gymnasium environment that combines a physics client, a robot, a task and sensors.

    The info has ``time`` [s] and the entries of task and sensors. An episode's last step adds the task's ``score``. The
    info of `reset` has the entry ``randomized``, the factors that the domain randomisation has drawn.

    ``snn_control run``, ``demo`` and ``worlds`` use a world's ``metadata``. All its entries are optional:

    - ``title``: title of the world
    - ``pictures``: description of the images of `render`
    - ``controller``: the shipped controller
    - ``tracking`` or ``goal``: a `Tracking` or a `Goal`
    - ``score_units``: unit of each score
    - ``compared_with``: the `baselines` that ``run`` also plays
    - ``rows``: rows of the world's table in the gallery: label -> arguments of the world

    A derived class defines:

    - ``RANDOMIZED``: the properties that ``randomize`` changes, and `vary`, which changes them
    - ``PERTURBED``: the properties that ``--perturb mass``, ``friction`` and ``motor_strength`` change
    - ``BASELINES``: the classes of its `baselines`
    - `picture`: the image that `render` returns

    Its robot, task and sensors list in ``DISTURBANCES`` the methods with which people can disturb an episode.

    client : physics client into which ``robot`` was loaded; None if `Robot.drive` computes the robot's motion
    sensors : sensors; their observations come before the robot's observations
    dt : length of a step [s]
    duration : length of an episode [s], after which it is truncated
    randomize : strength of the domain randomisation, from 0 (none) to 1; it multiplies the spreads in ``RANDOMIZED``
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
        """Return the classical controllers that suit this world's arguments: name -> controller; empty in many
        worlds."""
        return {one.__name__: one() for one in self.BASELINES}

    @property
    def disturbances(self) -> dict[str, Callable[[], None]]:
        """Functions with which people can disturb an episode between two steps: name of the disturbance -> function.

        The functions call the methods that robot, task and sensors list in ``DISTURBANCES``. `reset` ends their
        effects; between two episodes the functions do nothing. Disturbances are reproducible: the same seed and the
        same calls between the same steps lead to the same episode. A disturbance does not change the other random
        numbers of the episode.
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
        """Return the path of the controller file from which training starts, ``start.yaml`` in the world's folder, or
        None."""
        file = Path(inspect.getfile(cls)).with_name("start.yaml")
        return file if file.is_file() else None

    def vary(self, factors: Mapping[str, float]) -> None:
        """Change physical properties of the world for the next episode.

        factors : name of a property in ``RANDOMIZED`` -> factor
        """

    def perturb(self, factors: Mapping[str, float]) -> None:
        """Multiply physical quantities by factors in all following episodes, until the next call.

        factors : name of a quantity in ``PERTURBED`` -> factor; the factors of ``randomize`` apply in addition
        """
        self.perturbed = dict(factors)

    def _factors(self) -> dict[str, float]:
        """Return the factors that `vary` applies in the next episode: property -> factor; empty for no change."""
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
        """Draw the present state. Return an RGB image, (rows, columns, 3) uint8."""
        raise NotImplementedError

    def render(self) -> np.ndarray | None:
        """Return the image of `picture`, or None if ``render_mode`` is None."""
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
