"""Limits of outputs from joint_limits.yaml and from URDF files."""

import numpy as np
import pytest

from snn_control.controller_file import load_spec, parse_spec
from snn_control.errors import DescriptionError

YAML = """
joint_limits:
  pan:
    has_position_limits: true
    min_position: -1.5
    max_position: 1.2
    has_velocity_limits: true
    max_velocity: 2.0
    has_acceleration_limits: true
    max_acceleration: 8
    has_deceleration_limits: true
    max_deceleration: 6.0
    has_jerk_limits: true
    max_jerk: 100.0
    has_effort_limits: true
    max_effort: 3.0
    angle_wraparound: false
  tilt:
    has_position_limits: false
    min_position: -1.0
    max_position: 1.0
    has_velocity_limits: true
    max_velocity: 1.0
    has_acceleration_limits: true
    max_acceleration: 4.0
"""
URDF = """<?xml version="1.0"?>
<robot name="r">
  <link name="base"/>
  <joint name="pan" type="revolute"><limit lower="-1.5" upper="1.2" velocity="2.0" effort="3.0"/></joint>
  <joint name="wheel" type="continuous"><limit velocity="7" effort="2"/></joint>
  <joint name="rail" type="prismatic"><limit upper="0.5" velocity="1" effort="9"/></joint>
  <joint name="fixed" type="fixed"/>
  <ros2_control name="h" type="system"><joint name="pan"><command_interface name="position"/></joint></ros2_control>
  <transmission name="t"><joint name="wheel"><hardwareInterface>effort</hardwareInterface></joint></transmission>
</robot>
"""


def made(folder, **output):
    nested = "controller_manager:\n  ros__parameters:" + YAML.replace("\n", "\n    ")
    for name, text in {"joint_limits.yaml": YAML, "robot.urdf": URDF, "nested.yaml": nested}.items():
        (folder / name).write_text(text)
    values = {
        "version": 1, "period": 0.01,
        "network": {"populations": {"h": {"size": 1, "neuron": {"type": "li"}}}},
        "outputs": {"u": {"decoder": {"type": "membrane", "from": "h", "weights": 1.0}} | output},
    }  # fmt: skip
    return parse_spec(values, folder)


def limits(joints, file="joint_limits.yaml", **more):
    return {"file": file, "joints": joints} | more


def of(spec):
    one = spec.outputs[0]
    return [np.broadcast_to(x, one.size).tolist() for x in (*one.limits, one.slew, one.acceleration, one.jerk)]


INF = np.inf


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        (limits(["pan"]), [[-1.5], [1.2], [2.0], [6.0], [100.0]]),
        (limits(["tilt", "pan"]), [[-INF, -1.5], [INF, 1.2], [1.0, 2.0], [4.0, 6.0], [INF, 100.0]]),
        (limits(["pan"], of="velocity"), [[-2.0], [2.0], [6.0], [100.0], [INF]]),
        (limits(["pan"], of="effort"), [[-3.0], [3.0], [INF], [INF], [INF]]),
        (limits(["pan"], use=["velocity"]), [[-INF], [INF], [2.0], [INF], [INF]]),
        (limits(["pan", "wheel"], "robot.urdf"), [[-1.5, -INF], [1.2, INF], [2.0, 7.0], [INF, INF], [INF, INF]]),
        (limits(["rail"], "robot.urdf", of="effort"), [[-9.0], [9.0], [INF], [INF], [INF]]),
        (limits(["rail"], "robot.urdf"), [[0.0], [0.5], [1.0], [INF], [INF]]),
        (limits(["pan"], "nested.yaml"), [[-1.5], [1.2], [2.0], [6.0], [100.0]]),
    ],
)
def test_what_limits_a_command_follows_from_what_it_is(tmp_path, chosen, wanted):
    assert of(made(tmp_path, size=len(chosen["joints"]), joint_limits=chosen)) == wanted


def test_the_tighter_limit_holds(tmp_path):
    one = made(tmp_path, joint_limits=limits(["pan"]), limits=[-1, 5], slew=1.5, acceleration=20)
    assert of(one) == [[-1.0], [1.2], [1.5], [6.0], [100.0]]


