"""What a running network does, for viewers: rates and membranes of its populations."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2

from snn_control.ros.nodes.watch import NEURON
from tests.ros.node_processes import run_to_end, wait
from tests.ros.robot import write
from tests.ros.test_replay import LEARNING


def points_of(message):
    assert [field.name for field in message.fields] == list(NEURON.names)
    return np.frombuffer(bytes(message.data), NEURON)


def test_rates_and_membranes_are_published_at_their_rate(tmp_path, start, robot):
    fires, slow = [], []
    robot.listen(PointCloud2, "/controller/watch/fires", fires.append)
    robot.listen(PointCloud2, "/controller/watch/slow", slow.append)
    robot.feed(robot.publisher(), 1.0, 0.5)
    commands = robot.commands()
    process = start("controller_node", controller_file=str(write(tmp_path, LEARNING)), watch="all", watch_rate=20.0)
    wait(lambda: len(fires) > 25 and len(slow) > 25)
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in fires[5:]]
    assert 0.03 < np.median(np.diff(stamps)) < 0.08
    rates = np.mean([points_of(m)["rate"] for m in fires[5:25]], axis=0)
    assert rates.max() > 20  # Hz
    assert rates.min() < rates.max() / 2
    points = points_of(slow[-1])
    assert (points["rate"] == 0).all()
    assert abs(points["v"][0] - commands[-1][1]) < 0.5
    assert points_of(fires[-1])["neuron"].tolist() == list(range(20))
    assert fires[-1].header.frame_id == "fires"
    assert process.end() == 0


@pytest.mark.parametrize("given", ["fire", "fires, none"])
def test_an_unknown_population_is_named(tmp_path, given):
    code, lines = run_to_end(tmp_path, "controller_node", controller_file=str(write(tmp_path, LEARNING)), watch=given)
    assert code == 2
    assert any("watch = " in line and "is not a population" in line for line in lines), lines
