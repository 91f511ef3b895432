"""The encoder node as a process: its spikes are those of the engine."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Float64MultiArray

from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.engine.kernels.spikes import HEADER
from snn_control.ros.nodes.encoder_node import encoders_only
from tests.ros.node_processes import Mistakes, wait
from tests.ros.robot import CONTROLLER, OK, changed, stamp_of, write

LIF = {"type": "lif", "tau_mem": 0.02, "v_threshold": 1.0, "reset": "subtract"}
N, PERIOD_NS = 12, 10_000_000
VALUE = (0.8, -0.3)


def two_inputs():
    rng = np.random.default_rng(5)
    weights = rng.uniform(-3, 6, (2, N)).round(3).tolist()
    inputs = {
        # no current without input: the first spikes tell when it came
        "sensor": {"kind": "value", "size": 2, "encoder": {"type": "linear", "weights": weights, "neuron": LIF}},
        "plain": {"kind": "value", "size": 1},
        "bumps": {"kind": "value", "size": 1, "range": [-1, 1],
                  "encoder": {"type": "population", "neurons": 9, "drive": 3.0, "neuron": LIF}},
    }  # fmt: skip
    values = changed(CONTROLLER, "inputs", inputs)
    values["network"]["projections"] = [{"pre": "plain", "post": "slow", "weights": [[1.0]]}]
    topic = {"type": "std_msgs/msg/Float64MultiArray", "field": "data[:]"}
    values["ros"]["inputs"] = {name: topic | {"topic": name} for name in inputs}
    return values


MISTAKES = {
    "no file": ({"controller_file": ""}, ["controller_file = ''", "must name a controller file"]),
    "missing file": ({"controller_file": "no.yaml"}, ["no.yaml", "cannot be read"]),
    "unknown input": ({"inputs": "sensr"}, ["inputs = 'sensr'", "is not an input", "sensor, plain, bumps"]),
    "no spikes": ({"inputs": "plain"}, ["inputs.plain.encoder", "must make spikes"]),
    "rate": ({"rate": 333.0}, ["rate = 333.0", "whole number of the file's dt"]),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    cases = {name: (parameters, two_inputs()) for name, (parameters, _) in MISTAKES.items()}
    return Mistakes(tmp_path_factory.mktemp("mistakes"), "encoder_node", cases)


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_path_value_rule_and_fix(outcomes, case):
    outcomes.check(case, MISTAKES[case][1])


def parse(message):
    """(neuron, t) of a message, after checking its format."""
    fields = [(f.name, f.offset, f.datatype, f.count) for f in message.fields]
    f32, u32 = 7, 6
    assert fields == [("x", 0, f32, 1), ("y", 4, f32, 1), ("z", 8, f32, 1), ("neuron", 12, u32, 1), ("t", 16, u32, 1)]
    assert (message.height, message.point_step, message.is_bigendian, message.is_dense) == (1, 20, False, True)
    assert message.row_step == len(message.data) == 20 * message.width
    kind = [("place", "<f4", 3), ("neuron", "<u4"), ("t", "<u4")]
    points = np.frombuffer(bytes(message.data), np.dtype(kind))
    assert np.isfinite(points["place"]).all()
    assert len(np.unique(points["place"], axis=0)) == len(np.unique(points["neuron"]))
    return points["neuron"].tolist(), points["t"].tolist()


def engine_spikes(file, ticks):
    """The spikes of ``ticks`` ticks with the constant input, each as (neurons, t)."""
    spec = encoders_only(load_spec(file), ["sensor"])
    controller = Controller.from_spec(spec)
    ring = next(p for p in controller.program.facts.populations if p.name == "sensor")
    spikes, found = controller.bound.array("sensor.spikes"), []
    for _ in range(ticks):
        controller.step({"sensor": VALUE})
        step, neurons, times = int(controller.bound.array("clock")[1]), [], []
        for k, at in enumerate(range(step - controller.program.steps, step)):
            slot = spikes[(at % ring.slots) * ring.stride :][: ring.stride]
            count = int(slot[:8].view(np.int64)[0])
            fired = slot[HEADER : HEADER + 4 * count].view(np.uint32).tolist()
            neurons += fired
            times += [k * 5_000_000] * count
        found.append((neurons, times))
    return found


@pytest.mark.timed
def test_spikes_are_the_engines(tmp_path, start, robot):
    file = write(tmp_path, two_inputs())
    messages = {"sensor": [], "bumps": []}
    for name, found in messages.items():
        robot.listen(PointCloud2, f"spikes/{name}", found.append)
    publisher = robot.publisher(Float64MultiArray, "sensor")
    process = start("encoder_node", controller_file=str(file))
    wait(lambda: len(messages["sensor"]) > 10 and publisher.get_subscription_count())
    value = Float64MultiArray(data=VALUE)  # held: the encoders continue with it, however often it comes
    wait(lambda: publisher.publish(value) or messages["sensor"][-1].width > 0)
    n = len(messages["sensor"])
    wait(lambda: len(messages["sensor"]) > n + 200)
    for part in ("loop", "input sensor", "output sensor"):
        status = robot.status(f"/encoder: {part}", level=OK)
    assert status.message == "matched"
    assert int({p.key: p.value for p in status.values}["published"]) > 0
    array = robot.diagnostics[-1]
    assert [s.name.removeprefix("/encoder: ") for s in array.status] == [
        "loop", "input sensor", "input bumps", "output sensor", "output bumps",
    ]  # fmt: skip
    assert process.end() == 0
    assert "Traceback" not in process.text

    got = [parse(message) for message in messages["sensor"]]
    assert {m.header.frame_id for m in messages["sensor"]} == {"sensor"}
    begin = next(k for k, (neurons, _) in enumerate(got) if neurons)
    reference = engine_spikes(file, len(got))
    first = next(k for k, (neurons, _) in enumerate(reference) if neurons)
    assert len(got) - begin > 60
    assert got[begin:] == reference[first : first + len(got) - begin]
    assert sum(len(neurons) for neurons, _ in got) > 500
    stamps = np.array([stamp_of(m) for m in messages["sensor"]])
    assert np.median(stamps[20:] - stamps[:-20]) / 20 == pytest.approx(PERIOD_NS, rel=0.02)
    # the other input spikes as well, before anything came: its fields cover 0
    counts = [len(parse(message)[0]) for message in messages["bumps"]]
    assert sum(counts) > 0
    assert not robot.node.count_publishers("spikes/plain")
