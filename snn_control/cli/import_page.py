"""The page that ``snn_control import POLICY`` writes, and the estimated energy of policy and controller."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..training.conversion.conversion import Conversion, Converted

__all__ = ["energies", "make_import_page"]

OBSERVATIONS = 500  # over which the energy of the controller is averaged


def energies(found: Converted, run: Conversion) -> dict[str, float | None]:
    """Return the estimated energy of a step [nJ]: ``nanojoule`` of the controller, ``policy_nanojoule`` of the policy.
    Each weight of the policy is one multiply-accumulate in float32; None if its layers are not known."""
    from ..analysis.energy import estimate, price
    from ..controller import Controller

    controller = Controller.from_spec(found.spec)
    name = found.spec.inputs[0].name
    for observation in run.data["observations"][-OBSERVATIONS:]:
        controller.step({name: observation})
    weights = sum(w.size for w, _ in run.policy.layers)
    policy = weights * price("multiply_accumulate") * 1e-3 if weights else None
    return {"nanojoule": float(estimate(controller.bound).tick) * 1e-3, "policy_nanojoule": policy}


def make_import_page(
    folder: Path, options: argparse.Namespace, run: Conversion, found: Converted, energy: dict[str, Any]
) -> str | None:
    """Write the page into the run's folder. Return its path; None, after a line on stderr, if that fails."""
    from ..files import reason, replace_text
    from ..report.kit import paint
    from ..report.page import REPORT, Page
    from ..report.table import number
    from ..report.training_page import draw_learning

    c, e = found.comparison, found.evaluation
    try:
        curve = partial(
            draw_learning, histories={"controller": found.history}, others={"policy": float(c.policy.mean())}
        )
        page = Page(
            title=f"{Path(options.file).name} as spikes in {options.env}",
            facts=[f"{len(c.policy)} new episodes", f"seed {options.seed}", f"skip {options.skip}"],
            tiles=[
                ("share kept", f"{100 * c.share:.1f} %", f"95 %: at least {100 * c.low:.1f} %"),
                ("return", number(e.score, 4), f"policy {number(float(c.policy.mean()), 4)}"),
                ("spikes", number(float(e.spikes.mean())), "a step of the environment"),
                ("synaptic operations", number(float(e.operations.mean())), "a step of the environment"),
                ("estimated energy", f"{number(energy['nanojoule'])} nJ", _of_policy(energy)),
                ("through the skip", f"{100 * found.skip_share:.0f} %", "of the last layer's values"),
            ],
            pictures=[paint("Imitation", curve), paint("Returns", partial(draw_returns, comparison=c))],
            sections=[],
        )  # fmt: skip
        replace_text(folder / REPORT, page.html())
    except Exception as error:  # from a drawing library, or a missing package
        print(f"no page: {reason(error)}", file=sys.stderr)
        return None
    return str(folder / REPORT)


def _of_policy(energy: dict[str, Any]) -> str:
    from ..report.table import number

    policy = energy["policy_nanojoule"]
    return "a step" if policy is None else f"a step; the policy {number(policy)} nJ in float32"


def draw_returns(figure: Any, comparison: Any) -> tuple[str, str]:
    """Draw the return of each episode with the controller over that with the policy. Return caption and description."""
    axes = figure.subplots()
    axes.plot(comparison.policy, comparison.controller, "o", markersize=4, color="#0072b2")
    both = np.concatenate([comparison.policy, comparison.controller])
    axes.plot([both.min(), both.max()], [both.min(), both.max()], color="#777777", linewidth=1)
    axes.set_xlabel("return of the policy")
    axes.set_ylabel("return of the controller")
    text = "Each point is an episode, with the same seed for both. On the line, both have the same return."
    return text, text
