"""Equations of motion of a quadruped: the articulated-body algorithm, motors, and feet on the ground.

The algorithm is that of Featherstone (2008, Rigid Body Dynamics Algorithms, 7.3), including a floating base (9.4). All
spatial vectors (angular, then linear) are expressed in the world's axes. Their common reference point is the trunk's
centre of mass in the present step. So vectors need no transformation between links.
"""

from __future__ import annotations

import functools
import math

from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

__all__ = ["FACTORS", "HIP", "JOINTS", "JOINT_LIMITS", "LEGS", "LINK", "MASSES", "STATE", "STIFFNESS", "TORQUE",
           "accelerate", "compiled_move", "move", "turned"]  # fmt: skip

LEGS = ("fl", "fr", "rl", "rr")
JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "thigh", "knee"))
STATE = 49  # numbers of a state, see `move`

#: masses and inertias of trunk, hip, thigh and shank, from the URDF of the Unitree A1 (unitree_ros)
MASSES = (4.713, 0.696, 1.013, 0.226)  # kg
INERTIAS = (
    (0.0158, 0.0377, 0.0457),
    (0.00047, 0.00081, 0.00055),
    (0.0055, 0.0051, 0.0010),
    (0.0030, 0.0030, 0.00004),
)  # kg m^2, around the centre of mass
CENTRES = (0.0, 0.0, -0.027, -0.13)  # m, height of each centre of mass relative to the joint
HIP = (0.183, 0.047, 0.084)  # m, place of a hip ahead and to the side, and of its thigh further to the side
LINK = 0.2  # m, length of thigh and shank
FOOT = 0.02  # m, radius
ROTOR = 0.01  # kg m^2, inertia of each motor behind its gear
STIFFNESS, DAMPING = 80.0, 2.0  # N m/rad and N m s/rad of the position controllers in the motors
TORQUE = 33.5  # N m, limit
JOINT_LIMITS = ((-0.8, 0.8), (-1.05, 4.18), (-2.69, -0.92))  # rad, hip, thigh and knee
STOP = (300.0, 3.0)  # stiffness and damping beyond a stop [N m/rad, N m s/rad]
GRAVITY = 9.81  # m/s^2
GROUND = (15e3, 150.0)  # stiffness and damping of the ground under a foot, also sideways [N/m, N s/m]
WAVES = (11.0, 7.0)  # 1/m, wave numbers of the uneven ground along x and y

#: properties that an episode may change: name -> usual value
FACTORS = {
    "load": 0.0,  # kg, added to the trunk
    "mass": 1.0,
    "friction": 0.8,  # coefficient
    "strength": 1.0,  # factor of the motors' stiffness, damping and largest torque
    "bumps": 0.0,  # m, amplitude of the waves in the ground's height
    "phase_x": 0.0,  # rad, phases of these waves
    "phase_y": 0.0,
    "push_x": 0.0,  # N, present force on the trunk
    "push_y": 0.0,
}


@register_jitable
def turned(rotation, w, x, y, z):
    """Write the rotation matrix of a unit quaternion w, x, y, z into ``rotation``, (3, 3)."""
    rotation[0, 0], rotation[0, 1], rotation[0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    rotation[1, 0], rotation[1, 1], rotation[1, 2] = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
    rotation[2, 0], rotation[2, 1], rotation[2, 2] = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)


@register_jitable
def about(rotation, parent, axis, angle):
    """Write the rotation matrix of a link, (3, 3): the parent's matrix times a rotation about the joint axis.

    axis : 0 for x, 1 for y
    angle : joint angle [rad]
    """
    c, s = math.cos(angle), math.sin(angle)
    for k in range(3):
        if axis == 0:
            rotation[k, 0] = parent[k, 0]
            rotation[k, 1] = c * parent[k, 1] + s * parent[k, 2]
            rotation[k, 2] = -s * parent[k, 1] + c * parent[k, 2]
        else:
            rotation[k, 0] = c * parent[k, 0] - s * parent[k, 2]
            rotation[k, 1] = parent[k, 1]
            rotation[k, 2] = s * parent[k, 0] + c * parent[k, 2]


