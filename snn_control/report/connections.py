"""Pictures of what is connected to what: weights, delays, degrees, decoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..coding import ArgmaxDecoder, Decoder, EventsInput, MembraneDecoder, SpikeCountDecoder, SpikeDecoder
from ..engine.program import Program
from ..network import AllToAll, Connector, Distribution, FromArrays, OneToOne, Projection
from ..network.convolution import Convolution
from ..spec import ControllerSpec
from .canvas import MUTED, NO_UNIT, PALETTE, WIDTH, keep_apart
from .table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Synapses", "draw_decoders", "draw_weights", "sizes_of", "synapses_of", "times_of"]

MOST_DOTS = 20_000  # synapses that are drawn one by one
MOST_CELLS = 400  # of a picture of weights along an axis; larger ones are averaged or counted
MOST_PANELS = 16
WEIGHT = "weight [a.u.]"


@dataclass(frozen=True)
class Synapses:
    """The synapses of one projection, without those of weight 0.

    kind : "dense", "sparse" (one to one as well) or "convolution"
    pre_index, post_index : (k,) of dense and sparse ones
    weights, delays : (k,); delays in s. Of a convolution the weights are those of the kernels, once each
    into, out : (n_post,), (n_pre,) synapses onto and from each neuron
    kernels : (channels out, channels in / groups, rows, columns) of a convolution
    """

    pre: str
    post: str
    kind: str
    weights: np.ndarray
    delays: np.ndarray
    into: np.ndarray
    out: np.ndarray
    pre_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    post_index: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    kernels: np.ndarray | None = None

    @property
    def title(self) -> str:
        return f"{self.pre} → {self.post}"


def sizes_of(program: Program) -> dict[str, int]:
    """Name -> how many signals it gives: populations, inputs whose encoder spikes, and graded inputs."""
    found = {p["name"]: p["size"] for p in program.facts["populations"]}
    for one in program.facts["inputs"]:
        for kind in ("drive", "pooled", "held"):
            place = program.names.get(f"{one['name']}.{kind}")
            if place is not None:
                found.setdefault(one["name"], place.shape[0])
    return found


def synapses_of(p: Projection, sizes: dict[str, int], dt: float) -> Synapses:
    """The synapses that a description means; delays in whole steps of dt [s], int8 weights as they are rounded."""
    n_pre, n_post, connector = sizes[p.pre], sizes[p.post], p.connector
    delays = np.rint(np.asarray(p.delay, np.float64) / dt) * dt
    if isinstance(connector, Convolution):
        weights = np.asarray(p.weights, np.float64)
        into, out = _degrees_of_convolution(connector, weights.shape)
        delays = np.broadcast_to(delays, weights.size)
        return Synapses(p.pre, p.post, "convolution", weights.reshape(-1), delays, into, out, kernels=weights)
    dense = isinstance(connector, AllToAll)
    if dense:
        shape: tuple[int, ...] = (n_pre, n_post)
        every: tuple[np.ndarray, ...] = ()
    else:
        every = _pairs(connector, n_pre, n_post, p.pre == p.post)
        shape = every[0].shape
    drawn = p.weights.sample(shape) if isinstance(p.weights, Distribution) else np.asarray(p.weights, np.float64)
    weights = np.broadcast_to(drawn, shape)
    if p.precision == "int8":
        scale = p.scale or float(np.abs(weights).max(initial=0)) / 127 or 1.0
        weights = np.rint(weights / scale) * scale
    there = weights != 0
    index = np.nonzero(there) if dense else (every[0][there], every[1][there])
    return Synapses(
        p.pre, p.post, "dense" if dense else "sparse", weights[there], np.broadcast_to(delays, shape)[there],
        np.bincount(index[1], minlength=n_post), np.bincount(index[0], minlength=n_pre), *index,
    )  # fmt: skip


def _pairs(connector: Connector, n_pre: int, n_post: int, recurrent: bool) -> tuple[np.ndarray, np.ndarray]:
    """Source and target of each synapse, in the order of the weights."""
    if isinstance(connector, FromArrays):
        return connector.arrays()
    pointers, targets = connector.rows(n_pre, n_post, recurrent)
    return np.repeat(np.arange(n_pre), np.diff(pointers.astype(np.int64))), targets.astype(np.int64)


def _degrees_of_convolution(c: Convolution, weights: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Synapses onto and from each neuron, those of the kernel's places that lie in the picture."""
    channels, *sides = c.output_shape(weights)
    into, out = np.ones(1, np.int64), np.ones(1, np.int64)
    for axis, side in enumerate(sides):
        places = np.arange(side)[:, None] * c.stride[axis] - c.pads(axis, weights[2 + axis])[0]
        places = places + np.arange(weights[2 + axis]) * c.dilation[axis]
        inside = (places >= 0) & (places < c.shape[1 + axis])
        into = np.multiply.outer(into, inside.sum(1)).reshape(-1)
        out = np.multiply.outer(out, np.bincount(places[inside], minlength=c.shape[1 + axis])).reshape(-1)
    return np.tile(into * weights[1], channels), np.tile(out * (channels // c.groups), c.shape[0])


# --- weights --------------------------------------------------------------------------------------


def draw_weights(figure: Figure, projections: Sequence[Synapses]) -> tuple[str, str]:
    """A row a projection: the weights as an image, and histograms of weights, delays and degrees."""
    figure.set_size_inches(WIDTH, 0.4 + 2.5 * len(projections))
    keep_apart(figure)
    grid = figure.subplots(len(projections), 4, squeeze=False, gridspec_kw={"width_ratios": [1.5, 1, 1, 1.2]})
    said = []
    for (image, weights, delays, degrees), s in zip(grid, projections):
        total = number(int(s.into.sum()))
        image.set_title(f"{s.title}: {total} synapses")
        _matrix(figure, image, s)
        _histogram(weights, s.weights, "weight", "a.u.")
        _histogram(delays, s.delays * 1e3, "delay", "ms")
        _degrees(degrees, s)
        span = f"{number(float(s.weights.min()))} to {number(float(s.weights.max()))}" if len(s.weights) else "none"
        said.append(f"{s.title}: {total} synapses, weights {span}")
    caption = (
        "Blue excites, red inhibits; the kernels of a convolution stand side by side. Weights of 0 count as no "
        "synapse, but for those of a convolution. In-degree: synapses onto a neuron of the target; out-degree: "
        "synapses from a neuron of the source. a.u.: the unit of the membrane over r."
    )
    return caption, f"Weights. {'; '.join(said)}."


def _matrix(figure: Figure, axes: Axes, s: Synapses) -> None:
    """Dense: an image, averaged where large. Sparse: dots, or how many synapses lie where. Convolution: its kernels."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.grid(False)
    _whole_ticks(axes)
    most = float(np.abs(s.weights).max()) if len(s.weights) and s.weights.any() else 1.0
    label = WEIGHT
    colours: dict[str, Any] = {"cmap": "RdBu", "vmin": -most, "vmax": most}
    if s.kernels is not None:
        axes.set(xlabel="input channel, column [weight]", ylabel="output channel, row [weight]")
        shown: Any = _kernels(axes, s.kernels, colours)
    else:
        n_pre, n_post = len(s.out), len(s.into)
        axes.set(xlabel=f"{s.pre} [neuron]", ylabel=f"{s.post} [neuron]")
        axes.set(xlim=(-0.5, n_pre - 0.5), ylim=(n_post - 0.5, -0.5))
        if s.kind == "sparse" and len(s.weights) <= MOST_DOTS:
            size = float(np.clip(150 / max(n_pre, n_post), 1.2, 10.0)) ** 2  # a cell [pt]
            shown = axes.scatter(
                s.pre_index, s.post_index, size, s.weights, marker="s", lw=0, rasterized=True, **colours
            )  # fmt: skip
        else:
            cells: list[Any] = [np.linspace(-0.5, n - 0.5, min(n, MOST_CELLS) + 1) for n in (n_pre, n_post)]
            dense = s.kind == "dense"
            total = np.histogram2d(s.post_index, s.pre_index, cells[::-1], weights=s.weights if dense else None)[0]
            if dense:  # a cell holds the mean of its weights
                each = [np.diff(np.ceil(c - 1e-9)) for c in cells]
                total /= np.maximum(np.outer(each[1], each[0]), 1)
            else:
                label, colours = "synapses in a cell [count]", {"cmap": "Blues", "vmin": 0.0, "vmax": total.max()}
            shown = axes.pcolormesh(*cells, total, rasterized=True, **colours)
    # no common factor: it would stand above the bar, in the title
    plain = FuncFormatter(lambda x, _: f"{x:.6g}")
    figure.colorbar(shown, ax=axes, fraction=0.06, pad=0.02, ticks=MaxNLocator(5), format=plain).set_label(label)


def _kernels(axes: Axes, kernels: np.ndarray, colours: dict[str, Any]) -> Any:
    """All kernels side by side: a row of them for each output channel; at most `MOST_CELLS` weights along an axis."""
    rows, columns = kernels.shape[2:]
    kernels = kernels[: max(1, MOST_CELLS // rows), : max(1, MOST_CELLS // columns)]
    outputs, inputs = kernels.shape[:2]
    picture = kernels.transpose(0, 2, 1, 3).reshape(outputs * rows, inputs * columns)
    for at in np.arange(1, outputs) * rows - 0.5:
        axes.axhline(at, color=MUTED, lw=0.5)
    for at in np.arange(1, inputs) * columns - 0.5:
        axes.axvline(at, color=MUTED, lw=0.5)
    return axes.imshow(picture, aspect="auto", **colours)


def _whole_ticks(axes: Axes, which: str = "both") -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis) if which == "both" else (getattr(axes, f"{which}axis"),):
        axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))


def _histogram(axes: Axes, values: np.ndarray, what: str, unit: str) -> None:
    axes.set(xlabel=f"{what} [{unit}]", ylabel="weights [count]")
    different = np.unique(values)
    ends = [number(float(v)) for v in different[[0, -1]]] if len(different) else []
    if len(different) > 1:
        counts, edges = np.histogram(values, _edges(different))
        axes.stairs(counts, edges, fill=True, color=PALETTE[0], alpha=0.8, lw=0)
        axes.set_title(f"{what}s: {ends[0]} to {ends[1]}", fontweight="normal")
        return
    centre = float(different[0]) if len(different) else 0.0
    width = abs(centre) * 0.2 or 0.2
    axes.bar([centre], [len(values)], width, color=PALETTE[0], alpha=0.8)
    axes.set_ylim(0, 1.05 * max(len(values), 1))
    axes.set_xlim(centre - 3 * width, centre + 3 * width)
    axes.set_xticks([centre], [number(centre)])
    axes.set_title(f"{what}s: all {ends[0]}" if ends else f"{what}s: none", fontweight="normal")


def _edges(different: np.ndarray) -> np.ndarray:
    """Of the bins of a histogram: one for each value where they stand on a coarse grid, as delays do, else 40."""
    gap = float(np.diff(different).min())
    places = (different - different[0]) / gap
    if places[-1] < 60 and np.allclose(places, np.rint(places), atol=1e-3):
        return different[0] + gap * (np.arange(round(places[-1]) + 2) - 0.5)
    return np.linspace(different[0], different[-1], 41)


def _degrees(axes: Axes, s: Synapses) -> None:
    most = int(max(s.into.max(), s.out.max()))
    edges = np.linspace(-0.5, most + 0.5, min(most + 1, 30) + 1)
    for name, degree, colour in (("in", s.into, PALETTE[0]), ("out", s.out, PALETTE[1])):
        text = f"{name}-degree {number(int(degree.min()))}"
        text += f" to {number(int(degree.max()))}" if degree.min() < degree.max() else ""
        axes.stairs(np.histogram(degree, edges)[0], edges, color=colour, lw=1.6, label=text)
    axes.set(xlabel="degree [count]", ylabel="neurons [count]")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 60 * max(len(s.into), len(s.out)))
    axes.legend(loc="upper right", fontsize=8.5, borderaxespad=0.1, handlelength=1.2)
    _whole_ticks(axes, "x")


# --- decoders -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Panel:
    """What one pair of axes shows: weights (neurons, lines) with a label each, as an image where neurons are a grid."""

    title: str
    source: str
    unit: str
    weights: np.ndarray
    labels: list[str]
    grid: tuple[int, int] | None


def _grid_of(spec: ControllerSpec, source: str) -> tuple[int, int] | None:
    """(columns, rows) where the neurons of a source are the fields of a camera: its encoder's, or one to one with
    them."""
    cameras = {i.name: i.encoder for i in spec.inputs if isinstance(i, EventsInput) and i.encoder.polarity != "split"}
    if source in cameras:
        return cameras[source].grid
    for p in spec.network.projections:
        if p.post == source and p.pre in cameras and isinstance(p.connector, OneToOne):
            return cameras[p.pre].grid
    return None


#: what a decoder's weight is multiplied with; a mean of directions and what a first spike stands for are values
_PER = {SpikeDecoder: " per Hz", SpikeCountDecoder: " per spike", MembraneDecoder: " per a.u."}


def times_of(term: Decoder) -> list[tuple[str, float]]:
    """Sign and seconds of a decoder's time constant or window."""
    signs = {"tau": "τ", "window": "window"}
    return [(sign, getattr(term, name)) for name, sign in signs.items() if hasattr(term, name)]


def _rows(term: Decoder, neurons: int, numbers: int) -> np.ndarray:
    """(neurons, numbers): the weights, directions or values of each neuron."""
    rows = getattr(term, "directions", getattr(term, "weights", None))
    if rows is None:  # a first spike stands for the index of its neuron, or for one number of its own
        rows = np.arange(neurons) if numbers == 1 else np.eye(neurons, numbers)
    rows = np.asarray(rows, np.float64)
    return np.broadcast_to(rows[:, None] if rows.ndim == 1 else rows, (neurons, numbers))


def _panels(spec: ControllerSpec, sizes: dict[str, int]) -> list[_Panel]:
    panels = []
    for output in spec.outputs:
        choice = isinstance(output.decoder, ArgmaxDecoder)
        terms = output.decoder.terms if isinstance(output.decoder, ArgmaxDecoder) else output.decoder
        numbers = output.decoder.actions if isinstance(output.decoder, ArgmaxDecoder) else output.size
        for source in dict.fromkeys(t.source for t in terms):
            columns, labels = [], []
            for term in (t for t in terms if t.source == source):
                columns.append(_rows(term, sizes[source], numbers))
                time = [f"{sign} = {seconds * 1e3:g} ms" for sign, seconds in times_of(term)]
                for j in range(numbers):
                    name = [f"{'action' if choice else output.name}[{j}]"] if numbers > 1 else []
                    labels.append(", ".join(name + time))
            per = {_PER.get(type(t), "") for t in terms if t.source == source}
            unit = ("a.u." if choice else output.unit or NO_UNIT) + (per.pop() if len(per) == 1 else " per a.u.")
            grid = _grid_of(spec, source)
            panel = _Panel(f"{source} → {output.name}", source, unit, np.hstack(columns), labels, grid)
            panels += _apart(panel) if grid else [panel]
    return panels


def _apart(panel: _Panel) -> list[_Panel]:
    """A panel for each of its lines."""
    return [
        replace(panel, title=f"{panel.title}{', ' if label else ''}{label}", weights=panel.weights[:, k : k + 1])
        for k, label in enumerate(panel.labels)
    ]


def draw_decoders(figure: Figure, spec: ControllerSpec, sizes: dict[str, int]) -> tuple[str, str]:
    """Axes for each output and source: the weight of each neuron, a line for each term and number."""
    panels = _panels(spec, sizes)
    shown = panels[:MOST_PANELS]
    rows = -(-len(shown) // 2)
    figure.set_size_inches(WIDTH, 0.5 + 2.6 * rows)
    grid = figure.subplots(rows, min(2, len(shown)), squeeze=False).reshape(-1)
    for spare in grid[len(shown) :]:
        spare.remove()
    for axes, panel in zip(grid, shown):
        axes.set_title(panel.title)
        if panel.grid:
            most = float(np.abs(panel.weights).max()) or 1.0
            picture = panel.weights.reshape(panel.grid[1], panel.grid[0])
            image = axes.imshow(picture, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
            axes.set(xlabel="column [field]", ylabel="row [field]")
            axes.grid(False)
            figure.colorbar(image, ax=axes, fraction=0.05, pad=0.02).set_label(f"weight [{panel.unit}]")
        else:
            _lines(axes, panel)
    caption = "How much the rate, or the membrane, of each neuron adds to the output. τ: of the filter of the rate."
    if len(panels) > len(shown):
        caption += f" The first {len(shown)} of {len(panels)} are drawn."
    return caption, f"Decoder weights. {'; '.join(panel.title for panel in shown)}."


def _lines(axes: Axes, panel: _Panel) -> None:
    n = len(panel.weights)
    few: dict[str, Any] = {"marker": "o", "ms": 3.5, "ls": "" if n <= 8 else "-"} if n <= 64 else {}
    for k, label in enumerate(panel.labels):
        axes.plot(np.arange(n), panel.weights[:, k], color=PALETTE[k % len(PALETTE)], lw=1.0, label=label, **few)
    axes.set(xlabel=f"{panel.source} [neuron]", ylabel=f"weight [{panel.unit}]")
    axes.axhline(0, color="#b6bec7", lw=0.8, zorder=0)
    _whole_ticks(axes, "x")
    if any(panel.labels):
        axes.legend(loc="best", ncols=2 if len(panel.labels) > 4 else 1, frameon=True, framealpha=0.8, edgecolor="none")
