"""Put the wrappers of perturbations around an environment, and reject perturbations that it does not support."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gymnasium import spaces

from ....controller_file.perturbations import Perturbations
from ....errors import DescriptionError
from .actions import ActionDelay, ActionGain, ActionNoise, Rate
from .numbers import UNBOUNDED, boxes_in, numbers_in
from .observations import Bias, Dropout, Freeze, ObservationDelay, ObservationNoise
from .physics import Friction, Mass, MotorStrength, Push, factors_of, push_of
from .wrapper import Perturbation

__all__ = ["perturbed", "possible", "why_not"]

#: from the innermost wrapper to the outermost: an observation passes them in this order, an action in the opposite one
WRAPPERS: tuple[type[Perturbation], ...] = (
    Mass, Friction, MotorStrength, Push, Bias, ObservationNoise, Dropout, Freeze, ObservationDelay,
    ActionNoise, ActionGain, ActionDelay, Rate,
)  # fmt: skip


def perturbed(env: Any, perturbations: Perturbations | Mapping[str, Any]) -> Any:
    """Return an environment that is perturbed in every episode.

    perturbations : name -> number, or the range (low, high) from which each episode draws

    Raises DescriptionError for an unknown name, a wrong value, or an unsupported perturbation.
    """
    if not isinstance(perturbations, Perturbations):
        perturbations = Perturbations.of(perturbations, "--perturb")
    spans = perturbations.spans
    for name, value in perturbations.plain.items():
        if reason := why_not(env, name):
            can = ", ".join(possible(env)) or "nothing"
            rule = f"cannot be done in {_name(env)}: {reason}"
            raise DescriptionError(f"--perturb {name}", value, rule, f"it can do {can}")
    numbers = numbers_in(env) if spans.keys() & {"bias", "observation_noise"} else []
    for wrapper in WRAPPERS:
        if wrapper.name in spans:
            more = (numbers,) if wrapper in (Bias, ObservationNoise) else ()
            env = wrapper(env, *spans[wrapper.name], *more)
    return env


def _name(env: Any) -> str:
    return getattr(env.spec, "id", type(env.unwrapped).__name__)


def possible(env: Any) -> list[str]:
    """Return the names of the perturbations that an environment supports."""
    return [name for name in Perturbations.names() if not why_not(env, name)]


def why_not(env: Any, name: str) -> str:
    """Return the reason why an environment does not support a perturbation; an empty text if it does."""
    return REASONS.get(name, lambda env, name: "")(env, name)


def _no_numbers_seen(env: Any, name: str) -> str:
    return "" if boxes_in(env.observation_space) else "its observation has no numbers of a range"


def _no_numbers_done(env: Any, name: str) -> str:
    space = env.action_space
    if not isinstance(space, spaces.Box):
        return "its action is a choice, not numbers"
    bounded = (space.low > -UNBOUNDED).all() and (space.high < UNBOUNDED).all()
    return "" if bounded or name != "action_noise" else "its action has no bounds, of which the noise is a share"


def _no_rest(env: Any, name: str) -> str:
    return "its action has parts" if env.action_space.shape is None else ""


def _no_factor(env: Any, name: str) -> str:
    return "" if name in factors_of(env) else f"it has no {name} that can be changed"


def _no_push(env: Any, name: str) -> str:
    return "" if push_of(env) else "it has no robot that can be pushed"


REASONS: dict[str, Callable[[Any, str], str]] = {
    "bias": _no_numbers_seen, "observation_noise": _no_numbers_seen, "action_gain": _no_numbers_done,
    "action_noise": _no_numbers_done, "action_delay": _no_rest, "mass": _no_factor, "friction": _no_factor,
    "motor_strength": _no_factor, "push": _no_push,
}  # fmt: skip
