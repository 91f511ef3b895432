"""Elements picked by name, by slice and by angle, out of real messages, against plain Python on the message."""

from __future__ import annotations

import ctypes
import math
from random import Random

import numpy as np
import pytest
from geometry_msgs.msg import Transform, TransformStamped
from rclpy.serialization import deserialize_message, serialize_message
from rosidl_parser.definition import NamespacedType, UnboundedSequence, UnboundedString
from sensor_msgs.msg import JointState, LaserScan, MultiDOFJointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from snn_control.errors import DescriptionError, InputError
from snn_control.ros.messages.malformed import explain
from snn_control.ros.messages.message_values import compiled_reader, read_values
from snn_control.ros.messages.path_program import compile_path
from snn_control.ros.messages.selection import DETAIL, NO_NAME, REPEATED, SCRATCH_WORDS, UNEVEN
from snn_control.ros.messages.template import make_message, make_template
from tests.guarded import Guarded
from tests.ros.reference import declare, encode
from tests.ros.test_path_program import mutate

JOINTS = ["pan", "tilt", "arm/shoulder_lift_joint", "arm/elbow.joint-2", "wrist", "gripper", "pa", "pann", "tilT", ""]
FRAMES = declare(
    "TFMessage", transforms=UnboundedSequence(NamespacedType(["geometry_msgs", "msg"], "TransformStamped"))
)
#: names behind the numbers that they name
BEHIND = declare(
    "Behind",
    velocity=UnboundedSequence(JointState.SLOT_TYPES[2].value_type),
    frame=UnboundedString(),
    joints=UnboundedSequence(UnboundedString()),
)


class Port:
    """Reads with scratch memory of its own, as a port does."""

    def __init__(self, message_class, path) -> None:
        self.program = compile_path(message_class, path)
        self.scratch, self.out = np.zeros(SCRATCH_WORDS, np.int64), np.zeros(64)
        self.room = Guarded(4096)

    def __call__(self, data, capacity=64):
        out, scratch = self.out.ctypes.data, self.scratch.ctypes.data
        n = compiled_reader()(self.program.address, self.room.put(bytes(data)), len(data), out, capacity, scratch, 0)
        return n if n < 0 else self.out[:n].tolist()

    def why(self, code):
        return explain(code, self.scratch[DETAIL : DETAIL + 2].tolist(), self.program.field, self.program.named)


def plain(message, wanted):
    """What a reader of rclpy's message would take, or the code and the name at which it fails."""
    names, values = message.name, message.position
    for k, name in enumerate(names):
        if name in wanted and name in names[:k]:
            return REPEATED, name
    for name in wanted if names else ():
        if name not in names:
            return NO_NAME, name
    if not len(values):
        return []
    if len(values) != len(names):
        return UNEVEN, ""
    return [values[names.index(name)] for name in wanted]


@pytest.mark.parametrize("wanted", [["pan"], ["tilt", "pan"], ["arm/elbow.joint-2", "wrist", "pan"]])
def test_joints_by_name_are_those_that_the_message_calls_so(wanted):
    """Order, extra, missing and repeated joints, empty messages: 10,000 of them in all, many twice in a row."""
    random, port = Random(len(wanted)), Port(JointState, f"position[name={','.join(wanted)}]")
    seen: dict[int, int] = {}
    names = list(JOINTS)
    for _ in range(3334):
        if random.random() < 0.3:
            names = random.sample(JOINTS, random.choice([0, 3, 8, 9, 10, 10, 10]))
        if random.random() < 0.05:
            names = [*names, random.choice(JOINTS)]
        message = JointState(name=names, position=[random.uniform(-9, 9) for _ in names])
        message.header.frame_id = "x" * random.randrange(5)
        if random.random() < 0.1:
            message.position = random.choice([[], [1.0, 2.0], [*message.position, 1.0]])
        data = encode(message, big=True) if random.random() < 0.2 else serialize_message(message)
        expected = plain(deserialize_message(bytes(data), JointState), wanted)
        found = port(data)
        if isinstance(expected, tuple):
            assert found == expected[0]
            assert expected[1] in port.why(found)
            seen[found] = seen.get(found, 0) + 1
        else:
            assert found == expected
            seen[len(found)] = seen.get(len(found), 0) + 1
    assert {0, len(wanted), NO_NAME, REPEATED, UNEVEN} <= set(seen), seen
    assert min(seen.values()) > 10, seen


def test_hostile_lists_of_names():
    """Cut at every byte, and changed: nothing beyond the message is read, and no number is taken for another joint."""
    random, port = Random(1), Port(JointState, "position[name=tilt,pan]")
    for big in (False, True):
        whole = encode(JointState(name=["pan", "tilt", "roll"], position=[1.0, 2.0, 3.0]), big)
        assert port(whole) == [2, 1]
        assert all(port(whole[:cut]) in (-1, -2) for cut in range(len(whole)))
        for _ in range(2000):
            data = mutate(whole, random)
            found = port(data)
            if not isinstance(found, int) and found:
                try:
                    message = deserialize_message(data, JointState)
                except Exception:  # rclpy's own error: the changed bytes are no text
                    continue
                np.testing.assert_array_equal(found, plain(message, ["tilt", "pan"]))


