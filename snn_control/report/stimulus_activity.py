"""The picture of what a controller did with a stimulus: inputs, spikes, membranes and commands on one time axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..analysis.probe import Activity, PopulationProbe, sample
from ..coding import ArgmaxDecoder, EventsInput, Input, Output, ValueInput
from ..controller_file import ControllerSpec
from ..controller_file.names import number_names
from .decoders import grid_of
from .kit import MUTED, NO_UNIT, OUTPUT, WIDTH, colours_of, ramp, shades, signed_scale, thin, whole_ticks
from .table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_activity"]

MOST_DOTS = 60_000  # spikes that are drawn
MOST_LINES = 4  # numbers on one pair of axes
MOST_STRIPS = 8  # numbers that have axes of their own; more of them are an image
MOST_ROWS, MOST_COLUMNS = 400, 1000  # of an image
MOST_NAMES = 12  # beside the rows of an image; of more the indices
MOST_POPULATIONS = 20
MOST_POINTS = 6_000  # of a line
BINS = 200  # of an event rate
ALIKE = 3.0  # ranges that differ by less share one axis


@dataclass(frozen=True)
class Row:
    """One pair of axes of the picture, and what may be drawn beside it.

    draw : draws on the axes; its second argument makes the axes beside them
    marks : draws more on the axes
    """

    height: float
    draw: Callable[[Axes, Callable[[], Axes]], None]
    marks: Callable[[Axes], None] = lambda axes: None


def draw_activity(figure: Figure, spec: ControllerSpec, activity: Activity) -> tuple[str, str]:
    """Rows for each input, population and output; beside spikes, the rate of each neuron."""
    seen, colours, said = list(activity.populations.values()), colours_of(spec), []
    inside = [s for s in seen if s.spiking] + [s for s in seen if not s.spiking]
    rows: list[Row] = []
    for one in spec.inputs:
        rows += _input(activity, spec, one, colours[one.name])
    for s in inside[:MOST_POPULATIONS]:
        if s.spiking:
            grid = grid_of(spec, s.name)
            height = float(np.clip(np.sqrt(np.count_nonzero(s.spikes)) / 8, 1.8 if grid else 0.9, 2.6))
            rows.append(Row(height, partial(_spikes, activity=activity, seen=s, colour=colours[s.name], grid=grid)))
            said.append(f"{s.name} {number(int(s.spikes.sum()))} spikes")
        else:
            rows += _graded(activity, s, colours[s.name])
    place = 0
    for output in spec.outputs:
        rows += _output(activity, spec, output, place)
        place += output.size
    heights = [row.height for row in rows]
    figure.set_size_inches(WIDTH, 0.7 + sum(1.25 * h + 0.2 for h in heights))
    grid_of_rows = figure.add_gridspec(len(rows), 2, width_ratios=[6.5, 1.2], height_ratios=heights)
    first: Axes | None = None
    for k, row in enumerate(rows):
        axes = figure.add_subplot(grid_of_rows[k, 0], sharex=first)
        first = first or axes
        row.draw(axes, partial(figure.add_subplot, grid_of_rows[k, 1]))
        row.marks(axes)
        axes.tick_params(labelbottom=k == len(rows) - 1)
        axes.set_xlabel("time [s]" if k == len(rows) - 1 else "")
    assert first is not None
    first.set_xlim(0, activity.stimulus.seconds)
    figure.align_ylabels(figure.axes)
    return _words(activity, said, max(0, len(inside) - MOST_POPULATIONS))


def _words(activity: Activity, said: list[str], left_out: int) -> tuple[str, str]:
    stimulus = activity.stimulus
    caption = (
        f"{number(stimulus.seconds)} s of {stimulus.text}. Beside the spikes: the rate of each neuron that is drawn."
    )
    if activity.safe.any():
        caption += f" Grey: the command was the safe one ({activity.safe.mean():.0%} of the ticks)."
    if left_out:
        caption += f" {left_out} more populations are not drawn."
    return caption, f"Activity over {number(stimulus.seconds)} s. {'; '.join(said)}."


# --- numbers over time ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """Numbers over time, of an input, of membranes or of a command.

    t : (n,) [s]; values : (n, k); names : k of them
    what, unit : what an axis calls them
    low, high : (k,) of the range that each may have, infinite where it has none
    one_scale : all have the same, whatever was seen of them
    """

    title: str
    what: str
    unit: str
    t: np.ndarray
    values: np.ndarray
    names: list[str]
    colour: str
    low: np.ndarray
    high: np.ndarray
    one_scale: bool = False

    def rows(self) -> list[Row]:
        """One pair of axes for few numbers of one scale, one each for few of several, an image for many."""
        k = len(self.names)
        if k <= MOST_LINES and self.alike():
            return [Row(0.9, self._together)]
        if k <= MOST_STRIPS and not self.alike():
            return [Row(0.5, partial(self._alone, j=j)) for j in range(k)]
        named = 0.11 * k if k <= MOST_NAMES else 0.0  # room for a name beside each row
        return [Row(max(named, float(np.clip(k / 20, 0.9, 1.8))), self._image)]

    def spans(self) -> np.ndarray:
        """(k,) of the ranges, where they are infinite of what was seen."""
        lowest, highest = self.seen()
        with np.errstate(invalid="ignore"):
            span = self.high - self.low
        return np.where(np.isfinite(span), span, highest - lowest)

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """(k,) lowest and highest finite value of each number; 0 where there is none."""
        there = np.isfinite(self.values)
        low = np.where(there, self.values, np.inf).min(axis=0, initial=np.inf)
        high = np.where(there, self.values, -np.inf).max(axis=0, initial=-np.inf)
        return np.where(low <= high, low, 0.0), np.where(low <= high, high, 0.0)

    def alike(self) -> bool:
        spans = self.spans()
        return self.one_scale or bool(spans.max() <= ALIKE * max(float(spans.min()), 1e-12))

    def _stairs(self) -> tuple[np.ndarray, np.ndarray, str]:
        part = thin(len(self.t), MOST_POINTS)
        t, values = self.t[part], self.values[part]
        if len(t) > 400:
            return t, values, "default"
        last = 2 * t[-1] - t[-2] if len(t) > 1 else t[-1]  # each value holds until the next one, the last one too
        return np.append(t, last), np.vstack([values, values[-1:]]), "steps-post"

    def _together(self, axes: Axes, beside: Callable[[], Axes]) -> None:
        t, values, style = self._stairs()
        for j, (name, colour) in enumerate(zip(self.names, shades(self.colour, len(self.names)))):
            axes.plot(t, values[:, j], color=colour, lw=1.2, label=name, drawstyle=style)
        axes.set_title(self.title)
        axes.set_ylabel(f"{self.what}\n[{self.unit}]")
        if len(self.names) > 1:
            place = beside()
            place.axis("off")
            place.legend(handles=axes.lines[: len(self.names)], loc="upper left", fontsize=8.5, borderaxespad=0.0,
                         borderpad=0.0, handlelength=0.9, handletextpad=0.4, labelspacing=0.25)  # fmt: skip

    def _alone(self, axes: Axes, beside: Callable[[], Axes], j: int) -> None:
        from matplotlib.ticker import MaxNLocator

        t, values, style = self._stairs()
        axes.plot(t, values[:, j], color=self.colour, lw=1.2, drawstyle=style)
        axes.set_title(self.title if j == 0 else "")
        axes.set_ylabel(f"[{self.unit}]", fontsize=9)
        axes.yaxis.set_major_locator(MaxNLocator(2))
        place = beside()
        place.axis("off")
        place.text(0.0, 0.5, self.names[j], va="center", fontsize=9, color=self.colour)

    def _image(self, axes: Axes, beside: Callable[[], Axes]) -> None:
        """A row a number, in the order of their indices; of ranges that differ each as a share of its own."""
        from matplotlib.ticker import MaxNLocator

        part = thin(len(self.t), MOST_COLUMNS)
        values, k = self.values[part].T.astype(np.float64), len(self.names)
        label = f"{self.what} [{self.unit}]"
        if not self.alike():
            span = np.maximum(self.spans(), 1e-12)[:, None]
            low = np.where(np.isfinite(self.low), self.low, self.seen()[0])[:, None]
            values, label = (values - low) / span, "share of its range [1]"
        there = np.append(values[np.isfinite(values)], 0.0)
        colours = signed_scale(there)
        if there.min() >= 0:
            colours = {"cmap": ramp("white", self.colour), "vmin": 0.0, "vmax": max(float(there.max()), 1e-12)}
        step = float(self.t[1] - self.t[0]) if len(self.t) > 1 else 1.0
        ends = (float(self.t[0]), float(self.t[-1]) + step, k - 0.5, -0.5)
        image = axes.imshow(values, aspect="auto", extent=ends, interpolation="nearest", **colours)
        axes.grid(False)
        axes.set_title(self.title)
        if k <= MOST_NAMES:
            axes.set_yticks(np.arange(k), self.names, fontsize=8)
            axes.set_ylabel("number\n[name]")
        else:
            whole_ticks(axes, "y", 6)
            axes.set_ylabel("number\n[index]")
        place = beside()
        place.axis("off")
        bar = place.inset_axes((0.0, 0.0, 0.12, 1.0), label="<colorbar>")
        place.figure.colorbar(image, cax=bar, ticks=MaxNLocator(3)).set_label(label, fontsize=8.5)
        bar.tick_params(labelsize=8)


def _input(activity: Activity, spec: ControllerSpec, one: Input, colour: str) -> list[Row]:
    stimulus = activity.stimulus
    if isinstance(one, EventsInput):
        return [Row(0.75, partial(_event_rate, activity=activity, name=one.name, colour=colour))]
    assert isinstance(one, ValueInput)
    if one.name not in stimulus.values:
        return [Row(0.4, partial(_nothing, title=f"{_called('input', one.name)}: nothing arrived"))]
    shown = sample(one.size, MOST_ROWS)
    names = number_names(spec, one)
    low, high = (np.broadcast_to(np.asarray(side, np.float64), one.size)[shown] for side in one.range)
    t = np.arange(stimulus.ticks) * stimulus.period
    title = f"{_called('input', one.name)}{_of(len(shown), one.size, 'numbers')}"
    values = stimulus.values[one.name][:, shown]
    unit = one.unit or NO_UNIT
    return Numbers(title, "value", unit, t, values, [names[k] for k in shown], colour, low, high).rows()


def _called(kind: str, name: str) -> str:
    return name if name == kind else f"{kind} {name}"


def _nothing(axes: Axes, beside: Callable[[], Axes], title: str) -> None:
    axes.set_title(title)
    axes.set_yticks([])
    axes.axhline(0, color=MUTED, lw=0.8)


def _event_rate(axes: Axes, beside: Callable[[], Axes], activity: Activity, name: str, colour: str) -> None:
    stimulus = activity.stimulus
    rate, edges = np.histogram([], np.linspace(0, stimulus.seconds, min(BINS, stimulus.ticks) + 1))
    if name in stimulus.events:
        rate, edges = np.histogram(stimulus.events[name][0] * 1e-9, edges)
    axes.stairs(rate / np.diff(edges) / 1e3, edges, fill=True, color=colour, alpha=0.7)
    axes.set_title(f"{_called('input', name)}: {number(int(rate.sum()))} events")
    axes.set_ylabel("rate\n[kHz]")
    axes.set_ylim(bottom=0)


def _of(shown: int, size: int, what: str) -> str:
    return f": {number(shown)} of {number(size)} {what} drawn" if shown < size else ""


# --- spikes ---------------------------------------------------------------------------------------


def _spikes(
    axes: Axes,
    beside: Callable[[], Axes],
    activity: Activity,
    seen: PopulationProbe,
    colour: str,
    grid: tuple[int, int] | None,
) -> None:
    shown, step, neuron = seen.kept, seen.spike_step, seen.spike_neuron
    part = thin(len(step), MOST_DOTS)
    dot = float(np.clip(4.4 - 0.6 * np.log10(len(step) + 1), 1.4, 3.4))
    axes.plot(step[part] * activity.dt, neuron[part], ".", ms=dot, mew=0, color=colour, rasterized=True)
    total, fired = int(seen.spikes.sum()), int(np.count_nonzero(seen.spikes))
    some = f", {number(fired)} of {number(seen.size)} fired" if fired < seen.size else ""
    some += f", {number(len(shown))} drawn" if len(shown) < seen.size else ""
    some += f", 1 spike of {part.step} drawn" if part.step > 1 else ""
    some += f", {number(seen.lost_spikes)} later spikes not drawn" if seen.lost_spikes else ""
    rate = seen.spikes / (activity.steps * activity.dt)
    axes.set_title(f"{seen.name}: {number(total)} spikes, {number(float(rate.mean()))} Hz a neuron{some}")
    axes.set_ylabel("neuron\n[index]")
    axes.set_ylim(seen.size - 0.5, -0.5)
    whole_ticks(axes, "y", 6)
    axes.grid(False, axis="y")
    if grid is not None:
        _rates_on_a_grid(beside(), rate.reshape(grid[1], grid[0]), colour)
    else:
        _rates(beside(), rate[shown], shown, seen.size, colour)


def _rates(axes: Axes, rate: np.ndarray, shown: np.ndarray, size: int, colour: str) -> None:
    """A bar a neuron, at its height in the raster; those of many neurons as wide as can be seen."""
    edges = np.concatenate([[-0.5], (shown[:-1] + shown[1:]) / 2, [size - 0.5]])
    axes.stairs(rate, edges, orientation="horizontal", fill=True, fc=colour, ec=colour, lw=0.6 * (len(rate) > 100))
    axes.set_ylim(size - 0.5, -0.5)
    axes.tick_params(labelleft=False, left=False, labelsize=8)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.spines[["top", "bottom"]].set_visible(False)
    axes.set_xlabel("rate [Hz]", fontsize=8.5, labelpad=2)
    axes.set_xlim(0, 1.05 * max(float(rate.max()), 1.0))
    axes.grid(False, axis="y")


def _rates_on_a_grid(axes: Axes, rate: np.ndarray, colour: str) -> None:
    """The rates as a picture, where the neurons are the fields of a camera."""
    shown, ground = np.sqrt(rate), ramp("#f3f4f6", colour)
    axes.imshow(shown, cmap=ground, interpolation="nearest", vmin=0, vmax=max(float(shown.max()), 1.0))
    axes.set_title(f"rates, to {number(float(rate.max()))} Hz", fontsize=8.5, fontweight="normal", color=MUTED)
    axes.set_xlabel("column [field]", fontsize=8.5)
    axes.set_ylabel("row [field]", fontsize=8.5)
    axes.tick_params(labelsize=8)
    axes.grid(False)


# --- membranes and commands -----------------------------------------------------------------------


def _graded(activity: Activity, seen: PopulationProbe, colour: str) -> list[Row]:
    k = len(seen.kept)
    t = (np.arange(len(seen.trace)) + 1) * activity.dt
    title = f"{seen.name}{_of(k, seen.size, 'membranes')}"
    names = [f"neuron {n}" for n in seen.kept]
    without = np.full(k, np.inf)
    return Numbers(title, "v", "a.u.", t, seen.trace, names, colour, -without, without, one_scale=True).rows()


def _output(activity: Activity, spec: ControllerSpec, output: Output, place: int) -> list[Row]:
    t = np.arange(activity.stimulus.ticks) * activity.period
    shown = sample(output.size, MOST_ROWS)
    choice = isinstance(output.decoder, ArgmaxDecoder)
    low, high = (np.broadcast_to(np.asarray(side, np.float64), output.size)[shown] for side in output.limits)
    stretches = np.flatnonzero(np.diff(np.concatenate([[0], activity.safe.astype(np.int8), [0]]))).reshape(-1, 2)

    def marks(axes: Axes) -> None:
        if choice:
            whole_ticks(axes, "y")
        for side in (low, high):
            if len(np.unique(side)) == 1 and np.isfinite(side[0]):
                axes.axhline(float(side[0]), color=MUTED, lw=0.8, ls=(0, (4, 3)))
        for begin, end in stretches[:200]:
            axes.axvspan(begin * activity.period, end * activity.period, color=MUTED, alpha=0.15, lw=0)

    names = number_names(spec, output)
    title = f"{_called('output', output.name)}{_of(len(shown), output.size, 'numbers')}"
    what, unit = ("action", "index") if choice else ("command", output.unit or NO_UNIT)
    values = activity.command[:, place + shown]
    numbers = Numbers(title, what, unit, t, values, [names[k] for k in shown], OUTPUT, low, high)
    return [replace(row, marks=marks) for row in numbers.rows()]
