"""``snn_control events info``: print the contents of a recording, and its problems."""

from __future__ import annotations

import argparse
from typing import Any

from ..common import add_command, add_shared, print_json
from . import add_recording, faults, open_from, tracked

MORE = """\
--json prints one object: events, on, off, triggers, first_t, last_t (null without events), unit ("us" or "ns", that of
the encoding), digest, width, height (null if the file does not state it: then no event is out of the frame),
encoding, layout (what was found in a file that can hold events in several ways; null for others), counters. The digest
is the first 16 hex digits of sha256 over all t (int64), then all x (uint16), y (uint16) and p (uint8, 1: ON), little
endian.

A file that was cut is read up to the cut: counters.truncated is 1, the exit code 0. It is 2 for any other file.

examples:
  snn_control events info recording.raw
  snn_control events info recording.raw --width 640 --height 480
  snn_control events info bag_folder --topic /event_camera/events --json
"""


def add_to(commands: Any) -> None:
    parser = add_command(commands, "info", run, "show the contents of a recording, and its problems", MORE)
    add_recording(parser)
    add_shared(parser, "--json")


def run(options: argparse.Namespace) -> int:
    from ...events.summary import summarize

    recording = open_from(options)
    summary = summarize(tracked(recording, "reading"), recording.unit)
    counters = recording.counters
    triggers = counters.pop("triggers")
    numbers = {
        "events": summary.events, "on": summary.on, "off": summary.off, "triggers": triggers,
        "first_t": summary.first_t, "last_t": summary.last_t, "unit": recording.unit, "digest": summary.digest,
        "width": recording.width, "height": recording.height, "encoding": recording.encoding or None,
        "layout": recording.layout or None, "counters": counters,
    }  # fmt: skip
    if options.json:
        print_json(numbers)
    else:
        print(recording.path)
        rows = _rows(recording, summary, triggers, counters)
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            print(f"{name:{width}}  {text}")
    return 0


def _rows(recording: Any, summary: Any, triggers: int, counters: dict[str, int]) -> list[tuple[str, str]]:
    unit = recording.unit
    size = f"{recording.width or '?'} x {recording.height or '?'}"
    unknown = "" if recording.width and recording.height else "; the file does not state it: give --width and --height"
    rows = [("encoding", recording.encoding or "not known"), ("sensor", f"{size} pixels{unknown}")]
    if recording.layout:
        rows.append(("layout", recording.layout))
    if recording.topic is not None:
        rows.append(("topic", recording.topic))
    if recording.messages is not None:
        rows.append(("packets", f"{recording.messages:,}"))
    rows += [("events", f"{summary.events:,}"), ("triggers", f"{triggers:,}")]
    if summary.events:
        peak = f", {summary.peak_rate:,.0f} events/s in the busiest 10 ms" if summary.duration > 0.01 else ""
        hottest = [f"({x}, {y}) {n:,}" for x, y, n in summary.hottest(5)]
        rows += [
            ("ON", f"{100 * summary.on / summary.events:.1f} %"),
            ("time", f"{summary.first_t:,} .. {summary.last_t:,} {unit}, {summary.duration:.6g} s"),
            ("rate", f"{summary.mean_rate:,.0f} events/s{peak}"),
            ("hottest pixels", ", ".join(hottest) or "not counted: the frame is too large"),
        ]
    rows += [("digest", summary.digest), *(("wrong", line) for line in faults(counters))]
    if counters["wraps"]:
        rows.append(("wraps", f"{counters['wraps']:,} of the sensor's clock, accounted for"))
    return rows
