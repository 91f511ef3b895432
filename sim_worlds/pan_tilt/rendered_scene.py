"""The scene in front of the head, wall and target, made of bodies that PyBullet renders."""

from __future__ import annotations

import math
import struct
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..client import Client, pybullet, silent
from ..sensors.intensity import FLOOR
from ..sensors.pinhole import Pinhole
from ..sensors.rendered import Between, Renderer
from . import scene

__all__ = ["RenderedScene"]

WALL_RADIUS = 20.0  # m: far away, like the analytic wall
AWAY = 2.0  # m, distance of the ball, whose size is chosen to cover the angle of the disc
WALL_GREY = 0.2  # mean intensity of the wall, so that a disc of log contrast 1.2 and its texture stay below white
BALL = (16, 32)  # facets of the target in elevation and azimuth
WALL = (24, 48)


class RenderedScene:
    """Renders the wall, a textured sphere around the head, and the target, a ball, in a separate physics client.

    pinhole : the camera; its field of view must fit into the wall of the analytic scene
    every : number of steps between frames
    egl : whether to render with the EGL plugin, if the plugin works
    """

    def __init__(self, pinhole: Pinhole, every: int, egl: bool) -> None:
        scene.check_pinhole(pinhole)
        self._pinhole, self._egl = pinhole, egl
        self._between = Between(self._draw, every)
        self._view = np.zeros(len(scene.VIEW_NAMES))
        self._client: Client | None = None

    def reset(self, view: np.ndarray, wall: np.ndarray) -> np.ndarray:
        """Start an episode and return its first picture; arguments: ``view`` and ``texture`` of ``scene.render``."""
        self.close()
        self._view[:] = view
        with silent(1, 2), tempfile.TemporaryDirectory() as folder:
            client = self._client = Client()
            self._renderer = Renderer(client.number, self._pinhole, egl=self._egl, **AMBIENT)
            radius = AWAY * math.sin(view[4])  # the ball covers the same angle as the disc
            load_sphere(client, Path(folder), WALL, WALL_RADIUS, WALL_GREY * np.exp(wall), True)
            texture = WALL_GREY * np.exp(view[5] + ball_texture(*view[6:9]))
            ball = load_sphere(client, Path(folder), BALL, radius, texture, False)
        self._move_ball = partial(client.resetBasePositionAndOrientation, ball)
        return self._between.reset()

    def step(self, view: np.ndarray) -> np.ndarray:
        """Return the picture one step later, (height, width) float32. It shows the scene of one frame earlier."""
        self._view[:] = view
        return self._between.step()

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _draw(self) -> np.ndarray:
        pan, tilt, azimuth, elevation = self._view[:4]
        back = pybullet.getQuaternionFromEuler((0.0, elevation, azimuth + math.pi))
        self._move_ball((AWAY * turn(azimuth, elevation)[:, 0]).tolist(), back)
        return self._renderer.frame(np.zeros(3), turn(pan, tilt)) - GREY


def load_sphere(
    client: Client, folder: Path, facets: tuple[int, int], radius: float, intensity: np.ndarray, inward: bool
) -> int:
    """Load a textured sphere around the origin into a physics client. Return the id of the sphere's body.

    folder : folder for temporary files
    facets : number of the sphere's facets in elevation and in azimuth
    intensity : (rows, columns), intensity of the texture, 0 to 1, over elevation and azimuth
    inward : whether the sphere is seen from within
    """
    mesh, picture = folder / f"{inward}.obj", folder / f"{inward}.bmp"
    mesh.write_text(sphere(*facets, radius, inward))  # the EGL plugin reads meshes only from files
    picture.write_bytes(bitmap(np.clip(np.rint(255.0 * intensity), 0, 255).astype(np.uint8)))
    shape = client.createVisualShape(pybullet.GEOM_MESH, fileName=str(mesh), rgbaColor=(1, 1, 1, 1))
    body = client.createMultiBody(0, -1, shape)
    client.changeVisualShape(body, -1, textureUniqueId=client.loadTexture(str(picture)))
    return body


def turn(azimuth: float, elevation: float) -> np.ndarray:
    """Return the rotation matrix of a body that faces a direction given by azimuth and elevation [rad], (3, 3).

    The columns of the matrix are the body's forward, left and up directions.
    """
    ca, sa, ce, se = math.cos(azimuth), math.sin(azimuth), math.cos(elevation), math.sin(elevation)
    return np.array([[ca * ce, -sa, -ca * se], [sa * ce, ca, -sa * se], [se, 0.0, ce]])


#: ambient light only: the picture is the texture
AMBIENT: dict[str, Any] = {"lightAmbientCoeff": 1.0, "lightDiffuseCoeff": 0.0, "lightSpecularCoeff": 0.0, "shadow": 0}
#: log intensity of the wall's mean, which is 0 in the analytic scene
GREY = np.float32(math.log((WALL_GREY + FLOOR) / (1.0 + FLOOR)))


def sphere(rows: int, columns: int, radius: float, inward: bool) -> str:
    """Return the text of an OBJ file of a sphere made of facets, with texture coordinates over azimuth and elevation.

    All normals are equal, so that the renderer lights all facets equally.
    """
    azimuth = np.linspace(-math.pi, math.pi, columns + 1)
    elevation = np.linspace(-0.5 * math.pi, 0.5 * math.pi, rows + 1)
    a, e = (grid.ravel() for grid in np.meshgrid(azimuth, elevation))
    corners = radius * np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=1)
    # half a texel: the analytic wall has its first texel at the edge of the map
    place = np.stack([a / (2.0 * math.pi) + 0.5 + 0.5 / scene.COLUMNS, e / math.pi + 0.5 + 0.5 / scene.ROWS], axis=1)
    first = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel() + 1
    square = np.stack([first, first + 1, first + columns + 2, first, first + columns + 2, first + columns + 1], axis=1)
    facets = square.reshape(-1, 3)[:, :: -1 if inward else 1]
    lines = ["v {:.6f} {:.6f} {:.6f}".format(*c) for c in corners] + ["vt {:.7f} {:.7f}".format(*p) for p in place]
    lines += ["vn 0 0 1", *("f {0}/{0}/1 {1}/{1}/1 {2}/{2}/1".format(*f) for f in facets)]
    return "\n".join(lines) + "\n"


def ball_texture(amplitude: float, phase_left: float, phase_up: float) -> np.ndarray:
    """Return the ball's texture, similar to the disc's: (128, 256) log intensity over elevation and azimuth."""
    azimuth = np.linspace(-math.pi, math.pi, 256)[None, :]
    elevation = np.linspace(-0.5 * math.pi, 0.5 * math.pi, 128)[:, None]
    return amplitude * np.sin(2.0 * azimuth + phase_left) * np.sin(2.0 * elevation + phase_up)


def bitmap(grey: np.ndarray) -> bytes:
    """Return the bytes of a BMP file with 24 bits per pixel.

    grey : (rows, columns), the picture, with the bottom row first; its width must be a multiple of 4
    """
    rows, columns = grey.shape
    size = 3 * rows * columns
    head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + size, 0, 0, 54, 40, columns, rows, 1, 24, 0, size, 0, 0, 0, 0)
    return head + np.repeat(grey[:, :, None], 3, axis=2).tobytes()
