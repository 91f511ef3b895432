"""The view node: its conversion of messages, and what a viewer gets over DDS."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sensor_msgs.msg import Image, PointCloud2

from snn_control.errors import DescriptionError
from snn_control.events import Events
from snn_control.events.files.messages import EVENT_TYPES
from snn_control.events.frames import OFF, ON
from snn_control.events.packets import packet_cdr
from snn_control.ros.messages.clouds import SPIKE, cloud_cdr, events_cdr
from snn_control.ros.nodes.view_node import EventReader, event_points, read_spikes, spike_points
from snn_control.ros.ports.spikes import raster_positions
from snn_control.ros.ports.topics import message_class
from tests.ros.node_processes import CHECKOUT, Mistakes, wait

CLOUD, PACKET = "sensor_msgs/msg/PointCloud2", "event_camera_msgs/msg/EventPacket"
T, X, Y, P = np.array([5_000, 6_000, 7_000]), np.array([1, 2, 60]), np.array([3, 4, 40]), np.array([1, 0, 1])


def evt3(t, x, y, p):
    words = []
    for event in zip(t, x, y, p):
        words += [0x8000 | event[0] >> 12, 0x6000 | event[0] & 0xFFF, event[2], 0x2000 | event[3] << 11 | event[1]]
    return np.array(words, "<u2").tobytes()


def test_packets_are_read_with_their_size_and_state_over_messages():
    reader = EventReader(PACKET)
    assert reader.size is None
    data = evt3(T, X, Y, P)
    seen = [reader.read(packet_cdr(part, "evt3", 64, 48, k, 10**9)) for k, part in enumerate((data[:18], data[18:]))]
    assert reader.size == (64, 48)
    events = Events.concatenate(seen)
    for column, expected in zip((events.t, events.x, events.y, events.p), (T, X, Y, P)):
        assert (column == expected).all()
    assert events.unit == "us"
    assert len(reader.read(packet_cdr(data, "evt3", 64, 48, 7, 10**9))) == 3
    assert reader.counters["gaps"] == 5


def test_what_is_no_message_is_counted():
    for kind in EVENT_TYPES:
        reader = EventReader(kind)
        for junk in (b"", b"\0\1\0\0", b"\0\1\0\0" + bytes(range(200)), b"\xff" * 64):
            assert len(reader.read(junk)) == 0
        assert reader.counters["malformed"] >= 3, kind
    assert len(read_spikes(b"")) == len(read_spikes(b"\0\1\0\0" + b"\xff" * 60)) == 0


def test_a_cloud_does_not_say_how_large_the_sensor_is():
    reader = EventReader(CLOUD)
    events = reader.read(events_cdr(T * 1000, X, Y, P, 5_000_000, "camera"))
    assert events.ns.tolist() == [5_000_000, 6_000_000, 7_000_000]
    assert reader.size == (128, 128)
    reader.read(events_cdr(T * 1000, X + 300, Y, P, 5_000_000, "camera"))
    assert reader.size == (640, 480)
    assert EventReader(CLOUD, 70, 50).size == (70, 50)


def colours(points):
    codes = points["rgb"].view("<u4")
    return [(int(c) >> 16, int(c) >> 8 & 255, int(c) & 255) for c in codes]


def test_points_of_events_stand_upright_with_their_age_as_depth():
    events = Events(T, X.astype(np.uint16), Y.astype(np.uint16), P.astype(np.uint8))
    points = event_points(events, (64, 48), 0.002, 100)
    assert points["x"] == pytest.approx([0.5, 0.25, 0.0])
    assert points["y"] == pytest.approx(0.5 - (X + 0.5) / 64)
    assert points["z"] == pytest.approx((24 - (Y + 0.5)) / 64)
    assert colours(points) == [ON, OFF, ON]
    assert len(event_points(events, (64, 48), 0.002, 2)) == 2
    assert len(event_points(events[:0], (64, 48), 0.002, 2)) == 0


def spikes_cdr(t, neuron, places, name):
    """A message of spikes, as `snn_control.ros.ports.spikes` makes it."""
    spikes = np.empty(len(t), SPIKE)
    spikes["x"], spikes["y"], spikes["z"] = places[neuron].reshape(-1, 3).T
    spikes["neuron"], spikes["t"] = neuron, t
    return cloud_cdr(spikes, 0, name)


@pytest.mark.parametrize("name", ["a", "image", "joint_velocity"])
def test_spikes_of_ours_are_read_back(name):
    places = raster_positions(100)
    spikes = read_spikes(spikes_cdr([10, 20], [3, 99], places, name))
    assert spikes["neuron"].tolist() == [3, 99]
    assert spikes["t"].tolist() == [10, 20]
    points = spike_points(spikes, 1)
    assert points["y"] == pytest.approx(-0.6 - 0.4 * places[[3, 99], 0])
    assert len(set(colours(points))) == 1
    assert len(read_spikes(spikes_cdr([], np.empty(0, int), places, name))) == 0
    padded = spikes_cdr([10], [3], places, name) + b"\0\0\0"
    assert read_spikes(padded)["neuron"].tolist() == [3]


MISTAKES = {
    "style": ({"style": "film"}, ["style = 'film'", "is not known", "polarity"]),
    "type": ({"type": "sensor_msgs/msg/Image"}, ["type = 'sensor_msgs/msg/Image'", "is not known"]),
    "topic": ({"topic": "a b"}, ["view.topic = 'a b'", "is not a topic name"]),
    "rate": ({"rate": 0.0}, ["rate", "must be a number in [0.1, 240]"]),
}


def test_a_package_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "event_camera_msgs.msg", None)  # other tests make it known to all processes
    with pytest.raises(DescriptionError, match=rf"view\.type = '{PACKET}': is not an installed message type"):
        message_class("view", PACKET)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    cases = {name: (parameters, None) for name, (parameters, _) in MISTAKES.items()}
    return Mistakes(tmp_path_factory.mktemp("mistakes"), "view_node", cases)


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line(outcomes, case):
    code, lines = outcomes[case]
    assert code == 2
    assert sum(line.startswith("snn_control: ") for line in lines) == 1, lines
    for needle in MISTAKES[case][1]:
        assert needle in lines[-1]


def test_a_viewer_gets_images_and_clouds(start, robot):
    images, clouds, spikes = [], [], []
    robot.listen(Image, "/view/image", images.append)
    robot.listen(PointCloud2, "/view/cloud", clouds.append)
    robot.listen(PointCloud2, "/view/spikes", spikes.append)
    events = robot.publisher(PointCloud2, "events", 10)
    fired = robot.publisher(PointCloud2, "spikes/image", 10)
    node = start("view_node", topic="events", rate=20.0, width=64, height=48, spikes="spikes/image", frame="eye")

    def publish():
        events.publish(events_cdr(T * 1000, X, Y, P, 5_000_000, "camera"))
        fired.publish(spikes_cdr([0, 0], [3, 99], raster_positions(100), "image"))
        return images and clouds and spikes and np.asarray(images[-1].data).any()

    wait(publish, what="images and clouds")
    image, cloud = images[-1], clouds[-1]
    assert (image.width, image.height, image.encoding, image.step) == (64, 48, "rgb8", 192)
    assert image.header.frame_id == cloud.header.frame_id == spikes[-1].header.frame_id == "eye"
    picture = np.asarray(image.data, np.uint8).reshape(48, 64, 3).astype(int)
    assert picture[3, 1, 0] > picture[3, 1, 2] + 50, "ON: orange"
    assert picture[4, 2, 2] > picture[4, 2, 0] + 50, "OFF: blue"
    fields = [(f.name, f.offset, f.datatype) for f in cloud.fields]
    assert fields == [("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("rgb", 12, 7)]
    assert cloud.width % 3 == 0
    assert len(cloud.data) == 16 * cloud.width
    assert spikes[-1].width % 2 == 0
    assert node.end() == 0


def test_the_image_of_a_large_sensor_is_pooled(start, robot):
    images = []
    robot.listen(Image, "/view/image", images.append)
    publisher = robot.publisher(PointCloud2, "events", 10)
    node = start("view_node", rate=20.0, width=1280, height=720)

    def publish():
        publisher.publish(events_cdr(T * 1000, X + 1000, Y, P, 5_000_000, "camera"))
        return images and np.asarray(images[-1].data).max() > 200

    wait(publish, what="an image of a large sensor")
    assert (images[-1].width, images[-1].height) == (640, 360)
    picture = np.asarray(images[-1].data, np.uint8).reshape(360, 640, 3).astype(int)
    assert picture[1, 500, 0] > picture[1, 500, 2] + 50
    assert picture[20, 530, 0] > picture[20, 530, 2] + 50
    assert node.end() == 0


def test_packets_over_dds_become_an_image_of_their_own_size(interfaces, start, robot):
    from event_camera_msgs.msg import EventPacket

    images = []
    robot.listen(Image, "/view/image", images.append)
    publisher = robot.publisher(EventPacket, "events", 10)
    node = start("view_node", type=PACKET, rate=20.0)
    seq = iter(range(10**6))

    def publish():
        publisher.publish(packet_cdr(evt3(T, X, Y, P), "evt3", 80, 60, next(seq), 10**9))
        return images and np.asarray(images[-1].data).max() > 200

    wait(publish, what="an image of a packet")
    assert (images[-1].width, images[-1].height) == (80, 60)
    picture = np.asarray(images[-1].data, np.uint8).reshape(60, 80, 3).astype(int)
    assert picture[3, 1, 0] > picture[3, 1, 2] + 50
    assert picture[4, 2, 2] > picture[4, 2, 0] + 50
    assert node.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_during_the_imports_ends_a_node_without_a_word(number):
    def waits():
        status = Path(f"/proc/{process.pid}/status").read_text()
        mask = int(status.partition("SigBlk:")[2].split()[0], 16)
        blocked = [mask >> (one - 1) & 1 for one in (signal.SIGQUIT, signal.SIGUSR2)]
        return blocked == [1, 0]  # a process that starts another one blocks all for a moment

    process = subprocess.Popen(
        [sys.executable, "-m", "snn_control.ros.nodes.view_node"], cwd=CHECKOUT, stderr=subprocess.PIPE, text=True
    )
    wait(waits, what="the beginning of the node's imports")
    process.send_signal(number)
    said = process.communicate()[1]
    assert (process.returncode, said) == (0, "")
