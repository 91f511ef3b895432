"""Describe the processes of a closed loop and their parameters, for launch files and ``snn_control demo``.

This module does not import any ROS package.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from ...coding import EventsInput
from ...controller_file import load_spec
from ...errors import DescriptionError
from ...resources import DEFAULT_CONTROLLER, DEFAULT_WORLD, controller_path

__all__ = [
    "ARGUMENTS", "CONTROLLER_ARGUMENTS", "NodeProcess", "check_names", "closed_loop", "command_line", "controller",
    "declarations", "environment_of_child", "node_arguments", "viewers",
]  # fmt: skip

PACKAGE = "snn_control"

#: launch arguments of a closed loop: name -> (default, description). A value is converted to the type of its default
ARGUMENTS: dict[str, tuple[Any, str]] = {
    "world": (DEFAULT_WORLD, "Gymnasium id of the world"),
    "world_arguments": ("{}", "arguments of the world, a YAML mapping"),
    "controller_file": (DEFAULT_CONTROLLER, "controller file, or the name of a shipped one"),
    "rate": (0.0, "control rate [Hz]; 0: the controller file's"),
    "lockstep": (False, "true: simulated time, deterministic; false: real time"),
    "seed": (0, "seed of the world"),
    "duration": (0.0, "simulated time of the run [s]; 0: until stopped"),
    "episodes": (0, "number of episodes to run; 0: until stopped"),
    "step": (0.0, "duration of a step of the world [s]; 0: the world's own"),
    "phase": (0.0006, "offset of the controller's ticks after the world's steps [s]"),
    "priority": (80, "SCHED_FIFO priority of the control loop; 0: none"),
    "cpu": (-1, "CPU of the control loop; -1: any"),
    "event": (False, "true: the messages of the input `trigger` wake the control loop, not the clock"),
    "trigger": ("", "input whose messages wake the loop; empty: the only input"),
    "supervise": (0.0, "age of its heartbeat at which another process publishes the safe command [s]; 0: none"),
    "record": ("", "folder for the records of the run; empty: none"),
    "state": ("", "file of learned weights, read at the start and written at the end; empty: none"),
    "watch": ("", "populations published on ~/watch/NAME, separated by commas, or all; empty: none"),
    "bond": ("", "topic of a bond for a lifecycle manager; empty: none"),
    "autostart": (True, "false: a lifecycle manager configures and activates the controller"),
    "dry_run": (False, "true: commands go to dry_run/TOPIC, where no robot listens"),
    "view": (False, "true: also publish images and clouds of the events and input spikes, for RViz or Foxglove"),
    "namespace": ("", "namespace of the nodes; empty: that of the launch file"),
    "params_file": ("", "YAML file of node parameters, which take precedence over these arguments; empty: none"),
    "use_sim_time": (False, "true: the nodes' ROS clocks follow /clock"),
    "log_level": ("", "debug, info, warn, error or fatal; empty: that of rcl"),
}
PASSED_ON = (
    "rate",
    "phase",
    "priority",
    "cpu",
    "trigger",
    "supervise",
    "state",
    "watch",
    "bond",
    "autostart",
    "dry_run",
)
OF_ALL_NODES = ("namespace", "params_file", "use_sim_time", "log_level")
LEVELS = ("", "debug", "info", "warn", "error", "fatal")
NEARLY = 0.85  # similarity at which a name counts as a misspelt other one
KINDS: dict[type, str] = {int: "a whole number", float: "a number"}

#: launch arguments of a controller on a robot, as in `ARGUMENTS`; None: the argument has no default, and must be given
CONTROLLER_ARGUMENTS: dict[str, tuple[Any, str]] = {
    name: ARGUMENTS[name] for name in (*PASSED_ON, "event", "record", *OF_ALL_NODES) if name != "phase"
} | {
    "controller_file": (None, ARGUMENTS["controller_file"][1]),
    "supervise": (-1.0, "as of the node; 0: no other process stops the robot if this one is killed"),
}


@dataclass(frozen=True)
class NodeProcess:
    """A process to start: an executable of this package, with the name and the parameters of its node.

    needed : whether the other processes must be stopped when this process ends
    namespace : namespace of the node; "": that of the launch file
    params_file : file of parameters, which take precedence over ``parameters``; "": none
    log_level : level of the node's log; "": that of rcl
    """

    executable: str
    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needed: bool = True
    namespace: str = ""
    params_file: str = ""
    log_level: str = ""


def declarations(arguments: Mapping[str, tuple[Any, str]]) -> list[dict[str, Any]]:
    """Return the arguments of ``launch.actions.DeclareLaunchArgument`` for each launch argument."""
    return [
        {"name": name, "default_value": None if default is None else str(default), "description": text}
        for name, (default, text) in arguments.items()
    ]


def check_names(given: Mapping[str, str], arguments: Mapping[str, tuple[Any, str]]) -> None:
    """Raise DescriptionError if a name looks like a misspelt launch argument that has its default value.

    launch itself accepts any name: it sets a launch configuration, which an included launch file may read.

    given : all launch configurations: name -> value
    arguments : launch arguments, as in `ARGUMENTS`
    """
    for name in given.keys() - arguments.keys():
        (near,) = difflib.get_close_matches(name, arguments, 1, NEARLY) or [""]
        if near and given.get(near) == str(arguments[near][0]):
            rule = f"is not an argument of this launch file, and {near} has its default"
            raise DescriptionError(name, given[name], rule, f"write {near}:={given[name]}")


def _values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert launch arguments to the types of their defaults. Raises DescriptionError."""
    found = {}
    for name, (default, _) in ARGUMENTS.items():
        value = given.get(name, default)
        if isinstance(default, bool):
            if str(value).lower() not in ("true", "false"):
                raise DescriptionError(name, value, "must be true or false")
            value = str(value).lower() == "true"
        try:
            found[name] = type(default)(value)
        except ValueError:
            raise DescriptionError(name, value, f"must be {KINDS[type(default)]}") from None
    if found["log_level"] not in LEVELS:
        raise DescriptionError("log_level", found["log_level"], f"must be one of {', '.join(LEVELS[1:])}")
    if (file := found["params_file"]) and not Path(file).is_file():
        raise DescriptionError("params_file", file, f"there is no such file in {Path.cwd()}", "give an absolute path")
    return found


