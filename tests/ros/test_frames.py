"""Frames over DDS and from bags: the events of the port, of Python and of a bag are the same; refusals by name."""

from __future__ import annotations

import ctypes
import io as files
import itertools
import re
import time

import numpy as np
import pytest
import rclpy
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CompressedImage, Image

from snn_control import Controller
from snn_control.controller_file import parse_spec
from snn_control.engine.slots import COUNT, DROPPED, FRESH, STAMP
from snn_control.errors import DescriptionError, RuntimeFault
from snn_control.realtime.port import LOCKSTEP, REALTIME
from snn_control.ros.bags import bag_inputs, has_numbers
from snn_control.ros.check import check_topics
from snn_control.ros.messages.frames import FrameReader
from snn_control.ros.nodes.world_topics import Frames
from snn_control.ros.ports.topics import input_ports
from tests.events.recordings import WRITERS
from tests.ros.node_processes import wait
from tests.ros.robot import ERROR, changed, write
from tests.ros.test_replay import replayed

MS = 1_000_000
SIZE = (32, 24)
BEGIN = 1_700_000_000 * 1000 * MS
FILE = {
    "version": 1,
    "period": 0.005,
    "inputs": {
        "eye": {
            "kind": "events",
            "source": "frames",
            "size": list(SIZE),
            "camera": {"preset": "noisy", "seed": 3},
            "encoder": {"type": "pool", "grid": [4, 4]},
        }
    },
    "network": {
        "populations": {"a": {"size": 16, "neuron": {"type": "li", "tau_mem": 0.05}}},
        "projections": [{"pre": "eye", "post": "a", "connection": "one_to_one", "weights": 0.3}],
    },
    "outputs": {"drive": {"decoder": {"type": "membrane", "from": "a", "weights": 0.01}, "limits": [-1, 1]}},
    "ros": {
        "inputs": {"eye": {"topic": "camera/image_raw", "type": "sensor_msgs/msg/Image"}},
        "outputs": {"drive": {"topic": "drive", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.x"}},
    },
}


def images(n, seed=0):
    wide = np.random.default_rng(seed).integers(90, 150, (SIZE[1], SIZE[0] + n), np.uint8)
    return [np.ascontiguousarray(wide[:, k : k + SIZE[0]]) for k in range(n)]


def stamped(message, ns):
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(ns, 10**9)
    return message


def frame(image, ns=0, encoding="mono8"):
    height, width = image.shape[:2]
    message = Image(height=height, width=width, encoding=encoding, step=image.strides[0], data=image.tobytes())
    return stamped(message, ns)


def expected(frames, spec, period=20 * MS):
    """Columns x, y, p of the events of each frame, by a controller in Python that sees them every ``period``."""
    controller, found = Controller.from_spec(parse_spec(changed(spec, "period", period * 1e-9))), []
    for image in frames:
        controller.step({"eye": image})
        found.append(columns(controller))
    return found


def columns(controller, keys="xyp"):
    n = controller.bound.array("eye.slot")[COUNT]
    return [controller.bound.array(f"eye.{key}")[:n].tolist() for key in keys]


READER = FrameReader(parse_spec(FILE).inputs[0], "sensor_msgs/msg/Image")


class Eye:
    """A port of frames with its publisher, matched."""

    def __init__(self, nodes, lockstep, values=FILE):
        io, other = nodes
        spec = parse_spec(values)
        self.controller = Controller.from_spec(spec)
        (self.port,) = input_ports(io, io, spec, self.controller.bound, lockstep)
        self.mode, self.slot = LOCKSTEP if lockstep else REALTIME, self.controller.bound.array("eye.slot")
        self.publisher = other.create_publisher(Image, "camera/image_raw", 10)
        wait(lambda: self.port.matched() == 1 and self.publisher.get_subscription_count() == 1)

    def take(self):
        return self.port(time.monotonic_ns(), self.mode)

    def shows(self, message):
        self.publisher.publish(message)
        wait(lambda: self.take() > 0)


@pytest.mark.parametrize("lockstep", [True, False])
def test_events_over_dds_are_those_of_images_in_python(nodes, lockstep):
    eye, frames = Eye(nodes, lockstep), images(6)
    for _ in range(2):
        with eye.port:
            for k, (image, own) in enumerate(zip(frames, expected(frames, FILE), strict=True)):
                eye.shows(frame(image, BEGIN + 20 * k * MS))
                assert columns(eye.controller) == own
                assert eye.slot[[FRESH, STAMP]].tolist() == [1, BEGIN + 20 * k * MS]
                if k:
                    assert own[0]
                    (t,) = columns(eye.controller, "t")
                    assert BEGIN + 20 * (k - 1) * MS <= t[0] <= t[-1] <= BEGIN + 20 * k * MS
        counters = eye.port.counters()
        assert (counters["frames"], counters["lost"], counters["restarts"]) == (6, 0, 0)
        assert counters["conversion_p50_us"] > 0
        assert eye.port.fault() == ""
        eye.port.clear()  # the camera adapts to the next frame
    assert counters["taken"] == 12


def test_events_may_be_spread_over_the_time_between_two_frames(nodes):
    eye, frames = Eye(nodes, False, changed(FILE, "ros.inputs.eye.pace", "sensor")), images(3)
    with eye.port:
        eye.shows(frame(frames[0], BEGIN))
        eye.publisher.publish(frame(frames[1], BEGIN + 400 * MS))
        parts, times, begin = [], [], time.monotonic()
        while time.monotonic() < begin + 60 and eye.port._queue[19] < 2:  # the second frame is not used up
            if eye.take() and eye.slot[COUNT]:
                parts.append(columns(eye.controller))
                times.append(time.monotonic())
            time.sleep(0.01)
    found = [list(itertools.chain(*(part[k] for part in parts))) for k in range(3)]
    assert found == expected(frames[:2], FILE, 400 * MS)[1]
    assert len(parts) > 3
    assert times[-1] - times[0] > 0.2


def test_a_loop_is_woken_when_a_frame_has_been_converted(nodes):
    eye, semaphore, libc = Eye(nodes, False), (ctypes.c_byte * 32)(), ctypes.CDLL(None)
    libc.sem_init(semaphore, 0, 0)
    eye.port.attach_semaphore(ctypes.addressof(semaphore))
    with eye.port:
        assert libc.sem_trywait(semaphore) != 0
        eye.publisher.publish(frame(images(1)[0], BEGIN))
        wait(lambda: libc.sem_trywait(semaphore) == 0)
        assert eye.take() == 1
        eye.port.detach()
        eye.shows(frame(images(1)[0], BEGIN + 20 * MS))
        assert libc.sem_trywait(semaphore) != 0


def test_events_beyond_the_capacity_are_counted(nodes):
    eye, frames = Eye(nodes, False, changed(FILE, "inputs.eye.capacity", 10)), images(2)
    with eye.port:
        eye.shows(frame(frames[0], BEGIN))
        eye.shows(frame(frames[1], BEGIN + 20 * MS))
    whole = expected(frames, FILE)[1]
    assert columns(eye.controller) == [column[:10] for column in whole]
    assert eye.slot[DROPPED] == eye.port.counters()["dropped"] == len(whole[0]) - 10


def test_what_is_no_such_frame_is_named(nodes):
    eye, image = Eye(nodes, True), images(1)[0]
    short = frame(image)
    short.data = short.data[:-1]
    wrong = [
        (frame(image, encoding="16UC1"), "encoding", "is '16UC1', not mono8, 8UC1, mono16, .* or bayer_bggr8"),
        (frame(image, encoding="rgb8"), "truncated", "ends too early"),
        (short, "truncated", "ends too early"),
        (frame(image[:, 1:].copy()), "other_size", "has 31 x 24 pixels, not those of the input"),
    ]
    with eye.port:
        for message, word, text in wrong:
            before = eye.port.counters().get(f"malformed.{word}", 0)
            eye.shows(message)
            assert eye.slot[FRESH] == 0
            assert eye.port.counters()[f"malformed.{word}"] == before + 1
            assert re.search(text, eye.port.why_malformed())
        assert eye.port.fault() == "frames are 31x24, the input's size is 32x24: set size: [31, 24]"
        eye.shows(Image())
        assert eye.port.counters()["empty"] == 1


def test_a_node_sees_frames_and_its_record_replays_without_them(tmp_path, start, robot):
    record = tmp_path / "run.npz"
    process = start("controller_node", controller_file=str(write(tmp_path, FILE)), record=str(record))
    publisher, commands = robot.publisher(Image, "camera/image_raw"), robot.commands()
    robot.meets("eye", publisher)
    frames = images(50)
    for k, image in enumerate([*frames, *frames[::-1]]):
        publisher.publish(frame(image, BEGIN + 20 * k * MS))
        time.sleep(0.01)
    wait(lambda: len({round(command, 3) for _, command in commands}) > 10)
    publisher.publish(frame(images(1)[0], encoding="64FC1"))
    robot.status("/controller: input eye", text="is '64FC1', not mono8")
    publisher.publish(frame(np.zeros((10, 20), np.uint8)))
    robot.status("/controller: input eye", level=ERROR, text="frames are 20x10, the input's size is 32x24")
    assert process.end() == 0
    code, found = replayed(record)
    assert (code, found["identical"], found["first_tick"]) == (0, True, 0)
    assert found["ticks"] > 100


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 900), st.sampled_from(["mono8", "bayer_rggb8", "rgb8"]))
def test_damaged_messages_are_refused_or_harmless(tail, keep, encoding):
    data = serialize_message(frame(images(1)[0], BEGIN, encoding))[:keep] + tail
    found = READER.read(data, BEGIN)
    assert found is None or (found[:, 0] < SIZE[0]).all()


