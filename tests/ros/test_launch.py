"""What is started with which parameters: the description, the launch files that use it, and the demo's end."""

from __future__ import annotations

import ast
import importlib.util
import itertools
import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from snn_control.cli import main
from snn_control.errors import DescriptionError
from snn_control.ros.nodes import launching
from snn_control.ros.nodes.controller_node import ControllerNode
from snn_control.ros.nodes.encoder_node import EncoderNode
from snn_control.ros.nodes.launching import (
    ARGUMENTS,
    CONTROLLER_ARGUMENTS,
    check_names,
    closed_loop,
    command_line,
    controller,
    declarations,
)
from snn_control.ros.nodes.view_node import ViewNode
from snn_control.ros.nodes.world_node import WorldNode
from tests.ros.node_processes import CHECKOUT, wait

LAUNCH = CHECKOUT / "launch"
NODES = {
    "controller_node": ControllerNode,
    "world_node": WorldNode,
    "encoder_node": EncoderNode,
    "view_node": ViewNode,
}


def test_the_processes_of_a_closed_loop():
    world, controlled = closed_loop()
    assert (world.executable, world.name) == ("world_node", "world")
    assert (controlled.executable, controlled.name) == ("controller_node", "controller")
    assert world.parameters["controller_file"] == controlled.parameters["controller_file"]
    assert Path(world.parameters["controller_file"]).is_file()
    assert world.parameters["mode"] == controlled.parameters["mode"] == "realtime"
    assert controlled.parameters["phase"] == 0.0006
    for process in (world, controlled, controller()):
        assert set(process.parameters) <= NODES[process.executable].PARAMETERS.keys()

    world, controlled = closed_loop(lockstep="true", record="/runs/a", seed="7", priority="0", cpu="1")
    assert world.parameters["mode"] == controlled.parameters["mode"] == "lockstep"
    assert world.parameters["record"] == "/runs/a/world.npz"
    assert controlled.parameters["record"] == "/runs/a/controller.npz"
    assert (world.parameters["seed"], world.parameters["priority"]) == (7, 0)
    assert controlled.parameters["cpu"] == 1
    assert closed_loop(rate="500")[1].parameters["rate"] == 500.0
    with pytest.raises(DescriptionError, match="rate = '500': must be 0 in lockstep"):
        closed_loop(lockstep="true", rate="500")
    with pytest.raises(DescriptionError, match="lockstep = 'ture': must be true or false"):
        closed_loop(lockstep="ture")
    assert controller(controller_file="cartpole").parameters["controller_file"].endswith("cartpole.yaml")
    with pytest.raises(DescriptionError, match="did you mean 'pan_tilt'"):
        controller(controller_file="pan_tit")


def test_viewers_are_started_on_demand_and_nobody_needs_them():
    world, controlled, view, encoder = closed_loop(view="true")
    assert world.needed
    assert controlled.needed
    for process in (view, encoder):
        assert not process.needed
        assert set(process.parameters) <= NODES[process.executable].PARAMETERS.keys()
    assert view.parameters["topic"] == "events"
    assert view.parameters["type"] == "sensor_msgs/msg/PointCloud2"
    assert (view.parameters["width"], view.parameters["spikes"]) == (128, "spikes/joint_velocity")
    assert (encoder.parameters["inputs"], encoder.parameters["priority"]) == ("joint_velocity", 0)
    with pytest.raises(DescriptionError, match=r"view = 'true': .*cartpole\.yaml has no events input"):
        closed_loop(view="true", controller_file="cartpole")


def test_a_command_line_gives_the_parameters_back():
    process = closed_loop(world_arguments='{"motion": "random", "frequency": 0.8}', lockstep=True)[0]
    line = command_line(process)
    assert line[:5] == [sys.executable, "-m", "snn_control.ros.nodes.world_node", "--ros-args", "-r"]
    given = dict(word.split(":=", 1) for flag, word in itertools.pairwise(line) if flag == "-p")
    assert {key: yaml.safe_load(text) for key, text in given.items()} == process.parameters


