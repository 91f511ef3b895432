"""The nodes with an event camera: lockstep to the bit, what diagnostics say, what is refused."""

from __future__ import annotations

import importlib
import itertools
import sys
import time

import gymnasium
import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2

from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.engine.tick import tick_address
from snn_control.errors import DescriptionError
from snn_control.events import Events
from snn_control.events.codecs import codec
from snn_control.events.packets import packet_cdr
from snn_control.realtime.loop import Loop
from snn_control.record.input_log import InputLog
from snn_control.record.run_folder import read_record
from snn_control.ros.check import check_topics, need_types
from snn_control.ros.messages.clouds import events_cdr
from tests.realtime.record_output import RecordOutput
from tests.ros.events_world import HEIGHT, WIDTH
from tests.ros.node_processes import wait
from tests.ros.robot import ERROR, OK, WARN, changed, write

PACKET, CLOUD = "event_camera_msgs/msg/EventPacket", "sensor_msgs/msg/PointCloud2"
PERIOD_NS = 10_000_000
ENCODER = {"type": "pool", "grid": [8, 6], "on_weight": 0.3, "off_weight": 0.2}
CONTROLLER = {
    "version": 1,
    "period": 0.01,
    "dt": 0.005,
    "inputs": {
        "camera": {"kind": "events", "size": [WIDTH, HEIGHT], "capacity": 300, "stale": 0.5, "encoder": ENCODER}
    },
    "network": {
        "populations": {"slow": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.02}}},
        "projections": [{"pre": "camera", "post": "slow", "weights": [[0.01 * (k % 7 - 3)] for k in range(48)]}],
    },
    "outputs": {"drive": {"decoder": {"type": "membrane", "from": "slow", "weights": [[1.0]]}, "safe": 0.0}},
    "ros": {
        "inputs": {"camera": {"topic": "camera/events", "type": PACKET}},
        "outputs": {"drive": {"topic": "drive", "type": "geometry_msgs/msg/TwistStamped", "field": "twist.linear.x"}},
    },
}  # fmt: skip
TYPE = "ros.inputs.camera.type"


def message_class(name):
    package, _, kind = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), kind)