def test_a_world_publishes_its_images(nodes):
    io, other = nodes
    spec, heard = parse_spec(FILE), []
    end = Frames(other, io, spec.inputs[0], spec.ros_inputs["eye"], lockstep=True)
    other.create_subscription(Image, "camera/image_raw", heard.append, 10)
    image = np.repeat(images(1)[0][..., None], 3, axis=2)

    def shown(seen):
        end.publish({"eye": seen}, BEGIN)
        rclpy.spin_once(other, timeout_sec=0.05)
        return heard

    wait(lambda: shown(image))
    assert (heard[-1].encoding, heard[-1].width, heard[-1].height, heard[-1].step) == ("rgb8", 32, 24, 96)
    assert bytes(heard[-1].data) == image.tobytes()
    wait(lambda: not shown(None)[-1].data)  # nothing is due
    with pytest.raises(RuntimeFault, match="not an image"):
        end.publish({"eye": image[1:]}, BEGIN)


@pytest.mark.parametrize(
    ("path", "value", "needle"),
    [
        ("ros.inputs.eye.type", "sensor_msgs/msg/CompressedImage", "is compressed: .*image_transport republish"),
        ("ros.inputs.eye.type", "sensor_msgs/msg/PointCloud2", "frames come as sensor_msgs/msg/Image"),
        ("ros.inputs.eye.late", 0.5, "late = 0.5: is for packets of events only"),
        ("inputs.eye", {"kind": "events", "size": [32, 24], "encoder": {"type": "pool", "grid": [4, 4]}},
         "events come as one of .*; write source: frames at the input"),
    ],
)  # fmt: skip
def test_mistakes_are_named(path, value, needle):
    with pytest.raises(DescriptionError, match=needle):
        check_topics(parse_spec(changed(FILE, path, value)))


