"""The world ``EventLanding-v0``: a quadrotor lands with the optical flow that its event camera sees below."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np

from snn_control.errors import DescriptionError

from ..client import Client
from ..core import Goal, World
from ..sensors.camera_model import CameraModel
from ..sensors.event_camera import EventCamera
from ..sensors.event_sensor import EventSensor
from ..sensors.pinhole import Pinhole
from .baselines import FlowDivergence, TrueDivergence
from .floor import Floor
from .picture import draw
from .robot import DRAG, FEET, LAG, Quadrotor
from .task import Landing

__all__ = ["EventLandingEnv"]

STEP = 5e-3  # s
PINHOLE = Pinhole(48, 48, math.radians(90.0))
CAPACITY = 2304  # events in a step: one for each pixel


class FloorCamera(EventSensor):
    """The event camera below the quadrotor, which looks down at the floor.

    contrast : standard deviation of the log intensity of each octave of the floor
    """

    def __init__(self, camera: EventCamera, robot: Quadrotor, contrast: float) -> None:
        super().__init__(camera)
        self.scene, self.robot, self.contrast = Floor(PINHOLE), robot, contrast

    def draw(self, rng: np.random.Generator | None) -> np.ndarray:
        view = np.array([*self.robot.position, *self.robot.tilt])
        return self.scene.step(view) if rng is None else self.scene.reset(rng, self.contrast, view)


class EventLandingEnv(World):
    """Land a quadrotor from the events of a camera that looks down.

    A quadrotor of 0.5 kg hovers at 2 to 4 m over a textured floor. An internal controller handles its attitude and
    horizontal position; the action sets its thrust. No sensor measures height or speed. The only cue is that the
    texture expands in the image: the divergence of its optical flow is speed / height. One step is 5 ms.

    ========== ==========================  ===================================================================
    Action     ``Box(-5, 5, (1,))``        float32, wanted upward acceleration, relative to hover [m/s2]; clipped
    ========== ==========================  ===================================================================

    The thrust follows with a time constant of 60 ms. The air brakes with 0.3 m/s2 for each m/s, and gusts push the body
    along. To hold its horizontal position, the body tilts with its camera by up to 0.1 rad, with a lag of 0.15 s.

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``camera``          ``Box((2304, 4))``         float32 rows (t [s] after the start of the step, x, y
                                                   [pixels], p: 1 ON, 0 OFF), ascending in t, then zeros
    ``camera_count``    ``Box((1,))``              int64, events in ``camera``
    =================== ========================== ===========================================================

    **Camera**: 48 x 48 pixels, 90 degrees, 0.1 m above the feet; the top of its picture is ahead. Contrast threshold
    0.2 with 3 % mismatch between pixels, refractory time 1 ms, times interpolated within the step, 0.1 Hz of noise for
    each pixel. The argument ``camera`` selects another camera model. The floor is drawn by `floor.render`.

    **Reward**: in each step, -dt times the absolute difference of the divergence from 0.5 / s, limited to 2 / s. At
    touchdown, 2 minus a penalty of 10 for each m/s of speed above 0.15 m/s; the penalty is at most 10. For flying away,
    -10.

    **Start**: at rest, in hover. Height, wind, position of the texture, thresholds and noise come from the seed.

    **End**: terminated when the feet touch the floor, or above 6 m; truncated after ``duration``.

    **Info**: ``time`` [s]; ``height`` of the feet [m], ``vertical_speed`` [m/s], ``divergence`` [1/s] of the camera;
    ``events`` and ``dropped_events`` of the step. The last step adds ``score``: ``landed``, 1 after a touchdown slower
    than 0.3 m/s; ``touchdown_speed`` [m/s] (0.3 without touchdown); ``time`` of the flight [s].

    Parameters
    ----------
    height : range of the height at the start [m], within 0.5 to 5
    gusts : rms of each component of the wind [m/s]
    contrast : standard deviation of the log intensity of each octave of the floor
    duration : length of an episode [s]
    camera : ``default``, ``clean``, ``noisy`` or a ``sensors.camera_model.CameraModel``
    randomize : see `World`; varies thrust, lag, drag, contrast, thresholds and gusts by the spreads in ``RANDOMIZED``
    render_mode : None, or ``rgb_array``, which shows the height and, to its right, the camera's picture with the events
        of the last 20 ms (ON orange, OFF blue)
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 200,
        "score_units": {"landed": "1", "touchdown_speed": "m/s", "time": "s"},
        "title": "Landing by the events of a camera",
        "controller": "event_landing",
        "compared_with": ("FlowDivergence", "TrueDivergence"),
        "goal": Goal("landed", at_least=1.0),
        "rows": {
            "from 2 to 4 m": {},
            "randomised": {"randomize": 1.0},
            "gusts of 1 m/s": {"gusts": 1.0},
            "noisy camera": {"camera": "noisy"},
        },
    }
    #: the thrust is known within 5 % from hovering before
    RANDOMIZED = {"strength": 0.05, "lag": 0.3, "drag": 0.5, "contrast": 0.4, "threshold": 0.25, "gusts": 0.5}  # noqa: RUF012
    PERTURBED = {"mass": {"strength": -1, "drag": -1}, "motor_strength": {"strength": 1}}  # noqa: RUF012
    BASELINES = FlowDivergence, TrueDivergence

    robot: Quadrotor
    task: Landing

    def __init__(
        self,
        height: tuple[float, float] = (2.0, 4.0),
        gusts: float = 0.3,
        contrast: float = 0.2,
        duration: float = 15.0,
        camera: str | CameraModel = "default",
        randomize: float = 0.0,
        render_mode: str | None = None,
    ) -> None:
        if not (isinstance(height, tuple | list) and len(height) == 2 and 0.5 <= height[0] <= height[1] <= 5.0):
            raise DescriptionError("height", height, "must be two heights, ascending, from 0.5 to 5 m")
        if not 0 <= gusts <= 3:
            raise DescriptionError("gusts", gusts, "must be from 0 to 3 m/s")
        if not 0 < contrast <= 1:
            raise DescriptionError("contrast", contrast, "must be above 0, and at most 1")
        client = Client()
        robot = Quadrotor(client, STEP)
        eye = EventCamera((PINHOLE.width, PINHOLE.height), camera, STEP, CAPACITY)
        self._model, self._contrast = eye.model, contrast
        self._camera, landing = FloorCamera(eye, robot, contrast), Landing(robot, (height[0], height[1]), gusts)
        super().__init__(
            client, robot, landing, [self._camera],
            dt=STEP, duration=duration, randomize=randomize, render_mode=render_mode,
        )  # fmt: skip

    def vary(self, factors: Mapping[str, float]) -> None:
        robot, model, sharper = self.robot, self._model, factors["threshold"]
        robot.strength, robot.lag, robot.drag = factors["strength"], LAG * factors["lag"], DRAG * factors["drag"]
        self._camera.contrast, self.task.gust_share = self._contrast * factors["contrast"], factors["gusts"]
        self._camera.camera.model = dataclasses.replace(
            model, threshold_on=model.threshold_on * sharper, threshold_off=model.threshold_off * sharper
        )

    def picture(self) -> np.ndarray:
        robot = self.robot
        return draw(self._camera.show(0.02, 90.0, 6), robot.position[2] - FEET, -robot.tilt[1], robot.velocity[2])
