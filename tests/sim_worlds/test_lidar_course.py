"""LidarCourse-v0: its courses, its robot, and what the scanner sees."""

from __future__ import annotations

import itertools
import math

import gymnasium
import numpy as np
import pytest

from sim_worlds.client import Client
from sim_worlds.lidar_course import course as courses
from sim_worlds.lidar_course.baselines import FollowTheGap
from sim_worlds.lidar_course.robot import ANGLES, RADIUS, RANGE, DiffDrive
from sim_worlds.lidar_course.world import LidarCourseEnv
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.resources import shipped

WORLD = "sim_worlds:LidarCourse-v0"
SHORT = {"length": 5.0, "obstacles": 1, "duration": 20.0}


def make(**arguments):
    return gymnasium.make(WORLD, disable_env_checker=True, **arguments)


def play(world, seed, steps, action=None):
    """Observations and info of an episode, a row a step, under ``action``; None draws the actions, by the seed."""
    (observation, info), rng, rows = world.reset(seed=seed), np.random.default_rng(seed), []
    for _ in range(steps):
        rows.append(np.concatenate([*observation.values(), [info["progress"], info["contact"]]]))
        u = rng.uniform([0.0, -1.0], [0.3, 1.0]) if action is None else action
        observation, _, terminated, truncated, info = world.step(u)
        if terminated or truncated:
            break
    return np.array(rows)


def finish(world, one, seed):
    """The score of an episode."""
    (observation, info), over = world.reset(seed=seed), False
    one.reset()
    while not over:
        observation, _, terminated, truncated, info = world.step(one.predict(observation, info)[0])
        over = terminated or truncated
    return info["score"]