def test_a_saved_file_has_the_limits_themselves(tmp_path):
    one = made(tmp_path, joint_limits=limits(["pan"]))
    (tmp_path / "other").mkdir()
    assert of(load_spec(one.save(tmp_path / "other" / "a.yaml"))) == of(one)


@pytest.mark.parametrize(
    ("chosen", "needle"),
    [
        (limits(["pam"]), "outputs.u.joint_limits.joints = 'pam': is not a joint of the file; did you mean 'pan'"),
        (limits(["pan", "tilt"]), "must be as many as the output's size: 1"),
        (limits(["pan"], "none.yaml"), "outputs.u.joint_limits.file = .*none.yaml': cannot be read"),
        (limits(["pan"], of="torque"), "outputs.u.joint_limits.of = 'torque'"),
        (limits(["pan"], use=["speed"]), "must be a list of position, velocity"),
        (limits("p"), "joint_limits.joints = 'p': must be a list of names"),
        (limits(["fixed"], "robot.urdf"), "'fixed': has no limit of position or velocity"),
        (limits(["tilt"], of="effort"), "'tilt': has no limit of effort in joint_limits.yaml"),
        (limits(["pan"], "robot.urdf.xacro"), "first: xacro robot.urdf.xacro > robot.urdf"),
        ({"joints": ["pan"]}, "outputs.u.joint_limits.file: is missing"),
        (limits(["pan"], more=1), "outputs.u.joint_limits.more = 1: is not a known key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, chosen, needle):
    with pytest.raises(DescriptionError, match=needle):
        made(tmp_path, joint_limits=chosen)


@pytest.mark.parametrize(
    ("name", "text", "needle"),
    [
        ("joint_limits.yaml", "joint_limits: 3", "no mapping joint_limits"),
        ("joint_limits.yaml", "a: [", "cannot be read"),
        ("joint_limits.yaml", "joint_limits: {pan: 3}", "pan: must be a mapping"),
        ("joint_limits.yaml", "joint_limits: {pan: {has_velocity_limits: true}}", "pan.max_velocity: is missing"),
        ("joint_limits.yaml", "joint_limits: {pan: {has_jerk_limits: true, max_jerk: x}}", "max_jerk = 'x': must be"),
        ("joint_limits.yaml", f"joint_limits: {{a: {{has_jerk_limits: true, max_jerk: {10**400}}}}}", "max_jerk = 10"),
        (
            "joint_limits.yaml",
            "joint_limits: {pan: {has_velocity_limits: yes, max_velocity: 1}}",
            "must be true or false",
        ),
        ("joint_limits.yaml", "joint_limits: {pan: {has_vel_limits: true}}", "did you mean 'has_velocity_limits'"),
        ("robot.urdf", '<r><joint name="pan"><limit velocity="${v}"/></joint></r>', "expression of xacro"),
        ("robot.urdf", "<robot>", "cannot be read"),
        ("robot.urdf", '<r><joint name="pan"><limit velocity="fast"/></joint></r>', "pan.velocity = 'fast'"),
        ("robot.urdf", '<!DOCTYPE r [<!ENTITY a "b">]><r>&x;</r>', "cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, name, text, needle):
    made(tmp_path)
    spec = limits(["pan"], name)
    (tmp_path / name).write_text(text)
    values = {"version": 1, "period": 0.01, "outputs": {"u": {"decoder": {}, "joint_limits": spec}}}
    with pytest.raises(DescriptionError, match=needle) as caught:
        parse_spec(values, tmp_path)
    assert caught.value.path == "outputs.u.joint_limits.file"


def test_limits_that_contradict_the_file_name_both(tmp_path):
    with pytest.raises(DescriptionError, match=r"must overlap the limits of joint_limits\.yaml; together") as caught:
        made(tmp_path, joint_limits=limits(["pan"]), limits=[2, 3])
    assert caught.value.path == "outputs.u.limits"
