"""Compute the log intensity of a textured floor, seen by a camera that looks down.

The texture is a sum of octaves: one periodic picture of band-passed noise is laid on the floor at ten scales, with
wavelengths of 8 mm to 4 m. An octave fades out when its wavelength approaches the distance of two pixels on the floor,
as in a camera whose pixels average the light. So the picture has similar statistics at every height between 0.1 and 4
m, and no wavelength below three pixels.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numba.extending import register_jitable

from snn_control.engine.compile import compile_function

from ..sensors.pinhole import Pinhole
from ..sensors.texture import band_passed_noise

__all__ = ["OCTAVES", "Floor", "compiled_render", "draw_tile", "render"]

OCTAVES = 10
SHORTEST = 0.008  # m, wavelength of the first octave; it doubles with each octave
SIDE = 128  # texels of the picture, a power of two
WAVE = 8.0  # texels of a wavelength
FADE = 3.0  # pixels: a wavelength of this length is invisible, one of twice this length has full contrast


def draw_tile(rng: np.random.Generator) -> np.ndarray:
    """Return the periodic texture from which all octaves are made (see `band_passed_noise`), (128, 128) float32."""
    return band_passed_noise(rng, (SIDE, SIDE), WAVE, 0.33, std=1.0)


@register_jitable
def add_octave(row, tile, x, y, scale, left, down, weight):
    """Add one octave of the floor's texture to an image row. The periodic tile is interpolated bilinearly.

    row : (width,), log intensity of the pixels; updated
    tile : (128, 128) float32, see `draw_tile`
    x, y : (width,), coordinates of the floor points that the pixels see [m]
    scale : texels of this octave per metre
    left, down : origin of the octave [texels]
    weight : factor by which the tile is multiplied
    """
    mask = np.int32(SIDE - 1)
    flat = tile.reshape(tile.size)
    for i in range(row.size):
        u, v = x[i] * scale + left, y[i] * scale + down
        k, m = np.int32(u), np.int32(v)
        a, b = u - np.float32(k), v - np.float32(m)
        k0, k1, m0, m1 = k & mask, (k + 1) & mask, (m & mask) * SIDE, ((m + 1) & mask) * SIDE
        low = flat[m0 + k0] + a * (flat[m0 + k1] - flat[m0 + k0])
        high = flat[m1 + k0] + a * (flat[m1 + k1] - flat[m1 + k0])
        row[i] += weight * (low + b * (high - low))


def render(picture, tile, focal, view, places, contrast, scratch):
    """Draw the view of a camera that looks down at the floor.

    picture : (height, width) float32, log intensity, row y and column x; written. The top of the picture is ahead
    tile : (128, 128) float32, see `draw_tile`
    focal : focal length [pixels]
    view : (5,) float64, position x, y, z of the camera above the floor [m], then its tilt to the front and to the left
        [rad]
    places : (10, 2) float64, origin of each octave [texels], from 0 to 128
    contrast : standard deviation of the log intensity of each octave
    scratch : (2, width) float32, scratch memory
    """
    rows, columns = picture.shape
    height, front, left = view[2], math.tan(view[3]), math.tan(view[4])
    footprint = height / focal
    for j in range(rows):
        picture[j, :] = np.float32(0.0)
        ahead = (0.5 * (rows - 1) - j) / focal
        for i in range(columns):  # place where the ray meets the floor, relative to the point below the camera
            aside = (0.5 * (columns - 1) - i) / focal
            # when the body tilts to the front, the camera looks back: its axis meets the floor behind the body
            down = 1.0 + ahead * front + aside * left
            scratch[0, i] = np.float32(height * (ahead - front) / down)
            scratch[1, i] = np.float32(height * (aside - left) / down)
        for k in range(OCTAVES):
            wavelength = SHORTEST * 2.0**k
            weight = contrast * min(max(math.log2(wavelength / (FADE * footprint)), 0.0), 1.0)
            if weight > 0.0:
                scale = WAVE / wavelength  # texels a metre
                # texels stay positive, so that conversion to whole numbers rounds down
                u = np.float32((places[k, 0] + view[0] * scale) % SIDE + 8 * SIDE)
                v = np.float32((places[k, 1] + view[1] * scale) % SIDE + 8 * SIDE)
                add_octave(picture[j], tile, scratch[0], scratch[1], np.float32(scale), u, v, np.float32(weight))


compiled_render = functools.partial(
    compile_function,
    render,
    "void(float32[:,::1], float32[:,::1], float64, float64[::1], float64[:,::1], float64, float32[:,::1])",
)


class Floor:
    """Draws the floor with `render`, as the camera ``pinhole`` sees it."""

    def __init__(self, pinhole: Pinhole) -> None:
        self._picture = np.zeros((pinhole.height, pinhole.width), np.float32)
        self._scratch, self._focal = np.zeros((2, pinhole.width), np.float32), pinhole.focal
        self._tile = draw_tile(np.random.default_rng(0))  # the same in every world; an episode draws its place
        self._render = compiled_render()

    def reset(self, rng: np.random.Generator, contrast: float, view: np.ndarray) -> np.ndarray:
        """Start an episode with random origins of the octaves. Return its first picture; arguments as in `render`."""
        self._places, self._contrast = rng.uniform(0.0, SIDE, (OCTAVES, 2)), contrast
        return self.step(view)

    def step(self, view: np.ndarray) -> np.ndarray:
        """Return the picture one step later as a (height, width) float32 array, which the next call overwrites."""
        self._render(self._picture, self._tile, self._focal, view, self._places, self._contrast, self._scratch)
        return self._picture
