"""The analytic picture against one pixel at a time with exact trigonometry."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sim_worlds.pan_tilt import scene
from sim_worlds.sensors.pinhole import Pinhole
from snn_control.errors import DescriptionError

POSES = [(0.0, 0.0), (0.9, 0.3), (-1.4, -0.7), (1.4, 0.7), (0.2, -0.5)]


SIZES = [Pinhole(), Pinhole(240, 180), Pinhole(101, 33, 0.8), Pinhole(346, 260)]


def picture_of(texture: np.ndarray, view: list[float], pinhole: Pinhole = SIZES[0]) -> np.ndarray:
    return scene.AnalyticScene(pinhole).reset(np.array(view), texture)


def direction(x: float, y: float, pan: float, tilt: float, pinhole: Pinhole = SIZES[0]) -> np.ndarray:
    """Unit vector in the world, by rotation matrices, of pixel (x, y)."""
    focal = 0.5 * pinhole.width / math.tan(0.5 * pinhole.view)
    ray = np.array([1.0, (0.5 * (pinhole.width - 1) - x) / focal, (0.5 * (pinhole.height - 1) - y) / focal])
    ct, st, cp, sp = math.cos(tilt), math.sin(tilt), math.cos(pan), math.sin(pan)
    look_up = np.array([[ct, 0, -st], [0, 1, 0], [st, 0, ct]])
    turn_left = np.array([[cp, -sp, 0], [sp, cp, 0], [0, 0, 1]])
    world = turn_left @ look_up @ ray
    return world / np.linalg.norm(world)


def towards(azimuth: float, elevation: float) -> np.ndarray:
    ce = math.cos(elevation)
    return np.array([math.cos(azimuth) * ce, math.sin(azimuth) * ce, math.sin(elevation)])


def plain(texture: np.ndarray, view: list[float], x: int, y: int, pinhole: Pinhole) -> float:
    pan, tilt, azimuth, elevation, radius, contrast, amplitude, phase_left, phase_up = view
    d = direction(x, y, pan, tilt, pinhole)
    column = (math.atan2(d[1], d[0]) / math.tau + 0.5) * 1024
    row = (math.asin(d[2]) / math.pi + 0.5) * 512
    k, m = int(column), int(row)
    a, b = column - k, row - m
    low = (1 - a) * texture[m, k] + a * texture[m, k + 1]
    high = (1 - a) * texture[m + 1, k] + a * texture[m + 1, k + 1]
    wall = (1 - b) * low + b * high
    target = towards(azimuth, elevation)
    chord = float(np.linalg.norm(d - target))
    cover = min(max(0.5 + (radius - chord) * pinhole.focal, 0.0), 1.0)
    left = np.array([-math.sin(azimuth), math.cos(azimuth), 0.0])
    up = np.cross(target, left)
    k_disc = math.tau / math.radians(3.0)
    disc = contrast + amplitude * math.sin(k_disc * (d @ left) + phase_left) * math.sin(k_disc * (d @ up) + phase_up)
    return (1 - cover) * wall + cover * disc


@pytest.mark.parametrize("pinhole", SIZES)
@pytest.mark.parametrize(("pan", "tilt"), POSES)
def test_pixels_are_those_of_the_reference(pan, tilt, pinhole):
    rng = np.random.default_rng(1)
    texture = scene.draw_background(rng, 0.1)
    view = [pan, tilt, pan + 0.15, tilt - 0.05, 0.06, 1.2, 0.3, 1.0, 2.0]
    picture = picture_of(texture, view, pinhole)
    right, low = pinhole.width - 1, pinhole.height - 1
    x, y, _ = scene.pixel_of(pinhole, *view[:4])
    places = [tuple(p) for p in rng.integers(0, (right + 1, low + 1), (200, 2))]
    places += [(0, 0), (right, 0), (0, low), (right, low)]
    around = range(-12, 13, 2)
    places += [(int(x) + i, min(max(int(y) + j, 0), low)) for i in around for j in around]
    got = [picture[j, i] for i, j in places]
    # 1.5e-5 rad of the arctangent on the steepest slope of the texture
    np.testing.assert_allclose(got, [plain(texture, view, i, j, pinhole) for i, j in places], atol=1.5e-3)
    assert sum(g > 0.8 for g in got) > 20


def test_a_target_to_the_left_and_above_is_left_and_above_in_the_image():
    texture = np.zeros((512, 1024), np.float32)
    picture = picture_of(texture, [0.1, 0.05, 0.3, 0.15, 0.05, 1.2, 0.0, 0.0, 0.0])
    y, x = np.nonzero(picture > 0.6)
    place = scene.pixel_of(SIZES[0], 0.1, 0.05, 0.3, 0.15)
    assert place[0] < 60
    assert place[1] < 60
    assert (x.mean(), y.mean()) == pytest.approx(place[:2], abs=0.3)


def test_pixels_of_directions_are_those_of_rays():
    for x, y in ((0.0, 0.0), (20.0, 90.0), (63.5, 63.5)):
        d = direction(x, y, 0.7, -0.3)
        place = scene.pixel_of(SIZES[0], 0.7, -0.3, math.atan2(d[1], d[0]), math.asin(d[2]))
        assert place[:2] == pytest.approx((x, y), abs=1e-9)


@pytest.mark.parametrize("deviation", [0.05, 0.1])
def test_the_wall_has_its_deviation_and_wavelength(deviation):
    texture = scene.draw_background(np.random.default_rng(0), deviation)
    assert texture.shape == (512, 1024)
    assert texture.dtype == np.float32
    assert texture.std() == pytest.approx(deviation, rel=1e-5)
    assert abs(texture.mean()) < 1e-6
    power = np.abs(np.fft.fft2(texture)) ** 2
    radius = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(1024)[None, :])
    wavelength = 360.0 / 1024 / np.exp((power * np.log(radius + 1e-12)).sum() / power.sum())  # degrees
    assert 3.5 < wavelength < 6.5  # the ring of a higher frequency is larger: the mean lies below 6


def test_a_wall_without_contrast_is_flat():
    texture = scene.draw_background(np.random.default_rng(0), 0.0)
    assert not texture.any()


def test_a_pinhole_knows_its_angles():
    pinhole = Pinhole(240, 180)
    left, up = pinhole.angles()
    assert (left[0], left[-1]) == pytest.approx((math.atan(119.5 / pinhole.focal), -math.atan(119.5 / pinhole.focal)))
    assert up[0] == -up[-1] > 0
    assert pinhole.vertical_view == pytest.approx(2 * math.atan(0.75 * math.tan(math.radians(30))))
    x, y, depth = pinhole.pixel(2.0, 2.0 * math.tan(left[17]), 2.0 * math.tan(up[5]))
    assert (x, y, depth) == pytest.approx((17, 5, 2.0))


def test_what_cannot_be_drawn_is_refused():
    for make, name in (
        (lambda: Pinhole(0, 3), "width"),
        (lambda: Pinhole(3, 9000), "height"),
        (lambda: Pinhole(3, 3, 3.2), "view"),
        (lambda: scene.AnalyticScene(Pinhole(30, 40)), "size"),
        (lambda: scene.AnalyticScene(Pinhole(40, 30, 1.5)), "view"),
    ):
        with pytest.raises(DescriptionError, match=name):
            make()
