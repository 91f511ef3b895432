"""``snn_control new``: write a commented controller file as a template."""

from __future__ import annotations

import argparse
import functools
import json
import math
import shlex
import sys
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from ..errors import DescriptionError, describe_exception
from . import common

MORE = """\
Each file works unchanged, and its first lines explain what it does.
By default it is for numbers: ten neurons that swing a pendulum up, 'snn_control run --env Pendulum-v1 FILE'.
With --events it is for an event camera: 'snn_control events replay RECORDING --controller FILE'.
With --frames it is for an ordinary camera of that size: a simulated event camera turns its frames into events.
With --robot it is a complete file for a running robot of that kind: topics, limits, a stop button, the safe command.
With --env it fits that environment and is not trained: inputs and outputs of its spaces, two layers of 64 neurons
(128 if more than 16 numbers are observed) with random weights; then 'snn_control train FILE --env ID'. Ranges that the
environment does not state are measured with random and with constant actions. An environment of your own is
'module:ID'; importing the module must register ID. A world of sim_worlds may have a file of its own, which is then
written, unless --seed or --steps is given.

examples:
  snn_control new my.yaml
  snn_control new eye.yaml --events 640x480
  snn_control new eye.yaml --frames 640x480 --topic /camera/image_raw
  snn_control new base.yaml --robot cmd_vel_stamped
  snn_control new cartpole.yaml --env CartPole-v1
  snn_control new lander.yaml --env LunarLander-v3 --arg continuous=true
"""
#: kind of robot -> file in templates/robots, replacements in it for another message type, what it commands
ROBOTS: dict[str, tuple[str, Sequence[tuple[str, str]], str]] = {
    "cmd_vel": ("cmd_vel", (), "a mobile base, geometry_msgs/msg/Twist"),
    "cmd_vel_stamped": (
        "cmd_vel",
        (
            ("type: geometry_msgs/msg/Twist, field: ", "type: geometry_msgs/msg/TwistStamped, field: twist."),
            ("outputs: # for TwistStamped: snn_control new --robot cmd_vel_stamped", "outputs:"),
        ),
        "a mobile base, geometry_msgs/msg/TwistStamped",
    ),
    "joint_group": ("joint_group", (), "positions of joints, std_msgs/msg/Float64MultiArray"),
    "trajectory": (
        "joint_group",
        (
            ("a JointGroupPositionController (ros2_controllers)", "a joint_trajectory_controller, one point per tick"),
            (
                ' {topic: position_controller/commands, type: std_msgs/msg/Float64MultiArray, field: "data[:]"}',
                "\n      topic: joint_trajectory_controller/joint_trajectory\n"
                "      type: trajectory_msgs/msg/JointTrajectory\n"
                '      field: "points[0].positions[joint_names=joint1,joint2]"',
            ),
        ),
        "positions of joints, trajectory_msgs/msg/JointTrajectory",
    ),
    "ros2_control": ("ros2_control", (), "velocities of joints, std_msgs/msg/Float64MultiArray"),
    "px4_rates": ("px4_rates", (), "body rates of a multicopter, px4_msgs/msg/VehicleRatesSetpoint"),
}  # fmt: skip
MIN_SIDE_PX, MAX_SIDE_PX = 8, 65535  # limits of a side [pixel]: the template has 8 x 8 cells
SIZE, WEIGHT = (640, 480), 0.3  # values in the template
MAX_FRAME_PX = 4096
TOPIC = "camera/image_raw"
#: text in the template for events -> text for frames
FRAMES = (
    ("# A controller for an event camera: it turns",
     "# A controller for an ordinary camera, whose frames become events. It turns"),
    ("# Try it with a recording, without a robot: snn_control events replay RECORDING --controller THIS_FILE",
     "# With any publisher of sensor_msgs/msg/Image: controller_node --ros-args -p controller_file:=THIS_FILE\n"
     "# With a bag of images: snn_control check THIS_FILE --input BAG"),
    ("    kind: events # a stream from an event camera\n",
     "    kind: events\n    source: frames # pictures arrive; a simulated event camera turns them into events\n"
     "    # its thresholds and noise; presets: clean, default, noisy. gamma 1 for pictures with linear brightness\n"
     "    camera: {preset: default, threshold_on: 0.2, threshold_off: 0.2, gamma: 2.2}\n"),
    ('[pixel]; "events replay" replaces it by that of the recording', "[pixel], as in the messages"),
    ("capacity: 16384 # most events of a tick; more are dropped and counted. Use several times the rate limit x period",
     "capacity: 131072 # most events of a tick, and of a frame; more are dropped and counted"),
    ("stale: 0.1", "stale: 0.5"),
)  # fmt: skip


