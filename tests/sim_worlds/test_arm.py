"""ArmUnknownLoad-v0: its equations of motion, and its interface to Gymnasium and controllers."""

from __future__ import annotations

import math
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sim_worlds.arm import dynamics
from sim_worlds.arm.baselines import PD, PID
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError
from snn_control.resources import shipped
from snn_control.training.recipes import load_recipe, write_controller

WORLD = "sim_worlds:ArmUnknownLoad-v0"


def energy(q1, q2, v1, v2, load):
    """Kinetic and potential energy [J], from where the masses are and how they move alone."""
    (l1, l2), (m1, m2), (i1, i2) = dynamics.LENGTHS, dynamics.MASSES, dynamics.INERTIAS
    total = 0.5 * i1 * v1**2 + 0.5 * i2 * (v1 + v2) ** 2
    for mass, along, beyond in ((m1, l1 / 2, 0.0), (m2, l1, l2 / 2), (load, l1, l2)):
        speed = 1j * along * v1 * np.exp(1j * q1) + 1j * beyond * (v1 + v2) * np.exp(1j * (q1 + q2))
        height = along * math.sin(q1) + beyond * math.sin(q1 + q2)
        total += mass * (0.5 * abs(speed) ** 2 + dynamics.GRAVITY * height)
    return total


def test_energy_is_what_the_torques_gave_less_friction():
    state, rng, load, dt = np.array([-0.4, 0.9, 0.5, -1.0]), np.random.default_rng(1), 1.7, 1e-3
    step = dynamics.compiled_move()
    before, given = energy(*state, load), 0.0
    for _ in range(300):
        torque, old = rng.uniform(-10, 10, 2), state.copy()
        step(state, *torque, load, dt)
        mean = 0.5 * (old[2:] + state[2:])
        square = (old[2:] ** 2 + old[2:] * state[2:] + state[2:] ** 2) / 3  # of speeds that change evenly
        given += torque @ mean * dt - dynamics.FRICTION * square.sum() * dt
    assert abs(given) > 0.5
    assert energy(*state, load) - before == pytest.approx(given, abs=2e-4)


def test_a_joint_ends_at_its_stop_at_rest():
    state, step = np.array([0.0, 0.0, 0.0, 0.0]), dynamics.compiled_move()
    for _ in range(2000):
        step(state, 60.0, 30.0, 0.5, 1e-3)
    np.testing.assert_array_equal(state, [2.5, 2.5, 0.0, 0.0])


def test_gymnasium_has_nothing_to_say():
    world = gymnasium.make(WORLD, duration=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space.*")  # torques in N m, on purpose
        check_env(world.unwrapped, skip_render_check=True)


def test_a_seed_gives_load_and_path_and_the_score_is_of_the_end():
    world = gymnasium.make(WORLD, duration=0.3, scored_from=0.1)
    first, info = world.reset(seed=3)
    assert 0.5 <= info["load"] <= 2.5
    np.testing.assert_array_equal(first["joint_position"], first["target_position"])
    kept, errors = {name: value.copy() for name, value in first.items()}, []
    for _ in range(300):
        _, reward, over, truncated, info = world.step(np.zeros(2))
        errors.append(-reward)
        assert not over
    assert truncated
    assert info["score"]["rms_error"] == pytest.approx(np.sqrt(np.mean(np.square(errors[100:]))))
    for name, value in kept.items():
        np.testing.assert_array_equal(first[name], value)
    assert world.reset(seed=3)[1]["load"] == info["load"] != world.reset(seed=4)[1]["load"]
    for _ in range(300):
        world.step(np.zeros(2))
    with pytest.raises(gymnasium.error.ResetNeeded):
        world.step(np.zeros(2))


def test_what_cannot_be_is_named():
    for name, wrong in (("load", -1.0), ("duration", 0.0)):
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            gymnasium.make(WORLD, disable_env_checker=True, **{name: wrong}).unwrapped
    world = gymnasium.make(WORLD)
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[1\] = nan"):
        world.step(np.array([0.0, np.nan]))


def test_the_shipped_controller_is_that_of_its_recipe(tmp_path):
    recipe = load_recipe("arm")
    values = {name: start for name, (start, _) in recipe.parameters.items()}
    made = write_controller(recipe, values, tmp_path, "snn_control train arm --generations 0")
    assert made.read_text() == shipped("arm").read_text()
    with np.load(made.with_suffix(".npz")) as one, np.load(shipped("arm", suffix=".npz")) as other:
        for name in other:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-5, atol=1e-6)


def test_the_shipped_controller_learns_what_the_load_asks_for():
    world, rms = gymnasium.make(WORLD, load=2.0, duration=10.0, scored_from=5.0), {}
    controller = Controller.load("arm")
    for name, one in (("PD", PD()), ("PID", PID()), ("learning", controller), ("not learning", controller)):
        controller.reset()
        controller.learning(name == "learning")
        (observation, info), over = world.reset(seed=5), False
        while not over:
            observation, _, _, over, info = world.step(one.predict(observation)[0])
        rms[name] = info["score"]["rms_error"]
    assert rms["not learning"] == pytest.approx(rms["PD"], rel=0.01)
    assert rms["PID"] < 0.3 * rms["PD"]
    assert rms["learning"] < 0.5 * rms["PID"]
    assert rms["learning"] < 0.02
