"""A small world that tests what every world inherits from `sim_worlds.core`."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from sim_worlds.client import Client, pybullet
from sim_worlds.core import Robot, Task, World
from sim_worlds.pan_tilt.robot import URDF
from snn_control.errors import DescriptionError


class Head(Robot):
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float64)
    observation_spaces = {n: spaces.Box(-9.0, 9.0, (1,), np.float64) for n in ("joint_position", "joint_velocity")}  # noqa: RUF012

    def act(self, action):
        self.client.setJointMotorControl2(
            self.body, self.joints[0], pybullet.VELOCITY_CONTROL, targetVelocity=float(action[0])
        )


class Turn(Task):
    """Turn by half a radian; the score is the time that it took."""

    def __init__(self, robot):
        self.robot = robot

    def reset(self, rng, times):
        self.times, self.now = times, 0.0
        self.robot.reset(rng.uniform(-0.1, 0.1, 1))

    def step(self, k):
        self.now = self.times[k]

    def reward_and_termination(self):
        return -1.0, self.robot.position[0] > 0.5, {}

    def score(self):
        return {"time": self.now}


class Turning(World):
    RANDOMIZED = {"speed": 0.5, "drag": 0.1}  # noqa: RUF012

    def __init__(self, duration=2.0, render_mode=None, **more):
        client, self.varied = Client(), {}
        robot = Head(client, URDF, ["tilt"])
        super().__init__(client, robot, Turn(robot), dt=0.01, duration=duration, render_mode=render_mode, **more)

    def vary(self, factors):
        self.varied = factors


def test_two_parts_of_a_world_do_not_observe_under_one_name():
    client = Client()
    robot = Head(client, URDF, ["tilt"])
    with pytest.raises(DescriptionError, match="must not use the same name for an observation"):
        World(client, robot, Turn(robot), [robot], dt=0.01, duration=1.0)
    client.close()


def test_an_episode_ends_by_the_task_or_by_time_and_then_has_a_score():
    world = Turning()
    for speed in (1.0, -1.0):
        observation, info = world.reset(seed=2)
        assert info == {"time": 0.0}
        assert observation["joint_velocity"] == [0.0]
        over = truncated = False
        while not (over or truncated):
            observation, reward, over, truncated, info = world.step(np.array([speed]))
            assert ("score" in info) == (over or truncated)
            assert world.observation_space.contains(observation)
            assert reward == -1.0
        assert (over, truncated) == (speed > 0, speed < 0)
        assert info["score"]["time"] == info["time"] == pytest.approx(0.5 if over else 2.0, abs=0.15)
        assert (observation["joint_position"][0] > 0.5) == over


def test_a_world_begins_with_a_reset_and_the_seed_says_where():
    world = Turning()
    with pytest.raises(gymnasium.error.ResetNeeded):
        world.step(np.zeros(1))
    starts = [world.reset(seed=seed)[0]["joint_position"][0] for seed in (1, 2, 1)]
    assert starts[0] == starts[2] != starts[1]
    assert world.baselines() == {}


def test_randomisation_draws_a_factor_for_each_name_and_says_which():
    world, drawn = Turning(randomize=0.5), []
    for seed in range(40):
        info = world.reset(seed=seed)[1]
        assert info["randomized"] == world.varied
        drawn.append(list(world.varied.values()))
    assert world.varied.keys() == {"speed", "drag"}
    least, most = np.min(drawn, axis=0), np.max(drawn, axis=0)
    np.testing.assert_allclose(most - 1.0, [0.25, 0.05], rtol=0.15)
    np.testing.assert_allclose(1.0 - least, [0.25, 0.05], rtol=0.15)
    assert world.reset(seed=39)[1]["randomized"] == info["randomized"]
    assert "randomized" not in Turning().reset(seed=1)[1]


def test_a_step_of_several_steps_of_physics_drives_the_robot_in_each():
    world, driven = Turning(physics_steps=4), []
    world.robot.drive = lambda: driven.append(world.client.getPhysicsEngineParameters()["fixedTimeStep"])
    world.reset(seed=1)
    for _ in range(3):
        world.step(np.ones(1))
    assert driven == [pytest.approx(0.0025)] * 12


def test_what_cannot_be_is_named():
    for wrong in ({"duration": 0.001}, {"duration": np.inf}, {"render_mode": "human"}, {"randomize": 1.5}):
        with pytest.raises(DescriptionError, match=f"^{next(iter(wrong))} = "):
            Turning(**wrong)


def test_a_client_ends_by_close_or_with_its_last_reference():
    client, other = Client(), Client()
    number = other.number
    assert client.isConnected() == other.isConnected() == 1
    client.close()
    client.close()
    del other
    assert not pybullet.isConnected(client.number)
    assert not pybullet.isConnected(number)