@register_jitable
def add_body(inertia, bias, rotation, mass, own, cx, cy, cz, v):
    """Compute the spatial inertia I of a body, and the bias force v x* I v that its spatial velocity v causes.

    inertia, bias : (6, 6) and (6,), written
    rotation : (3, 3), rotation of the body
    mass, own : mass [kg], and moments of inertia about the body's own axes [kg m^2]
    cx, cy, cz : position of the body's centre of mass [m]
    v : (6,), spatial velocity of the body
    """
    for i in range(3):
        for j in range(3):
            total = 0.0
            for k in range(3):
                total += rotation[i, k] * own[k] * rotation[j, k]
            inertia[i, j] = total
            inertia[i + 3, j + 3] = mass if i == j else 0.0
    inertia[0, 0] += mass * (cy * cy + cz * cz)
    inertia[1, 1] += mass * (cx * cx + cz * cz)
    inertia[2, 2] += mass * (cx * cx + cy * cy)
    inertia[0, 1] -= mass * cx * cy
    inertia[0, 2] -= mass * cx * cz
    inertia[1, 2] -= mass * cy * cz
    inertia[1, 0], inertia[2, 0], inertia[2, 1] = inertia[0, 1], inertia[0, 2], inertia[1, 2]
    mx, my, mz = mass * cx, mass * cy, mass * cz
    for i in range(3):
        inertia[i, i + 3] = inertia[i + 3, i] = 0.0
    inertia[0, 4] = inertia[4, 0] = -mz
    inertia[0, 5] = inertia[5, 0] = my
    inertia[1, 3] = inertia[3, 1] = mz
    inertia[1, 5] = inertia[5, 1] = -mx
    inertia[2, 3] = inertia[3, 2] = -my
    inertia[2, 4] = inertia[4, 2] = mx
    n0, n1, n2, f0, f1, f2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for j in range(6):
        n0 += inertia[0, j] * v[j]
        n1 += inertia[1, j] * v[j]
        n2 += inertia[2, j] * v[j]
        f0 += inertia[3, j] * v[j]
        f1 += inertia[4, j] * v[j]
        f2 += inertia[5, j] * v[j]
    bias[0] = v[1] * n2 - v[2] * n1 + v[4] * f2 - v[5] * f1
    bias[1] = v[2] * n0 - v[0] * n2 + v[5] * f0 - v[3] * f2
    bias[2] = v[0] * n1 - v[1] * n0 + v[3] * f1 - v[4] * f0
    bias[3] = v[1] * f2 - v[2] * f1
    bias[4] = v[2] * f0 - v[0] * f2
    bias[5] = v[0] * f1 - v[1] * f0


@register_jitable
def touch(state, factors, leg, x, y, z, vx, vy, vz, forces):
    """Compute the ground's force on a foot, and write it into ``forces``, (3,) [N].

    The vertical force is that of a spring and a damper. Horizontally, a spring and a damper pull the foot to the point
    where it came to rest, until this force exceeds friction.

    x, y, z, vx, vy, vz : position of the foot [m] and its velocity [m/s]
    """
    height = factors[4] * math.sin(WAVES[0] * x + factors[5]) * math.sin(WAVES[1] * y + factors[6])
    depth = height + FOOT - z
    forces[0] = forces[1] = forces[2] = 0.0
    stiff, damp = GROUND
    up = stiff * depth - damp * vz
    if depth <= 0.0 or up <= 0.0:
        state[45 + leg] = 0.0
        return
    if state[45 + leg] == 0.0:
        state[37 + 2 * leg], state[38 + 2 * leg], state[45 + leg] = x, y, 1.0
    fx = stiff * (state[37 + 2 * leg] - x) - damp * vx
    fy = stiff * (state[38 + 2 * leg] - y) - damp * vy
    size, most = math.sqrt(fx * fx + fy * fy), factors[2] * up
    if size > most:
        fx, fy = fx * most / size, fy * most / size
        state[37 + 2 * leg], state[38 + 2 * leg] = x + fx / stiff, y + fy / stiff
    forces[0], forces[1], forces[2] = fx, fy, up


