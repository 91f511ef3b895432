"""The world ``ArmUnknownLoad-v0``: an arm that follows a path of joint angles with an unknown load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from ..core import Robot, Tracking, World
from ..follow_path import FollowPath
from .baselines import PD, PID, TORQUES
from .dynamics import FASTEST, JOINT_LIMIT, compiled_move
from .picture import draw

__all__ = ["ArmUnknownLoadEnv"]

STEP = 1e-3  # s
LOADS = (0.5, 2.5)  # kg, range of the load of an episode
MIDDLE = np.array([-0.3, 0.8])  # rad, centre of the path
WIDTH = 0.4  # rad, amplitude of each of the two sines of a joint
PUSH = 2.0  # rad/s, change of each joint's speed in a disturbance
FREQUENCIES = np.array([[0.15, 0.35], [0.25, 0.45]])  # Hz, frequencies of the sines of shoulder and elbow


class Arm(Robot):
    """The arm, simulated with the equations of motion in ``dynamics``. Action: (2,) joint torques [N m].

    state : (4,) float64, actual joint angles [rad], then joint speeds [rad/s]
    wanted : (4,) float64, wanted joint angles [rad], then wanted joint speeds [rad/s]
    load : load in the hand [kg]
    strength : ratio of actual to commanded torque
    """

    DISTURBANCES = ("push",)

    def __init__(self) -> None:
        self.action_space = spaces.Box(-TORQUES, TORQUES, dtype=np.float64)
        ends = {"position": JOINT_LIMIT, "velocity": FASTEST}
        self.observation_spaces = {
            f"{what}_{end}": spaces.Box(-limit, limit, (2,), np.float64)
            for what in ("joint", "target")
            for end, limit in ends.items()
        }
        self._move, self._torques, self.strength = compiled_move(), TORQUES.tolist(), 1.0

    def begin(self, wanted: np.ndarray, load: float, rng: np.random.Generator) -> None:
        self.state, self.wanted = np.array([*wanted[:2], 0.0, 0.0]), wanted
        self.carry(load)
        self.read()

    def carry(self, load: float) -> None:
        """Set the mass of the load in the hand [kg]."""
        self.load = load

    def push(self, rng: np.random.Generator) -> None:
        """Disturb the arm: change the speed of each joint by ``PUSH``, with a random sign."""
        self.state[2:] = np.clip(self.state[2:] + rng.choice((-PUSH, PUSH), 2), -FASTEST, FASTEST)

    def act(self, action: Any) -> None:
        self._command = [self.strength * min(max(float(u), -most), most) for u, most in zip(action, self._torques)]

    def drive(self) -> None:
        self._move(self.state, *self._command, self.load, STEP)

    def read(self) -> None:
        q1, q2, v1, v2 = self.state.tolist()
        self.position, self.velocity = [q1, q2], [v1, v2]

    def observe(self) -> dict[str, np.ndarray]:
        rows = np.concatenate([self.state, self.wanted]).reshape(4, 2)
        return dict(zip(self.observation_spaces, rows, strict=True))


class FollowSines(FollowPath):
    """The task of `ArmUnknownLoadEnv`: each episode draws a load, and a path of two added sines per joint."""

    def draw(self, rng: np.random.Generator, times: np.ndarray) -> tuple[float, np.ndarray]:
        phase, load = rng.uniform(0.0, 2.0 * math.pi, (2, 2)), rng.uniform(*LOADS)
        turn = 2.0 * math.pi * FREQUENCIES
        angle = turn * times[:, None, None] + phase
        return load, np.hstack([MIDDLE + WIDTH * np.sin(angle).sum(2), WIDTH * (turn * np.cos(angle)).sum(2)])


class ArmUnknownLoadEnv(World):
    """Follow a path of joint angles with a load that changes from episode to episode and is not observed.

    An arm of two joints in a vertical plane: an upper arm of 0.4 m and 2 kg, a forearm of 0.35 m and 1.2 kg, 0.5 N m
    s/rad of friction in each joint, and in the hand a load of 0.5 to 2.5 kg. The wanted angles of shoulder and elbow
    are each the sum of two sines of amplitude 0.4 rad (0.15 and 0.35 Hz; 0.25 and 0.45 Hz) around -0.3 and 0.8 rad,
    with random phases. Angles are positive upwards; the shoulder's angle counts from the horizontal, the elbow's angle
    from the upper arm. One step is 1 ms.

    ========== ==========================  ===================================================================
    Action     ``Box((2,))``               float64, torques of shoulder and elbow [N m], up to 60 and 30; clipped
    ========== ==========================  ===================================================================

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``joint_position``  ``Box((2,))``              float64, shoulder and elbow [rad]
    ``joint_velocity``  ``Box((2,))``              float64 [rad/s]
    ``target_position`` ``Box((2,))``              float64, wanted at this time [rad]
    ``target_velocity`` ``Box((2,))``              float64 [rad/s]
    =================== ========================== ===========================================================

    **Reward**: minus the error, the root of the sum of both joints' squared errors [rad]. **Start**: on the path, at
    rest. **End**: truncated after ``duration``. **Info**: ``time`` [s], ``error``, ``target`` (2,), ``load`` [kg]. The
    last step adds ``score``: ``rms_error`` [rad], the root mean square of the error from ``scored_from`` on.

    Parameters
    ----------
    load : load in all episodes [kg]; None draws it for each episode
    duration : length of an episode [s]
    scored_from : time in an episode from which the error counts for the score [s]
    render_mode : None, or ``rgb_array``, which shows the arm with its load, and its wanted pose in green
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "score_units": {"rms_error": "rad"},
        "title": "An arm with an unknown load",
        "controller": "arm",
        "compared_with": ("PD", "PID"),
        "tracking": Tracking(
            target="target", head="joint_position", error="error", axes=("Shoulder", "Elbow"), lost=60.0, closed=6.0
        ),
        "rows": {f"{load} kg": {"load": load} for load in (0.5, 1.5, 2.5)},
    }

    PERTURBED = {"motor_strength": {"motor": 1}}  # noqa: RUF012
    BASELINES = PD, PID

    robot: Arm

    def __init__(
        self,
        load: float | None = None,
        duration: float = 50.0,
        scored_from: float = 40.0,
        render_mode: str | None = None,
    ) -> None:
        robot = Arm()
        task = FollowSines(robot, load, scored_from, STEP)
        super().__init__(None, robot, task, dt=STEP, duration=duration, render_mode=render_mode)

    def vary(self, factors: Mapping[str, float]) -> None:
        self.robot.strength = factors.get("motor", 1.0)

    def picture(self) -> np.ndarray:
        return draw(self.robot.state[:2], self.robot.wanted[:2], self.robot.load)
