"""Paths into CDR messages: against attribute access, in both byte orders, and against hostile bytes."""

from __future__ import annotations

import importlib
import struct
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosidl_parser.definition import (
    Array,
    BasicType,
    BoundedSequence,
    BoundedString,
    BoundedWString,
    NamespacedType,
    UnboundedSequence,
    UnboundedString,
    UnboundedWString,
)
from sensor_msgs.msg import Imu, JointState, LaserScan
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from snn_control.errors import DescriptionError, InputError
from snn_control.events.cdr import ENCAPSULATION, MISSING
from snn_control.ros.messages import selection as pick
from snn_control.ros.messages.element_types import KINDS
from snn_control.ros.messages.message_values import compiled_reader, locate, message_end, read_values
from snn_control.ros.messages.path_program import compile_path
from snn_control.ros.messages.selection import SCRATCH_WORDS
from snn_control.ros.messages.template import make_message
from tests.guarded import Guarded
from tests.ros.calling import put
from tests.ros.reference import declare, encode, lookup, paths, random_message

NAMES = """
    sensor_msgs/Imu sensor_msgs/JointState sensor_msgs/LaserScan sensor_msgs/Range sensor_msgs/Image
    sensor_msgs/PointCloud2 sensor_msgs/NavSatFix sensor_msgs/Joy sensor_msgs/CameraInfo sensor_msgs/BatteryState
    sensor_msgs/MultiDOFJointState sensor_msgs/MultiEchoLaserScan nav_msgs/Odometry nav_msgs/Path
    nav_msgs/OccupancyGrid geometry_msgs/TwistStamped geometry_msgs/PoseWithCovarianceStamped geometry_msgs/Polygon
    geometry_msgs/TransformStamped std_msgs/Float64MultiArray std_msgs/Float32 std_msgs/Int16 std_msgs/Bool
    std_msgs/Byte std_msgs/Char std_msgs/UInt64 std_msgs/Int8MultiArray std_msgs/ByteMultiArray
    trajectory_msgs/JointTrajectory trajectory_msgs/MultiDOFJointTrajectory diagnostic_msgs/DiagnosticArray
    rcl_interfaces/ParameterEvent rcl_interfaces/ParameterDescriptor rosgraph_msgs/Clock
""".split()


def struct_of(name: str) -> NamespacedType:
    package, short = name.split("/")
    return NamespacedType([package, "msg"], short)


def message_type(name: str) -> type:
    package, short = name.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), short)


INSTALLED = [message_type(name) for name in NAMES]

#: what no installed type has: a transform tree (tf2_msgs has no wheel), wide strings, arrays of everything
OWN = [
    declare("TFMessage", transforms=UnboundedSequence(struct_of("geometry_msgs/TransformStamped"))),
    declare(
        "Mixed",
        flag=BasicType("boolean"),
        wide=UnboundedWString(),
        short=BasicType("int16"),
        bounded=BoundedString(5),
        wides=UnboundedSequence(BoundedWString(3)),
        raw=BoundedSequence(BasicType("octet"), 3),
        nothing=struct_of("std_msgs/Empty"),
        nothings=UnboundedSequence(struct_of("std_msgs/Empty")),
        names=Array(UnboundedString(), 2),
        big=BasicType("uint64"),
        times=Array(struct_of("builtin_interfaces/Time"), 2),
        headers=Array(struct_of("std_msgs/Header"), 3),
        points=UnboundedSequence(struct_of("geometry_msgs/Point32")),
        triangles=UnboundedSequence(struct_of("geometry_msgs/Inertia")),
        last=BasicType("int8"),
    ),
    declare("Stamped", stamp=struct_of("builtin_interfaces/Time"), value=BasicType("float")),
]


SCRATCH = np.zeros(SCRATCH_WORDS, np.int64)
ROOM = np.zeros(64)


def run(program, address, length, capacity, out=0) -> int:
    out = out or ROOM.ctypes.data
    return compiled_reader()(program.address, address, length, out, capacity, SCRATCH.ctypes.data, 0)


def stamp_of(message) -> int:
    stamp = getattr(message, "stamp", getattr(getattr(message, "header", None), "stamp", None))
    return -1 if stamp is None else stamp.sec * 10**9 + stamp.nanosec


SOME = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("message_class", [*INSTALLED, *OWN], ids=lambda c: c.__name__)
@SOME
@given(seed=SEEDS)
def test_walk_equals_attribute_access(message_class, seed):
    from rclpy.serialization import deserialize_message, serialize_message

    random = Random(seed)
    message = random_message(message_class, random)
    forms = [encode(message), encode(message, big=True)]
    if message_class in INSTALLED:
        assert all(deserialize_message(form, message_class) == message for form in forms)  # the encoder is right
        forms.append(serialize_message(message))
    for path in paths(message, random):
        program = compile_path(message_class, path)
        expected = lookup(message, path)
        assert program.size in (-1, len(expected)) or not expected
        for form in forms:
            values, stamp = read_values(program, form)
            np.testing.assert_array_equal(values, expected)
            if program.stamped:
                assert stamp == stamp_of(message)
            assert message_end(program, form) == len(forms[0])
        # the places found are those of the values, in the element type's own form
        offsets = locate(program, forms[0])
        dtype = np.dtype(KINDS[program.kind])
        found = [np.frombuffer(forms[0], dtype, 1, o)[0] for o in offsets]
        np.testing.assert_array_equal(np.asarray(found, np.float64), expected)


