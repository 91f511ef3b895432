"""``snn_control events replay``: run a controller on a recording, directly or over ROS topics."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analysis.event_replay import Fitted, command_digest, fit, replay
from ...coding import EventsInput
from ...controller_file.names import output_names
from ...errors import NO_VALUE, DescriptionError, RuntimeFault, counted, in_file
from ...events.slicing import LONGEST_GAP, MOST_TICKS, Slicer, part
from ..common import add_command, check_free, need_extra, number, print_json
from . import add_part, add_recording, check_part, open_from, progress, size_of, tracked, warn
from .replay_topics import check_topics, on_topics

if TYPE_CHECKING:
    from ...controller import Controller
    from ...controller_file import ControllerSpec
    from ...events import Events, Recording

MORE = """\
The recording is divided into the controller's ticks by the sensor's time, and the controller is fitted to the camera.
By default the ticks run in this process. With --ros a node plays the recording over DDS to a controller node, with one
command for each message unless --real-time is given. The same recording gives the same commands, bit for bit, with and
without ROS.

examples:
  snn_control events replay recording.raw --controller motion --video seen.mp4
  snn_control events replay bag_folder --controller motion --ros
  snn_control events replay long.raw --controller motion --from 10 --to 15
  snn_control events replay recording.db3 --controller pan_tilt --value joint_velocity=0,0.5 --real-time

