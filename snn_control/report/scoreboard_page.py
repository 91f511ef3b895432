"""Create the page of the scoreboard: returns and costs of all controllers, as pictures and a table per environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..scoreboard.row import Row
from .kit import EXCITES, INHIBITS, MUTED, Picture, paint
from .page import Page
from .table import Section, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["COLUMNS", "board_page", "board_pictures", "cells"]

COLOURS = {"controller": EXCITES, "policy": INHIBITS, "chance": MUTED}
COLUMNS = ("name", "kind", "return", "IQM, 95 %", "spikes", "AC", "MAC", "memory [B]", "energy [nJ]", "int8 MLP [nJ]",
           "tick [µs]", "by")  # fmt: skip
NOTE = (
    "Cost of a step of the environment. AC: accumulates; MAC: multiply-accumulates; energy: estimate with memory "
    "accesses, 45 nm; int8 MLP: a perceptron with the same layers"
)


def board_page(rows: Sequence[Row]) -> str:
    """Return the HTML of the page with all rows. Raises RuntimeFault if matplotlib or Jinja2 is not installed."""
    spiking = [row for row in rows if row.kind == "controller"]
    tiles = [
        ("rows", number(len(rows)), f"{len(spiking)} spiking controllers"),
        ("environments", number(len(_environments(rows))), ""),
    ]
    tables = [
        Section(name, COLUMNS, tuple(cells(row) for row in rows if row.environment == name), NOTE)
        for name in _environments(rows)
    ]
    return Page("Scoreboard of spiking control", ["protocol 1"], tiles, board_pictures(rows), tables).html()


def board_pictures(rows: Sequence[Row]) -> list[Picture]:
    """Return the pictures of the scoreboard: returns of all rows, and energy of the spiking controllers."""
    pictures = [paint("Returns", lambda figure: _returns(figure, rows))]
    if any("perceptron" in row.results for row in rows):
        pictures.append(paint("Estimated energy of a step", lambda figure: _energies(figure, rows)))
    return pictures


def _environments(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row.environment for row in rows))


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a table row, as text in the order of `COLUMNS`."""
    r, of = row.results, row.results["return"]
    cost = ["–"] * 7
    if own := r.get("operations"):
        beside = number(r["perceptron"]["nanojoule"]) if "perceptron" in r else "–"
        cost = [number(r["spikes"]), number(own["accumulates"]), number(own["multiply_accumulates"]),
                number(r["footprint"]), number(sum(r["nanojoule"].values())), beside, number(r["tick_us"])]  # fmt: skip
    interval = f"{number(of['iqm'])}, {number(of['low'])} to {number(of['high'])}"
    return row.name, row.kind, number(of["mean"]), interval, *cost, row.by


def _normalised(rows: Sequence[Row]) -> list[tuple[Row, Mapping[str, float]]]:
    """Return the interquartile mean and its interval of each row, scaled so that chance is 0 and the best row is 1.

    Environments without a row of the kind ``chance`` are omitted.
    """
    found: list[tuple[Row, Mapping[str, float]]] = []
    for name in _environments(rows):
        here = [row for row in rows if row.environment == name]
        chance = next((row.results["return"]["iqm"] for row in here if row.kind == "chance"), None)
        best = max(row.results["return"]["iqm"] for row in here)
        if chance is not None and best > chance:
            for row in here:
                of = row.results["return"]
                found.append((row, {key: (of[key] - chance) / (best - chance) for key in ("iqm", "low", "high")}))
    return found


def _returns(figure: Figure, rows: Sequence[Row]) -> tuple[str, str]:
    shown = [(row, one) for row, one in _normalised(rows) if row.kind != "chance"]
    figure.set_size_inches(11, 1.0 + 0.28 * max(4, len(shown)))
    axes = figure.subplots()
    at = np.arange(len(shown))[::-1]
    for y, (row, one) in zip(at, shown, strict=True):
        colour = COLOURS[row.kind]
        axes.barh(y, one["iqm"], color=colour, alpha=0.85, height=0.7)
        axes.plot([one["low"], one["high"]], [y, y], color="black", linewidth=1)
    labels = [f"{row.environment.removeprefix('sim_worlds:')}: {row.name}" for row, _ in shown]
    axes.set_yticks(at, labels)
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xlim(left=min(0.0, *(one["low"] for _, one in shown)) if shown else 0.0)
    axes.set_xlabel("interquartile mean of the return: 0 is chance, 1 is the best row of the environment")
    axes.grid(axis="y", visible=False)
    caption = "Red: spiking controllers; blue: other policies. Lines: 95 % confidence intervals (bootstrap)."
    return caption, "bars of the normalised returns of all rows"


def _energies(figure: Figure, rows: Sequence[Row]) -> tuple[str, str]:
    shown = [row for row in rows if "perceptron" in row.results]
    figure.set_size_inches(11, 1.0 + 0.28 * max(4, len(shown)))
    axes = figure.subplots()
    at = np.arange(len(shown))[::-1]
    for y, row in zip(at, shown, strict=True):
        energy: Any = row.results["nanojoule"]
        axes.plot(sum(energy.values()), y, "o", color=EXCITES)
        axes.plot(energy["arithmetic"], y, "o", color=EXCITES, markerfacecolor="none")
        axes.plot(row.results["perceptron"]["nanojoule"], y, "s", color=INHIBITS)
    axes.set_yticks(at, [f"{row.environment.removeprefix('sim_worlds:')}: {row.name}" for row in shown])
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.set_xscale("log")
    axes.set_xlabel("nJ a step")
    caption = (
        "Red: spiking controller, with memory accesses (filled) and arithmetic alone (open). Blue: a perceptron with "
        "the same layers and int8 weights, with memory accesses."
    )
    return caption, "points of the estimated energy of controllers and perceptrons"
