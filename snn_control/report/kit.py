"""Helpers for all pictures: colours, axes, images with colour bars, and conversion of figures to files.

matplotlib is imported when the first picture is drawn. The module uses only the Agg canvas, which needs no display and
no global state.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import RuntimeFault, optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1b1f24", "#59636e", "#e4e8ec"
#: for signed numbers: red excites or adds, blue inhibits or subtracts
SIGNED, EXCITES, INHIBITS = "RdBu_r", "#b2182b", "#2166ac"
EVENT_ON, EVENT_OFF = "#d97706", "#2563eb"  # as in `events.frames`, but dark enough for white paper
WIDTH = 11.0  # inch; the page scales it to its column

MOST_CELLS = 4096  # maximum cells of an image whose values are stored in the page
SCALES = {"linear": 0, "log": 1}

STYLE: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 10.5,
    "axes.edgecolor": "#b6bec7",
    "axes.labelcolor": MUTED, "axes.titlecolor": INK, "axes.titlesize": 11.5, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "axes.axisbelow": True, "grid.color": GRID, "grid.linewidth": 0.8, "xtick.color": MUTED, "ytick.color": MUTED,
    "text.color": INK, "legend.frameon": False, "legend.fontsize": 9.5, "lines.linewidth": 1.6,
    "figure.facecolor": "white",
    "figure.constrained_layout.wspace": 0.04,  # separates the label of a colour bar from that of the next axes
    "savefig.facecolor": "white",
    "svg.hashsalt": "snn_control",  # equal pictures get equal ids
}  # fmt: skip

#: formats of a file -> metadata on date and origin that is left out, so that equal pictures give equal files
#: bytes
FORMATS: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


# --- colours --------------------------------------------------------------------------------------


def tint(colour: str, share: float) -> str:
    """Return a colour mixed with white (fraction ``share``) or, if ``share`` < 0, with black (-``share``)."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (c * (1 + share) if share < 0 else c + (1 - c) * share for c in to_rgb(colour))
    return to_hex((red, green, blue))


def shades(colour: str, n: int) -> list[str]:
    """Return n shades of a colour, from dark to light, for the elements of one input or population."""
    return [colour] if n == 1 else [tint(colour, -0.35 + 0.9 * k / (n - 1)) for k in range(n)]


def ramp(*colours: str) -> Colormap:
    """Return a matplotlib colour map that interpolates between colours in order."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("ramp", colours)


# --- axes -----------------------------------------------------------------------------------------


def axes_in_rows(figure: Figure, n: int, columns: int, height: float) -> list[Axes]:
    """Set the size of a figure, and return n axes in rows of at most ``columns`` axes, ``height`` [inch] each."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure.set_size_inches(WIDTH, 0.5 + height * rows)
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for spare in axes[n:]:
        spare.remove()
    return list(axes[:n])


def whole_ticks(axes: Axes, which: str = "both", most: int = 5) -> None:
    """Set at most ``most`` ticks at whole numbers, on both axes or only on the axis "x" or "y"."""
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis) if which == "both" else (getattr(axes, f"{which}axis"),):
        axis.set_major_locator(MaxNLocator(most, integer=True, min_n_ticks=1))


