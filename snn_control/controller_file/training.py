"""The ``training`` section of a controller file: trained parameters and settings. Programs do not depend on it.

The trainer (`snn_control.training`) checks the names of learners and their settings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from ..network.checks import Bound, Checked, OneOf, Positive
from .perturbations import UNPERTURBED, Perturbations

__all__ = ["SURROGATES", "Limits", "Surrogate", "Training"]

SURROGATES = ("fast_sigmoid", "triangle", "arctan")


@dataclass(frozen=True)
class Limits(Checked):
    """The smallest and the largest value that training may give to a parameter.

    low : smallest value, in the unit of the parameter; no limit by default
    high : largest value, in the unit of the parameter; no limit by default
    """

    low: Bound = -math.inf
    high: Bound = math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise self.wrong("low", f"must be < high ({self.high:g})")


@dataclass(frozen=True)
class Surrogate(Checked):
    """Surrogate derivative, which replaces a spike's derivative with respect to the membrane potential in training.

    In the formulas, x is the membrane potential minus the threshold, divided by the difference between threshold and
    reset. All kinds have the value slope / 2 at the threshold:

        fast_sigmoid  slope / 2 / (1 + slope abs(x))^2       Zenke and Ganguli 2018, Neural Computation 30:1514
        triangle      slope / 2 max(0, 1 - slope / 2 abs(x)) Bellec et al. 2018, arXiv:1803.09574
        arctan        slope / 2 / (1 + (pi / 2 slope x)^2)   Fang et al. 2021, arXiv:2007.05785

    kind : "fast_sigmoid", "triangle" or "arctan"
    slope : steepness; with a larger slope, the derivative is concentrated closer to the threshold
    final_slope : slope at the end of the training budget, to which it changes linearly; by default the slope is
        constant
    """

    kind: Annotated[str, OneOf(*SURROGATES)] = "fast_sigmoid"
    slope: Positive = 2.0
    final_slope: Positive | None = None

    def at(self, left: float) -> Surrogate:
        """Return the surrogate derivative with the slope for a stage of the training.

        left : remaining fraction of the training budget, from 1 to 0
        """
        if self.final_slope is None:
            return self
        return Surrogate(self.kind, self.final_slope + (self.slope - self.final_slope) * left)


@dataclass(frozen=True)
class Training(Checked):
    """Settings of ``snn_control train``: trained parameters, learner, surrogate derivative and perturbations.

    how : name of the learner; the default depends on the type of the actions
    trainable : pattern of parameter names -> `Limits`; later patterns take precedence. Empty means the default
        parameters
    surrogate : surrogate derivative of spikes
    settings : settings of the learner, by name: numbers, texts, true or false, or lists of numbers
    perturb : perturbations of the environment during training; the option ``--perturb`` takes precedence
    weights : "float32"; or "int8": the weights of dense projections from neurons that spike once in a step are rounded
        to int8 in training, and in the trained file
    """

    how: str = ""
    trainable: Mapping[str, Limits] = field(default_factory=dict)
    surrogate: Surrogate = Surrogate()
    settings: Mapping[str, Any] = field(default_factory=dict)
    perturb: Perturbations = UNPERTURBED
    weights: Annotated[str, OneOf("float32", "int8")] = "float32"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in self.settings.items():
            if not isinstance(name, str):
                raise self.wrong("settings", "must have names as keys", value=name)
            numbers = isinstance(value, list | tuple) and all(type(one) in (int, float) for one in value)
            if not numbers and not isinstance(value, str | bool | int | float):
                rule = "must be a number, a text, true or false, or a list of numbers"
                raise self.wrong(f"settings.{name}", rule, value=value)
