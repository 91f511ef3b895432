"""Write the report of a run: one self-contained HTML file with pictures and tables."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, RuntimeFault, optional
from ..files import replace_text
from ..record.recorded_run import RecordedRun
from ..record.run_folder import read_run
from ..watch.page_file import Embedded, embedded, page_parts
from .kit import Picture
from .run_pictures import PICTURES, Missing, draw
from .table import Section, mapping, number, rms_of, scored_from, sections, verdict_kind

__all__ = ["REPORT", "Clip", "Omitted", "Page", "write_report"]

REPORT = "report.html"
LIVE_ONLY = ("camera", "tracking", "latency")  # pictures that do not exist for a replayed recording


def _tiles(summary: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the most important results of a run, each as (label, value, remark)."""
    tiles: list[tuple[str, str, str]] = []
    rows, unit = rms_of(summary)
    if rows:
        others = sorted(rows[1:], key=lambda row: row[1])
        remark = f"best baseline: {others[0][0]} {others[0][1]:.2f}{unit}" if others else rows[0][0]
        tiles.append((f"tracking error, rms{scored_from(summary, ' ')}", f"{rows[0][1]:.2f}{unit}", remark))
    elif criteria := mapping(summary, "criteria"):
        name, one = next(iter(criteria.items()))
        tiles.append((name, str(one["found"]), f"wanted: {one['wanted']}"))
    loop = mapping(summary, "loop")
    if "missed" in loop:
        tiles.append(("missed ticks", number(loop["missed"]), f"of {number(loop.get('ticks'))}"))
    for key, what in (("latency_us", "sensor to command"), ("wakeup_us", "wake-up"), ("tick_us", "tick")):
        cells = mapping(loop, key)
        if isinstance(cells.get("p99"), int | float):
            worst = f"max {number(cells['max'])} µs" if "max" in cells else ""
            tiles.append((f"{what}, p99", f"{number(cells['p99'])} µs", worst))
    network = mapping(summary, "network")
    if isinstance(network.get("synaptic_operations_per_s"), int | float):
        of = {"AC": network.get("accumulates_per_s"), "MAC": network.get("multiply_accumulates_per_s")}
        remark = ", ".join(f"{number(value)} {name}" for name, value in of.items() if value is not None)
        tiles.append(("synaptic operations", f"{number(network['synaptic_operations_per_s'])}/s", remark))
    return tiles


@dataclass(frozen=True)
class Omitted:
    """The reason why a picture is missing, which the page shows as text in place of the picture."""

    title: str
    missing: str


@dataclass(frozen=True)
class Clip:
    """A video, as the bytes of a .gif file, which the page shows in place of a picture."""

    title: str
    caption: str
    alt: str
    gif: bytes


@dataclass(frozen=True)
class Page:
    """The content of a self-contained HTML page.

    facts : texts in the line below the title
    tiles : label, value and remark of the most important results
    kind : kind of the verdict: ``pass``, ``fail`` or ``none``
    notes : lines in a box above the pictures
    live : data of a run that the page can play, above the pictures
    files : names of other files written with the page, which its HTML head stores and the page does not show
    """

    title: str
    facts: Sequence[str]
    tiles: Sequence[tuple[str, str, str]]
    pictures: Sequence[Picture | Clip | Omitted]
    sections: Sequence[Section]
    verdict: str = ""
    kind: str = "none"
    notes: Sequence[str] = ()
    live: Embedded | None = None
    files: str = ""

    def html(self) -> str:
        """Return the page as HTML text. Raises RuntimeFault if Jinja2 is not installed."""
        jinja2 = optional("jinja2", "a report needs Jinja2", "report", RuntimeFault)
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("snn_control.report"), autoescape=True, undefined=jinja2.StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
        return environment.get_template("report.html.j2").render(vars(self), parts=page_parts())


def _has(summary: Mapping[str, Any], key: str) -> bool:
    """Return whether a run with this summary can have the picture ``key`` at all.

    For example, a run without a camera has no picture of events.
    """
    if "recording" in summary and key in LIVE_ONLY:
        return False
    if key == "events":
        return summary.get("events") != {}
    return key != "tracking" or "tracking" not in summary or bool(rms_of(summary)[0])


def write_report(folder: str | Path, record: RecordedRun | None = None) -> Path:
    """Write the report ``report.html`` into a run folder. Return the path of the file.

    record : the recorded run, which is replayed and can be played on the page

    A picture whose arrays are missing is omitted. The page has a note on the omission, unless such a run never has the
    picture (`_has`). Raises RuntimeFault if the folder does not contain a run, or if matplotlib or Jinja2 is not
    installed.
    """
    folder = Path(folder)
    summary, arrays = read_run(folder)
    title, live = str(summary.get("title") or "Run"), None
    pictures: list[Picture | Omitted] = []
    try:
        if record is None:
            raise InputError("the run holds no record")
        live = embedded(record, title)
    except InputError as error:
        pictures.append(Omitted("Network activity", str(error)))
    for key, (heading, _) in PICTURES.items():
        try:
            pictures.append(draw(key, summary, arrays))
        except Missing as reason:
            if _has(summary, key):
                pictures.append(Omitted(heading, str(reason)))
    facts = [number(summary[key]) for key in ("controller", "world") if summary.get(key) is not None]
    facts += [f"seed {summary['seed']}"] if summary.get("seed") is not None else []
    facts += [f"{number(summary['duration_s'])} s"] if summary.get("duration_s") is not None else []
    page = Page(
        title, facts, _tiles(summary), pictures, sections(summary),
        verdict=str(summary.get("verdict") or ""), kind=verdict_kind(summary), live=live,
    )  # fmt: skip
    replace_text(folder / REPORT, page.html())
    return folder / REPORT
