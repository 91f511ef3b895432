"""The controller node as a process, a robot at the other end of its topics."""

from __future__ import annotations

import math
import re
import signal
import time

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64, Float64MultiArray

from snn_control.controller import Controller
from snn_control.ros.nodes.controller_node import STOPS_WITHIN
from tests.motion_judge import heard_beyond
from tests.ros.node import first, is_safe
from tests.ros.node_processes import wait, within
from tests.ros.robot import (
    CONTROLLER,
    ERROR,
    IMPATIENT,
    OK,
    SAFE,
    STALE,
    WARN,
    changed,
    joints,
    stamp_of,
    start_sensor,
    write,
)

PERIOD = 0.01
ON_ITS_WAY = 0.02  # s: what a message may take to get out of a process of a busy machine


# lockstep: every tick is known -----------------------------------------------------------------------------------

K = 20  # the tick of the fault
CLEAN = [(1.0, 0.0)] * K
RELEASE = CONTROLLER["guard"]["release"]


def lockstep(robot, publisher, answers, messages):
    """Send one message per tick, each after the answer to the previous one."""
    for k, message in enumerate(messages):
        publisher.publish(message)
        wait(lambda k=k: len(answers) > k, what=f"the command of tick {k}")
    return np.array([command for _, command in answers])


def expected(file, samples):
    """The commands of the same ticks by `Controller.step`."""
    controller = Controller.load(file)
    return np.array([controller.step({"sensor": s})["drive"][0] for s in samples]), controller.counters()


def test_bad_samples_give_the_safe_command_in_their_tick_and_end_after_release(tmp_path, start, robot):
    """NaN, infinite, implausible, malformed, oversized, nothing at all: against `Controller.step`, to the bit."""
    file = write(tmp_path, IMPATIENT)
    process = start("controller_node", controller_file=str(file), mode="lockstep")
    publisher = robot.publisher()
    answers = robot.commands()
    robot.meets("sensor", publisher)

    samples, messages = [], []

    def send(sample, message=None):
        stamp = (len(messages) + 1) * 10_000_000
        samples.append(sample)
        messages.append(message(stamp) if message else joints(*sample, stamp_ns=stamp))

    def clean(n):
        for _ in range(n):
            send((1.0, 0.0))

    bad_at = []
    clean(K)
    for sample in ((math.nan, 0.0), (math.inf, 0.0), (0.0, -math.inf), (50.0, 0.0), (0.0, -10.1)):
        bad_at.append(len(samples))
        send(sample)
        clean(10)
    clamped_at = len(samples)
    for _ in range(10):
        send((3.0, 0.0))
    good = len(samples)
    clean(1)
    nothing = [
        lambda ns: joints(1.0, stamp_ns=ns),  # too few numbers
        lambda ns: joints(1.0, 2.0, 3.0, stamp_ns=ns),
        lambda ns: serialize_message(joints(1.0, 2.0, stamp_ns=ns))[:30],
        lambda ns: b"\0\1\0",
        lambda ns: JointState(name=["x" * 300_000], position=[1.0, 2.0]),  # longer than is taken
        lambda ns: joints(stamp_ns=ns),  # nothing is due
        lambda ns: serialize_message(joints(1.0, 2.0, stamp_ns=ns))[:-13],  # in the last number
    ]
    for message in nothing:
        send(None, message)
    back = len(samples)
    clean(20)
    commands = lockstep(robot, publisher, answers, messages)

    reference, counted = expected(file, samples)
    np.testing.assert_array_equal(commands, reference)
    safe = commands == SAFE
    assert not safe[:K].any()
    for k in bad_at:
        assert not safe[k - 1]
        assert safe[k : k + RELEASE].all()  # in the very tick
        assert not safe[k + RELEASE : k + 8].any()  # and back after `release` valid ones
    assert not safe[clamped_at : good + 1].any()
    assert commands[clamped_at:good].max() > 1.2
    assert (np.abs(commands) <= 1.5).all()
    # the sample is older than 50 ms first in the sixth tick without one
    assert not safe[good + 1 : good + 6].any()
    assert safe[good + 6 : back + RELEASE - 1].all()
    assert not safe[back + RELEASE :].any()
    assert process.alive
    after = time.monotonic()
    status = robot.status("/controller: input sensor", after, level=OK)
    values = {pair.key: pair.value for pair in status.values}
    assert values["malformed"] == "5"
    assert values["oversized"] == "1"
    assert values["empty"] == "1"
    assert values["clamped"] == str(counted["inputs"]["sensor"]["clamped"]) == "10"
    assert values["rejected"] == "5"
    guard = {p.key: p.value for p in robot.status("/controller: guard", after, level=OK).values}
    assert guard["faults"] == str(counted["guard"]["faults"])
    # a command has its messages' stamp, or is a period later than the one before where they have none
    assert [s for s, _ in answers] == [(k + 1) * 10_000_000 for k in range(len(answers))]
    assert process.end() == 0