def random_events(rng, n, begin_ns):
    t = begin_ns + np.sort(rng.integers(0, PERIOD_NS // 1000, n)) * 1000
    return t, rng.integers(0, WIDTH, n), rng.integers(0, HEIGHT, n), rng.integers(0, 2, n)


def packet(seq, columns, stamp, encoding="evt3", size=(WIDTH, HEIGHT)):
    t, x, y, p = columns
    columns = x.astype(np.uint16), y.astype(np.uint16), p.astype(np.uint8)
    if encoding == "evt3":
        data, base = codec("evt3").encode(Events(t // 1000, *columns)), 0
    else:
        data, base = codec("mono").encode(Events(t, *columns, unit="ns"), stamp), stamp
    return packet_cdr(data, encoding, *size, seq, stamp, base)


@pytest.mark.parametrize("way", ["cloud", "evt3", "mono"])
def test_lockstep_commands_are_those_of_step_to_the_bit(interfaces, tmp_path, start, robot, way):
    kind = CLOUD if way == "cloud" else PACKET
    file = write(tmp_path, changed(CONTROLLER, TYPE, kind))
    process = start("controller_node", controller_file=str(file), mode="lockstep", record=str(tmp_path / "c.npz"))
    publisher, answers = robot.publisher(message_class(kind), "camera/events"), robot.commands()
    robot.meets("camera", publisher)
    rng, reference, expected = np.random.default_rng(3), Controller.load(file), []
    for k in range(60):
        stamp = (k + 1) * PERIOD_NS
        columns = random_events(rng, 0 if k % 11 == 5 else int(rng.integers(1, 400)), stamp)
        publisher.publish(events_cdr(*columns, stamp) if way == "cloud" else packet(k, columns, stamp, way))
        wait(lambda k=k: len(answers) > k, what=f"the command of tick {k}")
        expected.append(reference.step({"camera": columns})["drive"][0])
    assert process.end() == 0
    np.testing.assert_array_equal([command for _, command in answers][:60], expected)
    assert len(set(expected)) > 50
    again, record = Controller.load(file), InputLog.load(tmp_path / "c_shown.npz")
    assert (record.first_tick, record.overwritten, record.ticks) == (0, 0, 60)
    assert [again.step(seen)["drive"][0] for seen in record.observations()] == expected


@pytest.mark.parametrize("kind", [CLOUD, PACKET])
def test_events_out_of_the_frame_are_told(interfaces, tmp_path, start, robot, kind):
    process = start("controller_node", controller_file=str(write(tmp_path, changed(CONTROLLER, TYPE, kind))))
    publisher = robot.publisher(message_class(kind), "camera/events")
    robot.meets("camera", publisher)
    number = itertools.count()

    def send() -> bool:
        stamp = time.time_ns()
        columns = np.arange(3) + stamp, np.full(3, WIDTH + 5), np.zeros(3, np.int64), np.ones(3, np.int64)
        outside = (
            packet(next(number), columns, stamp, "mono", (0, 0)) if kind == PACKET else events_cdr(*columns, stamp)
        )
        publisher.publish(outside)
        return any(
            "events out of the frame" in s.message
            for a in robot.diagnostics for s in a.status if s.name == "/controller: input camera" and s.level == WARN
        )  # fmt: skip

    wait(send)
    assert process.end() == 0


@pytest.mark.parametrize("way", ["cloud", "evt3", "mono"])
def test_a_world_is_seen_the_same_through_every_type(interfaces, tmp_path, start, way):
    kind, record = CLOUD if way == "cloud" else PACKET, tmp_path / "world.npz"
    file = write(tmp_path, changed(CONTROLLER, TYPE, kind))
    options = {"encoding": way} if way != "cloud" else {}
    world = start(
        "world_node", world="tests.ros.events_world:Events-v0", controller_file=str(file), mode="lockstep", seed=4,
        duration=0.8, record=str(record), **options,
    )  # fmt: skip
    controller = start("controller_node", controller_file=str(file), mode="lockstep")
    assert world.wait(40.0) == 0, world.text
    assert controller.end() == 0
    arrays, facts = read_record(record)
    assert facts["steps"] == 80
    plain, env = Controller.load(file), gymnasium.make("tests.ros.events_world:Events-v0")
    observation, _ = env.reset(seed=4)
    for k in range(79):
        action, _ = plain.predict(observation)
        np.testing.assert_array_equal(np.ravel(action), np.ravel(arrays["action"][k]), err_msg=str(k))
        observation, *_ = env.step(action)
    assert len(set(arrays["action"].ravel().tolist())) > 70


@pytest.mark.timed
@pytest.mark.parametrize("pace", ["arrival", "sensor"])
def test_the_recorded_cut_of_a_real_run_gives_its_commands_again(interfaces, tmp_path, start, robot, pace):
    """Packets of 30 ms against ticks of 10 ms, in real time; then replayed without a clock."""
    file = write(tmp_path, changed(changed(CONTROLLER, "ros.inputs.camera.pace", pace), "inputs.camera.capacity", 9000))
    process = start("controller_node", controller_file=str(file), record=str(tmp_path / "c.npz"))
    publisher, answers = robot.publisher(message_class(PACKET), "camera/events"), robot.commands()
    robot.meets("camera", publisher)
    wait(lambda: answers)
    rng = np.random.default_rng(6)
    packet(0, random_events(rng, 50, 0), 0)  # compiles the encoder
    for k in range(30):
        time.sleep(0.031)
        begin = time.monotonic_ns() // 1000 * 1000 - 3 * PERIOD_NS
        columns = [random_events(rng, 100, begin + j * PERIOD_NS) for j in range(3)]
        publisher.publish(packet(k, [np.concatenate(column) for column in zip(*columns)], time.time_ns()))

    def used():
        """Number of events that the controller has used."""
        status = robot.status("/controller: input camera", time.monotonic())
        return int({pair.key: pair.value for pair in status.values}["events"])

    wait(lambda: used() == 9000)
    assert process.end() == 0
    record, commands = InputLog.load(tmp_path / "c_shown.npz"), np.load(tmp_path / "c.npz")["command"][:, 0]
    events = np.diff(record.inputs["camera"]["offsets"])
    assert events.sum() == 9000
    busy = events[events > 0]
    if pace == "arrival":  # whole packets, hardly ever two at once
        assert set(busy % 300) == {0}
        assert len(busy) > 20
    else:  # about 100 in each of three ticks
        assert len(busy) > 60
        assert np.median(busy) < 150

    again = Controller.load(file)
    commanded = RecordOutput(again.bound.address("command"), 1, record.ticks)
    loop = Loop(
        tick_address(), again.bound.table, again.period_ns, record.ports(again.bound), [commanded], mode="free",
        keep=again,
    )  # fmt: skip
    loop.run(record.ticks)
    np.testing.assert_array_equal(commanded.read()[2][:, 0], commands[: record.ticks])
    assert len(set(commands.tolist())) > 50


@pytest.mark.timed
def test_diagnostics_name_what_has_come_and_what_is_wrong(interfaces, tmp_path, start, robot):
    file = write(tmp_path, changed(CONTROLLER, "inputs.camera.capacity", 3000))
    process = start("controller_node", controller_file=str(file))
    publisher = robot.publisher(message_class(PACKET), "camera/events")
    robot.meets("camera", publisher)
    rng, seq = np.random.default_rng(5), 0
    packet(0, random_events(rng, 50, 0), 0)  # compiles the encoder, which would look like a jump of the clock

    def send(seconds, **options):
        """Send packets of 50 events; returns the number of events a second."""
        nonlocal seq
        begin, first = time.monotonic(), seq
        end = begin + seconds
        while time.monotonic() < end:
            seq += 1
            now = time.monotonic_ns() // 1000 * 1000
            publisher.publish(packet(seq, random_events(rng, 50, now), time.time_ns(), **options))
            time.sleep(0.01)
        return 50 * (seq - first) / (time.monotonic() - begin)

    def until(**expected):
        """Send until a status of the camera's input, of one that was sent since, is as expected."""
        after = time.monotonic()
        wait(lambda: send(0.3) and robot.find("/controller: input camera", after, **expected))

    rate = send(2.5)
    status = robot.status("/controller: input camera", level=OK, text="valid")
    values = {pair.key: pair.value for pair in status.values}
    assert float(values["events_hz"]) == pytest.approx(rate, rel=0.3)
    assert int(values["packets"]) > 100
    assert 0 < int(values["latency_p50_us"]) <= int(values["latency_p99_us"]) < 100_000
    assert int(values["newest_t"]) % (1 << 24) > 0
    assert (values["gaps"], values["dropped"], values["jumps"]) == ("0", "0", "0")

    seq += 7
    until(level=WARN, text="7 packets lost on the way")
    until(level=OK, text="valid")  # told once
    send(1.5, size=(640, 480))
    says = "events come from a sensor of 640x480, the input's size is 64x48: set size: [640, 480]"
    robot.status("/controller: input camera", level=ERROR, text=says)
    assert process.end() == 0
    assert "Traceback" not in process.text


def test_what_is_not_installed_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setenv("ROS_DISTRO", "kilted")
    monkeypatch.setitem(sys.modules, "event_camera_msgs.msg", None)
    fix = f"install ros-kilted-event-camera-msgs, or publish {CLOUD}"
    fix += ', or in this checkout: eval "$(python -m tests.ros.interfaces)"'
    with pytest.raises(DescriptionError) as refused:
        need_types(parse_spec(CONTROLLER))
    assert str(refused.value) == f"{TYPE} = '{PACKET}': is not an installed message type; {fix}"
    (line,) = check_topics(parse_spec(CONTROLLER))
    assert (
        str(line) == f"{TYPE}: {PACKET} is not installed here: its fields are not checked, no node would start: {fix}"
    )


def test_types_and_paces_that_do_not_go(interfaces):
    for path, value, says in [
        (TYPE, "sensor_msgs/msg/Image", "events come as one of sensor_msgs/msg/PointCloud2, event_camera_msgs"),
        ("ros.inputs.camera", CONTROLLER["ros"]["inputs"]["camera"] | {"type": CLOUD, "pace": "sensor"},
         "ros.inputs.camera.pace = 'sensor': is for packets only"),
        ("ros.inputs.camera", CONTROLLER["ros"]["inputs"]["camera"] | {"type": CLOUD, "late": 0.1},
         r"ros.inputs.camera.late = 0.1: is for packets only"),
    ]:  # fmt: skip
        with pytest.raises(DescriptionError, match=says):
            check_topics(parse_spec(changed(CONTROLLER, path, value)))
    for kind in (PACKET, "event_array_msgs/msg/EventArray", "dvs_msgs/msg/EventArray",
                 "prophesee_event_msgs/msg/EventArray", CLOUD):  # fmt: skip
        check_topics(parse_spec(changed(CONTROLLER, TYPE, kind)))


def test_an_encoder_takes_packets(interfaces, tmp_path, start, robot):
    neuron = {"type": "lif", "tau_mem": 0.02, "v_threshold": 0.5, "reset": "subtract"}
    values = changed(CONTROLLER, "inputs.camera.encoder", ENCODER | {"polarity": "merge", "neuron": neuron})
    messages = []
    robot.listen(PointCloud2, "spikes/camera", messages.append)
    process = start("encoder_node", controller_file=str(write(tmp_path, values)))
    publisher = robot.publisher(message_class(PACKET), "camera/events")
    wait(lambda: publisher.get_subscription_count() > 0 and len(messages) > 5)
    assert sum(m.width for m in messages) == 0
    x = np.full(40, 9)  # the second column and the first row of the grid
    publisher.publish(packet(1, (np.arange(40) * 1000, x, x * 0, x * 0 + 1), time.time_ns()))
    wait(lambda: sum(m.width for m in messages) > 0)
    spiking = next(m for m in messages if m.width)
    found = np.frombuffer(bytes(spiking.data), [("place", "<f4", 3), ("neuron", "<u4"), ("t", "<u4")])
    assert set(found["neuron"].tolist()) == {1}
    assert process.end() == 0
