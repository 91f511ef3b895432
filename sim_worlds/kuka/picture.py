"""Draw the arm as an image with PyBullet's TinyRenderer, in a separate physics client."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..client import Client, pybullet
from .robot import LOAD_RADIUS, Kuka

__all__ = ["Picture"]

WIDTH, HEIGHT = 320, 240  # pixels
GREEN = (0.1, 0.7, 0.2, 1.0)


class Picture:
    """Draws the arm with its load, a ball, and a green cube at the position where the ball should be.

    If the ball is at this position, the corners of the cube stick out of it.
    """

    def __init__(self) -> None:
        self._client = client = Client()
        self._arm = Kuka(client, shapes=True)
        shape = client.createVisualShape(pybullet.GEOM_BOX, halfExtents=[0.7 * LOAD_RADIUS] * 3, rgbaColor=GREEN)
        self._goal = client.createMultiBody(0, -1, shape)
        self._view = client.computeViewMatrix((1.5, -1.2, 0.8), (0.25, 0.0, 0.35), (0.0, 0.0, 1.0))
        self._lens = client.computeProjectionMatrixFOV(30.0, WIDTH / HEIGHT, 0.1, 4.0)

    def _move(self, position: Sequence[float] | np.ndarray) -> tuple[float, ...]:
        """Set the joint angles of the drawn arm, (7,) [rad]. Return the position x, y, z of the load's centre [m]."""
        for joint, angle in zip(self._arm.joints, position, strict=True):
            self._client.resetJointState(self._arm.body, joint, angle)
        return self._client.getLinkState(self._arm.body, self._arm.hand, computeForwardKinematics=True)[4]

    def draw(self, position: Sequence[float], wanted: np.ndarray) -> np.ndarray:
        """Return an RGB image of the arm and of the wanted position of its load, (240, 320, 3) uint8.

        position : (7,), actual joint angles [rad]
        wanted : (7,), wanted joint angles [rad]
        """
        self._client.resetBasePositionAndOrientation(self._goal, self._move(wanted), (0.0, 0.0, 0.0, 1.0))
        self._move(position)
        pixels = self._client.getCameraImage(
            WIDTH, HEIGHT, self._view, self._lens, shadow=0, renderer=pybullet.ER_TINY_RENDERER
        )[2]
        return np.reshape(pixels, (HEIGHT, WIDTH, 4))[:, :, :3].astype(np.uint8)
