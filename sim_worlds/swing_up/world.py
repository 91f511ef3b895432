"""The world ``CartPoleSwingUp-v0``: a cart that swings a hanging pole up and keeps it upright."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from ..client import Client
from ..core import Goal, World
from .baselines import EnergyLQR
from .picture import draw
from .planner import Planner
from .robot import CartPole
from .task import SwingUp

__all__ = ["CartPoleSwingUpEnv"]

STEP = 0.02  # s
PHYSICS_STEPS = 8


class CartPoleSwingUpEnv(World):
    """Swing up a pole that hangs from a cart, and keep it upright.

    The cart (1 kg) moves on a rail of 3 m; the pole, a rod of 0.8 m and 0.2 kg, turns freely about a hinge on the cart.
    The motor is so weak that the pole has to swing several times, within the length of the rail. A step is 20 ms, with
    eight physics steps.

    ========== ==========================  ===================================================================
    Action     ``Box(-5, 5, (1,))``        float32, force on the cart [N], positive towards +x; clipped
    ========== ==========================  ===================================================================

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``joint_position``  ``Box((2,))``              float64, slider [m] and hinge [rad]: 0 when the pole points
                                                   up, positive towards +x, wrapped to -pi to pi
    ``joint_velocity``  ``Box((2,))``              float64, slider [m/s] and hinge [rad/s], which saturate at 10
                                                   and 30
    =================== ========================== ===========================================================

    The observations have the form of a JointState. The hinge's angle is not split into cosine and sine, because
    receptive fields can also encode an angle on a circle. The angle jumps from pi to -pi where the pole hangs, far from
    the upright pose.

    **Reward** of a step, from 0 to 1: the product of the four factors below, in the form of dm_control's swing-up.

    =========== =========================================== =================================
    upright     0.5 + 0.5 cos(angle)                        0 when the pole hangs
    middle      0.5 + 0.5 * 0.1^((place / 1.5 m)^2)         0.55 at an end of the rail
    slow        0.5 + 0.5 * 0.1^((turning / 5 rad/s)^2)     0.55 at 5 rad/s
    little      1 - 0.2 (force / 5 N)^2                     0.8 at the largest force
    =========== =========================================== =================================

    **Start**: cart up to 0.3 m from the middle, pole up to 0.1 rad from hanging (or standing), speeds up to 0.1
    m/s and rad/s, from the seed of ``reset``.

    **End**: terminated when the cart comes within 1 cm of an end of the rail; truncated after ``duration``.

    **Info**: ``time`` [s]; ``upright``, whether the pole is within 0.2 rad of upright. The last step of an episode adds
    ``score``: ``return``, the sum of the rewards, at most 1,000 in 20 s, and ``upright``, the fraction of steps with an
    upright pole.

    Parameters
    ----------
    start : ``down``: the pole hangs at the start; ``up``: the pole stands
    duration : length of an episode [s]
    randomize : strength of the domain randomisation, from 0 to 1; it multiplies the spreads in ``RANDOMIZED``: 20 % of
        the cart's mass and of the motor's force, 30 % of the pole's mass, 50 % of the viscous friction (0.2 N s/m on
        the rail, 0.002 N m s/rad in the hinge)
    render_mode : None, or ``rgb_array``, which shows rail, cart and pole; a green bar is the force
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 50,
        "score_units": {"return": "1", "upright": "1"},
        "title": "A cart swings a pole up",
        "controller": "swing_up",
        "compared_with": ("EnergyLQR",),
        "goal": Goal("return", at_least=850.0),
        "rows": {"nominal": {}, "randomize 1": {"randomize": 1.0}},
    }
    RANDOMIZED: ClassVar[Mapping[str, float]] = {"cart_mass": 0.2, "pole_mass": 0.3, "friction": 0.5, "force": 0.2}
    PERTURBED: ClassVar[Mapping[str, Mapping[str, float]]] = {
        "mass": {"cart_mass": 1, "pole_mass": 1}, "friction": {"friction": 1}, "motor_strength": {"force": 1},
    }  # fmt: skip
    BASELINES = EnergyLQR, Planner

    robot: CartPole

    def __init__(
        self, start: str = "down", duration: float = 20.0, randomize: float = 0.0, render_mode: str | None = None
    ) -> None:
        client = Client()
        robot = CartPole(client)
        super().__init__(
            client, robot, SwingUp(robot, start),
            dt=STEP, duration=duration, randomize=randomize, physics_steps=PHYSICS_STEPS, render_mode=render_mode,
        )  # fmt: skip

    def vary(self, factors: Mapping[str, float]) -> None:
        self.robot.strengthen(factors)

    def picture(self) -> np.ndarray:
        place, angle = self.robot.position
        return draw(place, angle, self.robot.force)
