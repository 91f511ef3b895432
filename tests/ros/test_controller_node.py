"""The controller node as a process, a robot at the other end of its topics."""

from __future__ import annotations

import math
import os
import re
import signal
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import rclpy.parameter
from geometry_msgs.msg import TwistStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, SetParameters
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64, Float64MultiArray
from std_srvs.srv import SetBool, Trigger

from snn_control.controller import Controller
from snn_control.realtime.loop import Loop
from snn_control.ros import ENDS, port_base
from snn_control.ros.controller_node import STOPS_WITHIN, ControllerNode
from snn_control.ros.process import Stop, _Dds, dds_threads, given_priority, missing_rights
from tests.realtime import ticks
from tests.ros.robot import (
    CONTROLLER,
    ERROR,
    OK,
    SAFE,
    WARN,
    Mistakes,
    changed,
    fifo_is_granted,
    joints,
    run_to_end,
    stamp_of,
    start_sensor,
    wait,
    within,
    write,
)

PERIOD = 0.01
ON_ITS_WAY = 0.02  # s: what a message may take to get out of a process of a busy machine


# what is wrong from the start ------------------------------------------------------------------------------------

MISTAKES = {
    "no file given": (
        {"controller_file": ""},
        None,
        ["controller_file = ''", "must name a controller file", "-p controller_file:=FILE"],
    ),
    "missing file": ({"controller_file": "no.yaml"}, None, ["no.yaml", "cannot be read", "No such file"]),
    "unknown key": ({}, ("inputs.sensor.stal", 0.1), ["inputs.sensor.stal = 0.1", "not a known key", "'stale'"]),
    "wrong size": (
        {},
        ("network.projections", [{"pre": "sensor", "post": "slow", "weights": [[1.0], [2.0], [3.0]]}]),
        ["projections[sensor -> slow].weights", "shape (3, 1)", "(2, 1)"],
    ),
    "missing arrays": (
        {},
        ("network.projections", [{"pre": "sensor", "post": "slow", "weights": "no.npz#w"}]),
        ["network.projections[0].weights = 'no.npz#w'", "there is no file"],
    ),
    "impossible limits": ({}, ("outputs.drive.limits", [2, -2]), ["outputs.drive.limits = [2, -2]", "low must be <"]),
    "safe beyond limits": ({}, ("outputs.drive.safe", 9.0), ["outputs.drive.safe = 9.0", "within limits"]),
    "dt and period": ({}, ("dt", 0.003), ["dt = 0.003", "must divide the period (0.01 s)", "use dt ="]),
    "dt and rate": ({"rate": 300.0}, None, ["rate = 300.0", "whole number of the file's dt = 0.005 s", "200"]),
    "rate out of range": ({"rate": 30000.0}, None, ["rate = 30000.0", "in [0, 20000]"]),
    "rate not a number": ({"rate": math.nan}, None, ["rate = nan", "in [0, 20000]"]),
    "priority out of range": ({"priority": 99}, None, ["priority = 99", "a whole number in [0, 98]"]),
    "parameter of another type": ({"priority": "high"}, None, ["priority = 'high'", "a whole number in [0, 98]"]),
    "unknown mode": ({"mode": "fast"}, None, ["mode = 'fast'", "'realtime' or 'lockstep'"]),
    "repeat in lockstep": ({"mode": "lockstep"}, ("repeat", 2), ["repeat = 2", "must be 1 in lockstep"]),
    "no topics": ({}, ("ros.inputs", {}), ["ros.inputs.sensor: is missing", "on which topic"]),
    "no such field": (
        {},
        ("ros.inputs.sensor.field", "positions[:]"),
        ["ros.inputs.sensor.field = 'positions'", "has no field", "did you mean 'position'?"],
    ),
    "no such type": (
        {},
        ("ros.inputs.sensor.type", "no_msgs/msg/Nothing"),
        ["ros.inputs.sensor.type = 'no_msgs/msg/Nothing'", "not an installed message type", "install no_msgs"],
    ),
    "no such message": (
        {},
        ("ros.outputs.drive.type", "geometry_msgs/msg/TwistStamp"),
        [
            "ros.outputs.drive.type = 'geometry_msgs/msg/TwistStamp'",
            "geometry_msgs is installed and has no message 'TwistStamp'; did you mean 'TwistStamped'?",
        ],
    ),
    "no topic name": (
        {},
        ("ros.inputs.sensor.topic", "a b"),
        ["ros.inputs.sensor.topic = 'a b'", "not a topic name: topic name must not contain"],
    ),
    "size of the field": (
        {},
        ("ros.inputs.sensor", {"topic": "a", "type": "sensor_msgs/msg/Imu", "field": "angular_velocity.z"}),
        ["ros.inputs.sensor.field = 'angular_velocity.z'", "names 1 number, the input takes 2"],
    ),
    "a value that does not fit": (
        {},
        ("ros.outputs.drive.values", {"header.frame_id": 7}),
        ["ros.outputs.drive.values.header.frame_id = 7", "does not fit the field"],
    ),
    "values of an input": (
        {},
        ("ros.inputs.sensor.values", {"name": ["a"]}),
        ["ros.inputs.sensor.values", "not a known key"],
    ),
    "record not writable": ({"record": "/proc/none/a.npz"}, None, ["record = '/proc/none/a.npz'", "cannot be written"]),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    cases = {
        name: (p, changed(CONTROLLER, *change) if change else CONTROLLER) for name, (p, change, _) in MISTAKES.items()
    }
    all_of_them = Mistakes(tmp_path_factory.mktemp("mistakes"), "controller_node", cases)
    yield all_of_them
    all_of_them.close()


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_path_value_rule_and_fix(outcomes, case):
    needles = MISTAKES[case][2]
    code, lines = outcomes[case]
    assert code == 2
    assert len(lines) == 1, lines
    for needle in needles:
        assert needle in lines[0]


@pytest.mark.parametrize(
    ("node", "what", "parameters"),
    [
        (
            "controller_node",
            "The controller as a lifecycle node",
            ["priority * SCHED_FIFO .* (default 80)", "autostart * .* (default true)"],
        ),
        ("encoder_node", "Sensors to spikes", ["inputs * .* (default empty)"]),
        ("view_node", "Events and spikes as an image", ["rate * Images a second .* (default 30.0)"]),
        (
            "world_node",
            "A Gymnasium environment on topics",
            ["patience * .* (default 60.0)", "episodes * .* (default 0)"],
        ),
    ],
)
def test_help_says_what_a_node_is_and_its_parameters(tmp_path, node, what, parameters):
    # the same in every node, so two of them try the one and two the other
    asked = ["--", "--help"] if node in ("controller_node", "view_node") else ["-p", "rate:=nonsense", "-h"]
    code, lines = run_to_end(tmp_path, node, *asked)
    assert code == 0
    assert lines[0].startswith(f"usage: {node} [--ros-args -p NAME:=VALUE")
    assert any(line.startswith(what) for line in lines)
    for wanted in parameters:
        pattern = wanted.replace("(", r"\(").replace(")", r"\)")
        assert any(re.fullmatch(f"  {pattern}", line) for line in lines), lines
    assert lines[-1].startswith(f"  {node} --ros-args -p ")
    example = lines[-1].split()
    declared = {line.split()[0] for line in lines[lines.index("parameters:") + 1 : -2] if line}
    assert {part.partition(":=")[0] for before, part in pairwise(example) if before == "-p"} <= declared


def test_arguments_that_are_no_parameters_are_refused_and_misspelt_ones_named(tmp_path, start):
    code, lines = run_to_end(tmp_path, "controller_node", "--", "my.yaml")
    assert code == 2
    assert lines == ["snn_control: arguments = ['my.yaml']: are not known; write --ros-args -p NAME:=VALUE; see --help"]
    code, lines = run_to_end(tmp_path, "controller_node", "-p")
    assert code == 2
    assert "trailing -p flag" in lines[-1]
    assert not any("Traceback" in line for line in lines)
    process = start("controller_node", controller_file=str(write(tmp_path)), rat=100.0, rate=200)
    wait(lambda: "200 Hz" in process.text)
    assert "parameter rat is not known; did you mean 'rate'?" in process.text
    assert process.end() == 0


# lockstep: every tick is known -----------------------------------------------------------------------------------

K = 20  # the tick of the fault
CLEAN = [(1.0, 0.0)] * K
RELEASE = CONTROLLER["guard"]["release"]


def lockstep(robot, publisher, answers, messages):
    """Send one message a tick, each after the answer to the one before."""
    for k, message in enumerate(messages):
        publisher.publish(message)
        wait(lambda k=k: len(answers) > k, what=f"the command of tick {k}")
    return np.array([command for _, command in answers])


def expected(file, samples):
    """The same ticks by `Controller.step`."""
    controller = Controller.load(file)
    return np.array([controller.step({"sensor": s})["drive"][0] for s in samples]), controller.counters()


def test_bad_samples_give_the_safe_command_in_their_tick_and_end_after_release(tmp_path, start, robot):
    """NaN, infinite, implausible, malformed, oversized, nothing at all: against `Controller.step`, to the bit."""
    file = write(tmp_path)
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


# real time -------------------------------------------------------------------------------------------------------


def first(commands, since, condition):
    """Stamp [ns] of the first command from ``since`` [ns] on that fulfils the condition."""
    return wait(lambda: next((s for s, c in list(commands) if s >= since and condition(c)), None), what="a command")


def is_safe(command):
    return command == SAFE


def is_normal(command):
    return command != SAFE


@pytest.mark.timed
def test_real_time_faults_are_safe_within_a_tick_named_and_over_when_the_input_is_good(tmp_path, start, robot):
    stale = 0.2  # s: the feeder of a busy machine is no fault
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
    status = robot.status("/controller: input sensor", time.monotonic(), level=OK)
    assert int({p.key: p.value for p in status.values}["clamped"]) > 10
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
    process = start("controller_node", controller_file=str(write(tmp_path)))
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
        late = (fault - heard[-1]) * 1e-9 - 0.05
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
    says("input fine", message="nothing has come yet")
    says("input extra", WARN, text="nobody publishes")  # it is not required
    what = "/drive: /controller publishes geometry_msgs/msg/TwistStamped, but /robot expects sensor_msgs/msg/Imu"
    says("output drive", message=what)
    assert says("guard") == "safe command: invalid input: lonely, typed, strict, fine"

    after = time.monotonic()
    wait(lambda: len([w for w, _ in robot.diagnostics if w > after]) >= 4)
    times = [when for when, _ in robot.diagnostics if when > after]
    assert np.median(np.diff(times)) == pytest.approx(1.0, abs=0.2)
    array = robot.diagnostics[-1][1]
    assert stamp_of(array) == pytest.approx(time.time_ns(), abs=3e9)
    parts = ["loop", "guard", *(f"input {n}" for n in (*names, "extra")), "output drive"]
    assert [s.name for s in array.status] == [f"/controller: {part}" for part in parts]
    loops = [{p.key: p.value for p in one.status[0].values} for when, one in robot.diagnostics if when > after]
    loop = loops[-1]
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
    names = [f"{ns.rstrip('/')}/{name}" for name, ns in robot.node.get_node_names_and_namespaces()]
    assert names.count("/house/left") == 1
    assert names.count("/house/left_io") == 1
    robot.status("/house/left: input sensor", level=OK)


# ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "n"), [(signal.SIGINT, 10), (signal.SIGTERM, 10), (signal.SIGHUP, 2), (signal.SIGQUIT, 1)]
)
def test_all_part_with_the_safe_command_on_a_signal(tmp_path, start, robot, number, n):
    file = write(tmp_path, changed(CONTROLLER, "inputs.sensor.stale", 10.0))  # or a busy machine's robot is, too
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
    wait(lambda: commands[-1][1] == SAFE, what="the final safe command")
    last = np.array([command for _, command in commands[count - 1 :]])
    assert np.abs(np.diff(last)).max() <= 5.0 * PERIOD + 1e-9
    assert last[-2] == SAFE  # reached, then said once more
    assert len(last) >= (last[0] - SAFE) / (5.0 * PERIOD)