def camera_size(text: str) -> tuple[int, int]:
    """Convert a text such as ``640x480`` to a pair (width, height). This is a converter for argparse."""
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be width x height in pixels, e.g. 640x480")
    if not all(MIN_SIDE_PX <= int(side) <= MAX_SIDE_PX for side in (width, height)):
        raise argparse.ArgumentTypeError(f"{text!r}: each side must be from {MIN_SIDE_PX} to {MAX_SIDE_PX} pixels")
    return int(width), int(height)


def frame_size(text: str) -> tuple[int, int]:
    """Convert a text such as ``640x480`` to a pair (width, height), with the smaller limits of frames."""
    size = camera_size(text)
    if max(size) > MAX_FRAME_PX:
        raise argparse.ArgumentTypeError(f"{text!r}: each side of a frame must be at most {MAX_FRAME_PX} pixels")
    return size


def add_to(commands: Any) -> None:
    parser = common.add_command(commands, "new", run, "write a commented controller file", MORE)
    common.add_shared(parser, "file", nargs="?", help="file to write; without it, the text is printed")
    common.add_shared(parser, "--force")
    text = "for an event camera of this size [pixel], e.g. 640x480"
    made = parser.add_mutually_exclusive_group()
    made.add_argument("--events", type=camera_size, default=None, metavar="WIDTHxHEIGHT", help=text)
    text = "for frames of this size [pixel], which become events, e.g. 640x480"
    made.add_argument("--frames", type=frame_size, default=None, metavar="WIDTHxHEIGHT", help=text)
    made.add_argument(
        "--env", type=common.environment, metavar="ID", help="for any registered environment, or module:ID"
    )
    kinds = "; ".join(f"{kind}: {what}" for kind, (_, _, what) in ROBOTS.items())
    made.add_argument("--robot", choices=ROBOTS, metavar="KIND", help=f"for a running robot. {kinds}")
    parser.add_argument("--topic", help=f"with --frames: topic of the images (default {TOPIC})")
    common.add_shared(parser, "--arg")
    text = "with --env: seed of the weights and of the episodes in which ranges are measured (default 0)"
    parser.add_argument("--seed", type=common.whole(0), help=text)
    text = "with --env: steps with random actions, and as many with constant ones, to measure ranges (default 2000)"
    parser.add_argument("--steps", type=common.whole(1), help=text)


def template(size: tuple[int, int] | None) -> str:
    """Return the text of a controller file with an event camera or, if ``size`` is None, with a value input.

    size : width and height of the camera [pixel]
    """
    name = "controller.yaml" if size is None else "events.yaml"
    text = files("snn_control").joinpath("templates", name).read_text(encoding="utf-8")
    if size is None:
        return text
    # an edge causes events along its whole length, so their number grows with the side of a cell
    weight = WEIGHT * math.sqrt(math.prod(SIZE) / math.prod(size))
    text = text.replace(f"size: {list(SIZE)}", f"size: {list(size)}")
    return text.replace(f"weights: {WEIGHT}}}", f"weights: {weight:.2g}}}")


