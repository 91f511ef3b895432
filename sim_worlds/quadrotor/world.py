"""The world ``QuadrotorAttitude-v0``: a small quadrotor that follows a wanted attitude and yaw rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..client import Client, pybullet, silent
from ..core import Tracking, World
from .baselines import CascadedPID
from .robot import MOTORS, URDF, Quadrotor
from .task import SCORE_FROM, FollowAttitude

__all__ = ["QuadrotorAttitudeEnv"]

STEP = 2e-3  # s
PHYSICS_STEPS = 2
SIZE = 320, 240  # pixels of a picture


class QuadrotorAttitudeEnv(World):
    """Follow a wanted roll, pitch and yaw rate with the four motors of a quadrotor.

    A Crazyflie 2.x (27 g, inertia of Foerster 2015, 79 mm from motor to motor) flies freely, far from the ground. One
    step is 2 ms, with two steps of physics. Frames are those of REP-103: x forward, y left, z up; so roll is positive
    to the right, pitch with the nose down, yaw to the left. The wanted values are those that a pilot or a position
    controller would give: roll, pitch, yaw rate, and a thrust near that of hovering.

    ========== ==========================  ===================================================================
    Action     ``Box(0, 1, (4,))``         float32, shares of the largest thrust of the motors front right, back
                                           right, back left, front left; clipped
    ========== ==========================  ===================================================================

    A command reaches its motor 3 ms later. The motor's speed, relative to its largest, follows the root of the command
    with a time constant of 20 ms. Its thrust is the square of the relative speed times 0.149 N; all four together reach
    2.25 times the weight. Its torque is 5.96 mm times the thrust, to the right for the first and third motor, to the
    left for the other motors.

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``attitude``        ``Box((2,))``              float64, roll and pitch [rad] with noise of 0.002 rad, from the
                                                   filter that flight controllers and ``imu_tools`` run
    ``angular_velocity`` ``Box((3,))``             float64, around x, y and z of the body [rad/s], noise 0.02 rad/s
    ``wanted_attitude`` ``Box((2,))``              float64, roll and pitch [rad]
    ``wanted_yaw_rate`` ``Box((1,))``              float64 [rad/s]
    ``wanted_thrust``   ``Box((1,))``              float64, as an action; hovering is 0.444
    =================== ========================== ===========================================================

    The yaw angle is not observed: this IMU has no magnetometer, and pilots command the yaw rate. Roll and pitch are
    observed as angles, because a network cannot multiply the components of a quaternion exactly.

    **Reward**: 1 minus the attitude error, the root of the sum of the squared errors of roll and pitch [rad], minus 0.1
    times the yaw rate's error [rad/s].

    **Start**: hovering, level and at rest. **End**: terminated when tilted by more than 80 degrees; truncated after
    ``duration``.

    **Info**: ``time`` [s]; ``error``, the attitude error [rad]; ``target`` (2,), wanted roll and pitch [rad];
    ``yaw_rate_error`` [rad/s]. The last step of an episode adds ``score``: ``rms_error`` [rad] and
    ``rms_yaw_rate_error`` [rad/s] from 1 s on, and ``crashed``, 1 or 0.

    **Randomised**: mass and inertia (20 %), the strength of each motor (20 %), the delay (50 %), the noise (50 %).

    Parameters
    ----------
    reference : ``smooth``: sums of sines of 0.1 to 0.6 Hz; ``steps``: levels that are held for 1 to 2 s. Roll and pitch
        reach up to 25 degrees, the yaw rate 1 rad/s; the thrust is always smooth, within 10 %
    gusts : root mean square of a torque around x and y, with frequencies of 0.2 to 5 Hz [N m]; the torque around z has
        a fifth of this value
    duration : length of an episode [s]
    randomize : strength of the domain randomisation, from 0 to 1; it multiplies the spreads above
    render_mode : None, or ``rgb_array``, which shows the quadrotor, and above it a second quadrotor with the wanted
        roll and pitch
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": round(1 / STEP),
        "score_units": {"rms_error": "rad", "rms_yaw_rate_error": "rad/s", "crashed": "1"},
        "title": "Attitude of a quadrotor",
        "controller": "quadrotor_attitude",
        "compared_with": ("CascadedPID",),
        "tracking": Tracking(
            target="target", head="attitude", error="error", axes=("Roll", "Pitch"), lost=45.0, closed=5.0,
            scored_from=SCORE_FROM,
        ),
        "rows": {
            "nominal": {},
            "randomised": {"randomize": 1.0},
            "gusts": {"gusts": 2e-4},
            "gusts, randomised": {"gusts": 2e-4, "randomize": 1.0},
            "steps, randomised": {"reference": "steps", "randomize": 1.0},
        },
    }  # fmt: skip

    RANDOMIZED = {"mass": 0.2, "inertia": 0.2, **dict.fromkeys(MOTORS, 0.2), "delay": 0.5, "noise": 0.5}  # noqa: RUF012
    PERTURBED = {"mass": {"mass": 1, "inertia": 1}, "motor_strength": dict.fromkeys(MOTORS, 1)}  # noqa: RUF012
    BASELINES = (CascadedPID,)

    robot: Quadrotor
    task: FollowAttitude

    def __init__(
        self,
        reference: str = "smooth",
        gusts: float = 0.0,
        duration: float = 8.0,
        randomize: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        client = Client()
        robot = Quadrotor(client, STEP / PHYSICS_STEPS)
        super().__init__(
            client, robot, FollowAttitude(robot, reference, gusts), dt=STEP, duration=duration,
            randomize=randomize, physics_steps=PHYSICS_STEPS, render_mode=render_mode,
        )  # fmt: skip
        self._pictured: Client | None = None

    def vary(self, factors: Mapping[str, float]) -> None:
        self.robot.vary(factors)

    def picture(self) -> np.ndarray:
        """Return an RGB image of the present state, (240, 320, 3) uint8.

        A separate physics client draws the image, so that drawing does not affect the simulation.
        """
        if self._pictured is None:
            self._pictured = Client()
            with silent():
                self._bodies = [self._pictured.loadURDF(str(URDF), useFixedBase=True) for _ in range(2)]
        client, robot = self._pictured, self.robot
        yaw = pybullet.getEulerFromQuaternion(robot.quaternion)[2]
        wanted = pybullet.getQuaternionFromEuler([*robot.wanted[:2], yaw])
        for body, height, turn in zip(self._bodies, (0.0, 0.09), (robot.quaternion, wanted)):
            client.resetBasePositionAndOrientation(body, (0.0, 0.0, height), turn)
        view = client.computeViewMatrix((-0.22, -0.05, 0.12), (0.0, 0.0, 0.045), (0.0, 0.0, 1.0))
        lens = client.computeProjectionMatrixFOV(45.0, SIZE[0] / SIZE[1], 0.02, 2.0)
        drawn = client.getCameraImage(*SIZE, view, lens, renderer=pybullet.ER_TINY_RENDERER)[2]
        return np.reshape(drawn, (SIZE[1], SIZE[0], 4))[..., :3].astype(np.uint8)

    def close(self) -> None:
        if self._pictured is not None:
            self._pictured.close()
        super().close()