def compressed(image, ns, form):
    pillow = pytest.importorskip("PIL.Image")
    data = files.BytesIO()
    pillow.fromarray(image).save(data, form)
    return stamped(CompressedImage(format=form.lower(), data=data.getvalue()), ns)


@pytest.mark.parametrize("form", ["raw", "PNG", "JPEG"])
def test_a_bag_gives_the_same_events(tmp_path, form):
    frames = images(5)
    if form == "JPEG":  # what a decoder makes of it
        pillow = pytest.importorskip("PIL.Image")
        shown = [np.asarray(pillow.open(files.BytesIO(bytes(compressed(one, 0, form).data)))) for one in frames]
    else:
        shown = frames
    make = frame if form == "raw" else lambda image, ns: compressed(image, ns, form)
    stamps = [BEGIN + 20 * k * MS for k in range(5)]
    rows = [(t + 3 * MS, serialize_message(make(one, t))) for t, one in zip(stamps, frames, strict=True)]
    bad = serialize_message(make(np.zeros((9, 9), np.uint8), BEGIN))
    kind, more = ("Image", "") if form == "raw" else ("CompressedImage", "/compressed")
    rows += [(rows[-1][0] + 1, bad), (rows[-1][0] + 2, b"x")]
    path = tmp_path / "bag_0.mcap"
    WRITERS[".mcap"](path, {f"/camera/image_raw{more}": (f"sensor_msgs/msg/{kind}", rows)})
    spec = parse_spec(FILE)
    assert has_numbers(path, spec)
    stimulus = bag_inputs(path, spec)
    assert "2 messages left out" in stimulus.text
    t, *found = stimulus.events["eye"]
    own = expected(shown, FILE)
    assert [column.tolist() for column in found] == [list(itertools.chain(*(one[k] for one in own))) for k in range(3)]
    assert sorted(set(t.tolist())) == [20 * MS * k for k in range(4)]
