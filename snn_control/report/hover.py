"""What the pointer says over a picture on a page: where each pair of axes is, and how its places become numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

__all__ = ["places"]

MOST_CELLS = 4096  # of an image whose values the page holds
SCALES = {"linear": 0, "log": 1}


def places(figure: Figure) -> list[dict[str, Any]]:
    """For each pair of axes of a figure that was drawn: ``box`` (left, top, right, bottom, shares of the figure), and
    ``x`` and ``y``: (label, first, last, 1 where logarithmic). Of a small image also ``cells`` and their ``label``.

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
    """The values of a small image that fills its axes; None, as JSON has no other word, for what is not finite."""
    for image in axes.images:
        values, bar = image.get_array(), image.colorbar
        if values is not None and values.ndim == 2 and values.size <= MOST_CELLS and bar is not None:
            rows = [[float(f"{v:.4g}") if np.isfinite(v) else None for v in row] for row in np.asarray(values, float)]
            return {"cells": rows, "label": bar.ax.get_ylabel()}
    return {}
