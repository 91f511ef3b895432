"""Equations of motion of a two-link arm in a vertical plane (Siciliano et al. 2009, Robotics, 7.3.2)."""

from __future__ import annotations

import functools
import math

from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

__all__ = ["FASTEST", "JOINT_LIMIT", "acceleration", "compiled_move", "move"]

LENGTHS = (0.4, 0.35)  # m, of upper arm and forearm
MASSES = (2.0, 1.2)  # kg, in the middle of each link
INERTIAS = (0.027, 0.0123)  # kg m^2, of slim rods around their middle
FRICTION = 0.5  # N m s/rad, in each joint
GRAVITY = 9.81  # m/s^2
JOINT_LIMIT = 2.5  # rad, angle at which a joint is stopped
FASTEST = 40.0  # rad/s, upper limit of a joint's speed


@register_jitable
def acceleration(q1, q2, v1, v2, u1, u2, load):
    """Return the accelerations a of both joints [rad/s^2], which solve M(q) a = u - c(q, v) - g(q) - friction v.

    M is the mass matrix, c are the Coriolis and centrifugal torques, and g the torques by gravity.

    q1 : angle of the shoulder from the horizontal, positive upwards [rad]
    q2 : angle of the elbow from the upper arm, positive upwards [rad]
    v1, v2 : speeds of both joints [rad/s]
    u1, u2 : torques of both joints [N m]
    load : load in the hand [kg]
    """
    l1, l2 = LENGTHS
    m1, m2 = MASSES
    i1, i2 = INERTIAS
    far = 0.5 * m2 * l2 + load * l2  # kg m, first moment of forearm and load around the elbow
    near = 0.5 * m1 * l1 + (m2 + load) * l1
    m22 = i2 + 0.25 * m2 * l2 * l2 + load * l2 * l2
    m12 = m22 + l1 * far * math.cos(q2)
    m11 = i1 + 0.25 * m1 * l1 * l1 + (m2 + load) * l1 * l1 + 2.0 * m12 - m22
    h = l1 * far * math.sin(q2)
    hand = GRAVITY * far * math.cos(q1 + q2)
    r1 = u1 + h * (2.0 * v1 * v2 + v2 * v2) - GRAVITY * near * math.cos(q1) - hand - FRICTION * v1
    r2 = u2 - h * v1 * v1 - hand - FRICTION * v2
    det = m11 * m22 - m12 * m12
    return (m22 * r1 - m12 * r2) / det, (m11 * r2 - m12 * r1) / det


def move(state, u1, u2, load, dt):
    """Advance the state by one step with constant torques, in place, by the Runge-Kutta method of fourth order.

    state : (4,) float64, angles of both joints [rad], then their speeds [rad/s]
    u1, u2 : torques of both joints [N m]
    load : load in the hand [kg]
    dt : length of the step [s]
    """
    q1, q2, v1, v2 = state[0], state[1], state[2], state[3]
    a1, a2 = acceleration(q1, q2, v1, v2, u1, u2, load)
    half = 0.5 * dt
    w1, w2 = v1 + half * a1, v2 + half * a2
    b1, b2 = acceleration(q1 + half * v1, q2 + half * v2, w1, w2, u1, u2, load)
    x1, x2 = v1 + half * b1, v2 + half * b2
    c1, c2 = acceleration(q1 + half * w1, q2 + half * w2, x1, x2, u1, u2, load)
    y1, y2 = v1 + dt * c1, v2 + dt * c2
    d1, d2 = acceleration(q1 + dt * x1, q2 + dt * x2, y1, y2, u1, u2, load)
    state[0] = q1 + dt / 6.0 * (v1 + 2.0 * w1 + 2.0 * x1 + y1)
    state[1] = q2 + dt / 6.0 * (v2 + 2.0 * w2 + 2.0 * x2 + y2)
    state[2] = v1 + dt / 6.0 * (a1 + 2.0 * b1 + 2.0 * c1 + d1)
    state[3] = v2 + dt / 6.0 * (a2 + 2.0 * b2 + 2.0 * c2 + d2)
    for k in range(2):
        if abs(state[k]) > JOINT_LIMIT:
            state[k] = math.copysign(JOINT_LIMIT, state[k])
            state[2 + k] = 0.0
        state[2 + k] = min(max(state[2 + k], -FASTEST), FASTEST)


compiled_move = functools.partial(compile_function, move, "void(float64[::1], float64, float64, float64, float64)")
