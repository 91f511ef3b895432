"""Draw histograms of the weights, delays and numbers of synapses of projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from ..analysis.synapses import synapse_arrays
from ..network import Projection
from ..network.convolution import Convolution
from .kit import EXCITES, INHIBITS, MUTED, WIDTH, whole_ticks
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Synapses", "draw_weights", "span", "synapses_of", "vary"]

WEIGHT = "weight [a.u.]"


@dataclass(frozen=True)
class Synapses:
    """The synapses of one projection, for a picture, without those whose weight is always 0.

    places : number of weights, including those that are 0
    weights, delays : (k,) float64, weights and delays [s]. For a convolution, ``weights`` has each weight of the
        kernels once
    into, out : (n_post,), (n_pre,) int64, number of synapses onto each target neuron, and from each source neuron
    kernels : whether the projection is a convolution
    """

    pre: str
    post: str
    places: int
    weights: np.ndarray
    delays: np.ndarray
    into: np.ndarray
    out: np.ndarray
    kernels: bool

    @property
    def title(self) -> str:
        return f"{self.pre} → {self.post}"


def synapses_of(p: Projection, sizes: dict[str, int], dt: float) -> Synapses:
    """Return the synapses of a projection, with the weights and delays that the controller uses.

    Delays are rounded to whole steps, and int8 weights to int8.

    sizes : number of neurons of each input and population
    dt : step of the network [s]
    """
    n_pre, n_post = sizes[p.pre], sizes[p.post]
    kernels = np.asarray(p.weights, np.float64) if isinstance(p.connector, Convolution) else None
    counted = p if kernels is None else replace(p, weights=np.ones(kernels.shape))  # zeros in a kernel are counted
    pre, post, weights, delays = synapse_arrays(counted, n_pre, n_post)
    there = weights != 0 if p.learning is None else np.ones(weights.size, bool)
    return Synapses(
        p.pre, p.post, places=weights.size, weights=weights[there] if kernels is None else kernels.reshape(-1),
        delays=np.rint(delays[there] / dt) * dt, into=np.bincount(post[there], minlength=n_post),
        out=np.bincount(pre[there], minlength=n_pre), kernels=kernels is not None,
    )  # fmt: skip


# --- weights --------------------------------------------------------------------------------------


def vary(s: Synapses) -> bool:
    """Return whether weights, delays or numbers of synapses of a projection vary, so that a histogram is useful."""
    return not (_one(s.weights) and _one(s.delays)) or _degrees_vary(s)


def _one(values: np.ndarray) -> bool:
    """Return whether all values are equal, so that a histogram would be useless."""
    return len(values) == 0 or bool((values == values[0]).all())


def _count(s: Synapses) -> str:
    """Return the number of synapses as text.

    The text is ``24 synapses``, or ``12 synapses in 24 places (zeros are none)`` if some of the 24 weights are 0.
    """
    some = not s.kernels and len(s.weights) < s.places
    return count(int(s.into.sum()), "synapse") + f" in {count(s.places, 'place')} (zeros are none)" * some


def draw_weights(
    figure: Figure, projections: Sequence[Synapses], colours: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Draw one row for each projection: histograms of its weights, delays and numbers of synapses per neuron.

    A quantity that is equal for all synapses of a projection is written as text. Return the caption and the alternative
    text.

    colours : name of an input or population -> colour
    """
    figure.set_size_inches(WIDTH, 0.3 + 2.1 * len(projections))
    columns: list[tuple[float, Any, Any, Any]] = [  # width, function that draws it, whether values differ, text if not
        (0.7, None, lambda s: False, lambda s: f"{s.title}\n{_count(s)}\n{_delay_text(s)}"),
        (1.0, _weight_histogram, lambda s: not _one(s.weights), lambda s: f"all weights {span(s.weights)}"),
        (1.0, _delay_histogram, lambda s: not _one(s.delays), _delay_text),
        (1.2, partial(_degrees, colours=colours or {}), _degrees_vary, _degree_text),
    ]
    columns = [one for one in columns if one[1] is None or any(one[2](s) for s in projections)]
    widths = {"width_ratios": [width for width, *_ in columns]}
    grid = figure.subplots(len(projections), len(columns), squeeze=False, gridspec_kw=widths)
    for axes, (s, (_, draw, differ, words)) in zip(grid.flat, product(projections, columns)):
        if differ(s):
            draw(axes, s)
        else:
            axes.axis("off")
            axes.text(0.5, 0.5, words(s), ha="center", va="center", color=MUTED, fontsize=10)
    caption = "Red excites, blue inhibits. Weights of 0 count as no synapse, except in the kernels of a convolution. "
    if any(_degrees_vary(s) for s in projections):
        caption += "In-degree: synapses onto a neuron of the target; out-degree: synapses from a neuron of the source. "
    said = [f"{s.title}: {_count(s)}, weights {span(s.weights)}" for s in projections]
    return caption + "a.u.: the unit of the membrane over r.", f"Weights. {'; '.join(said)}."


