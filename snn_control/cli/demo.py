"""``snn_control demo``: run a world and its controller as two ROS 2 processes, print a table and write a report."""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..controller_file import ControllerSpec, load_spec
from ..errors import DescriptionError, RuntimeFault, counted
from ..resources import DEFAULT_WORLD, shipped
from ..training.environments.gymnasium_calls import baselines_of
from . import common
from .demo_report import Finished
from .processes import failure, run_processes

if TYPE_CHECKING:
    from ..controller import Controller

MORE = """\
One process runs a simulated world, the other the shipped spiking controller for it; they are connected only by DDS.
Then the world's classical controllers run on it in this process, and a report is written. The default world is the head
of a pan-tilt camera at 1 kHz, which follows a target that it sees only as events. docs/tutorials/own_world.md explains
how a world names its controller.

The result is PASS, with exit code 0, if the loop was closed: a command acts in at least 90 % of the world's steps, and
error or score stay within the world's bounds. Otherwise the exit code is 1.

examples:
  snn_control worlds                       which worlds there are
  snn_control demo
  snn_control demo ArmUnknownLoad-v0 --arg load=2 --duration 20
  snn_control demo --frequency 0.3 --lockstep
"""


def add_to(commands: Any) -> None:
    text = "close a loop over ROS 2 between a simulated robot and a controller"
    parser = common.add_command(commands, "demo", run, text, MORE)
    parser.add_argument("--out", default=None, metavar="FOLDER", help="run folder (default runs/demo-DATE-TIME)")
    text = f"world for which a controller ships ({DEFAULT_WORLD}; `snn_control worlds` lists them)"
    parser.add_argument("world", nargs="?", type=common.environment, metavar="WORLD", help=text)
    parser.add_argument("--env", type=common.environment, default=DEFAULT_WORLD, metavar="ID", help="same as WORLD")
    common.add_shared(parser, "--arg", help="argument of the world")
    for name in ("frequency", "motion", "background"):
        given = partial("{}={}".format, name)
        text = f"short for --arg {name}=..."
        parser.add_argument(f"--{name}", dest="arg", action="append", type=given, metavar=name.upper(), help=text)
    parser.add_argument("--seed", type=common.whole(0), default=1, help="seed of the world (default 1)")
    parser.add_argument("--duration", type=common.number(2.0, " s"), help="simulated time [s] (default: the world's)")
    parser.add_argument("--lockstep", action="store_true", help="run in simulated time instead of real time")
    parser.add_argument("--no-baselines", action="store_true", help="do not run the classical controllers")
    common.add_shared(parser, "--json", help="print the summary as one JSON object")


def run(options: argparse.Namespace) -> int:
    from ..record.recorded_run import read_run_record
    from ..record.run_folder import write_run
    from ..report.page import write_report
    from ..ros.nodes.launching import closed_loop

    for module, extra in (("rclpy", "ros"), ("pybullet", "sim"), ("gymnasium", "sim"), ("matplotlib", "report")):
        common.need_extra(module, extra)
    folder = Path(options.out or time.strftime("runs/demo-%Y%m%d-%H%M%S"))
    say = (lambda *text: None) if options.json else lambda *text: print(*text, flush=True)
    options.env = options.world or options.env
    settings = common.keywords(options.arg) | ({} if options.duration is None else {"duration": options.duration})
    env = common.make_environment(options.env, settings, disable_env_checker=True)  # raises for bad settings
    name = env.metadata.get("controller")
    if name is None:
        fix = "`snn_control worlds` lists those that have one"
        raise DescriptionError("--env", options.env, "is a world for which no controller ships", fix)
    longest = env.unwrapped.max_episode_steps / env.metadata["render_fps"]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DescriptionError("--out", str(folder), f"cannot be made: {error.strerror}") from None
    spec = load_spec(shipped(name))
    controller = warm_up(spec, env, say)
    start = time.monotonic()
    processes = closed_loop(
        world=options.env, world_arguments=json.dumps(settings), controller_file=name, seed=options.seed, episodes=1,
        lockstep=options.lockstep, record=str(folder.resolve()),
    )  # fmt: skip
    codes = run_processes(processes, folder, say, options.json, longest + 2.0, 60.0 + 3 * longest)
    say(f"loop and shutdown: {time.monotonic() - start:.1f} s")
    if any(codes.values()):
        raise RuntimeFault(failure(folder, codes))
    finished = Finished(options, settings, folder, env, spec, controller)
    summary = finished.summary()
    for baseline in () if options.no_baselines else baselines_of(env).values():
        say(f"baseline: {baseline.label} ...")
        summary["tracking"][baseline.label] = finished.row_of(baseline)
    say("drawing the world ...")
    write_run(folder, summary, finished.arrays() | finished.frames())
    write_report(folder, read_run_record(folder / "controller.npz"))
    env.close()
    if options.json:
        common.print_json(summary)
    else:
        from ..report.table import print_summary

        print_summary(summary)
        print(f"report: {folder / 'report.html'}")
    return 0 if summary["verdict"].startswith("PASS") else 1


def warm_up(spec: ControllerSpec, env: Any, say: Any) -> Controller:
    """Compile all code in this process, so that later processes find the code in the cache. Return the controller.

    say : function that prints a text, to show progress
    """
    from ..controller import Controller
    from ..engine.compile import compilations, compile_callback
    from ..engine.tick import tick_address
    from ..realtime.loop import Loop
    from ..record.activity_recorder import ActivityRecorder
    from ..ros.ports.numeric import publish_command, take_events, take_numbers

    say("compiling controller, loop, ports and world (the first time only) ...")
    start = time.monotonic()
    controller = Controller.from_spec(spec)
    controller.step({})
    Loop(tick_address(), controller.bound.table, controller.period_ns, mode="free", keep=controller)
    ActivityRecorder(controller.bound, ticks=1, spikes=1)
    for port in (take_events, take_numbers, publish_command):
        compile_callback(port, "int64(int64,int64,int64)")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    compiled = sum(how == "compiled" for how in compilations.values())
    cached = f"{len(compilations) - compiled} from the cache"
    say(f"{counted(compiled, 'function')} compiled, {cached}: {time.monotonic() - start:.1f} s")
    return controller
