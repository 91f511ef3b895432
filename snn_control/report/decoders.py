"""Draw the weights of an output's decoders, which are the contributions of the neurons to the output."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from .. import coding
from ..analysis.synapses import decoder_rows
from ..controller_file import ControllerSpec
from ..controller_file.names import number_names, term_names
from ..network import OneToOne
from .kit import EXCITES, INHIBITS, INK, MUTED, axes_in_rows, signed_image, whole_ticks
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_decoders"]

MOST_PANELS = 16
MOST_BARS = 48  # number of neurons


@dataclass(frozen=True)
class _Panel:
    """The contents of one pair of axes: weights (neurons, lines), and a label for each line.

    grid : (columns, rows) if the neurons form a grid, whose weights are drawn as an image
    blocks : names of the input's elements if the source has a separate block of neurons for each element
    """

    title: str
    source: str
    unit: str
    weights: np.ndarray
    labels: list[str]
    grid: tuple[int, int] | None
    blocks: list[str] = field(default_factory=list)


def grid_of(spec: ControllerSpec, source: str) -> tuple[int, int] | None:
    """Return (columns, rows) if the neurons of a source represent the cells of a camera's grid, otherwise None.

    Such neurons belong to the camera's encoder, or are connected one to one with the encoder's neurons.
    """
    cameras = {
        i.name: i.encoder for i in spec.inputs if isinstance(i, coding.EventsInput) and i.encoder.polarity != "split"
    }
    if source in cameras:
        return cameras[source].grid
    for p in spec.network.projections:
        if p.post == source and p.pre in cameras and isinstance(p.connector, OneToOne):
            return cameras[p.pre].grid
    return None


#: decoder -> unit by which its weights are multiplied, also in its subclasses; others have values, not weights
PER = {coding.SpikeDecoder: " per Hz", coding.SpikeCountDecoder: " per spike", coding.MembraneDecoder: " per a.u."}


def _per(term: coding.Decoder) -> str:
    return next((PER[cls] for cls in type(term).__mro__ if cls in PER), "")


def times_of(term: coding.Decoder) -> list[tuple[str, float]]:
    """Return the time constants or the window of a decoder, for labels, as a list of (symbol, seconds)."""
    signs = {"tau": "τ", "window": "window"}
    return [(sign, time) for name, sign in signs.items() if (time := getattr(term, name, None)) is not None]


def _panels(spec: ControllerSpec, sizes: dict[str, int]) -> list[_Panel]:
    panels = []
    for output in spec.outputs:
        names, choice = term_names(spec, output), isinstance(output.decoder, coding.ArgmaxDecoder)
        unit_of_sum = "a.u." if choice or output.squash else output.unit or "1"
        for source in dict.fromkeys(t.source for t in output.terms):
            terms = [t for t in output.terms if t.source == source]
            columns, labels = [], []
            for term in terms:
                columns.append(decoder_rows(term, sizes[source], len(names)))
                time = [f"{sign} = {seconds * 1e3:g} ms" for sign, seconds in times_of(term)]
                labels += [", ".join(([name] if len(names) > 1 else []) + time) for name in names]
            per = {_per(term) for term in terms}
            unit = unit_of_sum + (per.pop() if len(per) == 1 else " per a.u.")
            grid = grid_of(spec, source)
            title, blocks = f"{source} → {output.name}", _blocks(spec, source)
            panel = _Panel(title, source, unit, np.hstack(columns), labels, grid, blocks)
            apart = [
                replace(panel, title=f"{title}, {label}" if label else title, weights=panel.weights[:, [k]])
                for k, label in enumerate(labels)
            ]
            panels += apart if grid else [panel]
    return panels


def _blocks(spec: ControllerSpec, source: str) -> list[str]:
    """Return the names of an input's elements if its encoder has separate neurons for each element; otherwise []."""
    for one in spec.inputs:
        if one.name == source and isinstance(getattr(one, "encoder", None), coding.PopulationEncoder):
            return number_names(spec, one)
    return []


def draw_decoders(figure: Figure, spec: ControllerSpec, sizes: dict[str, int]) -> tuple[str, str]:
    """Draw the weight of each neuron in each output, with one pair of axes for each output and source.

    The weights of neurons in a grid are drawn as an image of this grid. The weights of few neurons are drawn as bars.
    In all other cases, the weights are drawn as an image with a row for each decoder and output element.
    """
    panels = _panels(spec, sizes)
    shown = panels[:MOST_PANELS]
    for axes, panel in zip(axes_in_rows(figure, len(shown), 2, 2.6), shown):
        bars = not panel.grid and len(panel.labels) == 1 and len(panel.weights) <= MOST_BARS
        axes.set_title(f"{panel.title}, {panel.labels[0]}" if bars and panel.labels[0] else panel.title)
        if panel.grid:
            _picture(axes, panel, panel.weights.reshape(panel.grid[1], panel.grid[0]))
            axes.set(xlabel="column [field]", ylabel="row [field]")
        elif bars:
            _decoder_bars(axes, panel)
        else:
            _picture(axes, panel, panel.weights.T)
            axes.set_yticks(np.arange(len(panel.labels)), panel.labels, fontsize=9)
            axes.set(xlabel=f"{panel.source} [neuron]", ylabel="")
            whole_ticks(axes, "x")
            _name_blocks(axes, panel)
    caption = (
        "How much the rate, or the membrane, of each neuron adds to the output: red adds, blue subtracts. "
        "τ: time constant of the rate filter."
    )
    if len(panels) > len(shown):
        caption += f" The first {len(shown)} of {len(panels)} are drawn."
    return caption, f"Decoder weights. {'; '.join(panel.title for panel in shown)}."


def _picture(axes: Axes, panel: _Panel, weights: np.ndarray) -> None:
    """Draw weights (rows, columns) as an image. If there are few weights, the cells also contain the numbers."""
    signed_image(axes, weights, f"weight [{panel.unit}]")
    most = np.abs(weights).max()
    if weights.size <= 24:
        for (y, x), value in np.ndenumerate(weights):
            colour = "white" if abs(value) > 0.6 * most else INK
            axes.text(x, y, number(float(value)), ha="center", va="center", fontsize=9, color=colour)


def _decoder_bars(axes: Axes, panel: _Panel) -> None:
    weights = panel.weights[:, 0]
    axes.bar(np.arange(len(weights)), weights, 0.75, color=[EXCITES if w > 0 else INHIBITS for w in weights])
    axes.axhline(0, color=MUTED, lw=0.8)
    axes.set(xlabel=f"{panel.source} [neuron]", ylabel=f"weight [{panel.unit}]")
    axes.grid(False, axis="x")
    whole_ticks(axes, "x")
    _name_blocks(axes, panel)


def _name_blocks(axes: Axes, panel: _Panel) -> None:
    """Label an axis with the names of an input's elements, if the encoder has separate neurons for each element."""
    if len(panel.blocks) < 2 or len(panel.blocks) > 12:
        return
    each = len(panel.weights) // len(panel.blocks)
    for k in range(1, len(panel.blocks)):
        axes.axvline(k * each - 0.5, color=MUTED, lw=0.8)
    axes.set_xticks([(k + 0.5) * each - 0.5 for k in range(len(panel.blocks))], panel.blocks, fontsize=9)
    axes.set_xlabel(f"{panel.source}, {count(each, 'neuron')} each [number]")
