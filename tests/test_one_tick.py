"""One tick everywhere: the same recorded inputs give the same bits in Python, in the loop and over DDS."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.engine.tick import tick_address
from snn_control.realtime.loop import Loop
from snn_control.realtime.ports.memory import ReplayInput
from tests.domain import own_domain
from tests.realtime.record_output import RecordOutput

TICKS = 2200
STALE = slice(900, 1000)  # ticks without joints; the limit is 0.05 s, 50 ticks
CHECKOUT = Path(__file__).resolve().parent.parent

FILE = """\
version: 1
period: 0.001
dt: 0.0005
inputs:
  camera:
    {kind: events, size: [64, 48], capacity: 64, stale: 0.05, encoder: {type: pool, grid: [8, 6], polarity: split}}
  joints:
    kind: value
    size: 2
    range: [-1, 1]
    stale: 0.05
    encoder: {type: population, neurons: 9, drive: 3.0, neuron: {type: lif, tau_mem: 0.01, reset: subtract}}
network:
  populations:
    hidden: {size: 70, neuron: {type: cuba_lif, tau_mem: 0.01, tau_syn: 0.005, refractory: 0.002, v_min: -1}, bias: 0.1}
    slow: {size: 3, neuron: {type: li, tau_mem: 0.05}}
  projections:
    - {pre: camera, post: hidden, weights: net.npz#camera}
    - {pre: joints, post: hidden, weights: net.npz#joints, delay: 0.0015}
    - {pre: hidden, post: hidden, weights: net.npz#recurrent, delay: 0.0005}
    - {pre: hidden, post: slow, weights: net.npz#slow}
outputs:
  first: {size: 2, limits: [-2, 2], slew: 200, decoder: {type: linear, from: hidden, tau: 0.01, weights: net.npz#read}}
  second: {limits: [-5, 5], safe: 0.5, ramp: true, slew: 20, decoder: {type: membrane, from: slow, weights: 1.0}}
ros:
  inputs:
    camera: {topic: events, type: sensor_msgs/msg/PointCloud2}
    joints: {topic: joint_states, type: sensor_msgs/msg/JointState, field: "position[:]"}
  outputs:
    first: {topic: command, type: std_msgs/msg/Float64MultiArray, field: "data[0:2]"}
    second: {topic: command, type: std_msgs/msg/Float64MultiArray, field: "data[2]"}
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """Controller file and inputs."""
    folder = tmp_path_factory.mktemp("one_tick")
    r = np.random.default_rng(3)
    np.savez(
        folder / "net.npz",
        camera=r.normal(0, 0.5, (96, 70)),
        joints=r.normal(0, 0.4, (18, 70)),
        recurrent=r.normal(0, 0.1, (70, 70)),
        slow=r.normal(0, 0.5, (70, 3)),
        read=r.normal(0, 0.01, (70, 2)),
    )
    (folder / "controller.yaml").write_text(FILE)
    t = np.arange(TICKS) * 1e-3
    valid = np.ones(TICKS, bool)
    valid[STALE] = False
    counts = r.poisson(6, TICKS)
    counts[1500] = 200  # more than the capacity: cut in every driver at the same event
    offsets = np.concatenate([[0], np.cumsum(counts)])
    record = {
        "values": np.stack([np.sin(7 * t), 1.2 * np.cos(11 * t)], axis=1),
        "valid": valid,
        "offsets": offsets,
        "x": r.integers(0, 66, offsets[-1]).astype(np.uint16),  # some beside the picture
        "y": r.integers(0, 48, offsets[-1]).astype(np.uint16),
        "p": r.integers(0, 2, offsets[-1]).astype(np.uint8),
    }
    np.savez(folder / "record.npz", **record)
    return folder, record


def stepped(folder, record):
    """Commands (T, 3) and the controller, driven from Python."""
    controller = Controller.load(folder / "controller.yaml")
    commands = []
    for k in range(TICKS):
        rows = slice(record["offsets"][k], record["offsets"][k + 1])
        x, y, p = (record[key][rows] for key in "xyp")
        joints = record["values"][k] if record["valid"][k] else None
        given = controller.step({"camera": (np.zeros(len(x), np.int64), x, y, p), "joints": joints})
        commands.append(np.concatenate([given["first"], given["second"]]))
    return np.array(commands), controller


def looped(folder, record):
    """Commands (T, 3) from the real-time loop's function, inputs from memory."""
    controller = Controller.load(folder / "controller.yaml")
    bound = controller.bound
    t = np.zeros(record["offsets"][-1], np.int64)
    events = [record["offsets"], t, record["x"], record["y"], record["p"]]
    camera = ReplayInput.of(bound, "camera", events, fresh=np.ones(TICKS))
    joints = ReplayInput(bound.address("joints.slot"), record["values"], fresh=record["valid"].astype(int))
    out = RecordOutput(bound.address("command"), 3, TICKS)
    loop = Loop(
        tick_address(), bound.table, controller.period_ns, [camera, joints], [out], mode="free", keep=controller
    )
    loop.run(TICKS)
    return out.read()[2], controller


def over_dds(folder: Path):
    """Commands (T, 3) as the world process got them from the controller process."""
    pytest.importorskip("rclpy", reason="the ROS 2 wheels are not installed")
    from snn_control.ros.nodes.launching import closed_loop, command_line, environment_of_child

    out = folder / "run"
    processes = closed_loop(
        world="tests.worlds:Replay-v0",
        world_arguments=json.dumps({"path": str(folder / "record.npz")}),
        controller_file=str(folder / "controller.yaml"),
        lockstep=True,
        duration=TICKS * 1e-3,
        record=str(out),
    )
    child = environment_of_child() | {"ROS_DOMAIN_ID": str(own_domain()), "PYTHONPATH": str(CHECKOUT)}
    running = [subprocess.Popen(command_line(p), env=child, cwd=CHECKOUT) for p in processes]
    try:
        assert running[0].wait(200) == 0
    finally:
        for process in running:
            process.terminate()
        codes = [process.wait(60) for process in running]
    assert codes == [0, 0]
    with np.load(out / "world.npz") as file:
        return file["action"]


def test_step_loop_and_nodes_give_the_same_bits(recorded):
    folder, record = recorded
    commands, controller = stepped(folder, record)
    counted = controller.counters()
    assert counted["ticks"] >= 2000
    assert counted["spikes"]["hidden"] > 1000
    assert len(np.unique(commands[:, 0])) > 100
    assert counted["inputs"]["joints"]["stale_ticks"] == STALE.stop - STALE.start - 50
    assert counted["inputs"]["camera"]["cut"] == 200 - 64
    assert counted["guard"]["faults"] == 1
    assert counted["guard"]["safe_ticks"] > 40

    in_loop, second = looped(folder, record)
    np.testing.assert_array_equal(in_loop.view(np.int64), commands.view(np.int64))
    np.testing.assert_array_equal(second.bound.state, controller.bound.state)

    in_nodes = over_dds(folder)
    np.testing.assert_array_equal(in_nodes.view(np.int64), commands.view(np.int64))


def test_one_changed_input_bit_changes_the_commands(recorded):
    folder, record = recorded
    commands, _ = stepped(folder, record)
    changed = {key: value.copy() for key, value in record.items()}
    first = record["offsets"][700]
    changed["p"][first] ^= 1
    other, _ = stepped(folder, changed)
    assert (other[:700] == commands[:700]).all()
    assert (other[700:] != commands[700:]).any()


def test_the_file_is_one_that_ships_could_be(recorded):
    folder, _ = recorded
    spec = load_spec(folder / "controller.yaml")
    assert {len(spec.inputs), len(spec.outputs)} == {2}