@pytest.mark.timed
def test_an_idle_node_waits_for_nothing_when_it_ends(tmp_path, start, robot):
    def seconds():
        process = start("controller_node", controller_file=str(write(tmp_path)))
        wait(lambda: "Hz, realtime" in process.text)
        begin = time.monotonic()
        assert process.end(signal.SIGTERM) == 0
        return time.monotonic() - begin

    within(STOPS_WITHIN, seconds)


# lifecycle -------------------------------------------------------------------------------------------------------


class Lifecycle:
    def __init__(self, robot):
        self.robot = robot

    def go(self, transition):
        request = ChangeState.Request(transition=Transition(id=transition))
        return self.robot.ask(ChangeState, "/controller/change_state", request).success

    @property
    def state(self):
        return self.robot.ask(GetState, "/controller/get_state", GetState.Request()).current_state.id


def test_lifecycle_from_outside(tmp_path, start, robot):
    record = tmp_path / "record.npz"
    process = start("controller_node", controller_file=str(write(tmp_path)), autostart=False, record=str(record))
    life, commands, publisher = Lifecycle(robot), robot.commands(), robot.publisher()
    assert life.state == State.PRIMARY_STATE_UNCONFIGURED
    assert robot.status("/controller: loop", level=WARN).message == "not configured"
    answer = robot.ask(Trigger, "/controller/release", Trigger.Request())
    assert (answer.success, answer.message) == (False, "not active")
    assert life.go(Transition.TRANSITION_CONFIGURE)
    assert life.state == State.PRIMARY_STATE_INACTIVE
    assert robot.status("/controller: loop", level=WARN, text="does not run")
    wait(lambda: publisher.get_subscription_count() and robot.node.count_publishers("drive"))
    feeder = robot.feed(publisher, 1.0, 0.0)
    time.sleep(0.2)
    assert commands == []
    # what came before the activation is of long ago, however new it looks to the loop
    feeder.stop()
    time.sleep(0.3)
    assert life.go(Transition.TRANSITION_ACTIVATE)
    assert life.state == State.PRIMARY_STATE_ACTIVE
    wait(lambda: len(commands) > 20)
    assert {c for _, c in commands} == {SAFE}

    for _ in range(2):
        feeder = robot.feed(publisher, 1.0, 0.0)
        wait(lambda: commands[-1][1] > 0.9)
        assert life.go(Transition.TRANSITION_DEACTIVATE)
        assert life.state == State.PRIMARY_STATE_INACTIVE
        wait(lambda: commands[-1][1] == SAFE, what="the final safe command")
        count = len(commands)
        time.sleep(0.1)
        assert len(commands) == count
        feeder.stop()
        time.sleep(0.1)
        assert life.go(Transition.TRANSITION_ACTIVATE)
        wait(lambda count=count: len(commands) > count + 20)
        assert {c for _, c in commands[count:]} == {SAFE}
    status = robot.status("/controller: loop", time.monotonic(), text="100")  # no rate from before the restart
    assert float({p.key: p.value for p in status.values}["rate_hz"]) == pytest.approx(100, rel=0.1)

    assert life.go(Transition.TRANSITION_DEACTIVATE)
    assert record.is_file()
    assert life.go(Transition.TRANSITION_CLEANUP)
    assert life.state == State.PRIMARY_STATE_UNCONFIGURED
    wait(lambda: robot.node.count_publishers("drive") == 0)
    assert life.go(Transition.TRANSITION_CONFIGURE)
    assert life.go(Transition.TRANSITION_ACTIVATE)
    robot.feed(publisher, 1.0, 0.0)
    wait(lambda: commands[-1][1] > 0.9)
    assert life.go(Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert life.state == State.PRIMARY_STATE_FINALIZED
    wait(lambda: commands[-1][1] == SAFE, what="the final safe command")
    assert process.alive
    assert process.end() == 0
    assert "Traceback" not in process.text


def test_an_error_in_configure_is_reported_and_can_be_mended(tmp_path, start, robot):
    file = tmp_path / "later.yaml"
    process = start("controller_node", controller_file=str(file), autostart=False)
    life = Lifecycle(robot)
    assert not life.go(Transition.TRANSITION_CONFIGURE)
    assert life.state == State.PRIMARY_STATE_UNCONFIGURED
    assert f"{file}: cannot be read" in process.text
    write(tmp_path, changed(CONTROLLER, "ros.outputs.drive.field", "twist.linear.q"), "later.yaml")
    assert not life.go(Transition.TRANSITION_CONFIGURE)  # after the subscriptions were made
    assert "ros.outputs.drive" in process.text
    assert robot.node.count_subscribers("joints") == 0
    write(tmp_path, name="later.yaml")
    assert life.go(Transition.TRANSITION_CONFIGURE)
    assert life.go(Transition.TRANSITION_ACTIVATE)
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: commands and commands[-1][1] > 0.9)
    assert process.end() == 0
    assert "Traceback" not in process.text


