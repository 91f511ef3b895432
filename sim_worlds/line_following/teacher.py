"""A teacher that knows the course ahead, for imitation learning of event-based controllers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .robot import DELAY, FASTEST, LAG

__all__ = ["look_ahead"]

STIFFNESS, DAMPING = 6.0, 0.9  # rad/s, 1


def look_ahead(env: Any, observation: dict[str, np.ndarray]) -> np.ndarray:
    """Return the action of a controller like `baselines.TrueLine` that also compensates the delay.

    It uses the distance and angle to the line that the robot will have when the command reaches the wheels. It uses the
    line's curvature at the point where the robot will be when the wheels have followed the command.

    env : a `LineFollowingEnv`
    observation : newest observation of ``env``

    Use it as ``snn_control train --teacher sim_worlds.line_following.teacher:look_ahead``.
    """
    wanted, v, turning = (float(observation[name][0]) for name in ("target_speed", "speed", "yaw_rate"))
    course, (k, ahead, offset) = env.task.course, env.task.place
    spacing = math.hypot(*(course[1, :2] - course[0, :2]))

    def line(seconds: float) -> np.ndarray:
        return course[round(k + (ahead + v * seconds) / spacing) % len(course)]

    angle = math.remainder(env.robot.state[2] - line(0.0)[2], 2.0 * math.pi)
    later = math.remainder(env.robot.state[2] + DELAY * turning - line(DELAY)[2], 2.0 * math.pi)
    offset += 0.5 * DELAY * v * (angle + later)
    back = 2.0 * DAMPING * STIFFNESS * later + STIFFNESS**2 * offset / wanted
    turn = wanted * line(DELAY + LAG)[3] - back
    return np.array([wanted, min(max(turn, -FASTEST[1]), FASTEST[1])], np.float32)