def test_lockstep_answers_nobody_before_its_outputs_are_matched(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)), mode="lockstep")
    publisher = robot.publisher(qos=QoSProfile(depth=5))
    wait(lambda: publisher.get_subscription_count() and "lockstep waits for a subscriber of /drive" in process.text)
    time.sleep(0.3)  # matched on both sides
    publisher.publish(joints(1.0, 0.0, stamp_ns=10_000_000))
    robot.status("/controller: loop", level=WARN, text="waits for a subscriber of /drive")
    answers = robot.commands()
    wait(lambda: answers, what="the answer")
    assert answers[0][0] == 10_000_000
    assert robot.status("/controller: loop", time.monotonic(), level=OK)
    assert process.end() == 0


def test_a_command_says_what_the_file_says_beside_its_numbers(tmp_path, start, robot):
    topic = {"topic": "drive", "type": "sensor_msgs/msg/JointState", "field": "velocity[:]"}
    topic["values"] = {"header.frame_id": "base_link", "name": ["wheel"]}
    process = start(
        "controller_node", controller_file=str(write(tmp_path, changed(CONTROLLER, "ros.outputs.drive", topic)))
    )
    heard = []
    robot.listen(JointState, "drive", heard.append)
    wait(lambda: heard)
    assert (heard[-1].header.frame_id, heard[-1].name, list(heard[-1].velocity)) == ("base_link", ["wheel"], [SAFE])
    assert process.end() == 0


def is_normal(command):
    return command != SAFE


@pytest.mark.timed
def test_real_time_faults_are_safe_within_a_tick_named_and_over_when_the_input_is_good(tmp_path, start, robot):
    stale = 1.0  # s: the feeder of a busy machine is no fault
    file = write(tmp_path, changed(CONTROLLER, "inputs.sensor.stale", stale))
    process = start("controller_node", controller_file=str(file))
    commands, feeder = robot.commands(), robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: len(commands) > 20 and commands[-1][1] > 0.9)
    print(f"start to commands: {time.monotonic() - process.begun:.2f} s")

    def time_to(condition, *position):
        begin = time.time_ns()
        sent = feeder.set(*position)
        return (first(commands, begin, condition) - sent) * 1e-9

    def to_safe(*position):
        time_to(is_normal, 1.0, 0.0)
        return time_to(is_safe, *position)

    def to_normal(*position):
        time_to(is_safe, *position)
        return time_to(is_normal, 1.0, 0.0)

    for bad in ((math.nan, 0.0), (20.0, 0.0)):
        within(PERIOD + ON_ITS_WAY, lambda bad=bad: to_safe(*bad))
        begin, after = time.time_ns(), time.monotonic()
        status = robot.status("/controller: input sensor", after, level=ERROR)
        assert "the newest sample is not finite or not plausible" in status.message
        guard = robot.status("/controller: guard", after, level=ERROR)
        assert guard.message == "safe command: invalid input: sensor"
        assert all(c == SAFE for s, c in commands if s >= begin)
        within(RELEASE * PERIOD + ON_ITS_WAY + 0.01, lambda bad=bad: to_normal(*bad))  # and a period of the feeder
        assert robot.status("/controller: guard", time.monotonic(), level=OK).message == "commands"
    # out of range, but plausible: clamped and counted, no fault
    begin = time.time_ns()
    feeder.set(5.0, 0.0)
    first(commands, begin, lambda c: c > 1.4)

    def clamped():
        status = robot.status("/controller: input sensor", time.monotonic(), level=OK)
        return int({p.key: p.value for p in status.values}["clamped"])

    wait(lambda: clamped() > 10)
    assert not any(c == SAFE for s, c in commands if s >= begin)
    assert all(abs(c) <= 1.5 for _, c in commands)
    # malformed only: the last good sample ages, then it is stale
    within(stale + PERIOD + ON_ITS_WAY + 0.01, lambda: to_safe(1.0, 2.0, 3.0))
    status = robot.status("/controller: input sensor", time.monotonic(), level=ERROR)
    assert "stale: " in status.message
    assert "malformed messages: has 3 numbers in position[:], the input takes 2" in status.message
    assert process.alive
    assert process.end() == 0