def span(values: np.ndarray, scale: float = 1.0) -> str:
    """Return the range of values as text: ``0.1``, ``-2 to 2``, or ``none`` if there are no values."""
    ends = [number(float(v) * scale) for v in (values.min(), values.max())] if len(values) else ["none"]
    return " to ".join(dict.fromkeys(ends))


def _delay_text(s: Synapses) -> str:
    return f"delay {span(s.delays, 1e3)} ms" if s.delays.any() else "no delay"


def _degree_text(s: Synapses) -> str:
    return f"in-degree {span(s.into)}\nout-degree {span(s.out)}"


def _degrees_vary(s: Synapses) -> bool:
    return not (_one(s.into) and _one(s.out))


def _weight_histogram(axes: Axes, s: Synapses) -> None:
    """Draw a histogram of a projection's weights: red above 0, blue below 0."""
    counts, edges = np.histogram(s.weights, _edges(np.unique(s.weights)))
    middle = (edges[:-1] + edges[1:]) / 2
    for colour, there in ((EXCITES, middle > 0), (INHIBITS, middle < 0), (MUTED, middle == 0)):
        if counts[there].any():
            axes.stairs(np.where(there, counts, 0), edges, fill=True, color=colour, alpha=0.85, lw=0)
    axes.set(xlabel=WEIGHT, ylabel="weights [count]")
    axes.set_title(f"weights {span(s.weights)}", fontweight="normal")


def _delay_histogram(axes: Axes, s: Synapses) -> None:
    axes.stairs(*np.histogram(s.delays * 1e3, _edges(np.unique(s.delays * 1e3))), fill=True, color=MUTED, lw=0)
    axes.set(xlabel="delay [ms]", ylabel="synapses [count]")
    axes.set_title(f"delays {span(s.delays, 1e3)}", fontweight="normal")


def _edges(different: np.ndarray) -> np.ndarray:
    """Return the bin edges of a histogram: one bin per value if the values lie on a coarse grid, otherwise 40 bins."""
    gap = float(np.diff(different).min())
    places = (different - different[0]) / gap
    if places[-1] < 60 and np.allclose(places, np.rint(places), atol=1e-3):
        return different[0] + gap * (np.arange(round(places[-1]) + 2) - 0.5)
    return np.linspace(different[0], different[-1], 41)


def _degrees(axes: Axes, s: Synapses, colours: Mapping[str, str]) -> None:
    """Draw histograms of the synapses per target neuron and per source neuron, in the colours of the populations."""
    most = int(max(s.into.max(), s.out.max()))
    edges = np.linspace(-0.5, most + 0.5, min(most + 1, 30) + 1)
    for name, of, degree, style in (("in", s.post, s.into, "-"), ("out", s.pre, s.out, (0, (3, 1.5)))):
        text = f"{name}-degree {span(degree)}"
        colour = colours.get(of, MUTED)
        axes.stairs(np.histogram(degree, edges)[0], edges, color=colour, lw=1.6, ls=style, label=text)
    axes.set(xlabel="degree [count]", ylabel="neurons [count]")
    axes.set_yscale("symlog", linthresh=1)
    axes.set_ylim(0, 60 * max(len(s.into), len(s.out)))
    axes.legend(loc="upper right", fontsize=8.5, borderaxespad=0.1, handlelength=1.6)
    whole_ticks(axes, "x")
