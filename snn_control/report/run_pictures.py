"""Draw the pictures of a run's report from the arrays of its run folder (names: snn_control.record.run_folder).

If the arrays of a picture are missing or do not fit, the function raises `Missing` with a reason for the page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.synapses import sizes_of
from ..controller_file import ControllerSpec
from ..controller_file.names import output_names
from ..engine.program import Program
from ..record.run_folder import HISTOGRAMS
from ..watch.colours import PALETTE
from . import kit
from .event_plots import Survey, draw_recording
from .table import count, rms_of, scored_from

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PICTURES", "Missing", "draw", "named_arrays"]

Arrays = Mapping[str, np.ndarray]
Summary = Mapping[str, Any]

TARGET, HEAD, ERROR = kit.INK, PALETTE[0], PALETTE[1]
MOST_POINTS = 6_000  # points of a line, more than the picture's pixels
MOST_FRAMES = 6
SHORTEST = 0.1  # shortest latency that is resolved [µs]


class Missing(Exception):
    """Raised if a picture cannot be drawn because arrays are missing or do not fit. The message states the reason."""


def take(arrays: Arrays, name: str, *shape: int | None) -> np.ndarray:
    """Return the array ``name``. Raises Missing if the array does not exist, is empty, or has another shape.

    shape : length of each axis; None: any length
    """
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


def take_or(arrays: Arrays, name: str, otherwise: Sequence) -> list:
    """Return the array ``name`` as a list, or ``otherwise`` if it is missing or has another length."""
    array = arrays.get(name)
    return array.tolist() if array is not None and array.shape == (len(otherwise),) else list(otherwise)


def named_arrays(spec: ControllerSpec, program: Program, populations: Sequence[str]) -> dict[str, np.ndarray]:
    """Return arrays for a run folder with the names of the command's elements and of the recorded populations."""
    sizes, units = sizes_of(program), {output.unit for output in spec.outputs}
    return {
        "command_names": np.array(output_names(spec, units=len(units) > 1)),
        "command_unit": np.array(units.pop() or "1" if len(units) == 1 else ""),
        "population_names": np.array(populations),
        "population_sizes": np.array([sizes[name] for name in populations], np.int64),
    }


def draw(key: str, summary: Summary, arrays: Arrays) -> kit.Picture:
    """Draw the picture ``key`` of `PICTURES`.

    Raises Missing if an array is missing or does not fit, and the errors of `paint`.
    """
    title, function = PICTURES[key]
    return kit.paint(title, lambda figure: function(figure, summary, arrays))


# --- camera ---------------------------------------------------------------------------------------


def camera(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Draw up to six images of the world at different times, in one row, or in two columns if they are wide."""
    frames = take(arrays, "frames", None, None, None, 3)
    k, h, w, _ = frames.shape
    t = take(arrays, "frame_t", k)
    shown = np.unique(np.linspace(0, k - 1, min(k, MOST_FRAMES)).round().astype(int))
    columns = min(len(shown), 2 if w > 1.5 * h else MOST_FRAMES)
    places = kit.axes_in_rows(figure, len(shown), columns, 0)
    figure.set_size_inches(kit.WIDTH, -(-len(shown) // columns) * (min(4.2, kit.WIDTH / columns * h / w) + 0.3))
    for axes, i in zip(places, shown):
        kit.photo(axes, frames[i], f"t = {t[i]:.2f} s")
    many = f"{count(len(shown), 'picture')} of the run"
    about = f": {said}" if (said := str(summary.get("about_the_pictures") or "")) else ""
    return f"{many}{about}.", f"{many}, from t = {t[shown[0]]:.2f} s to {t[shown[-1]]:.2f} s{about}."


def events(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Draw the camera's events: event rate, activity of the pixels, intervals between events, and points in x-y-t."""
    take(arrays, "events_rate", None, 2)
    try:
        survey = Survey.of({key.removeprefix("events_"): arrays[key] for key in arrays if key.startswith("events_")})
        caption, alt = draw_recording(figure, survey)
    except (KeyError, ValueError, IndexError) as error:
        raise Missing(f"the arrays of the events do not fit: {error}") from None
    caption += ". Intervals are those of every 4th row and column."
    return caption, alt


# --- tracking -------------------------------------------------------------------------------------


def tracking(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Draw the positions of target and head over time, one axis each, and their distance with each controller's rms."""
    t = take(arrays, "t", None)
    target, error = take(arrays, "target", len(t), None), take(arrays, "error", len(t))
    k = target.shape[1]
    head = take(arrays, "head", len(t), k)
    names = take_or(arrays, "axis_names", [f"axis {i}" for i in range(k)])
    part, (lines, unit) = kit.thin(len(t), MOST_POINTS), rms_of(summary)
    figure.set_size_inches(kit.WIDTH, 2.4 * (k + 1))
    *above, below = figure.subplots(k + 1, 1, sharex=True, gridspec_kw={"height_ratios": [1] * k + [1.15]})
    scale, what = (180.0 / np.pi, "angle [°]") if unit == "°" else (1.0, f"place [{unit.strip()}]")
    for axes, name, wanted, found in zip(above, names, (target[part] * scale).T, (head[part] * scale).T, strict=True):
        axes.plot(t[part], wanted, color=TARGET, ls=(0, (4, 2)), lw=1.3, label="target")
        axes.plot(t[part], found, color=HEAD, label="head")
        axes.set_title(name)
        axes.set_ylabel(what)
    start = summary.get("scored_from_s")
    if start:
        for axes in (*above, below):
            axes.axvspan(t[0], start, color=kit.MUTED, alpha=0.14, lw=0, zorder=0, label="does not count")
    kit.legend_above(above[0], 3)
    below.plot(t[part], error[part], color=ERROR, lw=1.1)
    below.fill_between(t[part], error[part], color=ERROR, alpha=0.12, lw=0)
    lines = lines or [("rms of this run", float(np.sqrt(np.nanmean(error**2))))]
    colours = [ERROR, *(c for c in PALETTE if c not in (ERROR, HEAD))]
    top = 1.35 * max([float(np.nanpercentile(error, 99.5)), *(rms for _, rms in lines)])
    if np.isfinite(top) and top > 0:
        below.set_ylim(0, top)
    for i, (name, rms) in enumerate(lines):
        style = "-" if i == 0 else (0, (5, 2))
        below.axhline(rms, color=colours[i % len(colours)], ls=style, lw=1.7, label=f"{name}: {rms:.2f}{unit} rms")
    below.set_title(f"{'Angle' if unit == '°' else 'Distance'} between head and target")
    below.set(xlabel="time [s]", ylabel=f"error [{unit.strip()}]", xlim=(t[0], t[-1] + 0.002 * (t[-1] - t[0])))
    # below the axes: inside it would cover the curve, above it the title
    handles = [line for line in below.lines if not line.get_label().startswith("_")]
    below.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.24), ncols=min(2, len(lines)))
    said = "; ".join(f"{name} {rms:.2f}{unit}" for name, rms in lines)
    beyond = int(np.count_nonzero(error > top))
    cut = f" {beyond} of {len(error)} samples lie above the axis." if beyond else ""
    since = scored_from(summary)
    over = since or " over the run"
    left_out = " The time before, in which the target is found, is shaded and does not count." if since else ""
    caption = f"Horizontal lines: root mean square{over}, of this controller and of the baselines.{left_out}{cut}"
    alt = f"{', '.join(names)} and tracking error over {t[-1] - t[0]:.1f} s. Root mean square error{since}: {said}."
    return caption, alt


