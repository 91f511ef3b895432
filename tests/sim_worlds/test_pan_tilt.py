"""PanTiltTracking-v0 as a whole."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from benchmarks.event_camera import shipped_for
from sim_worlds.pan_tilt.baselines import BASELINES, load
from sim_worlds.pan_tilt.scene import pixel_of
from sim_worlds.pan_tilt.task import angle_between
from sim_worlds.sensors.camera_model import PRESETS, CameraModel
from sim_worlds.sensors.pinhole import Pinhole
from snn_control.controller import Controller
from snn_control.errors import DescriptionError, InputError

WORLD = "sim_worlds:PanTiltTracking-v0"


@pytest.fixture
def make():
    worlds = []

    def build(**options):
        worlds.append(gymnasium.make(WORLD, **options))
        return worlds[-1]

    yield build
    for world in worlds:
        world.close()


def digest(world: gymnasium.Env, seed: int | None, steps: int = 150) -> str:
    """Digest of every bit of an episode's observations, rewards and infos."""
    total = hashlib.sha256()
    observation, info = world.reset(seed=seed)
    for k in range(steps):
        for value in (*observation.values(), info["target"], np.array([info["error"]])):
            total.update(value.tobytes())
        action = np.array([3.0 * math.sin(0.05 * k), math.cos(0.03 * k)], np.float32)
        observation, reward, *_, info = world.step(action)
        total.update(np.array([reward]).tobytes())
    return total.hexdigest()


@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
@pytest.mark.parametrize(
    "options",  # beside the defaults, which test_worlds.py has
    [
        {"size": (240, 180), "camera": "noisy"},
        {"size": (101, 33), "camera": CameraModel(threshold_on=0.1)},
        {"scene": "rendered", "size": (64, 48), "camera": "clean", "frame_rate": 200.0},
    ],
)
def test_gymnasium_has_nothing_to_say(make, render_mode, options):
    world = make(render_mode=render_mode, duration=0.05, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # commands are in rad/s, as those of the servo, on purpose
        warnings.filterwarnings("ignore", message=".*symmetric and normalized space.*")
        check_env(world.unwrapped, skip_render_check=render_mode is None)
    world.close()
    world.close()


def test_a_seed_determines_every_bit(make):
    world = make()
    first, other, again, fresh = digest(world, 5), digest(world, 6), digest(world, 5), digest(make(), 5)
    assert first == again == fresh
    assert first != other
    assert digest(world, None) != digest(world, None)


def test_options_change_only_what_they_name(make):
    paths = []
    for options in ({}, {"background": 0.1}, {"contrast": -1.0}):
        world = make(**options)
        world.reset(seed=3)
        paths.append(world.unwrapped.task.path)
    np.testing.assert_array_equal(paths[0], paths[1])
    np.testing.assert_array_equal(paths[0], paths[2])


def test_nothing_that_was_returned_changes_later(make):
    world = make()
    observation, info = world.reset(seed=1)
    kept = []
    for _ in range(5):
        copy = {k: v.copy() for k, v in observation.items()}
        kept.append((observation, copy, info, dict(info, target=info["target"].copy())))
        observation, _, _, _, info = world.step(np.array([2.0, -1.0], np.float32))
        assert not any(np.shares_memory(observation[k], kept[-1][0][k]) for k in observation)
    for old, copy, old_info, info_copy in kept:
        for key, value in old.items():
            np.testing.assert_array_equal(value, copy[key])
        np.testing.assert_array_equal(old_info.pop("target"), info_copy.pop("target"))
        assert old_info == info_copy
        old["joint_position"][:] = 99.0
        old["camera"][:] = 99.0
    assert abs(world.step(np.zeros(2, np.float32))[0]["joint_position"]).max() < 2.0


def test_the_head_starts_beside_the_target_and_the_error_is_the_great_circle(make):
    world = make()
    for seed in range(8):
        observation, info = world.reset(seed=seed)
        assert observation["camera_count"][0] == 0
        assert not observation["joint_velocity"].any()
        (pan, tilt), (azimuth, elevation) = observation["joint_position"], info["target"]
        axis, target = (
            np.array([math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e)])
            for a, e in ((pan, tilt), (azimuth, elevation))
        )
        angle = math.atan2(np.linalg.norm(np.cross(axis, target)), axis @ target)
        assert info["error"] == pytest.approx(angle, abs=1e-12)
        assert info["error"] <= math.radians(10.0) + 1e-9
        np.testing.assert_array_equal(world.unwrapped.task.path[0], info["target"])


