"""Draw the activity of a run: inputs, spikes of each population, and commands over one time axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..analysis.probe import Activity
from ..controller_file import ControllerSpec
from . import kit
from .table import count

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_raster"]

MOST_LINES = 8  # numbers of an input or output that are drawn; more would hide each other
MOST_MARKS = 20_000  # more of them are pixels in a vector graphic, whose file would be huge
ROW, SPARE = 1.1, 0.7  # inch: height of the axes of values, and of the time axis
NEURONS_AN_INCH, LOWEST, HIGHEST = 48, 0.7, 2.4  # of the axes of a population [neurons/inch, inch, inch]


def draw_raster(
    figure: Figure, activity: Activity, spec: ControllerSpec, colours: Mapping[str, str]
) -> tuple[str, str]:
    """Draw one row of axes for each value input, each population that spikes, and each output.

    colours : name of an input or population -> colour

    Return caption and alternative text.
    """
    ticks = np.arange(activity.stimulus.ticks) * activity.period
    values, units = activity.stimulus.values, {one.name: getattr(one, "unit", "") for one in spec.inputs}
    spiking = [one for one in activity.populations.values() if one.spiking]
    heights = [ROW] * len(values) + [float(np.clip(one.size / NEURONS_AN_INCH, LOWEST, HIGHEST)) for one in spiking]
    heights += [ROW] * len(spec.outputs)
    figure.set_size_inches(kit.WIDTH, sum(heights) + SPARE)
    rows = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0].tolist()
    for name, numbers in values.items():
        axes = rows.pop(0)
        for k, colour in enumerate(kit.shades(colours[name], min(MOST_LINES, numbers.shape[1]))):
            axes.plot(ticks, numbers[:, k], color=colour, linewidth=1)
        axes.set_ylabel(f"{name}\n[{units[name] or 1}]")
    for one in spiking:
        axes, (step, neuron) = rows.pop(0), one.raster
        axes.plot(
            step * activity.dt, neuron, "|", color=colours[one.name], markersize=3, markeredgewidth=0.7,
            rasterized=step.size > MOST_MARKS,
        )  # fmt: skip
        axes.set(ylim=(-0.5, one.size - 0.5), ylabel=f"{one.name}\n[neuron]")
        axes.grid(False)
        kit.whole_ticks(axes, "y", 3)
    first = 0
    for output in spec.outputs:
        axes = rows.pop(0)
        for k, colour in enumerate(kit.shades(kit.INK, min(MOST_LINES, output.size))):
            axes.step(ticks, activity.command[:, first + k], where="post", color=colour, linewidth=1)
        axes.set_ylabel(f"{output.name}\n[{output.unit or 1}]")
        first += output.size
    axes.set(xlabel="time [s]", xlim=(0, activity.steps * activity.dt))
    figure.align_ylabels()
    spikes = sum(int(one.spikes.sum()) for one in spiking)
    said = f"{count(spikes, 'spike')} of {count(len(spiking), 'population')}: {activity.stimulus.text}"
    return f"Inputs, spikes (a row for each neuron) and commands; {said}.", f"Raster plot: {said}."
