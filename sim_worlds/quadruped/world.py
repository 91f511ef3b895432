"""The world ``QuadrupedWalk-v0``: a quadruped that follows commands of speed and yaw rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..core import Goal, World
from .baselines import Trot, TrotWithImu, TrotWithTwist
from .dynamics import FACTORS
from .picture import draw
from .robot import STEP, Quadruped
from .task import Walk

__all__ = ["QuadrupedWalkEnv"]


class QuadrupedWalkEnv(World):
    """Walk and turn as commanded, with twelve motors that accept target angles.

    The robot has a trunk and four legs, each with hip, thigh and knee, and the masses and lengths of a Unitree A1 (12.5
    kg, hips 0.37 m apart, legs of 0.2 + 0.2 m). The motors are PD controllers of the joints' angles (80 N m/rad, 2 N m
    s/rad, at most 33.5 N m). Only the feet touch the ground, with a coefficient of friction of 0.8. x is forward, y to
    the left, z upwards. One step is 10 ms, with ten steps of the physics (``dynamics``).

    ========== ==========================  ===================================================================
    Action     ``Box((12,))``              float64, target angles of `dynamics.JOINTS` [rad]; clipped to the stops: hip
                                           -0.8 to 0.8, thigh -1.05 to 4.18, knee -2.69 to -0.92
    ========== ==========================  ===================================================================

    ========================== ================= =============================================================
    Observation                Space             Meaning
    ========================== ================= =============================================================
    ``joint_position``         ``Box((12,))``    float64 [rad]
    ``joint_velocity``         ``Box((12,))``    float64 [rad/s]
    ``roll_rate``, ``pitch_rate``, ``yaw_rate``  ``Box((1,))`` each, float64: the IMU's angular velocity about x, y,
                                                 z of the trunk [rad/s], with noise of 0.02 rad/s
    ``acceleration_x``, ``_y``, ``_z``           ``Box((1,))`` each, float64: the mean specific force of the step along
                                                 x, y, z of the trunk [m/s^2] (at rest 9.81 upwards), noise 0.3 m/s^2
    ``speed_command``, ``turn_command``          ``Box((1,))`` each, float64: wanted speed ahead [m/s] and yaw rate,
                                                 positive to the left [rad/s]
    ========================== ================= =============================================================

    **Reward**: exp(-(e / 0.2)^2 - (w / 0.4)^2), from 0 to 1. e is the error of the horizontal velocity [m/s] in the
    robot's own heading, w the error of the yaw rate [rad/s]. Velocity and rate are filtered with a time constant of
    0.3 s, because every gait speeds up and slows down within a stride.

    **Start**: standing, joints up to 0.03 rad away from 0, 0.8 and -1.6 rad, at rest.

    **End**: a fall, the trunk below 0.15 m or tilted by more than 45 degrees, terminates; truncated after ``duration``.

    **Info**: ``time`` [s]; ``speed`` [m/s] and ``turn`` [rad/s], filtered; ``command`` (2,); ``distance`` [m], walked
    forward so far; ``fell``. The last step of an episode adds ``score``: ``distance``, ``fell`` (0 or 1), and over
    t > 1 s the rms errors ``speed_error`` [m/s] and ``yaw_rate_error`` [rad/s].

    **Randomised**: all masses by 15 %, friction by 40 %, the motors' stiffness, damping and largest torque by 20 %. In
    addition the ground has waves of 10 mm, 0.57 m and 0.9 m long, and every 3 s the trunk is pushed horizontally with
    15 to 30 N for 0.2 s; waves and pushes are multiplied by ``randomize``.

    Parameters
    ----------
    speed : commanded speed [m/s], from -1 to 1; None draws from 0.2 to 0.6 every 4 s
    turn : commanded yaw rate [rad/s], from -1 to 1; None draws from -0.5 to 0.5 every 4 s
    duration : length of an episode [s]
    randomize : strength of the randomisation above, from 0 to 1
    render_mode : None, or ``rgb_array``, which shows the robot from its right side, with left legs blue and right legs
        orange
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 100,
        "score_units": {"distance": "m", "fell": "1", "speed_error": "m/s", "yaw_rate_error": "rad/s"},
        "title": "A quadruped follows velocity commands",
        "controller": "quadruped",
        "compared_with": ("Trot", "TrotWithImu", "TrotWithTwist"),
        "goal": Goal("distance", at_least=10.0),
        "rows": {
            "straight, 0.4 m/s": {},
            "turning": {"turn": None},
            "speeds and turns, randomize 1": {"speed": None, "turn": None, "randomize": 1.0},
        },
    }
    RANDOMIZED: ClassVar[Mapping[str, float]] = {"mass": 0.15, "friction": 0.4, "strength": 0.2}
    PERTURBED: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "mass": {"mass": 1}, "friction": {"friction": 1}, "motor_strength": {"strength": 1},
    }  # fmt: skip
    BASELINES = Trot, TrotWithImu, TrotWithTwist

    robot: Quadruped

    def __init__(
        self,
        speed: float | None = 0.4,
        turn: float | None = 0.0,
        duration: float = 30.0,
        randomize: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        robot = Quadruped()
        task = Walk(robot, speed, turn, randomize)
        super().__init__(None, robot, task, dt=STEP, duration=duration, randomize=randomize, render_mode=render_mode)

    def picture(self) -> np.ndarray:
        return draw(self.robot.state)

    def vary(self, factors: Mapping[str, float]) -> None:
        self.robot.factors.update({name: FACTORS[name] * factor for name, factor in factors.items()})
