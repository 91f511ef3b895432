"""``snn_control events replay --ros``: a recording over DDS to a controller node, as one command."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import yaml

from snn_control.cli import main
from snn_control.record.run_folder import read_run
from snn_control.resources import shipped
from tests.events.moving import bar, save
from tests.fixtures import fixture
from tests.ros.node_processes import wait
from tests.ros.test_launch import children

pytest.importorskip("gymnasium")
NODES = "snn_control.ros.nodes"


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return save(tmp_path_factory.mktemp("recording") / "bar.npz", bar(-500.0))


def summary_of(capsys, *arguments):
    code = main(["events", "replay", *(str(a) for a in arguments), "--json", "--no-report"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


#: a part, and a value
OF_THE_RUN = {
    "motion": ["--from", 0.05, "--to", 0.12, "--width", 128, "--height", 128],
    "pan_tilt": ["--value", "joint_velocity=0.5,-0.3"],
}


@pytest.mark.parametrize("controller", OF_THE_RUN)
def test_commands_on_topics_are_those_off_topics_to_the_bit(tmp_path, capsys, recording, controller):
    runs = {}
    for name, more in {"off": [], "on": ["--ros"]}.items():
        more = [*more, *OF_THE_RUN[controller]]
        arguments = [recording, "--controller", controller, "--out", tmp_path / name, *more]
        runs[name] = summary_of(capsys, *arguments), read_run(tmp_path / name)[1]
    (off, arrays), (on, others) = runs.values()
    assert on["commands"] == off["commands"]
    assert on["events"] == off["events"]
    assert on["spikes"] == off["spikes"]
    for key in ("command", "tick_events", "spike_step", "spike_population", "spike_neuron", "command_t"):
        np.testing.assert_array_equal(others[key], arrays[key])
    assert np.abs(arrays["command"]).max() > 0.1
    assert on["ticks"] == off["ticks"] > 60
    assert controller != "motion" or on["ticks"] <= 70


def test_an_action_goes_over_topics_too(tmp_path, capsys, recording):
    values = yaml.safe_load(shipped("pan_tilt").read_text())
    velocity = {"type": "linear", "from": "joint_velocity", "tau": 0.02, "weights": [[0.0, 1.0]] * 82}
    values["outputs"] = {"side": {"decoder": {"type": "argmax", "actions": 2, "terms": [velocity]}}}
    values["ros"]["outputs"] = {"side": {"topic": "side", "type": "std_msgs/msg/Int32", "field": "data"}}
    (tmp_path / "pan_tilt.npz").write_bytes(shipped("pan_tilt", suffix=".npz").read_bytes())
    file = tmp_path / "side.yaml"
    file.write_text(yaml.safe_dump(values, sort_keys=False))
    (tmp_path / "1" / "nodes").mkdir(parents=True)
    for name in ("world.npz", "controller.npz", "controller_shown.npz"):
        (tmp_path / "1" / "nodes" / name).write_text("of a run before")
    runs = [summary_of(capsys, recording, "--controller", file, "--out", tmp_path / str(k), *more)
            for k, more in enumerate(([], ["--ros", "--force"]))]  # fmt: skip
    assert runs[0]["commands"] == runs[1]["commands"]


def test_real_time_over_topics_takes_its_time(tmp_path, capsys, recording):
    summary = summary_of(capsys, recording, "--controller", "motion", "--out", tmp_path / "run", "--ros", "--real-time")
    _, arrays = read_run(tmp_path / "run")
    assert summary["seconds"] > summary["ticks"] * 1e-3
    assert arrays["command"][:, 0].mean() > 0.5  # to the left, as off topics
    assert summary["events"]["camera"]["events"] == len(bar(-500.0))


@pytest.mark.parametrize("name", ["controller_node", "world_node"])
def test_a_process_that_dies_ends_it_with_code_1(tmp_path, capsys, recording, name, robot):
    arguments = ["--controller", "motion", "--ros", "--real-time", "--speed", "0.01", "--out", str(tmp_path / "run")]
    commands, both = robot.commands("cmd_vel"), {f"{NODES}.world_node", f"{NODES}.controller_node"}

    def kill():
        pids = wait(lambda: both <= (found := children(os.getpid())).keys() and found, 60.0)
        wait(lambda: commands, what="a command")
        os.kill(pids[f"{NODES}.{name}"], signal.SIGKILL)

    with ThreadPoolExecutor() as pool:
        killed = pool.submit(kill)
        assert main(["events", "replay", str(recording), *arguments]) == 1
        killed.result()
    assert "ended with code -9" in capsys.readouterr().err
    assert not both & children(os.getpid()).keys()


def test_the_shared_recording_over_topics(tmp_path, capsys):
    arguments = [fixture("recordings/ecpy_test_events_1.db3"), "--controller", "motion"]
    off = summary_of(capsys, *arguments, "--out", tmp_path / "off")
    on = summary_of(capsys, *arguments, "--out", tmp_path / "on", "--ros")
    assert off["commands"] == on["commands"]
    assert on["events"]["camera"]["events"] == off["events"]["camera"]["events"] == 343474


def test_event_packets_bring_the_same_commands(tmp_path, capsys, recording, interfaces):
    file = tmp_path / "packets.yaml"
    text = shipped("motion").read_text("utf-8")
    file.write_text(text.replace("sensor_msgs/msg/PointCloud2", "event_camera_msgs/msg/EventPacket"))
    clouds = summary_of(capsys, recording, "--controller", "motion", "--out", tmp_path / "clouds")
    packets = summary_of(capsys, recording, "--controller", file, "--out", tmp_path / "packets", "--ros")
    assert packets["commands"] == clouds["commands"]


def test_a_message_type_that_is_missing_is_found_before_anything_starts(tmp_path, capsys, recording):
    file = tmp_path / "other.yaml"
    file.write_text(
        shipped("motion").read_text("utf-8").replace("geometry_msgs/msg/TwistStamped", "none_msgs/msg/Twist")
    )
    assert "none_msgs" in file.read_text("utf-8")
    code = main(
        ["events", "replay", str(recording), "--controller", str(file), "--ros", "--out", str(tmp_path / "run")]
    )
    captured = capsys.readouterr()
    assert (code, captured.err.count("\n")) == (2, 1)
    assert "none_msgs/msg/Twist" in captured.err
    assert "is not an installed message type" in captured.err
    assert not (tmp_path / "run").exists()
