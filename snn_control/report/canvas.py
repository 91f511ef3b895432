"""One style and one way to draw for every picture of the package.

matplotlib is imported when the first picture is drawn, and only its Agg canvas: no display, no global state.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import RuntimeFault, how_to_install
from .hover import places

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "EXCITES",
    "FORMATS",
    "INHIBITS",
    "INK",
    "MUTED",
    "NO_UNIT",
    "OUTPUT",
    "PALETTE",
    "SIGNED",
    "STYLE",
    "WIDTH",
    "Picture",
    "keep_apart",
    "paint",
    "shades",
    "tint",
    "whole_ticks",
]

INK, MUTED, GRID = "#1b1f24", "#59636e", "#e4e8ec"
#: Okabe and Ito's colours, told apart by colour-blind people as well
PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#7f7f7f"]
OUTPUT = "#3b4754"  # of commands, which are no population
#: of numbers with a sign: red what excites or adds, blue what inhibits or takes away
SIGNED, EXCITES, INHIBITS = "RdBu_r", "#b2182b", "#2166ac"
WIDTH = 11.0  # inch; the page scales it to its column
NO_UNIT = "no unit"  # of an input or output whose author gave none

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

#: what a picture can be saved as -> what its file would say of when and by whom it was made: nothing, so that the same
#: picture has the same bytes
FORMATS: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def tint(colour: str, share: float) -> str:
    """A colour, ``share`` of the way to white; where it is below 0, to black."""
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = (c * (1 + share) if share < 0 else c + (1 - c) * share for c in to_rgb(colour))
    return to_hex((red, green, blue))


def shades(colour: str, n: int) -> list[str]:
    """n shades of a colour, from dark to light: for several numbers of one input or population."""
    return [colour] if n == 1 else [tint(colour, -0.35 + 0.9 * k / (n - 1)) for k in range(n)]


@dataclass(frozen=True)
class Picture:
    """A drawn picture: what to write below it, what to read out instead of it, its bytes in each format, and the axes
    that are in it (`hover.places`)."""

    key: str
    title: str
    caption: str
    alt: str
    files: dict[str, bytes]
    axes: list[dict[str, Any]]

    @property
    def png(self) -> bytes:
        return self.files["png"]


def keep_apart(figure: Figure) -> None:
    """More room between axes: the label of a colour bar stands apart from that of the next axes."""
    engine: Any = figure.get_layout_engine()
    if engine is not None:
        engine.set(wspace=0.04)


def whole_ticks(axes: Axes, which: str = "both") -> None:
    """Few ticks, at whole numbers: of both axes, or of "x" or "y"."""
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis) if which == "both" else (getattr(axes, f"{which}axis"),):
        axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))


def paint(key: str, title: str, fill: Callable[[Figure], tuple[str, str]], also: str = "png") -> Picture:
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
        axes = places(figure)
        figure.clear()
    return Picture(key, title, caption, alt, files, axes)
