"""The world ``KukaPayload-v0``: an arm of seven joints that follows a path with an unknown load in its hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..client import Client
from ..core import Tracking, World
from .baselines import PD, PID, ComputedTorque
from .picture import Picture
from .robot import STEP, Kuka
from .task import FollowMotion

__all__ = ["KukaPayloadEnv"]


class KukaPayloadEnv(World):
    """Follow a path of joint angles with a load that changes from episode to episode and is not observed.

    The Kuka LBR iiwa of pybullet_data (seven joints, 17.5 kg without its base, 0.5 N m s/rad of friction in each
    joint), under torque control, holds a ball of 0 to 3 kg, 0.12 m in front of its last joint. One step is 1 ms. Each
    joint moves at most 0.5 rad to each side of (0, 0.9, 0, -1.3, 0, 0.9, 0) rad.

    ========== ==========================  ===================================================================
    Action     ``Box((7,))``               float64, torques [N m], up to 176, 176, 110, 110, 110, 40 and 40; clipped
    ========== ==========================  ===================================================================

    A torque follows its command with a time constant of 5 ms. Sensor values are 2 ms old, with Gaussian noise of
    1e-4 rad and 5e-3 rad/s.

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``joint_position``  ``Box((7,))``              float64, lbr_iiwa_joint_1 to 7 [rad]
    ``joint_velocity``  ``Box((7,))``              float64 [rad/s], up to 10
    ``target_position`` ``Box((7,))``              float64, wanted at this time [rad]
    ``target_velocity`` ``Box((7,))``              float64 [rad/s]
    =================== ========================== ===========================================================

    **Reward**: minus the error, the root of the sum of all seven joints' squared errors [rad]. **Start**: on the path,
    at rest, without a torque. **End**: truncated after ``duration``; the world contains no obstacles. **Info**:
    ``time`` [s], ``error`` [rad], ``target`` (7,) [rad], ``load`` [kg]. The last step adds ``score``: ``rms_error``
    [rad], the root mean square of the error from ``scored_from`` on.

    Parameters
    ----------
    load : load in all episodes [kg]; None draws it from 0 to 3 kg for each episode
    motion : ``sines``: two sines of 0.25 rad for each joint, each of 0.1 to 0.4 Hz; ``waypoints``: a random pose every
        2 s, reached with minimum jerk
    duration : length of an episode [s]
    scored_from : time in an episode from which the error counts for the score [s]
    randomize : strength of the domain randomisation, from 0 to 1; it multiplies these spreads: masses and torques 10 %,
        friction and delay 50 %, noise 100 %
    render_mode : None, or ``rgb_array``, which shows the arm and its load, and a green cube where the load should be
    """

    RANDOMIZED = {"mass": 0.1, "friction": 0.5, "motor": 0.1, "noise": 1.0, "delay": 0.5}  # noqa: RUF012
    PERTURBED = {"mass": {"mass": 1}, "friction": {"friction": 1}, "motor_strength": {"motor": 1}}  # noqa: RUF012
    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "score_units": {"rms_error": "rad"},
        "title": "A Kuka LBR iiwa with an unknown load",
        "controller": "kuka",
        "compared_with": ("PID", "ComputedTorque"),
        "tracking": Tracking(
            target="target", head="joint_position", error="error", axes=tuple(f"Joint {k}" for k in range(1, 8)),
            lost=60.0, closed=5.0, scored_from=30.0,
        ),
        "rows": {
            "no load": {"load": 0.0},
            "3 kg": {"load": 3.0},
            "3 kg, waypoints": {"load": 3.0, "motion": "waypoints"},
            "random load, randomised": {"randomize": 1.0},
        },
    }  # fmt: skip
    BASELINES = PD, PID, ComputedTorque

    robot: Kuka

    def __init__(
        self,
        load: float | None = None,
        motion: str = "sines",
        duration: float = 40.0,
        scored_from: float = 30.0,
        randomize: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        client = Client()
        robot = Kuka(client)
        task = FollowMotion(robot, load, motion, scored_from)
        super().__init__(client, robot, task, dt=STEP, duration=duration, randomize=randomize, render_mode=render_mode)
        self._picture: Picture | None = None

    def vary(self, factors: Mapping[str, float]) -> None:
        self.robot.vary(factors)

    def picture(self) -> np.ndarray:
        if self._picture is None:
            self._picture = Picture()
        return self._picture.draw(self.robot.position, self.robot.wanted[:7])