@pytest.mark.parametrize("big", [False, True])
def test_hostile_bytes_of_what_is_picked(big):
    random = Random(2)
    frames, behind = FRAMES(), BEHIND()
    frames.transforms = [TransformStamped(child_frame_id=name) for name in ("cam", "tool")]
    behind.velocity, behind.frame, behind.joints = [1.0, 2.0, 3.0], "abc", ["a", "c", "b"]
    points = [JointTrajectoryPoint(positions=[1.0, 2.0]) for _ in range(2)]
    for message, path, n in [
        (frames, "transforms[child_frame_id=tool].transform.translation.x", 1),
        (behind, "velocity[joints=b,a]", 2),
        (JointTrajectory(joint_names=["a", "b"], points=points), "points[-1].positions[joint_names=b]", 1),
        (LaserScan(angle_min=-1.0, angle_increment=0.1, ranges=[1.0] * 20), "ranges[angle=-0.5:0.5]", 11),
        (LaserScan(ranges=[1.0] * 20), "ranges[-3::-2]", 9),
    ]:
        port, whole = Port(type(message), path), encode(message, big)
        target = Guarded(8 * n)
        port.out = np.frombuffer((ctypes.c_uint8 * (8 * n)).from_address(target.put(bytes(8 * n))), np.float64)
        assert len(port(whole, n)) == n, path
        assert all(port(whole[:cut], n) in (-1, -2) for cut in range(len(whole)))
        for _ in range(400):
            found = port(mutate(whole, random), n)
            assert isinstance(found, list) or -9 <= found < 0


def test_names_in_the_elements_behind_them_and_further_out():
    random = Random(4)
    port = Port(FRAMES, "transforms[child_frame_id=tool,base].transform.translation.x")
    named = {"tool": 1.5, "base": 2.5, "cam": 3.5}
    for _ in range(50):
        names = random.sample(list(named), 3)
        message = FRAMES()
        message.transforms = [TransformStamped(child_frame_id=name) for name in names]
        for one in message.transforms:
            one.header.frame_id = "w" * random.randrange(6)
            one.transform.translation.x = named[one.child_frame_id]
        for big in (False, True):
            assert port(encode(message, big)) == [1.5, 2.5]
    message.transforms[2].child_frame_id = "tool"
    message.transforms[1].child_frame_id = "tool"
    assert port.why(port(encode(message))) == "'tool' is more than once in child_frame_id"
    message.transforms = message.transforms[:1]
    message.transforms[0].child_frame_id = "tool"
    assert port.why(port(encode(message))) == "'base' is not in child_frame_id"
    message.transforms = []
    assert port(encode(message)) == []

    port = Port(BEHIND, "velocity[joints=b,a]")
    behind = BEHIND()
    behind.velocity, behind.frame, behind.joints = [1.0, 2.0, 3.0], "abc", ["a", "c", "b"]
    assert port(encode(behind)) == [3, 1]
    assert port(encode(behind, big=True)) == [3, 1]

    port = Port(MultiDOFJointState, "transforms[joint_names=b].rotation.w")
    bodies = MultiDOFJointState(joint_names=["a", "b"], transforms=[Transform(), Transform()])
    bodies.transforms[1].rotation.w = 0.25
    assert port(serialize_message(bodies)) == [0.25]

    port = Port(JointTrajectory, "points[-1].positions[joint_names=b,a]")
    points = [JointTrajectoryPoint(positions=[1.0, 2.0]), JointTrajectoryPoint(positions=[3.0, 4.0])]
    assert port(serialize_message(JointTrajectory(joint_names=["a", "b"], points=points))) == [4, 3]
    assert port(serialize_message(JointTrajectory(joint_names=["a", "b"]))) == []


def test_slices_are_pythons_where_all_is_there():
    random, n = Random(0), 12
    values = [float(k) for k in range(n)]
    data = encode(JointState(position=values))
    ends, outcomes = [None, *range(-n - 1, n + 2)], set()
    for _ in range(600):
        start, stop, step = random.choice(ends), random.choice(ends), random.choice([1, 1, 2, 3, 5, -1, -2])
        text = ":".join("" if k is None else str(k) for k in (start, stop, step))
        ahead = step > 0
        first = (0 if ahead else n - 1) if start is None else start + n * (start < 0)
        end = (n if ahead else -1) if stop is None else stop + n * (stop < 0)
        named = list(range(first, end, step))  # as Python, but not cut to what is there
        try:
            program = compile_path(JointState, f"position[{text}]")
        except DescriptionError:
            assert not range(10**9)[start:stop:step], text
            outcomes.add("refused")
            continue
        if named and all(0 <= k < n for k in named):
            found = read_values(program, data)[0].tolist()
            assert found == values[start:stop:step], text
            assert program.size in (-1, len(found)), text
            outcomes.add("read")
        else:
            with pytest.raises(InputError, match="has 12 elements, too few"):
                read_values(program, data)
            outcomes.add("missing")
    assert len(outcomes) == 3
    assert read_values(compile_path(JointState, "position[-1]"), data)[0] == [11]
    scan = LaserScan(ranges=values)
    assert read_values(compile_path(LaserScan, "ranges[-3:]"), encode(scan, big=True))[0].tolist() == [9, 10, 11]
    with pytest.raises(InputError, match="has 12 elements, too few"):
        read_values(compile_path(JointState, "position[-13:]"), data)