def clearance(one: courses.Course, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Distance from points to the nearest wall or obstacle, in a straight line."""
    found = np.full(x.shape, np.inf)
    boxes = [(place, 0.5 * courses.PANEL, 0.02) for place in one.walls]
    for place, (half, box) in zip(one.obstacles, courses.OBSTACLES, strict=False):
        if box:
            boxes.append((place, half, half))
        else:
            found = np.minimum(found, np.hypot(x - place[0], y - place[1]) - half)
    for (px, py, turn), long, wide in boxes:
        c, s = math.cos(turn), math.sin(turn)
        beyond = np.abs(c * (x - px) + s * (y - py)) - long, np.abs(c * (y - py) - s * (x - px)) - wide
        found = np.minimum(found, np.hypot(*(np.maximum(one, 0.0) for one in beyond)))
    return found


@pytest.mark.parametrize(("width", "obstacles", "seed"), [(1.4, 8, 1), (1.0, 12, 2), (1.2, 12, 3), (1.8, 12, 4)])
def test_a_disc_of_the_width_that_is_free_passes_every_course(width, obstacles, seed):
    one, cell = courses.draw_course(16.0, width, obstacles, np.random.default_rng(seed)), 0.04
    (x0, y0), (x1, y1) = one.line.min(0) - 1.0, one.line.max(0) + 1.0
    x, y = np.meshgrid(np.arange(x0, x1, cell), np.arange(y0, y1, cell))
    free = clearance(one, x, y) > 0.5 * courses.PASSAGE - cell
    start, end = (
        np.unravel_index(np.argmin(np.hypot(x - p[0], y - p[1])), x.shape) for p in (one.line[30], one.line[-1])
    )
    reached, before = np.zeros_like(free), -1
    reached[start] = True
    while reached.sum() != before:
        before = reached.sum()
        for axis, way in itertools.product((0, 1), (-1, 1)):
            reached |= np.roll(reached, way, axis)
        reached &= free
    assert reached[end]
    assert len(one.walls) <= courses.panels_needed(16.0, width)


def test_wheels_drive_an_arc_at_the_commanded_speeds():
    client, dt, v, turn = Client(), 0.025, 0.3, 1.5
    client.setTimeStep(dt)
    robot = DiffDrive(client, dt)
    robot.begin((1.0, 2.0, 0.5), np.random.default_rng(1))
    robot.act((v, turn))
    poses = []
    for _ in range(80):
        robot.drive()
        client.stepSimulation()
        robot.read()
        poses.append(robot.position)
    start, end = poses[39], poses[79]  # long after the wheels have reached their speeds
    radius, swept = v / turn, turn * 40 * dt
    assert end[2] - start[2] == pytest.approx(swept, abs=1e-6)
    x = start[0] + radius * (math.sin(end[2]) - math.sin(start[2]))
    y = start[1] - radius * (math.cos(end[2]) - math.cos(start[2]))
    assert end[:2] == pytest.approx([x, y], abs=1e-4)
    moved = [math.dist(a[:2], b[:2]) / dt for a, b in itertools.pairwise(poses)]
    assert moved[0] == pytest.approx(0.0, abs=1e-9)  # the command is still under way
    assert max(np.diff(moved)) <= 1.0 * dt + 1e-6


def test_the_scan_is_what_stands_in_the_way_of_each_beam():
    world = make(obstacles=8)
    world.unwrapped.robot.vary({"scan_noise": 0.0})
    for seed in (1, 2, 3):
        scan = world.reset(seed=seed)[0]["scan"]
        robot, one = world.unwrapped.robot, world.unwrapped.task.course
        along = np.arange(0.0, RANGE, 0.004)
        x, y, yaw = robot.position
        beams = ANGLES[::6] + yaw
        hit = clearance(one, x + np.outer(np.cos(beams), along), y + np.outer(np.sin(beams), along)) <= 0.0
        wanted = np.where(hit.any(1), along[hit.argmax(1)], np.inf)
        seen = scan[::6]
        np.testing.assert_allclose(seen, wanted, atol=0.02)


def test_no_return_is_infinite_and_within_the_space():
    world = make(**SHORT)
    observation, _ = world.reset(seed=1)
    world.unwrapped.robot.reset([20.0, 50.0, 0.0])
    scan = world.unwrapped.robot.observe()["scan"]
    assert np.isinf(scan).all()
    assert world.observation_space.contains(observation | {"scan": scan})


def test_observations_are_not_shared():
    world = make(**SHORT)
    observation, _ = world.reset(seed=1)
    kept = {name: value.copy() for name, value in observation.items()}
    for _ in range(5):
        world.step((0.3, 1.0))
    for name, value in kept.items():
        np.testing.assert_array_equal(observation[name], value)


def test_a_contact_ends_an_episode_and_costs():
    world, rewards = make(), []
    world.reset(seed=1)
    for _ in range(400):
        _, reward, terminated, truncated, info = world.step((0.5, 0.0))
        rewards.append(reward)
        if terminated:
            break
    assert terminated
    assert not truncated
    assert info["contact"]
    assert info["score"] == {"finished": 0.0, "time": 60.0, "progress": info["progress"]}
    assert sum(rewards) == pytest.approx(info["progress"] - 0.1 * info["time"] - 5.0)
    at, one = world.unwrapped.robot.position, world.unwrapped.task.course
    assert clearance(one, np.array([at[0]]), np.array([at[1]]))[0] == pytest.approx(RADIUS, abs=0.02)


def test_time_runs_out():
    world = make(**SHORT | {"duration": 0.2})
    world.reset(seed=1)
    ends = [world.step((0.0, 0.0))[2:4] for _ in range(4)]
    assert ends == [(False, False)] * 3 + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        world.step((0.0, 0.0))


def test_what_is_randomised_moves_the_robot_otherwise():
    world, ends = make(**SHORT), []
    robot = world.unwrapped.robot
    for name in ("", "left_wheel", "right_wheel", "track", "acceleration", "delay", "scan_noise"):
        robot.vary({name: 0.7} if name else {})
        ends.append(play(world, 3, 15, action=(0.5, 0.4))[-1])
    assert len(np.unique(ends, axis=0)) == len(ends)
    told = make(randomize=0.5).reset(seed=1)[1]["randomized"]
    assert set(told) == set(world.unwrapped.RANDOMIZED)
    assert all(0.5 <= factor <= 1.5 and factor != 1.0 for factor in told.values())


def test_many_resets_leave_nothing_behind():
    world = make(**SHORT)
    world.reset(seed=1)
    client = world.unwrapped.client
    before = client.getNumBodies()
    for seed in range(100):
        world.reset(seed=seed)
    assert client.getNumBodies() == before
    first = play(world, 1, 20)
    np.testing.assert_array_equal(play(make(**SHORT), 1, 20), first)
    world.close()
    world.close()


def test_what_cannot_be_is_named():
    wrong = {
        "obstacles": 13, "width": 0.9, "length": 3.0, "duration": 0.0, "randomize": 1.1, "render_mode": "ansi",
    }  # fmt: skip
    for name, value in wrong.items():
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            LidarCourseEnv(**{name: value})
    with pytest.raises(DescriptionError, match="obstacles = 3: must be a whole number from 0 to 1"):
        LidarCourseEnv(length=5.0, obstacles=3)
    world = make(**SHORT)
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[1\] = nan"):
        world.step(np.array([0.0, np.nan]))


@pytest.mark.parametrize("arguments", [{"obstacles": 3, "randomize": 1.0}, {"obstacles": 4, "width": 1.2}])
def test_an_engineer_follows_the_gap(arguments):
    score = finish(make(length=8.0, **arguments), FollowTheGap(), 1)
    assert score["finished"] == 1.0
    assert score["time"] < 20.0


@pytest.mark.parametrize("arguments", [{"obstacles": 3, "randomize": 1.0}, {"obstacles": 4, "width": 1.2}])
def test_spikes_find_the_way_and_are_as_fast(arguments):
    world, seeds = make(length=8.0, **arguments), range(1, 5)
    spiking, engineer = (
        [finish(world, one, seed) for seed in seeds]
        for one in (Controller.load(shipped("lidar_course")), FollowTheGap())
    )
    assert all(score["finished"] for score in spiking)
    times = [np.mean([score["time"] for score in scores]) for scores in (spiking, engineer)]
    assert times[0] < 1.1 * times[1]  # of all together: one way around an obstacle can be longer than the other


def test_a_scanner_that_sees_nothing_or_is_silent():
    one, free = Controller.load(shipped("lidar_course")), {"scan": np.full(55, np.inf, np.float32)}
    for _ in range(20):
        assert 0.0 <= one.step(free)["forward"][0] <= 0.5
    assert one.step(free)["forward"][0] > 0.0  # infinities are a way that is free
    for _ in range(7):  # longer than `stale`
        silent = one.step({})
    assert (silent["forward"][0], silent["turn"][0]) == (0.0, 0.0)


def test_an_engineer_stops_in_front_of_what_is_near_and_turns_away():
    scan = np.where(np.abs(ANGLES) < math.radians(31.0), 0.16, 3.0)
    speed, turn = FollowTheGap().predict({"scan": scan})[0]
    assert speed < 0.01
    assert abs(turn) > 2.0


def test_an_engineer_who_is_stuck_turns_on_the_spot():
    speed, turn = FollowTheGap().predict({"scan": np.full(55, 0.2)})[0]
    assert (speed, turn) == (0.0, np.float32(2.8))
