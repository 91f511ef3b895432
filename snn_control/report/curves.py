"""Draw the responses of single neurons and encoders: f-I curves (firing rate over current), tuning curves, events.

A function draws the picture of an encoder: (figure, input, dt [s], names of the input's elements) -> (caption,
alternative text). The encoder's lowering names the function (`engine.lowering.EncoderLowering.drawing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.probe import sample
from ..analysis.response import Curve, TuningCurve, closed_form, f_i_curve, parameters_of, pooled, tuning
from ..coding import EventsInput, FieldsEncoder, LinearEncoder, ValueInput
from ..network import NeuronModel
from . import kit
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_events", "draw_f_i", "draw_linear", "draw_tuning", "f_i_curves", "same_models"]

MOST_MODELS, MOST_NEURONS, MOST_DIMENSIONS = 12, 5, 8
NEURONS = ("#440154", "#3b528b", "#21918c", "#5ec962", "#b5de2b")  # viridis without its yellow, unclear on white


def same_models(neurons: Mapping[str, NeuronModel]) -> list[tuple[list[str], NeuronModel]]:
    """Group populations with equal neuron models. Return a list of (names of populations, model)."""
    found: dict[NeuronModel, list[str]] = {}
    for name, model in neurons.items():
        found.setdefault(model, []).append(name)
    return [(names, model) for model, names in found.items()]


def f_i_curves(model: NeuronModel, dt: float, up_to: float = 0.0) -> list[tuple[str, NeuronModel, Curve]]:
    """Return the f-I curves of a model: a list of (label, model of one neuron, curve of this neuron).

    The list has several entries if the neurons' parameters differ.

    up_to : current that the curves must include
    """
    if model.size is None:
        return [("", model, f_i_curve(model, dt, up_to))]
    found = []
    for k in sample(model.size, MOST_NEURONS):
        one = parameters_of(model, int(k))
        found.append((f"neuron {k}", one, f_i_curve(one, dt, up_to)))
    return found


def draw_f_i(
    figure: Figure,
    groups: Sequence[tuple[list[str], NeuronModel]],
    dt: float,
    colours: Mapping[str, str],
    driven: Mapping[str, float],
) -> tuple[str, str]:
    """Draw f-I curves, firing rate over constant current, with one pair of axes for each neuron model.

    A curve has the colour of the first population with the model.

    colours : name -> colour of a population
    driven : name of an input -> largest current of its encoder; the axes extend to this current
    """
    said = []
    shown = groups[:MOST_MODELS]
    for axes, (names, model) in zip(kit.axes_in_rows(figure, len(shown), 3, 3.1), shown):
        curves = f_i_curves(model, dt, max(driven.get(name, 0.0) for name in names))
        own = kit.shades(colours[names[0]], len(curves))
        for k, ((label, one, curve), colour) in enumerate(zip(curves, own)):
            ideal = closed_form(one, curve.current)
            if ideal is not None:
                axes.plot(curve.current, ideal, color=kit.INK, lw=0.8, ls=(0, (4, 3)), label="" if k else "closed form")
            axes.plot(curve.current, curve.rate, color=colour, label=label or "measured")
            if np.isfinite(curve.rheobase):
                axes.axvline(curve.rheobase, color=colour, lw=0.9, ls=":")
        names_text, first = _names(names), curves[0][2]
        edge = f"rheobase {number(first.rheobase)}" if np.isfinite(first.rheobase) else "no rheobase found"
        axes.set_title(f"{names_text}: {type(model).__name__}" + (f"\n{edge}" if len(curves) == 1 else ""))
        axes.set(xlabel="constant current [a.u.]", ylabel="rate [Hz]")
        _from_zero(axes)
        axes.margins(x=0.01)
        axes.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none")
        said.append(f"{names_text}: {edge}, {number(float(first.rate.max()))} Hz at {number(float(first.current[-1]))}")
    left_out = f" {len(groups) - len(shown)} more models are not drawn." if len(groups) > len(shown) else ""
    caption = (
        f"Each current is held for {number(first.seconds)} s at dt = {dt * 1e3:g} ms; the rate is that of the "
        "second half. Dotted: rheobase, the smallest current with sustained firing. Dashed: the neuron in "
        "continuous time; differences from it come from the time step. a.u.: the unit of the membrane over r."
        f"{left_out}"
    )
    return caption, f"Rate against current. {'; '.join(said)}."


def _from_zero(axes: Axes) -> None:
    """Let the axis of firing rates begin at 0 and extend to at least 1, so that a zero rate is a line at the bottom."""
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))


def _names(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def draw_tuning(figure: Figure, spec: ValueInput, dt: float, names: Sequence[str]) -> tuple[str, str]:
    """Draw the tuning curves of an encoder, with a pair of axes for each dimension to which neurons respond."""
    tunings = tuning(spec, dt)
    spiking = spec.encoder is not None and spec.encoder.neuron is not None
    silent = [names[t.dimension] for t in tunings if not len(t.neurons)]
    responding = _alike([t for t in tunings if len(t.neurons)])
    shown = responding[:MOST_DIMENSIONS]
    said, sampled = [], False
    for axes, (one, *same) in zip(kit.axes_in_rows(figure, len(shown), 2, 2.7) if shown else [], shown):
        n, name = len(one.neurons), names[one.dimension]
        many = count(n, "neuron") if n == one.of else f"{n} of {count(one.of, 'neuron')}"
        sampled |= n < one.of
        axes.set(xlabel=f"{name} [{spec.unit or 1}]", ylabel="rate [Hz]" if spiking else "drive [a.u.]")
        axes.set_title(f"{name}: {many}{_where(spec, one, names)}{_same(same, names)}")
        _tuning_curves(axes, one)
        if spiking:
            _from_zero(axes)
        which = ", ".join(names[t.dimension] for t in (one, *same))
        said.append(f"{which}: {many}, up to {number(float(one.response.max()))}")
    if not shown:
        figure.set_size_inches(kit.WIDTH, 0.8)
        text = "No neuron responds to any number while the others are in the middle of their range."
        figure.text(0.01, 0.5, text, va="center", color=kit.MUTED)
    caption = "Each line is one neuron that responds to this number."
    if spec.size > 1:
        where = "the centre of a field" if isinstance(spec.encoder, FieldsEncoder) else "the middle of the range"
        caption += f" The others are held where the title says: {where}."
    caption += " Rates as for the f-I curve." if spiking else " a.u.: the unit of the membrane over r."
    if sampled:
        caption += " Where there are many neurons, an even selection is drawn."
    if len(responding) > len(shown):
        caption += f" The first {len(shown)} of {len(responding)} different numbers are drawn."
    if silent:
        caption += f" No neuron responds to {_names(silent)}."
    return caption, f"Tuning curves of {spec.name}. {'; '.join(said)}."


def _alike(tunings: Sequence[TuningCurve]) -> list[list[TuningCurve]]:
    """Group the tuning curves of dimensions that are equal except for the indices of the neurons. Return the groups."""
    found: dict[Any, list[TuningCurve]] = {}
    for one in tunings:
        found.setdefault((one.of, one.x.tobytes(), one.response.round(4).tobytes()), []).append(one)
    return list(found.values())


def _same(same: Sequence[TuningCurve], names: Sequence[str]) -> str:
    """Return a second title line with the names of other input elements that have equal curves."""
    said = [names[t.dimension] for t in same]
    which = ", ".join(said) if len(said) <= 2 else f"{said[0]}, … {said[-1]}"
    return f"\nthe same, of neurons of its own: {which}" if said else ""


def _tuning_curves(axes: Axes, tuning: TuningCurve) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.ticker import MaxNLocator

    curves = LineCollection([np.column_stack([tuning.x, y]) for y in tuning.response.T], linewidths=1.1)
    curves.set(array=tuning.neurons, cmap=kit.ramp(*NEURONS))
    axes.add_collection(curves)
    axes.autoscale_view()
    axes.set_xlim(tuning.x[0], tuning.x[-1])
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if len(tuning.neurons) > 1:
        kit.colour_bar(axes, curves, "neuron [index]", ticks=MaxNLocator(6, integer=True))


def draw_linear(figure: Figure, spec: ValueInput, dt: float, names: Sequence[str]) -> tuple[str, str]:
    """Draw the contribution of each input element to each neuron's current.

    Few elements are drawn as tuning curves, many elements as an image of the weights.
    """
    if spec.size <= MOST_DIMENSIONS:
        return draw_tuning(figure, spec, dt, names)
    assert isinstance(spec.encoder, LinearEncoder)
    weights = np.asarray(spec.encoder.weights, np.float64).T
    figure.set_size_inches(kit.WIDTH, float(np.clip(1.4 + 0.12 * len(weights), 2.2, 5.0)))
    axes = figure.add_subplot()
    kit.signed_image(axes, weights, f"current per {spec.unit or 'unit'} [a.u.]")
    axes.set_title(f"{count(spec.size)} drive {count(len(weights), 'neuron')}")
    axes.set(xlabel=f"{spec.name} [number]", ylabel="neuron [index]")
    kit.whole_ticks(axes)
    if len(names) <= 24:
        axes.set_xticks(np.arange(len(names)), names, rotation=45, ha="right", fontsize=8.5)
    silent = int(np.count_nonzero(~weights.any(axis=0)))
    caption = "Current of a neuron: the numbers times these weights, and its bias; red excites, blue inhibits."
    caption += f" {number(silent)} of the numbers drive no neuron." if silent else ""
    many = f"{count(spec.size)}, {count(len(weights), 'neuron')}"
    return caption, f"Weights of the linear encoder of {spec.name}: {many}."


def _where(spec: ValueInput, tuning: TuningCurve, names: Sequence[str], most: int = 2) -> str:
    """Return a second title line with the constant values of the other dimensions."""
    others = [d for d in range(spec.size) if d != tuning.dimension]
    if not others:
        return ""
    values = [number(float(tuning.held[d])) for d in others]
    if len(others) > 1 and len(set(values)) == 1:
        return f"\nall others at {values[0]}"
    said = [f"{names[d]} = {value}" for d, value in zip(others, values)]
    return "\nat " + ", ".join(said[:most]) + (f", … {names[others[-1]]} = {values[-1]}" if len(said) > most else "")


# --- events ---------------------------------------------------------------------------------------


def example_events(spec: EventsInput) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the events (x, y, p) of a disc that has just moved to the right: ON at its right edge, OFF at its left."""
    (width, height), rng = spec.size, np.random.default_rng(0)
    n = min(spec.capacity, 4 * min(width, height))
    angle, radius = rng.uniform(0, 2 * np.pi, n), 0.3 * min(width, height) * (1 + 0.06 * rng.standard_normal(n))
    x = np.clip(width / 2 + radius * np.cos(angle), 0, width - 1).astype(np.int64)
    y = np.clip(height / 2 + radius * np.sin(angle), 0, height - 1).astype(np.int64)
    return x, y, (np.cos(angle) > 0).astype(np.int64)


