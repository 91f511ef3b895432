"""Use a Python function ``module:function`` as a policy whose layers are unknown."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import DescriptionError
from ...gym_adapter.spaces import numbers_of
from .teacher import teacher_of

__all__ = ["FunctionPolicy"]


class FunctionPolicy:
    """A policy that is a function of the observation. It has the attributes of `TrainedPolicy`, but no ``layers``.

    Raises DescriptionError if the function cannot be imported, if the observation is not one array, or if the action
    space is neither a Box with bounds nor Discrete.
    """

    layers: tuple[()] = ()
    activation, bound, normalization = "", np.inf, None

    def __init__(self, name: str, env: Any) -> None:
        space, self._env = env.action_space, env
        if not env.observation_space.shape and hasattr(env.observation_space, "spaces"):
            rule = f"observes {env.observation_space}: import needs one array"
            fix = f"imitate it: snn_control train FILE --env {env.spec.id} --teacher {name}"
            raise DescriptionError("--env", str(env.spec.id), rule, fix)
        self._teacher = teacher_of(name, env)
        if hasattr(space, "low"):
            self.head, self.low, self.high = "clip", space.low, space.high
            self.outputs = numbers_of(space)
        elif not space.shape and hasattr(space, "n"):
            self.head, self.low, self.high, self.outputs = "argmax", None, None, int(space.n)
        else:
            raise DescriptionError("--env", str(env.spec.id), f"takes {space}, which a policy cannot give")
        if self.head == "clip" and not np.isfinite([space.low, space.high]).all():
            raise DescriptionError("--env", str(env.spec.id), "has actions without bounds")

    def __call__(self, observation: Any) -> Any:
        """Return the action for one observation."""
        return self._teacher(self._env, observation, None)
