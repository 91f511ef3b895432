"""Classical controllers of ``PanTiltTracking-v0``.

Each controller has the methods ``reset()`` and ``predict(observation, info) -> (action, None)``. ``observation`` and
``info`` are the newest ones of the world. Only ``TrueAngleP`` and ``TrueMotion`` use the true position of the target.
The gains are in ``gains.json``, to which ``benchmarks/pan_tilt.py --sweep`` writes the gains of the other controllers.

Controllers whose attribute ``of_events`` is true use events, and are designed for the default camera of 128 x 128
pixels. Angles are positive to the left and upwards, like those of the joints.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from snn_control.engine.compile import compile_function

from ..core import Baseline
from ..sensors.pinhole import Pinhole
from .robot import Servo

__all__ = ["BASELINES", "CentroidP", "GatedTracker", "TrueAngleP", "TrueMotion", "load"]

GAINS = Path(__file__).with_name("gains.json")
STEP = 1e-3  # s
LIMIT = Servo.velocity_limit
#: (128,) float64, angle between the optical axis and pixel x (or y) of the default camera, positive left (up) [rad]
ANGLE = Pinhole().angles()[0]


def _command(pan: float, tilt: float) -> tuple[np.ndarray, None]:
    return np.array([min(max(pan, -LIMIT), LIMIT), min(max(tilt, -LIMIT), LIMIT)], np.float32), None


@dataclass
class TrueAngleP(Baseline):
    """Commands a velocity proportional to the true angle between target and optical axis, as with perfect vision.

    gain : velocity command for each radian of angle [1/s]
    """

    of_events: ClassVar[bool] = False
    label: ClassVar[str] = "P on the true angle"
    note: ClassVar[str] = (
        "P on the true angle is a plain proportional controller without feed-forward: it sees the true error and "
        "still lags behind what moves."
    )

    gain: float

    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        error = info["target"] - observation["joint_position"]
        return _command(self.gain * error[0], self.gain * error[1])


@dataclass
class TrueMotion(Baseline):
    """Commands the target's true velocity, plus terms for its acceleration and for the remaining angle.

    It is a teacher for event-based controllers (``snn_control train --teacher TrueMotion``). The command is v + tau_lag
    a + p(e). The velocity v and the acceleration a of the target are computed from differences of its positions; e is
    the angle that will remain when the command acts. For small e, p is ``gain`` e. For large e, p is limited to a speed
    from which the head can brake in time, proportional to the square root of e.

    gain : velocity command for each radian of remaining angle [1/s]
    brake : assumed deceleration [rad/s2]
    spare : fraction of the acceleration left after following the target that braking may use
    """

    of_events: ClassVar[bool] = False
    label: ClassVar[str] = "true motion"

    gain: float
    brake: float
    spare: float

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._time = math.inf
        self._before = self._velocity = np.zeros(2)

    def predict(self, observation: dict[str, np.ndarray], info: Any) -> tuple[np.ndarray, None]:
        if info["time"] <= self._time:
            self.reset()
            velocity, acceleration = self._velocity, np.zeros(2)
        else:
            velocity = (info["target"] - self._before) / STEP
            acceleration = (velocity - self._velocity) / STEP * (info["time"] > 1.5 * STEP)
        self._time, self._before, self._velocity = info["time"], info["target"], velocity
        soon = Servo.delay * (velocity - observation["joint_velocity"])
        error = info["target"] - observation["joint_position"] + soon
        spare = self.spare * (Servo.acceleration_limit - np.abs(acceleration))
        brake = np.clip(spare, 1.0, self.brake)
        near, far = self.gain * np.abs(error), np.sqrt(2 * brake * np.abs(error) + (brake / self.gain) ** 2)
        pull = np.sign(error) * np.minimum(near, far - brake / self.gain)
        return _command(*(velocity + Servo.tau_lag * acceleration + pull).tolist())


@dataclass
class CentroidP(Baseline):
    """Commands a velocity proportional to the mean position of the recent events.

    In each step, the number of events S and the sum of their angles X first decay by ``exp(-dt / tau)``. Then the
    step's events are added. The mean is ``X / (S + pseudocount)``.

    gain : velocity command for each radian of the mean [1/s]
    tau : time constant with which old events decay [s]
    pseudocount : number of events below which the mean is drawn towards the middle of the picture
    """

    of_events: ClassVar[bool] = True
    label: ClassVar[str] = "P on the event centroid"

    gain: float
    tau: float
    pseudocount: float

    def __post_init__(self) -> None:
        self._decay = math.exp(-STEP / self.tau)
        self.reset()

    def reset(self) -> None:
        self._sum = np.zeros(3)

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        n = int(observation["camera_count"][0])
        self._sum *= self._decay
        if n:
            place = ANGLE[observation["camera"][:n, 1:3].astype(np.intp)]
            self._sum += (n, *place.sum(axis=0))
        count, x, y = self._sum.tolist()
        scale = self.gain / (count + self.pseudocount)
        return _command(x * scale, y * scale)


def gate(events, count, angle, x, y, radius, out):
    """Count and sum the events within a *gate*, a circular region at the target's expected position.

    events : (capacity, 4) float32, t, x, y, p; the first ``count`` rows are used
    angle : (128,) float64, angle of each pixel row or column [rad]
    x, y : centre of the gate [rad]
    radius : radius of the gate [rad]
    out : (4,) float64, written: number of events within the gate; number of events in the ring of equal area around it;
        sums of the distances from the centre, in x and in y, of the events within the gate
    """
    within = around = 0
    dx_sum = dy_sum = 0.0
    for k in range(count):
        dx, dy = angle[np.int64(events[k, 1])] - x, angle[np.int64(events[k, 2])] - y
        square = dx * dx + dy * dy
        if square < radius * radius:
            within += 1
            dx_sum += dx
            dy_sum += dy
        elif square < 2.0 * radius * radius:
            around += 1
    out[0], out[1], out[2], out[3] = within, around, dx_sum, dy_sum


@dataclass
class GatedTracker(Baseline):
    """An alpha-beta tracker of the target's direction in the world, from the events around its expected position.

    The estimated direction moves with its estimated velocity, and the joints' angles compensate the head's own motion.
    The n events within the gate (`gate`) pull the estimate, with the weight ``n / (n + pseudocount)``. If the gate
    recently had no more events than the ring around it, the gate widens. So the target is found at the start, and again
    after it was lost.

    gain : gain of the command for the angle between estimate and head [1/s]
    feed_forward : gain of the command for the estimate's velocity
    radius : radius of the gate [rad]
    extra_radius : how much the radius grows if no target was seen recently [rad]
    alpha : gain with which events correct the estimated position [per 10 ms]
    beta : gain with which events correct the estimated velocity [per 10 ms]
    pseudocount : number of events in the gate at which their weight is one half
    min_excess : recent excess of events in the gate over events in the ring at which the gate has its smallest radius
    tau : time constant of the average that defines "recently" [s]
    """

    of_events: ClassVar[bool] = True
    label: ClassVar[str] = "gated tracker"
    velocity_tau: ClassVar[float] = 2.0  # s, time constant with which a velocity decays if no event confirms it
    reach: ClassVar[float] = 0.52  # rad, limit that keeps the estimate in the field of view

    gain: float
    feed_forward: float
    radius: float
    extra_radius: float
    alpha: float
    beta: float
    pseudocount: float
    min_excess: float
    tau: float = 0.05

    def __post_init__(self) -> None:
        self._gate = compile_function(
            gate, "void(float32[:,::1], int64, float64[::1], float64, float64, float64, float64[::1])"
        )
        self._sums = np.zeros(4)
        self._decay = math.exp(-STEP / self.tau)
        self._forget = 1.0 - STEP / self.velocity_tau
        self.reset()

    def reset(self) -> None:
        self._place: list[float] | None = None
        self._velocity = [0.0, 0.0]
        self._excess = 0.0

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        joints = observation["joint_position"].tolist()
        place = self._place if self._place is not None else list(joints)
        velocity = self._velocity
        for k in range(2):
            place[k] += velocity[k] * STEP
            velocity[k] *= self._forget
        events, count = observation["camera"], int(observation["camera_count"][0])
        radius = self.radius + max(self.min_excess - self._excess, 0.0) / self.min_excess * self.extra_radius
        self._gate(events, count, ANGLE, place[0] - joints[0], place[1] - joints[1], radius, self._sums)
        within, around, *distance = self._sums.tolist()
        self._excess = self._excess * self._decay + max(within - around, 0.0)
        for k in range(2):
            mean = distance[k] / (within + self.pseudocount)
            place[k] += self.alpha * mean
            velocity[k] = min(max(velocity[k] + self.beta * mean * 0.01 / STEP, -LIMIT), LIMIT)
            place[k] = joints[k] + min(max(place[k] - joints[k], -self.reach), self.reach)
        self._place = place
        pan, tilt = (self.gain * (place[k] - joints[k]) + self.feed_forward * velocity[k] for k in range(2))
        return _command(pan, tilt)


BASELINES = {one.__name__: one for one in (CentroidP, GatedTracker, TrueAngleP, TrueMotion)}


def load(name: str) -> Any:
    """Return the controller with this class name and the tuned gains of ``gains.json``."""
    return BASELINES[name](**json.loads(GAINS.read_text())[name])