def test_joints_follow_the_servo_exactly(make):
    world = make()
    world.reset(seed=2)
    angle = np.array(world.unwrapped.robot.position)
    command = np.array([0.5, -0.4], np.float32)
    for k in range(100):
        observation, *_ = world.step(command)
        expected = command.astype(float) * (1.0 - math.exp(-max(k - 1, 0) * 1e-3 / 0.015))
        np.testing.assert_allclose(observation["joint_velocity"], expected, atol=1e-9)
        angle = angle + 1e-3 * expected
        np.testing.assert_allclose(observation["joint_position"], angle, atol=1e-9)


def test_joints_end_at_their_stops(make):
    world = make()
    world.reset(seed=2)
    for sign in (1, -1):
        for _ in range(800):
            observation, *_ = world.step(np.array([6.0, 6.0], np.float32) * sign)
            assert world.observation_space["joint_position"].contains(observation["joint_position"])
        np.testing.assert_allclose(observation["joint_position"], np.array([1.4, 0.7]) * sign, atol=1e-4)
        np.testing.assert_allclose(observation["joint_velocity"], 0.0, atol=1e-2)


def test_commands_are_clipped_and_numbers(make):
    world = make()
    ends = []
    for size in (6.0, 1e9):
        world.reset(seed=1)
        for _ in range(30):
            observation, *_ = world.step(np.array([size, -size]))
        ends.append(observation["joint_position"])
    np.testing.assert_array_equal(ends[0], ends[1])
    with pytest.raises(InputError, match=r"action\[0\]"):
        world.step(np.array([math.nan, 0.0]))


def test_events_are_sorted_within_the_step_and_zero_padded(make):
    world = make(background=0.1)
    world.reset(seed=1)
    total = 0
    for _ in range(100):
        observation, *_, info = world.step(np.array([6.0, 0.0], np.float32))
        n = int(observation["camera_count"][0])
        events = observation["camera"]
        assert n == info["events"]
        assert np.all(np.diff(events[:n, 0]) >= 0)
        assert not events[n:].any()
        assert world.observation_space.contains(observation)
        total += n
    assert total > 5000


def test_a_full_observation_counts_what_it_drops(make):
    narrow, wide = make(background=0.1, capacity=16), make(background=0.1)
    for world in (narrow, wide):
        world.reset(seed=1)
    for _ in range(40):
        a, *_, info_a = narrow.step(np.array([6.0, 0.0], np.float32))
        b, *_, info_b = wide.step(np.array([6.0, 0.0], np.float32))
        assert info_a["events"] + info_a["dropped_events"] == info_b["events"]
        np.testing.assert_array_equal(a["camera"], b["camera"][:16])
    assert info_a["dropped_events"] > 0


def test_an_episode_ends_by_time_with_its_score(make):
    world = make(duration=1.2)
    _, info = world.reset(seed=1)
    errors, lost = [], []
    done = False
    while not done:
        _, reward, terminated, done, info = world.step(np.zeros(2, np.float32))
        assert not terminated
        assert reward == -info["error"]
        assert info["lost"] == (info["error"] > math.radians(25))
        if info["time"] >= 1.0 - 1e-9:
            errors.append(info["error"])
            lost.append(info["lost"])
        assert ("score" in info) == done
    assert info["time"] == pytest.approx(1.2)
    assert info["score"] == pytest.approx({"rms_error": np.sqrt(np.mean(np.square(errors))), "lost": np.mean(lost)})
    with pytest.raises(gymnasium.error.ResetNeeded):
        world.step(np.zeros(2, np.float32))