def _controller_file(name: str) -> str:
    """Return the absolute path of a controller file. ``name``: a path, or the name of a shipped controller."""
    file = controller_path(name, "controller_file")
    if not file.is_file():
        raise DescriptionError(
            "controller_file", name, f"there is no such file in {Path.cwd()}", "give an absolute path"
        )
    return str(file.resolve())


def _node(name: str, values: Mapping[str, Any], same: Sequence[str], **more: Any) -> NodeProcess:
    """Return the process of a world or controller node.

    values : the launch arguments
    same : names of the launch arguments that are passed on as node parameters of the same name
    more : further parameters of the node
    """
    parameters = {
        "controller_file": _controller_file(values["controller_file"]),
        "mode": "lockstep" if values["lockstep"] else "realtime",
        "record": f"{values['record']}/{name}.npz" if values["record"] else "",
    }
    process = NodeProcess(f"{name}_node", name, parameters | {key: values[key] for key in same} | more)
    return _of_all_nodes(process, values)


def _of_all_nodes(process: NodeProcess, values: Mapping[str, Any]) -> NodeProcess:
    """Return a process with the launch arguments `OF_ALL_NODES`. ``values``: the launch arguments."""
    parameters = {**process.parameters, **({"use_sim_time": True} if values["use_sim_time"] else {})}
    file = str(Path(values["params_file"]).resolve()) if values["params_file"] else ""
    same = {"namespace": values["namespace"], "params_file": file, "log_level": values["log_level"]}
    return replace(process, parameters=parameters, **same)


def controller(**given: Any) -> NodeProcess:
    """Return the process of a controller node for a robot, without a world node.

    given : launch arguments as in `ARGUMENTS`; ``phase`` is 0 by default

    Raises DescriptionError.
    """
    values = _values({"phase": 0.0} | given)
    if values["event"] and values["lockstep"]:
        raise DescriptionError("event", True, "is for real time: in lockstep each message is a tick anyway")
    more = {"mode": "event"} if values["event"] else {}
    return _node("controller", values, PASSED_ON, **more)