@pytest.mark.timed
def test_a_killed_sensor_is_stale_within_a_tick_of_the_limit_and_a_new_one_takes_over(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path, IMPATIENT)))
    commands, heard = robot.commands(), []
    robot.listen(JointState, "joints", lambda m: heard.append(stamp_of(m)))

    def late():
        begin, sensor = time.time_ns(), start_sensor()
        try:
            wait(lambda: heard and heard[-1] > begin, what="the sensor")
            first(commands, begin, lambda c: c > 0.9)
        finally:
            sensor.kill()
            sensor.wait()
        fault = first(commands, time.time_ns(), is_safe)
        late = (fault - heard[-1]) * 1e-9 - STALE
        print(f"safe {late * 1e3:.1f} ms after the limit of 50 ms, a tick is {PERIOD * 1e3:g} ms")
        return late

    within(PERIOD + ON_ITS_WAY, late)
    status = robot.status("/controller: input sensor", time.monotonic(), level=ERROR)
    assert re.search(r"stale: [\d.]+ s old, limit 0.05 s", status.message)
    assert process.alive
    begin, sensor = time.time_ns(), start_sensor()
    try:
        first(commands, begin, is_normal)
        assert robot.status("/controller: input sensor", time.monotonic(), level=OK).message == "valid"
    finally:
        sensor.kill()
        sensor.wait()
    assert process.end() == 0


# what only the running graph shows -------------------------------------------------------------------------------


@pytest.mark.timed
def test_diagnostics_name_both_sides_of_what_does_not_fit_once_a_second(tmp_path, start, robot):
    value = {"kind": "value", "size": 1}
    names = ("lonely", "typed", "strict", "fine")
    values = changed(CONTROLLER, "inputs", dict.fromkeys(names, value) | {"extra": value | {"required": False}})
    values["network"]["projections"] = [{"pre": "fine", "post": "slow", "weights": [[1.0]]}]
    topic = {"type": "std_msgs/msg/Float64", "field": "data"}
    values["ros"] = {
        "inputs": {name: topic | {"topic": name} for name in (*names, "extra")},
        "outputs": CONTROLLER["ros"]["outputs"],
    }
    values["ros"]["inputs"]["strict"]["reliability"] = "reliable"
    robot.publisher(Float64MultiArray, "typed")
    robot.publisher(Float64, "strict", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    robot.publisher(Float64, "fine")
    robot.listen(Imu, "drive", lambda m: None)
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    wait(lambda: "Hz, realtime" in process.text)

    def says(part, level=ERROR, **expected):
        return robot.status(f"/controller: {part}", level=level, **expected).message

    expects = "/controller expects std_msgs/msg/Float64"
    says("input lonely", text=f"/lonely: {expects}, nobody publishes")
    says("input typed", text=f"/typed: {expects}, but /robot publishes std_msgs/msg/Float64MultiArray")
    text = says("input strict", text=f"/strict: {expects}, but the QoS of /robot is incompatible")
    assert "eliab" in text  # the policy
    says("input fine", message="no message yet")
    says("input extra", WARN, text="nobody publishes")  # it is not required
    what = "/drive: /controller publishes geometry_msgs/msg/TwistStamped, but /robot expects sensor_msgs/msg/Imu"
    says("output drive", message=what)
    assert says("guard") == "safe command: invalid input: lonely, typed, strict, fine"

    begin = len(robot.diagnostics)
    wait(lambda: len(robot.diagnostics) >= begin + 4)
    times = [stamp_of(array) * 1e-9 for array in robot.diagnostics[begin:]]
    assert np.median(np.diff(times)) == pytest.approx(1.0, abs=0.2)
    array = robot.diagnostics[-1]
    assert stamp_of(array) == pytest.approx(time.time_ns(), abs=3e9)
    parts = ["loop", "guard", *(f"input {n}" for n in (*names, "extra")), "output drive"]
    assert [s.name for s in array.status] == [f"/controller: {part}" for part in parts]
    loops = [{p.key: p.value for p in one.status[0].values} for one in robot.diagnostics[begin:]]
    loop = loops[-1]
    assert array.status[0].message.endswith(f" missed since the last report, {loop['missed']} in total")
    assert np.median([float(one["rate_hz"]) for one in loops]) == pytest.approx(100, rel=0.05)
    assert {"ticks", "missed", "wake.p50_ns", "tick.count", "latency.p99.9_ns", "priority", "published"} <= loop.keys()
    assert process.end() == 0


def test_sim_time_without_a_clock_does_not_silence_the_node(tmp_path, start, robot):
    process = start("controller_node", "-p", "use_sim_time:=true", controller_file=str(write(tmp_path)))
    robot.status("/controller: loop")
    assert process.end() == 0


def test_names_are_remapped_once_and_no_two_nodes_share_one(tmp_path, start, robot):
    remaps = ("-r", "joints:=arm/joints", "-r", "drive:=joints")
    start("controller_node", *remaps, name="left", namespace="/house", controller_file=str(write(tmp_path)))
    commands, publisher = robot.commands("/house/joints"), robot.publisher(topic="/house/arm/joints")
    robot.feed(publisher, 1.0, 0.0)
    wait(lambda: commands and commands[-1][1] > 0.9)

    def names() -> list[str]:
        return [f"{ns.rstrip('/')}/{name}" for name, ns in robot.node.get_node_names_and_namespaces()]

    both = {"/house/left", "/house/left_io"}
    wait(lambda: both <= {*names()}, what="the news of both nodes")  # which may come after their first command
    assert sorted(name for name in names() if name in both) == sorted(both)
    robot.status("/house/left: input sensor", level=OK)


# ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "n"), [(signal.SIGINT, 4), (signal.SIGTERM, 4), (signal.SIGHUP, 2), (signal.SIGQUIT, 1)]
)
def test_all_part_with_the_safe_command_on_a_signal(tmp_path, start, robot, number, n):
    file = write(tmp_path)
    processes = [start("controller_node", namespace=f"/n{k}", controller_file=str(file)) for k in range(n)]
    heard = [robot.commands(f"/n{k}/drive") for k in range(n)]
    for k in range(n):
        robot.feed(robot.publisher(topic=f"/n{k}/joints"), 1.0, 0.0)
    wait(lambda: all(h and h[-1][1] > 0.9 for h in heard), what="a command of every node")
    before = [len(h) for h in heard]
    begin = time.monotonic()
    for process in processes:
        process.send(number)
    assert [process.wait() for process in processes] == [0] * n
    print(f"{n} nodes ended in {time.monotonic() - begin:.2f} s")
    wait(lambda: all(h[-1][1] == SAFE for h in heard), what="the final safe command")
    for count, one in zip(before, heard):
        tail = [command for _, command in one[count:]]
        assert tail[-1] == SAFE
        assert SAFE not in tail[:-1]  # the network never gives it: only the final one is safe
    assert all("Traceback" not in process.text for process in processes)


