"""Pictures of several rows with a common time axis: numbers over time, spikes, and rates of events.

A row may have axes to its right, for example with the rate of each neuron.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .kit import MUTED, WIDTH, ramp, rate_prefix, shades, signed_scale, thin, whole_ticks, with_unit
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_LINES", "MOST_POPULATIONS", "Numbers", "Row", "draw_rows", "rate_row", "spikes_row"]

MOST_DOTS = 60_000  # maximum number of spikes of a population that are drawn
MOST_LINES = 4  # most numbers on one pair of axes
MOST_STRIPS = 8  # most numbers with axes of their own; more are drawn as an image
MOST_NAMES = 12  # most names beside the rows of an image; with more rows there are indices
MOST_POPULATIONS = 20
MOST_BINS = 250  # most bins of numbers over time; means and ranges of more samples are drawn
ALIKE = 3.0  # ranges that differ by a smaller factor share one axis


class Row(NamedTuple):
    """One row of the picture, with its axes.

    height : height of the row, in units of 1.25 inch
    draw : function that draws on the axes; its second argument is a function that creates axes to the right of them
    """

    height: float
    draw: Callable[[Axes, Callable[[], Axes]], None]


def draw_rows(figure: Figure, rows: Sequence[Row], begin: float, end: float) -> None:
    """Draw the rows below each other. All show the time from ``begin`` to ``end`` [s]."""
    heights = [row.height for row in rows]
    figure.set_size_inches(WIDTH, 0.7 + sum(1.25 * h + 0.2 for h in heights))
    grid = figure.add_gridspec(len(rows), 2, width_ratios=[6.5, 1.2], height_ratios=heights)
    axes = None
    for k, row in enumerate(rows):
        axes = figure.add_subplot(grid[k, 0], sharex=axes)
        row.draw(axes, partial(figure.add_subplot, grid[k, 1]))
        axes.tick_params(labelbottom=k == len(rows) - 1)
    if axes is not None:
        axes.set_xlabel("time [s]")
        axes.set_xlim(begin, end)
    figure.align_ylabels(figure.axes)


# --- numbers over time ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """Numbers over time: the numbers of an input, of membranes or of a command.

    t : times (n,) [s]
    values : (n, k)
    names : k names of the numbers
    what, unit : quantity and unit in the label of an axis
    low, high : ends of the possible range of each number: one number or (k,); infinite if there is no limit
    one_scale : all numbers share a scale, even if their ranges differ
    marks : function that draws more on the axes
    """

    title: str
    what: str
    unit: str
    t: np.ndarray
    values: np.ndarray
    names: list[str]
    colour: str
    low: Any = -np.inf
    high: Any = np.inf
    one_scale: bool = False
    marks: Callable[[Axes], object] = lambda axes: None

    def rows(self) -> list[Row]:
        """Return the rows of axes.

        Few numbers with one scale share one row. Few numbers with different scales have a row each. Many numbers are
        drawn as an image in one row.
        """
        k = len(self.names)
        if k <= MOST_LINES and self.alike():
            return [Row(0.9, self._together)]
        if k <= MOST_STRIPS and not self.alike():
            return [Row(0.5, partial(self._alone, j=j)) for j in range(k)]
        named = 0.11 * k if k <= MOST_NAMES else 0.0  # room for a name beside each row
        return [Row(max(named, float(np.clip(k / 20, 0.9, 1.8))), self._image)]

    def spans(self) -> np.ndarray:
        """Return the width of each number's range, (k,). Without a finite range it is that of the number's values."""
        lowest, highest = self.seen()
        span = np.asarray(self.high) - self.low
        return np.where(np.isfinite(span), span, highest - lowest)

    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lowest and the highest finite value of each number, (k,) each; 0 if there is none."""
        there = np.isfinite(self.values)
        low = np.where(there, self.values, np.inf).min(axis=0, initial=np.inf)
        high = np.where(there, self.values, -np.inf).max(axis=0, initial=-np.inf)
        return np.where(low <= high, low, 0.0), np.where(low <= high, high, 0.0)

    def alike(self) -> bool:
        spans = self.spans()
        return self.one_scale or bool(spans.max() <= ALIKE * max(float(spans.min()), 1e-12))

    @property
    def every(self) -> int:
        """Number of samples per bin. Without bins, a number that alternates in each tick looks like a solid bar."""
        return -(-len(self.t) // MOST_BINS)

    def _bins(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the edges [s] of the bins, (b + 1,), and the mean, lowest and highest values in them, (b, k) each.

        Each value is valid until the next value.
        """
        n, firsts = len(self.t), np.arange(0, len(self.t), self.every)
        end = 2 * self.t[-1] - self.t[-2] if n > 1 else self.t[-1]
        lengths = np.diff(np.append(firsts, n))[:, None]
        mean = np.add.reduceat(self.values.astype(np.float64), firsts) / lengths
        low, high = (of.reduceat(self.values, firsts) for of in (np.minimum, np.maximum))
        return np.append(self.t[firsts], end), mean, low, high

    def _lines(self, axes: Axes, shown: Iterable[int], colours: Sequence[str]) -> None:
        """Draw the means of some of the numbers as lines, and their ranges in a pale colour."""
        edges, *bins = self._bins()
        mean, low, high = (np.vstack([values, values[-1:]]) for values in bins)
        for j, colour in zip(shown, colours):
            axes.plot(edges, mean[:, j], color=colour, lw=1.2, label=self.names[j], drawstyle="steps-post")
            if self.every > 1:
                axes.fill_between(edges, low[:, j], high[:, j], color=colour, alpha=0.16, lw=0, step="post")
        self.marks(axes)

    def _together(self, axes: Axes, beside: Callable[[], Axes]) -> None:
        k = len(self.names)
        self._lines(axes, range(k), shades(self.colour, k))
        axes.set_title(self.title)
        axes.set_ylabel(with_unit(self.what, self.unit, "\n"))
        if k > 1:
            place = beside()
            place.axis("off")
            place.legend(handles=axes.lines[:k], loc="upper left", fontsize=8.5, borderaxespad=0.0,
                         borderpad=0.0, handlelength=0.9, handletextpad=0.4, labelspacing=0.25)  # fmt: skip

    def _alone(self, axes: Axes, beside: Callable[[], Axes], j: int) -> None:
        from matplotlib.ticker import MaxNLocator

        axes.yaxis.set_major_locator(MaxNLocator(2))
        self._lines(axes, [j], [self.colour])
        axes.set_title(self.title if j == 0 else "")
        axes.set_ylabel(f"[{self.unit}]" if self.unit else self.what, fontsize=9)
        place = beside()
        place.axis("off")
        place.text(0.0, 0.5, self.names[j], va="center", fontsize=9, color=self.colour)

    def _image(self, axes: Axes, beside: Callable[[], Axes]) -> None:
        """Draw one row of an image for each number, in the order of their indices.

        If the ranges of the numbers differ, the colour shows each number as a share of its own range.
        """
        from matplotlib.ticker import MaxNLocator

        edges, mean, *_ = self._bins()
        values, k = mean.T, len(self.names)
        label = with_unit(self.what, self.unit)
        if not self.alike():
            span = np.maximum(self.spans(), 1e-12)[:, None]
            low = np.where(np.isfinite(self.low), self.low, self.seen()[0])[:, None]
            values, label = (values - low) / span, "share of its range [1]"
        there = np.append(values[np.isfinite(values)], 0.0)
        colours = signed_scale(there)
        if there.min() >= 0:
            colours = {"cmap": ramp("white", self.colour), "vmin": 0.0, "vmax": max(float(there.max()), 1e-12)}
        extent = (float(edges[0]), float(edges[-1]), k - 0.5, -0.5)
        image = axes.imshow(values, aspect="auto", extent=extent, interpolation="nearest", **colours)
        axes.grid(False)
        axes.set_title(self.title)
        if k <= MOST_NAMES:
            axes.set_yticks(np.arange(k), self.names, fontsize=8)
            axes.set_ylabel("number\n[name]")
        else:
            whole_ticks(axes, "y", 6)
            axes.set_ylabel("number\n[index]")
        self.marks(axes)
        place = beside()
        place.axis("off")
        bar = place.inset_axes((0.0, 0.0, 0.12, 1.0), label="<colorbar>")
        place.figure.colorbar(image, cax=bar, ticks=MaxNLocator(3)).set_label(label, fontsize=8.5)
        bar.tick_params(labelsize=8)


def rate_row(title: str, edges: np.ndarray, rate: np.ndarray, colour: str) -> Row:
    """Return a row with the rate of events [1/s] between edges [s]."""

    def draw(axes: Axes, beside: Callable[[], Axes]) -> None:
        scale, prefix = rate_prefix(rate.max(initial=0))
        axes.stairs(rate / scale, edges, fill=True, color=colour, alpha=0.7)
        axes.set_title(title)
        axes.set_ylabel(f"rate\n[{prefix or '1'}/s]")
        axes.set_ylim(bottom=0)

    return Row(0.75, draw)


# --- spikes ---------------------------------------------------------------------------------------


def spikes_row(
    name: str,
    size: int,
    spikes: tuple[np.ndarray, np.ndarray],
    counts: np.ndarray,
    seconds: float,
    colour: str,
    *,
    kept: np.ndarray | None = None,
    lost: int = 0,
    grid: tuple[int, int] | None = None,
) -> Row:
    """Return a row with the spikes of a population of ``size`` neurons, and to their right the rate of each neuron.

    spikes : times [s] and rows of the spikes
    counts : number of spikes in each row within ``seconds``; a row is one of all neurons, or one of the neurons that
        fired
    kept : rows whose spikes are drawn; None: all
    lost : number of later spikes that are not drawn
    grid : (columns, rows) if the neurons are the cells of a camera's picture
    """
    rows, fired, rate = len(counts), int(np.count_nonzero(counts)), counts / seconds
    kept = np.arange(rows) if kept is None else kept

    def draw(axes: Axes, beside: Callable[[], Axes]) -> None:
        (t, row), part = spikes, thin(len(spikes[0]), MOST_DOTS)
        dot = float(np.clip(4.4 - 0.6 * np.log10(len(t) + 1), 1.4, 3.4))
        axes.plot(t[part], row[part], ".", ms=dot, mew=0, color=colour, rasterized=True)
        some = f", {number(fired)} of {number(size)} fired" if fired < size else ""
        some += f", {number(len(kept))} drawn" if len(kept) < rows else ""
        some += f", 1 spike of {part.step} drawn" if part.step > 1 else ""
        some += f", {count(lost, 'later spike')} not drawn" if lost else ""
        total, mean = int(counts.sum()), float(rate.sum()) / size
        axes.set_title(f"{name}: {count(total, 'spike')}, {number(mean)} Hz per neuron{some}")
        axes.set_ylabel("neuron\n[index]" if rows == size else "active neuron\n[rank]")
        axes.set_ylim(rows - 0.5, -0.5)
        whole_ticks(axes, "y", 6)
        axes.grid(False, axis="y")
        if grid is not None:
            _rates_on_a_grid(beside(), rate.reshape(grid[1], grid[0]), colour)
        else:
            _rates(beside(), rate[kept], kept, rows, colour)

    return Row(float(np.clip(np.sqrt(fired) / 8, 1.8 if grid else 0.9, 2.6)), draw)


def _rates(axes: Axes, rate: np.ndarray, shown: np.ndarray, size: int, colour: str) -> None:
    """Draw the rate of each neuron as a bar beside its row of spikes.

    shown : rows of the drawn neurons, out of ``size`` rows
    """
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
    """Draw the rates as a picture, for neurons that are the cells of a camera's picture."""
    shown, ground = np.sqrt(rate), ramp("#f3f4f6", colour)
    axes.imshow(shown, cmap=ground, interpolation="nearest", vmin=0, vmax=max(float(shown.max()), 1.0))
    axes.set_title(f"rates, to {number(float(rate.max()))} Hz", fontsize=8.5, fontweight="normal", color=MUTED)
    axes.set(xlabel="column [field]", ylabel="row [field]")
    axes.tick_params(labelsize=8)
    axes.grid(False)
