"""From ``new --robot cmd_vel`` to a base that drives, is stopped and is replayed (docs/tutorials/mobile_base.md)."""

from __future__ import annotations

import math
import time

import numpy as np
from geometry_msgs.msg import Twist
from sensor_msgs.msg import LaserScan
from std_srvs.srv import Trigger

from snn_control.cli import main
from tests.ros.node_processes import wait
from tests.ros.test_replay import replayed


def patient(file):
    """A pause of the test's own button would stop the robot until somebody releases it."""
    text = file.read_text()
    assert "stop_when: nonzero, stale: 0.5" in text
    file.write_text(text.replace("stop_when: nonzero, stale: 0.5", "stop_when: nonzero, stale: 10"))


def test_a_base_drives_is_stopped_released_and_replayed(tmp_path, start, robot, button):
    file, record = tmp_path / "base.yaml", tmp_path / "runs" / "a.npz"
    assert main(["new", str(file), "--robot", "cmd_vel"]) == 0
    patient(file)
    record.parent.mkdir()
    process = start("controller_node", controller_file=str(file), supervise=0.1, record=str(record))
    heard: list[tuple[float, float]] = []
    robot.listen(Twist, "cmd_vel", lambda m: heard.append((m.linear.x, m.angular.z)))
    scans = robot.publisher(LaserScan, "scan")
    message = LaserScan(angle_min=-math.pi, angle_max=math.pi, angle_increment=math.radians(1), range_max=12.0)
    message.ranges = np.full(361, np.inf, np.float32)  # nothing is near

    def scan():
        scans.publish(message)
        return True

    def until(condition):
        wait(lambda: scan() and time.sleep(0.02) is None and condition())

    until(lambda: heard and heard[-1][0] > 0.29)
    assert abs(heard[-1][1]) < 0.05
    message.ranges = np.where((np.arange(361) > 100) & (np.arange(361) < 180), 0.3, np.inf).astype(np.float32)  # a wall
    until(lambda: heard[-1][1] > 0.3)
    button.press()
    until(lambda: heard[-1] == (0.0, 0.0))
    button.press(False)
    until(lambda: robot.ask(Trigger, "/controller/release", Trigger.Request()).success)
    until(lambda: heard[-1][1] > 0.3)
    taken = robot.ask(Trigger, "/controller/snapshot", Trigger.Request())
    assert (taken.success, taken.message) == (True, str(record))
    assert process.end() == 0
    wait(lambda: heard[-1] == (0.0, 0.0))
    code, found = replayed(record)
    assert (code, found["identical"]) == (0, True)


def test_it_drives_through_a_simulated_course_in_lockstep_with_a_person_at_the_button(tmp_path, start, robot, button):
    file, record = tmp_path / "base.yaml", tmp_path / "a.npz"
    assert main(["new", str(file), "--robot", "cmd_vel"]) == 0
    patient(file)
    text = file.read_text().replace("period: 0.02 ", "period: 0.05 ").replace("dt: 0.005 ", "dt: 0.0125 ")
    file.write_text(text)
    process = start("controller_node", controller_file=str(file), mode="lockstep", record=str(record))
    heard: list[tuple[float, float, float]] = []
    robot.listen(Twist, "cmd_vel", lambda m: heard.append((time.monotonic(), m.linear.x, m.angular.z)))
    world = start(
        "world_node", world="sim_worlds:LidarCourse-v0", controller_file="lidar_course", mode="lockstep", speed=1.0
    )
    wait(lambda: len(heard) > 20 and heard[-1][1] > 0.1)
    button.press()
    wait(lambda: heard[-1][1:] == (0.0, 0.0))
    button.press(False)
    wait(lambda: robot.ask(Trigger, "/controller/release", Trigger.Request()).success)
    wait(lambda: heard[-1][1] > 0.1)
    assert robot.ask(Trigger, "/controller/snapshot", Trigger.Request()).success
    assert (process.end(), world.end()) == (0, 0)
    times = np.array([t for t, *_ in heard])
    assert np.median(times[10:] - times[:-10]) > 0.45  # as in real time, where ten steps take 0.5 s
    assert "malformed" not in process.text
    code, found = replayed(record)
    assert (code, found["identical"]) == (0, True)
