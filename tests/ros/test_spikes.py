"""Spikes as messages: a point for each spike, over DDS."""

from __future__ import annotations

import numpy as np
from rclpy.qos import QoSProfile
from sensor_msgs.msg import PointCloud2

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import Network, Poisson, Population
from snn_control.ros.messages.clouds import SPIKE
from snn_control.ros.ports.spikes import SpikesOutput
from tests.rasters import lists
from tests.ros.calling import call
from tests.ros.node_processes import wait

TICKS, STEPS = 20, 4


def test_a_neuron_that_fires_several_times_in_a_step_is_as_many_points(ros, nodes):
    io, other = nodes
    received = []
    other.create_subscription(PointCloud2, "noise", received.append, QoSProfile(depth=2 * TICKS))
    population = Population("noise", 3, Poisson(1000.0), bias=np.array([0.0, 0.5, 4.0]))
    output = Output("y", (SpikeDecoder("noise", 0.01, 0.001),))
    controller = Controller(build(Network((population,)), [], [output], dt=1e-3, period=STEPS * 1e-3))
    publisher = io.create_publisher(PointCloud2, "noise", QoSProfile(depth=2 * TICKS))
    wait(lambda: publisher.get_subscription_count() == 1)
    ports = SpikesOutput(publisher, controller.bound, "noise"), SpikesOutput(publisher, controller.bound, "noise", 10)
    expected = []
    for _ in range(TICKS):
        controller.step({})
        counts = lists(controller, "noise")
        step, neuron = np.nonzero(counts)
        times = counts[step, neuron]
        expected.append((np.repeat(neuron, times).tolist(), np.repeat(step * 1_000_000, times).tolist()))
        for port in ports:
            assert call(port, 5_000_000_000, 0) == 0
    for _ in range(100):
        ros.spin_once(other, timeout_sec=0.1)
        if len(received) == 2 * TICKS:
            break
    clouds = [np.frombuffer(bytes(message.data), SPIKE) for message in received]
    assert [(cloud["neuron"].tolist(), cloud["t"].tolist()) for cloud in clouds[::2]] == expected
    assert max(len(set(zip(*one))) for one in expected) < max(len(one[0]) for one in expected)
    assert [len(cloud) for cloud in clouds[1::2]] == [min(len(one[0]), 10) for one in expected]
    total = sum(len(one[0]) for one in expected)
    assert ports[1].counters()["cut"] == total - sum(len(cloud) for cloud in clouds[1::2])
