"""Tables, picture and page of a controller's robustness, computed by `snn_control.analysis.robustness`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..analysis.robustness import HALF, UNITS, Robustness, Sweep
from ..watch.colours import PALETTE
from . import kit
from .page import Page
from .table import Section, count, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["robustness_page", "robustness_picture", "rows_of"]

COLUMNS = 4
LOWEST, HIGHEST = -0.1, 1.3  # shares that the picture shows


def rows_of(found: Robustness) -> tuple[list[str], list[list[str]]]:
    """Return the column names and the rows of the robustness table, as text; a row for each perturbation."""
    columns = ["perturbation", "values"]
    for actor in found.nominal:
        columns += [f"{actor} [%]", "below half"]
    rows = []
    for one in found.sweeps:
        row = [f"{one.name} [{UNITS[one.name]}]", " ".join(f"{value:g}" for value in one.values)]
        for actor in found.nominal:
            shares = found.shares(one, actor)
            row += ["–" if shares is None else " ".join(f"{100 * share:.0f}" for share in shares)]
            row += [below_half(found, one, actor)]
        rows.append(row)
    return columns, rows


def below_half(found: Robustness, sweep: Sweep, actor: str) -> str:
    """Return a text with the values of a perturbation at which an actor has less than half of its unperturbed score."""
    low, high = found.below_half(sweep, actor)
    parts = [f"under {low:.2g}"] if low is not None else []
    if high is not None:
        parts.append(f"from {high:.2g}")
    return ", ".join(parts) or "no"


def _panel(axes: Axes, found: Robustness, sweep: Sweep, colours: Sequence[str]) -> None:
    """Draw the shares of all actors over the evenly spaced values of a perturbation, and mark the neutral value."""
    values = sorted({*sweep.values, sweep.neutral})
    neutral = values.index(sweep.neutral)
    axes.axhline(HALF, color=kit.MUTED, lw=0.9, ls=(0, (4, 3)))
    axes.axvline(neutral, color=kit.GRID, lw=3, zorder=0)
    for actor, colour in zip(found.nominal, colours):
        shares = found.shares(sweep, actor)
        if shares is not None:
            shown = dict(zip(sweep.values, shares, strict=True)) | {sweep.neutral: 1.0}
            axes.plot(range(len(values)), [shown[value] for value in values], "o-", ms=3.5, color=colour, label=actor)
    axes.set_title(sweep.name.replace("_", " "))
    axes.set(xticks=range(len(values)), xticklabels=[f"{value:g}" for value in values], xlabel=UNITS[sweep.name])
    axes.set_ylim(LOWEST, HIGHEST)


def robustness_picture(found: Robustness, also: str = "png") -> kit.Picture:
    """Draw one small pair of axes for each perturbation. ``also`` is a second image format, see `kit.paint`."""

    def fill(figure: Figure) -> tuple[str, str]:
        drawn = kit.axes_in_rows(figure, len(found.sweeps), COLUMNS, 2.2)
        for k, (axes, sweep) in enumerate(zip(drawn, found.sweeps, strict=True)):
            _panel(axes, found, sweep, PALETTE)
            if k % COLUMNS == 0:
                axes.set_ylabel("share of the score")
        figure.legend(*drawn[0].get_legend_handles_labels(), loc="outside upper right", ncols=len(found.nominal))
        costs = min(found.nominal.values()) < 0
        zero = "a half at twice the cost" if costs else "0 for random actions"
        caption = (
            f"Share of the score that is left with each perturbation: 1 without it (grey line), {zero}. The dashed "
            f"line is a half. Each point is the mean of {count(found.episodes, 'episode')}; lines end where a share is "
            "out of the picture."
        )
        return caption, f"Shares of the score with {len(found.sweeps)} perturbations: {found.title}."

    return kit.paint("Robustness", fill, also)


def robustness_page(found: Robustness) -> Page:
    """Return the page of a controller's robustness, with the picture, the table and the returns."""
    columns, rows = rows_of(found)
    who, *_ = found.nominal
    weak = [one.name for one in found.sweeps if found.below_half(one, who) != (None, None)]
    returns = tuple(
        (f"{one.name} = {value:g}", *(number(one.scores[actor][k], 4) for actor in found.nominal))
        for one in found.sweeps
        for k, value in enumerate(one.values)
    )
    nominal = ("unperturbed", *(number(value, 4) for value in found.nominal.values()))
    tiles = [
        ("return", number(found.nominal[who], 4), f"unperturbed, mean of {count(found.episodes, 'episode')}"),
        ("chance", number(found.chance, 4), "random actions, unperturbed"),
        ("falls below half", f"{len(weak)} of {len(found.sweeps)}", "perturbations, within the tried values"),
    ]
    note = "Shares in percent for each of the values, and the values at which they fall below a half."
    return Page(
        title=f"Robustness of {found.title}", facts=[count(found.episodes, "episode") + " for each value"], tiles=tiles,
        pictures=[robustness_picture(found)],
        sections=[
            Section("Shares of the score", tuple(columns), tuple(map(tuple, rows)), note),
            Section("Mean returns", ("", *found.nominal), (nominal, *returns)),
        ],
    )  # fmt: skip
