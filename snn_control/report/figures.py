"""The pictures of a report, each from the arrays of a run folder (names: snn_control.record.run_folder).

A picture whose arrays are missing or do not fit raises `Missing` with the reason; the page says it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..record.run_folder import HISTOGRAMS
from .canvas import INK, MUTED, OUTPUT, PALETTE, WIDTH, Picture, paint, shades
from .event_run import draw_events
from .table import number, scored_from

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PICTURES", "Missing", "Picture", "draw"]

Arrays = Mapping[str, np.ndarray]
Summary = Mapping[str, Any]

TARGET, HEAD, ERROR = "#1b1f24", "#0072b2", "#d55e00"
ON, OFF = (230, 120, 10), (37, 99, 235)  # as in the pictures of events, for pale ground
MAX_SPIKES = 60_000
MAX_POINTS = 6_000
MAX_FRAMES = 5
MAX_BINS = 250  # of a command's means
MAX_STRIPS = 4  # numbers of a command that have a panel of their own


class Missing(Exception):
    """A picture cannot be drawn; the text says why."""


def draw(key: str, summary: Summary, arrays: Arrays) -> Picture:
    """Draw one of `PICTURES`.

    Raises
    ------
    Missing : an array is missing or does not fit
    RuntimeFault : matplotlib is not installed
    """
    title, function = PICTURES[key]
    return paint(key, title, lambda figure: function(figure, summary, arrays))


def _take(arrays: Arrays, name: str, *shape: int | None) -> np.ndarray:
    """The array of that name, checked against ``shape`` (None: any length); empty ones count as missing."""
    if name not in arrays:
        raise Missing(f"the run holds no array “{name}”")
    array = arrays[name]
    fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape))
    if not fits:
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise Missing(f"array “{name}” has shape {array.shape}, expected ({wanted})")
    if array.size == 0:
        raise Missing(f"array “{name}” is empty")
    return array


def _thin(n: int, limit: int = MAX_POINTS) -> slice:
    """Every k-th of ``n`` samples, at most ``limit`` of them: finer than the picture's pixels all the same."""
    return slice(None, None, max(1, -(-n // limit)))


def _names(arrays: Arrays, name: str, n: int, fallback: str) -> list[str]:
    if name in arrays and arrays[name].shape == (n,):
        return [str(item) for item in arrays[name]]
    return [f"{fallback} {i}" for i in range(n)]


# --- camera ---------------------------------------------------------------------------------------


def overlay(frame: np.ndarray, on: np.ndarray | None, off: np.ndarray | None) -> np.ndarray:
    """(h, w, 3) uint8: the image, paler, with ON events in orange and OFF events in blue on top."""
    if on is None or off is None:
        return frame
    image = 0.55 * frame.astype(np.float32) + 0.45 * 255.0
    for counts, colour in ((on, ON), (off, OFF)):
        hit = counts > 0
        image[hit] = 0.1 * image[hit] + 0.9 * np.array(colour, np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def camera(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Up to five moments, side by side."""
    frames = _take(arrays, "frames", None, None, None, 3)
    k, h, w, _ = frames.shape
    t = _take(arrays, "frame_t", k)
    has_events = all(name in arrays and arrays[name].shape == (k, h, w) for name in ("frame_on", "frame_off"))
    shown = np.unique(np.linspace(0, k - 1, min(k, MAX_FRAMES)).round().astype(int))
    figure.set_size_inches(WIDTH, min(4.2, WIDTH / len(shown) * h / w) + (0.45 if has_events else 0.3))
    for axes, i in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown):
        on, off = (arrays["frame_on"][i], arrays["frame_off"][i]) if has_events else (None, None)
        axes.imshow(overlay(frames[i], on, off), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        for spine in axes.spines.values():
            spine.set(visible=True, color="#b6bec7")
        axes.set_title(f"t = {t[i]:.2f} s", fontsize=10.5, fontweight="normal", color=MUTED)
        if has_events and on is not None and off is not None:
            text = f"{number(int(on.sum()))} ON, {number(int(off.sum()))} OFF"
            axes.set_xlabel(text, fontsize=9.5)
    colours = " ON events are orange (brighter), OFF events blue (darker)." if has_events else ""
    caption = f"What the camera saw at {len(shown)} moments of the run.{colours}"
    return caption, f"{len(shown)} camera images from t = {t[shown[0]]:.2f} s to {t[shown[-1]]:.2f} s.{colours}"


def events(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """What the event camera gave: moments, rate, activity of the pixels, intervals, x-y-t."""
    if "events_rate" not in arrays:
        raise Missing("the run holds no array “events_rate”")
    try:
        return draw_events(figure, arrays)
    except (KeyError, ValueError, IndexError) as error:
        raise Missing(f"the arrays of the events do not fit: {error}") from None


# --- tracking -------------------------------------------------------------------------------------


def angle_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n,) rad: angle between directions given as pan and tilt, (n, 2) rad each.

    Half-angle form, exact near zero: 2 asin sqrt(sin²(Δtilt / 2) + cos tilt_a cos tilt_b sin²(Δpan / 2)).
    """
    pan, tilt = (a - b).T / 2
    s = np.sin(tilt) ** 2 + np.cos(a[:, 1]) * np.cos(b[:, 1]) * np.sin(pan) ** 2
    return 2 * np.arcsin(np.sqrt(np.clip(s, 0.0, 1.0)))


def _rms_lines(summary: Summary) -> list[tuple[str, float]]:
    tracking = summary.get("tracking")
    if not isinstance(tracking, Mapping):
        return []
    pairs = [(name, cells.get("rms_deg")) for name, cells in tracking.items() if isinstance(cells, Mapping)]
    return [(name, float(rms)) for name, rms in pairs if isinstance(rms, int | float)]


def tracking(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Pan and tilt of target and head, and the angle between them with everybody's rms."""
    t = _take(arrays, "t", None)
    target, head = (_take(arrays, name, len(t), 2) for name in ("target", "head"))
    error = np.degrees(angle_between(target, head))
    part = _thin(len(t))
    figure.set_size_inches(WIDTH, 7.2)
    pan, tilt, below = figure.subplots(3, 1, sharex=True, gridspec_kw={"height_ratios": [1, 1, 1.15]})
    for column, axes, name in ((0, pan, "Pan"), (1, tilt, "Tilt")):
        axes.plot(t[part], np.degrees(target[part, column]), color=TARGET, ls=(0, (4, 2)), lw=1.3, label="target")
        axes.plot(t[part], np.degrees(head[part, column]), color=HEAD, label="head")
        axes.set_title(name)
        axes.set_ylabel("angle [°]")
    start = summary.get("scored_from_s")
    if start:
        for axes in (pan, tilt, below):
            axes.axvspan(t[0], start, color=MUTED, alpha=0.14, lw=0, zorder=0, label="does not count")
    pan.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, borderaxespad=0.2)
    below.plot(t[part], error[part], color=ERROR, lw=1.1)
    below.fill_between(t[part], error[part], color=ERROR, alpha=0.12, lw=0)
    lines = _rms_lines(summary) or [("rms of this run", float(np.sqrt(np.nanmean(error**2))))]
    shades = [ERROR, *(c for c in PALETTE if c not in (ERROR, HEAD))]
    top = 1.35 * max([float(np.nanpercentile(error, 99.5)), *(rms for _, rms in lines)])
    if np.isfinite(top) and top > 0:
        below.set_ylim(0, top)
    for i, (name, rms) in enumerate(lines):
        style = "-" if i == 0 else (0, (5, 2))
        below.axhline(rms, color=shades[i % len(shades)], ls=style, lw=1.7, label=f"{name}: {rms:.2f}° rms")
    below.set_title("Angle between head and target")
    below.set_ylabel("error [°]")
    below.set_xlabel("time [s]")
    below.set_xlim(t[0], t[-1] + 0.002 * (t[-1] - t[0]))
    # below the axes: inside it would cover the curve, above it the heading
    handles = [line for line in below.lines if not line.get_label().startswith("_")]
    below.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=min(2, len(lines)))
    said = "; ".join(f"{name} {rms:.2f}°" for name, rms in lines)
    above = int(np.count_nonzero(error > top))
    cut = f" {above} of {len(error)} samples lie above the axis." if above else ""
    since = scored_from(summary)
    counted = since or " over the run"
    left_out = " The time before, in which the target is found, is shaded and does not count." if since else ""
    caption = f"Horizontal lines: root mean square{counted}, of this controller and of the baselines.{left_out}{cut}"
    alt = f"Pan, tilt and tracking error over {t[-1] - t[0]:.1f} s. Root mean square error{since}: {said}."
    return caption, alt


# --- activity -------------------------------------------------------------------------------------


def _raster(axes: Axes, arrays: Arrays) -> str:
    """The spikes, a band a population; bands grow with the root of their rows so that small ones stay visible.

    A row is a neuron; where fewer than half of a population fired, those that did, in their order.
    """
    spike_t = _take(arrays, "spike_t", None)
    n = len(spike_t)
    population, neuron = (_take(arrays, name, n).astype(np.int64) for name in ("spike_population", "spike_neuron"))
    count = int(population.max()) + 1
    if "population_names" in arrays:
        count = max(count, len(arrays["population_names"]))
    names = _names(arrays, "population_names", count, "population")
    sizes = _counts(arrays, "population_sizes", count)
    colours = [PALETTE[k % len(PALETTE)] for k in _counts(arrays, "population_colours", count, range(count))]
    rows, labels, place = np.ones(count, np.int64), [], neuron.astype(np.float64)
    for p in range(count):
        own = population == p
        fired, rank = np.unique(neuron[own], return_inverse=True)
        size = max(int(sizes[p]), int(fired[-1]) + 1 if len(fired) else 1)
        few = len(fired) < size / 2
        rows[p] = max(1, len(fired)) if few else size
        place[own] = (rank if few else neuron[own]) + 0.5
        labels.append(
            f"{names[p]}\n{number(len(fired))} of {number(size)} fired" if few else f"{names[p]} ({number(size)})"
        )
    heights = np.clip(np.sqrt(rows), 4.0, None)
    gap = 0.12 * heights.mean()
    base = (heights + gap)[::-1].cumsum()[::-1] - heights  # the first population on top: the signal flows down
    keep = np.arange(n)
    if n > MAX_SPIKES:
        keep = np.sort(np.random.default_rng(0).choice(n, MAX_SPIKES, replace=False))
    y = base[population] + place / rows[population] * heights[population]
    # fewer spikes, larger dots: both a sparse and a dense raster stay readable
    dot = float(np.clip(3.0 - 0.42 * np.log10(len(keep) + 1), 1.0, 2.4))
    for p, colour in enumerate(colours):
        chosen = keep[population[keep] == p]
        axes.axhspan(base[p], base[p] + heights[p], color=colour, alpha=0.05, lw=0)
        axes.plot(spike_t[chosen], y[chosen], ".", ms=dot, mew=0, color=colour, rasterized=True)
    axes.set_yticks(base + heights / 2, labels)
    for tick, colour in zip(axes.get_yticklabels(), colours):
        tick.set_color(colour)
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.set_ylim(0, base[0] + heights[0] + gap)
    axes.set_title("Spikes")
    shown = "" if n <= MAX_SPIKES else f", {number(MAX_SPIKES)} of them drawn, chosen at random"
    return f"{number(n)} spikes{shown}; a row is a neuron, of a population of which few fired those that did"


def _counts(arrays: Arrays, name: str, count: int, otherwise: Sequence[int] = ()) -> np.ndarray:
    """(count,) int64 of that array; where it is missing or does not fit ``otherwise``, or 0."""
    if name in arrays and arrays[name].shape == (count,):
        return arrays[name].astype(np.int64)
    return np.array(otherwise or [0] * count, np.int64)


def _event_rate(axes: Axes, arrays: Arrays) -> str:
    t = _take(arrays, "rate_t", None)
    rate = _take(arrays, "event_rate", len(t))
    scale, unit = (1e6, "M/s") if rate.max() >= 1e6 else (1e3, "k/s") if rate.max() >= 1e3 else (1.0, "1/s")
    part = _thin(len(t))
    axes.fill_between(t[part], rate[part] / scale, color="#56b4e9", alpha=0.45, lw=0, step="mid")
    axes.plot(t[part], rate[part] / scale, color=HEAD, lw=0.9, drawstyle="steps-mid")
    axes.set_ylim(bottom=0)
    axes.set_title("Camera events")
    axes.set_ylabel(f"rate [{unit}]")
    return f"up to {number(float(rate.max()))} events/s"


def _command(axes: Axes, arrays: Arrays, shown: slice = slice(8)) -> str:
    """Some columns of the command: means and, where it is one, their range."""
    t = _take(arrays, "command_t" if "command_t" in arrays else "t", None)
    command = _take(arrays, "command", len(t), None)
    unit = str(arrays["command_unit"]) if "command_unit" in arrays else ""
    names = _names(arrays, "command_names", command.shape[1], "output")
    every = -(-len(t) // MAX_BINS)
    edges = np.arange(0, len(t), every)
    lengths = np.diff(np.append(edges, len(t)))
    columns = range(command.shape[1])[shown]
    for i, colour in zip(columns, shades(OUTPUT, len(columns))):
        values = command[:, i]
        if every > 1:  # as single samples, what flips from tick to tick is a bar of ink
            if len(columns) == 1:
                low, high = np.minimum.reduceat(values, edges), np.maximum.reduceat(values, edges)
                axes.fill_between(t[edges], low, high, color=colour, alpha=0.16, lw=0, step="post")
            values = np.add.reduceat(values, edges) / lengths
        axes.plot(t[edges], values, color=colour, lw=1.3, label=names[i], drawstyle="steps-post")
    axes.axhline(0, color="#b6bec7", lw=0.8, zorder=0)
    axes.set_title("Command" if len(columns) > 1 else f"Command: {names[columns[0]]}")
    what = "command" if len(columns) > 1 else names[columns[0]]
    axes.set_ylabel(f"{what} [{unit}]" if unit else what)
    if len(columns) > 1:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(columns), borderaxespad=0.2)
    if columns[0]:
        return ""  # the first one has said it
    outputs = f"{command.shape[1]} output{'s' if command.shape[1] != 1 else ''}"
    if every == 1:
        return outputs
    return f"{outputs}, means of {every} commands" + (" and, pale, their range" if len(columns) == 1 else "")


def _command_panels(arrays: Arrays) -> list[tuple[Callable[[Axes, Arrays], str], str, float]]:
    """One a number of the command where they are few, else one for all."""
    command = arrays.get("command")
    if command is None or command.ndim != 2 or not 1 <= command.shape[1] <= MAX_STRIPS:
        return [(_command, "command", 1.0)]
    return [(partial(_command, shown=slice(i, i + 1)), "command", 0.75) for i in range(command.shape[1])]


def activity(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Spikes, event rate and command on one time axis; whichever of them there are."""
    panels: list[tuple[Callable[[Axes, Arrays], str], str, float]] = [
        (_raster, "spike_t", 2.6),
        (_event_rate, "event_rate", 0.8),
        *_command_panels(arrays),
    ]
    there = [panel for panel in panels if panel[1] in arrays and arrays[panel[1]].size]
    if not there:
        raise Missing("the run holds none of the arrays “spike_t”, “event_rate”, “command”")
    heights = [panel[2] for panel in there]
    figure.set_size_inches(WIDTH, 0.8 + 1.75 * sum(heights))
    grid = figure.subplots(len(there), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    said = [text for axes, (function, _, _) in zip(grid, there) if (text := function(axes, arrays))]
    ends = [arrays[name] for name in ("t", "command_t", "rate_t", "spike_t") if name in arrays and arrays[name].size]
    first, last = min(float(e.min()) for e in ends), max(float(e.max()) for e in ends)
    grid[0].set_xlim(first, last + 0.002 * (last - first))
    grid[-1].set_xlabel("time [s]")
    missing = [panel[1] for panel in panels if panel not in there]
    note = f" Not in this run: {', '.join(missing)}." if missing else ""
    caption = "; ".join(said)
    return f"{caption[0].upper()}{caption[1:]}.{note}", f"Activity over time on one axis: {'; '.join(said)}.{note}"


# --- latency --------------------------------------------------------------------------------------


def percentile_ns(edges: np.ndarray, counts: np.ndarray, q: float) -> float:
    """Upper edge of the bucket in which the fraction ``q`` of all counts is reached [ns]: never too good."""
    total = counts.sum()
    k = int(np.searchsorted(np.cumsum(counts), q * total))
    upper = float(edges[min(k + 1, len(edges) - 1)])
    return upper if np.isfinite(upper) else float(edges[k])


def rebin_log(
    edges: np.ndarray, counts: np.ndarray, a_decade: int = 24, shortest: float = 100.0
) -> tuple[np.ndarray, np.ndarray]:
    """Coarser buckets, each of whole ones and at least 1 / ``a_decade`` wide on a logarithmic axis: edges [ns] and
    counts, without empty ends. What is below ``shortest`` [ns] is in the first one.
    """
    used, ratio = np.flatnonzero(counts), 10 ** (1 / a_decade)
    ends = np.where(np.isfinite(edges), edges, 2 * edges[-2]).astype(np.float64)
    kept, last = [int(used[0])], int(used[-1]) + 1
    for k in range(kept[0] + 1, last + 1):
        if ends[k] >= max(ends[kept[-1]], shortest) * ratio * (1 - 1e-9):
            kept.append(k)
    if kept[-1] < last:
        kept.append(last)
    wide = ends[kept]
    wide[-1] = max(wide[-1], wide[-2] * ratio)
    wide[0] = max(wide[0], min(shortest, wide[1] / ratio))
    return wide, np.add.reduceat(counts[:last], kept[:-1])


def latency(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """A histogram each for wake-up, sensor to command, and tick; both axes logarithmic."""
    there: list[tuple[str, str, np.ndarray, np.ndarray]] = []
    for name, what in HISTOGRAMS.items():
        if f"{name}_counts" in arrays and arrays[f"{name}_counts"].sum() > 0:
            counts = _take(arrays, f"{name}_counts", None)
            edges = _take(arrays, f"{name}_edges_ns", len(counts) + 1).astype(np.float64)
            there.append((name, what, edges, counts))
    if not there:
        raise Missing(f"the run holds no latency histogram ({', '.join(name + '_counts' for name in HISTOGRAMS)})")
    loop = summary.get("loop") if isinstance(summary.get("loop"), Mapping) else {}
    figure.set_size_inches(WIDTH, 3.5)
    said = []
    for axes, (name, what, edges, counts), colour in zip(
        figure.subplots(1, len(there), squeeze=False)[0], there, PALETTE
    ):
        stated = (loop or {}).get(f"{name}_us")
        marks = _histogram(axes, edges, counts, colour, stated if isinstance(stated, Mapping) else {})
        what = what[0].upper() + what[1:]
        axes.set_title(what)
        said.append(f"{what}: {', '.join(marks)}")
    figure.axes[0].set_ylabel("count in 1/24 of a decade")
    missing = [what for name, what in HISTOGRAMS.items() if name not in {entry[0] for entry in there}]
    note = f" Not in this run: {', '.join(missing)}." if missing else ""
    caption = (
        "Both axes are logarithmic, so that single late ticks can be seen; what took less than 0.1 µs is in the first "
        f"bar. {'. '.join(said)}.{note}"
    )
    return caption, f"Histograms of latency. {'; '.join(said)}.{note}"


def _histogram(axes: Any, edges: np.ndarray, counts: np.ndarray, colour: str, stated: Mapping) -> list[str]:
    """One histogram with its percentiles, as stated or else as the buckets have them; what these are, in words."""
    from matplotlib.ticker import FuncFormatter, LogLocator

    wide, coarse = rebin_log(edges, counts)
    height = coarse / np.diff(np.log10(wide)) / 24  # buckets are not equally wide: as if they were
    axes.stairs(height, wide / 1e3, fill=True, color=colour, alpha=0.75, lw=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(min(0.7, float(height[height > 0].min())), float(height.max()) * 12)
    marks = []
    for place, (q, key, text) in enumerate(((0.5, "p50", "p50"), (0.99, "p99", "p99"), (0.999, "p999", "p99.9"))):
        value = stated.get(key)
        micro = float(value) if isinstance(value, int | float) else percentile_ns(edges, counts, q) / 1e3
        marks.append(f"{text} {number(micro)} µs")
        if micro > 0:
            axes.axvline(micro, color=INK, lw=1.1, ls=("-", "--", ":")[place])
            side, gap = ("right", -4) if key == "p50" else ("left", 4)
            axes.annotate(
                f"{text} {number(micro)}", (micro, 0.97 - 0.085 * (2 - place)), (gap, 0), ha=side, va="top",
                xycoords=axes.get_xaxis_transform(), textcoords="offset points", fontsize=9,
                bbox={"facecolor": "white", "lw": 0, "pad": 0.8},
            )  # fmt: skip
    largest = stated.get("max")
    if isinstance(largest, int | float):
        marks.append(f"max {number(largest)} µs")
    low, high = wide[0] / 1e3, max(wide[-1], 10 * wide[0]) / 1e3
    axes.set_xlim(low, high * (high / low) ** 0.3)  # room for the labels of the last marks
    decades = axes.get_xlim()[1] > 100 * low  # at least two of them are labelled
    axes.xaxis.set_major_locator(LogLocator(10, (1,) if decades else (1, 2, 5), numticks=6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda x, _: ""))
    axes.set_xlabel("time [µs]")
    axes.grid(False, which="minor")
    return marks


#: key -> (heading, function that fills a figure and returns caption and alternative text), in the page's order
PICTURES: dict[str, tuple[str, Callable[[Figure, Summary, Arrays], tuple[str, str]]]] = {
    "camera": ("Camera", camera),
    "events": ("Events of the camera", events),
    "tracking": ("Tracking", tracking),
    "activity": ("Network activity", activity),
    "latency": ("Timing of the loop", latency),
}
