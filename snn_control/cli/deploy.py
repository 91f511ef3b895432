"""``snn_control deploy``: write a folder with which a robot runs a controller, without compiling at the start."""

from __future__ import annotations

import argparse
import getpass
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from ..errors import DescriptionError, RuntimeFault, counted
from ..files import replace_file
from .common import add_command

if TYPE_CHECKING:
    from ..controller_file import ControllerSpec

MORE = """\
Writes FOLDER with
  controller.yaml     the controller and its arrays
  cache/              compiled code of the controller and the node, for this processor: the robot compiles nothing
  NAME.service        a systemd unit (Type=notify, with a watchdog) that starts and restarts the node
  99-NAME.conf        limits for /etc/security/limits.d: SCHED_FIFO and locked memory for the user
  diagnostics.yaml    for diagnostic_aggregator
  twist_mux.yaml      for a base (Twist, TwistStamped): its commands, and stop buttons that also lock other commands
Run it on the robot, or on a computer with the same processor and the same versions. The first lines of each file name
the place where it belongs. Parameters of the node go into the unit.

examples:
  snn_control deploy base.yaml --out robot
  snn_control deploy base.yaml --out robot --user robot -p supervise:=0.05 -p cpu:=3
"""
#: environment variables that the node needs in its unit
KEPT = ("ROS_DOMAIN_ID", "ROS_DISTRO", "RMW_IMPLEMENTATION", "AMENT_PREFIX_PATH", "LD_LIBRARY_PATH", "PYTHONPATH",
        "ROS_AUTOMATIC_DISCOVERY_RANGE", "ROS_STATIC_PEERS", "ROS_LOCALHOST_ONLY")  # fmt: skip
COMPILES_WITHIN = 600.0  # s
NOT_KEPT = "compiled code is not kept"  # text in a CacheWarning
TWISTS = "geometry_msgs/msg/Twist", "geometry_msgs/msg/TwistStamped"


def add_to(commands: Any) -> None:
    text = "write a folder with a controller, its compiled code and a systemd unit, for a robot"
    parser = add_command(commands, "deploy", run, text, MORE)
    parser.add_argument("file", metavar="FILE", help="controller file, or the name of a shipped one")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="new folder, or one that deploy has written")
    parser.add_argument("--name", default="snn_control", help="name of the unit (default snn_control)")
    parser.add_argument("--user", default=None, help="user that runs the node (default: you)")
    text = "parameter of controller_node; may be repeated"
    parser.add_argument("-p", dest="parameters", action="append", default=[], metavar="KEY:=VALUE", help=text)


def run(options: argparse.Namespace) -> int:
    from ..controller import build_program
    from ..controller_file import load_spec
    from ..resources import controller_path

    for pair in options.parameters:
        if ":=" not in pair:
            raise DescriptionError("-p", pair, "must look like supervise:=0.05", "see: controller_node --help")
    if not options.name.replace("_", "").replace("-", "").isalnum():
        raise DescriptionError("--name", options.name, "must have letters, digits, '-' and '_' alone")
    spec = load_spec(controller_path(options.file, "FILE"))
    build_program(spec)  # raises before anything is written
    folder = Path(options.out).resolve()
    used = folder.exists()
    if used and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "controller.yaml").exists())):
        raise DescriptionError("--out", str(folder), "holds other files", "name a new folder")
    user = options.user or getpass.getuser()
    start = _start(folder / "controller.yaml", options.parameters)
    texts = {
        f"{options.name}.service": _unit(options, folder, user, start),
        f"99-{options.name}.conf": f"# sudo cp this file /etc/security/limits.d/, then log in again\n"
        f"{user} - rtprio 98\n{user} - memlock unlimited\n",
        "diagnostics.yaml": _aggregator(options.name),
    } | _twist_mux(spec)
    try:
        (folder / "cache").mkdir(parents=True, exist_ok=True)
        spec.save(folder / "controller.yaml", f"Deployed from {options.file}.")
        print("compiling ...", flush=True)
        compiled = _compile(folder, options.parameters)
        for name, text in texts.items():
            replace_file(folder / name, lambda out, text=text: out.write(text.encode()))  # type: ignore[misc]
    except BaseException:
        if not used:  # an incomplete folder is of no use
            shutil.rmtree(folder, ignore_errors=True)
        raise
    print(f"{folder}: controller.yaml, cache ({counted(compiled, 'function')}), {', '.join(texts)}")
    print(f"try it: SNN_CONTROL_CACHE={folder}/cache {shlex.join(start)}")
    print(f"on the robot: see the first lines of {options.name}.service, and check it: snn_control doctor")
    return 0


