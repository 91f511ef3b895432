"""``snn_control events view``: make a video, a figure or an interactive page of a recording."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from ...errors import NO_VALUE, DescriptionError, counted
from ..common import add_command, add_out, check_out, need_extra, number
from . import add_part, add_recording, check_part, open_from, progress, warn

MORE = """\
--out X.mp4 or X.gif  a video: ON events (brighter) orange, OFF events blue, with time and rate
--out X.html          an interactive page in one file: pictures with a time bar, rate over time
--out X.png           a figure: moments, rate over time, activity of the pixels, intervals of a pixel, x-y-t plot

A page holds at most 800,000 events, and at most 8 MB of them. Of more events, it keeps an even share.

styles of videos and figures:
  polarity   how many events each pixel gave since the last picture
  surface    the last event of each pixel, fading with its age (30 ms)
  grey       leaky sum of the polarities (100 ms), much as an ordinary camera would see it
Without --style it is polarity, or surface in slow motion, where polarity would give nearly empty pictures.

examples:
  snn_control events view recording.raw
  snn_control events view recording.raw --out look.html
  snn_control events view bag_folder --topic /event_camera/events --out look.png
  snn_control events view recording.raw --mask hot.npz --out clean.html      without hot pixels
  snn_control events view recording.raw --from 1.2 --to 1.4 --speed 0.05 --style surface --out slow.gif