@pytest.mark.parametrize(
    "message_class", [Imu, JointState, LaserScan, *INSTALLED[-5:-2], *OWN], ids=lambda c: c.__name__
)
@settings(SOME, max_examples=10)
@given(seed=SEEDS)
def test_hostile_bytes_stay_within_the_message(message_class, seed):
    """Cut at every byte, and mutated: nothing outside is read or written, and a cut is always detected."""
    random = Random(seed)
    message = random_message(message_class, random)
    choices = list(paths(message, random))
    for big in (False, True):
        whole = encode(message, big)
        room = Guarded(len(whole))
        for path in random.sample(choices, min(4, len(choices))):
            program = compile_path(message_class, path)
            n = len(lookup(message, path))
            target = Guarded(8 * n + 8)
            out = target.put(bytes(8 * n))  # one value more would touch the guard

            assert run(program, room.put(whole), len(whole), n, out) == n
            assert all(run(program, room.put(whole[:cut]), cut, n, out) < 0 for cut in range(len(whole)))
            for _ in range(150):
                data = mutate(whole, random)
                assert pick.EXTRA <= run(program, room.put(data), len(data), n, out) <= n


def mutate(data: bytes, random: Random) -> bytes:
    """Replace some bytes, and often a length, by harmful values."""
    mutated = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 5])):
        mutated[random.randrange(len(mutated))] = random.choice([0, 1, 2, 127, 128, 255, random.randrange(256)])
    if random.random() < 0.3 and len(mutated) >= 8:
        o = random.randrange(4, len(mutated) - 3) & ~3
        mutated[o : o + 4] = struct.pack("<I", random.choice([2**32 - 1, 2**31, 2**31 - 1, 2**30, len(mutated)]))
    return bytes(mutated)


@pytest.mark.parametrize(
    "head", [b"", b"\0", b"\0\1\0", b"\0\2\0\0", b"\0\3\0\0", b"\0\6\0\0", b"\0\7\0\0", b"\1\1\0\0"]
)
def test_other_encapsulations_are_refused(head):
    data = head + bytes(400) if len(head) == 4 else head
    n = run(compile_path(Imu, "angular_velocity.z"), np.frombuffer(data + b"\0", np.uint8).ctypes.data, len(data), 1)
    assert n == ENCAPSULATION


def test_counts_that_do_not_fit():
    message = JointState(name=["a"], position=[1.0, 2.0, 3.0], effort=[])
    data = np.frombuffer(encode(message), np.uint8)
    where = data.ctypes.data, len(data)
    assert run(compile_path(JointState, "position[:]"), *where, 3) == 3
    assert run(compile_path(JointState, "position[:]"), *where, 2) == pick.EXTRA
    assert run(compile_path(JointState, "position[3]"), *where, 1) == MISSING
    assert run(compile_path(JointState, "position[1:4]"), *where, 3) == MISSING
    assert run(compile_path(JointState, "position[3:]"), *where, 3) == MISSING
    for nothing_due in ("effort[:]", "effort[4]", "effort[1:]"):
        assert run(compile_path(JointState, nothing_due), *where, 3) == 0
    trajectory = encode(JointTrajectory(points=[JointTrajectoryPoint(positions=[1.0, 2.0]) for _ in range(2)]))
    data2 = np.frombuffer(trajectory, np.uint8)
    for path, code in [
        ("points[1].positions[1]", 1),
        ("points[:].positions[1]", 2),
        ("points[:].positions[:]", pick.EXTRA),
        ("points[2].positions[1]", MISSING),
        ("points[2:].positions[1]", MISSING),
        ("points[1:3].positions[1]", MISSING),
        ("points[1].positions[2]", MISSING),
        ("points[1].velocities[2]", 0),
    ]:
        assert run(compile_path(JointTrajectory, path), data2.ctypes.data, len(data2), 3) == code, path
    with pytest.raises(InputError, match="has 3 elements, too few"):
        read_values(compile_path(JointState, "position[3]"), data)


def test_a_time_before_zero_is_no_stamp():
    message = Imu()
    message.header.stamp.sec = -5
    assert read_values(compile_path(Imu, "orientation.w"), encode(message))[1] == -1


def test_a_structure_of_numbers_of_one_type_is_an_array():
    message = Imu()
    message.orientation.y, message.angular_velocity.y, message.angular_velocity.z = 0.5, 2.0, 3.0
    for big in (False, True):
        data = encode(message, big)
        for path, expected in {
            "orientation[:]": [0.0, 0.5, 0.0, 1.0],
            "angular_velocity[:]": [0.0, 2.0, 3.0],
            "angular_velocity[0:2]": [0.0, 2.0],
            "angular_velocity[-1]": [3.0],
        }.items():
            program = compile_path(Imu, path)
            assert program.size == len(expected)
            np.testing.assert_array_equal(read_values(program, data)[0], expected)
    made = make_message(Imu, [("angular_velocity[0:2]", 2), ("angular_velocity.z", 1)])
    assert made == Imu()


