"""Command-line options that select a controller's stimulus: an environment, a recording, or the default stimulus."""

from __future__ import annotations

import argparse
from contextlib import closing

from ..analysis.stimulus import Stimulus, closed_loop, default_stimulus
from ..analysis.stimulus_files import load_stimulus
from ..controller import Controller
from ..controller_file import ControllerSpec
from ..errors import DescriptionError
from .common import add_shared, check_fit, environment, keywords, make_environment, number, our_output, whole

__all__ = ["STIMULUS", "add_stimulus", "stimulus_of"]

STIMULUS = """\
stimulus:
  --env ID       the controller itself runs in this Gymnasium environment (with --arg KEY=VALUE), one episode after
                 the other, each with the next seed; for 10 s, but at most 2,000 ticks, or for --seconds
  --input FILE   a recording that 'run --record', a node or a replay wrote; a rosbag2 (folder, .db3, .mcap) with the
                 topics of the file's ros.inputs; a recording of an event camera, for a controller with one (its other
                 inputs are 0); or an .npz of your own with an array for each input: (ticks, size) for values, one row
                 for each tick, (n, 4) rows of t [s], x, y, p for events
  neither        1 s of a synthetic stimulus, random with --seed: an independent sinusoid over each number's range, and
                 a bright disc that moves over an event camera's frame. It is not realistic, so it proves little
"""
SECONDS, MOST_TICKS = 10.0, 2_000  # limits for an environment


def add_stimulus(parser: argparse.ArgumentParser) -> None:
    """Add the options that select a stimulus to a command's parser; see `stimulus_of`."""
    parser.add_argument("--env", type=environment, metavar="ID", help="environment in which it acts, or module:ID")
    add_shared(parser, "--arg")
    parser.add_argument("--input", metavar="FILE", help="recording to take the inputs from")
    text = "network time to run [s] (default 1, 10 in an environment, or all of --input)"
    parser.add_argument("--seconds", type=number(1e-6, " s"), help=text)
    text = "seed of the default stimulus, or of the first episode (default 0)"
    parser.add_argument("--seed", type=whole(0), default=0, help=text)


def stimulus_of(options: argparse.Namespace, spec: ControllerSpec) -> Stimulus:
    """Return the stimulus that the options of `add_stimulus` select. Raises DescriptionError."""
    if options.env is not None and options.input is not None:
        raise DescriptionError("--input", options.input, "does not go with --env", "give one of them")
    if options.arg and options.env is None:
        raise DescriptionError("--arg", options.arg[0], "requires --env")
    if options.input is not None:
        from ..ros.bags import bag_inputs, has_numbers

        if has_numbers(options.input, spec):
            return bag_inputs(options.input, spec, options.seconds)
        return load_stimulus(options.input, spec, options.seconds)
    if options.env is None:
        return default_stimulus(spec, 1.0 if options.seconds is None else options.seconds, options.seed)
    seconds = min(SECONDS, MOST_TICKS * spec.period) if options.seconds is None else options.seconds
    controller = Controller.from_spec(spec)
    with our_output(), closing(make_environment(options.env, keywords(options.arg))) as env:
        check_fit(controller, env, spec.path)
        return closed_loop(env, controller, options.env, max(1, round(seconds / spec.period)), options.seed)
