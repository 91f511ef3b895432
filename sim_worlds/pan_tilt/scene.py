"""The scene in front of the head: a textured disc before a textured wall, computed as log intensity.

The scene is a sphere of directions around the intersection of the pan and the tilt axis, so only angles matter.
Directions follow REP-103: x forward, y left, z up. Azimuth is positive to the left, elevation upwards. The image has x
to the right and y down, and its middle is the optical axis (see ``Pinhole``).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function
from snn_control.errors import DescriptionError

from ..sensors.pinhole import Pinhole
from ..sensors.texture import band_passed_noise

__all__ = ["AnalyticScene", "check_pinhole", "compiled_render", "draw_background", "pixel_of", "render"]

#: texture of the wall: rows of equal elevation, from -90 to 90 degrees, columns of equal azimuth, from -180 to 180
ROWS, COLUMNS = 512, 1024
TEXELS = COLUMNS / (2.0 * math.pi)  # texels a radian, the same along both axes
WIDEST = math.radians(60.0) + 1e-9  # field of view
WAVELENGTH = math.radians(6.0)  # wavelength of the wall's texture
DISC_WAVELENGTH = math.radians(3.0)  # wavelength of the target's texture

#: the entries of ``view``, the parameters of a picture for ``render``
VIEW_NAMES = ("pan", "tilt", "azimuth", "elevation", "radius", "contrast", "texture", "phase_left", "phase_up")

# atan(t) = t (A0 + A1 t^2 + A2 t^4) / (1 + B1 t^2 + B2 t^4 + B3 t^6), minimax fit, error < 1.5e-5 rad for |t| <= 2.9:
# a 600th of a pixel. With this formula the loop over pixels becomes vector code, unlike with libm's function
A0, A1, A2 = np.float32(0.99987729), np.float32(0.59206843), np.float32(0.04368744)
B1, B2, B3 = np.float32(0.92404309), np.float32(0.15616771), np.float32(0.00237924)


def draw_background(rng: np.random.Generator, deviation: float) -> np.ndarray:
    """Return a random texture of the wall, (512, 1024) float32 log intensity with mean 0 and a standard deviation."""
    return band_passed_noise(rng, (ROWS, COLUMNS), WAVELENGTH, 0.5, deviation, scale=TEXELS)


def pixel_of(pinhole: Pinhole, pan: float, tilt: float, azimuth: float, elevation: float) -> tuple[float, float, float]:
    """Return the position x, y of a direction in the image [pixels], and its depth; see `Pinhole.pixel`.

    pan, tilt : angles of the head [rad]
    azimuth, elevation : angles of the direction [rad]
    """
    level = math.cos(elevation)
    x, y, z = math.cos(azimuth - pan) * level, math.sin(azimuth - pan) * level, math.sin(elevation)
    return pinhole.pixel(*to_camera(x, y, z, tilt))


@register_jitable
def to_camera(x, y, z, tilt):
    """Convert a vector from the frame of the pan link to the frame of the camera. Return (forward, left, up)."""
    c, s = math.cos(tilt), math.sin(tilt)
    return x * c + z * s, y, z * c - x * s


@register_jitable
def wall_row(up, focal, pan, tilt, column, row):
    """Compute the texture coordinates of the wall points that the pixels of an image row see.

    up : height of the image row above the optical axis [pixels]
    focal : focal length [pixels]
    pan, tilt : angles of the head [rad]
    column, row : (width,) float32, texture coordinates [texels]; written
    """
    scale = np.float32(TEXELS)
    column_0 = np.float32(pan * TEXELS + 0.5 * COLUMNS)
    row_0 = np.float32(0.5 * ROWS)
    pixel = np.float32(1.0 / focal)
    centre = np.float32(0.5 * (column.size - 1))
    c, s = math.cos(tilt), math.sin(tilt)
    h = up / focal
    f = np.float32(c - h * s)  # forward and up in the frame of the pan link, constant along a row
    u = np.float32(s + h * c)
    ff = f * f
    uu = u * u
    for i in range(column.size):
        w = (centre - np.float32(i)) * pixel
        ww = w * w
        numerator = w * f * (A0 * ff * ff + ww * (A1 * ff + A2 * ww))
        denominator = ff * ff * (ff + B1 * ww) + ww * ww * (B2 * ff + B3 * ww)
        column[i] = numerator / denominator * scale + column_0
        gg = ff + ww
        numerator = u * np.sqrt(gg) * (A0 * gg * gg + uu * (A1 * gg + A2 * uu))
        denominator = gg * gg * (gg + B1 * uu) + uu * uu * (B2 * gg + B3 * uu)
        row[i] = numerator / denominator * scale + row_0


@register_jitable
def draw_wall(picture, texture, focal, pan, tilt, scratch, index):
    """Draw the texture of the wall in every pixel, interpolated bilinearly; arguments as in `render`.

    The compiler vectorises two of the three loops over an image row.
    """
    flat = texture.reshape(texture.size)
    column, row = scratch[0], scratch[1]
    low_left, low_right, high_left, high_right = scratch[2], scratch[3], scratch[4], scratch[5]
    for j in range(picture.shape[0]):
        wall_row(0.5 * (picture.shape[0] - 1) - j, focal, pan, tilt, column, row)
        for i in range(picture.shape[1]):
            k, m = np.int32(column[i]), np.int32(row[i])
            index[i] = m * np.int32(COLUMNS) + k
            column[i] -= np.float32(k)
            row[i] -= np.float32(m)
        for i in range(picture.shape[1]):
            q = np.uint64(index[i])
            low_left[i], low_right[i] = flat[q], flat[q + np.uint64(1)]
            high_left[i], high_right[i] = flat[q + np.uint64(COLUMNS)], flat[q + np.uint64(COLUMNS + 1)]
        for i in range(picture.shape[1]):
            low = low_left[i] + column[i] * (low_right[i] - low_left[i])
            high = high_left[i] + column[i] * (high_right[i] - high_left[i])
            picture[j, i] = low + row[i] * (high - low)


@register_jitable
def draw_disc(picture, focal, pan, tilt, azimuth, elevation, radius, contrast, texture, phase_left, phase_up):
    """Draw the target over the picture: a disc with an edge one pixel wide. Arguments as in `render` and VIEW_NAMES."""
    # unit vectors towards the target, and to its left and up, in the camera
    ca, sa, ce, se = math.cos(azimuth - pan), math.sin(azimuth - pan), math.cos(elevation), math.sin(elevation)
    f, w, u = to_camera(ca * ce, sa * ce, se, tilt)
    if f < 0.3:
        return  # far outside the image
    lf, lw, lu = to_camera(-sa, ca, 0.0, tilt)
    uf, uw, uu = to_camera(-ca * se, -sa * se, ce, tilt)
    rows, columns = picture.shape
    centre_x, centre_y = 0.5 * (columns - 1), 0.5 * (rows - 1)
    x, y = centre_x - w / f * focal, centre_y - u / f * focal
    reach = radius * focal * 1.5 / (f * f) + 2.0
    first_i, last_i = max(0, int(x - reach)), min(columns - 1, int(x + reach) + 1)
    first_j, last_j = max(0, int(y - reach)), min(rows - 1, int(y + reach) + 1)
    k = 2.0 * math.pi / DISC_WAVELENGTH
    for j in range(first_j, last_j + 1):
        pu = (centre_y - j) / focal
        for i in range(first_i, last_i + 1):
            pw = (centre_x - i) / focal
            n = 1.0 / math.sqrt(1.0 + pw * pw + pu * pu)
            df, dw, du = n - f, pw * n - w, pu * n - u
            cover = 0.5 + (radius - math.sqrt(df * df + dw * dw + du * du)) * focal
            if cover > 0.0:
                cover = min(cover, 1.0)
                left = df * lf + dw * lw + du * lu
                up = df * uf + dw * uw + du * uu
                value = contrast + texture * math.sin(k * left + phase_left) * math.sin(k * up + phase_up)
                picture[j, i] = np.float32((1.0 - cover) * picture[j, i] + cover * value)


def render(picture, texture, focal, view, scratch, index):
    """Draw the camera's view of wall and target.

    picture : (height, width) float32, log intensity, row y and column x; written
    texture : (512, 1024) float32, log intensity of the wall
    focal : focal length [pixels]
    view : (9,) float64, named by ``VIEW_NAMES``: five angles [rad], including the target's angular radius; log contrast
        of the target and amplitude of its texture; two phases of its texture [rad]. Pan must be within 1.5 rad and tilt
        within 0.75 rad, because the wall is not drawn beyond the poles and the seam behind the camera
    scratch : (6, width) float32, scratch memory
    index : (width,) int32, scratch memory
    """
    pan, tilt = min(max(view[0], -1.5), 1.5), min(max(view[1], -0.75), 0.75)
    draw_wall(picture, texture, focal, pan, tilt, scratch, index)
    draw_disc(picture, focal, pan, tilt, view[2], view[3], view[4], view[5], view[6], view[7], view[8])


compiled_render = functools.partial(
    compile_function, render, "void(float32[:,::1], float32[:,::1], float64, float64[::1], float32[:,::1], int32[::1])"
)


def check_pinhole(pinhole: Pinhole) -> None:
    """Raise DescriptionError if the camera can see beyond the part of the wall that is drawn."""
    if pinhole.height > pinhole.width:
        raise DescriptionError("size", (pinhole.width, pinhole.height), "must not be higher than wide")
    if pinhole.view > WIDEST:
        raise DescriptionError("view", pinhole.view, f"must be at most {WIDEST:.4f} rad (60 degrees)")


class AnalyticScene:
    """Draws wall and disc with `render`, which computes an exact picture for every step.

    pinhole : the camera, see `check_pinhole`
    """

    def __init__(self, pinhole: Pinhole) -> None:
        check_pinhole(pinhole)
        self._picture = np.zeros((pinhole.height, pinhole.width), np.float32)
        self._wall, self._focal = np.zeros((ROWS, COLUMNS), np.float32), pinhole.focal
        self._scratch = np.zeros((6, pinhole.width), np.float32), np.zeros(pinhole.width, np.int32)
        self._render = compiled_render()

    def reset(self, view: np.ndarray, wall: np.ndarray) -> np.ndarray:
        """Start an episode and return its first picture; arguments: ``view`` and ``texture`` of `render`."""
        self._wall = wall
        return self.step(view)

    def step(self, view: np.ndarray) -> np.ndarray:
        """Return the picture one step later as a (height, width) float32 array, which the next call overwrites."""
        self._render(self._picture, self._wall, self._focal, view, *self._scratch)
        return self._picture