def test_the_picture_shows_the_target_and_the_axis(make):
    world = make(render_mode="rgb_array", background=0.0)
    observation, info = world.reset(seed=1)
    image = world.render()
    assert (image.shape, image.dtype) == ((512, 512, 3), np.uint8)
    assert np.all(image[255:257, 262:270] == 255)  # an arm of the cross
    y, x = np.nonzero(np.all(image == (90, 230, 90), axis=2))  # the ring
    left, up = info["target"] - observation["joint_position"]
    assert np.sign(255.5 - x.mean()) == np.sign(left)
    assert np.sign(255.5 - y.mean()) == np.sign(up)
    for _ in range(20):
        world.step(np.array([3.0, 0.0], np.float32))
    image = world.render()
    assert np.any(np.all(image == (255, 150, 40), axis=2))  # ON
    assert np.any(np.all(image == (60, 130, 255), axis=2))  # OFF


def test_worlds_do_not_disturb_each_other(make):
    one, two = make(), make()
    alone = digest(one, 4)
    two.reset(seed=9)
    observation, info = one.reset(seed=4)
    total = hashlib.sha256()
    for k in range(150):
        for value in (*observation.values(), info["target"], np.array([info["error"]])):
            total.update(value.tobytes())
        two.step(np.array([-6.0, 6.0], np.float32))
        action = np.array([3.0 * math.sin(0.05 * k), math.cos(0.03 * k)], np.float32)
        observation, reward, *_, info = one.step(action)
        total.update(np.array([reward]).tobytes())
    assert total.hexdigest() == alone


def test_a_vector_of_worlds_is_the_worlds(make):
    vector = gymnasium.make_vec(WORLD, 2, vectorization_mode="sync", duration=0.1)
    single = make(duration=0.1)
    many, _ = vector.reset(seed=[3, 4])
    one, _ = single.reset(seed=4)
    for _ in range(40):
        np.testing.assert_array_equal(many["camera"][1], one["camera"])
        np.testing.assert_array_equal(many["joint_position"][1], one["joint_position"])
        many, *_ = vector.step(np.array([[1.0, 1.0], [2.0, -2.0]], np.float32))
        one, *_ = single.step(np.array([2.0, -2.0], np.float32))
    vector.close()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"motion": "spiral"}, "motion"),
        ({"frequency": 0.0}, "frequency"),
        ({"background": -0.1}, "background"),
        ({"contrast": math.inf}, "contrast"),
        ({"duration": 0.0}, "duration"),
        ({"capacity": 0}, "capacity"),
        ({"capacity": 1.5}, "capacity"),
        ({"size": (128,)}, "size"),
        ({"size": 128}, "size"),
        ({"size": (64, 128)}, "size"),
        ({"size": (128.5, 100)}, "width"),
        ({"size": (8192, 8192)}, "size"),
        ({"size": (2049, 32)}, "size"),
        ({"camera": "quiet"}, "camera"),
        ({"scene": "painted"}, "scene"),
        ({"scene": "rendered", "size": (64, 128)}, "size"),
        ({"frame_rate": 5.0}, "frame_rate"),
    ],
)
def test_wrong_options_are_named(options, name):
    with pytest.raises(DescriptionError, match=f"^{name} = "):
        gymnasium.make(WORLD, **options)


