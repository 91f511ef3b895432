"""``snn_control watch``: a controller that runs, in a browser."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import webbrowser
from typing import Any

from ..controller import Controller
from ..controller_file import load_spec
from ..errors import DescriptionError
from ..resources import controller_path
from . import common

MORE = """\
The page shows the spikes of every population, inputs, outputs with their limits, the network, and what it costs. With
--control its link lets whoever has it pause, step, slow down, tune, stop and release; otherwise the page only looks.
It is served on this machine alone: from another one, use ssh -L PORT:127.0.0.1:PORT HOST.

examples:
  snn_control watch cartpole --env CartPole-v1 --control
  snn_control watch event_tracker --env PanTiltTracking-v0
"""


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "watch", watch, "look into a controller while it runs, in a browser", MORE)
    common.add_shared(parser, "file")
    common.add_shared(parser, "--env", type=common.environment, required=True)
    common.add_shared(parser, "--arg")
    parser.add_argument("--seed", type=common.whole(0), default=0, help="seed of the first episode (default 0)")
    parser.add_argument("--control", action="store_true", help="print a link with which the page may act")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on (default 127.0.0.1: this machine)")
    parser.add_argument("--port", type=common.whole(0, 65535), default=0, help="port (default 0: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    parser.add_argument("--json", action="store_true", help="print one line: url, port, token")


def watch(options: argparse.Namespace) -> int:
    common.need_extra("websockets", "watch")
    from ..watch.server import Server
    from ..watch.world import WorldRun

    spec = load_spec(controller_path(options.file, "FILE"))
    controller = Controller.from_spec(spec)
    arguments = common.keywords(options.arg)
    env = _environment(options.env, arguments)
    common.check_fit(controller, env, options.file)
    env.close()
    title = f"{options.file} in {options.env}"
    run = WorldRun(controller, spec, lambda: _environment(options.env, arguments), title, options.seed)
    try:
        server = Server(run, options.host, options.port, options.control)
        try:
            _say(options, server)
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda *_: server.ended.set())
            server.ended.wait()
        except KeyboardInterrupt:
            pass
        finally:
            server.close()
    finally:
        run.close()
    return 0


def _environment(identity: str, arguments: dict[str, Any]) -> Any:
    """Make the environment; with pictures if it can draw them here."""
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
