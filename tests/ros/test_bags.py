"""A bag of ordinary messages as a controller's stimulus: what each tick sees, and the errors."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
import yaml
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, LaserScan

from snn_control import Controller
from snn_control.cli import main
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.ros.bags import bag_inputs, has_numbers
from tests.events.other_files import EVENT_ARRAY, HEADER, RULE, bag1, ros1_event_array
from tests.events.recordings import PACKET, WRITERS, packets, some_events

MS = 1_000_000
BEGIN = 1_700_000_000 * 1000 * MS
FILE = {
    "version": 1,
    "period": 0.005,
    "inputs": {
        "ranges": {"kind": "value", "size": 4, "range": [0, 10]},
        "turn": {"kind": "value", "size": 1, "range": [-2, 2], "stale": 0.02},
    },
    "network": {
        "populations": {"a": {"size": 3, "neuron": {"type": "li", "tau_mem": 0.01}}},
        "projections": [{"pre": "ranges", "post": "a"}, {"pre": "turn", "post": "a"}],
    },
    "outputs": {"y": {"decoder": {"type": "membrane", "from": "a", "weights": 0.1}, "limits": [-1, 1]}},
    "ros": {
        "inputs": {
            "ranges": {"topic": "scan", "type": "sensor_msgs/msg/LaserScan", "field": "ranges[2:6]"},
            "turn": {"topic": "/imu", "type": "sensor_msgs/msg/Imu", "field": "angular_velocity.z"},
        },
        "outputs": {"y": {"topic": "y", "type": "std_msgs/msg/Float64", "field": "data"}},
    },
}


def scan(k, beams=8):
    return serialize_message(LaserScan(ranges=[float(k + i) for i in range(beams)]))


def imu(z):
    message = Imu()
    message.angular_velocity.z = z
    return serialize_message(message)


SCANS = [(BEGIN + 10 * k * MS, scan(k)) for k in range(10)]
TURNS = [(BEGIN + (7 + 4 * k) * MS, imu(0.1 * k)) for k in range(8)]


def written(folder, suffix, scans=SCANS, turns=TURNS, more=None, **edits):
    path = folder / f"bag_0{suffix}"
    topics = {"/scan": ("sensor_msgs/msg/LaserScan", scans), "/imu": ("sensor_msgs/msg/Imu", turns)}
    WRITERS[suffix](path, topics | (more or {}))
    (folder / "c.yaml").write_text(yaml.safe_dump(FILE | edits))
    return path, load_spec(folder / "c.yaml")


@pytest.mark.parametrize("suffix", WRITERS)
def test_each_tick_sees_the_newest_message_as_the_loop_would(tmp_path, suffix):
    broken = [(BEGIN + 41 * MS, scan(99)[:30]), (BEGIN + 42 * MS, scan(99, beams=3)), *SCANS]
    path, spec = written(tmp_path, suffix, broken)
    assert has_numbers(path, spec)
    stimulus = bag_inputs(path, spec)
    assert (stimulus.ticks, stimulus.period) == (19, 0.005)  # 90 ms and the first one
    assert stimulus.text == f"bag bag_0{suffix}, 2 messages left out that no input could take"
    now = 5 * np.arange(19)
    assert np.array_equal(stimulus.values["ranges"], (now // 10)[:, None] + np.arange(2.0, 6.0))
    newest = (now - 7) // 4
    turn = np.where((newest < 0) | (now > 7 + 4 * 7 + 20), np.nan, 0.1 * np.minimum(newest, 7))
    np.testing.assert_allclose(stimulus.values["turn"][:, 0], turn, rtol=1e-15)
    assert bag_inputs(tmp_path, spec).values["ranges"].shape == (19, 4)  # the folder
    assert bag_inputs(path, spec, 0.02).ticks == 4
    controller = Controller.from_spec(spec)
    for observation in stimulus.log.observations():
        controller.step(observation)


IMU1 = f"""Header header
geometry_msgs/Quaternion orientation
float64[9] orientation_covariance
geometry_msgs/Vector3 angular_velocity
float64[9] angular_velocity_covariance
geometry_msgs/Vector3 linear_acceleration
float64[9] linear_acceleration_covariance
{HEADER}{RULE}
MSG: geometry_msgs/Quaternion
float64 x\nfloat64 y\nfloat64 z\nfloat64 w
{RULE}
MSG: geometry_msgs/Vector3
float64 x\nfloat64 y\nfloat64 z
"""
SCAN1 = (
    "Header header\nfloat32 angle_min\nfloat32 angle_max\nfloat32 angle_increment\nfloat32 time_increment\n"
    f"float32 scan_time\nfloat32 range_min\nfloat32 range_max\nfloat32[] ranges\nfloat32[] intensities\n{HEADER}"
)


def test_a_bag_of_ros_1_gives_the_same_as_one_of_ros_2(tmp_path):
    """Numbers and events side by side."""
    head = struct.pack("<IIII", 7, 1, 2, 3) + b"cam"
    turns = [(t, head + struct.pack("<37d", *[0.0] * 15, 0.1 * k, *[0.0] * 21)) for k, (t, _) in enumerate(TURNS)]
    scans = [(t, head + struct.pack("<7fI8fI", *[0.0] * 7, 8, *range(k, k + 8), 0)) for k, (t, _) in enumerate(SCANS)]
    events = [(BEGIN + 12 * MS, ros1_event_array(some_events(50)))]
    path = tmp_path / "a.bag"
    topics = {"/scan": ("sensor_msgs/LaserScan", SCAN1, scans), "/imu": ("sensor_msgs/Imu", IMU1, turns)}
    path.write_bytes(bag1(topics | {"/dvs/events": ("dvs_msgs/EventArray", EVENT_ARRAY, events)}))
    other, spec = written(tmp_path, ".db3")
    assert has_numbers(path, spec)
    ours, theirs = bag_inputs(path, spec), bag_inputs(other, spec)
    for name in ("ranges", "turn"):
        np.testing.assert_array_equal(ours.values[name], theirs.values[name])


def test_a_scan_that_is_reduced_is_reduced_here_too(tmp_path):
    ranges = {**FILE["ros"]["inputs"]["ranges"], "field": "ranges[:]", "reduce": "min"}
    edits = {"ros": {"inputs": {**FILE["ros"]["inputs"], "ranges": ranges}}}
    few = (BEGIN + 41 * MS, scan(99, beams=3))
    path, spec = written(tmp_path, ".mcap", [*SCANS, few], **edits)
    stimulus = bag_inputs(path, spec)
    assert stimulus.text.endswith("1 message left out that no input could take")
    assert np.array_equal(stimulus.values["ranges"], (5 * np.arange(19) // 10)[:, None] + np.array([0.0, 2, 4, 6]))


def test_a_bag_drives_check_from_the_command_line(tmp_path, capsys):
    path, _ = written(tmp_path, ".mcap")
    assert main(["check", str(tmp_path / "c.yaml"), "--input", str(path), "--json"]) == 0
    assert "bag bag_0.mcap" in json.dumps(json.loads(capsys.readouterr().out))
    assert main(["check", str(tmp_path / "c.yaml"), "--input", str(path), "--seconds", "9"]) == 2
    assert "--seconds = 9.0: must be at most the 0.095 s" in capsys.readouterr().err


def test_events_of_a_bag_come_when_their_packet_was_received(tmp_path):
    camera = {"kind": "events", "size": [640, 480], "encoder": {"type": "pool", "grid": [8, 6]}}
    edits = {"inputs": {**FILE["inputs"], "camera": camera}}
    edits["ros"] = {"inputs": {**FILE["ros"]["inputs"], "camera": {"topic": "events", "type": PACKET}}}
    rows = [(BEGIN + (12 + k) * MS, message) for k, (_, message) in enumerate(packets(some_events(300)))]
    path, spec = written(tmp_path, ".db3", more={"/events": (PACKET, rows)}, **edits)
    stimulus = bag_inputs(path, spec)
    t, x, y, p = stimulus.events["camera"]
    assert t.tolist() == np.repeat(np.array([12, 13, 14]) * MS, 100).tolist()
    assert (x.tolist(), y.tolist(), p.tolist()) == tuple(getattr(some_events(300), name).tolist() for name in "xyp")


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("topic", "scam", r"ros\.inputs\.ranges\.topic = 'scam': is not in .*bag_0\.mcap; did you mean '/scan'"),
        ("type", "sensor_msgs/msg/Range", r"ranges\.type = .*: must be that of the bag's topic /scan, sensor"),
        ("field", "rangs[2:6]", r"ros\.inputs\.ranges\.field = 'rangs': sensor_msgs/msg/LaserScan has no field"),
        ("field", "ranges[2:7]", r"ros\.inputs\.ranges\.field = .*: names 5 numbers, the input takes 4"),
        ("field", "ranges[7:11]", r"--input = .*: has no message that an input could take"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(tmp_path, key, value, rule):
    ranges = {**FILE["ros"]["inputs"]["ranges"], key: value}
    path, spec = written(tmp_path, ".mcap", turns=[], ros={"inputs": {**FILE["ros"]["inputs"], "ranges": ranges}})
    with pytest.raises(DescriptionError, match=rule):
        bag_inputs(path, spec)


def test_a_machine_without_ros_says_what_is_missing(tmp_path, monkeypatch):
    path, spec = written(tmp_path, ".mcap")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DescriptionError, match="rclpy, which is not installed; "):
        bag_inputs(path, spec)
