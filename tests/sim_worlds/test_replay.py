"""A recording as a world."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from snn_control.cli import main
from snn_control.errors import DescriptionError
from snn_control.events.slicing import Slicer
from tests.events.moving import bar, save

WORLD = "sim_worlds:EventReplay-v0"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return save(tmp_path_factory.mktemp("recording") / "bar.npz", bar(2000.0))


def make(path, **more):
    return gymnasium.make(WORLD, path=str(path), **more)


def test_gymnasium_has_nothing_to_say(recording):
    world = make(recording, actions=2, values={"joints": [0.5, 1.0]}, silent=["other"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*(symmetric and normalized|infinity).*")  # no limits on purpose
        check_env(world.unwrapped, skip_render_check=True)


@pytest.mark.parametrize("speed", [1.0, 0.25])
def test_every_tick_once_then_it_is_over(recording, speed):
    world = make(recording, capacity=300, speed=speed, values={"joints": [0.5]})
    slicer = Slicer(1_000_000, 300)
    ticks = list(slicer.ticks([bar(2000.0)]))
    assert slicer.dropped > 0
    for _ in range(2):  # an episode as the other
        observation, _ = world.reset()
        for k, tick in enumerate(ticks):
            n = int(observation["camera_count"][0])
            assert n == len(tick.t)
            rows = observation["camera"]
            np.testing.assert_array_equal(np.rint(rows[:n, 0] * speed * 1e9), tick.t)
            for column, expected in zip(rows[:n, 1:].T, (tick.x, tick.y, tick.p), strict=True):
                np.testing.assert_array_equal(column, expected)
            assert not rows[n:].any()
            assert observation["joints"].tolist() == [0.5]
            observation, reward, terminated, truncated, info = world.step(np.zeros(1))
            assert (reward, terminated, truncated) == (0.0, False, k == len(ticks) - 1)
            assert (info["events"], info["dropped_events"]) == (n, tick.dropped)
        assert {f"all_{key}": value for key, value in slicer.counters.items()}.items() <= info.items()
        with pytest.raises(gymnasium.error.ResetNeeded):
            world.step(np.zeros(1))


def test_an_index_of_an_action_can_be_the_action(recording):
    world = make(recording, discrete=3)
    world.reset()
    world.step(2)
    assert world.action_space.n == 3


def test_the_command_run_plays_it(recording, capsys):
    arguments = ["--env", WORLD, "--arg", f"path={recording}", "--arg", "actions=2", "--episodes", "1", "--json"]
    assert main(["run", *arguments, "motion"]) == 0
    assert '"faults": 0' in capsys.readouterr().out


@pytest.mark.parametrize("wrong", [{"path": "none.raw"}, {"speed": 0.0}, {"capacity": 0}, {"longest_gap": -1.0}])
def test_settings_that_make_no_sense_are_refused(recording, wrong):
    with pytest.raises(DescriptionError):
        gymnasium.make(WORLD, **{"path": str(recording), **wrong})
