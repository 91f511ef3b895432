"""The shipped controller ``motion``: its command turns with what moves."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from snn_control.analysis.event_replay import fit, replay
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.events import Events
from snn_control.events.slicing import Slicer
from snn_control.resources import shipped
from tests.events.moving import bar
from tests.fixtures import fixture

SPEC = load_spec(shipped("motion"))


def run(events, size=(128, 128)):
    """(ticks, 2) commands, and the controller."""
    fitted = fit(SPEC, size)
    controller = Controller.from_spec(fitted.spec)
    slicer = Slicer(fitted.period_ns, fitted.camera.capacity)
    return replay(controller, fitted, slicer.ticks([events]))["command"], controller


# a cell of 4 x 4 pixels has too few events to fire where the bar takes longer
CASES = [((128, 128), 6), ((128, 128), 16), ((346, 260), 6), ((346, 260), 16), ((346, 260), 36), ((640, 480), 16)]


@pytest.mark.parametrize(("size", "milliseconds"), CASES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("direction", [-1, 1])
def test_it_turns_with_a_bar_whatever_its_speed_and_the_camera(size, milliseconds, axis, direction):
    """milliseconds : from cell to cell, one of each speed"""
    speed = direction * size[axis] / 32 / (milliseconds * 1e-3)
    command, controller = run(bar(speed, axis, size), size)
    mean = command.mean(axis=0)
    along, across = (mean[0], mean[1]) if axis == 0 else (mean[1], mean[0])
    sign = -direction if axis == 0 else direction  # right: yaw < 0; down: pitch > 0
    assert sign * along > 0.1
    assert abs(across) < 0.1 * abs(along)
    spikes = controller.counters()["spikes"]
    expected = "fast" if milliseconds < 12 else "medium" if milliseconds < 30 else "slow"
    assert max(("fast", "medium", "slow"), key=spikes.get) == expected


def test_left_and_right_are_mirror_pictures():
    there = bar(400.0, noise=0.0)
    back = dataclasses.replace(there, x=(127 - there.x).astype(np.uint16))
    first, second = run(there)[0], run(back)[0]
    np.testing.assert_allclose(first[:, 0], -second[:, 0], atol=1e-4)
    np.testing.assert_allclose(first[:, 1], second[:, 1], atol=1e-4)


@pytest.mark.parametrize("hertz", [8, 20, 28])
def test_a_picture_that_flickers_as_a_whole_gives_no_command(hertz):
    x, y = (grid.reshape(-1) for grid in np.mgrid[:128, :128])
    times = np.arange(1, 2 * hertz) * round(0.5e9 / hertz)
    t = np.repeat(times, x.size)
    p = np.repeat(np.arange(len(times)) % 2, x.size).astype(np.uint8)
    columns = np.tile(x, len(times)).astype(np.uint16), np.tile(y, len(times)).astype(np.uint16)
    events = Events(t, *columns, p, unit="ns")
    command, controller = run(events)
    assert controller.counters()["spikes"]["cells"] > 1000 * hertz
    assert np.abs(command).max() < 0.1  # rad/s: the borders have no neighbour, on both sides alike


def test_noise_alone_gives_next_to_nothing():
    rng = np.random.default_rng(1)
    n = 128 * 128 * 5  # 5 Hz per pixel
    t = np.sort(rng.integers(0, 10**9, n))
    x, y = rng.integers(0, 128, (2, n)).astype(np.uint16)
    command, _ = run(Events(t, x, y, rng.integers(0, 2, n).astype(np.uint8), unit="ns"))
    assert np.abs(command).max() < 0.1


def test_it_follows_the_target_of_the_world_with_a_head_that_stands_still():
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("pybullet")
    env = gymnasium.make("sim_worlds:PanTiltTracking-v0", duration=2.5, frequency=0.8, background=0.0)
    controller = Controller.from_spec(fit(SPEC, (128, 128)).spec)
    observation, info = env.reset(seed=2)
    yaw, azimuth, over = [], [], False
    while not over:
        rows = observation["camera"][: int(observation["camera_count"][0])]
        yaw.append(controller.step({"camera": rows})["yaw"][0])
        azimuth.append(info["target"][0])
        observation, *_, over, info = env.step(np.zeros(2, np.float32))
    env.close()
    velocity = np.gradient(azimuth, 1e-3)  # positive to the left, as yaw
    turning = np.abs(yaw) > 0.05
    assert turning.mean() > 0.1
    agree = np.sign(np.array(yaw)[turning]) == np.sign(velocity[turning])
    assert agree.mean() > 0.85


def test_the_board_of_the_shared_recording_moves_up():
    """Phase correlation of its ON events says: up all the time, most in the last 0.4 s."""
    from snn_control.events import open_recording

    recording = open_recording(fixture("recordings/ecpy_test_events_2_0.mcap"))
    command, _ = run(recording.read(), (346, 260))
    assert command[600:, 1].mean() < -0.2
    assert command[:300, 1].mean() < -0.05