"""
STYLES = ("polarity", "surface", "grey")  # styles of events.frames, which is imported only when it is used
NEEDED = {  # suffix -> modules, and the extras that have them
    ".mp4": (("av", "events"), ("PIL", "report")), ".gif": (("matplotlib", "report"), ("PIL", "report")),
    ".png": (("matplotlib", "report"), ("PIL", "report")), ".html": (("jinja2", "report"),),
}  # fmt: skip
MOMENTS = 5


def add_to(commands: Any) -> None:
    parser = add_command(commands, "view", run, "make a video, a figure or a page of a recording", MORE)
    add_recording(parser)
    add_out(parser, "FILE", "file to write: .mp4, .gif, .png or .html (default: RECORDING.mp4 in the current folder)")
    add_part(parser)
    text = "speed of video or page, 0.1 for slow motion (default 1, or slower if it would be shorter than 4 s)"
    parser.add_argument("--speed", type=number(1e-9), default=None, metavar="X", help=text)
    parser.add_argument("--fps", type=number(0.1), default=30.0, metavar="N", help="pictures a second (default 30)")
    text = "leave out the events of these pixels: the file of hot-pixels"
    parser.add_argument("--mask", metavar="MASK.npz", help=text)
    parser.add_argument("--style", choices=STYLES, help="style of the pictures, see below")


def run(options: argparse.Namespace) -> int:
    from ...events.frames import likely_size
    from ...report.event_plots import Survey
    from ...report.event_video import part_of, speed_for

    options.out = options.out or f"{Path(options.file).stem}.mp4"
    suffix = Path(options.out).suffix.lower()
    if suffix not in NEEDED:
        raise DescriptionError("--out", options.out, f"must end in {', '.join(NEEDED)}")
    check_out(options)
    check_part(options)
    options.start = options.begin or 0.0
    options.stop = math.inf if options.end is None else options.end
    for module, extra in NEEDED[suffix]:
        need_extra(module, extra)
    recording = open_from(options)
    recording.mask = None if options.mask is None else mask_in(options.mask)
    survey, size = Survey(), None
    with progress(f"reading {Path(options.file).name}", recording.size_bytes) as reached:
        for piece in part_of(recording, options.start, options.stop):
            survey.add(piece)
            size = (piece.width, piece.height) if piece.width and piece.height else size
            reached(recording.bytes_read)
    if survey.first is None:
        raise DescriptionError(options.file, NO_VALUE, "holds no events in this part", "see: snn_control events info")
    survey.begins = begin_of(recording, survey) if options.start else 0.0
    rows, columns = survey.pixels.shape
    warn(recording)
    options.size = size or likely_size(columns, rows)
    survey.grow(options.size[1], options.size[0])
    if size is None:
        guessed = f"{options.size[0]}x{options.size[1]}: guessed from the coordinates, as the file does not state it"
        print(f"note: sensor {guessed}; give --width and --height", file=sys.stderr)
    options.speed = options.speed or speed_for(survey.seconds)
    write = {".png": figure, ".html": page}.get(suffix, video)
    print(write(options, recording, survey))
    return 0


def mask_in(path: str) -> Any:
    """Return the array ``mask`` of a file of `hot-pixels`, (height, width) bool. Raises DescriptionError."""
    from ...files import Arrays, reason

    try:
        with Arrays(path) as file:
            mask = file["mask"]
    except (OSError, ValueError, KeyError) as error:
        rule = f"cannot be read: {reason(error)}"
        raise DescriptionError("--mask", path, rule, "'snn_control events hot-pixels' makes it") from None
    if mask.ndim != 2 or mask.dtype.kind not in "bu":
        rule = f"has a mask of shape {mask.shape} {mask.dtype}: must be (height, width) bool"
        raise DescriptionError("--mask", path, rule)
    return mask.astype(bool)


def begin_of(recording: Any, survey: Any) -> float:
    """Return the time from the first event of a recording to the first event of the surveyed part [s]."""
    return (survey.first - int(next(recording.chunks()).ns[0])) * 1e-9


def video(options: argparse.Namespace, recording: Any, survey: Any) -> str:
    from ...report.event_video import style_for, write_event_video

    most = (640, 480) if Path(options.out).suffix.lower() == ".gif" else (1280, 960)  # a .gif is held in memory
    if options.style is None:
        options.style = style_for(survey.on + survey.off, survey.seconds, options.speed, options.fps)
    with progress(f"drawing {Path(options.out).name}", survey.seconds) as reached:
        pictures = write_event_video(
            options.out, recording, fps=options.fps, speed=options.speed, style=options.style, start=options.start,
            stop=options.stop, size=options.size, most=most, progress=lambda t: reached(t - options.start),
        )  # fmt: skip
    return (
        f"{options.out}: {counted(pictures, 'picture')} ({options.style}), {pictures / options.fps:.3g} s at "
        f"{options.speed:g} x real time, {counted(survey.on + survey.off, 'event')} of {survey.seconds:.6g} s, "
        f"sensor {options.size[0]} x {options.size[1]}"
    )


def figure(options: argparse.Namespace, recording: Any, survey: Any) -> str:
    from ...files import replace_file
    from ...report.event_plots import draw_recording
    from ...report.event_video import event_moments
    from ...report.kit import paint

    window = max(1e-6, min(1 / 30, survey.seconds / 15))
    first = options.start + window
    last = max(options.start + survey.seconds, first)
    times = [first + (last - first) * k / (MOMENTS - 1) for k in range(MOMENTS)]
    moments = event_moments(recording, times, window, style=options.style or "polarity", size=options.size)
    title = Path(options.file).name
    picture = paint(title, lambda figure: draw_recording(figure, survey, moments, title))
    replace_file(options.out, lambda file: file.write(picture.png))
    return f"{options.out}: {picture.caption}, sensor {options.size[0]} x {options.size[1]}"


def page(options: argparse.Namespace, recording: Any, survey: Any) -> str:
    from ...files import replace_text
    from ...report.event_video import part_of
    from ...report.events_page import events_page

    title = Path(options.file).name
    facts = [recording.encoding, *([] if options.begin is options.end is None else ["a part of the recording"])]
    with progress(f"drawing {Path(options.out).name}", survey.begins + survey.seconds) as reached:
        made, held = events_page(
            part_of(recording, options.start, options.stop), survey, options.size, title, facts, options.speed, reached
        )
    replace_text(options.out, made.html())
    size = Path(options.out).stat().st_size
    return (
        f"{options.out}: {size / 1e6:.1f} MB, {held}, {survey.seconds:.6g} s, "
        f"sensor {options.size[0]} x {options.size[1]}"
    )
