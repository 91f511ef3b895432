"""``snn_control new --robot``: complete files, whose controllers do what they say."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from snn_control.cli.new import ROBOTS, for_robot
from snn_control.controller import Batch, Controller
from snn_control.controller_file import load_spec, parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.ros.messages.reduction import reduced
from tests.cli.common import call


@pytest.fixture
def made(tmp_path, capsys, request):
    """The controller of a kind of robot."""
    file = tmp_path / f"{request.param}.yaml"
    code, out, err = call(capsys, "new", file, "--robot", request.param)
    assert (code, err) == (0, "")
    assert "on the robot: controller_node --ros-args" in out
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
    free = np.full(18, 3.0)
    forward, turn = drive(made, free)
    assert forward == pytest.approx(0.3, abs=0.01)
    assert abs(turn) < 0.05
    near = np.where(np.arange(18) < 7, 0.4, 3.0)
    assert drive(made, near)[1] > 0.3  # a wall on the right: to the left
    assert drive(made, near[::-1])[1] < -0.3
    ahead = np.where((np.arange(18) >= 6) & (np.arange(18) < 12), 0.4, 3.0)
    forward, turn = drive(made, ahead)
    assert forward < 0.1
    assert turn > 0.3
    assert drive(made, free, estop=1.0) == (0.0, 0.0)


TICK, HALF = 0.02, 0.2  # s; m, half the width of the base


class Bases:
    """Bases with the controller of ``cmd_vel``, one a row, each among its points (n, k, 2) [m]; a beam sees a point.

    A scan comes every 0.1 s and is as old when it arrives; a command reaches the base after 0.06 s. Each starts at full
    speed.
    """

    def __init__(self, points, beams=181):
        spec = parse_spec(yaml.load(for_robot("cmd_vel"), Loader))
        self.input = next(one for one in spec.inputs if one.name == "ahead")
        self.points, self.beams, n = np.asarray(points), beams, len(points)
        self.batch, self.poses = Batch(Controller.from_spec(spec).program, n), np.zeros((n, 3))
        self.command(self.sectors(np.full((n, beams), np.inf)), 50)

    def sectors(self, ranges):
        return np.array([reduced(row, self.input, "min")[0] for row in ranges])

    def command(self, ahead, ticks=1):
        """[forward, turn] of each row, (n,), after so many ticks with these sectors."""
        for _ in range(ticks):
            said = self.batch.step({"ahead": ahead, "estop": np.zeros((len(ahead), 1))})
        return [said["forward"][:, 0], said["turn"][:, 0]]

    def scan(self):
        x, y = np.moveaxis(self.points - self.poses[:, None, :2], 2, 0)
        angle = (np.arctan2(y, x) - self.poses[:, 2:] + np.pi) % (2 * np.pi) - np.pi
        beam = np.rint((angle / np.pi + 0.5) * (self.beams - 1)).astype(int)
        row, point = np.nonzero((beam >= 0) & (beam < self.beams))
        ranges = np.full((len(self.poses), self.beams), np.inf)
        np.minimum.at(ranges, (row, beam[row, point]), np.hypot(x, y)[row, point])
        return self.sectors(ranges)

    def drive(self, seconds):
        """(n,) smallest speed and largest turn of each, and its smallest distance from a point."""
        n = len(self.poses)
        closest, commands, scans = np.full(n, np.inf), [[np.full(n, 0.3), np.zeros(n)]] * 4, [self.scan()] * 2
        for k in range(round(seconds / TICK)):
            if k % 5 == 0:
                scans.append(self.scan())
            commands.append(self.command(scans[-2]))
            (v, turn), heading = commands[-4], self.poses[:, 2]
            self.poses += TICK * np.stack([v * np.cos(heading), v * np.sin(heading), turn], axis=1)
            closest = np.minimum(closest, np.linalg.norm(self.points - self.poses[:, None, :2], axis=2).min(1))
        speeds, turns = np.moveaxis(commands, 1, 0)
        return speeds.min(0), abs(turns).max(0), closest


@pytest.mark.parametrize("beams", [37, 181])
def test_a_base_stops_for_all_in_its_way_as_narrow_as_a_beam_before_it_touches_it(beams):
    side, ahead, wide = (a.ravel() for a in np.meshgrid(np.linspace(-HALF, HALF, 17), [0.45, 0.7, 1.1], [0, 0.1, 0.3]))
    across = np.linspace(-0.5, 0.5, 21)
    points = np.stack([ahead[:, None] + 0 * across, side[:, None] + wide[:, None] * across], axis=2)
    slowest, turned, closest = Bases(points, beams).drive(5)
    assert closest.min() > HALF + 0.05
    assert slowest.max() < 0.05
    assert turned.min() > 0.2
    rng = np.random.default_rng(0)  # many things at once, and the base turns among them
    angle, away = rng.uniform(-np.pi, np.pi, (60, 8)), rng.uniform(0.45, 2, (60, 8))
    _, _, closest = Bases(np.stack([away * np.cos(angle), away * np.sin(angle)], axis=2), beams).drive(7)
    assert closest.min() > HALF + 0.02


def test_a_base_passes_what_is_beside_its_way_at_full_speed():
    side = np.array([-1.0, -0.6, -0.4, 0.4, 0.6, 1.0])
    slowest, turned, _ = Bases(np.stack([np.linspace(0.3, 1.3, 6), side], axis=1)[:, None]).drive(6)
    assert slowest.min() > 0.29
    assert turned.max() == 0


@pytest.mark.parametrize("value", [0.3, 0.05, 0.0, np.nan, -np.inf])
def test_each_beam_alone_stops_a_base_by_a_short_and_by_a_broken_distance(value):
    within = np.arange(50, 131)  # degrees from the right: 0.3 m away and in a way as wide as the base
    ranges = np.full((len(within), 181), np.inf)
    ranges[np.arange(len(within)), within] = value
    bases = Bases(np.zeros((len(within), 1, 2)))
    assert bases.command(bases.sectors(ranges), 50)[0].max() == 0


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
