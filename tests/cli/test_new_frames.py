"""``snn_control new --frames``: what it writes is checked, sees frames, and replays recordings of events."""

from __future__ import annotations

import json

import numpy as np
import pytest

from snn_control import Controller
from snn_control.controller_file import load_spec
from tests.cli.common import call
from tests.events.moving import bar, save


def made(capsys, folder, *options):
    path = folder / "eye.yaml"
    code, out, err = call(capsys, "new", path, "--frames", *options)
    assert code == 0, err
    assert f"controller_node --ros-args -p controller_file:={path}" in out
    return path


def test_it_is_checked_and_turns_to_where_a_picture_moves(tmp_path, capsys):
    path = made(capsys, tmp_path, "128x96", "--topic", "/camera/image_raw")
    spec = load_spec(path)
    assert spec.inputs[0].source == "frames"
    assert (spec.inputs[0].size, spec.ros_inputs["camera"].topic) == ((128, 96), "/camera/image_raw")
    code, out, err = call(capsys, "check", path, "--json")
    assert code == 0, err
    assert json.loads(out)["warnings"] == []
    commands = []
    for side in (slice(0, 60), slice(68, 128)):  # left, right
        controller = Controller.from_spec(spec)
        for k in range(200):
            picture = np.full((96, 128), 60, np.uint8)
            picture[:, side] = 60 + 140 * ((np.arange(60) + k) // 8 % 2)
            command = controller.step({"camera": picture})["yaw"]
        commands.append(float(command[0]))
    assert commands[0] > 0.01
    assert commands[1] < -0.01


def test_a_recording_of_events_can_be_replayed_with_it(tmp_path, capsys):
    path, recording = made(capsys, tmp_path, "640x480"), save(tmp_path / "bar.npz", bar(300.0, 0))
    options = ("--controller", path, "--out", tmp_path / "run", "--json", "--no-report")
    code, out, err = call(capsys, "events", "replay", recording, *options)
    assert code == 0, err
    assert json.loads(out)["events"]["camera"]["events"] > 100


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--topic", "/camera"), "--topic = '/camera': requires --frames"),
        (("--frames", "640x5000"), "each side of a frame must be at most 4096 pixels"),
        (("--frames", "640x480", "--events", "640x480"), "not allowed with"),
    ],
)
def test_mistakes_are_named(tmp_path, capsys, options, rule):
    code, _, err = call(capsys, "new", tmp_path / "a.yaml", *options)
    assert code == 2
    assert rule in err
