"""Pictures as numbers: cells of any resolution and encoding, against a plain reference, over DDS, from a world."""

from __future__ import annotations

import numpy as np
import pytest
import rclpy
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Image

from snn_control.controller_file import load_spec, parse_spec
from snn_control.errors import DescriptionError, InputError, RuntimeFault
from snn_control.ros.check import check_topics
from snn_control.ros.messages.images import ENCODINGS, cells
from snn_control.ros.nodes.world_topics import Pictures
from tests.ros.node_processes import wait
from tests.ros.robot import CONTROLLER, ERROR, changed, write

GRID = (4, 3)


def picture(pixels, encoding, pad=0):
    """A message of (rows, columns, channels) pixels; ``pad``: bytes at the end of each row."""
    height, width, channels = pixels.shape
    rows = np.concatenate([pixels.reshape(height, -1), np.full((height, pad), 99, np.uint8)], axis=1)
    message = Image(height=height, width=width, encoding=encoding, step=width * channels + pad)
    message.header.frame_id = "camera"
    message.data = rows.tobytes()
    return message


def reference(pixels, encoding, grid):
    channels, *colours = ENCODINGS[encoding]
    weights = np.array([0.299, 0.587, 0.114])
    grey = pixels[..., 0].astype(float) if channels == 1 else pixels[..., colours].astype(float) @ weights
    height, width = grey.shape
    columns, rows = grid
    return [
        grey[j * height // rows : (j + 1) * height // rows, i * width // columns : (i + 1) * width // columns].mean()
        for j in range(rows) for i in range(columns)
    ]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(ENCODINGS)), st.integers(3, 40), st.integers(4, 40), st.integers(0, 7), st.integers(0, 99)
)
def test_cells_are_means_of_brightness(encoding, height, width, pad, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, ENCODINGS[encoding][0]), np.uint8)
    found = cells(serialize_message(picture(pixels, encoding, pad)), GRID)
    np.testing.assert_allclose(found, reference(pixels, encoding, GRID), rtol=1e-12)


@pytest.mark.parametrize(
    ("message", "needle"),
    [
        (picture(np.zeros((8, 8, 1), np.uint8), "mono16"), "is 'mono16', not mono8"),
        (picture(np.zeros((8, 8, 1), np.uint8), "mono80000000"), "is 'mono80000000', not mono8"),
        (picture(np.zeros((8, 8, 1), np.uint8), "bayer_rggb8_and_more"), "is 'bayer_rggb8_and_', not mono8"),
        (picture(np.zeros((2, 8, 1), np.uint8), "mono8"), "fewer pixels"),
        (picture(np.zeros((8, 3, 3), np.uint8), "rgb8"), "fewer pixels"),
        (Image(height=8, width=8, encoding="mono8", step=8, data=bytes(63)), "too early"),
        (Image(height=8, width=9, encoding="mono8", step=8, data=bytes(64)), "too early"),
        (Image(height=1 << 31, width=8, encoding="mono8", step=1 << 31, data=bytes(64)), "too early"),
    ],
)
def test_what_is_no_such_picture_is_named(message, needle):
    with pytest.raises(InputError, match=needle):
        cells(serialize_message(message), GRID)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 120))
def test_damaged_bytes_are_refused_or_harmless(tail, keep):
    data = serialize_message(picture(np.zeros((8, 8, 3), np.uint8), "bgr8"))[:keep] + tail
    try:
        assert np.isfinite(cells(data, GRID)).all()
    except InputError:
        pass


#: the command is the brightness of the right half minus that of the left
SEES = changed(
    changed(
        changed(CONTROLLER, "inputs", {"eye": {"kind": "value", "size": 2, "range": [0, 255], "stale": 0.5}}),
        "network.projections", [{"pre": "eye", "post": "slow", "weights": [[-0.004], [0.004]]}],
    ),
    "ros.inputs", {"eye": {"topic": "image", "type": "sensor_msgs/msg/Image", "grid": [2, 1]}},
)  # fmt: skip


def test_a_node_sees_pictures_and_says_what_it_cannot_read(tmp_path, start, robot):
    start("controller_node", controller_file=str(write(tmp_path, SEES)))
    publisher, commands = robot.publisher(Image, "image"), robot.commands()
    robot.meets("eye", publisher)
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:, 80:] = 200
    wait(lambda: publisher.publish(picture(pixels, "bgr8")) or (commands and abs(commands[-1][1] - 0.8) < 0.01))
    pixels[:, :80], pixels[:, 80:] = 250, 0
    wait(lambda: publisher.publish(picture(pixels, "rgb8")) or abs(commands[-1][1] + 1.0) < 0.01)
    wide = picture(np.zeros((120, 160, 2), np.uint8), "mono16")
    wait(
        lambda: (
            publisher.publish(wide)
            or any("is 'mono16', not mono8" in s.message for a in robot.diagnostics for s in a.status)
        )
    )
    robot.status("/controller: input eye", level=ERROR, text="stale")


@pytest.mark.parametrize(
    ("path", "value", "needle"),
    [
        ("ros.inputs.eye.grid", [2, 2], "ros.inputs.eye.grid = .*has 4 cells, the input takes 2"),
        ("ros.inputs.eye.grid", [2, 0], r"ros\.inputs\.eye\.grid\[1\] = 0: must be a whole number >= 1"),
        ("ros.inputs.eye.field", "data[:]", "ros.inputs.eye.field = .*does not go with grid"),
        ("ros.inputs.eye.type", "sensor_msgs/msg/LaserScan", "must be sensor_msgs/msg/Image with grid"),
        ("ros.inputs.eye", {"topic": "i", "type": "sensor_msgs/msg/CompressedImage", "field": "data[:]"},
         "is compressed.*image_transport republish compressed raw"),
    ],
)  # fmt: skip
def test_mistakes_are_named(path, value, needle):
    with pytest.raises(DescriptionError, match=needle):
        check_topics(parse_spec(changed(SEES, path, value)))


def test_a_world_publishes_pictures(tmp_path, nodes):
    io, other = nodes
    spec = parse_spec(changed(SEES, "inputs.eye.size", 12) | {"ros": SEES["ros"] | {"inputs": {"eye": {
        "topic": "image", "type": "sensor_msgs/msg/Image", "grid": list(GRID)}}}})  # fmt: skip
    again = load_spec(spec.save(tmp_path / "a.yaml"))
    assert tuple(again.ros_inputs["eye"].grid) == GRID
    one = next(i for i in spec.inputs if i.name == "eye")
    end, heard = Pictures(other, io, one, spec.ros_inputs["eye"], lockstep=True), []
    other.create_subscription(Image, "image", heard.append, 10)
    values = np.linspace(0, 255, 12)

    def shown(seen):
        end.publish({"eye": seen}, 5_000_000_007)
        rclpy.spin_once(other, timeout_sec=0.05)
        return heard

    wait(lambda: shown(values.reshape(3, 4)))
    message = heard[-1]
    assert (message.width, message.height, message.encoding, message.step) == (4, 3, "mono8", 4)
    assert (message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id) == (5, 7, "eye")
    assert cells(serialize_message(message), GRID).tolist() == np.rint(values).tolist()
    wait(lambda: not shown(None)[-1].data)  # nothing is due
    assert cells(serialize_message(heard[-1]), GRID).size == 0
    with pytest.raises(RuntimeFault, match="has 3 numbers, the input takes 12"):
        end.publish({"eye": values[:3]}, 7)