def test_release_by_an_operator(tmp_path, start, robot):
    file = write(tmp_path, changed(CONTROLLER, "guard.release", 0))
    process = start("controller_node", controller_file=str(file))
    commands, publisher = robot.commands(), robot.publisher()

    def release():
        return robot.ask(Trigger, "/controller/release", Trigger.Request())

    wait(lambda: commands)
    answer = release()
    assert not answer.success
    assert answer.message == "still the safe command: invalid input: sensor"
    feeder = robot.feed(publisher, 1.0, 0.0)
    robot.status("/controller: guard", level=ERROR, text="waits for an operator's release")
    assert {c for _, c in commands} == {SAFE}
    answer = release()
    assert (answer.success, answer.message) == (True, "commands")
    wait(lambda: commands[-1][1] > 0.9)
    begin = time.time_ns()
    feeder.set(math.nan, 0.0)
    first(commands, begin, is_safe)
    begin = time.time_ns()
    feeder.set(1.0, 0.0)
    time.sleep(0.3)
    assert {c for s, c in commands if s >= begin} == {SAFE}
    assert release().success
    assert process.end() == 0


#: spikes of the sensor learn to hold the command at 1
LEARNS = changed(
    changed(CONTROLLER, "inputs.sensor.encoder", {
        "type": "linear",
        "weights": [[2.0, 1.5, 3.0, 2.5, 4.0, 1.7], [0.0] * 6],
        "neuron": {"type": "lif", "tau_mem": 0.05},
    }),
    "network",
    {
        "populations": {
            "slow": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.1}},
            "wrong": {"size": 1, "neuron": {"type": "relay"}, "bias": -1.0},
        },
        "projections": [
            {"pre": "sensor", "post": "slow", "weights": 0,
             "learning": {"type": "pes", "error": "wrong", "learning_rate": 0.002}},
            {"pre": "slow", "post": "wrong"},
        ],
    },
)  # fmt: skip


