"""Pictures of connections: weights, delays and degrees (numbers of synapses of a neuron)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.synapses import synapse_arrays
from ..network import AllToAll, Projection
from ..network.convolution import Convolution
from .kit import EXCITES, INHIBITS, MUTED, WIDTH, colour_bar, signed_scale, whole_ticks
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Synapses", "draw_weights", "synapses_of"]

MOST_DOTS = 20_000  # maximum number of synapses that are drawn individually
MOST_CELLS = 400  # maximum cells of a picture of weights along an axis; larger matrices are averaged or counted
WEIGHT = "weight [a.u.]"


@dataclass(frozen=True)
class Synapses:
    """The synapses of one projection as they are drawn, without those whose weight is always 0.

    dense : whether every pair of neurons has a place for a synapse
    places : number of weights
    pre_index, post_index : (k,) int64, source and target neuron
    weights, delays : (k,) float64; delays are in s. For a convolution, these are the weights of the kernels, each
        listed once
    into, out : (n_post,), (n_pre,) int64, number of synapses onto each target neuron, and from each source neuron
    kernels : (channels out, channels in / groups, rows, columns) float64 of a convolution
    """

    pre: str
    post: str
    dense: bool
    places: int
    pre_index: np.ndarray
    post_index: np.ndarray
    weights: np.ndarray
    delays: np.ndarray
    into: np.ndarray
    out: np.ndarray
    kernels: np.ndarray | None = None

    @property
    def title(self) -> str:
        return f"{self.pre} → {self.post}"


def synapses_of(p: Projection, sizes: dict[str, int], dt: float) -> Synapses:
    """Return the synapses of a projection, with weights and delays as in the controller.

    Delays are rounded to whole steps of ``dt`` [s]; int8 weights are rounded.

    sizes : name -> number of neurons
    """
    n_pre, n_post = sizes[p.pre], sizes[p.post]
    kernels = np.asarray(p.weights, np.float64) if isinstance(p.connector, Convolution) else None
    counted = p if kernels is None else replace(p, weights=np.ones(kernels.shape))  # zeros in a kernel are counted
    pre, post, weights, delays = synapse_arrays(counted, n_pre, n_post)
    there = weights != 0 if p.learning is None else np.ones(weights.size, bool)
    pre, post = pre[there], post[there]
    return Synapses(
        p.pre, p.post, dense=isinstance(p.connector, AllToAll), places=weights.size, pre_index=pre, post_index=post,
        weights=weights[there] if kernels is None else kernels.reshape(-1), delays=np.rint(delays[there] / dt) * dt,
        into=np.bincount(post, minlength=n_post), out=np.bincount(pre, minlength=n_pre), kernels=kernels,
    )  # fmt: skip


# --- weights --------------------------------------------------------------------------------------


def _one(values: np.ndarray) -> bool:
    """Return whether all values are equal, so that a histogram is not useful."""
    return len(values) == 0 or bool((values == values[0]).all())


def _count(s: Synapses) -> str:
    """Return ``24 synapses``, or ``12 synapses in 24 places (zeros are none)`` if some places have no synapse."""
    some = s.kernels is None and len(s.weights) < s.places
    return count(int(s.into.sum()), "synapse") + f" in {count(s.places, 'place')} (zeros are none)" * some


def draw_weights(
    figure: Figure, projections: Sequence[Synapses], colours: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Draw one row for each projection: its weights as an image, and histograms of weights, delays and degrees.

    If a quantity is the same for all synapses of a projection, it is written as text.

    colours : colours of inputs and populations
    """
    figure.set_size_inches(WIDTH, 0.3 + 2.6 * len(projections))
    columns: list[tuple[float, Any, Any, Any]] = [  # width, function that draws it, whether values differ, text if not
        (1.5, _matrix, lambda s: True, _count),
        (1.0, _weight_histogram, lambda s: not _one(s.weights), lambda s: f"all weights {_span(s.weights)}"),
        (1.0, _delay_histogram, lambda s: not _one(s.delays), _delay_text),
        (1.2, partial(_degrees, colours=colours or {}), _degrees_vary, _degree_text),
    ]
    columns = [column for column in columns if any(column[2](s) for s in projections)]
    widths = {"width_ratios": [width for width, *_ in columns]}
    grid = figure.subplots(len(projections), len(columns), squeeze=False, gridspec_kw=widths)
    for axes, (s, (_, draw, vary, words)) in zip(grid.flat, product(projections, columns)):
        if vary(s):
            draw(axes, s)
        else:
            axes.axis("off")
            axes.text(0.5, 0.5, words(s), ha="center", va="center", color=MUTED, fontsize=10)
    caption = "Red excites, blue inhibits. "
    if any(s.kernels is not None for s in projections):
        caption += "The kernels of a convolution are side by side; their weights of 0 count as well. "
    caption += "Weights of 0 count as no synapse. " if any(s.kernels is None for s in projections) else ""
    if any(_degrees_vary(s) for s in projections):
        caption += "In-degree: synapses onto a neuron of the target; out-degree: synapses from a neuron of the source. "
    said = [f"{s.title}: {_count(s)}, weights {_span(s.weights)}" for s in projections]
    return caption + "a.u.: the unit of the membrane over r.", f"Weights. {'; '.join(said)}."