def for_frames(size: tuple[int, int], topic: str) -> str:
    """Return the text of a controller file whose events come from the frames of a conventional camera.

    size : width and height of the frames [pixel]
    topic : topic of the images
    """
    text = _replaced("events.yaml", template(size), FRAMES)
    before, rest = text.split("    # packets of metavision_driver", 1)
    mine = (
        "    # with pace: sensor, the events of a frame are spread over the time between two frames; without it,\n"
        "    # all come at once. Encodings: mono8, mono16, rgb8, bgr8, rgba8, bgra8, yuv422, 32FC1, Bayer\n"
        f"    camera: {{topic: {json.dumps(topic)}, type: sensor_msgs/msg/Image, pace: sensor}}\n"
    )
    return before + mine + "  outputs:" + rest.split("  outputs:", 1)[1]


def _replaced(name: str, text: str, changes: Sequence[tuple[str, str]]) -> str:
    for before, after in changes:
        if before not in text:
            raise ValueError(f"{name} has no {before!r}")
        text = text.replace(before, after)
    return text


def for_robot(kind: str) -> str:
    """Return the text of a controller file for the kind of robot ``kind``, a key of `ROBOTS`."""
    name, changes, _ = ROBOTS[kind]
    text = files("snn_control").joinpath("templates", "robots", f"{name}.yaml").read_text(encoding="utf-8")
    return _replaced(f"{name}.yaml", text, changes)


def named(options: argparse.Namespace) -> str:
    """Return the options that select the environment and its arguments, for the comment at the head of the file."""
    return " ".join([f"--env {shlex.quote(options.env)}", *(f"--arg {shlex.quote(pair)}" for pair in options.arg)])


def for_environment(options: argparse.Namespace) -> str:
    """Return the text of a controller file that fits the environment of ``--env``.

    Raises DescriptionError if no controller fits the spaces of the environment, or if the environment fails.
    """
    from ..training.starting_point.file_text import STEPS, starting_point

    env = common.make_environment(options.env, common.keywords(options.arg))
    environment = named(options)
    given = {key: value for key in ("seed", "steps") if (value := getattr(options, key)) is not None}
    start_file = getattr(env.unwrapped, "start_file", lambda: None)()
    if start_file is not None and not given:
        env.close()
        return start_file.read_text(encoding="utf-8")
    command = " ".join(["snn_control new", environment, *(f"--{key} {value}" for key, value in given.items())])
    try:
        tell = functools.partial(print, file=sys.stderr)
        return starting_point(env, command, environment, options.seed or 0, options.steps or STEPS, tell)
    except DescriptionError as error:
        raise error.within(f"--env {options.env}") from None
    except (Exception, SystemExit) as error:  # environments raise any exception
        raise DescriptionError("--env", options.env, f"cannot be played: {describe_exception(error)}") from None
    finally:
        env.close()


def run(options: argparse.Namespace) -> int:
    for flag, value in (("--arg", options.arg), ("--seed", options.seed), ("--steps", options.steps)):
        if value not in (None, []) and options.env is None:
            raise DescriptionError(flag, value, "requires --env", "say for which environment")
    if options.topic is not None and options.frames is None:
        raise DescriptionError("--topic", options.topic, "requires --frames", "say of which size the frames are")
    common.check_free("FILE", options.file, options.force)  # before the environment is played
    if options.robot is not None:
        text = for_robot(options.robot)
    elif options.frames is not None:
        text = for_frames(options.frames, options.topic or TOPIC)
    else:
        with common.our_output():
            text = for_environment(options) if options.env is not None else template(options.events)
    if common.write_new(options, text):
        print(f"{options.file}: written. Next: snn_control check {options.file}")
        more = f"what it does: snn_control run --env Pendulum-v1 {options.file}"
        if options.robot is not None or options.frames is not None:
            more = f"on the robot: controller_node --ros-args -p controller_file:={options.file}"
        if options.events:
            more = f"with a recording: snn_control events replay RECORDING --controller {options.file}"
        if options.env is not None:
            environment = named(options)
            more = f"train it: snn_control train {options.file} {environment}\n"
            more += f"play it:  snn_control run {environment} {options.file}"
        print(more)
    return 0