# --- latency --------------------------------------------------------------------------------------


def latency(figure: Figure, summary: Summary, arrays: Arrays) -> tuple[str, str]:
    """Draw the fraction of wake-ups, messages and ticks that took longer than a time, over this time, on log axes."""
    there = {name: what for name, what in HISTOGRAMS.items() if np.sum(arrays.get(f"{name}_counts", 0)) > 0}
    if not there:
        raise Missing(f"the run holds no latency histogram ({', '.join(name + '_counts' for name in HISTOGRAMS)})")
    figure.set_size_inches(kit.WIDTH, 4.2)
    axes, said = figure.subplots(), []
    for (name, what), colour in zip(there.items(), PALETTE):
        counts = take(arrays, f"{name}_counts", None)
        edges = take(arrays, f"{name}_edges_ns", len(counts) + 1).astype(np.float64)
        used = np.flatnonzero(counts)
        times = np.where(np.isfinite(edges), edges, 2 * edges[-2])[used[0] : used[-1] + 2] / 1e3
        longer = 1.0 - np.append(0.0, np.cumsum(counts[used[0] : used[-1] + 1])) / counts.sum()
        axes.plot(times, longer, color=colour, drawstyle="steps-post", label=what)
        said.append(what)
    axes.set(xscale="log", yscale="log", xlabel="time [µs]", ylabel="share that took longer [1]")
    axes.set_ylim(top=1.5)
    _label_times(axes)
    kit.legend_above(axes, len(there))
    missing = [what for name, what in HISTOGRAMS.items() if name not in there]
    note = f" Not in this run: {', '.join(missing)}." if missing else ""
    caption = f"Both axes are logarithmic, so that single late ticks can be seen.{note}"
    return caption, f"Share of latencies beyond each time: {', '.join(said)}.{note}"


def _label_times(axes: Axes) -> None:
    """Label at least two ticks of a logarithmic time axis, and leave space for text at the end of the axis."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axes.get_xlim()
    low = max(low, SHORTEST)
    high = max(high, 10 * low)
    axes.set_xlim(low, high * (high / low) ** 0.1)
    axes.xaxis.set_major_locator(LogLocator(10, (1,) if high > 100 * low else (1, 2, 5), numticks=6))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


#: key -> (heading, function that fills a figure and returns caption and alternative text), in the page's order
PICTURES: dict[str, tuple[str, Callable[[Figure, Summary, Arrays], tuple[str, str]]]] = {
    "camera": ("The world", camera),
    "events": ("Events of the camera", events),
    "tracking": ("Tracking", tracking),
    "latency": ("Timing of the loop", latency),
}
