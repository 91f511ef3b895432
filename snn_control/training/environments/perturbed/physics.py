"""Perturbations of the physics of shipped worlds (`sim_worlds.core.World`): masses, friction, motors, pushes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wrapper import Perturbation

__all__ = ["Factor", "Friction", "Mass", "MotorStrength", "Push", "factors_of", "push_of"]

PUSHES = ("push", "gust")  # disturbances that push a robot


def factors_of(env: Any) -> Mapping[str, Any]:
    """Return a mapping whose keys are the physical quantities, such as ``mass``, that the environment can scale."""
    return getattr(env.unwrapped, "PERTURBED", {})


def push_of(env: Any) -> str | None:
    """Return the name of the disturbance that pushes the robot; None if the environment has none."""
    there = getattr(env.unwrapped, "disturbances", {})
    return next((name for name in PUSHES if name in there), None)


class Factor(Perturbation):
    """Multiplies a physical quantity of the world by the factor that was drawn for the episode."""

    def begin(self) -> None:
        self.unwrapped.perturb({**self.unwrapped.perturbed, self.name: self.value})  # type: ignore[attr-defined]


class Mass(Factor):
    name = "mass"


class Friction(Factor):
    name = "friction"


class MotorStrength(Factor):
    name = "motor_strength"


class Push(Perturbation):
    """Pushes the robot at random steps; the value is the mean number of pushes per second."""

    name = "push"

    def begin(self) -> None:
        self._chance = self.value * self.unwrapped.dt  # type: ignore[attr-defined]
        self._push = self.unwrapped.disturbances[push_of(self)]  # type: ignore[attr-defined]

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        if self.rng.random() < self._chance:
            self._push()
        return self.env.step(action)  # type: ignore[return-value]
