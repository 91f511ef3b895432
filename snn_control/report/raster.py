"""The picture of what a controller did with a stimulus: inputs, spikes, membranes and commands on one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..coding import EventsInput, Input, Output, ValueInput
from ..record.watch import Activity, Seen, sample
from ..spec import ControllerSpec
from .canvas import MUTED, NO_UNIT, PALETTE, WIDTH
from .table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_activity"]

MOST_DOTS = 60_000  # spikes that are drawn
MOST_LINES = 8  # numbers of an input, a graded population or an output
MOST_POPULATIONS = 20
MOST_POINTS = 6_000  # of a line
BINS = 200  # of an event rate


def draw_activity(figure: Figure, spec: ControllerSpec, activity: Activity) -> tuple[str, str]:
    """A row for each input, population and output; beside spikes, the rate of each neuron."""
    seen = list(activity.populations.values())
    inside = [(float(np.clip(np.sqrt(s.size) / 8, 0.9, 2.6)), s) for s in seen if s.spiking]
    inside += [(0.9, s) for s in seen if not s.spiking]
    left_out = inside[MOST_POPULATIONS:]
    parts: list[tuple[float, Input | Seen | Output]] = [(0.75, one) for one in spec.inputs]
    parts += inside[:MOST_POPULATIONS]
    parts += [(0.9, o) for o in spec.outputs]
    heights = [height for height, _ in parts]
    figure.set_size_inches(WIDTH, 0.7 + sum(1.25 * h + 0.25 for h in heights))
    grid = figure.add_gridspec(len(parts), 2, width_ratios=[7, 1], height_ratios=heights)
    first, said, place = None, [], 0
    for k, (_, one) in enumerate(parts):
        axes = figure.add_subplot(grid[k, 0], sharex=first)
        first = first or axes
        if isinstance(one, Seen) and one.spiking:
            said.append(_spikes(axes, figure.add_subplot(grid[k, 1], sharey=axes), activity, one, k))
        elif isinstance(one, Seen):
            _graded(axes, activity, one)
        elif isinstance(one, Output):
            _output(axes, activity, one, place)
            place += one.size
        elif isinstance(one, Input):
            _input(axes, activity, one)
        axes.tick_params(labelbottom=k == len(parts) - 1)
        axes.set_xlabel("time [s]" if k == len(parts) - 1 else "")
    assert first is not None
    first.set_xlim(0, activity.stimulus.seconds)
    return _words(activity, said, len(left_out))


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


def _thin(n: int) -> slice:
    return slice(None, None, max(1, -(-n // MOST_POINTS)))


def _lines(axes: Axes, t: np.ndarray, values: np.ndarray, labels: list[str]) -> None:
    part = _thin(len(t))
    t, values = t[part], values[part]
    if stepped := len(t) <= 400:  # each value holds until the next one, the last one too
        t, values = np.append(t, 2 * t[-1] - t[-2] if len(t) > 1 else t[-1]), np.vstack([values, values[-1:]])
    for j, label in enumerate(labels):
        style = "steps-post" if stepped else "default"
        axes.plot(t, values[:, j], color=PALETTE[j % len(PALETTE)], lw=1.1, label=label, drawstyle=style)
    if len(labels) > 1:
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.08), fontsize=8, borderaxespad=0.2, handlelength=0.9,
            ncols=-(-len(labels) // 4), columnspacing=0.8, handletextpad=0.4, labelspacing=0.25,
        )  # fmt: skip


def _input(axes: Axes, activity: Activity, spec: Input) -> None:
    stimulus = activity.stimulus
    t = np.arange(stimulus.ticks) * stimulus.period
    if isinstance(spec, EventsInput):
        rate, edges = np.histogram([], np.linspace(0, stimulus.seconds, min(BINS, stimulus.ticks) + 1))
        if spec.name in stimulus.events:
            rate, edges = np.histogram(stimulus.events[spec.name][0] * 1e-9, edges)
        axes.stairs(rate / np.diff(edges) / 1e3, edges, fill=True, color="#56b4e9", alpha=0.7)
        axes.set_title(f"input {spec.name}: {number(int(rate.sum()))} events")
        axes.set_ylabel("rate\n[kHz]")
        axes.set_ylim(bottom=0)
        return
    assert isinstance(spec, ValueInput)
    axes.set_ylabel(f"value\n[{spec.unit or NO_UNIT}]")
    if spec.name not in stimulus.values:
        axes.set_title(f"input {spec.name}: nothing arrived")
        return
    shown = sample(spec.size, MOST_LINES)
    axes.set_title(f"input {spec.name}{_of(len(shown), spec.size, 'numbers')}")
    _lines(axes, t, stimulus.values[spec.name][:, shown], [f"[{j}]" for j in shown])


def _of(shown: int, size: int, what: str) -> str:
    return f": {number(shown)} of {number(size)} {what} drawn" if shown < size else ""


def _spikes(axes: Axes, beside: Axes, activity: Activity, seen: Seen, row: int) -> str:
    from matplotlib.ticker import MaxNLocator

    colour = PALETTE[row % len(PALETTE)]
    shown, step, neuron = seen.shown, seen.spike_step, seen.spike_neuron
    part = slice(None, None, max(1, -(-len(step) // MOST_DOTS)))
    dot = float(np.clip(4.4 - 0.6 * np.log10(len(step) + 1), 1.4, 3.4))
    axes.plot(step[part] * activity.dt, neuron[part], ".", ms=dot, mew=0, color=colour, rasterized=True)
    total = int(seen.spikes.sum())
    some = _of(len(shown), seen.size, "neurons").replace(": ", ", ")
    some += f", 1 spike of {part.step} drawn" if part.step > 1 else ""
    some += f", {number(seen.lost_spikes)} later spikes not drawn" if seen.lost_spikes else ""
    rate = seen.spikes / (activity.steps * activity.dt)
    axes.set_title(f"{seen.name}: {number(total)} spikes, {number(float(rate.mean()))} Hz a neuron{some}")
    axes.set_ylabel("neuron\n[index]")
    axes.set_ylim(seen.size - 0.5, -0.5)
    axes.yaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.grid(False, axis="y")
    edges = np.concatenate([[-0.5], (shown[:-1] + shown[1:]) / 2, [seen.size - 0.5]])
    beside.stairs(rate[shown], edges, orientation="horizontal", fill=True, color=colour, alpha=0.75, lw=0)
    beside.tick_params(labelleft=False, labelsize=8)
    beside.xaxis.tick_top()
    beside.xaxis.set_label_position("top")
    beside.spines[["top", "bottom"]].set_visible(False)
    beside.set_xlabel("rate [Hz]", fontsize=8.5, labelpad=2)
    beside.set_xlim(0, 1.05 * max(float(rate[shown].max()), 1.0))
    beside.grid(False, axis="y")
    return f"{seen.name} {number(total)} spikes"


def _graded(axes: Axes, activity: Activity, seen: Seen) -> None:
    keep = np.arange(len(seen.shown))[sample(len(seen.shown), MOST_LINES)]
    t = (np.arange(len(seen.trace)) + 1) * activity.dt
    axes.set_title(f"{seen.name}{_of(len(keep), seen.size, 'membranes')}")
    axes.set_ylabel("v\n[a.u.]")
    _lines(axes, t, seen.trace[:, keep], [f"[{seen.shown[k]}]" for k in keep])


def _output(axes: Axes, activity: Activity, spec: Output, place: int) -> None:
    from matplotlib.ticker import MaxNLocator

    t = np.arange(activity.stimulus.ticks) * activity.period
    shown = sample(spec.size, MOST_LINES)
    axes.set_title(f"output {spec.name}{_of(len(shown), spec.size, 'numbers')}")
    choice = hasattr(spec.decoder, "actions")
    axes.set_ylabel("action\n[index]" if choice else f"command\n[{spec.unit or NO_UNIT}]")
    _lines(axes, t, activity.command[:, place + shown], [f"[{j}]" for j in shown])
    if choice:
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    for side in spec.limits:
        limit = np.unique(np.asarray(side, np.float64))
        if len(limit) == 1 and np.isfinite(limit[0]):
            axes.axhline(float(limit[0]), color=MUTED, lw=0.8, ls=(0, (4, 3)))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], activity.safe.astype(np.int8), [0]])))
    for begin, end in edges.reshape(-1, 2)[:200]:
        axes.axvspan(begin * activity.period, end * activity.period, color=MUTED, alpha=0.15, lw=0)
