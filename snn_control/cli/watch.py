"""``snn_control watch``: show a simulated world, a robot, a training or a recorded run in a browser."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..controller import Controller
from ..controller_file import load_spec
from ..errors import DescriptionError, RuntimeFault, optional
from ..files import read_text
from ..resources import controller_path
from . import common

MORE = """\
The page shows the spikes of every population, inputs, outputs with their limits, the network, times and cost.
  FILE --env ID          a controller in a simulated world: pause, step, slow motion, reset
  --node NAME            a controller_node that runs, here or on another machine of the same ROS_DOMAIN_ID
  RUN.npz or RUN.mcap    a record of a node: a time bar, playing, stepping; it is replayed to the bit first
  FOLDER                 a training run, also while it trains: its curve, and episodes of its newest controller;
                         with --env if its environment is in a module of yours that is not installed
With --control the link has a token, and whoever has the link may tune, stop and release; otherwise the page only looks.
The page is served on this machine alone: from another one, use ssh -L PORT:127.0.0.1:PORT HOST.

examples:
  snn_control watch cartpole --env CartPole-v1 --control
  snn_control watch event_tracker --env PanTiltTracking-v0
  snn_control watch quadrotor_attitude --env QuadrotorAttitude-v0 --perturb observation_delay=6 mass=0.8:1.2
  snn_control watch --node controller --port 8765
  snn_control watch runs/a.npz
  snn_control watch runs/train-my
"""
FIRST_WITHIN = 60.0  # s, for the first controller of a training


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "watch", watch, "show the activity of a controller in a browser", MORE)
    text = "controller file or name of a shipped one, with --env; or a record; or the folder of a training"
    common.add_shared(parser, "file", nargs="?", help=text)
    parser.add_argument("--node", metavar="NAME", help="name of a running controller_node")
    common.add_shared(parser, "--env", type=common.environment)
    common.add_shared(parser, "--arg")
    common.add_shared(parser, "--perturb")
    parser.add_argument("--seed", type=common.whole(0), default=0, help="seed of the first episode (default 0)")
    parser.add_argument("--control", action="store_true", help="print a link with which the page may act")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default 127.0.0.1: this machine)")
    parser.add_argument("--port", type=common.whole(0, 65535), default=0, help="port (default 0: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--json", action="store_true", help="print one line: url, port, token")


def watch(options: argparse.Namespace) -> int:
    common.need_extra("websockets", "watch")
    from ..watch.server import Server

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    source = None
    try:
        source = _kind(options)(options)
        server = Server(source, options.host, options.port, options.control)
        try:
            _say(options, server)
            server.ended.wait()
        finally:
            server.close()
    except KeyboardInterrupt:
        pass
    finally:
        if source is not None:
            source.close()
    return 0


def _kind(options: argparse.Namespace) -> Callable[[argparse.Namespace], Any]:
    """Return the function that makes the live page's `Source`: a world, a robot, a training or a recorded run.

    Raises DescriptionError if options contradict each other.
    """
    if options.env is None:
        for flag, given in (("--arg", options.arg), ("--perturb", options.perturb)):
            if given:
                raise DescriptionError(
                    flag, " ".join(given), "is for a simulated world", "give --env ID, or leave it out"
                )
    if options.node is not None:
        if options.file is not None or options.env is not None:
            raise DescriptionError("--node", options.node, "needs neither FILE nor --env", "leave them out")
        return _node
    if options.file is None:
        raise DescriptionError(
            "FILE", None, "is needed", "name a controller file with --env ID, a record, or --node NAME"
        )
    if Path(options.file).is_dir():
        return _training
    if options.env is not None:
        return _world
    if options.file.endswith((".npz", ".mcap")):
        return _record
    raise DescriptionError("--env", None, "is needed to watch a controller file", "give --env ID, or --node NAME")


def _world(options: argparse.Namespace) -> Any:
    from ..watch.world import WorldRun

    spec = load_spec(controller_path(options.file, "FILE"))
    controller = Controller.from_spec(spec)
    arguments = common.arguments_of(options)
    env = _environment(options.env, arguments)
    common.check_fit(controller, env, options.file)
    env.close()
    title = " ".join([options.file, "in", options.env, *options.perturb])
    return WorldRun(controller, spec, lambda: _environment(options.env, arguments), title, options.seed)


def _node(options: argparse.Namespace) -> Any:
    optional("rclpy", "a node can be watched where rclpy is", "ros")
    from ..ros.watched_node import WatchedNode

    return WatchedNode(options.node)


def _record(options: argparse.Namespace) -> Any:
    from rich.progress import Progress

    from ..record.recorded_run import read_run_record
    from ..watch.record_run import RecordRun

    run = read_run_record(options.file)
    with Progress(transient=True, disable=not sys.stderr.isatty()) as bars:
        task = bars.add_task(f"replays {options.file}", total=1.0)
        return RecordRun(run, options.file, lambda share: bars.update(task, completed=share))


def _training(options: argparse.Namespace) -> Any:
    from ..training.environments.gymnasium_calls import import_installed
    from ..training.progress import NEWEST
    from ..watch.training import WatchedTraining

    folder, end = Path(options.file), time.monotonic() + FIRST_WITHIN
    while not (folder / NEWEST).is_file():
        if not (folder / "run.json").is_file() and time.monotonic() > end:
            rule = "is not the folder of a training"
            raise DescriptionError("FOLDER", options.file, rule, "name the folder of `snn_control train --run FOLDER`")
        time.sleep(0.2)
    try:
        asked = json.loads(read_text(folder / "run.json"))
        env, arguments = str(asked["env"]), dict(asked["arguments"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RuntimeFault(f"{folder / 'run.json'}: cannot be read: {error}") from None
    if options.env is None and ":" in env:
        import_installed(env.partition(":")[0], str(folder / "run.json"))
    env, arguments = options.env or env, arguments | common.arguments_of(options)
    title = f"training in {env}: {options.file}"
    return WatchedTraining(folder, lambda: _environment(env, arguments), title, options.seed)


def _environment(identity: str, arguments: dict[str, Any]) -> Any:
    """Make an environment, with a render mode if the environment can draw pictures on this computer."""
    try:
        env = common.make_environment(identity, arguments, render_mode="rgb_array")
    except DescriptionError:
        return common.make_environment(identity, arguments)
    try:
        env.reset(seed=0)
        env.render()
    except Exception:  # e.g. pygame is not installed
        env.close()
        return common.make_environment(identity, arguments)
    return env


def _say(options: argparse.Namespace, server: Any) -> None:
    if options.json:
        print(json.dumps({"url": server.url, "port": server.port, "token": server.token}), flush=True)
    else:
        print(f"{server.url}\nCtrl-C ends it", flush=True)
    if not options.no_browser and sys.stdout.isatty():
        webbrowser.open(server.url)