@pytest.mark.parametrize("name", ["closed_loop", "controller"])
def test_launch_files_take_everything_from_the_description(name):
    """They declare the arguments of the description and start its nodes; their own text names no parameter."""
    tree = ast.parse((LAUNCH / f"{name}.launch.py").read_text())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)
                and n.module == launching.__name__ for a in n.names}  # fmt: skip
    assert {"check_names", "declarations", "node_arguments", name} <= imported
    assert imported <= set(dir(launching))
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    assert "generate_launch_description" in functions
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    nodes = [c for c in calls if getattr(c.func, "id", "") == "Node"]
    assert len(nodes) == 1
    assert ast.unparse(nodes[0]) == "Node(**node_arguments(process))"
    words = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    assert not words & set(ARGUMENTS)
    assert set(CONTROLLER_ARGUMENTS) <= set(ARGUMENTS)


def test_what_is_given_wrong_names_argument_and_rule(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for given, says in (
        ({"priority": "high"}, "priority = 'high': must be a whole number"),
        ({"rate": "fast"}, "rate = 'fast': must be a number"),
        ({"controller_file": "/no/such.yaml"}, "controller_file = '/no/such.yaml': there is no such file"),
        ({"controller_file": "such.yaml"}, f"there is no such file in {tmp_path}; give an absolute path"),
        ({"params_file": "such.yaml"}, f"params_file = 'such.yaml': there is no such file in {tmp_path}"),
        ({"log_level": "loud"}, "log_level = 'loud': must be one of debug, info, warn, error, fatal"),
        ({"autostart": "no"}, "autostart = 'no': must be true or false"),
    ):
        with pytest.raises(DescriptionError, match=re.escape(says)):
            controller(**{"controller_file": "cartpole"} | given)


def test_a_controller_for_a_robot_is_named_and_supervised():
    """A misspelt controller_file must not start another controller on the robot."""
    declared = {one["name"]: one["default_value"] for one in declarations(CONTROLLER_ARGUMENTS)}
    assert declared["controller_file"] is None
    assert declared["supervise"] == "-1.0"
    started = controller(controller_file="cartpole", **{k: v for k, v in declared.items() if v is not None})
    assert started.parameters["supervise"] == -1.0
    assert "phase" not in declared
    assert declarations(ARGUMENTS)[0]["default_value"] == ARGUMENTS["world"][0]


def test_a_misspelt_argument_is_refused_and_what_other_launch_files_set_is_not():
    defaults = {name: str(default) for name, (default, _) in CONTROLLER_ARGUMENTS.items()}
    for name, near in (("supervize", "supervise"), ("prioritiy", "priority"), ("record_", "record")):
        rule = f"{name} = '1': is not an argument of this launch file, and {near} has its default; write {near}:=1"
        with pytest.raises(DescriptionError, match=re.escape(rule)):
            check_names(defaults | {name: "1"}, CONTROLLER_ARGUMENTS)
    check_names(defaults | {"map": "a.yaml", "world": "b", "use_rviz": "true"}, CONTROLLER_ARGUMENTS)
    check_names(defaults | {"rates": "1", "rate": "50"}, CONTROLLER_ARGUMENTS)


def test_arguments_of_all_nodes(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text("{}")
    given = {"namespace": "left", "params_file": str(file), "use_sim_time": "true", "log_level": "debug"}
    processes = closed_loop(view="true", autostart="false", **given)
    assert len(processes) == 4
    for process in processes:
        found = launching.node_arguments(process)
        assert found["namespace"] == "left"
        assert found["parameters"] == [dict(process.parameters), str(file)]  # the file's parameters apply last
        assert process.parameters["use_sim_time"] is True
        assert found["ros_arguments"] == ["--log-level", "debug"]
        assert command_line(process)[-6:] == [
            "-r", "__ns:=left", "--params-file", str(file), "--log-level", "debug",
        ]  # fmt: skip
    assert processes[1].parameters["autostart"] is False


def test_a_node_is_the_workspaces_executable_or_else_a_module_of_this_python(tmp_path, monkeypatch):
    """launch takes lib/snn_control of the first prefix with the package; a pip installation has no such folder."""
    process = controller(controller_file="cartpole")
    common = {"name": "controller", "parameters": [dict(process.parameters)], "output": "screen"}
    module = ["-m", "snn_control.ros.nodes.controller_node"]
    here = common | {"executable": sys.executable, "arguments": module, "exec_name": "controller_node"}
    pip, workspace = tmp_path / "pip", tmp_path / "install"
    for prefix in (pip, workspace):
        index = prefix / "share/ament_index/resource_index/packages"
        index.mkdir(parents=True)
        (index / "snn_control").touch()
    (workspace / "lib/snn_control").mkdir(parents=True)
    (workspace / "lib/snn_control/controller_node").touch()
    there = common | {"package": "snn_control", "executable": "controller_node"}
    for prefixes, want in [
        ([], here),
        ([tmp_path / "other"], here),
        ([pip], here),
        ([pip, workspace], here),  # launch would look into the first
        ([tmp_path / "other", workspace, pip], there),
    ]:
        monkeypatch.setenv("AMENT_PREFIX_PATH", os.pathsep.join(map(str, prefixes)))
        assert launching.node_arguments(process) == want
    monkeypatch.delenv("AMENT_PREFIX_PATH")
    assert launching.node_arguments(process) == here
    line = command_line(process)
    assert [here["executable"], *here["arguments"]] == line[:3]  # which the other tests start


@pytest.mark.parametrize("name", ["closed_loop", "controller"])
def test_launch_files_in_launch(name):
    if importlib.util.find_spec("launch_ros") is None:
        pytest.skip("launch_ros is not installed: it is in no package index, only in a ROS 2 distribution")
    from launch.actions import DeclareLaunchArgument, OpaqueFunction
    from launch_ros.actions import Node

    import launch

    spec = importlib.util.spec_from_file_location(name, LAUNCH / f"{name}.launch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    description = module.generate_launch_description()
    arguments = {e.name: e for e in description.entities if isinstance(e, DeclareLaunchArgument)}
    assert list(arguments) == list(ARGUMENTS if name == "closed_loop" else CONTROLLER_ARGUMENTS)
    context = launch.LaunchContext()
    for argument in arguments.values():
        if argument.name == "controller_file":
            context.launch_configurations["controller_file"] = "cartpole" if name == "controller" else "event_tracker"
        argument.execute(context)
    start = next(e for e in description.entities if isinstance(e, OpaqueFunction))
    nodes = [n for n in start.execute(context) if isinstance(n, Node)]
    assert len(nodes) == (2 if name == "closed_loop" else 1)


def children(pid: int) -> dict[str, int]:
    """Processes that a process started: module -> pid."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
        except OSError:  # over already
            continue
        if "-m" in words:
            found[words[words.index("-m") + 1]] = int(child)
    return found


@pytest.mark.parametrize("name", ["controller_node", "world_node"])
def test_the_demo_fails_when_the_loop_is_not_closed(tmp_path, capfd, name):
    for module in ("pybullet", "gymnasium", "matplotlib"):
        pytest.importorskip(module)
    both = {"snn_control.ros.nodes.controller_node", "snn_control.ros.nodes.world_node"}
    before = set(children(os.getpid()).values())  # of other tests

    def kill():
        pids = wait(lambda: both <= (found := children(os.getpid())).keys() and found, 60.0, "both processes")
        os.kill(pids[f"snn_control.ros.nodes.{name}"], signal.SIGKILL)
        return pids, time.monotonic()

    with ThreadPoolExecutor() as pool:
        killed = pool.submit(kill)
        assert main(["demo", "--out", str(tmp_path), "--no-baselines"]) == 1
        pids, begin = killed.result()
    assert time.monotonic() - begin < 15
    text = "".join(capfd.readouterr())
    assert re.search(r"ended with code .*-9", text)
    assert "Traceback" not in text
    assert not any(Path(f"/proc/{pid}").exists() for pid in set(pids.values()) - before)