def test_ramping_outputs_part_at_their_slew(tmp_path, start, robot):
    values = changed(changed(CONTROLLER, "outputs.drive.slew", 5.0), "outputs.drive.ramp", True)
    process = start("controller_node", controller_file=str(write(tmp_path, values)))
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: commands and commands[-1][1] > 0.99)
    count = len(commands)
    assert process.end(signal.SIGTERM) == 0
    wait(lambda: [c for _, c in commands[-2:]] == [SAFE, SAFE], what="the safe command, reached, then published again")
    stamps, last = np.array([(stamp * 1e-9, command) for stamp, command in commands[count - 1 :]]).T
    assert heard_beyond(stamps, last, PERIOD, 5.0, math.inf, math.inf, most=math.inf) == 0
    reached = int(np.argmax(last == SAFE))
    assert stamps[reached] - stamps[0] >= (last[0] - SAFE) / 5.0 - 1.5 * PERIOD


@pytest.mark.timed
def test_an_idle_node_waits_for_nothing_when_it_ends(tmp_path, start, robot):
    def seconds():
        process = start("controller_node", controller_file=str(write(tmp_path)))
        wait(lambda: "Hz, realtime" in process.text)
        begin = time.monotonic()
        assert process.end(signal.SIGTERM) == 0
        return time.monotonic() - begin

    within(STOPS_WITHIN, seconds)


def test_a_dry_run_commands_on_a_shadow_topic_alone(tmp_path, start, robot):
    start("controller_node", controller_file=str(write(tmp_path)), dry_run=True)
    real, shadow = robot.commands(), robot.commands("dry_run/drive")
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: shadow and shadow[-1][1] > 0.9)
    assert not real
    assert robot.node.count_publishers("drive") == 0
