"""The record of a world: what is read back, and what is left out in a long run."""

from __future__ import annotations

import numpy as np

from snn_control.record import episode_recorder
from snn_control.record.episode_recorder import EpisodeRecorder
from snn_control.record.run_folder import read_record


def recorded(path, steps):
    recorder = EpisodeRecorder(["camera"])
    for k in range(1, steps + 1):
        rows = np.full((5, 4), k, np.float32)
        observation = {"camera": rows, "camera_count": np.array([k % 3]), "joint": np.array([k, -k])}
        recorder.add(k, np.array([0.5 * k]), 1.0, observation, {"error": 0.1 * k, "note": "text"})
        if k % 4 == 0:
            recorder.end_of_episode(k)
    recorder.save(path, {"steps": steps})
    return read_record(path)


def test_what_was_added_comes_back(tmp_path):
    arrays, facts = recorded(tmp_path / "world.npz", 6)
    np.testing.assert_array_equal(arrays["step"], np.arange(1, 7))
    np.testing.assert_array_equal(arrays["action"][:, 0], 0.5 * np.arange(1, 7))
    np.testing.assert_array_equal(arrays["observation.joint"][:, 1], -np.arange(1, 7))
    np.testing.assert_array_equal(arrays["events.camera.step"], [1, 2, 2, 4, 5, 5])
    np.testing.assert_array_equal(arrays["ends"], [4])
    assert facts == {"steps": 6, "dropped_steps": 0, "dropped_events": 0}


def test_a_long_run_keeps_its_first_steps_and_counts_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(episode_recorder, "MOST_STEPS", 5)
    arrays, facts = recorded(tmp_path / "world.npz", 12)
    assert {len(arrays[key]) for key in ("step", "action", "reward", "observation.joint", "info.error")} == {5}
    np.testing.assert_array_equal(arrays["events.camera.step"], [1, 2, 2, 4, 5, 5])
    np.testing.assert_array_equal(arrays["ends"], [4])
    assert (facts["steps"], facts["dropped_steps"]) == (12, 7)
