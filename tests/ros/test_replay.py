"""A run on a robot's topics, with an operator at work, is replayed to the bit in another process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout

import numpy as np
import pytest
from std_srvs.srv import SetBool, Trigger

from snn_control.cli import main
from tests.ros.node import first, is_safe
from tests.ros.node_processes import CHECKOUT, wait
from tests.ros.robot import CONTROLLER, changed, write


def learning(n):
    """A controller of ``n`` neurons that fire and learn."""
    network = {
        "populations": {
            "fires": {"size": n, "neuron": {"type": "lif", "tau_mem": 0.02}, "bias": 0.9},
            "slow": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.02}},
        },
        "projections": [
            {"pre": "sensor", "post": "fires", "weights": np.linspace(-1, 2, 2 * n).reshape(2, n).tolist()},
            {"pre": "fires", "post": "fires", "weights": 1 / n, "delay": 0.005,
             "learning": {"type": "stdp", "a_plus": 0.2 / n, "w_max": 4 / n}},
            {"pre": "fires", "post": "slow", "weights": 1 / n},
        ],
    }  # fmt: skip
    return changed(CONTROLLER, "network", network)


LEARNING, MANY = learning(20), learning(400)  # the spikes of many fill a chunk of a recording in a second
VALUES = changed(LEARNING, "guard.release", 0)  # an operator's release ends a fault


def replayed(file):
    """Exit code and what ``replay --json`` printed, in this process."""
    with redirect_stdout(io.StringIO()) as said:
        code = main(["replay", str(file), "--json"])
    return code, json.loads(said.getvalue())


def replayed_by_code_for_any_processor(file):
    """`replayed` in a process of its own, with code generated for any processor."""
    line = [sys.executable, "-m", "snn_control", "replay", str(file), "--json"]
    environment = {"PYTHONPATH": str(CHECKOUT), "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(line, capture_output=True, text=True, env=os.environ | environment, timeout=280, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


GENERIC = pytest.param(replayed_by_code_for_any_processor, marks=pytest.mark.deep)  # all its kernels are compiled


@pytest.mark.parametrize("again", [replayed, GENERIC])
def test_a_run_with_an_operator_has_its_bits_again(tmp_path, start, robot, again):
    record = tmp_path / "run.npz"
    process = start("controller_node", controller_file=str(write(tmp_path, VALUES)), record=str(record))
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.5)

    def ask(kind, name, **given):
        return robot.ask(kind, f"/controller/{name}", kind.Request(**given))

    wait(lambda: ask(Trigger, "release").success)
    wait(lambda: len(commands) > 50)
    ask(SetBool, "learning", data=False)
    time.sleep(0.2)
    ask(Trigger, "restart")
    ask(SetBool, "learning", data=True)
    time.sleep(0.2)
    taken = ask(Trigger, "snapshot")
    assert taken.success, taken.message
    assert taken.message == str(record)
    time.sleep(0.3)
    assert process.end() == 0
    whole = tmp_path / "run_2.npz"
    for code, found in (again(record), again(whole)):
        assert (code, found["identical"], found["first_tick"]) == (0, True, 0)
        assert found["ticks"] > 90
        assert found["spikes"] > 500


def test_without_a_record_there_is_no_snapshot(tmp_path, start, robot):
    start("controller_node", controller_file=str(write(tmp_path)))
    robot.feed(robot.publisher(), 1.0, 0.0)
    wait(lambda: "not active" not in robot.ask(Trigger, "/controller/snapshot", Trigger.Request()).message)
    answer = robot.ask(Trigger, "/controller/snapshot", Trigger.Request())
    assert (answer.success, answer.message) == (False, "nothing is recorded: start the node with record:=FILE.npz")


def test_a_fault_is_saved_with_what_was_before_it(tmp_path, start, robot):
    record = tmp_path / "run.npz"
    process = start(
        "controller_node", controller_file=str(write(tmp_path, LEARNING)), record=str(record), fault_after=0.3,
        fault_before=1.0, publish_budget=10.0,
    )  # fmt: skip
    commands = robot.commands()
    feeder = robot.feed(robot.publisher(), 1.0, 0.5)
    wait(lambda: len(commands) > 200)
    first(commands, feeder.set(float("nan"), 0.5), is_safe)
    feeder.set(1.0, 0.5)
    wait(lambda: "a fault is saved" in process.text)
    assert record.is_file()
    time.sleep(0.5)
    assert process.end() == 0
    assert process.text.count("a fault is saved") == 1
    with np.load(record) as file:
        faulted, ticks = file["command"][:, 0] == 0.25, len(file["command"])
    assert 125 <= ticks <= 170  # 1.3 s of 10 ms and what came until it was noticed
    assert faulted.any()
    assert not faulted[:90].any()
    code, found = replayed(record)
    assert (code, found["identical"]) == (0, True)
    assert found["first_tick"] > 50
    assert ticks - 2 <= found["ticks"] <= ticks


def test_a_run_in_mcap_survives_a_kill(tmp_path, start, robot):
    pytest.importorskip("mcap")
    record, file = tmp_path / "run.mcap", str(write(tmp_path, MANY))
    process = start("controller_node", controller_file=file, record=str(record))
    commands = robot.commands()
    robot.feed(robot.publisher(), 1.0, 0.5)
    wait(lambda: len(commands) > 150 and record.stat().st_size > 300_000)  # more than a chunk
    process.send(9)
    process.wait()
    code, found = replayed(record)
    assert (code, found["identical"], found["first_tick"]) == (0, True, 0)
    assert found["ticks"] > 50
    process = start("controller_node", controller_file=file, record=str(record))
    before = len(commands)
    wait(lambda: len(commands) > before + 100)
    assert process.end() == 0
    code, found = replayed(tmp_path / "run_2.mcap")
    assert (code, found["identical"]) == (0, True)
    assert found["ticks"] > 100
