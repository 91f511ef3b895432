"""EventLanding-v0: its physics and its floor, what ends an episode, and who lands."""

from __future__ import annotations

import math

import gymnasium
import numpy as np
import pytest

from sim_worlds.landing.baselines import FlowDivergence, TrueDivergence
from sim_worlds.landing.floor import Floor
from sim_worlds.landing.robot import DRAG, LAG, STRONGEST
from sim_worlds.landing.world import PINHOLE
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError

WORLD, STEP = "sim_worlds:EventLanding-v0", 5e-3


def make(**arguments):
    return gymnasium.make(WORLD, disable_env_checker=True, **arguments).unwrapped


def flown(world, one, seed):
    """The info of the last step of an episode, and its return."""
    (observation, info), over, total = world.reset(seed=seed), False, 0.0
    one.reset()
    while not over:
        observation, reward, done, late, info = world.step(one.predict(observation, info)[0])
        over, total = done or late, total + reward
    return info, total


def test_it_falls_as_lag_gravity_and_drag_say():
    world, wanted, t = make(gusts=0.0, height=(4, 4)), -3.0, 0.75
    world.reset(seed=1)
    for _ in range(round(t / STEP)):
        info = world.step(np.array([wanted]))[4]
    lag, drag = math.exp(-t / LAG), math.exp(-DRAG * t)
    speed = wanted * ((1.0 - drag) / DRAG - (drag - lag) / (1.0 / LAG - DRAG))
    assert info["vertical_speed"] == pytest.approx(speed, abs=0.02)


def test_wind_moves_it_and_it_holds_its_place():
    world, places, speeds = make(gusts=1.0, height=(4, 4)), [], []
    world.reset(seed=2)
    for _ in range(600):
        info = world.step(np.zeros(1))[4]
        places.append(world.robot.position[:2])
        speeds.append(info["vertical_speed"])
    assert np.abs(places).max() < 0.4
    assert np.std(places) > 0.005
    assert np.std(speeds) > 0.02


def test_the_picture_of_a_floor_moves_as_the_camera_does():
    floor, rng = Floor(PINHOLE), np.random.default_rng(3)
    first = floor.reset(rng, 0.2, np.array([0.0, 0.0, 1.0, 0.0, 0.0])).copy()
    pixel = 1.0 / PINHOLE.focal  # m on the floor
    ahead = floor.step(np.array([3 * pixel, 0.0, 1.0, 0.0, 0.0])).copy()
    np.testing.assert_allclose(ahead[3:], first[:-3], atol=0.01)
    left = floor.step(np.array([0.0, 3 * pixel, 1.0, 0.0, 0.0])).copy()
    np.testing.assert_allclose(left[:, 3:], first[:, :-3], atol=0.01)
    tilted = floor.step(np.array([math.tan(0.05), 0.0, 1.0, 0.05, 0.0]))  # leans ahead and looks back
    assert np.corrcoef(tilted[12:36, 12:36].ravel(), first[12:36, 12:36].ravel())[0, 1] > 0.98


def test_the_floor_has_as_much_texture_at_every_height():
    floor, rng, found = Floor(PINHOLE), np.random.default_rng(4), {}
    for height in (0.1, 0.4, 1.6, 4.0):
        pictures = [floor.reset(rng, 0.2, np.array([0.0, 0.0, height, 0.0, 0.0])).copy() for _ in range(30)]
        found[height] = np.mean([np.std(np.diff(one, axis=0)) for one in pictures])
    assert max(found.values()) < 1.3 * min(found.values())
    assert min(found.values()) > 0.05


def test_randomisation_reaches_thrust_camera_and_floor():
    world = make(randomize=1.0)
    drawn = world.reset(seed=3)[1]["randomized"]
    assert world.robot.strength == drawn["strength"]
    assert world.robot.lag == pytest.approx(LAG * drawn["lag"])
    on = world.sensors[0].camera.thresholds[0]
    assert np.median(on) == pytest.approx(0.2 * drawn["threshold"], rel=0.01)
    assert world.sensors[0].contrast == pytest.approx(0.2 * drawn["contrast"])
    assert all(abs(drawn[name] - 1.0) <= spread for name, spread in world.RANDOMIZED.items())


def test_what_ends_an_episode_and_what_it_is_worth():
    world = make(height=(0.5, 0.5), gusts=0.0, duration=5.0)
    for action, landed, over in ((-STRONGEST, 0.0, True), (STRONGEST, 0.0, True), (0.0, 0.0, False)):
        world.reset(seed=1)
        done = late = False
        while not (done or late):
            _, reward, done, late, info = world.step(np.array([action]))
        assert (info["score"]["landed"], done) == (landed, over)
        assert info["score"]["time"] == info["time"]
        assert reward == {-STRONGEST: -8.0, STRONGEST: -10.0, 0.0: pytest.approx(-0.5 * STEP)}[action]
    assert info["score"]["touchdown_speed"] == 0.3


def test_what_cannot_be_is_named():
    wrong = {"height": (3, 2), "gusts": -1.0, "contrast": 0.0, "duration": 0.0, "camera": "blind", "randomize": 2.0}
    for name, value in wrong.items():
        with pytest.raises(DescriptionError, match=f"^{name} = "):
            make(**{name: value})
    world = make()
    world.reset(seed=1)
    with pytest.raises(InputError, match=r"action\[0\] = nan"):
        world.step(np.array([np.nan]))


@pytest.mark.parametrize("baseline", [FlowDivergence, TrueDivergence])
def test_baselines_land(baseline):
    world = make(height=(1.0, 1.0))
    info, total = flown(world, baseline(), 7)
    assert info["score"]["landed"] == 1.0
    assert info["score"]["touchdown_speed"] < 0.1
    assert total > 1.0


def test_the_divergence_of_the_flow_is_measured():
    world, seen, true = make(height=(3, 3)), FlowDivergence(), []
    observation, info = world.reset(seed=8)
    for _ in range(600):
        true.append((info["divergence"], seen.divergence(observation)))
        observation, *_, info = world.step(np.array([2.0 * (info["divergence"] - 0.5)]))
    known, measured = np.array(true[200:]).T
    assert np.sqrt(np.mean((measured - known) ** 2)) < 0.08


@pytest.mark.parametrize("row", [{}, {"randomize": 1.0}])
def test_the_shipped_controller_lands(row):
    world, controller = make(height=(1.5, 1.5), **row), Controller.load("event_landing")
    assert [flown(world, controller, seed)[0]["score"]["landed"] for seed in (5100, 5101)] == [1.0, 1.0]
