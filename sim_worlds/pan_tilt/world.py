"""A camera head that keeps a moving target in the middle of what an event camera sees."""

from __future__ import annotations

import math
import weakref
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from snn_control.errors import DescriptionError

from ..quiet import pybullet, silent
from ..sensors.camera_model import CameraModel
from ..sensors.event_camera import EventCamera
from ..sensors.pinhole import Pinhole
from ..sensors.scene import VIEW_NAMES, draw_background, pixel_of
from .motion import MOTIONS, target_path
from .picture import draw
from .servo import Servo
from .sight import AnalyticSight, RenderedSight, disconnect

__all__ = ["PanTiltTrackingEnv"]

URDF = Path(__file__).with_name("pan_tilt.urdf")
STEP = 1e-3  # s
STOPS = np.array([1.4, 0.7])  # rad
LOST = math.radians(25.0)
SCORE_FROM = 1000  # steps: the first second, in which the target is found, does not count
DISC_RADIUS = 0.11  # m
DISC_TEXTURE = 0.3  # amplitude of the log intensity
HEAD_START = math.radians(10.0)
SCENES = ("analytic", "rendered", "rendered_egl")
LARGEST = 2048  # columns and rows of the camera: a step takes some 40 ms
SHOWN = 20  # steps that an event stays in the rendered picture


def angle_between(pan: float, tilt: float, azimuth: float, elevation: float) -> float:
    """Great-circle angle between two directions [rad]; the haversine form is exact for small angles."""
    a = math.sin(0.5 * (elevation - tilt))
    b = math.sin(0.5 * (azimuth - pan))
    return 2.0 * math.asin(math.sqrt(min(1.0, a * a + math.cos(tilt) * math.cos(elevation) * b * b)))


def _check(
    frequency: float, background: float, motion: str, contrast: float, duration: float, render_mode: str | None,
    size: tuple[int, int], scene: str, frame_rate: float,
) -> None:  # fmt: skip
    """Raise DescriptionError for a world that there cannot be."""
    if motion not in MOTIONS:
        raise DescriptionError("motion", motion, f"must be one of {', '.join(MOTIONS)}")
    if not (math.isfinite(frequency) and frequency > 0):
        raise DescriptionError("frequency", frequency, "must be positive and finite")
    if not 0 <= background <= 2:
        raise DescriptionError("background", background, "must be from 0 to 2")
    if not -10 <= contrast <= 10:
        raise DescriptionError("contrast", contrast, "must be from -10 to 10")
    if not (math.isfinite(duration) and duration >= STEP):
        raise DescriptionError("duration", duration, f"must be finite and at least one step of {STEP} s")
    if render_mode is not None and render_mode not in PanTiltTrackingEnv.metadata["render_modes"]:
        raise DescriptionError("render_mode", render_mode, "must be None or 'rgb_array'")
    if scene not in SCENES:
        raise DescriptionError("scene", scene, f"must be one of {', '.join(SCENES)}")
    if not 20 <= frame_rate <= 1000:
        raise DescriptionError("frame_rate", frame_rate, "must be from 20 to 1000 Hz")
    if not isinstance(size, tuple | list) or len(size) != 2:
        raise DescriptionError("size", size, "must be a width and a height")
    if any(isinstance(side, int) and side > LARGEST for side in size):
        raise DescriptionError("size", size, f"must be at most {LARGEST} x {LARGEST}: each step draws every pixel")