def _compile(folder: Path, parameters: list[str]) -> int:
    """Compile all code into the cache of the folder. Return the number of compiled functions.

    For this purpose, the controller node is started and runs until it is active. If ROS is not installed, the
    controller makes one step instead.
    """
    from ..engine.code_cache import usable_folder

    environment = os.environ | {"SNN_CONTROL_CACHE": str(folder / "cache"), "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}
    if known := usable_folder():  # code that was compiled here before is not compiled again
        environment["SNN_CONTROL_CACHE_SOURCE"] = str(known)
    file = folder / "controller.yaml"
    if find_spec("rclpy") is None:
        print("note: rclpy is not installed here, so only the controller is compiled, not the node")
        code = "import sys; from snn_control.controller import Controller; Controller.load(sys.argv[1]).step({})"
        done = subprocess.run([sys.executable, "-c", code, str(file)], env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeFault(f"the controller cannot be built: {done.stderr.strip()[-500:]}")
    else:
        _start_once(file, parameters, environment)
    return sum(1 for one in (folder / "cache").rglob("*.code"))


def _start(file: Path, parameters: list[str]) -> list[str]:
    """Return the command line that starts the controller node."""
    from ..ros.nodes.launching import NodeProcess, command_line

    line = command_line(NodeProcess("controller_node", "controller", {"controller_file": str(file)}))
    return line + [word for pair in parameters for word in ("-p", pair)]


def _start_once(file: Path, parameters: list[str], environment: dict[str, str]) -> None:
    """Run the node until it reports that it is active. Its recordings and learned weights go to a temporary folder."""
    with TemporaryDirectory() as folder:
        there = {key: f"{key}:={folder}/{key}.npz" for key in ("record", "state")}  # write elsewhere, raise no alarm
        there["supervise"] = "supervise:=0.0"
        _run_until_active(_start(file, [there.get(pair.partition(":=")[0], pair) for pair in parameters]), environment)


def _run_until_active(line: list[str], environment: dict[str, str]) -> None:
    """Run the command line ``line``, which starts a node, until the node is active.

    Raises RuntimeFault if the node ends before it is active, or if its compiled code was not written to the cache.
    """
    said: list[str] = []
    with subprocess.Popen(line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as node:
        late = threading.Timer(COMPILES_WITHIN, node.kill)
        late.start()
        try:
            for text in node.stdout or ():
                said.append(text)
                if " Hz, " in text:
                    break
        finally:
            node.send_signal(signal.SIGINT)
            node.communicate()
            late.cancel()
    if not any(" Hz, " in text for text in said):
        raise RuntimeFault(f"the node does not start: {''.join(said).strip()[-500:]}")
    if lost := [text for text in said if NOT_KEPT in text]:
        raise RuntimeFault(lost[0].strip()[:500])


def _unit(options: argparse.Namespace, folder: Path, user: str, start: list[str]) -> str:
    """Return the text of the systemd unit that runs the controller node.

    Raises DescriptionError if an option contains characters that a systemd unit does not permit.
    """
    text = files("snn_control").joinpath("templates", "service.txt").read_text(encoding="utf-8")
    environment = {"SNN_CONTROL_CACHE": f"{folder}/cache"} | {key: os.environ[key] for key in KEPT if key in os.environ}
    given = [("FILE", options.file), ("--out", str(folder)), ("--user", user), *environment.items()]
    for name, value in [*given, *(("-p", one) for one in options.parameters)]:
        if not value.isprintable() or (name in ("FILE", "--out") and value.endswith("\\")):
            rule = "must have no line breaks or control characters, which systemd would read as other lines of the unit"
            raise DescriptionError(name, value, rule)
    if not re.fullmatch(r"[\w.@\\-]+\$?", user):
        raise DescriptionError("--user", user, "must be the name of a user")
    words = ["snn_control", "deploy", options.file, "--out", options.out]
    words += [word for one in options.parameters for word in ("-p", one)]
    return Template(text).substitute(
        name=options.name, command=shlex.join(words), unit=folder / f"{options.name}.service",
        file=_plain(options.file), user=user, folder=_plain(folder),
        start=" ".join([_quoted(start[0]), *(_quoted(word).replace("$", "$$") for word in start[1:])]),
        environment="\n".join(f"Environment={_quoted(f'{key}={value}')}" for key, value in environment.items()),
    )  # fmt: skip


def _plain(value: str | Path) -> str:
    """Escape each % in a text for a systemd unit, in which % begins a specifier."""
    return str(value).replace("%", "%%")


def _quoted(word: str) -> str:
    """Escape one argument of a command line, for a systemd unit."""
    safe = re.fullmatch(r"[\w@%+=:,./$-]+", word)
    return _plain(word if safe else '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"')


def _aggregator(name: str) -> str:
    return f"""\
# ros2 run diagnostic_aggregator aggregator_node --ros-args --params-file this_file
analyzers:
  ros__parameters:
    path: Aggregation
    {name}: {{type: diagnostic_aggregator/GenericAnalyzer, path: {name}, startswith: [/controller], timeout: 3.0}}
"""


def _twist_mux(spec: ControllerSpec) -> dict[str, str]:
    """Return the configuration files for twist_mux: file name -> text.

    The result is empty unless the controller commands a mobile base, with one kind of Twist message.
    """
    types = {topic.type: topic for topic in spec.ros_outputs.values() if topic.type in TWISTS}
    if len(types) != 1:
        return {}
    (kind, topic), stale = types.popitem(), max(10 * spec.period, 0.1)
    stops = [one for one in spec.inputs if getattr(one, "stop_when", "") == "nonzero" and one.name in spec.ros_inputs]
    locks = {
        one.name: {"topic": spec.ros_inputs[one.name].topic, "timeout": one.stale, "priority": 255}
        for one in stops
        if spec.ros_inputs[one.name].type == "std_msgs/msg/Bool"
    }
    commands = {"controller": {"topic": topic.topic, "timeout": stale, "priority": 10}}
    values = {"use_stamped": kind.endswith("Stamped"), "topics": commands} | ({"locks": locks} if locks else {})
    head = "# ros2 run twist_mux twist_mux --ros-args --params-file this_file -r cmd_vel_out:=TOPIC_OF_THE_BASE\n"
    head += "# A lock also locks while its publisher is silent. It locks commands with a priority below 255.\n"
    return {"twist_mux.yaml": head + yaml.safe_dump({"twist_mux": {"ros__parameters": values}}, sort_keys=False)}
