"""Draw the learning curve of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..watch.colours import PALETTE
from .kit import MUTED, WIDTH, legend_above
from .table import count, number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_learning"]

History = Sequence[Mapping[str, Any]]


def draw_learning(figure: Figure, histories: Mapping[str, History], others: Mapping[str, float]) -> tuple[str, str]:
    """Draw returns and spikes over the steps of the environment.

    histories : run (a seed) -> rows of its phases; the selected run comes first. A row has steps, score, worst (lowest
        score of a validation) and spikes_a_step
    others : name -> mean return of actors that do not learn; not used if phases are parts of a loop instead of
        validations
    """
    kept = next(iter(histories.values()))
    validated = all("worst" in row for row in kept)
    figure.set_size_inches(WIDTH, 4.6)
    returns, spikes = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
    for k, history in reversed([*enumerate(histories.values())]):
        steps, colour = [row["steps"] for row in history], PALETTE[0] if k == 0 else "#b6bec7"
        mark = "o" if len(steps) < 40 else ""
        label = "mean" if k == 0 else "other seeds" if k == 1 else None
        returns.plot(steps, [row["score"] for row in history], marker=mark, ms=3.5, color=colour, label=label)
        if k == 0 and validated:
            worst = [row["worst"] for row in history]
            dotted = (0, (1, 1.5))
            returns.plot(steps, worst, marker=mark, ms=2.5, color=colour, lw=1.2, ls=dotted, label="worst episode")
            stages = ("saves", "spikes are saved", MUTED), ("adjusts", "gains are searched", PALETTE[1])
            for key, what, shade in stages:
                if then := [row["steps"] for row in history if row.get(key)]:
                    spikes.axvspan(then[0], then[-1], color=shade, alpha=0.15, lw=0, label=what)
                    spikes.legend(loc="upper right")
        spikes.plot(steps, [row["spikes_a_step"] for row in history], marker=mark, ms=3.5, color=colour)
    for (who, mean), colour in zip(others.items() if validated else (), (MUTED, *PALETTE[1:])):
        returns.axhline(mean, color=colour, lw=1.0, ls=(0, (5, 3)), label=who)
    returns.set_ylabel("return [1]")
    returns.set_title("Validation" if validated else "In the loop")
    legend_above(returns, 6)
    spikes.set(ylabel="spikes\n[1/step]", xlabel="steps of the environment [1]")
    spikes.set_ylim(0, 1.12 * max([row["spikes_a_step"] for one in histories.values() for row in one] + [1e-9]))
    spikes.set_xlim(left=0)
    spikes.xaxis.set_major_formatter(lambda value, _: number(int(value)))
    figure.align_ylabels()
    best = max((row["score"] for row in kept), default=float("nan"))
    more = f", and pale that of {count(len(histories) - 1, 'other seed')}" if len(histories) > 1 else ""
    caption = (
        f"Mean return and the worst episode of a validation after each phase{more}, and all spikes per step of the "
        "environment in it. Dashed: mean return of actors that do not learn, in the new episodes at the end."
        if validated
        else f"Rewards of each phase during learning, per episode if some ended{more}, and all spikes per step."
    )
    return caption, f"Returns over {count(len(kept), 'phase')}, the best mean {number(best, 4)}."