def _span(values: np.ndarray, scale: float = 1.0) -> str:
    """Return the range of some values as text: ``0.1``, ``-2 to 2`` or ``none``."""
    ends = [number(float(v) * scale) for v in (values.min(), values.max())] if len(values) else ["none"]
    return " to ".join(dict.fromkeys(ends))


def _delay_text(s: Synapses) -> str:
    return f"delay {_span(s.delays, 1e3)} ms" if s.delays.any() else "no delay"


def _degree_text(s: Synapses) -> str:
    return f"in-degree {_span(s.into)}\nout-degree {_span(s.out)}"


def _degrees_vary(s: Synapses) -> bool:
    return not (_one(s.into) and _one(s.out))


def _matrix(axes: Axes, s: Synapses) -> None:
    """Draw the weights of a projection.

    Dense weights are drawn as an image, and averaged if there are many. Sparse weights are drawn as dots, or as the
    number of synapses in each cell. A convolution is drawn as its kernels.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.grid(False)
    whole_ticks(axes)
    axes.set_title(f"{s.title}\n{_count(s)}, {_delay_text(s)}", fontsize=10.5)
    label = WEIGHT
    if s.kernels is not None:
        shown = _kernels(axes, s.kernels)
    else:
        n_pre, n_post = len(s.out), len(s.into)
        axes.set(xlabel=f"{s.pre} [neuron]", ylabel=f"{s.post} [neuron]")
        axes.set(xlim=(-0.5, n_pre - 0.5), ylim=(n_post - 0.5, -0.5))
        if s.dense or len(s.weights) > MOST_DOTS:
            shown = _cells(axes, s)
            label = WEIGHT if s.dense else "synapses in a cell [count]"
        else:
            size = float(np.clip(150 / max(n_pre, n_post), 1.2, 10.0)) ** 2  # size of a cell [pt]
            style: dict[str, Any] = {"marker": "s", "lw": 0, "rasterized": True, **signed_scale(s.weights)}
            shown = axes.scatter(s.pre_index, s.post_index, size, s.weights, **style)
    # no common factor: it would overlap with the title
    plain = FuncFormatter(lambda x, _: f"{x:.6g}")
    colour_bar(axes, shown, label, ticks=MaxNLocator(5), format=plain)


def _cells(axes: Axes, s: Synapses) -> Any:
    """Draw at most `MOST_CELLS` cells along an axis.

    A cell shows the mean of dense weights, or the number of sparse synapses.
    """
    cells: list[Any] = [np.linspace(-0.5, n - 0.5, min(n, MOST_CELLS) + 1) for n in (len(s.out), len(s.into))]
    weights = s.weights if s.dense else None
    total = np.histogram2d(s.post_index, s.pre_index, cells[::-1], weights=weights)[0]
    scale: dict[str, Any] = {"cmap": "Greys", "vmin": 0.0, "vmax": total.max()}
    if s.dense:
        columns, rows = (np.diff(np.ceil(c - 1e-9)) for c in cells)
        total /= np.maximum(np.outer(rows, columns), 1)
        scale = signed_scale(s.weights)
    return axes.pcolormesh(*cells, total, rasterized=True, **scale)


def _kernels(axes: Axes, kernels: np.ndarray) -> Any:
    """Draw all kernels next to each other: output channels from left to right, input channels downwards.

    At most `MOST_CELLS` weights are drawn along an axis.
    """
    scale, (rows, columns) = signed_scale(kernels), kernels.shape[2:]
    kernels = kernels[: max(1, MOST_CELLS // columns), : max(1, MOST_CELLS // rows)]
    outputs, inputs = kernels.shape[:2]
    picture = kernels.transpose(1, 2, 0, 3).reshape(inputs * rows, outputs * columns)
    for at in np.arange(1, inputs) * rows - 0.5:
        axes.axhline(at, color=MUTED, lw=0.5)
    for at in np.arange(1, outputs) * columns - 0.5:
        axes.axvline(at, color=MUTED, lw=0.5)
    image = axes.imshow(picture, aspect="auto", **scale)
    for axis, n, side in ((axes.xaxis, outputs, columns), (axes.yaxis, inputs, rows)):
        named = np.arange(0, n, -(-n // 8))
        axis.set_ticks((named + 0.5) * side - 0.5, [str(k) for k in named])
    shape = f"{rows} × {columns} weights each"
    axes.set(xlabel=f"output channel, {shape} [index]", ylabel="input channel [index]")
    return image


def _weight_histogram(axes: Axes, s: Synapses) -> None:
    """Draw a histogram of the weights: red above 0, blue below."""
    counts, edges = np.histogram(s.weights, _edges(np.unique(s.weights)))
    middle = (edges[:-1] + edges[1:]) / 2
    for colour, there in ((EXCITES, middle > 0), (INHIBITS, middle < 0), (MUTED, middle == 0)):
        if counts[there].any():
            axes.stairs(np.where(there, counts, 0), edges, fill=True, color=colour, alpha=0.85, lw=0)
    axes.set(xlabel=WEIGHT, ylabel="weights [count]")
    axes.set_title(f"weights {_span(s.weights)}", fontweight="normal")


def _delay_histogram(axes: Axes, s: Synapses) -> None:
    axes.stairs(*np.histogram(s.delays * 1e3, _edges(np.unique(s.delays * 1e3))), fill=True, color=MUTED, lw=0)
    axes.set(xlabel="delay [ms]", ylabel="synapses [count]")
    axes.set_title(f"delays {_span(s.delays, 1e3)}", fontweight="normal")


def _edges(different: np.ndarray) -> np.ndarray:
    """Return the edges of a histogram's bins: one bin per value if values are on a coarse grid, otherwise 40 bins."""
    gap = float(np.diff(different).min())
    places = (different - different[0]) / gap
    if places[-1] < 60 and np.allclose(places, np.rint(places), atol=1e-3):
        return different[0] + gap * (np.arange(round(places[-1]) + 2) - 0.5)
    return np.linspace(different[0], different[-1], 41)


def _degrees(axes: Axes, s: Synapses, colours: Mapping[str, str]) -> None:
    """Draw the number of synapses onto each target neuron, and from each source neuron, in their colours."""
    most = int(max(s.into.max(), s.out.max()))
    edges = np.linspace(-0.5, most + 0.5, min(most + 1, 30) + 1)
    for name, of, degree, style in (("in", s.post, s.into, "-"), ("out", s.pre, s.out, (0, (3, 1.5)))):
        text = f"{name}-degree {_span(degree)}"
        colour = colours.get(of, MUTED)
        axes.stairs(np.histogram(degree, edges)[0], edges, color=colour, lw=1.6, ls=style, label=text)
    axes.set(xlabel="degree [count]", ylabel="neurons [count]")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 60 * max(len(s.into), len(s.out)))
    axes.legend(loc="upper right", fontsize=8.5, borderaxespad=0.1, handlelength=1.6)
    whole_ticks(axes, "x")
