"""CartPoleSwingUp-v0: its physics, its interface to Gymnasium, and its controllers."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

from sim_worlds.swing_up import planner
from sim_worlds.swing_up import robot as plant
from sim_worlds.swing_up.baselines import EnergyLQR
from sim_worlds.swing_up.task import reward
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.resources import shipped
from snn_control.training.environments.play_episode import episode

WORLD = "sim_worlds:CartPoleSwingUp-v0"


def make(**arguments):
    return gymnasium.make(WORLD, disable_env_checker=True, **arguments).unwrapped


def play(world, controller, seed):
    """What was seen, rewards and the last info of an episode."""
    (observation, info), over, rows = world.reset(seed=seed), False, []
    controller.reset()
    while not over:
        observation, got, terminated, truncated, info = world.step(controller.predict(observation)[0])
        rows.append([*observation["joint_position"], *observation["joint_velocity"], got])
        over = terminated or truncated
    return np.array(rows), info


class Held:
    """A controller that commands one force in all steps."""

    def __init__(self, force):
        self.force = np.array([force], np.float32)

    def reset(self):
        """Nothing."""

    def predict(self, observation):
        return self.force, None


def rates(state, force):
    """Of place, angle, speed and turning, by Lagrange's equations of a cart and a rod."""
    _, angle, speed, turning = state
    lever = plant.POLE_MASS * plant.HALF
    coupled, inertia = lever * math.cos(angle), lever * plant.HALF * 4 / 3
    mass = [[plant.CART_MASS + plant.POLE_MASS, coupled], [coupled, inertia]]
    cart = force - plant.FRICTION[0] * speed + lever * turning**2 * math.sin(angle)
    pole = lever * plant.GRAVITY * math.sin(angle) - plant.FRICTION[1] * turning
    return np.array([speed, turning, *np.linalg.solve(mass, [cart, pole])])


def test_cart_and_pole_move_as_the_equations_say():
    world, rng, h = make(), np.random.default_rng(0), 1e-3
    observation, _ = world.reset(seed=1)
    state = np.concatenate(list(observation.values()))
    for _ in range(60):
        force = rng.uniform(-5, 5)
        observation = world.step(np.array([force]))[0]
        for _ in range(20):
            one = rates(state, force)
            two = rates(state + 0.5 * h * one, force)
            three = rates(state + 0.5 * h * two, force)
            state = state + h / 6 * (one + 2 * two + 2 * three + rates(state + h * three, force))
    found = np.concatenate(list(observation.values()))
    state[1] = math.remainder(state[1], 2 * math.pi)
    assert np.abs(state[2:]).max() > 0.3
    np.testing.assert_allclose(found, state, atol=3e-3)


def test_the_planner_knows_these_equations():
    for state in np.random.default_rng(0).uniform(-2.0, 2.0, (5, 4)):
        found = planner.accelerations(*state[1:], 3.0)
        np.testing.assert_allclose(found, rates(state, 3.0)[2:], rtol=1e-9)


def test_the_planner_prefers_the_pole_up(monkeypatch):
    monkeypatch.setattr(planner, "POINTS", (5, 8, 5, 5))
    values, following = np.zeros((5, 8, 5, 5), np.float32), np.zeros((3, 8, 5, 5, 5), np.float32)
    for _ in range(4):
        planner.improve(values, following, np.array([-plant.FORCE, 0.0, plant.FORCE]))
        planner.settle(values, following, 2)
    assert values[2, 4, 2, 2] > 2.0 * values[2, 0, 2, 2]
    np.testing.assert_array_equal(values, np.roll(values[::-1, ::-1, ::-1, ::-1], 1, axis=1))
    middle = planner.between(values, *planner.located(0.0, 0.5 * math.pi, 0.0, 0.25 * planner.WIDE[3]))
    assert middle == pytest.approx(0.5 * (values[2, 6, 2, 2] + values[2, 6, 2, 3]))


