"""Draw the quadruped on a chequered ground, from a camera that follows it."""

from __future__ import annotations

import math

import numpy as np

from .dynamics import HIP, LINK, turned

__all__ = ["draw"]

SIZE = (320, 240)  # pixels
FOCAL = 330.0  # pixels
EYE, AIM = np.array([0.55, -1.15, 0.5]), np.array([0.0, 0.0, 0.2])  # m, relative to the robot
SKY, TILES, TRUNK = (205, 220, 235), ((120, 130, 120), (150, 160, 150)), (60, 70, 90)
LEGS = (70, 110, 190), (200, 90, 60)  # colours of the left and of the right legs
TILE = 0.25  # m


def joints(state: np.ndarray) -> np.ndarray:
    """Return the positions of hip, thigh, knee and foot of each leg in world coordinates, (4, 4, 3) float64 [m].

    state : see `dynamics.move`
    """
    trunk, places = np.empty((3, 3)), np.empty((4, 4, 3))
    turned(trunk, *state[3:7].tolist())
    for leg in range(4):
        ahead, side = 1.0 - 2.0 * (leg // 2), 1.0 - 2.0 * (leg % 2)
        a, b, c = state[13 + 3 * leg : 16 + 3 * leg].tolist()
        hip = np.array([ahead * HIP[0], side * HIP[1], 0.0])
        lean = np.array([[1.0, 0.0, 0.0], [0.0, math.cos(a), -math.sin(a)], [0.0, math.sin(a), math.cos(a)]])
        thigh = hip + lean @ (0.0, side * HIP[2], 0.0)
        knee = thigh - LINK * lean @ (math.sin(b), 0.0, math.cos(b))
        foot = knee - LINK * lean @ (math.sin(b + c), 0.0, math.cos(b + c))
        places[leg] = np.stack([hip, thigh, knee, foot])
    return state[:3] + places @ trunk.T


def draw(state: np.ndarray) -> np.ndarray:
    """Draw the robot in a state (see `dynamics.move`). Return an RGB image, (240, 320, 3) uint8."""
    columns, rows = SIZE
    here = np.array([state[0], state[1], 0.0])
    eye = here + EYE
    forward = (AIM - EYE) / np.linalg.norm(AIM - EYE)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    view = np.stack([right, -np.cross(right, forward), forward])  # to the right, down, ahead
    x, y = np.meshgrid(np.arange(columns) - columns / 2, np.arange(rows) - rows / 2)
    rays = np.stack([x / FOCAL, y / FOCAL, np.ones_like(x)], axis=-1) @ view
    reach = eye[2] / np.maximum(-rays[..., 2], 1e-3)
    tile = np.floor((eye[0] + reach * rays[..., 0]) / TILE) + np.floor((eye[1] + reach * rays[..., 1]) / TILE)
    image = np.array(TILES, np.uint8)[tile.astype(int) % 2]
    image[rays[..., 2] >= -1e-3] = SKY
    places = joints(state)
    spine = places[:, 0].reshape(2, 2, 3).mean(axis=1)  # middle of the front and of the rear hips
    bones = [(spine[0], spine[1], 0.06, TRUNK)]
    for leg in range(4):
        bones += [(places[leg, k], places[leg, k + 1], 0.025 - 0.004 * k, LEGS[leg % 2]) for k in range(3)]
    for start, end, radius, colour in sorted(bones, key=lambda one: -float((view @ (one[0] + one[1] - 2 * eye))[2])):
        (u0, v0, d0), (u1, v1, d1) = view @ (start - eye), view @ (end - eye)
        u0, v0, u1, v1 = (FOCAL * p / d for p, d in ((u0, d0), (v0, d0), (u1, d1), (v1, d1)))
        length = (u1 - u0) ** 2 + (v1 - v0) ** 2 + 1e-9
        along = np.clip(((x - u0) * (u1 - u0) + (y - v0) * (v1 - v0)) / length, 0.0, 1.0)
        away = np.hypot(x - u0 - along * (u1 - u0), y - v0 - along * (v1 - v0))
        image[away < FOCAL * radius * 2.0 / (d0 + d1)] = colour
    return image
