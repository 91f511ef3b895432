"""The classical controller of ``CartPoleSwingUp-v0``: energy control for the swing-up, then an LQR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core import Baseline
from .robot import CART_MASS, FORCE, FRICTION, GRAVITY, HALF, POLE_MASS

__all__ = ["EnergyLQR"]

STEP = 0.02  # s
LEVER = POLE_MASS * HALF  # kg m
INERTIA = LEVER * HALF * 4.0 / 3.0  # kg m2, of the rod about its hinge


def regulator(errors: tuple[float, ...], effort: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the discrete-time linear-quadratic regulator (LQR) of the upright pole.

    errors : weights of the squared state variables place, angle, speed and turning, see the module `planner`
    effort : weight of the squared force

    Return the gain, (4,) float64, and the cost matrix P, (4, 4) float64. For a state x, the force is -gain . x and the
    expected cost x' P x.
    """
    mass = np.array([[CART_MASS + POLE_MASS, LEVER], [LEVER, INERTIA]])
    a: np.ndarray = np.zeros((4, 4))
    b: np.ndarray = np.zeros((4, 1))
    a[:2, 2:] = np.eye(2)
    a[2:, 1:] = np.linalg.solve(mass, [[0.0, -FRICTION[0], 0.0], [LEVER * GRAVITY, 0.0, -FRICTION[1]]])
    b[2:] = np.linalg.solve(mass, [[1.0], [0.0]])
    term = np.eye(4)
    ahead: np.ndarray = np.zeros((4, 4))
    pushed: np.ndarray = np.zeros((4, 4))
    for k in range(1, 12):  # exp(A dt), and its integral
        ahead, pushed, term = ahead + term, pushed + term * (STEP / k), term @ a * (STEP / k)
    b = pushed @ b
    weights, cost = np.diag(errors), np.diag(errors)
    for _ in range(1000):
        gain = np.linalg.solve(b.T @ cost @ b + effort, b.T @ cost @ ahead)
        cost = weights + ahead.T @ cost @ (ahead - b @ gain)
    return gain[0], cost


@dataclass
class EnergyLQR(Baseline):
    """Swing-up by energy control (Astrom and Furuta 2000), then an LQR. Both use the true masses and friction.

    The pole's energy E is 0 when the pole stands still upright. A cart acceleration of k E sign(w cos angle), at most
    ``strong``, brings the energy to 0; w is the pole's angular velocity. In addition, ``spring`` and ``damper`` pull
    the cart to the middle. The force for the total acceleration follows from the equations of motion. The LQR takes
    over when its expected cost is below ``catch``. Energy control takes over again when this cost exceeds twice
    ``catch``.

    gain : k [1/(kg m)]
    strong : largest acceleration of the cart in the swing-up [m/s2]
    spring : acceleration to the middle of the rail for each m of distance [1/s2]
    damper : deceleration of the cart for each m/s of speed [1/s]
    errors, effort : see `regulator`
    """

    label: ClassVar[str] = "energy + LQR"

    gain: float = 28.6
    strong: float = 4.8
    spring: float = 8.6
    damper: float = 3.0
    catch: float = 58.0
    errors: tuple[float, float, float, float] = (1.2, 3.5, 0.14, 0.035)
    effort: float = 0.033

    def __post_init__(self) -> None:
        self._linear, self._cost = regulator(self.errors, self.effort)
        self.reset()

    def reset(self) -> None:
        self._catching = False

    def predict(self, observation: dict[str, np.ndarray], info: Any = None) -> tuple[np.ndarray, None]:
        state = np.concatenate([observation["joint_position"], observation["joint_velocity"]])
        place, angle, speed, turning = state.tolist()
        self._catching = bool(state @ self._cost @ state < self.catch * (1.0 + self._catching))
        force = -float(self._linear @ state) if self._catching else self._swing(place, angle, speed, turning)
        return np.array([min(max(force, -FORCE), FORCE)], np.float32), None

    def _swing(self, place: float, angle: float, speed: float, turning: float) -> float:
        sin, cos = math.sin(angle), math.cos(angle)
        energy = 0.5 * INERTIA * turning**2 + LEVER * GRAVITY * (cos - 1.0)
        pump = self.gain * energy * math.copysign(1.0, turning * cos)
        a = min(max(pump, -self.strong), self.strong) - self.spring * place - self.damper * speed
        fall = (LEVER * GRAVITY * sin - LEVER * a * cos - FRICTION[1] * turning) / INERTIA
        return (CART_MASS + POLE_MASS) * a + LEVER * (fall * cos - turning**2 * sin) + FRICTION[0] * speed