def test_learning_is_switched_by_a_service_and_told_in_diagnostics(tmp_path, start, robot):
    """In lockstep, so that the tick of the switch is known: the commands are those of `Controller.step`, to the bit."""
    file = write(tmp_path, LEARNS)
    process = start("controller_node", controller_file=str(file), mode="lockstep")
    publisher, answers = robot.publisher(), robot.commands()
    robot.meets("sensor", publisher)
    reference, found, expected_commands = Controller.load(file), [], []

    def ticks_of(n):
        messages = [joints(1.0, 0.0, stamp_ns=(len(answers) + k + 1) * 10_000_000) for k in range(n)]
        for message in messages:
            k = len(answers)
            publisher.publish(message)
            wait(lambda k=k: len(answers) > k, what=f"the command of tick {k}")
            expected_commands.append(reference.step({"sensor": (1.0, 0.0)})["drive"][0])

    def switch(on):
        answer = robot.ask(SetBool, "/controller/learning", SetBool.Request(data=on))
        reference.learning(on)
        found.append((answer.success, answer.message))

    ticks_of(30)
    switch(False)
    ticks_of(60)
    after = time.monotonic()
    status = robot.status("/controller: learning", after, level=OK, text="off: sensor->slow")
    updates = {pair.key: pair.value for pair in status.values}
    assert updates == {"updates.sensor->slow": str(reference.counters()["learning"]["sensor->slow"]["updates"])}
    switch(True)
    ticks_of(110)
    robot.status("/controller: learning", time.monotonic(), level=OK, text="on: sensor->slow")
    assert found == [(True, "off: sensor->slow"), (True, "on: sensor->slow")]
    commands = np.array([command for _, command in answers])
    np.testing.assert_array_equal(commands, expected_commands)
    assert np.mean(commands[70:90]) < 0.7  # it stays as it was
    assert np.mean(commands[-20:]) == pytest.approx(1.0, abs=0.1)
    assert process.end() == 0