def test_the_masses_are_those_of_the_urdf():
    world = make()
    cart, pole = (world.client.getDynamicsInfo(world.robot.body, joint) for joint in world.robot.joints)
    assert (cart[0], pole[0]) == (plant.CART_MASS, plant.POLE_MASS)
    assert pole[2][:2] == pytest.approx([plant.POLE_MASS * plant.HALF**2 / 3] * 2)
    slider = world.client.getJointInfo(world.robot.body, world.robot.joints[0])
    assert slider[9] == plant.RAIL == -slider[8]


def test_the_reward_is_that_of_the_table():
    assert reward(0.0, 0.0, 0.0, 0.0) == 1.0
    assert reward(0.0, math.pi, 0.0, 0.0) == 0.0
    assert reward(0.0, math.pi / 2, 0.0, 0.0) == pytest.approx(0.5)
    assert reward(plant.RAIL, 0.0, 0.0, 0.0) == pytest.approx(0.55)
    assert reward(0.0, 0.0, -5.0, 0.0) == pytest.approx(0.55)
    assert reward(0.0, 0.0, 0.0, -plant.FORCE) == pytest.approx(0.8)


def test_an_end_of_the_rail_ends_the_episode():
    rows, info = play(make(), Held(5.0), 1)
    assert 20 < len(rows) < 100
    assert rows[-2, 0] < 1.49 < rows[-1, 0] < 1.6
    assert info["score"]["return"] == pytest.approx(rows[:, 4].sum())
    assert info["score"]["upright"] == 0.0


@pytest.mark.parametrize(("name", "part"), [("cart_mass", 0), ("pole_mass", 1), ("friction", 0), ("force", 0)])
def test_what_is_drawn_reaches_the_physics(name, part):
    world, speeds = make(), []
    for factor in (1.0, 1.3):
        world.reset(seed=1)
        world.vary(dict.fromkeys(world.RANDOMIZED, 1.0) | {name: factor})
        for _ in range(20):
            observation, *_ = world.step(np.array([4.0]))
        speeds.append(observation["joint_velocity"][part])
    assert abs(speeds[0] - speeds[1]) > 2e-3
    assert set(make(randomize=1.0).reset(seed=1)[1]["randomized"]) == set(world.RANDOMIZED)


def test_the_picture_shows_cart_pole_and_force():
    world = make(render_mode="rgb_array")
    world.reset(seed=1)
    hanging = world.render()
    for _ in range(20):
        world.step(np.array([5.0]))
    pushed = world.render()
    assert hanging.shape == pushed.shape == (288, 480, 3)
    assert 500 < (hanging != pushed).any(2).sum() < 20_000
    assert make().render() is None


def test_what_cannot_be_is_named():
    for name, wrong in (("start", "left"), ("duration", 0.0), ("randomize", 2.0)):
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            make(**{name: wrong})
    world = make()
    with pytest.raises(gymnasium.error.ResetNeeded):
        world.step(np.zeros(1))
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[0\] = nan"):
        world.step(np.array([np.nan]))


def test_many_resets_leave_nothing_behind():
    world = make()
    first = world.reset(seed=0)[0]
    for seed in range(1000):
        world.reset(seed=seed)
    assert world.client.getNumBodies() == 1
    again = world.reset(seed=0)[0]
    for name, value in first.items():
        np.testing.assert_array_equal(again[name], value)
    world.close()
    world.close()


@pytest.mark.parametrize("arguments", make().metadata["rows"].values(), ids=make().metadata["rows"])
def test_the_baseline_swings_the_pole_up(arguments):
    world = make(**arguments)
    for seed in (1, 2):
        rows, info = play(world, EnergyLQR(), seed)
        assert len(rows) == 1000
        assert info["score"]["return"] > world.metadata["goal"].at_least - 50 * world.randomize
        assert info["score"]["upright"] > 0.75


@pytest.mark.parametrize("seed", [1, 2])
def test_the_shipped_controller_swings_the_pole_up(seed):
    world = make()
    rewards, info = episode(world, Controller.load(str(shipped(world.metadata["controller"]))), seed)
    assert len(rewards) == 1000
    assert info["score"]["return"] > world.metadata["goal"].at_least


def test_it_stays_up_where_it_starts_up():
    rows, info = play(make(start="up"), EnergyLQR(), 1)
    assert info["score"]["upright"] == 1.0
    assert rows[-1, 4] > 0.99
