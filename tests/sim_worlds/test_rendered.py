"""Rendered scenes: where things are, how late they are seen, and that both scenes of the world are the same one."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from sim_worlds.client import pybullet
from sim_worlds.pan_tilt import scene
from sim_worlds.pan_tilt.rendered_scene import AMBIENT, RenderedScene
from sim_worlds.pan_tilt.scene import AnalyticScene
from sim_worlds.sensors.event_camera import EventCamera
from sim_worlds.sensors.intensity import FLOOR, log_intensity
from sim_worlds.sensors.pinhole import Pinhole
from sim_worlds.sensors.rendered import Between, Renderer, egl_works
from snn_control.errors import DescriptionError, InputError

FACE = np.eye(3)


@pytest.fixture
def client():
    number = pybullet.connect(pybullet.DIRECT)
    yield number
    pybullet.disconnect(number)


def black_ball(client: int, radius: float) -> int:
    shape = pybullet.createVisualShape(
        pybullet.GEOM_SPHERE, radius=radius, rgbaColor=(0, 0, 0, 1), physicsClientId=client
    )
    return pybullet.createMultiBody(0, -1, shape, physicsClientId=client)


def move(client: int, body: int, place) -> None:
    pybullet.resetBasePositionAndOrientation(body, list(place), (0, 0, 0, 1), physicsClientId=client)


@pytest.mark.parametrize("size", [(128, 128), (101, 77), (96, 32)])
def test_a_ball_is_where_the_pinhole_has_it(client, size):
    pinhole = Pinhole(*size)
    renderer = Renderer(client, pinhole, **AMBIENT)
    assert renderer.name == "tiny"
    ball = black_ball(client, 0.12)
    away = []
    for left, up in ((0.0, 0.0), (0.4, 0.1), (-0.6, 0.12), (0.2, -0.1), (-0.45, -0.14)):
        move(client, ball, (2.0, left, up))
        y, x = np.nonzero(renderer.frame(np.zeros(3), FACE) < -3.5)
        place = pinhole.pixel(2.0, left, up)
        away.append((x.mean() - place[0], y.mean() - place[1]))
    assert np.abs(np.mean(away, axis=0)).max() < 0.15
    assert np.abs(away).max() < 0.5


def test_frames_are_joined_by_straight_lines_one_frame_late():
    now = [0.0]
    between = Between(lambda: np.full((2, 3), now[0], np.float32), 4)
    assert np.all(between.reset() == 0.0)
    seen = []
    for k in range(1, 17):
        now[0] = 0.5 * k  # moves on by 2 a frame
        seen.append(between.step()[1, 2])
    late = [0.5 * max(k - 4, 0) for k in range(1, 17)]
    assert seen == late
    with pytest.raises(DescriptionError, match="every"):
        Between(lambda: np.zeros((1, 1), np.float32), 0)


def test_a_moving_ball_makes_events_at_its_edges_of_the_right_signs(client):
    pinhole = Pinhole(96, 64)
    renderer = Renderer(client, pinhole)  # with PyBullet's usual light
    ball = black_ball(client, 0.25)
    left = [0.5]

    def draw() -> np.ndarray:
        move(client, ball, (2.0, left[0], 0.0))
        return renderer.frame(np.zeros(3), FACE)

    between, camera = Between(draw, 10), EventCamera((96, 64), "clean")
    camera.reset(between.reset(), 1)
    offsets = {0: [], 1: []}
    for k in range(1, 401):
        left[0] = 0.5 - 2.5e-3 * k
        events, _ = camera.advance(between.step())
        x, _, _ = pinhole.pixel(2.0, left[0] + 2.5e-3 * 10, 0.0)  # where it was a frame ago
        for p in (0, 1):
            offsets[p] += (events.x[events.p == p] - x).tolist()
    assert len(offsets[0]) > 1000
    radius = 0.25 / 2.0 * pinhole.focal
    # to the right: dark comes with the right half of its rim, light returns behind the left
    for p, side in ((0, 1), (1, -1)):
        assert np.median(offsets[p]) * side == pytest.approx(radius, abs=0.35 * radius)
        assert np.mean(np.array(offsets[p]) * side > 0) > 0.95


VIEW = np.array([0.2, 0.1, 0.4, 0.2, 0.08, 1.2, 0.0, 1.0, 2.0])


def compare(pinhole: Pinhole, egl: bool) -> float:
    wall = scene.draw_background(np.random.default_rng(0), 0.2)
    analytic, rendered = AnalyticScene(pinhole), RenderedScene(pinhole, 1, egl)
    one, other = analytic.reset(VIEW, wall).copy(), rendered.reset(VIEW, wall)
    turned = VIEW + np.array([-0.5, 0.3, -0.4, 0.2, 0, 0, 0, 0, 0])
    later = analytic.step(turned)
    rendered.step(turned)  # a frame late
    worst = min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in ((one, other), (later, rendered.step(turned))))
    assert one.mean() == pytest.approx(other.mean(), abs=0.02)
    rendered.close()
    rendered.close()
    return worst


@pytest.mark.parametrize("pinhole", [Pinhole(), Pinhole(160, 90)])
def test_the_rendered_wall_and_target_are_the_analytic_ones(pinhole):
    assert compare(pinhole, False) > 0.96


def test_egl_draws_the_same_or_says_that_it_does_not():
    if egl_works():
        assert compare(Pinhole(96, 96), True) > 0.96
    else:
        with pytest.warns(RuntimeWarning, match="TinyRenderer draws"):
            compare(Pinhole(96, 96), True)


def test_a_renderer_without_room_is_refused(client):
    with pytest.raises(DescriptionError, match="near"):
        Renderer(client, Pinhole(), near=2.0, far=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Renderer(client, Pinhole())


def test_log_intensity_of_grey_and_colour():
    grey = np.array([[0, 128, 255]], np.uint8)
    for gamma in (1.0, 2.2):
        expected = [math.log(((v / 255) ** gamma + FLOOR) / (1 + FLOOR)) for v in (0, 128, 255)]
        np.testing.assert_allclose(log_intensity(grey, gamma)[0], expected, atol=1e-6)
        np.testing.assert_allclose(log_intensity(np.repeat(grey[:, :, None], 3, 2), gamma)[0], expected, atol=1e-5)
    red = np.zeros((1, 1, 3), np.uint8)
    red[0, 0, 0] = 255
    assert log_intensity(red)[0, 0] == pytest.approx(math.log((0.2126 + FLOOR) / (1 + FLOOR)), abs=1e-5)
    for wrong in (grey.astype(float), np.zeros((2, 2, 4), np.uint8)):
        with pytest.raises(InputError, match="image"):
            log_intensity(wrong)
