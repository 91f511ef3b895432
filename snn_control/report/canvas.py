"""A figure painted into the bytes of its files, with what a page says of it.

matplotlib is imported when the first picture is drawn, and only its Agg canvas: no display, no global state.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RuntimeFault, how_to_install
from .kit import GRID, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "STYLE", "Picture", "paint", "pointer_values"]

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.5,
    "axes.edgecolor": "#b6bec7",
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "snn_control",  # the same picture has the same ids
}

#: formats of a file -> metadata that would say when and by what it was made, left out: the same picture has the same
#: bytes
FORMATS: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}

MOST_CELLS = 4096  # of an image whose values the page holds
SCALES = {"linear": 0, "log": 1}


@dataclass(frozen=True)
class Picture:
    """A drawn picture: what to write below it, what to read out instead of it, its bytes in each format, and the
    values of its axes (`pointer_values`)."""

    title: str
    caption: str
    alt: str
    files: dict[str, bytes]
    axes: list[dict[str, Any]]

    @property
    def png(self) -> bytes:
        return self.files["png"]


def paint(title: str, fill: Callable[[Figure], tuple[str, str]], also: str = "png") -> Picture:
    """Draw a picture as PNG and, where ``also`` is another of `FORMATS`, as that too.

    fill : puts axes into the figure, sets its size, returns caption and alternative text

    Raises
    ------
    RuntimeFault : matplotlib is not installed
    """
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RuntimeFault(f"a report needs matplotlib: {how_to_install('report')}") from error
    files = {}
    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained", dpi=150)
        FigureCanvasAgg(figure)
        caption, alt = fill(figure)
        for suffix in dict.fromkeys(("png", also)):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, metadata=FORMATS[suffix])
            files[suffix] = buffer.getvalue()
        axes = pointer_values(figure)
        figure.clear()
    return Picture(title, caption, alt, files, axes)


def pointer_values(figure: Figure) -> list[dict[str, Any]]:
    """What a page needs to show the values under the pointer, for each pair of axes of a figure that was drawn.

    box : left, top, right, bottom, shares of the figure
    x, y : label, first and last value, 1 where the axis is logarithmic
    cells, label : of a small image, its values and what they are

    Axes without an axis, of colour bars and of three dimensions are left out.
    """
    found = []
    for axes in figure.axes:
        if not axes.axison or axes.get_label() == "<colorbar>" or hasattr(axes, "get_zlim"):
            continue
        if axes.get_xscale() not in SCALES or axes.get_yscale() not in SCALES:
            continue
        box = axes.get_window_extent().transformed(figure.transFigure.inverted())
        one: dict[str, Any] = {"box": [round(v, 5) for v in (box.x0, 1 - box.y1, box.x1, 1 - box.y0)]}
        for key, axis, ends in (("x", axes.xaxis, axes.get_xlim()), ("y", axes.yaxis, axes.get_ylim())):
            one[key] = [_label(axes, axis, key), *(float(f"{v:.7g}") for v in ends), SCALES[axis.get_scale()]]
        found.append(one | _cells(axes))
    return found


def _label(axes: Axes, axis: Axis, key: str) -> str:
    """The label of an axis; where it has none, that of axes that share it."""
    group = axes.get_shared_x_axes() if key == "x" else axes.get_shared_y_axes()
    labels = [axis.get_label_text(), *(getattr(a, f"get_{key}label")() for a in group.get_siblings(axes))]
    return next((text.replace("\n", " ") for text in labels if text), "")


def _cells(axes: Axes) -> dict[str, Any]:
    """The values of a small image that fills its axes; None, null in JSON, for values that are not finite."""
    for image in axes.images:
        values, bar = image.get_array(), image.colorbar
        if values is not None and values.ndim == 2 and values.size <= MOST_CELLS and bar is not None:
            rows = [[float(f"{v:.4g}") if np.isfinite(v) else None for v in row] for row in np.asarray(values, float)]
            return {"cells": rows, "label": bar.ax.get_ylabel()}
    return {}
