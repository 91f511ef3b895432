"""``snn_control events simulate``: simulate the events that an event camera would output for a video."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...errors import NO_VALUE, DescriptionError, counted
from ..common import add_command, add_out, check_out, number, whole
from . import add_part, check_part, check_suffix, progress

MORE = """\
The grey value of a video (its luma) to the power of 2.2 is the intensity I, and a pixel sees ln((I + 0.02) / 1.02).
Between two frames the log intensity is linear in time, in steps of at most --step. Fast motion leaves gaps, because
objects jump from frame to frame: use videos with high frame rates, or let a network interpolate frames before.
--out ends with .raw (EVT3), .mcap (a bag of EventPackets) or .npz; times are whole microseconds.

examples:
  snn_control events simulate street.mp4 --out street.raw
  snn_control events simulate street.mp4 --out street.npz --preset noisy --size 240x180 --from 2 --to 5
  snn_control events view street.raw --out street_events.mp4
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "simulate", run, "simulate the events of a camera that looks at a video", MORE)
    parser.add_argument("video", metavar="VIDEO", help="any file that ffmpeg reads")
    add_out(parser, "FILE", "file to write: .raw, .mcap, .h5, .npz, .txt or .csv", required=True)
    parser.add_argument(
        "--preset",
        choices=("clean", "default", "noisy"),
        default="noisy",
        help="kind of camera (default noisy, as v2e's)",
    )
    text = "contrast threshold of both signs [log intensity] (default the preset's, 0.2)"
    parser.add_argument("--threshold", type=number(0.01), default=None, metavar="C", help=text)
    parser.add_argument("--seed", type=whole(0), default=0, help="seed of thresholds and noise (default 0)")
    text = "frame rate to use instead of the times in the file [Hz]"
    parser.add_argument("--fps", type=number(0.1, " Hz"), default=None, metavar="F", help=text)
    text = "size of the camera [pixel]; the video is scaled to it (default: that of the video)"
    parser.add_argument("--size", type=_size, default=None, metavar="WxH", help=text)
    add_part(parser, "frame")
    text = "longest time step between two frames [s] (default 0.001)"
    parser.add_argument("--step", type=number(1e-5, " s"), default=1e-3, metavar="S", help=text)


def _size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)x(\d+)", text)
    if not match or not all(1 <= int(side) <= 2048 for side in match.groups()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be WIDTHxHEIGHT, each from 1 to 2048")
    return int(match[1]), int(match[2])


def run(options: argparse.Namespace) -> int:
    from sim_worlds.sensors.camera_model import PRESETS
    from sim_worlds.sensors.frames import simulate

    from ...events.video import Video
    from ...events.writing import write_recording

    out = Path(options.out)
    check_suffix("--out", options.out)
    check_out(options)
    model = PRESETS[options.preset]
    if options.threshold is not None:
        model = replace(model, threshold_on=options.threshold, threshold_off=options.threshold)
    check_part(options)
    film = Video(options.video, options.size, options.fps, options.begin or 0.0, options.end)
    counts = {"frames": 0, "events": 0, "on": 0, "dropped": 0}

    def chunks() -> Iterator[Any]:
        counts.update(dict.fromkeys(counts, 0))
        frames = _tracked(film, counts)
        for events, dropped in simulate(frames, model, options.seed, options.step):
            for name, n in (("events", len(events)), ("on", int(events.p.sum())), ("dropped", dropped)):
                counts[name] += n
            if len(events):
                yield replace(events, t=events.t // 1000, unit="us")
        if counts["frames"] < 2:
            rule = f"has {counted(counts['frames'], 'frame')} in this part: motion needs at least two"
            raise DescriptionError(options.video, NO_VALUE, rule)

    total, _, _ = write_recording(out, chunks, "us", *film.size)
    seconds = film.duration
    rate = total / seconds / (film.size[0] * film.size[1]) if seconds else 0.0
    events = f"{counted(total, 'event')}, {counts['on']:,} on, {total - counts['on']:,} off"
    print(f"{out}: {events}, {rate:.3g} Hz per pixel")
    print(f"from {counted(counts['frames'], 'frame')} of {film.size[0]}x{film.size[1]}, {seconds:.3f} s")
    if counts["frames"] < film.frames and not options.begin and options.end is None:
        print(f"cut short: the file should have {counted(film.frames, 'frame')}")
    if counts["dropped"]:
        print(f"dropped: {counts['dropped']:,} crossings, more than four a pixel in one step; take a smaller --step")
    print(f"next: snn_control events info {out}")
    return 0


def _tracked(film: Any, counts: dict[str, int]) -> Iterator[Any]:
    """Yield the frames of a video, and show a progress bar if standard error is a terminal.

    film : the video
    counts : counters for the progress bar
    """
    with progress("simulating", film.frames, "events") as move:
        for frame in film:
            counts["frames"] += 1
            yield frame
            move(counts["frames"], counts["events"])