def test_sizes_known_beforehand():
    sizes = {"angular_velocity.z": 1, "orientation_covariance[4]": 1, "orientation_covariance[:]": 9}
    sizes["orientation_covariance[2:5]"] = 3
    assert {path: compile_path(Imu, path).size for path in sizes} == sizes
    assert compile_path(JointState, "position[:]").size == -1
    assert compile_path(JointState, "position[2:6]").size == 4
    assert compile_path(OWN[0], "transforms[1:3].transform.translation.x").size == 2
    program = compile_path(Imu, "angular_velocity.z")
    assert (program.message_type, KINDS[program.kind], program.stamped) == ("sensor_msgs/msg/Imu", "float64", True)


@pytest.mark.parametrize(
    ("message_class", "path", "says"),
    [
        (Imu, "angular_velocty.z", "did you mean 'angular_velocity'"),
        (Imu, "angular_velocity.q", "it has x, y, z"),
        (Imu, "angular_velocity", "angular_velocity.x, angular_velocity.y"),
        (Imu, "angular_velocity[0].x", "takes no index"),
        (Imu, "angular_velocity.x[0]", "takes no index"),
        (Imu, "angular_velocity[3]", "index 3 is not in it; 3 is the most"),
        (Imu, "header[0]", "takes no index"),
        (Imu, "angular_velocity.x.y", "has no field 'y'"),
        (Imu, "header.frame_id", "is a string, not a number"),
        (Imu, "orientation_covariance", r"orientation_covariance\[0\]"),
        (Imu, "orientation_covariance[9]", "index 9 is not in it; 9 is the most"),
        (Imu, "orientation_covariance[4:10]", "index 9"),
        (JointState, "position[0:9:0]", "a step of 0"),
        (JointState, "position[-3:-5]", "selects nothing"),
        (JointState, "position[names=a]", "did you mean 'name'"),
        (JointState, "position[name=a,a]", "says a name twice"),
        (JointState, "position[name=]", "lacks a name"),
        (JointState, "position[angle=0:1]", "JointState has no number 'angle_min'"),
        (LaserScan, "ranges[name=a]", "there are no names 'name' of its elements; names stand in no field of it"),
        (LaserScan, "ranges[angle=1:0]", "the first below the second"),
        (LaserScan, "ranges[angle=a:b]", "must be two angles"),
        (LaserScan, "ranges[angle=0:1:2]", "must be two angles"),
        (LaserScan, "ranges[30deg:-30deg]", "the first below the second"),
        (LaserScan, "ranges[-30deg:30]", r"\[-30deg:30\] is not an index; write .* or \[-30deg:30deg\]"),
        (JointState, "position[0deg:1deg]", "JointState has no number 'angle_min'"),
        (Imu, "orientation_covariance[-10]", "index -10 is not in it"),
        (OWN[0], "transforms[::-1].transform.translation.x", "only numbers can be selected"),
        (OWN[0], "transforms[child_frame_di=a].transform.translation.x", "did you mean 'child_frame_id'"),
        (JointState, "position[3:3]", "selects nothing"),
        (JointState, "position[x]", "is not an index"),
        (JointState, "position[99999999999]", "longer than any message"),
        (JointState, "position[0].x", "has no field 'x'"),
        (JointState, "name[0]", "is a string"),
        (JointState, "", "must be a path"),
        (JointState, "position..x", "is not a field"),
        (OWN[1], "raw[3]", "index 3"),
        (dict, "a", "message class"),
    ],
)
def test_wrong_paths_say_what_is_wrong(message_class, path, says):
    with pytest.raises(DescriptionError, match=says):
        compile_path(message_class, path)


@given(
    value=st.floats(allow_nan=False)
    | st.sampled_from([0.5, 1.5, 2.5, -0.5, 254.5, 255.5, 2.0**31, 2.0**32, 2.0**53, 2.0**63, 2.0**64, 2.0**63 - 1024])
    | st.integers(-(2**65), 2**65).map(float)
)
@settings(max_examples=300, deadline=None)
def test_numbers_are_rounded_and_saturated(value):
    for kind, name in enumerate(KINDS):
        dtype = np.dtype(name)
        cell = np.zeros(1, dtype)
        put(cell.ctypes.data, kind, value)
        if dtype.kind == "f":
            limit = float(np.finfo(dtype).max)
            expected = value if name == "float64" else dtype.type(min(max(value, -limit), limit))
        else:
            low, high = (0, 1) if name == "bool" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
            expected = high if value == np.inf else low if value == -np.inf else min(max(round(value), low), high)
        assert cell[0] == expected, (name, value)


def test_nan_becomes_zero_in_an_integer():
    for kind, name in enumerate(KINDS):
        cell = np.ones(1, name)
        put(cell.ctypes.data, kind, float("nan"))
        assert np.isnan(cell[0]) if cell.dtype.kind == "f" else cell[0] == 0
