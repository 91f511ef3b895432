"""A scan becomes the few numbers of an input: sectors, and what counts where nothing was hit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from rclpy.qos import QoSProfile
from sensor_msgs.msg import LaserScan

from snn_control import Controller
from snn_control.coding import ValueInput
from snn_control.coding.inputs import NOT_FINITE
from snn_control.controller_file import parse_spec
from snn_control.controller_file.reader import Loader
from snn_control.errors import DescriptionError
from snn_control.ros.check import check_topics
from snn_control.ros.messages.reduction import reduced
from snn_control.ros.nodes.world_topics import Sensors
from snn_control.ros.ports.topics import input_ports
from tests.ros.calling import call


def plain(values, size, how, rules, low, high, counters):
    kinds = [rules[k] for k in range(size) for _ in range(k * len(values) // size, (k + 1) * len(values) // size)]
    replaced = [(v, kind) for v, kind in zip(values, kinds, strict=True) if not np.isfinite(v) and kind != "reject"]
    failed = sum(bool(np.isnan(v)) or kind == "hold" for v, kind in replaced)
    counters += [0, 0, len(values)] if failed == len(values) else [len(replaced), failed, len(values)]
    if failed == len(values):
        return [np.nan] * size
    found = []
    for k in range(size):
        sector = list(values[k * len(values) // size : (k + 1) * len(values) // size])
        ends = {"high": (low, high, high), "low": (low, high, low)}.get(rules[k], (np.nan,) * 3)
        sector = [v if np.isfinite(v) else ends[2 if np.isnan(v) else int(v > 0)] for v in sector]
        if rules[k] == "hold":
            sector = [v for v in sector if not np.isnan(v)]
        broken = not sector or np.isnan(sector).any()
        found.append(np.nan if broken else {"min": min, "max": max, "mean": np.mean}[how](sector))
    return found


@pytest.mark.parametrize("how", ["min", "mean", "max"])
def test_sectors_are_those_of_plain_python(how):
    rng = np.random.default_rng(0)
    counted, expected = np.zeros(3, np.int64), np.zeros(3, np.int64)
    for _ in range(300):
        size = int(rng.integers(1, 9))
        values = rng.normal(size=int(rng.integers(size, 60)))
        values[rng.random(values.size) < rng.choice([0, 0.1, 0.5, 1])] = rng.choice([np.nan, np.inf, -np.inf])
        rules = [str(rule) for rule in rng.choice(NOT_FINITE, size)]
        spec = ValueInput("x", size=size, range=(-4.0, 5.0), not_finite=rules)
        found = plain(values, size, how, rules, -4.0, 5.0, expected)
        sectors, counts = reduced(values, spec, how)
        np.testing.assert_allclose(sectors, found, rtol=1e-14, atol=1e-14)
        counted += counts
    assert counted.tolist() == expected.tolist()


def controller(field, size=4, topic="sensor_msgs/msg/LaserScan", **more):
    relay = {"size": size, "neuron": {"type": "relay"}}
    return parse_spec(
        {
            "version": 1,
            "period": 0.01,
            "inputs": {"scan": {"kind": "value", "size": size, "range": [0.1, 3.5], "not_finite": "high"}},
            "network": {
                "populations": {"a": relay},
                "projections": [{"pre": "scan", "post": "a", "connection": "one_to_one"}],
            },
            "outputs": {
                "u": {"size": size, "decoder": {"type": "membrane", "from": "a", "weights": np.eye(size).tolist()}}
            },
            "ros": {
                "inputs": {"scan": {"topic": "scan", "type": topic, "field": field} | more},
                "outputs": {"u": {"topic": "u", "type": "std_msgs/msg/Float64MultiArray", "field": "data[:]"}},
            },
        }
    )


def test_a_scan_of_360_or_720_beams_with_nothing_hit_over_dds(nodes, ros):
    """Four sectors ahead of a scanner that counts from 0 to 2 pi; inf where nothing was hit."""
    io, other = nodes
    spec = controller("ranges[angle=-1:1]", reduce="min")
    assert check_topics(spec) == []
    one = Controller.from_spec(spec)
    (port,) = input_ports(io, io, spec, one.bound, False)
    publisher = other.create_publisher(LaserScan, "scan", QoSProfile(depth=5))
    for _ in range(500):
        if port.matched() and publisher.get_subscription_count():
            break
        ros.spin_once(other, timeout_sec=0.02)

    def hear(n, near):
        angles = np.arange(n) * 2 * np.pi / n
        ranges = np.full(n, np.inf)
        for angle, distance in near.items():
            ranges[np.argmin(abs(np.exp(1j * angles) - np.exp(1j * angle)))] = distance
        scan = LaserScan(angle_min=0.0, angle_increment=2 * np.pi / n, ranges=ranges.tolist())
        publisher.publish(scan)
        taken = port.counters()["taken"]
        for _ in range(500):
            call(port, 1, 0)
            if port.counters()["taken"] > taken:
                break
            ros.spin_once(other, timeout_sec=0.01)
        one.bound.array("scan.slot")[1] = 0
        one.bound.tick()
        return one.bound.array("u.command").round(5).tolist()

    for n in (360, 720):
        hear(n, {})
    assert port.counters()["malformed"] == 0
    for n in (360, 720):
        assert hear(n, {-0.9: 0.5, 0.1: 1.25, 0.2: 1.5, 2.5: 0.2}) == [0.5, 3.5, 1.25, 3.5]
    hear(3, {})
    assert port.counters()["malformed.too_few"] == 1
    assert port.why_malformed() == "has 1 number in ranges[angle=-1:1], the input takes 4"


def test_the_examples_of_the_pages_fit_their_messages():
    reference = Path(__file__).resolve().parents[2] / "docs/reference"
    page = "".join((reference / name).read_text("utf-8") for name in ("controller_file.md", "topics.md"))
    examples = [yaml.load(text, Loader) for text in re.findall(r"^```yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)]
    of_messages = [values for values in examples if "ros" in values]
    assert len(of_messages) == 3
    for values in of_messages:
        (name,) = values["inputs"]
        values |= {"version": 1, "period": 0.01}
        values["outputs"] = {"u": {"decoder": {"type": "membrane", "from": name, "weights": 1.0}}}
        values["ros"]["outputs"] = {"u": {"topic": "u", "type": "std_msgs/msg/Float32", "field": "data"}}
        assert check_topics(parse_spec(values)) == []


def test_a_simulated_scan_says_each_number_in_its_whole_sector(nodes, ros):
    io, other = nodes
    sensors = Sensors(io, io, ["scan"], controller("ranges[2:12]", reduce="min"), False)
    heard = []
    other.create_subscription(LaserScan, "scan", heard.append, sensors.qos)
    for _ in range(500):
        if sensors.publisher.get_subscription_count():
            sensors.publish({"scan": np.arange(4.0)}, 0)
        ros.spin_once(other, timeout_sec=0.02)
        if heard:
            break
    assert heard[0].ranges.tolist() == [0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 3]


def test_what_cannot_be_reduced_is_refused():
    says = r"ros.inputs.scan.field = 'position\[0:2\]': names 2 numbers, the input takes 4"
    with pytest.raises(DescriptionError, match=says):
        check_topics(controller("position[0:2]", topic="sensor_msgs/msg/JointState", reduce="mean"))
    with pytest.raises(DescriptionError, match="or `reduce` them"):
        check_topics(controller("ranges[0:360]"))
    with pytest.raises(DescriptionError, match="reduce = 'median': must be"):
        controller("ranges[:]", reduce="median")
