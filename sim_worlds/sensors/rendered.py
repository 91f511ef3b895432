"""Render frames with PyBullet as log intensity, and interpolate between frames for an event camera.

The renderer's 8-bit colour values are linear in luminance, without gamma. Frames are rendered at 60 to 200 Hz, because
rendering a frame takes milliseconds; the camera's steps are shorter. Between frames the log intensity changes linearly
from the previous frame to the newest one, so the camera's pictures are one frame late.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from snn_control.errors import DescriptionError

from ..client import pybullet, silent
from .intensity import log_intensity
from .pinhole import Pinhole

__all__ = ["Between", "Renderer", "egl_works"]

PLUGIN = "eglRenderer"


def _plugin() -> str:
    """Return the path of PyBullet's EGL plugin, or an empty string if the plugin is not installed."""
    found = importlib.util.find_spec(PLUGIN)
    return found.origin or "" if found else ""


@functools.cache
def egl_works() -> bool:
    """Return whether PyBullet's EGL plugin can render on this machine.

    The function tries the plugin in a separate process, because the plugin may crash the process that loads it.
    """
    if not _plugin():
        return False
    code = (
        "import pybullet as p; p.connect(p.DIRECT)\n"
        f"assert p.loadPlugin({_plugin()!r}, '_{PLUGIN}Plugin') >= 0\n"
        "view = p.computeViewMatrix([0, 0, 0], [1, 0, 0], [0, 0, 1])\n"
        "p.getCameraImage(8, 8, view, p.computeProjectionMatrixFOV(60, 1, 0.1, 9))\n"
    )
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class Renderer:
    """Renders the bodies of a physics client, seen by a pinhole camera, as log intensity.

    client : id of the client in PyBullet
    pinhole : the camera's size and field of view
    near : smallest distance at which bodies are drawn [m]
    far : largest distance at which bodies are drawn [m]
    egl : whether to use the EGL plugin, which only draws bodies created after the plugin was loaded; if the plugin does
        not work, TinyRenderer is used, with a warning
    **light : arguments of ``pybullet.getCameraImage``: lightDirection, lightAmbientCoeff, shadow, ...
    """

    def __init__(
        self, client: int, pinhole: Pinhole, near: float = 0.05, far: float = 100.0, egl: bool = False, **light: Any
    ) -> None:
        if not 0 < near < far:
            raise DescriptionError("near", near, f"must be positive and below far ({far:g} m)")
        self.client, self.pinhole, self.light = client, pinhole, light
        if egl and not egl_works():
            warnings.warn("EGL does not work here: TinyRenderer draws", RuntimeWarning, stacklevel=2)
            egl = False
        #: the renderer: "egl" or "tiny"
        self.name = "egl" if egl else "tiny"
        if egl:
            with silent(1, 2):
                pybullet.loadPlugin(_plugin(), f"_{PLUGIN}Plugin", physicsClientId=client)
        view, aspect = np.degrees(pinhole.vertical_view), pinhole.width / pinhole.height
        projection = list(pybullet.computeProjectionMatrixFOV(view, aspect, near, far))
        if not egl:  # TinyRenderer's picture is shifted by half a pixel to the right and up
            projection[8] += 1.0 / pinhole.width
            projection[9] += 1.0 / pinhole.height
        self._projection = projection
        self._which = pybullet.ER_BULLET_HARDWARE_OPENGL if egl else pybullet.ER_TINY_RENDERER

    def frame(self, position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
        """Render one picture as a (height, width) float32 array of log intensity; 0 is white.

        position : (3,), position of the camera in the world [m]
        rotation : (3, 3), rotation matrix; its columns are the camera's forward, left and up directions in the world
        """
        forward, up = rotation[:, 0], rotation[:, 2]
        width, height = self.pinhole.width, self.pinhole.height
        with silent(1) if self.name == "egl" else contextlib.nullcontext():  # the plugin prints while it draws
            view = pybullet.computeViewMatrix(list(position), list(position + forward), list(up))
            image = pybullet.getCameraImage(
                width, height, view, self._projection, renderer=self._which,
                flags=pybullet.ER_NO_SEGMENTATION_MASK, physicsClientId=self.client, **self.light,
            )[2]  # fmt: skip
        return log_intensity(np.asarray(image, np.uint8).reshape(height, width, 4)[:, :, :3])


class Between:
    """Computes a picture for every step, by linear interpolation between frames that are rendered every few steps.

    The pictures show the scene of one frame earlier.

    draw : function that renders the present scene as log intensity, (height, width) float32
    every : number of steps between frames
    """

    def __init__(self, draw: Callable[[], np.ndarray], every: int) -> None:
        if every < 1:
            raise DescriptionError("every", every, "must be at least 1 step")
        self.draw, self.every = draw, every

    def reset(self) -> np.ndarray:
        """Start an episode and return its first picture. The scene counts as static before the start."""
        self._step = 0
        self._old = self._new = self.draw()
        return self._new

    def step(self) -> np.ndarray:
        """Return the picture one step later as a new (height, width) float32 array of log intensity."""
        self._step += 1
        k = self._step % self.every
        part = np.float32((k or self.every) / self.every)
        picture = self._old + (self._new - self._old) * part
        if k == 0:
            self._old, self._new = self._new, self.draw()
        return picture
