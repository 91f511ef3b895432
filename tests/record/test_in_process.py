"""The input log of a controller that is stepped in Python is a stimulus that reproduces its behaviour."""

from __future__ import annotations

import numpy as np

from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.controller import Controller, build_program
from snn_control.controller_file import parse_spec
from snn_control.record.input_recorder import InputLogRecorder
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
    recorder = InputLogRecorder(controller.bound)
    controller.observers.append(recorder)
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
        commands.append(controller.step(seen)["y"])
    recorder.save(tmp_path / "deep" / "seen.npz")
    stimulus = load_stimulus(tmp_path / "deep" / "seen.npz", spec)
    assert stimulus.ticks == 200
    assert set(stimulus.values) == {"x"}
    controller.observers.clear()
    controller.reset()
    again = [controller.step(seen)["y"] for seen in stimulus.log.observations()]
    assert np.array_equal(commands, again)
    assert len(np.unique(again)) > 150


def test_every_tick_of_a_step_is_recorded(tmp_path):
    spec = parse_spec(SPEC)
    controller = Controller(build_program(spec), repeat=3)
    recorder = InputLogRecorder(controller.bound)
    controller.observers.append(recorder)
    for k in range(2):
        controller.step({"camera": np.array([[5.0, 1, 2, 1]]), "x": [k, 0]})
    recorder.save(tmp_path / "seen.npz")
    log = load_stimulus(tmp_path / "seen.npz", spec).log
    assert log.inputs["x"]["values"][:, 0].tolist() == [0, 0, 0, 1, 1, 1]
    assert log.inputs["x"]["fresh"].tolist() == [1, 0, 0, 1, 0, 0]
    assert np.diff(log.inputs["camera"]["offsets"]).tolist() == [1, 0, 0, 1, 0, 0]


def test_it_says_when_no_more_ticks_have_room():
    controller = Controller.load(shipped("cartpole"))
    recorder = InputLogRecorder(controller.bound, ticks=10)
    controller.observers.append(recorder)
    for k in range(50):
        if not recorder.has_room(1):
            controller.observers.clear()
        controller.step({"observation": np.full(4, k)})
    assert recorder.total == 10
    assert recorder.log().inputs["observation"]["values"][:, 0].tolist() == list(range(10))
    camera = InputLogRecorder(Controller.load("pan_tilt").bound, events=3 * 4096)
    assert camera.has_room(3)
    assert not camera.has_room(4)