The run folder holds summary.json, data.npz (times, commands, spikes, events per tick), controller.yaml,
report.html and, without --ros, shown.npz: the inputs, for check and plot --input. --no-report leaves the report out,
which takes longer than a short replay.
"""
SHORT_GAP = 0.1  # s, length of a gap with --skip-gaps
SHOWN_TICKS, SHOWN_EVENTS = 300_000, 4_000_000  # limits; only the newest are kept
MOST_RANGES = 12  # numbers of the command whose ranges are printed

Say = Callable[..., None]
Arrays = dict[str, np.ndarray]


def add_to(commands: Any) -> None:
    parser = add_command(commands, "replay", run, "run a controller on a recording", MORE)
    add_recording(parser)
    text = "controller file, or the name of a shipped one; the controller motion accepts any recording"
    parser.add_argument("--controller", required=True, metavar="F", help=text)
    parser.add_argument("--input", default=None, metavar="NAME", help="input of the events (default: the only one)")
    text = "constant numbers of another input (default 0)"
    parser.add_argument("--value", action="append", default=[], metavar="NAME=0,0", help=text)
    parser.add_argument("--real-time", action="store_true", help="play at the recorded speed, not as fast as possible")
    text = "speed of --real-time and of the video: 0.1 is ten times slower (default 1; for a short video, slower)"
    parser.add_argument("--speed", type=number(1e-3), default=None, metavar="S", help=text)
    add_part(parser)
    text = f"shorten gaps without events to {SHORT_GAP} s instead of {LONGEST_GAP:g} s"
    gap: dict[str, Any] = {"action": "store_const", "const": SHORT_GAP, "default": LONGEST_GAP}
    parser.add_argument("--skip-gaps", dest="longest_gap", help=text, **gap)
    parser.add_argument("--ros", action="store_true", help="replay over ROS 2, to a controller node")
    parser.add_argument("--out", default=None, metavar="FOLDER", help="run folder (default runs/replay-NAME-DATE-TIME)")
    parser.add_argument("--force", action="store_true", help="replace the files of --out and --video")
    text = "video of events, input, spikes and commands (.mp4, .gif, or .png: a sheet of pictures)"
    parser.add_argument("--video", default=None, metavar="FILE", help=text)
    parser.add_argument("--no-report", dest="report", action="store_false", help="write no report")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")


def run(options: argparse.Namespace) -> int:
    from ...controller_file import load_spec
    from ...events import open_recording
    from ...resources import controller_path

    say: Say = (lambda *text: None) if options.json else lambda *text: print(*text, flush=True)
    check_part(options)
    looked = open_from(options)
    folder = _folder(options)
    spec = load_spec(controller_path(options.controller, "--controller"))
    events, ticks, likely = _look(options, looked, spec.period)
    said = size_of(looked)
    size = said or likely
    with in_file(str(options.controller), "--"):
        fitted = fit(spec, size, options.input, _values(options.value), guessed=said is None)
    if options.ros:
        check_topics(options, fitted)
    for note in fitted.notes:
        say(f"note: {note}")
    folder.mkdir(parents=True, exist_ok=True)
    head = f"Made by: snn_control events replay {options.file} --controller {options.controller}"
    fitted.spec.save(folder / "controller.yaml", head)  # the file that is run
    recording = open_recording(options.file, options.topic, *size, options.columns)
    this = Replay(options, fitted, looked, recording, events, ticks, folder, say)
    start = time.perf_counter()
    arrays, sliced, counters = on_topics(options, fitted, folder, say) if options.ros else this.off_topics()
    summary = this.summary(time.perf_counter() - start, arrays, sliced, counters)
    this.finish(summary, arrays)
    if options.json:
        print_json(summary)
    else:
        _print(summary, options, folder)
        warn(looked)
    return 0


def _look(options: argparse.Namespace, recording: Recording, period: float) -> tuple[int, int, tuple[int, int]]:
    """Read the recording once to count its events.

    Return the number of events to replay, the number of ticks, and the likely (width, height) of the sensor [pixel].

    period : control period [s]

    Raises DescriptionError if there are no events, or far too many ticks.
    """
    from ...events.frames import likely_size

    slicer = Slicer(round(period * 1e9), 1, options.longest_gap)
    ticks = columns = rows = 0
    for piece in slicer.timed(part(tracked(recording, "reading"), options.begin, options.end)):
        ticks = int(piece.t[-1]) // slicer.period_ns + 1
        columns, rows = max(columns, int(piece.x.max()) + 1), max(rows, int(piece.y.max()) + 1)
    if not slicer.events:
        where = "" if options.begin is None and options.end is None else " in this part"
        raise DescriptionError(options.file, NO_VALUE, f"holds no events{where}", "see: snn_control events info")
    if ticks > MOST_TICKS:
        rule = f"its times span {ticks * period:,.6g} s, more than {MOST_TICKS:,} ticks of {period:g} s"
        raise DescriptionError(options.file, NO_VALUE, rule, "replay a part with --from and --to, or give --skip-gaps")
    return slicer.events, ticks, likely_size(columns, rows)


def _folder(options: argparse.Namespace) -> Path:
    """Return the folder for the files of the run.

    Raises DescriptionError if a file cannot be written, or if a file exists and ``--force`` is not given.
    """
    name = Path(options.file).name.partition(".")[0]
    folder = Path(options.out or time.strftime(f"runs/replay-{name}-%Y%m%d-%H%M%S"))
    taken = folder.is_dir() and any(folder.iterdir())
    if folder.is_file() or (taken and not options.force):
        raise DescriptionError("--out", str(folder), "exists already", "choose another name, or give --force")
    if options.video:
        _check_video(Path(options.video))
        check_free("--video", options.video, options.force)
    return folder


def _check_video(path: Path) -> None:
    """Raise an error if the video cannot be written. Without this check, the error would occur after the replay."""
    from ...report.video_file import SUFFIXES

    if path.suffix.lower() not in SUFFIXES:
        raise DescriptionError("--video", str(path), f"must end in {', '.join(SUFFIXES)}")
    if not path.absolute().parent.is_dir():
        raise DescriptionError("--video", str(path), "must lie in a folder that exists")
    if path.suffix.lower() == ".mp4":
        need_extra("av", "events")


def _values(pairs: list[str]) -> dict[str, list[float]]:
    """Convert texts such as ``["joint_velocity=0,0"]`` to a dictionary: name of an input -> numbers."""
    found = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            found[name] = [float(part) for part in text.split(",")]
        except ValueError:
            raise DescriptionError("--value", pair, "must look like name=0,0.5") from None
    return found


@dataclass
class Replay:
    """A replay of a recording with a controller.

    options : command-line options
    looked : the recording as opened without a size, for reports of the file's properties
    recording : the recording as opened with the size of the controller's camera, so that events outside the camera's
        frame do not count towards the capacity of a tick
    events : number of events to replay
    ticks : number of ticks to replay
    folder : folder of the run
    say : function that prints a line, unless the command is quiet
    """

    options: argparse.Namespace
    fitted: Fitted
    looked: Recording
    recording: Recording
    events: int
    ticks: int
    folder: Path
    say: Say
    controller: Controller = field(init=False)

    def __post_init__(self) -> None:
        from ...controller import Controller

        self.controller = Controller.from_spec(self.fitted.spec)
        self.controller.step({})  # compiles what is missing
        self.controller.reset()

    def chunks(self) -> Iterator[Events]:
        """Yield the events to replay in chunks. Each call starts again at the first event."""
        return part(self.recording.chunks(), self.options.begin, self.options.end)

    def slicer(self) -> Slicer:
        """Return a new slicer that divides the events into the controller's ticks."""
        return Slicer(self.fitted.period_ns, self.fitted.camera.capacity, self.options.longest_gap)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int], None]]:
        """Context manager with a progress bar for the fraction of the file that was read.

        It yields a function, which must be called in every tick with the index of the tick.
        """
        with progress(what, self.recording.size_bytes, "ticks", self.options.json) as bar:

            def move(index: int) -> None:
                if index % 256 == 0:
                    bar(self.recording.bytes_read, index)

            yield move

    def off_topics(self) -> tuple[Arrays, dict[str, int], dict[str, Any]]:
        """Replay in this process, without ROS, and save the inputs for ``check --input`` and ``plot --input``.

        Return three values: the recorded arrays (see `replay`), the counters of the slicer, and the counters of the
        controller.
        """
        from ...record.input_recorder import InputLogRecorder

        options, fitted = self.options, self.fitted
        room = max(self.events, *(i.capacity for i in fitted.spec.inputs if isinstance(i, EventsInput)), 0)
        input_log = InputLogRecorder(self.controller.bound, min(self.ticks, SHOWN_TICKS), min(room, SHOWN_EVENTS))
        slicer = self.slicer()
        speed = (options.speed or 1.0) if options.real_time else 0.0
        with self.progress("replay") as move:
            arrays = replay(self.controller, fitted, slicer.ticks(self.chunks()), speed, move, input_log)
        input_log.save(self.folder / "shown.npz")
        return arrays, slicer.counters, self.controller.counters()

    def summary(self, seconds: float, arrays: Arrays, sliced: dict[str, int], counters: Any) -> dict[str, Any]:
        """Return the summary of the run, which the command prints and saves.

        seconds : duration of the run [s]
        arrays : the recorded arrays
        sliced : counters of the slicer
        counters : counters of the controller
        """
        from ... import __version__

        options, fitted, looked = self.options, self.fitted, self.looked
        ticks, spec = len(arrays["command"]), fitted.spec
        lasts = ticks * spec.period
        how = f"in real time x {options.speed or 1:g}" if options.real_time else "as fast as possible"
        where = "over ROS 2" if options.ros else "in one process"
        name = Path(options.file).name
        seen = counters["inputs"][fitted.events]
        events = dict(sliced) | {key: seen[key] for key in ("out_of_frame", "filtered")}
        summary: dict[str, Any] = {
            "title": f"{options.controller} on {name}, {where}, {how}", "controller": str(options.controller),
            "recording": {
                "file": name, "topic": looked.topic, "encoding": looked.encoding,
                "width": fitted.camera.size[0], "height": fitted.camera.size[1],
                "counters": {key: n for key, n in looked.counters.items() if n},
            },
            "over_ros": options.ros, "notes": list(fitted.notes), "duration_s": round(lasts, 9), "ticks": ticks,
            "commands": command_digest(arrays["command"]), "command_ranges": _ranges(spec, arrays["command"]),
            "events": {fitted.events: events}, "spikes": counters["spikes"], "guard": counters["guard"],
            "network": {
                "events_per_s": round(sliced["events"] / lasts, 1),
                "spikes_per_s": round(sum(counters["spikes"].values()) / lasts, 1),
                "synaptic_operations_per_s": round(counters["synaptic_operations"] / lasts, 1),
            },
            "late_ticks": int(arrays["late_ticks"]), "seconds": round(seconds, 3),
            "versions": {"snn_control": __version__, "numpy": np.__version__},
        }  # fmt: skip
        if not options.ros and not options.real_time:
            summary["loop_seconds"] = round(float(arrays["loop_seconds"]), 3)
            summary["ticks_per_s"] = round(ticks / float(arrays["loop_seconds"]))
        return summary

    def finish(self, summary: dict[str, Any], arrays: Arrays) -> None:
        """Write the files of the run: summary and data, the report's pictures, and the video."""
        from ...record.run_folder import write_run
        from ...report.run_pictures import named_arrays

        options, fitted, folder, spec = self.options, self.fitted, self.folder, self.fitted.spec
        arrays = {
            **arrays,
            **named_arrays(spec, self.controller.program, arrays["population_names"].tolist()),
            "command_t": np.arange(len(arrays["command"])) * spec.period,
            "spike_t": arrays["spike_step"] * spec.dt,
        }
        if options.report:
            self.report(summary, arrays)
        else:
            write_run(folder, summary, arrays)
        if options.video:
            from ...report.replay_video import write_replay_video

            with self.progress("video") as move:
                ticks = self.slicer().ticks(self.chunks())
                write_replay_video(options.video, fitted, ticks, arrays, options.speed, summary["title"], move)

    def report(self, summary: dict[str, Any], arrays: Arrays) -> None:
        """Write the folder of the run with a report. If drawing the report fails, write the folder without a report."""
        from ...record.input_log import InputLog
        from ...record.recorded_run import RecordedRun, read_run_record
        from ...record.run_folder import write_run
        from ...report.event_plots import survey_arrays
        from ...report.page import write_report

        self.say("drawing the report ...")
        try:
            if self.options.ros:
                record = read_run_record(self.folder / "nodes" / "controller.npz")
            else:
                record = RecordedRun({}, InputLog.load(self.folder / "shown.npz"), self.fitted.spec)
            survey = survey_arrays(self.slicer().timed(self.chunks()), self.fitted.camera.size)
            write_run(self.folder, summary, arrays | survey)
            write_report(self.folder, record)
        except RuntimeFault as error:
            write_run(self.folder, summary, arrays)
            self.say(f"note: no pictures: {error}")


