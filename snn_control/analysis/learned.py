"""A controller as it is after it has learned: its description with the weights of a saved state."""

from __future__ import annotations

import os
from dataclasses import replace

from ..controller import Controller
from ..controller_file import ControllerSpec

__all__ = ["with_learned"]


def with_learned(spec: ControllerSpec, path: str | os.PathLike) -> ControllerSpec:
    """The description with the learned weights of a file of `Controller.save_state` in place of those it started from.

    Raises ProgramError where the file is not one, or of another controller.
    """
    controller = Controller.from_spec(spec)
    controller.load_state(path)
    rules = iter(controller.program.facts.learning)  # in the order of the projections
    found = []
    for p in spec.network.projections:
        if p.learning is not None:
            rule = next(rules)
            weights = controller.rule_weights(rule)
            if rule.sparse:
                pre, post, weights = weights
                p = replace(p, connection="sparse", pre_index=pre, post_index=post, weights=weights)
            else:
                p = replace(p, connection="dense", weights=weights)
        found.append(p)
    return replace(spec, network=replace(spec.network, projections=tuple(found)))