def beams(scan, low, high):
    """Ranges of the beams within the angles, by angle, each once; the slow way."""
    found = {}
    for k, value in enumerate(scan.ranges):
        angle = scan.angle_min + k * scan.angle_increment
        turns = [angle + m * 2 * math.pi for m in range(-4, 5)]
        near = 1.1e-3 * abs(scan.angle_increment)
        for turned in turns:
            if low - near <= turned <= high + near and value not in found:
                found[value] = turned
    return sorted(found, key=lambda value: found[value])


@pytest.mark.parametrize("big", [False, True])
def test_beams_by_angle(big):
    """Scans of either direction, around any zero, of any number of beams; sectors across the scan's ends too."""
    random = Random(7)
    for _ in range(300):
        n = random.choice([30, 360, 361, 720])
        span = random.choice([2 * math.pi * (n - 1) / n, math.pi, 4.5])
        start = random.choice([0.0, -math.pi, -span / 2, 1.0])
        step = random.choice([1, -1]) * span / (n - 1)
        scan = LaserScan(angle_min=start, angle_increment=step, ranges=[float(k) for k in range(n)])
        low = random.uniform(-3, 1.5)
        high = low + random.uniform(0.3, 3.0)
        in_degrees = f"{math.degrees(low)}deg:{math.degrees(high)}deg"
        port = compile_path(LaserScan, f"ranges[{random.choice([f'angle={low}:{high}', in_degrees])}]")
        expected = beams(scan, low, high)
        if (len(expected) + 1.001) * abs(step) < high - low:  # the scan does not cover all of these angles
            with pytest.raises(InputError, match="a part of it" if expected else "has no beam within"):
                read_values(port, encode(scan, big))
            continue
        assert read_values(port, encode(scan, big))[0].tolist() == expected
    whole = LaserScan(angle_min=0.0, angle_increment=math.radians(1), ranges=[float(k) for k in range(360)])
    found = read_values(compile_path(LaserScan, "ranges[angle=-3.14159265:3.14159265]"), encode(whole))[0]
    assert sorted(found.tolist()) == whole.ranges.tolist()
    assert found[180] == 0
    for wrong in (0.0, math.nan, math.inf, 7.0):
        whole.angle_increment = wrong
        with pytest.raises(InputError, match="no beam"):
            read_values(compile_path(LaserScan, "ranges[angle=-1:1]"), encode(whole, big))


def test_commands_by_name():
    fields = [("position[name=tilt]", 1), ("position[name=pan,roll]", 2)]
    message = make_message(JointState, fields)
    assert (message.name, list(message.position)) == (["tilt", "pan", "roll"], [0, 0, 0])
    template = make_template(JointState, fields, {"name": ["pan", "tilt", "roll"]}, serialize_message)
    first, second = (places.tolist() for places in template.places)
    assert first[0] - second[0] == 8
    assert second[1] - first[0] == 8
    trajectory = make_message(JointTrajectory, [("points[0].positions[joint_names=b,a]", 2)])
    assert trajectory.joint_names == ["b", "a"]
    assert list(trajectory.points[0].positions) == [0, 0]
    transforms = make_message(MultiDOFJointState, [("transforms[joint_names=a].rotation.w", 1)])
    assert (transforms.joint_names, len(transforms.transforms)) == (["a"], 1)
    scan = make_message(LaserScan, [("ranges[angle=-1:1]", 4)])
    assert (scan.angle_min, scan.angle_increment, len(scan.ranges)) == (-0.75, 0.5, 4)
    for fields, values, says in [
        ([("position[name=pan]", 1)], {"name": ["pan", "tilt"]}, "leaves others of name without a number"),
        ([("position[name=pan]", 1), ("position[0]", 1)], {}, "commanded twice"),
        ([("position[-1]", 1)], {}, "count from 0"),
        ([("position[name=pan]", 2)], {}, "names 1 numbers"),
    ]:
        with pytest.raises(DescriptionError, match=says):
            make_template(JointState, fields, values, serialize_message)
    make_template(
        JointState, [("position[name=pan]", 1)], {"name": ["pan", "tilt"], "position": [0.0, 1.0]}, serialize_message
    )
