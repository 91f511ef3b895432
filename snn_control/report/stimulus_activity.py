"""Draw the activity of a controller with a stimulus: inputs, spikes, membranes and commands on one time axis."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..analysis.probe import Activity, PopulationProbe, sample
from ..coding import ArgmaxDecoder, EventsInput, Input, Output, ValueInput
from ..controller_file import ControllerSpec
from ..controller_file.names import number_names
from .decoders import grid_of
from .kit import MUTED, OUTPUT, colours_of, whole_ticks
from .table import count, number
from .time_rows import MOST_POPULATIONS, Numbers, Row, draw_rows, rate_row, spikes_row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_activity"]

MOST_ROWS = 400  # rows of an image
EVENT_BINS = 200


def draw_activity(figure: Figure, spec: ControllerSpec, activity: Activity) -> tuple[str, str]:
    """Draw a row for each input, population and output, and to the right of spikes the rate of each neuron."""
    seen, colours, stimulus = list(activity.populations.values()), colours_of(spec), activity.stimulus
    inside = [s for s in seen if s.spiking] + [s for s in seen if not s.spiking]
    rows: list[Row] = []
    for one in spec.inputs:
        rows += _input(activity, spec, one, colours[one.name])
    for s in inside[:MOST_POPULATIONS]:
        rows += _population(activity, spec, s, colours[s.name])
    place = 0
    for output in spec.outputs:
        rows += _output(activity, spec, output, place)
        place += output.size
    draw_rows(figure, rows, 0, stimulus.seconds)
    caption = (
        f"{number(stimulus.seconds)} s of {stimulus.text}. Beside the spikes: the rate of each neuron that is drawn."
    )
    if activity.safe.any():
        caption += f" Grey: the command was the safe one ({activity.safe.mean():.0%} of the ticks)."
    if missing := [i.name for i in spec.inputs if i.name not in stimulus.values and isinstance(i, ValueInput)]:
        caption += f" Nothing arrived at {', '.join(missing)}."
    if len(inside) > MOST_POPULATIONS:
        caption += f" Not drawn: {count(len(inside) - MOST_POPULATIONS, 'more population')}."
    said = [f"{s.name} {count(int(s.spikes.sum()), 'spike')}" for s in inside[:MOST_POPULATIONS] if s.spiking]
    return caption, f"Activity over {number(stimulus.seconds)} s. {'; '.join(said)}."


def _input(activity: Activity, spec: ControllerSpec, one: Input, colour: str) -> list[Row]:
    stimulus, title = activity.stimulus, _called("input", one.name)
    if isinstance(one, EventsInput):
        times = stimulus.events[one.name][0] * 1e-9 if one.name in stimulus.events else np.zeros(0)
        edges = np.linspace(0, stimulus.seconds, min(EVENT_BINS, stimulus.ticks) + 1)
        events = np.histogram(times, edges)[0]
        return [rate_row(f"{title}: {count(int(events.sum()), 'event')}", edges, events / np.diff(edges), colour)]
    assert isinstance(one, ValueInput)
    if one.name not in stimulus.values:
        return []
    return _numbers(activity, spec, one, stimulus.values[one.name]).rows()


def _numbers(activity: Activity, spec: ControllerSpec, one: ValueInput | Output, values: np.ndarray) -> Numbers:
    """Return the numbers of an input or output, or a selection if there are many; ``values`` is (ticks, size)."""
    shown, names = sample(one.size, MOST_ROWS), number_names(spec, one)
    kind, what, unit = "input", "value", one.unit or "1"
    if isinstance(one, Output):
        kind, what, ends, colour = "output", "command", one.limits, OUTPUT
        if isinstance(one.decoder, ArgmaxDecoder):
            what, unit = "action", "index"
    else:
        ends, colour = one.range, colours_of(spec)[one.name]
    low, high = (np.broadcast_to(np.asarray(side, np.float64), one.size)[shown] for side in ends)
    title = f"{_called(kind, one.name)}{_of(len(shown), one.size, 'numbers')}"
    t, names = np.arange(len(values)) * activity.period, [names[k] for k in shown]
    return Numbers(title, what, unit, t, values[:, shown], names, colour, low, high)


def _called(kind: str, name: str) -> str:
    return name if name == kind else f"{kind} {name}"


def _of(shown: int, size: int, what: str) -> str:
    return f": {number(shown)} of {number(size)} {what} drawn" if shown < size else ""


def _population(activity: Activity, spec: ControllerSpec, seen: PopulationProbe, colour: str) -> list[Row]:
    if seen.spiking:
        spikes, seconds = (seen.spike_step * activity.dt, seen.spike_neuron), activity.steps * activity.dt
        grid = grid_of(spec, seen.name)
        return [spikes_row(seen.name, seen.size, spikes, seen.spikes, seconds, colour, kept=seen.kept,
                           lost=seen.lost_spikes, grid=grid)]  # fmt: skip
    t = (np.arange(len(seen.trace)) + 1) * activity.dt
    title = f"{seen.name}{_of(len(seen.kept), seen.size, 'membranes')}"
    names = [f"neuron {n}" for n in seen.kept]
    return Numbers(title, "v", "a.u.", t, seen.trace, names, colour, one_scale=True).rows()


def _output(activity: Activity, spec: ControllerSpec, output: Output, place: int) -> list[Row]:
    numbers = _numbers(activity, spec, output, activity.command[:, place : place + output.size])
    stretches = np.flatnonzero(np.diff(np.concatenate([[0], activity.safe.astype(np.int8), [0]]))).reshape(-1, 2)

    def marks(axes: Axes) -> None:
        if isinstance(output.decoder, ArgmaxDecoder):
            whole_ticks(axes, "y")
        for side in (numbers.low, numbers.high):
            if len(np.unique(side)) == 1 and np.isfinite(side[0]):
                axes.axhline(float(side[0]), color=MUTED, lw=0.8, ls=(0, (4, 3)))
        for begin, end in stretches[:200]:
            axes.axvspan(begin * activity.period, end * activity.period, color=MUTED, alpha=0.15, lw=0)

    return replace(numbers, marks=marks).rows()
