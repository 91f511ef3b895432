"""A watched training: its curve, and episodes of the controller that it wrote last."""

import time
from copy import deepcopy

import gymnasium
import numpy as np
import pytest

from snn_control.controller_file import parse_spec
from snn_control.watch.training import MOST_ROWS, WatchedTraining
from tests.cli.common import call
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


def test_a_row_with_a_cell_too_many_does_not_end_the_page(watched, tmp_path):
    write_progress(tmp_path, 3)
    good = curve_of(watched)
    with open(tmp_path / "progress.csv", "a") as file:
        file.write("4,4000,8.0,4,0.5,9,9\n")
    time.sleep(0.2)
    assert [header["training"] for header, _ in watched.frames()][-1] == good


def test_a_folder_does_not_bring_its_own_code(tmp_path, monkeypatch, capsys):
    """run.json may come from somebody else: a module of the current folder is not imported because of it."""
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "brought.py").write_text("open('ran', 'w').close()\n")
    parse_spec(runs.FILE).save(folder / "newest.yaml", "newest")
    (folder / "run.json").write_text('{"env": "shared.brought:X-v0", "arguments": {}}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))  # as ``python -m`` does
    code, _, err = call(capsys, "watch", folder, "--no-browser")
    assert (code, "run.json = 'shared.brought': is a module that could not be imported" in err) == (2, True)
    assert not (tmp_path / "ran").exists()
    monkeypatch.setattr("snn_control.watch.training.WatchedTraining", lambda folder, environment, *_: environment())
    call(capsys, "watch", folder, "--no-browser", "--env", "shared.brought:X-v0")
    assert (tmp_path / "ran").exists()  # the user's own words
