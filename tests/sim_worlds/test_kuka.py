"""KukaPayload-v0: the arm against plain formulas, its episodes, its classical controllers and the spiking one."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from sim_worlds.client import Client
from sim_worlds.kuka.baselines import PID
from sim_worlds.kuka.robot import DELAY, HAND, LAG, STEP, Kuka
from sim_worlds.kuka.task import MIDDLE, sines, waypoints
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.training.environments.perturbed.apply import perturbed

WORLD = "sim_worlds:KukaPayload-v0"
TIMES = np.arange(3001) * STEP


@pytest.fixture
def make():
    worlds = []

    def build(**options):
        worlds.append(gymnasium.make(WORLD, disable_env_checker=True, **options).unwrapped)
        return worlds[-1]

    yield build
    for world in worlds:
        world.close()


@pytest.fixture
def arm():
    """An arm without delay and noise, with 2 kg, in a client of its own."""
    client = Client()
    client.setTimeStep(STEP)
    client.setGravity(0.0, 0.0, -9.81)
    one = Kuka(client)
    one.vary({"noise": 0.0, "delay": 0.0})
    one.begin(np.concatenate([MIDDLE + 0.3, np.zeros(7)]), 2.0, np.random.default_rng(1))
    yield one
    client.close()


def energy(arm, load):
    """Kinetic and potential energy [J], from where the links' masses are and how they move."""
    total = 0.0
    for link in range(arm.client.getNumJoints(arm.body)):
        mass, _, inertia = arm.client.getDynamicsInfo(arm.body, link)[:3]
        state = arm.client.getLinkState(arm.body, link, computeLinkVelocity=1, computeForwardKinematics=1)
        turn = np.reshape(arm.client.getMatrixFromQuaternion(state[1]), (3, 3)).T @ state[7]
        total += mass * (0.5 * np.dot(state[6], state[6]) + 9.81 * state[0][2]) + 0.5 * np.dot(inertia, turn**2)
    assert mass == load
    return total


def test_energy_is_what_the_torques_gave_less_friction(arm):
    before, given, dt = energy(arm, 2.0), 0.0, 1e-4  # PyBullet's method is of first order
    arm.client.setTimeStep(dt)
    for _ in range(1500):
        arm.act(np.array([20, -20, 5, 5, 2, 2, 0.5]))
        old = arm.state
        arm.client.stepSimulation()
        arm.read()
        mean = 0.5 * (old[7:] + arm.state[7:])
        given += (arm._torque @ mean - 0.5 * mean @ mean) * dt
    assert abs(given) > 0.5
    assert energy(arm, 2.0) - before == pytest.approx(given, rel=0.02)


def test_a_load_asks_for_its_weight_times_its_lever(arm):
    torques = {}
    for load in (0.0, 3.0):
        client = Client()
        client.setGravity(0.0, 0.0, -9.81)
        one = Kuka(client)
        one.begin(arm.wanted, load, np.random.default_rng(1))
        torques[load] = np.array(client.calculateInverseDynamics(one.body, one.position, [0.0] * 7, [0.0] * 7))
        state = client.getLinkState(one.body, one.hand, computeForwardKinematics=True)
        flange = client.getLinkState(one.body, one.hand - 1, computeForwardKinematics=True)
        linear, _ = client.calculateJacobian(one.body, one.hand, (0, 0, 0), one.position, [0.0] * 7, [0.0] * 7)
        assert np.linalg.norm(np.subtract(state[4], flange[4])) == pytest.approx(HAND, abs=1e-6)
        client.close()
    np.testing.assert_allclose(torques[3.0] - torques[0.0], 3.0 * 9.81 * np.array(linear)[2], atol=1e-6)


def test_a_torque_follows_its_command_and_ends_at_its_limit(arm):
    for k in range(1, 30):
        arm.act(np.full(7, 100.0))
        follows = 1.0 - np.exp(-k * STEP / LAG)
        np.testing.assert_allclose(arm._torque, follows * np.array([100, 100, 100, 100, 100, 40, 40]), rtol=1e-9)


def test_sensors_are_late_and_noisy(make):
    world, late, true, seen = make(load=1.0), round(DELAY / STEP), [], []
    observation, _ = world.reset(seed=4)
    for _ in range(400):
        true.append(world.robot.state)
        seen.append(np.concatenate([observation["joint_position"], observation["joint_velocity"]]))
        observation, *_ = world.step(np.array([0, -40, 0, 15, 0, 0, 0.0]))
    noise = np.array(seen[late:]) - true[:-late]
    np.testing.assert_allclose(noise.std(axis=0), np.repeat([1e-4, 5e-3], 7), rtol=0.2)


@pytest.mark.parametrize("motion", [sines, waypoints])
def test_a_path_is_smooth_and_its_speeds_are_those_of_its_angles(motion):
    path = motion(np.random.default_rng(3), TIMES)
    assert np.abs(path[:, :7] - MIDDLE).max() <= 0.5
    np.testing.assert_allclose(np.gradient(path[:, :7], STEP, axis=0)[1:-1], path[1:-1, 7:], atol=1e-4)
    assert np.abs(np.diff(path[:, 7:], axis=0)).max() < 10.0 * STEP


def rollout(world, seed, steps=60, spoil=False):
    """Every bit of an episode; spoil: write into what was returned."""
    observation, info = world.reset(seed=seed)
    rows = []
    for k in range(steps):
        arrays = [*observation.values(), info["target"]]
        rows += [*(one.copy() for one in arrays), [info["error"], info["load"]]]
        if spoil:
            for one in arrays:
                one[:] = 9.0
        observation, reward, *_, info = world.step(40.0 * np.sin(0.1 * k + np.arange(7)))
        rows.append([reward])
    return np.concatenate(rows)


