"""The world ``LineFollowing-v0``: a wheeled robot that follows a line with an event camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from snn_control.errors import DescriptionError

from ..core import Goal, World
from ..sensors.camera_model import CameraModel
from ..sensors.event_camera import EventCamera
from ..sensors.pinhole import Pinhole
from .baselines import EventLine, TrueLine
from .camera import FloorCamera
from .picture import EXPOSURE, draw
from .robot import Drive
from .task import FollowLine

__all__ = ["LineFollowingEnv"]

STEP = 4e-3  # s
SIZE = 64, 48  # pixels


class LineFollowingEnv(World):
    """Follow a line on a textured floor from the events of a camera that looks at the floor ahead.

    A robot with two driven wheels drives along a closed line, 30 mm wide, whose curvature is at most 2.5 /m. Its event
    camera, 64 x 48 pixels over 60 degrees, is 0.15 m above the floor and 0.08 m in front of the axle, and looks 45
    degrees down: it sees the floor from 0.14 to 0.46 m ahead of the axle. The robot's motion moves the floor's texture
    through the image, but a line that the robot follows well hardly moves.

    One step is 4 ms. Frames are those of REP-103: x ahead, y to the left, turns to the left positive; in the image x
    points to the right and y down.

    ========== ==========================  ===================================================================
    Action     ``Box((2,))``               float32, forward speed, 0 to 1.5 m/s, and yaw rate, up to 4 rad/s, as
                                           in a ``Twist``; clipped
    ========== ==========================  ===================================================================

    A command reaches the wheels 20 ms later; the speeds follow it with a time constant of 50 ms and at most 2 m/s2 and
    30 rad/s2. These equations of motion replace a body in PyBullet.

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``camera``          ``Box((capacity, 4))``     float32 rows (t [s] after the start of the step, x, y
                                                   [pixels], p: 1 ON, 0 OFF), ascending in t, then zeros
    ``camera_count``    ``Box((1,))``              int64, events in ``camera``
    ``speed``           ``Box((1,))``              float64, forward speed [m/s]: odometry
    ``yaw_rate``        ``Box((1,))``              float64, [rad/s]: odometry
    ``target_speed``    ``Box((1,))``              float64, wanted forward speed [m/s]
    =================== ========================== ===========================================================

    **Reward**: (1 - relative error of the speed along the line) times (1 - error / 0.03 m, the line's width); each
    factor is at least 0.
    **Start**: at a random point of the course, up to 2 cm beside it, turned by up to 0.1 rad, and at the wanted speed.
    **End**: terminated when the line is more than 0.15 m away; truncated after ``duration``.

    **Info**: ``time`` [s]; ``error`` [m], distance of the axle's middle from the line; ``offset`` [m], the same
    distance, positive if the axle is left of the line; ``heading_error`` [rad], angle between robot and line;
    ``curvature`` [1/m] of the line at its nearest point; ``events`` and ``dropped_events`` of the step. The last step
    adds ``score``: ``rms_error`` [m], in which the error counts as 0.15 m after the line is lost; ``followed``, the
    fraction of the episode until the line is lost; ``speed`` [m/s] along the line.

    Parameters
    ----------
    speed : wanted speed [m/s]; None draws 0.4 to 0.8 for each episode
    contrast : log intensity of the line against the floor's mean, negative for a dark line; None draws 1 or -1
    texture : standard deviation of the floor's log intensity
    duration : length of an episode [s]
    randomize : strength of the domain randomisation, from 0 to 1; it multiplies the spreads in ``RANDOMIZED``
    capacity : maximum number of events in an observation, which covers one step
    camera : ``default``, ``clean``, ``noisy`` or a ``sensors.camera_model.CameraModel``
    render_mode : None, or ``rgb_array``, which shows on the left the camera's picture with the events of the last 40 ms
        (ON orange, OFF blue), on the right the floor around the robot from above
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 250,
        "score_units": {"rms_error": "m", "followed": "1", "speed": "m/s"},
        "title": "Following a line with an event camera",
        "pictures": "left the camera's view with its events (orange ON, blue OFF), right the floor from above",
        "controller": "line_following",
        "compared_with": ("EventLine",),
        "goal": Goal("followed", at_least=1.0),
        "rows": {
            "bright line, 0.5 m/s": {},
            "dark line": {"contrast": -1.0},
            "0.75 m/s": {"speed": 0.75},
            "randomized": {"randomize": 1.0, "contrast": None},
        },
    }

    RANDOMIZED: ClassVar[Mapping[str, float]] = {
        "forward": 0.1, "turn": 0.2, "lag": 0.5, "delay": 1.0,
        "contrast": 0.4, "texture": 0.5, "height": 0.05, "threshold": 0.2, "noise": 1.0,
    }  # fmt: skip
    PERTURBED: ClassVar[Mapping[str, Mapping[str, float]]] = {"motor_strength": {"forward": 1, "turn": 1}}
    BASELINES = EventLine, TrueLine

    robot: Drive
    task: FollowLine

    def __init__(
        self,
        speed: float | None = 0.5,
        contrast: float | None = 1.0,
        texture: float = 0.05,
        duration: float = 20.0,
        randomize: float = 0.0,
        capacity: int = 1024,
        camera: str | CameraModel = "default",
        render_mode: str | None = None,
    ) -> None:
        if contrast is not None and not 0.3 <= abs(contrast) <= 3:
            raise DescriptionError("contrast", contrast, "must be from 0.3 to 3 or from -3 to -0.3, or None")
        if not 0 <= texture <= 1:
            raise DescriptionError("texture", texture, "must be from 0 to 1")
        robot = Drive(STEP)
        task = FollowLine(robot, speed)
        self._camera = FloorCamera(EventCamera(SIZE, camera, STEP, capacity), Pinhole(*SIZE), task, contrast, texture)
        super().__init__(
            None, robot, task, [self._camera],
            dt=STEP, duration=duration, randomize=randomize, render_mode=render_mode,
        )  # fmt: skip

    def vary(self, factors: Mapping[str, float]) -> None:
        of = dict(factors)
        self.robot.vary(*(of.pop(name) for name in ("forward", "turn", "lag", "delay")))
        self._camera.vary(**of)

    def picture(self) -> np.ndarray:
        return draw(self._camera.show(0.04, EXPOSURE, 5), self._camera.floor, self.robot.state[:3])
