"""Create an interactive page of a recording's events: one HTML file, drawn by the modules of the live page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..events import Events
from ..watch import protocol
from ..watch.page_file import packed, stored
from .event_plots import Survey
from .kit import rate_prefix
from .page import Page
from .table import number

__all__ = ["MOST_EVENTS", "events_page"]

MOST_EVENTS = 800_000  # in a page; together they need at most 8 MB. Of more, an even share is kept, chosen at random
PICTURE_S, PICTURES = 1 / 30, 300  # longest step of the time bar; fewest steps
PICTURED, LONGEST_PICTURE = 3_000, 0.2  # events that a picture shows at first; maximum duration that they span [s]
SPANS = tuple(digit * 10.0**power for power in range(-4, 0) for digit in (1, 2, 5))  # of a picture [s]
DT = 1e-6  # s, resolution of the times
WIDEST_FRAME = 1 << 32  # steps


def events_page(
    pieces: Iterable[Events], survey: Survey, size: tuple[int, int], title: str, facts: Sequence[str] = (),
    speed: float = 1.0, progress: Callable[[float], object] = lambda t: None,
) -> tuple[Page, str]:  # fmt: skip
    """Return the page of a recording, and a text that states whether the page contains all events.

    pieces : the events, in chunks
    survey : statistics of all events in ``pieces``
    size : (width, height) of the sensor [pixel]; events outside the sensor are omitted
    facts : texts below the title
    speed : initial playback speed of the page
    progress : function that is called with the present time [s after the first event]
    """
    assert survey.first is not None
    total = survey.on + survey.off
    share = min(1.0, MOST_EVENTS / total)
    frames: list[bytes] = []
    kept = 0
    for t, x, y, p in _shown(pieces, survey, size, share):
        frames += _frames(t, y.astype(np.uint32) * size[0] + x, p, len(frames))
        kept += len(t)
        progress(float(t[-1] * DT))
    end = survey.begins + survey.seconds
    marks = [{"t": survey.begins + jump * 1e-9, "kind": "clock steps back", "text": ""} for jump in survey.jumps]
    last = {"t": end, "tick": len(frames) + 1, "ticks": 0, "marks": marks}
    frames.append(protocol.encode(last, {}))
    note = "" if share == 1.0 else f"the pictures show {kept:,} of {total:,} events, the rates count all of them"
    peak = float(survey.rate.sum(axis=1).max()) / (survey.bin_ns * 1e-9)
    tiles = [
        ("events", number(total), f"{survey.on / total:.0%} ON"), ("duration", _time(survey.seconds), ""),
        ("mean rate", _rate(total / survey.seconds) if survey.seconds else "–", ""),
        ("highest rate", _rate(peak), f"in {_time(survey.bin_ns * 1e-9)}"),
    ]  # fmt: skip
    live = stored(_scene(survey, size, title, kept, len(frames), speed) | {"note": note}, packed(frames))
    return Page(title, [f"{size[0]} × {size[1]} pixels", *facts], tiles, [], [], live=live), note or "all events"


def _time(seconds: float) -> str:
    scale, unit = next((one for one in ((1.0, "s"), (1e3, "ms")) if seconds * one[0] >= 1.0), (1e6, "µs"))
    return f"{number(seconds * scale)} {unit}"


def _rate(events_a_second: float) -> str:
    scale, prefix = rate_prefix(round(events_a_second))
    return f"{number(events_a_second / scale)} {prefix}/s"


def _shown(
    pieces: Iterable[Events], survey: Survey, size: tuple[int, int], share: float
) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield the columns t [`DT`], x, y, p of the events on the page, in chunks. If the clock steps back, t is constant.

    share : probability with which an event is on the page
    """
    random, latest = np.random.default_rng(0), 0
    begins = round(survey.begins * 1e9) - (survey.first or 0)
    for piece in pieces:
        t = np.maximum(np.maximum.accumulate(piece.ns + begins), latest)
        latest = int(t[-1])
        inside = (piece.x < size[0]) & (piece.y < size[1])
        if share < 1.0:
            inside &= random.random(len(t)) < share
        if inside.any():
            yield t[inside] // 1000, piece.x[inside], piece.y[inside], (piece.p[inside] != 0).astype(np.uint16)


def _frames(t: np.ndarray, pixel: np.ndarray, p: np.ndarray, done: int) -> list[bytes]:
    """Encode events as frames of the live page: OFF and ON are populations, and pixels are their neurons."""
    cuts = np.flatnonzero(np.diff((t - t[0]) // WIDEST_FRAME)) + 1
    frames: list[bytes] = []
    for rows in np.split(np.arange(len(t)), cuts):
        first = int(t[rows[0]])
        arrays = {
            "first_step": np.array([first], "<i8"), "spike_step": (t[rows] - first).astype("<u4"),
            "spike_population": p[rows].astype("<u2"), "spike_neuron": pixel[rows].astype("<u4"),
        }  # fmt: skip
        number_of = done + len(frames) + 1
        frames.append(protocol.encode({"t": int(t[rows[-1]]) * DT, "tick": number_of, "ticks": 1}, arrays))
    return frames


def _scene(survey: Survey, size: tuple[int, int], title: str, kept: int, frames: int, speed: float) -> dict[str, Any]:
    """Return the live page's scene for a camera without a controller: camera, event rate, and initial view."""
    rate = survey.rate
    busiest = int(rate.sum(axis=1).argmax())
    many = PICTURED / max(kept / max(survey.seconds, DT), 1.0)
    span = max(speed * PICTURE_S, min(many, LONGEST_PICTURE))
    bin_s = survey.bin_ns * 1e-9
    names = ("OFF", "ON")
    return {
        "title": title, "kind": "record", "dt": DT, "actions": [], "ticks": frames, "spikes": kept,
        "period": max(DT, min(PICTURE_S, survey.seconds / PICTURES)),
        "from": survey.begins, "length": survey.seconds,
        "populations": [{"name": one, "size": size[0] * size[1], "spiking": True, "colour": ""} for one in names],
        "inputs": [], "outputs": [], "edges": [], "rules": [], "tunable": [],
        "camera": {
            "width": size[0], "height": size[1], "span": min(SPANS, key=lambda one: abs(np.log(one / span))),
            "speed": speed, "shown": min(survey.begins + (busiest + 1) * bin_s, survey.begins + survey.seconds),
            "rate": {"from": survey.begins, "bin": bin_s, "on": rate[:, 0], "off": rate[:, 1]},
        },
    }  # fmt: skip
