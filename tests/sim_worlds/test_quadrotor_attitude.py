"""QuadrotorAttitude-v0: its motors and body, what it draws, and those who fly it."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

from sim_worlds.quadrotor import robot
from sim_worlds.quadrotor.baselines import CascadedPID
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.resources import shipped

WORLD = "sim_worlds:QuadrotorAttitude-v0"
WEIGHT = robot.MASS * robot.GRAVITY


def make(**arguments):
    return gymnasium.make(WORLD, disable_env_checker=True, **arguments).unwrapped


class Shipped:
    """The controller that ships with the world, as a baseline. ``learns``: on line, as it is meant to."""

    def __init__(self, learns=True):
        self.controller = Controller.load(shipped("quadrotor_attitude"))
        self.learns = learns

    def reset(self):
        self.controller.reset()
        if not self.learns:
            self.controller.learning(False)

    def predict(self, observation, info):
        return self.controller.predict(observation)[0], None


def fly(world, controller, seed):
    """Score of an episode."""
    controller.reset()
    (observation, info), over = world.reset(seed=seed), False
    while not over:
        observation, _, fell, late, info = world.step(controller.predict(observation, info)[0])
        over = fell or late
    return info["score"]


def played(world, seed, steps=60):
    """All that an episode with random commands shows."""
    observation, info = world.reset(seed=seed)
    rng, rows = np.random.default_rng(seed), [np.concatenate(list(observation.values()))]
    for _ in range(steps):
        observation, reward, _, _, info = world.step(rng.uniform(0.3, 0.6, 4))
        rows.append(np.concatenate([*observation.values(), info["target"], [reward, info["yaw_rate_error"]]]))
    return np.concatenate(rows)


def test_a_picture_shows_the_quadrotor_and_changes_nothing():
    shown, hidden = make(render_mode="rgb_array", duration=1.0), make(duration=1.0)
    first, other = shown.reset(seed=1)[0], hidden.reset(seed=1)[0]
    for k in range(20):
        picture = shown.render()
        first, other = (world.step(np.array([0.5, 0.5, 0.4, 0.4]))[0] for world in (shown, hidden))
        np.testing.assert_array_equal(first["angular_velocity"], other["angular_velocity"], err_msg=str(k))
    assert picture.shape == (240, 320, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    assert hidden.render() is None
    shown.close()


def test_four_motors_carry_the_weight_and_motors_push_as_their_equations_say():
    assert 4 * robot.STRONGEST * robot.HOVER == pytest.approx(WEIGHT)
    world, step = make(duration=1.0, reference="steps"), 1e-3
    for axis, arm in enumerate((robot.ARM, robot.ARM, robot.DRAG)):
        world.reset(seed=1)
        command = robot.HOVER + 0.05 * robot.MIXER[:, axis]
        speed, rate = np.full(4, math.sqrt(robot.HOVER)), 0.0
        for _ in range(25):
            world.step(command)
        for k in range(50):
            if k >= 3:  # the delay
                speed += (np.sqrt(command) - speed) * (1 - math.exp(-step / robot.LAG))
            thrust = robot.STRONGEST * speed**2
            rate += step * arm * (robot.MIXER[:, axis] @ thrust) / robot.INERTIA[axis]
        assert world.robot.rates[axis] == pytest.approx(rate, rel=1e-3)
        others = [r for k, r in enumerate(world.robot.rates) if k != axis]
        np.testing.assert_allclose(others, 0.0, atol=1e-6)


def test_a_tumbling_body_keeps_its_angular_momentum():
    world = make(duration=1.0)
    world.reset(seed=1)
    quadrotor, client = world.robot, world.client

    def momentum():
        turn = np.reshape(client.getMatrixFromQuaternion(quadrotor.quaternion), (3, 3))
        return turn @ (np.array(robot.INERTIA) * quadrotor.rates)

    client.resetBaseVelocity(quadrotor.body, (0, 0, 0), (4.0, -2.0, 6.0))
    quadrotor.read()
    before = momentum()
    for _ in range(50):
        world.step(np.full(4, robot.HOVER))
    assert np.linalg.norm(momentum() - before) < 0.01 * np.linalg.norm(before)
    assert np.linalg.norm(np.array(quadrotor.rates) - (4.0, -2.0, 6.0)) > 1.0


def test_angles_are_those_of_the_quaternion():
    rng, client = np.random.default_rng(1), make().client
    for _ in range(20):
        roll, pitch, yaw = rng.uniform((-3, -1.5, -3), (3, 1.5, 3))
        x, y, z, w = client.getQuaternionFromEuler((roll, pitch, yaw))
        np.testing.assert_allclose(robot.angles_of(w, x, y, z), (roll, pitch), atol=1e-6)


def test_resets_leak_nothing():
    world = make(duration=0.01, randomize=1.0)
    world.reset(seed=0)
    bodies = world.client.getNumBodies()
    first = played(world, 3, 5)
    for seed in range(1000):
        world.reset(seed=seed)
    assert world.client.getNumBodies() == bodies
    np.testing.assert_array_equal(played(world, 3, 5), first)


def test_what_is_drawn_reaches_the_body():
    world = make(randomize=1.0)
    _, info = world.reset(seed=2)
    drawn = info["randomized"]
    assert set(drawn) == {"mass", "inertia", *robot.MOTORS, "delay", "noise"}
    mass, _, inertia = world.client.getDynamicsInfo(world.robot.body, -1)[:3]
    assert mass == pytest.approx(robot.MASS * drawn["mass"])
    np.testing.assert_allclose(inertia, np.array(robot.INERTIA) * drawn["inertia"])
    for _ in range(10):
        world.step(np.full(4, robot.HOVER))
    strength = np.array([drawn[name] for name in robot.MOTORS])
    side = np.sign(robot.MIXER[:, 0] @ strength)
    assert side * world.robot.rates[0] > 0.05  # unequal motors turn it
    assert "randomized" not in make().reset(seed=2)[1]


def test_gusts_turn_what_hovers():
    found = []
    for gusts in (0.0, 2e-4):
        world = make(gusts=gusts)
        world.reset(seed=1)
        for _ in range(100):
            world.step(np.full(4, robot.HOVER))
        found.append(np.abs(world.robot.rates[:2]).max())
    assert found[0] < 1e-6 < 0.1 < found[1]


def test_a_turned_over_body_ends_the_episode():
    world = make()
    world.reset(seed=1)
    over, steps = False, 0
    while not over and steps < 400:
        *_, over, late, info = world.step(np.array([0.3, 0.3, 0.6, 0.6]))
        steps += 1
    assert steps < 400
    assert info["score"]["crashed"] == 1.0
    assert not late


def test_what_cannot_be_is_named():
    for name, wrong in (
        ("reference", "round"),
        ("gusts", -1.0),
        ("gusts", math.nan),
        ("duration", 0.0),
        ("randomize", 2),
    ):
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            make(**{name: wrong})
    world = make()
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[1\] = nan"):
        world.step(np.array([0.5, np.nan, 0.5, 0.5]))


@pytest.mark.parametrize(("reference", "most"), [("smooth", 2.0), ("steps", 8.0)])
def test_the_shipped_controller_follows_with_unequal_motors_as_the_cascade_does(reference, most):
    world = make(duration=3.0, randomize=1.0, reference=reference)
    errors = []
    for controller in (Shipped(), CascadedPID()):
        scores = [fly(world, controller, seed) for seed in (1, 2)]
        assert not any(score["crashed"] for score in scores)
        errors.append(np.degrees(np.mean([score["rms_error"] for score in scores])))
    assert max(errors) < most
    assert errors[0] < 1.05 * errors[1]


def test_the_shipped_controller_learns_the_motors():
    world = make(duration=4.0, randomize=1.0)
    learning, fixed = (fly(world, Shipped(on), 3)["rms_error"] for on in (True, False))
    assert learning < 0.6 * fixed
