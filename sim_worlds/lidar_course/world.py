"""The world ``LidarCourse-v0``: a mobile robot with a laser scanner drives through a corridor with obstacles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from ..client import Client
from ..core import Goal, World
from .baselines import FollowTheGap
from .course import END, OBSTACLES, SPACING, START
from .picture import Map
from .robot import DiffDrive
from .task import DriveThrough

__all__ = ["LidarCourseEnv"]

STEP = 0.05  # s, period of the scanner
PHYSICS_STEPS = 2  # physics steps in a step


class LidarCourseEnv(World):
    """Drive through an unknown course with a laser scanner, without contact, in the shortest time.

    A round robot with differential drive (diameter 0.2 m, as a TurtleBot3 Burger, but faster) starts at the closed end
    of a corridor with bends (radius 1.2 to 2 m) and leaves it at the open end. Boxes and cylinders, 0.2 to 0.4 m wide,
    stand at random positions in the corridor. At least 0.5 m are free beside each obstacle and between two obstacles,
    so every course can be passed. One step is 50 ms, a revolution of the scanner. Frames are those of REP-103.

    ========== ==========================  ===================================================================
    Action     ``Box((2,))``               float32, forward speed, 0 to 0.5 m/s, and yaw rate, -2.8 to 2.8 rad/s
                                           (positive to the left); clipped
    ========== ==========================  ===================================================================

    A command reaches the motors 50 ms later; each wheel's speed follows it with at most 1 m/s2.

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``scan``            ``Box((55,))``             float32, distances every 5 degrees from -135 (right) to 135
                                                   [m], with noise of 10 mm; ``inf`` if nothing was hit
                                                   within 3.5 m, as in a LaserScan
    ``speed``           ``Box((1,))``              float32, forward, by the wheels, with noise of 0.01 m/s
    ``yaw_rate``        ``Box((1,))``              float32, by the wheels, with noise of 0.02 rad/s
    =================== ========================== ===========================================================

    **Reward**: progress along the middle of the corridor [m], minus 0.1 for each second and 5 for a contact.

    **Start**: at rest, up to 0.2 m beside the middle, turned by up to 0.3 rad. Course and noise come from the seed of
    ``reset``.

    **End**: terminated by a contact, or when the progress reaches ``length``; truncated after ``duration``.

    **Info**: ``time`` [s], ``progress`` [m], ``contact`` and ``finished`` (bool). The last step of an episode adds
    ``score``: ``finished`` (0 or 1), ``time`` [s] (``duration`` if the finish was not reached), ``progress`` [m].

    **Domain randomisation**: gain of each wheel's motor and track of the wheels 10 %, acceleration 30 %, delay and
    noise of the scanner 100 %.

    Parameters
    ----------
    obstacles : number of obstacles, up to 12; fewer in a short course
    width : width of the corridor [m]
    length : length of the course [m]
    duration : length of an episode [s]
    randomize : strength of the domain randomisation, from 0 to 1; it multiplies the spreads above
    render_mode : None, or ``rgb_array``, which shows from above the course, the robot, its path, and the points that
        its laser beams hit
    """

    RANDOMIZED = {  # noqa: RUF012
        "left_wheel": 0.1, "right_wheel": 0.1, "track": 0.1, "acceleration": 0.3, "delay": 1.0, "scan_noise": 1.0,
    }  # fmt: skip
    PERTURBED = {  # noqa: RUF012 - the motors accelerate a heavier robot less
        "mass": {"acceleration": -1}, "motor_strength": {"left_wheel": 1, "right_wheel": 1},
    }  # fmt: skip
    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": round(1.0 / STEP),
        "score_units": {"finished": "1", "time": "s", "progress": "m"},
        "title": "A mobile robot in an unknown course",
        "pictures": "from above; blue: robot and its way, red: hits of its beams, brown: obstacles, black: walls",
        "controller": "lidar_course",
        "compared_with": ("FollowTheGap",),
        "goal": Goal("finished", at_least=1.0),
        "rows": {
            "8 obstacles": {},
            "none": {"obstacles": 0},
            "12 obstacles, 1.2 m wide": {"obstacles": 12, "width": 1.2},
            "8 obstacles, randomised": {"randomize": 1.0},
        },
    }

    BASELINES = (FollowTheGap,)
    robot: DiffDrive
    task: DriveThrough

    def __init__(
        self,
        obstacles: int = 8,
        width: float = 1.4,
        length: float = 16.0,
        duration: float = 60.0,
        randomize: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        if not 4 <= length <= 100:
            raise DescriptionError("length", length, "must be from 4 to 100 m")
        if not 1.0 <= width <= 1.8:
            raise DescriptionError("width", width, "must be from 1 to 1.8 m, so that bends are wide enough")
        most = min(int((length - START - END) / SPACING), len(OBSTACLES))
        if not (isinstance(obstacles, int) and 0 <= obstacles <= most):
            rule = f"must be a whole number from 0 to {most}, which this length has room for"
            raise DescriptionError("obstacles", obstacles, rule)
        client = Client()
        robot = DiffDrive(client, STEP / PHYSICS_STEPS)
        self._map: Map | None = None
        super().__init__(
            client, robot, DriveThrough(client, robot, length, width, obstacles), dt=STEP, duration=duration,
            randomize=randomize, physics_steps=PHYSICS_STEPS, render_mode=render_mode,
        )  # fmt: skip

    def vary(self, factors: Mapping[str, float]) -> None:
        self.robot.vary(factors)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        self._map = None
        return super().reset(seed=seed, options=options)

    def picture(self) -> np.ndarray:
        if self._map is None:
            self._map = Map(self.task.course)
        return self._map.draw(self.robot.position, self.robot.scan, self.task.way)