def _ranges(spec: ControllerSpec, command: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return unit, minimum, maximum and mean over all ticks for each number of the command: label -> these values."""
    units = [o.unit for o in spec.outputs for _ in range(o.size)]
    columns = zip(output_names(spec), units, command.T, strict=True)
    return {
        name: {"unit": unit, "least": float(c.min()), "most": float(c.max()), "mean": float(c.mean())}
        for name, unit, c in columns
        if c.size
    }


def _print(summary: Mapping[str, Any], options: argparse.Namespace, folder: Path) -> None:
    (events,), guard = summary["events"].values(), summary["guard"]
    print(summary["title"])
    print(f"  recording: {summary['duration_s']:g} s, {counted(summary['ticks'], 'tick')}")
    if "ticks_per_s" in summary:
        loop = f"{summary['loop_seconds']:g} s from the first tick to the last, {summary['ticks_per_s']:,} ticks/s"
        print(f"  run: {loop}; {summary['seconds']:g} s with its preparation")
    else:
        print(f"  run: {summary['seconds']:g} s" + (", with the start of the nodes" if summary["over_ros"] else ""))
    odd = ", ".join(f"{n:,} {key}" for key, n in events.items() if n and key not in ("events", "filtered"))
    print(f"  {counted(events['events'], 'event')}" + (f": {odd}" if odd else ", all in time and in order"))
    if events["filtered"]:
        print("  filters removed: " + ", ".join(f"{name} {n:,}" for name, n in events["filtered"].items()))
    print("  spikes: " + ", ".join(f"{name} {n:,}" for name, n in summary["spikes"].items()))
    waiting = ", including those before and after the recording" if summary["over_ros"] and guard["safe_ticks"] else ""
    safe = counted(guard["safe_ticks"], "safe tick")
    print(f"  commands: {summary['commands']} (sha256 of their bits), {safe}{waiting}")
    shown = list(summary["command_ranges"].items())
    for name, r in shown[:MOST_RANGES]:
        print(f"    {name} {r['least']:.3g} to {r['most']:.3g}{' ' * bool(r['unit'])}{r['unit']}, mean {r['mean']:.3g}")
    if len(shown) > MOST_RANGES:
        print(f"    and {counted(len(shown) - MOST_RANGES, 'more number')}: summary.json")
    if late := summary["late_ticks"]:
        print(f"  {counted(late, 'tick')} began more than a period too late")
    report = ["report.html"] if options.report else []
    files = ["summary.json", "data.npz", "controller.yaml", *report, "nodes" if summary["over_ros"] else "shown.npz"]
    print(f"  in {folder}: {', '.join(files)}")
    if options.video:
        print(f"  video: {options.video}")