def test_registration_loads_nothing_and_making_prints_nothing():
    code = (
        "import sys, sim_worlds, gymnasium\n"
        "assert 'pybullet' not in sys.modules and 'numba' not in sys.modules\n"
        "gymnasium.make('PanTiltTracking-v0').reset(seed=1)\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def run(world: gymnasium.Env, controller, seed: int = 11) -> dict[str, float]:
    """The score of an episode, with ``degrees``; no controller: the head rests."""
    observation, info = world.reset(seed=seed)
    if controller:
        controller.reset()
    done = False
    while not done:
        action = controller.predict(observation, info)[0] if controller else np.zeros(2, np.float32)
        assert world.action_space.contains(action)
        observation, _, _, done, info = world.step(action)
    return info["score"] | {"degrees": math.degrees(info["score"]["rms_error"])}


@pytest.mark.parametrize("motion", ["sinusoid", "random"])
def test_baselines_beat_resting_and_come_in_their_order(make, motion):
    world = make(duration=1.3, frequency=0.5, motion=motion)
    baselines = {name: load(name) for name in BASELINES}
    scores = {name: run(world, one)["degrees"] for name, one in baselines.items()}
    resting = run(world, None)["degrees"]
    assert scores["GatedTracker"] < 0.6
    assert scores["TrueAngleP"] < 1.0
    assert scores["TrueMotion"] < 0.15
    assert scores["CentroidP"] < 0.5 * resting
    assert run(world, baselines["GatedTracker"])["degrees"] == scores["GatedTracker"]  # reset forgets everything


def test_angle_between_directions():
    rng = np.random.default_rng(1)
    a, b = rng.uniform(-1.2, 1.2, (2, 200, 2))

    def unit(d):  # pan about z, tilt up
        return np.stack([np.cos(d[:, 1]) * np.cos(d[:, 0]), np.cos(d[:, 1]) * np.sin(d[:, 0]), np.sin(d[:, 1])], axis=1)

    expected = np.arctan2(np.linalg.norm(np.cross(unit(a), unit(b)), axis=1), (unit(a) * unit(b)).sum(1))
    found = [angle_between(*one, *other) for one, other in zip(a.tolist(), b.tolist())]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_world_brings_the_baselines_that_are_made_for_it(make):
    world = make()
    found = world.unwrapped.baselines()
    assert list(found) == list(BASELINES)
    assert set(world.metadata["compared_with"]) <= set(found)
    assert all(one.label for one in found.values())
    for other in ({"size": (64, 48)}, {"scene": "rendered"}):
        assert list(make(**other).unwrapped.baselines()) == ["TrueAngleP", "TrueMotion"]


@pytest.mark.parametrize(
    ("name", "options", "bar"),
    [
        ("pan_tilt", {}, 1.0),
        ("pan_tilt", {"size": (240, 180)}, 1.0),
        ("pan_tilt", {"camera": replace(PRESETS["noisy"], cutoff=200.0)}, 2.5),
        ("event_tracker", {"size": (240, 180)}, 0.8),
    ],
)
def test_a_shipped_controller_tracks_with_other_cameras(make, name, options, bar):
    world = make(duration=2.0, frequency=0.3, **options)
    controller = shipped_for(options.get("size", (128, 128)), name)
    score = run(world, controller, seed=6)
    assert score["degrees"] < bar
    assert score["lost"] == 0.0


@pytest.mark.parametrize("options", [{"contrast": -1.2}, {"frequency": 1.2}, {"camera": "noisy"}])
def test_the_trained_controller_tracks_a_dark_disc_a_fast_one_and_a_noisy_one(make, options):
    assert run(make(duration=2.0, **options), Controller.load("event_tracker"), seed=6)["degrees"] < 1.5


def test_240_by_180_pixels_with_everything_on_are_seen_in_less_than_the_time_they_last(make):
    world = make(duration=1.5, size=(240, 180), camera="noisy").unwrapped
    controller = shipped_for((240, 180))
    observation, _ = world.reset(seed=1)
    spent = []
    for _ in range(1000):
        start = time.thread_time()  # of this core, whatever else the machine does
        observation, *_ = world.step(controller.predict(observation)[0])
        spent.append(time.thread_time() - start)
    assert sum(spent) / len(spent) < 1e-3


def test_what_is_rendered_is_seen_one_frame_late(make):
    """The disc crosses the view of a resting head: its events are where it was 20 ms ago, at 50 frames a second."""
    world = make(scene="rendered", frame_rate=50.0, camera="clean", background=0.0, duration=0.6).unwrapped
    world.reset(seed=3)
    away = {0: [], 20: []}
    pan, tilt = world.robot.position
    for k in range(500):
        observation, *_ = world.step(np.zeros(2, np.float32))
        n = int(observation["camera_count"][0])
        if k < 60 or n == 0:
            continue
        middle = observation["camera"][:n, 1:3].mean(axis=0)
        for late, distances in away.items():
            x, y, _ = pixel_of(Pinhole(), pan, tilt, *world.task.path[k + 1 - late])
            distances.append(math.hypot(middle[0] - x, middle[1] - y))
    assert len(away[20]) > 100
    assert np.median(away[20]) < np.median(away[0])
