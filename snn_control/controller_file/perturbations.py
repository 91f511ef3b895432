"""Declare the perturbations of an environment, which imitate differences between simulation and robot.

The section ``training`` of a controller file and the option ``--perturb`` of commands use the names of the
perturbations. `snn_control.training.environments.perturbed` applies them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any

import numpy as np

from ..errors import DescriptionError, nearest
from ..network.checks import Checked, array_of

__all__ = ["MOST_STEPS", "UNPERTURBED", "Perturbations", "Span"]

MOST_STEPS = 10_000  # of a delay or a freeze


@dataclass(frozen=True)
class Span:
    """Rule for a field that is a number, or a range [low, high] from which each episode draws uniformly.

    whole : whether the numbers must be whole
    """

    least: float
    most: float
    whole: bool = False

    def __call__(self, path: str, value: Any) -> None:
        array = array_of(value)
        if array.dtype.kind not in "fiu" or array.ndim > 1 or not 1 <= array.size <= 2:
            raise DescriptionError(path, value, "must be a number or a range [low, high]")
        ends = np.atleast_1d(array).tolist()
        value = ends if array.ndim else ends[0]
        if not all(self.least <= end <= self.most and not (self.whole and end != round(end)) for end in ends):
            kind = "a whole number" if self.whole else "a number"
            raise DescriptionError(path, value, f"must be {kind} from {self.least:g} to {self.most:g}")
        if len(ends) == 2 and ends[0] > ends[1]:
            raise DescriptionError(path, value, "must have low <= high", "swap them")


Steps = Annotated[Any, Span(0, MOST_STEPS, whole=True)]
Share = Annotated[Any, Span(0, 10)]
Factor = Annotated[Any, Span(0.01, 100)]


@dataclass(frozen=True)
class Perturbations(Checked):
    """Perturbations of an environment. Each is a number, or a range [low, high] from which each episode draws a number.

    observation_delay : delay of the observations [steps]
    action_delay : delay of the actions [steps]
    observation_noise : standard deviation of the noise added to each observed number, as a fraction of its range
    bias : offset of each observed number, with a random sign, as a fraction of the number's range
    dropout : probability that an observation does not arrive; the controller then receives the previous observation
        again
    freeze : length of freezes, in which the observation does not change [steps]; on average 100 steps lie between two
        freezes
    action_gain : factor of the actions; with a range, a factor is drawn for each number of the action
    action_noise : standard deviation of the noise added to each number of the action, as a fraction of its range
    rate : control rate, as a fraction of the environment's rate; observation and action are constant between control
        steps
    mass : factor of the masses, in shipped worlds
    friction : factor of the friction, in shipped worlds
    motor_strength : factor of the forces or speeds of the motors, in shipped worlds
    push : mean number of pushes per second, in shipped worlds [1/s]
    """

    observation_delay: Steps = None
    action_delay: Steps = None
    observation_noise: Share = None
    bias: Share = None
    dropout: Annotated[Any, Span(0, 0.99)] = None
    freeze: Steps = None
    action_gain: Share = None
    action_noise: Share = None
    rate: Annotated[Any, Span(0.01, 1)] = None
    mass: Factor = None
    friction: Factor = None
    motor_strength: Share = None
    push: Share = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for one in fields(self):
            if (value := getattr(self, one.name)) is not None:
                ends = tuple(np.atleast_1d(value).tolist())
                object.__setattr__(self, one.name, ends if len(ends) == 2 else ends[0])

    @classmethod
    def names(cls) -> list[str]:
        return [one.name for one in fields(cls)]

    @classmethod
    def of(cls, values: Mapping[str, Any], option: str = "perturb") -> Perturbations:
        """Return the perturbations in a mapping: name -> number, or (low, high).

        option : first part of the path in error messages

        Raises DescriptionError for an unknown name, with the most similar known name.
        """
        for name, value in values.items():
            if name not in cls.names():
                raise DescriptionError(f"{option} {name}", value, "is not a perturbation", nearest(name, cls.names()))
        try:
            return cls(**values)
        except DescriptionError as error:
            raise DescriptionError(f"{option} {error.path}", error.value, error.rule, error.fix) from None

    @classmethod
    def read(cls, texts: Iterable[str], option: str = "--perturb") -> Perturbations:
        """Return the perturbations in texts such as ``action_delay=2`` and ``mass=0.8:1.2``."""
        found: dict[str, Any] = {}
        for text in texts:
            name, mark, value = text.partition("=")
            if not mark or not name or not value:
                raise DescriptionError(option, text, "must look like name=number or name=low:high")
            if name in found:
                raise DescriptionError(option, text, f"is the second value of {name}", "write a range: low:high")
            try:
                ends = [int(end) if end.lstrip("+-").isdecimal() else float(end) for end in value.split(":")]
            except ValueError:
                ends = []
            if not 1 <= len(ends) <= 2:
                fix = nearest(name, cls.names()) if name not in cls.names() else ""
                raise DescriptionError(option, text, "must look like name=number or name=low:high", fix)
            found[name] = ends if len(ends) == 2 else ends[0]
        return cls.of(found, option)

    @property
    def spans(self) -> dict[str, tuple[float, float]]:
        """Ranges of the perturbations that are not None: name -> (low, high), in the order of the fields."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        pairs = {name: value if isinstance(value, tuple) else (value, value) for name, value in given.items()}
        return {name: pair for name, pair in pairs.items() if pair[0] is not None}

    @property
    def plain(self) -> dict[str, Any]:
        """The perturbations that are not None, as JSON data: name -> number, or [low, high]."""
        return {name: low if low == high else [low, high] for name, (low, high) in self.spans.items()}

    @property
    def texts(self) -> list[str]:
        """The perturbations that are not None, as texts in the form that `read` accepts."""
        pairs = self.spans.items()
        return [f"{name}={low:g}" if low == high else f"{name}={low:g}:{high:g}" for name, (low, high) in pairs]

    def replaced_by(self, others: Perturbations) -> Perturbations:
        """Return a copy in which the perturbations that are set in ``others`` are added or replaced."""
        return Perturbations(**{**self.plain, **others.plain})


UNPERTURBED = Perturbations()
