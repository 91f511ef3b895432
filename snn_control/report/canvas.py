"""One style and one way to draw for every picture of the package.

matplotlib is imported when the first picture is drawn, and only its Agg canvas: no display, no global state.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import RuntimeFault, how_to_install

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "INK", "MUTED", "NO_UNIT", "PALETTE", "STYLE", "WIDTH", "Picture", "keep_apart", "paint"]

INK, MUTED, GRID = "#1b1f24", "#59636e", "#e4e8ec"
#: Okabe and Ito's colours, told apart by colour-blind people as well
PALETTE = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#7f7f7f"]
WIDTH = 11.0  # inch; the page scales it to its column
NO_UNIT = "no unit given"  # of an input or output whose author gave none

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


@dataclass(frozen=True)
class Picture:
    """A drawn picture: what to write below it, what to read out instead of it, and its bytes in each format."""

    key: str
    title: str
    caption: str
    alt: str
    files: dict[str, bytes]

    @property
    def png(self) -> bytes:
        return self.files["png"]


def keep_apart(figure: Figure) -> None:
    """More room between axes: the label of a colour bar stands apart from that of the next axes."""
    engine: Any = figure.get_layout_engine()
    if engine is not None:
        engine.set(wspace=0.04)


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
        figure.clear()
    return Picture(key, title, caption, alt, files)
