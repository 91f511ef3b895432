"""A controller as it is after it has learned: its description with the weights of a saved state."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from ..controller import Controller
from ..controller_file import ControllerSpec

__all__ = ["with_learned"]


def with_learned(spec: ControllerSpec, path: str | os.PathLike) -> ControllerSpec:
    """The description with the learned weights of a file of `Controller.save_state` in place of those it started from.

    Raises ProgramError where the file is not one, or of another controller.
    """
    controller = Controller.from_spec(spec)
    controller.load_state(path)
    projections = list(spec.network.projections)
    learning = [k for k, p in enumerate(projections) if p.learning is not None]
    for k, rule in zip(learning, controller.program.facts.learning, strict=True):
        weights: Any = controller.rule_weights(rule)
        changed = {"connection": "dense", "weights": weights}
        if rule.sparse:
            changed = dict(zip(("pre_index", "post_index", "weights"), weights), connection="sparse")
        projections[k] = replace(projections[k], **changed)
    return replace(spec, network=replace(spec.network, projections=tuple(projections)))