def test_a_controller_that_does_not_learn_says_so_when_asked(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    robot.status("/controller: guard", text="safe command")
    answer = robot.ask(SetBool, "/controller/learning", SetBool.Request(data=True))
    assert not answer.success
    assert answer.message == "learning '': is no rule of this controller; no projection learns"
    assert not any(s.name == "/controller: learning" for _, array in robot.diagnostics for s in array.status)
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_DEACTIVATE))
    assert robot.ask(ChangeState, "/controller/change_state", change).success
    answer = robot.ask(SetBool, "/controller/learning", SetBool.Request(data=True))
    assert (answer.success, answer.message) == (False, "not active")
    assert process.end() == 0


# what only shows from inside ------------------------------------------------------------------------------------


@pytest.fixture
def inside(ros, tmp_path):
    """An active controller node in this process, that nothing spins."""
    parameters = {"controller_file": str(write(tmp_path)), "priority": 0}
    given = [rclpy.parameter.Parameter(name, value=value) for name, value in parameters.items()]
    mask, handlers = signal.pthread_sigmask(signal.SIG_BLOCK, ()), {n: signal.getsignal(n) for n in ENDS}
    stop = Stop()
    node = ControllerNode(stop, parameter_overrides=given)
    assert node.loop.running
    yield node
    node.finish()
    node.destroy_node()
    stop.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def reported(node, part):
    return next(s for s in node._reporter.report() if s.name == f"/controller: {part}")


