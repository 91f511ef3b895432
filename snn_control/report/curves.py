"""Pictures of what single neurons and encoders do: f-I curves, tuning curves, pooled events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.probe import sample
from ..analysis.response import Curve, Tuning, closed_form, f_i_curve, pick, pooled
from ..coding import EventsInput, FieldsEncoder, LinearEncoder, PoolEncoder, SurfaceEncoder, ValueInput
from ..network import NeuronModel
from .canvas import INK, MUTED, NO_UNIT, PALETTE, SIGNED, WIDTH, keep_apart, shades, whole_ticks
from .event_plots import OFF_INK, ON_INK
from .table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_DIMENSIONS", "draw_f_i", "draw_linear", "draw_pool", "draw_tuning", "f_i_curves", "same_models"]

MOST_MODELS, MOST_NEURONS, MOST_DIMENSIONS = 12, 5, 8
CURRENT = "constant current [a.u.]"


def same_models(neurons: Mapping[str, NeuronModel]) -> list[tuple[list[str], NeuronModel]]:
    """Populations whose neurons are described alike, once each, with their names."""
    found: dict[NeuronModel, list[str]] = {}
    for name, model in neurons.items():
        found.setdefault(model, []).append(name)
    return [(names, model) for model, names in found.items()]


def f_i_curves(model: NeuronModel, dt: float, up_to: float = 0.0) -> list[tuple[str, NeuronModel, Curve]]:
    """(label, model of one neuron, its curve); several where parameters are one a neuron. up_to : see `f_i_curve`"""
    if model.size is None:
        return [("", model, f_i_curve(model, dt, up_to))]
    found = []
    for k in sample(model.size, MOST_NEURONS):
        one = pick(model, int(k))
        found.append((f"neuron {k}", one, f_i_curve(one, dt, up_to)))
    return found


def _grid(figure: Figure, n: int, columns: int, height: float) -> list[Axes]:
    """n axes, ``columns`` a row."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure.set_size_inches(WIDTH, 0.5 + height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for spare in axes[n:]:
        spare.remove()
    return list(axes[:n])


def draw_f_i(
    figure: Figure,
    groups: Sequence[tuple[list[str], NeuronModel]],
    dt: float,
    colours: Mapping[str, str] | None = None,
    driven: Mapping[str, float] | None = None,
) -> tuple[str, str]:
    """Rate against constant current, axes for each model, in the colour of its first population.

    driven : largest current that an input's encoder gives its neurons; the axes reach it
    """
    said = []
    shown = groups[:MOST_MODELS]
    for axes, (names, model) in zip(_grid(figure, len(shown), 3, 3.1), shown):
        curves = f_i_curves(model, dt, max((driven or {}).get(name, 0.0) for name in names))
        own = shades((colours or {}).get(names[0], PALETTE[0]), len(curves))
        for k, ((label, one, curve), colour) in enumerate(zip(curves, own)):
            ideal = closed_form(one, curve.current)
            if ideal is not None:
                axes.plot(curve.current, ideal, color=INK, lw=0.8, ls=(0, (4, 3)), label="" if k else "closed form")
            axes.plot(curve.current, curve.rate, color=colour, label=label or "measured")
            if np.isfinite(curve.rheobase):
                axes.axvline(curve.rheobase, color=colour, lw=0.9, ls=":")
        names_text = _names(names)
        first = curves[0][2]
        edge = f"rheobase {number(first.rheobase)}" if np.isfinite(first.rheobase) else "no rheobase found"
        if len(curves) == 1 and not np.isfinite(first.rheobase):
            axes.text(0.5, 0.5, edge, ha="center", transform=axes.transAxes, fontsize=9, color=MUTED)
        elif len(curves) == 1:
            axes.annotate(edge, (first.rheobase, 1.0), (4, -2), xycoords=("data", "axes fraction"),
                          textcoords="offset points", va="top", fontsize=9, color=MUTED)  # fmt: skip
        axes.set_title(f"{names_text}: {type(model).__name__}")
        axes.set_xlabel(CURRENT)
        axes.set_ylabel("rate [Hz]")
        _from_zero(axes)
        axes.margins(x=0.01)
        axes.legend(loc="best", frameon=True, framealpha=0.8, edgecolor="none")
        said.append(f"{names_text}: {edge}, {number(float(first.rate.max()))} Hz at {number(float(first.current[-1]))}")
    left_out = f" {len(groups) - len(shown)} more models are not drawn." if len(groups) > len(shown) else ""
    caption = (
        f"Each current held still for {number(first.seconds)} s at dt = {dt * 1e3:g} ms; the rate is that of the "
        "second half. Dotted: rheobase, the smallest current at which the neuron goes on firing. Dashed: the neuron in "
        "continuous time; what differs from it is the step of the network. a.u.: the unit of the membrane over r."
        f"{left_out}"
    )
    return caption, f"Rate against current. {'; '.join(said)}."