def closed_loop(**given: Any) -> list[NodeProcess]:
    """Return the processes of a closed loop: world node, controller node and, on request, viewers.

    given : launch arguments, see `ARGUMENTS`

    Raises DescriptionError.
    """
    values = _values(given)
    if values["lockstep"] and values["rate"] != 0:
        raise DescriptionError("rate", given["rate"], "must be 0 in lockstep, where the world's step is the period")
    priority = 0 if values["lockstep"] or values["priority"] == 0 else 40
    same = ("world", "seed", "duration", "episodes", "step")
    world = _node("world", values, same, arguments=values["world_arguments"], priority=priority)
    nodes = viewers(world.parameters["controller_file"]) if values["view"] else []
    return [world, controller(**values), *(_of_all_nodes(one, values) for one in nodes)]


def viewers(file: str) -> list[NodeProcess]:
    """Return the processes that show a controller's first events input, and the spikes of its input encoders.

    They run at ordinary priority. The other processes continue if a viewer ends.
    """
    spec = load_spec(file)
    events = [i for i in spec.inputs if isinstance(i, EventsInput) and i.source == "events"]
    cameras = [i for i in events if i.name in spec.ros_inputs]
    if not cameras:
        raise DescriptionError("view", "true", f"{file} has no events input with a topic", "leave it out")
    topic, (width, height) = spec.ros_inputs[cameras[0].name], cameras[0].size
    spiking = [i.name for i in spec.inputs if getattr(getattr(i, "encoder", None), "neuron", None) is not None]
    spikes = ",".join(f"spikes/{name}" for name in spiking)
    parameters = {"topic": topic.topic, "type": topic.type, "spikes": spikes, "width": width, "height": height}
    nodes = [NodeProcess("view_node", "view", parameters, needed=False)]
    if spiking:
        encoder = {"controller_file": file, "inputs": ",".join(spiking), "priority": 0}
        nodes.append(NodeProcess("encoder_node", "encoder", encoder, needed=False))
    return nodes


def node_arguments(process: NodeProcess) -> dict[str, Any]:
    """Return the arguments of the action ``launch_ros.actions.Node`` that start a process.

    In a colcon workspace, where launch finds the executable, the arguments name the executable. In an installation by
    pip, they run the node's module with the Python interpreter that reads the launch file.
    """
    files = [process.params_file] if process.params_file else []
    found: dict[str, Any] = {
        "name": process.name, "parameters": [dict(process.parameters), *files], "output": "screen",
    }  # fmt: skip
    found |= {"namespace": process.namespace} if process.namespace else {}
    found |= {"ros_arguments": ["--log-level", process.log_level]} if process.log_level else {}
    if _in_workspace(process.executable):
        return found | {"package": PACKAGE, "executable": process.executable}
    return found | {"executable": sys.executable, "arguments": _module(process), "exec_name": process.executable}


def _in_workspace(executable: str) -> bool:
    """Return whether ``lib/snn_control`` has the executable, in the first ament prefix that contains this package."""
    for prefix in map(Path, filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))):
        if (prefix / "share/ament_index/resource_index/packages" / PACKAGE).is_file():
            return (prefix / "lib" / PACKAGE / executable).is_file()
    return False


def _module(process: NodeProcess) -> list[str]:
    return ["-m", f"{PACKAGE}.ros.nodes.{process.executable}"]


def command_line(process: NodeProcess) -> list[str]:
    """Return the command line that starts a process without launch, with its node's name and parameters."""
    line = [sys.executable, *_module(process), "--ros-args", "-r", f"__node:={process.name}"]
    for key, value in process.parameters.items():
        text = yaml.safe_dump(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
        line += ["-p", f"{key}:={text}"]
    line += ["-r", f"__ns:={process.namespace}"] if process.namespace else []
    line += ["--params-file", process.params_file] if process.params_file else []
    return line + (["--log-level", process.log_level] if process.log_level else [])


def environment_of_child() -> dict[str, str]:
    """Return the environment variables for a child process."""
    child = dict(os.environ)
    child.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    if "VIRTUAL_ENV" in child or sys.prefix != sys.base_prefix:
        child.setdefault("AMENT_PREFIX_PATH", sys.prefix)
    return child