def test_what_rcl_refuses_is_an_error_as_long_as_it_grows(inside):
    assert reported(inside, "output drive").level == WARN  # nobody subscribes
    for port, part in ((inside.outputs[0], "output drive"), (inside.inputs[0], "input sensor")):
        message = int(port._block[port_base.MESSAGE])
        port._block[port_base.MESSAGE] = 0  # rcl: an invalid argument
        wait(lambda port=port: port.counters()["errors"] > 2)
        port._block[port_base.MESSAGE] = message
        time.sleep(0.05)
        found = reported(inside, part)
        assert found.level == ERROR
        assert "errors of rcl, the last with code 11" in found.message
        assert "errors of rcl" not in reported(inside, part).message
    assert reported(inside, "output drive").level == WARN


def test_a_loop_that_does_not_end_keeps_the_node_active(inside):
    own, table = inside.loop, np.array([0, 2_700_000_000, 1, 0, 0], np.int64)
    assert own.stop()
    assert reported(inside, "guard").level == WARN
    assert reported(inside, "guard").message == "not active"
    inside.loop = Loop(ticks.tick("busy"), table.ctypes.data, 10_000_000, priority=0, lock_memory=False, keep=table)
    inside.loop.start()
    wait(lambda: table[0] == 1)  # the tick hangs
    assert inside.trigger_deactivate() == TransitionCallbackReturn.FAILURE
    assert inside._state_machine.current_state[1] == "active"
    assert inside.exit_code == 1
    assert inside.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
    inside.loop = own


# parameters and rights -------------------------------------------------------------------------------------------


