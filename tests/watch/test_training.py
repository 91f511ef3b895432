"""A watched training: its curve, and episodes of the controller that it wrote last."""

import time
from copy import deepcopy

import gymnasium
import numpy as np
import pytest

from snn_control.controller_file import parse_spec
from snn_control.watch.training import MOST_ROWS, WatchedTraining
from tests.watch import runs


def write_progress(folder, rows):
    lines = [f"{k},{1000 * k},{2.0 * k},{k},{0.5}" for k in range(1, rows + 1)]
    (folder / "progress.csv").write_text("\n".join(["phase,steps,score,worst,spikes_a_step", *lines]) + "\n")


@pytest.fixture
def watched(tmp_path, monkeypatch):
    monkeypatch.setattr("snn_control.watch.training.LOOKS_S", 0.05)
    parse_spec(runs.FILE).save(tmp_path / "newest.yaml", "first")
    one = WatchedTraining(tmp_path, lambda: gymnasium.make(runs.WORLD, max_episode_steps=5), "training")
    one.act("speed", {"speed": 100})
    yield one
    one.close()


def wait(condition):
    end = time.monotonic() + 20
    while not (value := condition()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return value


def curve_of(watched):
    return wait(lambda: next((header["training"] for header, _ in watched.frames() if header.get("training")), None))


def test_the_curve_is_that_of_the_file_and_its_last_phase_is_always_there(watched, tmp_path):
    assert watched.scene()["kind"] == "training"
    assert watched.frames()[0][0]["training"] == {}  # before the first phase
    write_progress(tmp_path, 3)
    assert curve_of(watched) == {"steps": [1e3, 2e3, 3e3], "score": [2, 4, 6], "worst": [1, 2, 3], "spikes": [0.5] * 3}
    write_progress(tmp_path, 2 * MOST_ROWS + 1)
    steps = wait(lambda: len(found := curve_of(watched)["steps"]) > 3 and found)
    assert len(steps) <= MOST_ROWS
    assert steps[-1] == 1000 * (2 * MOST_ROWS + 1)
    assert len(set(np.diff(steps))) == 1


def test_the_next_episode_has_the_newest_controller(watched, tmp_path):
    before = watched.controller
    (tmp_path / "newest.yaml").write_text("version: 1\nperiod: 0.0")  # not yet whole
    seed = watched.frames()[0][0]["episode"]["seed"]
    wait(lambda: watched.frames()[0][0]["episode"]["seed"] > seed + 1)
    assert (watched.controller, watched.changes) == (before, 0)
    file = deepcopy(runs.FILE)
    file["network"]["populations"]["more"] = file["network"]["populations"]["hidden"]
    parse_spec(file).save(tmp_path / "newest.yaml", "second")
    watched.look({"hidden"})
    wait(lambda: watched.changes == 1)
    assert "more" in {p["name"] for p in watched.scene()["populations"]}
    header, arrays = wait(lambda: next((one for one in watched.frames() if one[0]["ticks"]), None))
    assert set(header["spikes"]) == {"hidden", "more"}
    assert "membrane.hidden" in arrays  # it is still looked at