@register_jitable
def solve(a, b):
    """Solve the linear equations a x = b for a symmetric positive definite matrix.

    a, b : (6, 6), overwritten, and (6,), replaced by the solution x
    """
    for j in range(6):
        for k in range(j):
            a[j, j] -= a[j, k] * a[j, k] * a[k, k]
        for i in range(j + 1, 6):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k] * a[k, k]
            a[i, j] /= a[j, j]
    for i in range(6):
        for k in range(i):
            b[i] -= a[i, k] * b[k]
    for i in range(6):
        b[i] /= a[i, i]
    for i in range(5, -1, -1):
        for k in range(i + 1, 6):
            b[i] -= a[k, i] * b[k]


@register_jitable
def parts(work):
    """Return the work arrays of trunk, links and joints, as views of the scratch memory ``work`` of `accelerate`.

    For trunk and links: rotations (13, 3, 3), inertias (13, 6, 6), bias forces (13, 6) and velocities (13, 6). For the
    joints: axes, velocity-dependent accelerations, and products of inertia and axis, (12, 6) each; then 1 / inertia
    about the axis, and torque minus bias force, (12,) each.
    """
    rotations, inertias = work[:117].reshape(13, 3, 3), work[117:585].reshape(13, 6, 6)
    biases, axes, speeds = work[585:663].reshape(13, 6), work[663:735].reshape(12, 6), work[735:813].reshape(13, 6)
    drifts, pulls = work[813:885].reshape(12, 6), work[885:957].reshape(12, 6)
    return rotations, inertias, biases, speeds, axes, drifts, pulls, work[957:969], work[969:981]