def legend_above(axes: Axes, columns: int) -> None:
    """Add a legend above axes, to the right of the title."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=columns, borderaxespad=0.2)


# --- images ---------------------------------------------------------------------------------------


def colour_bar(axes: Axes, shown: Any, label: str, **options: Any) -> None:
    """Add a colour bar beside axes.

    shown : the image, mesh or points that were drawn on the axes
    options : arguments of `matplotlib.figure.Figure.colorbar`
    """
    axes.figure.colorbar(shown, ax=axes, fraction=0.045, pad=0.02, **options).set_label(label)


def signed_scale(values: np.ndarray) -> dict[str, Any]:
    """Return a colour map and its limits for values of both signs, as keyword arguments. White stands for 0."""
    most = float(np.abs(values).max(initial=0.0)) or 1.0
    return {"cmap": SIGNED, "vmin": -most, "vmax": most}


def signed_image(axes: Axes, values: np.ndarray, label: str) -> None:
    """Draw values of both signs, (rows, columns), as an image with a colour bar."""
    image = axes.imshow(values, aspect="auto", interpolation="nearest", **signed_scale(values))
    axes.grid(False)
    colour_bar(axes, image, label)


def photo(axes: Axes, image: np.ndarray, title: str) -> None:
    """Draw an image from a camera, (rows, columns, 3) uint8, without ticks."""
    axes.imshow(image, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.set_title(title, fontsize=10, fontweight="normal", color=MUTED)


# --- how much is drawn ----------------------------------------------------------------------------


def thin(n: int, most: int) -> slice:
    """Return a slice that selects every k-th of n samples, with k such that at most ``most`` samples are selected."""
    return slice(None, None, max(1, -(-n // most)))


def rate_prefix(highest: float) -> tuple[float, str]:
    """Return a scale and an SI prefix, such as k, for rates up to ``highest`` [1/s]."""
    for scale, prefix in ((1e6, "M"), (1e3, "k")):
        if highest >= scale:
            return scale, prefix
    return 1.0, ""


# --- files ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Picture:
    """A drawn picture: caption, alternative text, bytes in each format, and data of its axes (`pointer_values`)."""

    title: str
    caption: str
    alt: str
    files: dict[str, bytes]
    axes: list[dict[str, Any]]

    @property
    def png(self) -> bytes:
        return self.files["png"]


def paint(title: str, fill: Callable[[Figure], tuple[str, str]], also: str = "png") -> Picture:
    """Draw a picture as PNG and, if ``also`` is another format of `FORMATS`, in this format, too.

    fill : function that draws axes into a figure, sets the figure's size, and returns caption and alternative text

    Raises RuntimeFault if matplotlib is not installed.
    """
    matplotlib = optional("matplotlib", "a report needs matplotlib", "report", RuntimeFault)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    files = {}
    with matplotlib.rc_context(STYLE):
        figure = Figure(layout="constrained", dpi=150)
        canvas = FigureCanvasAgg(figure)
        caption, alt = fill(figure)
        for suffix in dict.fromkeys(("png", also)):
            buffer = io.BytesIO()
            if suffix == "png":  # `savefig` would lay it out and draw it once more
                canvas.print_png(buffer, metadata=FORMATS[suffix])
                figure.set_layout_engine("none")  # the other format keeps the places of this one
            else:
                figure.savefig(buffer, format=suffix, metadata=FORMATS[suffix])
            files[suffix] = buffer.getvalue()
        axes = pointer_values(figure)
        figure.clear()
    return Picture(title, caption, alt, files, axes)


def pointer_values(figure: Figure) -> list[dict[str, Any]]:
    """Return, for each pair of axes of a figure, the data with which a page shows the values under the mouse pointer.

    box : left, top, right and bottom of the axes, as fractions of the figure
    x, y : label, first value, last value, and 1 if the axis is logarithmic
    cells, label : for a small image, the values of its cells and their meaning

    Axes that are switched off, axes of colour bars, and three-dimensional axes are omitted.
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
    """Return the label of an axis or, if it has none, the label of an axis that shares its scale."""
    group = axes.get_shared_x_axes() if key == "x" else axes.get_shared_y_axes()
    labels = [axis.get_label_text(), *(getattr(a, f"get_{key}label")() for a in group.get_siblings(axes))]
    return next((text.replace("\n", " ") for text in labels if text), "")


def _cells(axes: Axes) -> dict[str, Any]:
    """Return the values of a small image that fills its axes. Infinity and NaN become None, which is null in JSON."""
    for image in axes.images:
        values, bar = image.get_array(), image.colorbar
        if values is not None and values.ndim == 2 and values.size <= MOST_CELLS and bar is not None:
            rows = [[float(f"{v:.4g}") if np.isfinite(v) else None for v in row] for row in np.asarray(values, float)]
            return {"cells": rows, "label": bar.ax.get_ylabel()}
    return {}
