"""Convert the summary of a run to tables. Page and terminal show the same tables, which `sections` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import counted

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Section", "count", "mapping", "number", "print_summary", "rms_of", "scored_from", "sections",
           "verdict_kind"]  # fmt: skip

_PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9", "max": "max"}
_LOOP = {"wakeup_us": "wake-up [µs]", "latency_us": "sensor to command [µs]", "tick_us": "tick [µs]"}
_LABELS = {
    "spikes_per_s": "spikes [1/s]", "synaptic_operations_per_s": "synaptic operations [1/s]",
    "events_per_s": "camera events [1/s]", "dense_per_s": "the same if nothing were skipped [1/s]",
    "accumulates_per_s": "accumulates (AC) [1/s]", "multiply_accumulates_per_s": "multiply-accumulates (MAC) [1/s]",
    "active_share": "active in a step", "neurons": "neurons that spike", "done_share": "done of that",
    "most_of_it": "most of it", "connection_sparsity": "weights that are 0",
    "activation_sparsity": "neurons silent in a step", "footprint_bytes": "memory [B]",
    "estimated_microwatt": "estimated power of the arithmetic in 45 nm [µW]", "duration_s": "duration [s]",
    "period_us": "period [µs]", "rms_deg": "rms [°]", "median_deg": "median [°]", "max_deg": "max [°]",
    "change_rms": "change", "full_swings_per_s": "full swings [1/s]",
}  # fmt: skip


@dataclass(frozen=True)
class Section:
    """One small table: a heading, the names of the columns, and rows of text.

    ``columns`` is empty if each row is a pair of a name and a value.

    note : text below the table
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def number(value: Any, digits: int = 3) -> str:
    """Return a number as short text, with ``digits`` significant digits.

    Thousands are grouped. Numbers from a million on have an SI prefix.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and abs(value) < 1_000_000:
        return f"{value:,}"
    if isinstance(value, int | float):
        for scale, prefix in ((1e12, " T"), (1e9, " G"), (1e6, " M")):
            if abs(value) >= scale:
                return f"{value / scale:.{digits}g}{prefix}"
        if abs(value) >= 10**digits:
            return f"{value:,.0f}"
        return f"{value:.{digits}g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{label(str(key))} {number(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(number(item) for item in value)
    return str(value)


def count(n: int, word: str = "number") -> str:
    """Return a number and a noun as text, e.g. ``1 number`` or ``3,000 numbers``."""
    return counted(n, word, number(n))


def label(key: str) -> str:
    """Return the label that tables show for a key of the summary."""
    return _LABELS.get(key, key.replace("_", " "))


def verdict_kind(summary: Mapping[str, Any]) -> str:
    """Return the kind of a run's verdict, ``pass``, ``fail`` or ``none``, from the first word of the verdict."""
    word = str(summary.get("verdict") or "").strip().lower()
    return "pass" if word.startswith("pass") else "fail" if word.startswith("fail") else "none"


def scored_from(summary: Mapping[str, Any], before: str = ", ") -> str:
    """Return a text such as ``, from 1 s on`` if the tracking error counts only from a later time; otherwise "".

    before : text before "from"
    """
    start = summary.get("scored_from_s")
    return f"{before}from {number(start)} s on" if isinstance(start, int | float) and start > 0 else ""


