"""``snn_control new --robot``: complete files, whose controllers do what they say."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.cli.new import ROBOTS, for_robot
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from tests.cli.common import call


@pytest.fixture
def made(tmp_path, capsys, request):
    """The controller of a kind of robot."""
    file = tmp_path / f"{request.param}.yaml"
    code, out, err = call(capsys, "new", file, "--robot", request.param)
    assert (code, err) == (0, "")
    assert "on the robot: ros2 run snn_control controller_node" in out
    return Controller.from_spec(load_spec(file))


@pytest.mark.parametrize("kind", ROBOTS)
def test_each_file_passes_its_check_and_its_head_names_it(tmp_path, capsys, kind):
    file = tmp_path / "robot.yaml"
    assert call(capsys, "new", file, "--robot", kind)[0] == 0
    code, out, err = call(capsys, "check", file)
    warnings = [line for line in (out + err).splitlines() if line.startswith("warning")]
    assert code == 0
    assert all("px4_msgs" in line for line in warnings), warnings
    assert "stop_when: nonzero" in file.read_text()
    assert max(map(len, file.read_text().splitlines())) <= 120


def test_another_kind_is_refused_by_name(capsys):
    code, _, err = call(capsys, "new", "--robot", "cmd_vle")
    assert code == 2
    assert "did you mean 'cmd_vel'?" in err
    assert for_robot("trajectory") != for_robot("joint_group")


def drive(controller, distances, ticks=100, estop=0.0):
    controller.reset()
    for _ in range(ticks):
        said = controller.step({"ahead": distances, "estop": estop})
    return float(said["forward"][0]), float(said["turn"][0])


@pytest.mark.parametrize("made", ["cmd_vel", "cmd_vel_stamped"], indirect=True)
def test_a_base_drives_where_nothing_is_slows_down_and_turns_away(made):
    free = np.full(12, 3.0)
    forward, turn = drive(made, free)
    assert forward == pytest.approx(0.3, abs=0.01)
    assert abs(turn) < 0.05
    near = np.where(np.arange(12) < 5, 0.4, 3.0)
    assert drive(made, near)[1] > 0.3  # a wall on the right: to the left
    assert drive(made, near[::-1])[1] < -0.3
    ahead = np.where((np.arange(12) >= 4) & (np.arange(12) < 8), 0.4, 3.0)
    forward, turn = drive(made, ahead)
    assert forward < 0.1
    assert turn > 0.3
    assert drive(made, free, estop=1.0) == (0.0, 0.0)


@pytest.mark.parametrize("made", ["joint_group", "trajectory"], indirect=True)
def test_joints_reach_their_goal_and_hold_when_stopped(made):
    at, goal, commands = np.array([0.3, -0.4]), np.array([0.9, 0.1]), []
    for _ in range(800):
        command = made.step({"joints": at, "goal": goal, "estop": 0.0})["command"]
        at = at + 0.2 * (command - at)
        commands.append(command)
    assert commands[0] == pytest.approx([0.3, -0.4], abs=0.01)  # it begins where the joints are
    assert at == pytest.approx(goal, abs=0.05)
    assert np.abs(np.diff(commands, axis=0)).max() <= 0.01 * 1.000001  # slew
    held = [made.step({"joints": at, "goal": -goal, "estop": 1.0})["command"] for _ in range(50)]
    assert np.ptp(held[20:], axis=0).tolist() == [0, 0]


@pytest.mark.parametrize("made", ["ros2_control"], indirect=True)
def test_velocities_bring_joints_to_their_goal(made):
    at, goal = np.array([0.3, -0.4]), np.array([0.9, 0.1])
    for _ in range(800):
        at = at + 0.01 * made.step({"joints": at, "goal": goal, "estop": 0.0})["command"]
    assert at == pytest.approx(goal, abs=0.05)


@pytest.mark.parametrize("made", ["px4_rates"], indirect=True)
def test_a_rate_setpoint_asks_for_what_is_missing(made):
    for _ in range(250):
        said = made.step({"rates": [0.5, 0.0, 0.0], "wanted": [1.0, 0.0, -0.5, 0.4], "estop": 0.0})
    assert said["roll"][0] > 1.02
    assert abs(said["pitch"][0]) < 1e-6
    assert said["yaw"][0] < -0.52
    assert said["thrust"][0] == pytest.approx(-0.4, abs=1e-6)
