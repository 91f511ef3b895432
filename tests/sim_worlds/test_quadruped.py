"""QuadrupedWalk-v0: its equations of motion, and its interface to Gymnasium and controllers."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from sim_worlds.client import Client, pybullet, silent
from sim_worlds.quadruped import dynamics
from sim_worlds.quadruped.baselines import SIDE, Trot, TrotWithImu, TrotWithTwist, angles
from sim_worlds.quadruped.picture import joints
from sim_worlds.quadruped.robot import STANDING
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.training.environments.play_episode import episode

WORLD = "sim_worlds:QuadrupedWalk-v0"
FACTORS = np.array(list(dynamics.FACTORS.values()))


def link(name, mass, inertia, down):
    x, y, z = inertia
    return f"""<link name="{name}"><inertial><origin xyz="0 0 {down}"/><mass value="{mass}"/>
<inertia ixx="{x}" ixy="0" ixz="0" iyy="{y}" iyz="0" izz="{z}"/></inertial></link>"""


def urdf():
    """The quadruped of `dynamics`, as a URDF for PyBullet."""
    rows, parts = zip(dynamics.MASSES, dynamics.INERTIAS, dynamics.CENTRES), ("trunk", "hip", "thigh", "shank")
    (trunk, *others), made = [(name, *row) for name, row in zip(parts, rows)], []
    made.append(link(*trunk))
    for n, leg in enumerate(dynamics.LEGS):
        ahead, side, parent = 1 - 2 * (n // 2), 1 - 2 * (n % 2), "trunk"
        hip = (ahead * dynamics.HIP[0], side * dynamics.HIP[1], 0.0)
        places = (hip, (0.0, side * dynamics.HIP[2], 0.0), (0.0, 0.0, -dynamics.LINK))
        for (part, *row), (x, y, z), axis in zip(others, places, ("1 0 0", "0 1 0", "0 1 0")):
            made.append(link(f"{leg}_{part}", *row))
            made.append(
                f'<joint name="to_{leg}_{part}" type="continuous"><parent link="{parent}"/><child link="{leg}_{part}"/>'
                f'<origin xyz="{x} {y} {z}"/><axis xyz="{axis}"/></joint>'
            )
            parent = f"{leg}_{part}"
    return '<?xml version="1.0"?><robot name="quadruped">' + "".join(made) + "</robot>"


def test_in_the_air_it_accelerates_as_in_pybullet(tmp_path, monkeypatch):
    monkeypatch.setattr(dynamics, "ROTOR", 0.0)  # PyBullet has none
    (tmp_path / "quadruped.urdf").write_text(urdf())
    client, dt = Client(), 1e-5
    with silent():
        body = client.loadURDF(str(tmp_path / "quadruped.urdf"), flags=pybullet.URDF_USE_INERTIA_FROM_FILE)
    client.setTimeStep(dt)
    client.setGravity(0.0, 0.0, -9.81)
    joints = list(range(12))
    for k in (-1, *joints):
        client.changeDynamics(body, k, linearDamping=0, angularDamping=0, jointDamping=0, maxJointVelocity=1e3)
    client.setJointMotorControlArray(body, joints, pybullet.VELOCITY_CONTROL, forces=[0.0] * 12)
    rng = np.random.default_rng(1)
    for _ in range(3):
        state, torque, out = np.zeros(dynamics.STATE), rng.uniform(-20, 20, 12), np.zeros(18)
        quaternion = rng.normal(size=4)
        state[2], state[3:7] = 2.0, quaternion / np.linalg.norm(quaternion)
        state[7:25], state[25:37] = rng.uniform(-1.5, 1.5, 18), rng.uniform(-8, 8, 12)
        w, x, y, z = state[3:7]
        client.resetBasePositionAndOrientation(body, state[:3], (x, y, z, w))
        client.resetBaseVelocity(body, state[7:10], state[10:13])
        for k in joints:
            client.resetJointState(body, k, state[13 + k], state[25 + k])
        client.setJointMotorControlArray(body, joints, pybullet.TORQUE_CONTROL, forces=torque)
        client.stepSimulation()
        linear, angular = client.getBaseVelocity(body)
        speeds = [one[1] for one in client.getJointStates(body, joints)]
        found = (np.concatenate([angular, linear, speeds]) - state[[10, 11, 12, 7, 8, 9, *range(25, 37)]]) / dt
        dynamics.accelerate(state, torque, FACTORS, np.zeros(1200), out)
        np.testing.assert_allclose(out, found, rtol=2e-3, atol=0.5)
    client.close()


def make(**arguments):
    return gymnasium.make(WORLD, disable_env_checker=True, **arguments).unwrapped


def played(world, controller, seed):
    controller.reset()
    (observation, info), over = world.reset(seed=seed), False
    while not over:
        observation, _, fell, late, info = world.step(controller.predict(observation, info)[0])
        over = fell or late
    return info["score"]


def test_it_stands_on_springs():
    """Once it is at rest: each motor bends until its torque bears the weight, and the ground bears the whole."""
    world = make(duration=3.0)
    world.reset(seed=1)
    for _ in range(300):
        observation = world.step(STANDING)[0]
    assert np.abs(observation["joint_velocity"]).max() < 0.02
    assert observation["acceleration_z"] == pytest.approx(dynamics.GRAVITY, abs=1.0)
    feet = joints(world.robot.state)[:, 3]
    mass = dynamics.MASSES[0] + 4 * sum(dynamics.MASSES[1:])
    pressed = (dynamics.FOOT - feet[:, 2]).sum() * dynamics.GROUND[0]
    assert pressed == pytest.approx(mass * dynamics.GRAVITY, rel=0.01)


def test_friction_holds_a_foot_and_then_lets_it_slide():
    state, force = np.zeros(dynamics.STATE), np.zeros(3)
    depth, stiff = 2e-3, dynamics.GROUND[0]
    for x in (0.0, 1e-3, 5e-3):
        dynamics.touch(state, FACTORS, 0, x, 0.0, dynamics.FOOT - depth, 0.0, 0.0, 0.0, force)
        up = stiff * depth
        most = dynamics.FACTORS["friction"] * up
        np.testing.assert_allclose(force, [-min(stiff * x, most), 0.0, up], atol=1e-9)
    assert state[37] == pytest.approx(5e-3 - most / stiff)  # it has slid so far
    dynamics.touch(state, FACTORS, 0, 0.0, 0.0, dynamics.FOOT + 1e-3, 0.0, 0.0, -1.0, force)
    np.testing.assert_array_equal([*force, state[45]], 0.0)  # in the air


def test_what_is_drawn_reaches_the_physics():
    world = make(randomize=1.0, duration=0.5)
    _, info = world.reset(seed=2)
    factors = world.robot.factors
    for name, factor in info["randomized"].items():
        assert factors[name] == pytest.approx(factor * dynamics.FACTORS[name])
        assert abs(factor - 1.0) <= world.RANDOMIZED[name]
    assert factors["bumps"] > 0.0
    heights = []
    for mass in (0.5, 1.5):
        world.reset(seed=2)
        world.vary({"mass": mass})
        for _ in range(40):
            world.step(STANDING)
        heights.append(world.robot.state[2])
    assert heights[0] > heights[1] + 5e-3


def test_it_is_pushed_as_long_and_as_much_as_it_says():
    world = make(randomize=1.0, duration=9.0)
    world.reset(seed=3)
    task, pushes = world.task, []
    for k in range(900):
        task._tell(k)
        pushes.append(np.hypot(world.robot.factors["push_x"], world.robot.factors["push_y"]))
    pushes = np.array(pushes).reshape(3, 300)
    assert ((pushes > 0).sum(axis=1) == 20).all()
    assert ((pushes.max(axis=1) >= 15.0) & (pushes.max(axis=1) <= 30.0)).all()


def test_commands_are_drawn_every_four_seconds():
    world = make(speed=None, turn=None, duration=12.0)
    world.reset(seed=4)
    told = []
    for k in range(1200):
        world.task._tell(k)
        told.append(world.robot.command)
    assert len(set(told)) == 3
    speeds, turns = np.array(told).T
    assert speeds.min() >= 0.2
    assert speeds.max() <= 0.6
    assert np.abs(turns).max() <= 0.5


def test_legs_that_give_way_are_a_fall():
    world = make(duration=5.0)
    world.reset(seed=1)
    over = False
    while not over:
        _, _, over, late, info = world.step(np.array([0.0, 2.2, -2.6] * 4))
        assert not late
    assert info["fell"]
    assert info["score"]["fell"] == 1.0


def test_feet_are_where_inverse_kinematics_puts_them():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-0.1, 0.1, 4), SIDE * dynamics.HIP[2] + rng.uniform(-0.05, 0.05, 4)
    z = rng.uniform(-0.33, -0.2, 4)
    state = np.zeros(dynamics.STATE)
    state[3], state[13:25] = 1.0, angles(x, y, z)
    places = joints(state)
    np.testing.assert_allclose(places[:, 3] - places[:, 0], np.stack([x, y, z], axis=1), atol=1e-9)


@pytest.mark.parametrize("one", [Trot, TrotWithImu, TrotWithTwist])
def test_a_baseline_walks_and_turns(one):
    world = make(turn=0.3, duration=5.0)
    score = played(world, one(), 5)
    assert not score["fell"]
    assert 1.2 < score["distance"] < 2.4
    w, x, y, z = world.robot.state[3:7]
    assert 0.7 < np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)) < 2.2


def commands(controller, seen, steps):
    return np.array([controller.step(seen)["action"] for _ in range(steps)])


def test_the_shipped_controller_makes_its_own_rhythm():
    """Where all that it sees stands still, its commands still trot: 0.42 s a cycle, diagonal legs together."""
    controller = Controller.load("quadruped")
    seen = {one: np.zeros(1, np.float32) for one in controller.inputs}
    seen["speed_command"][:] = 0.4
    found = commands(controller, seen, 420)[210:].reshape(5, 42, 4, 3)
    knees = found[..., 2]
    assert np.ptp(knees, axis=1).min() > 0.4
    assert np.abs(found - found.mean(0)).max() < 0.1
    bent = knees.mean(0).argmin(0)  # of fl, fr, rl, rr
    apart = (bent[:, None] - bent + 21) % 42 - 21
    assert np.abs(apart[[0, 1], [3, 2]]).max() <= 2
    assert np.abs(apart[0, 1:3]).min() >= 19


def test_the_shipped_controller_walks_and_turns():
    world = make(turn=0.3, duration=6.0, randomize=1.0)
    score = episode(world, Controller.load("quadruped"), 5)[1]["score"]
    assert not score["fell"]
    assert score["distance"] > 1.8
    assert score["speed_error"] < 0.15
    assert score["yaw_rate_error"] < 0.25


def test_what_cannot_be_is_named():
    for wrong in ({"speed": 2.0}, {"turn": np.nan}, {"randomize": 2.0}, {"duration": 0.0}):
        with pytest.raises(DescriptionError, match=f"^{next(iter(wrong))} = "):
            make(**wrong)
    world = make()
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[2\] = nan"):
        world.step(np.where(np.arange(12) == 2, np.nan, 0.0))