def draw_events(figure: Figure, spec: EventsInput, dt: float, names: Sequence[str] = ()) -> tuple[str, str]:
    """Draw an events encoder: its cells over the sensor, example events, and its output for these events."""
    (width, height), (columns, rows) = spec.size, spec.encoder.grid
    x, y, p = example_events(spec)
    response = pooled(spec, dt, x, y, p)
    panel = (kit.WIDTH - 1.0) / (1 + len(response)) - 0.6  # width of one panel, without labels [inch]
    figure.set_size_inches(kit.WIDTH, min(6.5, panel * height / width) + 0.9)
    fields, *after = figure.subplots(1, 1 + len(response), squeeze=False)[0]
    lines, above = spec.encoder.lines(spec.size)
    across, down = (-(-np.arange(n + 1) * size // n) - 0.5 for n, size in ((columns, width), (rows, lines)))
    edges = across, down - above
    column, line = np.arange(width) * columns // width, (np.arange(height) + above) * rows // lines
    fields.imshow((line[:, None] + column) % 2, cmap="Greys", vmin=0, vmax=9, interpolation="nearest")
    for name, on, colour in (("ON", 1, kit.EVENT_ON), ("OFF", 0, kit.EVENT_OFF)):
        fields.plot(x[p == on], y[p == on], ".", ms=2.6, mew=0, color=colour, label=name)
    fields.legend(loc="upper right", markerscale=4)
    fields.set_title(f"{width} × {height} pixels, {columns} × {rows} fields")
    titles = ["OFF events, pooled", "ON events, pooled"] if len(response) == 2 else ["what the encoder makes of it"]
    scale = kit.signed_scale(response)
    ends = {"split": ([kit.EVENT_OFF], [kit.EVENT_ON]), "merge": ([kit.INK],)}.get(
        spec.encoder.polarity, ([kit.EVENT_OFF, kit.EVENT_ON],)
    )
    for axes, image, title, colours in zip(after, response, titles, ends):
        if len(colours) == 1:
            scale |= {"cmap": kit.ramp("white", colours[0]), "vmin": 0.0}
        else:
            scale |= {"cmap": kit.ramp(colours[0], "white", colours[1])}
        shown = axes.pcolormesh(*edges, image, rasterized=True, **scale)
        kit.colour_bar(axes, shown, "drive in a tick [a.u.]")
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
        axes.set_title(title)
    for axes in (fields, *after):
        axes.set(xlabel="x [px]", ylabel="y [px]")
        axes.grid(False)
    sizes = [sorted({int(n) for n in np.diff(e)}) for e in edges]
    given = {key: value for key, value in vars(spec.encoder).items() if key != "grid" and value is not None}
    stated = ", ".join(f"{key} = {value}" for key, value in given.items())
    pixels = " by ".join(" or ".join(str(n) for n in s) for s in sizes)
    caption = (
        f"A field (the chequers) has {pixels} pixels; {stated}. The example is a disc that moves to the right, "
        f"{count(len(x), 'event')} in one tick."
    )
    return caption, f"Receptive fields of {spec.name}: {columns} by {rows} on {width} by {height} pixels."
