"""LineFollowing-v0: its course, floor, camera and drive, and controllers that follow the line."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

from sim_worlds.line_following import course, robot, task
from sim_worlds.line_following.camera import FORWARD, HEIGHT, PITCH, compiled_look, floor_points
from sim_worlds.sensors.pinhole import Pinhole
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.resources import shipped
from snn_control.training.teachers.teacher import teacher_of

WORLD = "sim_worlds:LineFollowing-v0"


def make(**arguments):
    return gymnasium.make(WORLD, disable_env_checker=True, **arguments).unwrapped


def follow(world, controller, seed):
    """The last info of an episode."""
    controller.reset()
    (observation, info), over = world.reset(seed=seed), False
    while not over:
        observation, _, fell, ended, info = world.step(controller.predict(observation, info)[0])
        over = fell or ended
    return info


@pytest.mark.parametrize("seed", range(5))
def test_a_course_is_a_smooth_closed_curve(seed):
    one = course.draw_course(np.random.default_rng(seed))
    place, direction, curvature = one[:, 0] + 1j * one[:, 1], one[:, 2], one[:, 3]
    steps = np.diff(place, append=place[:1])
    assert np.abs(steps).max() < 1.002 * np.abs(steps).min()
    assert np.abs(curvature).max() <= course.SHARPEST
    assert np.abs(place).max() < 0.5 * course.SIDE * course.CELL - 0.5  # the camera sees no border
    turned = np.remainder(np.diff(direction) + math.pi, 2 * math.pi) - math.pi
    np.testing.assert_allclose(turned, 0.5 * (curvature[1:] + curvature[:-1]) * np.abs(steps[:-1]), atol=2e-5)
    assert abs(turned.sum()) == pytest.approx(2 * math.pi, abs=0.02)


def test_the_line_is_as_wide_as_it_is_said_to_be_and_lies_on_the_course():
    one = course.draw_course(np.random.default_rng(3))
    floor = np.zeros((course.SIDE, course.SIDE), np.float32)
    course.compiled_paint()(floor, np.full_like(floor, np.inf), one, -0.7)
    assert floor.min() == pytest.approx(-0.7)
    length = course.POINTS * math.hypot(*(one[1, :2] - one[0, :2]))
    assert -floor.sum() / 0.7 * course.CELL**2 == pytest.approx(length * course.WIDTH, rel=0.01)
    cells = np.round(one[:, :2] / course.CELL + 0.5 * course.SIDE).astype(int)
    assert np.all(floor[cells[:, 1], cells[:, 0]] < -0.69)


def test_a_pixel_sees_the_point_of_the_floor_on_its_ray():
    pinhole = Pinhole(64, 48)
    ahead, left = floor_points(pinhole)
    for j, i in ((0, 0), (47, 63), (20, 5)):
        x, y, z = ahead[j, i] - FORWARD, left[j, i], -HEIGHT
        along, up = x * math.cos(PITCH) - z * math.sin(PITCH), x * math.sin(PITCH) + z * math.cos(PITCH)
        np.testing.assert_allclose(pinhole.pixel(along, y, up)[:2], (i, j), atol=1e-3)


def test_the_picture_is_the_floor_where_the_rays_meet_it():
    """On a floor that is a plane of log intensity, bilinear look-up is exact."""
    points, picture = floor_points(Pinhole(64, 48)), np.zeros((48, 64), np.float32)
    row, column = np.mgrid[: course.SIDE, : course.SIDE]
    x, y = ((k - 0.5 * course.SIDE) * course.CELL for k in (column, row))
    compiled_look()(picture, points, (0.3 * x - 0.5 * y).astype(np.float32), 0.4, -1.1, 2.0)
    place = 0.4 - 1.1j + (points[0] + 1j * points[1]) * np.exp(2j)
    np.testing.assert_allclose(picture, 0.3 * place.real - 0.5 * place.imag, atol=1e-4)


def test_constant_commands_end_in_a_circle():
    state, move = np.zeros(5), robot.compiled_move()
    for _ in range(1000):
        move(state, 0.5, 1.25, 0.05, 4e-3)
    np.testing.assert_allclose(state[3:], (0.5, 1.25), rtol=1e-9)
    centre = state[0] + 1j * state[1] + 0.4j * np.exp(1j * state[2])
    for _ in range(300):
        move(state, 0.5, 1.25, 0.05, 4e-3)
        assert abs(state[0] + 1j * state[1] - centre) == pytest.approx(0.4, abs=1e-9)


def test_speeds_follow_commands_late_slowly_and_within_limits():
    world = make(duration=1.0)
    world.reset(seed=1)
    start = world.robot.state[4]
    turns = [world.step(np.array([0.5, 9.0]))[0]["yaw_rate"][0] for _ in range(200)]
    np.testing.assert_array_equal(turns[:5], start)  # 20 ms
    assert turns[5] - start == pytest.approx(30.0 * 4e-3)
    share = 1.0 - math.exp(-4e-3 / 0.05)
    assert turns[80] - turns[79] == pytest.approx(share * (4.0 - turns[79]))
    assert turns[-1] == pytest.approx(4.0, abs=1e-3)
    with pytest.raises(InputError, match="must be finite"):
        world.step(np.array([np.nan, 0.0]))


def test_a_place_is_located_on_the_course_and_an_advance_counts():
    one = course.draw_course(np.random.default_rng(5))
    spacing = math.hypot(*(one[1, :2] - one[0, :2]))
    near, locate = np.array([4090.0, 0.0, 0.0]), task.compiled_locate()
    for k, beside in ((4093, 0.03), (8, -0.08), (4000, 0.0)):  # across the course's beginning, and back
        x, y, direction, _ = one[k]
        before = near[0]
        went = locate(one, x - beside * math.sin(direction), y + beside * math.cos(direction), near)
        assert near[0] == k
        assert near[2] == pytest.approx(beside, abs=1e-4)
        points = (k - before + course.POINTS // 2) % course.POINTS - course.POINTS // 2
        assert went == pytest.approx(points * spacing, abs=1e-4)


def test_a_robot_that_drives_straight_on_loses_the_line():
    world = make()
    world.reset(seed=2)
    over, squares, steps = False, 0.0, 0
    while not over:
        _, reward, over, truncated, info = world.step(np.array([0.5, 0.0]))
        squares, steps = squares + min(info["error"], 0.15) ** 2, steps + 1
        assert not truncated
        assert 0.0 <= reward <= max(1.0 - info["error"] / 0.03, 0.0) + 1e-12
    assert info["error"] > 0.15
    assert info["score"]["followed"] == steps / 5000
    assert info["score"]["rms_error"] == pytest.approx(math.sqrt((squares + (5000 - steps) * 0.15**2) / 5000))


def test_a_robot_that_stands_still_earns_nothing_and_sees_only_noise():
    world = make(duration=2.0)
    world.reset(seed=2)
    seen = [world.step(np.zeros(2)) for _ in range(500)][-200:]
    assert all(one[1] < 1e-6 for one in seen)
    rate = sum(one[4]["events"] for one in seen) / 0.8
    assert rate == pytest.approx(0.1 * 64 * 48, rel=0.25)  # noise of 0.1 Hz a pixel


def test_arguments_and_what_is_drawn_reach_the_world():
    assert make(speed=None).reset(seed=1)[0]["target_speed"] != make(speed=None).reset(seed=2)[0]["target_speed"]
    floors = []
    for contrast in (1.0, -1.0):
        world = make(contrast=contrast, texture=0.0)
        world.reset(seed=4)
        floors.append(world.sensors[0].floor)
    np.testing.assert_array_equal(floors[0], -floors[1])
    world = make(randomize=1.0)
    factors = world.reset(seed=4)[1]["randomized"]
    assert set(factors) == set(world.RANDOMIZED)
    for _ in range(100):
        observation = world.step(np.array([0.5, 0.0]))[0]
    assert observation["speed"][0] == pytest.approx(0.5 * factors["forward"], rel=1e-3)
    assert world.sensors[0].camera.model.shot == pytest.approx(0.1 * factors["noise"])
    assert world.sensors[0].picture.max() < 1.0 * factors["contrast"] + 0.01


def test_what_cannot_be_is_named():
    for name, wrong in (("speed", 0.0), ("contrast", 0.1), ("texture", -1.0), ("duration", 0.0), ("randomize", 2.0)):
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            make(**{name: wrong})


@pytest.mark.parametrize("arguments", [{}, {"contrast": -1.0}, {"speed": 0.75}, {"randomize": 1.0, "contrast": None}])
def test_the_baseline_follows_the_line(arguments):
    world = make(duration=4.0, **arguments)
    score = follow(world, world.baselines()["EventLine"], 11)["score"]
    assert score["followed"] == 1.0
    assert score["rms_error"] < 0.015


def test_who_is_told_where_the_line_is_follows_it_closely():
    world = make(duration=8.0)
    score = follow(world, world.baselines()["TrueLine"], 11)["score"]
    assert score["rms_error"] < 0.004
    assert score["speed"] == pytest.approx(0.5, rel=0.01)


def test_the_teacher_sees_bends_before_the_robot_is_there():
    world = make(duration=6.0, speed=0.75)
    teacher = teacher_of("sim_worlds.line_following.teacher:look_ahead", world)
    (observation, info), over = world.reset(seed=11), False
    while not over:
        observation, _, fell, ended, info = world.step(teacher(world, observation, info))
        over = fell or ended
    assert info["score"]["rms_error"] < 0.003  # TrueLine has 4 mm at this speed


@pytest.mark.parametrize("arguments", [{"contrast": -1.0}, {"speed": 0.75}, {"randomize": 1.0, "contrast": None}])
def test_the_shipped_controller_follows_the_line(arguments):
    world = make(duration=4.0, **arguments)
    score = follow(world, Controller.load(shipped("line_following")), 12)["score"]
    assert score["followed"] == 1.0
    assert score["rms_error"] < 0.015
