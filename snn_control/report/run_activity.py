"""The picture of a run's activity: spikes, event rate and command on one time axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .kit import OUTPUT, PALETTE, WIDTH, legend_above, rate_unit, shades, thin
from .run_arrays import Missing, names_in, numbers_in, take
from .table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["activity"]

Arrays = Mapping[str, np.ndarray]
Panel = tuple[Callable[["Axes", Arrays], str], str, float]  # what draws it, the array that it needs, its height

MOST_SPIKES = 60_000
MOST_POINTS = 6_000  # of a line: finer than the picture's pixels all the same
MOST_BINS = 250  # of a command's means
MOST_STRIPS = 4  # numbers of a command that have a panel of their own


def activity(figure: Figure, summary: Mapping[str, Any], arrays: Arrays) -> tuple[str, str]:
    """Spikes, event rate and command on one time axis; whichever of them there are."""
    panels: list[Panel] = [
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


def _raster(axes: Axes, arrays: Arrays) -> str:
    """The spikes, a band a population; bands grow with the root of their rows so that small ones stay visible.

    A row is a neuron; where fewer than half of a population fired, those that did, in their order.
    """
    spike_t = take(arrays, "spike_t", None)
    n = len(spike_t)
    population, neuron = (take(arrays, name, n).astype(np.int64) for name in ("spike_population", "spike_neuron"))
    count = int(population.max()) + 1
    if "population_names" in arrays:
        count = max(count, len(arrays["population_names"]))
    names = names_in(arrays, "population_names", count, "population")
    sizes = numbers_in(arrays, "population_sizes", np.zeros(count, np.int64))
    colours = [PALETTE[k % len(PALETTE)] for k in numbers_in(arrays, "population_colours", np.arange(count))]
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
    if n > MOST_SPIKES:
        keep = np.sort(np.random.default_rng(0).choice(n, MOST_SPIKES, replace=False))
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
    shown = "" if n <= MOST_SPIKES else f", {number(MOST_SPIKES)} of them drawn, chosen at random"
    return f"{number(n)} spikes{shown}; a row is a neuron, of a population of which few fired those that did"


def _event_rate(axes: Axes, arrays: Arrays) -> str:
    t = take(arrays, "rate_t", None)
    rate = take(arrays, "event_rate", len(t))
    scale, unit = rate_unit(rate.max())
    part = thin(len(t), MOST_POINTS)
    axes.fill_between(t[part], rate[part] / scale, color=PALETTE[5], alpha=0.45, lw=0, step="mid")
    axes.plot(t[part], rate[part] / scale, color=PALETTE[0], lw=0.9, drawstyle="steps-mid")
    axes.set_ylim(bottom=0)
    axes.set_title("Camera events")
    axes.set_ylabel(f"rate [{unit}]")
    return f"up to {number(float(rate.max()))} events/s"


def _command(axes: Axes, arrays: Arrays, shown: slice = slice(8)) -> str:
    """Some columns of the command: means and, where it is one, their range."""
    t = take(arrays, "command_t" if "command_t" in arrays else "t", None)
    command = take(arrays, "command", len(t), None)
    unit = str(arrays["command_unit"]) if "command_unit" in arrays else ""
    names = names_in(arrays, "command_names", command.shape[1], "output")
    every = -(-len(t) // MOST_BINS)
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
        legend_above(axes, len(columns))
    if columns[0]:
        return ""  # the first one has said it
    outputs = f"{command.shape[1]} output{'s' if command.shape[1] != 1 else ''}"
    if every == 1:
        return outputs
    return f"{outputs}, means of {every} commands" + (" and, pale, their range" if len(columns) == 1 else "")


def _command_panels(arrays: Arrays) -> list[Panel]:
    """One a number of the command where they are few, else one for all."""
    command = arrays.get("command")
    if command is None or command.ndim != 2 or not 1 <= command.shape[1] <= MOST_STRIPS:
        return [(_command, "command", 1.0)]
    return [(partial(_command, shown=slice(i, i + 1)), "command", 0.75) for i in range(command.shape[1])]
