"""Frames with times through the camera."""

from __future__ import annotations

import numpy as np
import pytest

from sim_worlds.sensors.camera_model import CameraModel
from sim_worlds.sensors.event_camera import EventCamera
from sim_worlds.sensors.frames import simulate
from sim_worlds.sensors.patterns import Bar
from snn_control.errors import InputError
from snn_control.events import Events


def events_of(frames, *arguments, **options) -> Events:
    parts = list(simulate(frames, *arguments, **options))
    assert all(dropped == 0 for _, dropped in parts)
    return Events.concatenate(events for events, _ in parts)


def test_log_intensity_is_a_straight_line_between_frames_at_any_times():
    times = [2.0, 2.02, 2.025, 2.4]
    levels = [0.0, 1.05, -0.5, 0.31]
    frames = [(t, np.full((3, 5), level, np.float32)) for t, level in zip(times, levels)]
    events = events_of(frames, "clean")
    mine = events.t[(events.x == 2) & (events.y == 1)]
    # reference: up to 1 by five thresholds, down to -0.4 by seven, up to 0.2 by three; none at the turns
    up = 20e6 * np.arange(1, 6) * 0.2 / 1.05
    down = 20e6 + 5e6 * (1.05 - np.arange(0.8, -0.41, -0.2)) / 1.55
    again = 25e6 + 375e6 * (np.array([-0.2, 0.0, 0.2]) + 0.5) / 0.81
    np.testing.assert_allclose(mine, np.concatenate([up, down, again]), atol=100)
    assert (events.width, events.height, events.unit) == (5, 3, "ns")


def test_without_a_low_pass_the_step_does_not_matter():
    frames = [(0.02 * k, Bar((40, 6), 1.0, speed=200.0).picture(0.02 * k)) for k in range(20)]
    model = CameraModel(sigma=0.02)
    coarse, fine = (events_of(frames, model, 5, step=step) for step in (0.02, 5e-4))
    assert abs(len(coarse) - len(fine)) <= 2
    assert len(coarse) > 1000
    if len(coarse) == len(fine):
        np.testing.assert_allclose(np.sort(coarse.t), np.sort(fine.t), atol=2000)


def test_grey_frames_of_8_bits_are_meant_for_a_screen():
    frames = [(0.0, np.full((2, 2), 100, np.uint8)), (0.1, np.full((2, 2), 200, np.uint8))]
    light = (np.array([100, 200]) / 255) ** 2.2
    expected = int(np.log((light[1] + 0.02) / (light[0] + 0.02)) / 0.2)
    events = events_of(frames, "clean")
    assert len(events) == 4 * expected
    assert events.p.all()


def test_the_same_as_the_camera_itself():
    scene = Bar((33, 7), 1.0, speed=300.0)
    pictures = [scene.picture(1e-3 * k) for k in range(40)]
    camera = EventCamera((33, 7), "noisy")
    camera.reset(pictures[0], 9)
    expected = Events.concatenate([camera.advance(p)[0] for p in pictures[1:]])
    got = events_of([(1e-3 * k, p) for k, p in enumerate(pictures)], "noisy", 9)
    assert got.digest() == expected.digest()


def test_frames_in_disorder_are_refused():
    one, other = np.zeros((2, 3), np.float32), np.zeros((3, 2), np.float32)
    with pytest.raises(InputError, match="must ascend"):
        list(simulate([(0.0, one), (0.0, one)]))
    with pytest.raises(InputError, match="after one of"):
        list(simulate([(0.0, one), (0.1, other)]))
    with pytest.raises(InputError, match="image"):
        list(simulate([(0.0, np.zeros((2, 3)))]))