class PanTiltTrackingEnv(gymnasium.Env):
    """Track a disc with a pan-tilt head from the events of a camera.

    An event camera of 60 degrees, 128 x 128 pixels if nothing else is said, sits in the crossing of a pan
    and a tilt axis. A textured disc (radius 0.11 m, 1.5 to 3 m away) moves before a static textured wall.
    When the head moves, the wall produces many more events than the disc does, and a perfectly tracked disc
    falls silent.

    One step is 1 ms. Frames are those of REP-103: pan and azimuth are positive to the left, tilt and
    elevation upwards. In the image x goes to the right and y down, so a target right of the middle asks
    for a negative pan velocity and one below it for a negative tilt velocity.

    ========== ==========================  ===================================================================
    Action     ``Box(-6, 6, (2,))``        float32, velocity commands of pan and tilt [rad/s]; clipped
    ========== ==========================  ===================================================================

    A command reaches the servo 2 ms later; the velocity follows it with a time constant of 15 ms and at
    most 60 rad/s2, and ends at the stops (pan 1.4 rad, tilt 0.7 rad).

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``camera``          ``Box((capacity, 4))``     float32 rows (t [s] after the start of the step, x, y
                                                   [pixels], p: 1 ON, 0 OFF), ascending in t, then zeros
    ``camera_count``    ``Box((1,))``              int64, events in ``camera``
    ``joint_position``  ``Box((2,))``              float64, pan and tilt [rad]
    ``joint_velocity``  ``Box((2,))``              float64, pan and tilt [rad/s]
    =================== ========================== ===========================================================

    **Camera**: log intensity, contrast threshold 0.2 with 3 % mismatch a pixel, refractory time 1 ms,
    times interpolated within the step, 0.1 Hz of noise a pixel; other kinds by ``camera``.

    **Reward**: minus the angle between the optical axis and the target [rad].

    **Start**: the head looks up to 10 degrees beside the target, at rest, and the camera has seen this
    picture for long. Phases, distance, textures, thresholds and noise come from the seed of ``reset``.

    **End**: never terminated; truncated after ``duration``.

    **Info**: ``time`` [s]; ``error`` [rad], the angle above; ``target``, (2,) azimuth and elevation [rad];
    ``lost``, whether the error is beyond 25 degrees; ``events`` and ``dropped_events`` of the step. The last
    step of an episode adds ``score``: ``rms_error`` [rad] and ``lost`` (fraction) over t > 1 s.

    Parameters
    ----------
    frequency : of the target's azimuth [Hz]
    background : standard deviation of the wall's log intensity; 0.05 is the default, 0.10 hard
    motion : ``sinusoid``, ``sum_of_sines`` or ``random``
    contrast : log intensity of the disc against the wall's mean; negative for a dark disc
    duration : of an episode [s]
    capacity : events a step that an observation holds
    size : width and height of the camera [pixels], at most 2048, not higher than wide; it sees 60 degrees across
    camera : ``default``, ``clean``, ``noisy`` or a ``sensors.camera_model.CameraModel``
    scene : ``analytic``: a formula gives a picture every step. ``rendered``: PyBullet's TinyRenderer draws a ball
        before a textured sphere; ``rendered_egl``: its EGL plugin does, where it works
    frame_rate : of a rendered scene [Hz], rounded to whole steps; what the camera sees is one frame late
    render_mode : None or ``rgb_array``: the picture, the events of the last 20 ms (ON orange, OFF blue),
        a cross at the optical axis and a ring around the target
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "score_units": {"rms_error": "rad", "lost": "1"},
    }

    def __init__(
        self,
        frequency: float = 0.8,
        background: float = 0.05,
        motion: str = "sinusoid",
        contrast: float = 1.2,
        duration: float = 11.0,
        capacity: int = 4096,
        render_mode: str | None = None,
        size: tuple[int, int] = (128, 128),
        camera: str | CameraModel = "default",
        scene: str = "analytic",
        frame_rate: float = 100.0,
    ) -> None:
        _check(frequency, background, motion, contrast, duration, render_mode, size, scene, frame_rate)
        self.frequency, self.background, self.motion, self.contrast = frequency, background, motion, contrast
        self.render_mode = render_mode
        self.duration = duration
        self.steps = round(duration / STEP)
        self._pinhole = Pinhole(*size)
        self._camera = EventCamera(size, camera, STEP, capacity)
        limit = Servo.velocity_limit
        self.action_space = spaces.Box(-limit, limit, (2,), np.float32)
        top = np.broadcast_to(np.array([STEP, size[0] - 1, size[1] - 1, 1], np.float32), (capacity, 4))
        self.observation_space = spaces.Dict(
            {
                "camera": spaces.Box(np.zeros((capacity, 4), np.float32), top.copy(), dtype=np.float32),
                "camera_count": spaces.Box(0, capacity, (1,), np.int64),
                "joint_position": spaces.Box(-STOPS - 0.1, STOPS + 0.1, dtype=np.float64),
                "joint_velocity": spaces.Box(-limit - 1.0, limit + 1.0, (2,), np.float64),
            }
        )
        self._servo = Servo(STEP, STOPS)
        every = round(1.0 / (frame_rate * STEP))
        self._sight = (
            AnalyticSight(self._pinhole)
            if scene == "analytic"
            else RenderedSight(self._pinhole, every, egl=scene == "rendered_egl")
        )
        self._picture = np.zeros((size[1], size[0]), np.float32)
        self._view = np.zeros(len(VIEW_NAMES))
        self._path = np.zeros((self.steps + 1, 2))
        self._step = self.steps  # until the first reset
        self._squares, self._lost_steps, self._counted = 0.0, 0, 0
        with silent():
            self._load()

    def _load(self) -> None:
        client = self._client = pybullet.connect(pybullet.DIRECT)
        self._disconnect = weakref.finalize(self, disconnect, client)
        pybullet.setTimeStep(STEP, physicsClientId=client)
        pybullet.setGravity(0.0, 0.0, -9.81, physicsClientId=client)
        self._body = pybullet.loadURDF(str(URDF), useFixedBase=True, physicsClientId=client)
        names = {
            pybullet.getJointInfo(self._body, j, physicsClientId=client)[1].decode(): j
            for j in range(pybullet.getNumJoints(self._body, physicsClientId=client))
        }
        self._joints = [names["pan"], names["tilt"]]
        for j in (-1, *self._joints):
            pybullet.changeDynamics(
                self._body, j, linearDamping=0.0, angularDamping=0.0, jointDamping=0.0, physicsClientId=client
            )
        self._start = pybullet.saveState(physicsClientId=client)

    @property
    def target_angles(self) -> np.ndarray:
        """(steps + 1, 2) float64, azimuth and elevation of the target at every step of this episode [rad]."""
        return self._path.copy()

    @property
    def joint_angles(self) -> tuple[float, float]:
        """Pan and tilt [rad]."""
        pan, tilt = pybullet.getJointStates(self._body, self._joints, physicsClientId=self._client)
        return pan[0], tilt[0]

    def _pose(self, pan: float, tilt: float) -> np.ndarray:
        """What the scene is drawn from, now."""
        self._view[0], self._view[1] = pan, tilt
        self._view[2:4] = self._path[self._step]
        return self._view

    def _observation(self, events: np.ndarray, count: int, joints: Any) -> dict[str, np.ndarray]:
        (pan, pan_velocity, *_), (tilt, tilt_velocity, *_) = joints
        return {
            "camera": events,
            "camera_count": np.array([count], np.int64),
            "joint_position": np.array([pan, tilt]),
            "joint_velocity": np.array([pan_velocity, tilt_velocity]),
        }

    def _info(self, pan: float, tilt: float, count: int, dropped: int) -> dict[str, Any]:
        azimuth, elevation = self._path[self._step].tolist()
        error = angle_between(pan, tilt, azimuth, elevation)
        return {
            "time": self._step * STEP,
            "error": error,
            "target": np.array([azimuth, elevation]),
            "lost": error > LOST,
            "events": count,
            "dropped_events": dropped,
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        rng = self.np_random
        self._step = 0
        self._path = target_path(self.motion, self.frequency, np.arange(self.steps + 1) * STEP, rng)
        distance = rng.uniform(1.5, 3.0)
        direction, offset = rng.uniform(0.0, 2.0 * math.pi), HEAD_START * math.sqrt(rng.random())
        phases = rng.uniform(0.0, 2.0 * math.pi, 2)
        self._view[4:] = (math.atan(DISC_RADIUS / distance), self.contrast, DISC_TEXTURE, *phases)
        wall = draw_background(rng, self.background)
        head = self._path[0] + offset * np.array([math.cos(direction), math.sin(direction)])
        head = np.clip(head, -STOPS, STOPS)
        client = self._client
        pybullet.restoreState(self._start, physicsClientId=client)
        for joint, angle in zip(self._joints, head):
            pybullet.resetJointState(self._body, joint, angle, 0.0, physicsClientId=client)
        self._servo.reset()
        self._squares, self._lost_steps, self._counted = 0.0, 0, 0
        joints = pybullet.getJointStates(self._body, self._joints, physicsClientId=client)
        pan, tilt = joints[0][0], joints[1][0]
        self._picture = self._sight.reset(self._pose(pan, tilt), wall)
        self._camera.reset(self._picture, int(rng.integers(2**63)))
        events = np.zeros((self._camera.capacity, 4), np.float32)
        return self._observation(events, 0, joints), self._info(pan, tilt, 0, 0)

    def step(self, action: np.ndarray) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        if self._step >= self.steps:
            raise gymnasium.error.ResetNeeded("the episode is over or has not begun: call reset()")
        client = self._client
        joints = pybullet.getJointStates(self._body, self._joints, physicsClientId=client)
        velocities = self._servo.step((float(action[0]), float(action[1])), (joints[0][0], joints[1][0]))
        pybullet.setJointMotorControlArray(
            self._body,
            self._joints,
            pybullet.VELOCITY_CONTROL,
            targetVelocities=velocities,
            forces=(100.0, 100.0),
            physicsClientId=client,
        )
        pybullet.stepSimulation(physicsClientId=client)
        self._step += 1
        joints = pybullet.getJointStates(self._body, self._joints, physicsClientId=client)
        pan, tilt = joints[0][0], joints[1][0]
        self._picture = self._sight.look(self._pose(pan, tilt))
        events, count, dropped = self._camera.observe(self._picture)
        info = self._info(pan, tilt, count, dropped)
        error = info["error"]
        if self._step >= SCORE_FROM:
            self._squares += error * error
            self._lost_steps += info["lost"]
            self._counted += 1
        truncated = self._step >= self.steps
        if truncated and self._counted:
            rms = math.sqrt(self._squares / self._counted)
            info["score"] = {"rms_error": rms, "lost": self._lost_steps / self._counted}
        return self._observation(events, count, joints), -error, False, truncated, info

    def render(self) -> np.ndarray | None:
        if self.render_mode is None:
            return None
        pan, tilt = self.joint_angles
        age = self._camera.time - SHOWN * round(STEP * 1e9)
        recent = (self._camera.last > age).reshape(self._picture.shape)
        sign = self._camera.sign.reshape(self._picture.shape)
        azimuth, elevation = self._path[min(self._step, self.steps)]
        place = pixel_of(self._pinhole, pan, tilt, azimuth, elevation)
        return draw(self._picture, recent, sign, place, self._view[4] * self._pinhole.focal)

    def close(self) -> None:
        self._disconnect()  # only the first call does anything
        self._sight.close()
        super().close()