def mapping(summary: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the mapping under a key of the summary; an empty mapping if there is no such key."""
    value = summary.get(key)
    return value if isinstance(value, Mapping) else {}


def rms_of(summary: Mapping[str, Any]) -> tuple[list[tuple[str, float]], str]:
    """Return the rms tracking error of each controller, a list of (name, rms), and the unit of the rms.

    The controller of the run is first. The unit is the last part of the key, as in ``rms_deg``. The text of the unit
    begins with a space if necessary.
    """
    table = mapping(summary, "tracking")
    unit = next((key[4:] for name in table for key in mapping(table, name) if key.startswith("rms_")), "deg")
    rows = {name: mapping(table, name).get(f"rms_{unit}") for name in table}
    found = [(name, float(rms)) for name, rms in rows.items() if isinstance(rms, int | float)]
    return found, "°" if unit == "deg" else f" {unit}"


def _grid(
    title: str, first: str, table: Mapping[str, Any], names: Mapping[str, str] | None = None, note: str = ""
) -> list[Section]:
    """Convert ``table``, row -> column -> value, to a list with one `Section`; an empty list if there are no rows.

    first : heading of the column with the row names
    names : column -> heading, in the order of the table; None: all columns
    """
    rows = {row: cells for row, cells in table.items() if isinstance(cells, Mapping) and cells}
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    if names is not None:
        columns = [column for column in names if column in columns]
    if not rows or not columns:
        return []
    head = (first, *((names or {}).get(column) or label(column) for column in columns))
    body = tuple((row, *(number(cells.get(column)) for column in columns)) for row, cells in rows.items())
    return [Section(title, head, body, note)]


GRIDS = ("criteria", "stages", "tracking", "loop")
PAIRS = ("guard", "world_steps", "network", "rights", "made", "versions")  # tables of names and values


def _note(summary: Mapping[str, Any], key: str) -> str:
    """Return the note below a table: the value of ``about_the_<key>`` in the summary."""
    return str(summary.get(f"about_the_{key}") or "")


def _pairs(title: str, values: Mapping[str, Any], note: str = "") -> list[Section]:
    """Convert pairs of name and value to a list with one `Section`; an empty list if there are no values."""
    rows = tuple((label(key), number(value)) for key, value in values.items())
    return [Section(title, (), rows, note)] if rows else []


def sections(summary: Mapping[str, Any]) -> list[Section]:
    """Return the tables of a run's summary (keys: see snn_control.record.run_folder). Missing parts have no table."""
    known = {"title", "verdict", "scored_from_s", "events", *GRIDS, *PAIRS}
    known |= {f"about_the_{key}" for key in (*GRIDS, *PAIRS, "pictures")}
    criteria, tracking, loop = (_note(summary, key) for key in ("criteria", "tracking", "loop"))
    found = _grid("What PASS means", "", mapping(summary, "criteria"), note=criteria)
    stages = {name: one for name, one in mapping(summary, "stages").items() if isinstance(one, Mapping)}
    costs = {label(key): {name: one.get(key) for name, one in stages.items()} for one in stages.values() for key in one}
    found += _grid("Sparsity by stage", "", costs, {name: name for name in stages}, _note(summary, "stages"))
    found += _pairs("Run", {key: value for key, value in summary.items() if key not in known})
    title = f"Tracking error{scored_from(summary)}" if rms_of(summary)[0] else "Scores"
    found += _grid(title, "controller", mapping(summary, "tracking"), note=tracking)
    times = {text: mapping(summary, "loop").get(key) for key, text in _LOOP.items()}
    found += _grid("Loop", "", times, _PERCENTILES, loop)
    found += _pairs("Ticks", {key: value for key, value in mapping(summary, "loop").items() if key not in _LOOP})
    for name, counters in mapping(summary, "events").items():
        some = {key: value for key, value in counters.items() if value}
        if none := [label(key) for key, value in counters.items() if not value]:
            some["none of"] = ", ".join(none)
        found += _pairs(f"Events of {name}", some)
    for key in PAIRS:
        found += _pairs(label(key).capitalize(), mapping(summary, key), _note(summary, key))
    return found


def print_summary(summary: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the title, the verdict and the tables of a summary to the terminal."""
    from rich.console import Console, Group
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    colour = {"pass": "bold green", "fail": "bold red", "none": "bold"}[verdict_kind(summary)]
    console.print(Text(str(summary.get("title") or "Run"), style="bold"))
    if summary.get("verdict"):
        console.print(Text(str(summary["verdict"]), style=colour))
    for section in sections(summary):
        table = Table(box=None, show_header=bool(section.columns), header_style="dim", pad_edge=False, padding=(0, 2))
        for index, heading in enumerate(section.columns or ("", "")):
            right = bool(section.columns) and index > 0
            table.add_column(Text(heading), justify="right" if right else "left", overflow="fold")
        for row in section.rows:
            table.add_row(*(Text(cell) for cell in row))
        note = [Text(section.note, style="dim")] if section.note else []
        console.print(Group(Text(), Text(section.title, style="bold cyan"), table, *note))