def test_what_was_returned_is_nobody_elses(make):
    world = make(load=1.0)
    np.testing.assert_array_equal(rollout(world, 7, spoil=True), rollout(world, 7))


def test_randomisation_reaches_the_arm(make):
    world, masses = make(randomize=1.0), []
    for seed in (1, 2):
        factors = world.reset(seed=seed)[1]["randomized"]
        robot = world.robot
        facts = world.client.getDynamicsInfo(robot.body, robot.joints[0])
        masses.append(facts[0])
        assert facts[0] == pytest.approx(4.0 * factors["mass"])
        assert facts[2] == pytest.approx(np.array([0.1, 0.09, 0.02]) * factors["mass"])
        assert robot._late == round(2 * factors["delay"])
        robot.act(np.full(7, 30.0))
        assert robot._torque[0] == pytest.approx(30.0 * factors["motor"] * (1 - np.exp(-STEP / LAG)))
    assert masses[0] != masses[1]


def test_friction_brakes_a_joint(arm):
    speeds = {}
    for friction in (0.5, 1.0):
        arm.vary({"friction": friction})
        arm.client.setGravity(0.0, 0.0, 0.0)
        arm.begin(arm.wanted, 0.0, np.random.default_rng(1))
        arm.client.resetJointState(arm.body, arm.joints[6], 0.0, 1.0)
        arm.client.stepSimulation()
        arm.read()
        speeds[friction] = arm.velocity[6]
    inertia = 1e-3  # kg m^2, of the last link
    for friction, speed in speeds.items():
        assert speed == pytest.approx(1.0 - friction * 0.5 * STEP / inertia, abs=0.02)  # Euler's step


def test_loads_come_from_the_seed_unless_they_are_given(make):
    world = make(duration=0.1)
    loads = [world.reset(seed=seed)[1]["load"] for seed in range(40)]
    assert 0 <= min(loads) < 0.5 < 2.5 < max(loads) <= 3
    assert make(load=2.0).reset(seed=1)[1]["load"] == 2.0


def test_the_score_is_of_the_end_and_the_error_that_of_all_joints(make):
    world, errors = make(duration=0.2, scored_from=0.1), []
    world.reset(seed=1)
    for _ in range(200):
        _, reward, over, truncated, info = world.step(np.zeros(7))
        errors.append(np.linalg.norm(world.robot.position - info["target"]))
        assert reward == pytest.approx(-errors[-1])
        assert not over
    assert truncated
    assert info["score"]["rms_error"] == pytest.approx(np.sqrt(np.mean(np.square(errors[100:]))))
    with pytest.raises(gymnasium.error.ResetNeeded):
        world.step(np.zeros(7))


def test_what_cannot_be_is_named(make):
    wrong = {"load": -1.0, "motion": "circles", "duration": 0.0, "randomize": 2.0}
    for name, value in wrong.items():
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            gymnasium.make(WORLD, disable_env_checker=True, **{name: value})
    world = make()
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[1\] = nan"):
        world.step(np.array([0.0, np.nan, 0, 0, 0, 0, 0]))


def test_many_resets_change_nothing(make):
    world = make(duration=0.01, randomize=1.0)
    first = rollout(world, 3, 5)
    for seed in range(1000):
        world.reset(seed=seed)
    np.testing.assert_array_equal(rollout(world, 3, 5), first)


def test_a_picture_shows_arm_and_goal(make):
    world = make(render_mode="rgb_array", load=3.0)
    world.reset(seed=1)
    picture = world.render()
    assert picture.shape == (240, 320, 3)
    assert picture.dtype == np.uint8
    colours = picture.reshape(-1, 3).astype(int)
    green, red = ((colours[:, k] > 60 + colours.sum(axis=1) - colours[:, k]).sum() for k in (1, 0))
    assert green > 20
    assert red > 20
    for _ in range(200):
        world.step(np.zeros(7))
    assert np.abs(world.render().astype(int) - picture).max() > 100


def play(world, controller, seed):
    controller.reset()
    (observation, info), over = world.reset(seed=seed), False
    while not over:
        observation, _, _, over, info = world.step(controller.predict(observation, info)[0])
    return info["score"]["rms_error"]


def test_classical_controllers_follow_the_path_as_well_as_they_know_the_load(make):
    rms = {}
    for load in (0.0, 3.0):
        world = make(load=load, duration=2.0, scored_from=1.0)
        rms |= {(one.label, load): play(world, one, 5) for one in world.baselines().values()}
    assert rms["computed torque", 0.0] < 0.005
    for load in (0.0, 3.0):
        assert rms["PID", load] < 0.6 * rms["PD", load] < 0.06
    assert rms["PID", 3.0] < 0.6 * rms["computed torque", 3.0]


def test_the_shipped_controller_learns_what_the_load_asks_for(make):
    world, controller, rms = make(load=3.0, duration=6.0, scored_from=4.0), Controller.load("kuka"), {}
    for name, one in (("PID", PID()), ("learning", controller), ("not learning", controller)):
        controller.reset()
        controller.learning(name == "learning")
        (observation, info), over = world.reset(seed=5), False
        while not over:
            observation, _, _, over, info = world.step(one.predict(observation)[0])
        rms[name] = info["score"]["rms_error"]
    assert rms["learning"] < rms["PID"] < 0.5 * rms["not learning"]


def test_the_shipped_controller_tolerates_two_steps_of_delay(make):
    world, controller = make(load=1.5, duration=3.0, scored_from=1.0), Controller.load("kuka")
    late = {"observation_delay": 2}, {"action_delay": 2}
    rms = [play(one, controller, 5) for one in (world, *(perturbed(world, given) for given in late))]
    assert max(rms) < 1.25 * rms[0]