def _from_zero(axes: Axes) -> None:
    """The axis of a rate begins at 0, and does not magnify nothing."""
    axes.set_ylim(0, max(axes.get_ylim()[1], 1.0))


def _names(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def draw_tuning(
    figure: Figure, spec: ValueInput, tunings: Sequence[Tuning], names: Sequence[str] = ()
) -> tuple[str, str]:
    """Response of each neuron against the value, axes for each dimension to which one responds.

    names : of the dimensions; else ``input[0]``
    """
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    colours = ListedColormap(colormaps["viridis"](np.linspace(0, 0.92, 256)))  # its yellow is hard to see on white
    names = names or [f"{spec.name}[{d}]" if spec.size > 1 else spec.name for d in range(spec.size)]
    spiking = spec.encoder is not None and spec.encoder.neuron is not None
    silent = [names[tuning.dimension] for tuning in tunings if not len(tuning.neurons)]
    responding = _alike([tuning for tuning in tunings if len(tuning.neurons)])
    shown = responding[:MOST_DIMENSIONS]
    said, sampled = [], False
    for axes, (tuning, *same) in zip(_grid(figure, len(shown), 2, 2.7) if shown else [], shown):
        n = len(tuning.neurons)
        many = f"{n} neuron{'s' * (n != 1)}" if n == tuning.of else f"{n} of {number(tuning.of)} neurons"
        sampled |= n < tuning.of
        axes.set_xlabel(f"{names[tuning.dimension]} [{spec.unit or NO_UNIT}]")
        axes.set_ylabel("rate [Hz]" if spiking else "drive [a.u.]")
        axes.set_title(f"{names[tuning.dimension]}: {many}{_where(spec, tuning, names)}{_same(same, names)}")
        _tuning_curves(figure, axes, tuning, colours)
        if spiking:
            _from_zero(axes)
        which = ", ".join(names[t.dimension] for t in (tuning, *same))
        said.append(f"{which}: {many}, up to {number(float(tuning.response.max()))}")
    keep_apart(figure)
    if not shown:
        _say(figure, "No neuron responds to any number, the others held in the middle of their range.")
    caption = "Each line is one neuron that responds to this number."
    if spec.size > 1:
        where = "the centre of a field" if isinstance(spec.encoder, FieldsEncoder) else "the middle of the range"
        caption += f" The others are held where the title says: {where}."
    caption += " Rates as for the f-I curve." if spiking else " a.u.: the unit of the membrane over r."
    if sampled:
        caption += " Of many neurons some are drawn, evenly chosen."
    if len(responding) > len(shown):
        caption += f" The first {len(shown)} of {len(responding)} different numbers are drawn."
    if silent:
        caption += f" No neuron responds to {_names(silent)}."
    return caption, f"Tuning curves of {spec.name}. {'; '.join(said)}."


def _alike(tunings: Sequence[Tuning]) -> list[list[Tuning]]:
    """Those that differ only in which neurons respond, together."""
    found: list[list[Tuning]] = []
    for tuning in tunings:
        group = next((group for group in found if _match(group[0], tuning)), None)
        if group is None:
            found.append([tuning])
        else:
            group.append(tuning)
    return found


def _match(a: Tuning, b: Tuning) -> bool:
    same = a.of == b.of and a.response.shape == b.response.shape and np.array_equal(a.x, b.x)
    return same and np.allclose(a.response, b.response)


def _same(same: Sequence[Tuning], names: Sequence[str], most: int = 2) -> str:
    """Which other numbers look the same, as a further line of a title."""
    said = [names[t.dimension] for t in same]
    if not said:
        return ""
    which = ", ".join(said) if len(said) <= most else f"{said[0]}, … {said[-1]}"
    return f"\nthe same, of neurons of its own: {which}"


def _tuning_curves(figure: Figure, axes: Axes, tuning: Tuning, colours: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    low, high = int(tuning.neurons[0]), int(tuning.neurons[-1])
    scale = Normalize(low, max(high, low + 1))
    for k, neuron in enumerate(tuning.neurons):
        axes.plot(tuning.x, tuning.response[:, k], color=colours(scale(neuron)), lw=1.1)
    axes.set_xlim(tuning.x[0], tuning.x[-1])
    axes.xaxis.set_major_locator(MaxNLocator(6))
    if len(tuning.neurons) > 1:
        whole = MaxNLocator(6, integer=True)
        bar = figure.colorbar(ScalarMappable(scale, colours), ax=axes, fraction=0.045, pad=0.02, ticks=whole)
        bar.set_label("neuron [index]")


def _say(figure: Figure, text: str) -> None:
    """Words in the place of a picture."""
    figure.set_size_inches(WIDTH, 0.8)
    figure.text(0.01, 0.5, text, va="center", color=MUTED)


def draw_linear(figure: Figure, spec: ValueInput, names: Sequence[str]) -> tuple[str, str]:
    """The weights of a linear encoder of many numbers as an image: what each number adds to each neuron's current."""
    assert isinstance(spec.encoder, LinearEncoder)
    weights = np.asarray(spec.encoder.weights, np.float64).T
    most = float(np.abs(weights).max()) or 1.0
    figure.set_size_inches(WIDTH, float(np.clip(1.4 + 0.12 * len(weights), 2.2, 5.0)))
    axes = figure.add_subplot()
    image = axes.imshow(weights, cmap=SIGNED, vmin=-most, vmax=most, aspect="auto", interpolation="nearest")
    axes.grid(False)
    axes.set_title(f"{number(spec.size)} numbers drive {number(len(weights))} neurons")
    axes.set(xlabel=f"{spec.name} [number]", ylabel="neuron [index]")
    whole_ticks(axes)
    if len(names) <= 24:
        axes.set_xticks(np.arange(len(names)), names, rotation=45, ha="right", fontsize=8.5)
    figure.colorbar(image, ax=axes, fraction=0.03, pad=0.02).set_label(f"current per {spec.unit or 'unit'} [a.u.]")
    silent = int(np.count_nonzero(~weights.any(axis=0)))
    caption = "Current of a neuron: the numbers times these weights, and its bias; red excites, blue inhibits."
    caption += f" {number(silent)} of the numbers drive no neuron." if silent else ""
    return caption, f"Weights of the linear encoder of {spec.name}: {spec.size} numbers, {len(weights)} neurons."


def _where(spec: ValueInput, tuning: Tuning, names: Sequence[str], most: int = 2) -> str:
    """Where the other dimensions are held, as a second line of a title."""
    others = [d for d in range(spec.size) if d != tuning.dimension]
    if not others:
        return ""
    values = [number(float(tuning.held[d])) for d in others]
    if len(others) > 1 and len(set(values)) == 1:
        return f"\nall others at {values[0]}"
    said = [f"{names[d]} = {value}" for d, value in zip(others, values)]
    return "\nat " + ", ".join(said[:most]) + (f", … {names[others[-1]]} = {values[-1]}" if len(said) > most else "")


def example_events(spec: EventsInput, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, y, p of a disc that has just moved to the right: ON events on its right edge, OFF events on its left."""
    (width, height), rng = spec.size, np.random.default_rng(seed)
    n = min(spec.capacity, 4 * min(width, height))
    angle, radius = rng.uniform(0, 2 * np.pi, n), 0.3 * min(width, height) * (1 + 0.06 * rng.standard_normal(n))
    x = np.clip(width / 2 + radius * np.cos(angle), 0, width - 1).astype(np.int64)
    y = np.clip(height / 2 + radius * np.sin(angle), 0, height - 1).astype(np.int64)
    return x, y, (np.cos(angle) > 0).astype(np.int64)


def _pooling(encoder: PoolEncoder | SurfaceEncoder, pixels: str) -> str:
    """What a field of that many pixels does with their events, in words."""
    if isinstance(encoder, SurfaceEncoder):
        value = "1 at an ON event, -1 at an OFF event" if encoder.polarity == "signed" else "1 at an event"
        apart = ", ON and OFF apart," if encoder.polarity == "split" else ""
        return f"of {pixels} pixels (the chequers) is {value}{apart} and decays with tau = {encoder.tau:g} s"
    weights = {
        "signed": f"an ON event adds {encoder.on_weight:g}, an OFF event takes {encoder.off_weight:g} away",
        "merge": "every event adds 1",
        "split": "ON and OFF events are counted apart, 1 each",
    }[encoder.polarity]
    response = {"sum": "", "binary": ", and the sign is taken", "saturate": f", up to {encoder.ceiling or 0:g}"}
    leak = "afresh every tick" if encoder.tau is None else f"on what tau = {encoder.tau:g} s has left"
    return f"sums the events of {pixels} pixels (the chequers), {leak}: {weights}{response[encoder.response]}"


def draw_pool(figure: Figure, spec: EventsInput, dt: float) -> tuple[str, str]:
    """The receptive fields on the sensor with an example's events, and what the encoder makes of them."""
    from matplotlib.colors import LinearSegmentedColormap

    (width, height), (columns, rows) = spec.size, spec.encoder.grid
    x, y, p = example_events(spec)
    response = pooled(spec, dt, x, y, p)
    panel = (WIDTH - 1.0) / (1 + len(response)) - 0.6  # width of one, without labels [inch]
    figure.set_size_inches(WIDTH, min(6.5, panel * height / width) + 0.9)
    fields, *after = figure.subplots(1, 1 + len(response), squeeze=False)[0]
    edges = [-(-np.arange(n + 1) * size // n) - 0.5 for n, size in ((columns, width), (rows, height))]
    column, line = np.arange(width) * columns // width, np.arange(height) * rows // height
    fields.imshow((line[:, None] + column) % 2, cmap="Greys", vmin=0, vmax=9, interpolation="nearest")
    for name, on, colour in (("ON", 1, ON_INK), ("OFF", 0, OFF_INK)):
        fields.plot(x[p == on], y[p == on], ".", ms=2.6, mew=0, color=colour, label=name)
    fields.legend(loc="upper right", markerscale=4)
    fields.set_title(f"{width} × {height} pixels, {columns} × {rows} fields")
    fields.set(xlabel="x [px]", ylabel="y [px]")
    fields.grid(False)
    most = float(np.abs(response).max()) or 1.0
    names = ["OFF events, pooled", "ON events, pooled"] if len(response) == 2 else ["what the encoder makes of it"]
    maps = {"split": ([OFF_INK], [ON_INK]), "merge": ([INK],)}.get(spec.encoder.polarity, ([OFF_INK, ON_INK],))
    for axes, image, name, ends in zip(after, response, names, maps):
        low, between = (0.0, ["white", ends[0]]) if len(ends) == 1 else (-most, [ends[0], "white", ends[1]])
        colours = LinearSegmentedColormap.from_list("events", between)
        shown = axes.pcolormesh(edges[0], edges[1], image, cmap=colours, vmin=low, vmax=most, rasterized=True)
        figure.colorbar(shown, ax=axes, fraction=0.045, pad=0.02).set_label("drive in a tick [a.u.]")
        axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal", xlabel="x [px]", ylabel="y [px]")
        axes.set_title(name)
        axes.grid(False)
    sizes = [sorted({int(n) for n in np.diff(e)}) for e in edges]
    fields_text = " by ".join(" or ".join(str(n) for n in s) for s in sizes)
    caption = (
        f"Each field {_pooling(spec.encoder, fields_text)}. The example is a disc that moves to the right, "
        f"{number(len(x))} events in one tick."
    )
    return caption, f"Receptive fields of {spec.name}: {columns} by {rows} on {width} by {height} pixels."
