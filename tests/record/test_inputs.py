"""Recorded inputs are a stimulus that makes the controller do the same again."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.controller import Controller
from snn_control.controller_file import load_spec, parse_spec
from snn_control.errors import DescriptionError
from snn_control.record import inputs
from snn_control.record.inputs import InputRecorder
from snn_control.resources import shipped

SPEC = {
    "version": 1,
    "period": 1 / 60,
    "dt": 1 / 60,
    "inputs": {
        "camera": {"kind": "events", "size": [8, 4], "encoder": {"type": "pool", "grid": [8, 4]}},
        "x": {"kind": "value", "size": 2},
        "never": {"kind": "value", "size": 1, "required": False},
    },
    "outputs": {
        "y": {
            "decoder": [
                {"type": "membrane", "from": "camera", "weights": [[float(k)] for k in range(32)]},
                {"type": "membrane", "from": "x", "weights": [[1.0], [0.5]]},
            ]
        }
    },
}


def some_events(rng, n):
    """Rows of t, x, y, p whose times count from the tick's own start."""
    return np.stack(
        [np.sort(rng.uniform(0, 0.01, n)), rng.integers(0, 8, n), rng.integers(0, 4, n), rng.integers(0, 2, n)], 1
    )


def test_a_recording_shown_again_gives_the_same_commands(tmp_path):
    rng, spec = np.random.default_rng(4), parse_spec(SPEC)
    controller = Controller.from_spec(spec)
    recorder = InputRecorder(controller.program.facts)
    commands = []
    for k in range(200):
        seen = {"camera": some_events(rng, rng.integers(0, 20)), "x": rng.normal(size=2)}
        if k % 5 == 4:  # as columns, with times that count from 1970
            rows = seen["camera"]
            seen["camera"] = (np.int64(1.7e18) + (rows[:, 0] * 1e9).astype(np.int64), *rows[:, 1:].T)
        if k % 5 == 2:  # whose times are too coarse for ns later on
            seen["camera"] = seen["camera"].astype(np.float32)
        if k % 7 == 3:
            seen["x"] = None  # the newest holds
        recorder.add(seen)
        commands.append(controller.step(seen)["y"])
    recorder.save(tmp_path / "deep" / "seen.npz")
    stimulus = load_stimulus(tmp_path / "deep" / "seen.npz", spec)
    assert stimulus.ticks == 200
    assert set(stimulus.values) == {"x"}
    controller.reset()
    again = [controller.step(seen)["y"] for seen in stimulus.observations()]
    assert np.array_equal(commands, again)
    assert len(np.unique(again)) > 150


def test_a_step_of_several_ticks_is_written_a_row_a_tick(tmp_path):
    recorder = InputRecorder(Controller.from_spec(parse_spec(SPEC)).program.facts, repeat=3)
    for k in range(2):
        recorder.add({"camera": np.array([[5.0, 1, 2, 1]]), "x": [k, 0]})
    recorder.save(tmp_path / "seen.npz")
    stimulus = load_stimulus(tmp_path / "seen.npz", parse_spec(SPEC))
    assert stimulus.values["x"][:, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert np.diff(stimulus.cuts("camera")).tolist() == [1, 0, 0, 1, 0, 0]


def test_memory_is_bounded_and_the_text_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "MOST_BYTES", 32 * 10)
    recorder = InputRecorder(Controller.load(shipped("cartpole")).program.facts)
    for k in range(50):
        recorder.add({"observation": np.full(4, k)})
    assert recorder.steps == 10
    assert recorder.text == "10 steps, 0.2 s, then 320 B were full"
    recorder.save(tmp_path / "seen.npz")
    rows = load_stimulus(tmp_path / "seen.npz", load_spec(shipped("cartpole"))).values["observation"]
    assert rows[:, 0].tolist() == list(range(10))


def test_where_it_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    recorder = InputRecorder(Controller.load(shipped("cartpole")).program.facts)
    recorder.add({"observation": np.zeros(4)})
    with pytest.raises(DescriptionError, match=r"--record = .*: cannot be written"):
        recorder.save(tmp_path / "file" / "seen.npz")