def test_parameters_are_described_and_fixed(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    names = ["controller_file", "mode", "rate", "phase", "priority", "cpu", "record", "autostart"]
    request = DescribeParameters.Request(names=names)
    described = robot.ask(DescribeParameters, "/controller/describe_parameters", request).descriptors
    assert [d.name for d in described] == names
    assert all(d.description and d.read_only for d in described)
    by_name = {d.name: d for d in described}
    assert by_name["rate"].type == ParameterType.PARAMETER_DOUBLE
    assert by_name["rate"].floating_point_range[0].to_value == 20000.0
    assert by_name["phase"].floating_point_range[0].to_value == 1.0
    assert (by_name["priority"].integer_range[0].from_value, by_name["priority"].integer_range[0].to_value) == (0, 98)
    assert by_name["cpu"].integer_range[0].from_value == -1
    value = ParameterValue(type=ParameterType.PARAMETER_DOUBLE, double_value=50.0)
    request = SetParameters.Request(parameters=[Parameter(name="rate", value=value)])
    result = robot.ask(SetParameters, "/controller/set_parameters", request).results[0]
    assert not result.successful
    assert "read-only" in result.reason
    assert process.end() == 0


def test_the_priority_in_the_arguments_is_seen_before_there_is_a_node(tmp_path):
    file = tmp_path / "parameters.yaml"
    file.write_text("/**: {ros__parameters: {priority: 30}}\nother: {ros__parameters: {priority: 5}}")
    for arguments, expected_priority in (
        ([], 80),
        (["--ros-args", "-p", "priority:=0"], 0),
        (["--ros-args", "-p", "priority:=high"], 80),
        (["--ros-args", "--params-file", str(file)], 30),
        (["--ros-args", "-r", "__node:=other", "--params-file", str(file)], 5),
        (["--ros-args", "--params-file", str(file), "-p", "priority:=7", "-p", "rate:=9"], 7),
        (["--ros-args", "-p", "other:priority:=7", "-p", "controller:priority:=8"], 8),
        (["--ros-args", "--params-file", "no.yaml", "-p"], 80),
    ):
        assert given_priority(arguments, "controller", 80) == expected_priority


def test_a_priority_that_dds_did_not_get_is_among_the_missing_rights(monkeypatch):
    assert missing_rights(("memory",)) == ("memory",)
    monkeypatch.setattr(_Dds, "wanted", 200)  # there is none above 99
    monkeypatch.setattr(_Dds, "granted", 200)
    with dds_threads():
        pass
    assert missing_rights(("memory",))[1].startswith("SCHED_FIFO priority 200 of the DDS threads")


@pytest.mark.parametrize(
    ("mode", "priority", "of_dds"), [("realtime", 80, 60), ("lockstep", 80, 60), ("realtime", 0, 0), ("realtime", 9, 8)]
)
def test_threads_have_the_priorities_that_were_promised(tmp_path, start, mode, priority, of_dds):
    if not fifo_is_granted():
        pytest.skip("SCHED_FIFO is not granted here")
    process = start("controller_node", controller_file=str(write(tmp_path)), mode=mode, priority=priority)
    wait(lambda: f"Hz, {mode}" in process.text)
    pid, found = process.process.pid, {}
    for task in os.listdir(f"/proc/{pid}/task"):
        policy = os.sched_getscheduler(int(task)) & ~os.SCHED_RESET_ON_FORK
        name = Path(f"/proc/{pid}/task/{task}/comm").read_text().strip()
        found[int(task)] = (name, os.sched_getparam(int(task)).sched_priority if policy == os.SCHED_FIFO else 0)
    assert found[pid][1] == 0  # compiles, answers services, reports
    dds = [priority for name, priority in found.values() if name.startswith("dds.")]
    assert len(dds) >= 4
    assert set(dds) == {of_dds}
    loops = [one for _, one in found.values() if one > of_dds]
    assert loops == ([priority] if mode == "realtime" and priority else [])
    assert process.end() == 0


def test_commands_carry_the_time_in_order(tmp_path, start, robot):
    process = start("controller_node", controller_file=str(write(tmp_path)))
    wait(lambda: "Hz, realtime" in process.text)
    heard = []
    robot.listen(TwistStamped, "drive", heard.append, QoSProfile(depth=1))
    wait(lambda: len(heard) > 5)
    stamps = [stamp_of(m) for m in heard]
    assert stamps == sorted(stamps)
    assert stamps[0] == pytest.approx(time.time_ns(), abs=2e9)
    assert process.end() == 0