@register_jitable
def outward(leg, state, factors, mass, work, force):
    """First pass, from the trunk to a leg's foot: compute poses and velocities of its links, and the forces on them.

    mass : factor of the masses
    work : see `parts`
    force : (3,), force of the ground on the foot [N]; written
    state, factors : as in `move`
    """
    rotations, inertias, biases, speeds, axes, drifts, _, _, _ = parts(work)
    ahead, side = 1.0 - 2.0 * (leg // 2), 1.0 - 2.0 * (leg % 2)
    x, y, z = ahead * HIP[0], side * HIP[1], 0.0
    px = py = pz = 0.0  # place of the parent's joint
    before = 0
    for joint in range(3):
        k = 3 * leg + joint
        rotation, parent = rotations[k + 1], rotations[before]
        about(rotation, parent, 0 if joint == 0 else 1, state[13 + k])
        px += parent[0, 0] * x + parent[0, 1] * y + parent[0, 2] * z
        py += parent[1, 0] * x + parent[1, 1] * y + parent[1, 2] * z
        pz += parent[2, 0] * x + parent[2, 1] * y + parent[2, 2] * z
        column = 0 if joint == 0 else 1
        sx, sy, sz = rotation[0, column], rotation[1, column], rotation[2, column]
        axis, v, u = axes[k], speeds[k + 1], speeds[before]
        axis[0], axis[1], axis[2] = sx, sy, sz
        axis[3], axis[4], axis[5] = py * sz - pz * sy, pz * sx - px * sz, px * sy - py * sx
        rate = state[25 + k]
        for i in range(6):
            v[i] = u[i] + axis[i] * rate
        c = drifts[k]
        c[0] = rate * (v[1] * axis[2] - v[2] * axis[1])
        c[1] = rate * (v[2] * axis[0] - v[0] * axis[2])
        c[2] = rate * (v[0] * axis[1] - v[1] * axis[0])
        c[3] = rate * (v[1] * axis[5] - v[2] * axis[4] + v[4] * axis[2] - v[5] * axis[1])
        c[4] = rate * (v[2] * axis[3] - v[0] * axis[5] + v[5] * axis[0] - v[3] * axis[2])
        c[5] = rate * (v[0] * axis[4] - v[1] * axis[3] + v[3] * axis[1] - v[4] * axis[0])
        down = CENTRES[joint + 1]
        cx, cy, cz = px + rotation[0, 2] * down, py + rotation[1, 2] * down, pz + rotation[2, 2] * down
        add_body(inertias[k + 1], biases[k + 1], rotation, MASSES[joint + 1] * mass, INERTIAS[joint + 1],
                 cx, cy, cz, v)  # fmt: skip
        x, y, z = 0.0, (side * HIP[2] if joint == 0 else 0.0), (0.0 if joint == 0 else -LINK)
        before = k + 1
    last = rotations[before]
    fx, fy, fz = px - LINK * last[0, 2], py - LINK * last[1, 2], pz - LINK * last[2, 2]
    v = speeds[before]
    vx = v[3] + v[1] * fz - v[2] * fy
    vy = v[4] + v[2] * fx - v[0] * fz
    vz = v[5] + v[0] * fy - v[1] * fx
    touch(state, factors, leg, state[0] + fx, state[1] + fy, state[2] + fz, vx, vy, vz, force)
    bias = biases[before]
    bias[0] -= fy * force[2] - fz * force[1]
    bias[1] -= fz * force[0] - fx * force[2]
    bias[2] -= fx * force[1] - fy * force[0]
    for i in range(3):
        bias[3 + i] -= force[i]


@register_jitable
def inward(leg, torque, work):
    """Second pass, from a leg's foot to the trunk: add the inertia and bias force of the leg's links to the trunk's.

    torque : (12,), torques of the motors [N m]
    work : see `parts`
    """
    _, inertias, biases, _, axes, drifts, pulls, inverse, rest = parts(work)
    for joint in range(2, -1, -1):
        k = 3 * leg + joint
        to = 0 if joint == 0 else k
        axis, pull, own, bias, c = axes[k], pulls[k], inertias[k + 1], biases[k + 1], drifts[k]
        total, push = ROTOR, torque[k]
        for i in range(6):
            value = 0.0
            for j in range(6):
                value += own[i, j] * axis[j]
            pull[i] = value
        for i in range(6):
            total += axis[i] * pull[i]
            push -= axis[i] * bias[i]
        inverse[k], rest[k] = 1.0 / total, push
        along = 0.0
        for i in range(6):
            along += pull[i] * c[i]
        share = (push - along) / total
        for i in range(6):
            value = bias[i] + pull[i] * share
            for j in range(6):
                value += own[i, j] * c[j]
                inertias[to, i, j] += own[i, j] - pull[i] * pull[j] / total
            biases[to, i] += value


@register_jitable
def onward(leg, base, work, out):
    """Third pass, from the trunk to a leg's foot: compute the accelerations of the joints.

    base : (6,), spatial acceleration of the trunk
    work : see `parts`
    out : (18,), accelerations, see `accelerate`; written
    """
    _, _, _, _, axes, drifts, pulls, inverse, rest = parts(work)
    a0, a1, a2, a3, a4, a5 = base[0], base[1], base[2], base[3], base[4], base[5]
    for joint in range(3):
        k = 3 * leg + joint
        c, pull, axis = drifts[k], pulls[k], axes[k]
        a0, a1, a2, a3, a4, a5 = a0 + c[0], a1 + c[1], a2 + c[2], a3 + c[3], a4 + c[4], a5 + c[5]
        along = pull[0] * a0 + pull[1] * a1 + pull[2] * a2 + pull[3] * a3 + pull[4] * a4 + pull[5] * a5
        rate = (rest[k] - along) * inverse[k]
        out[6 + k] = rate
        a0, a1, a2 = a0 + axis[0] * rate, a1 + axis[1] * rate, a2 + axis[2] * rate
        a3, a4, a5 = a3 + axis[3] * rate, a4 + axis[4] * rate, a5 + axis[5] * rate


@register_jitable
def accelerate(state, torque, factors, work, out):
    """Compute the accelerations of trunk and joints.

    state, factors : as in `move`
    torque : (12,) torques of the motors [N m]
    work : (1200,) float64, scratch memory
    out : (18,), written: the trunk's angular (3) and linear (3) acceleration, then the accelerations of the joints (12)
    """
    rotations, inertias, biases, speeds, _, _, _, _, _ = parts(work)
    base, force = work[981:987], work[987:990]
    turned(rotations[0], state[3], state[4], state[5], state[6])
    for k in range(3):
        speeds[0, k], speeds[0, 3 + k] = state[10 + k], state[7 + k]
    mass = factors[1]
    trunk = MASSES[0] * mass + factors[0]
    add_body(inertias[0], biases[0], rotations[0], trunk, INERTIAS[0], 0.0, 0.0, 0.0, speeds[0])
    biases[0, 3] -= factors[7]
    biases[0, 4] -= factors[8]
    for leg in range(4):
        outward(leg, state, factors, mass, work, force)
    for leg in range(4):
        inward(leg, torque, work)
    for i in range(6):
        base[i] = -biases[0, i]
    solve(inertias[0], base)
    for leg in range(4):
        onward(leg, base, work, out)
    w0, w1, w2 = state[10], state[11], state[12]
    out[0], out[1], out[2] = base[0], base[1], base[2]
    out[3] = base[3] + w1 * state[9] - w2 * state[8]
    out[4] = base[4] + w2 * state[7] - w0 * state[9]
    out[5] = base[5] + w0 * state[8] - w1 * state[7] - GRAVITY


def move(state, targets, factors, steps, dt, work, out):
    """Advance the state by several steps with constant targets of the joints, in place.

    state : (49,) float64, updated: the trunk's position (3) [m], quaternion w, x, y, z (4), velocity (3) [m/s] and
        angular velocity (3) [rad/s], all in the world's axes; angles (12) [rad] and speeds (12) [rad/s] of JOINTS; x
        and y of the point where each foot came to rest (8) [m]; whether each foot is on the ground (4)
    targets : (12,) float64, target angles of the joints [rad]
    factors : factors of the robot's physical properties, in the order of FACTORS
    steps : number of steps
    dt : length of a step [s]
    work : (1200,) float64, scratch memory
    out : (18,) float64, the mean accelerations (see `accelerate`); written
    """
    torque, now = work[1000:1012], work[1012:1030]
    strength = factors[3]
    most = TORQUE * strength
    out[:] = 0.0
    for _ in range(steps):
        for k in range(12):
            angle, rate = state[13 + k], state[25 + k]
            u = strength * (STIFFNESS * (targets[k] - angle) - DAMPING * rate)
            u = min(max(u, -most), most)
            low, high = JOINT_LIMITS[k % 3]
            if angle < low:
                u += STOP[0] * (low - angle) - STOP[1] * rate
            elif angle > high:
                u += STOP[0] * (high - angle) - STOP[1] * rate
            torque[k] = u
        accelerate(state, torque, factors, work, now)
        for k in range(3):
            state[7 + k] += dt * now[3 + k]
            state[10 + k] += dt * now[k]
            state[k] += dt * state[7 + k]
        for k in range(12):
            state[25 + k] += dt * now[6 + k]
            state[13 + k] += dt * state[25 + k]
        for k in range(18):
            out[k] += now[k] / steps
        w, x, y, z = state[3], state[4], state[5], state[6]
        a, b, c = 0.5 * dt * state[10], 0.5 * dt * state[11], 0.5 * dt * state[12]
        w, x, y, z = (
            w - a * x - b * y - c * z,
            x + a * w + b * z - c * y,
            y + b * w + c * x - a * z,
            z + c * w + a * y - b * x,
        )
        size = 1.0 / math.sqrt(w * w + x * x + y * y + z * z)
        state[3], state[4], state[5], state[6] = w * size, x * size, y * size, z * size


compiled_move = functools.partial(
    compile_function, move, "void(float64[::1], float64[::1], float64[::1], int64, float64, float64[::1], float64[::1])"
)
