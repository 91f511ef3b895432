"""Neuron models, as NIR defines them (Pedersen et al. 2024, Nature Communications 15:8122).

LIF      tau_mem dv/dt = (v_leak - v) + r I
CubaLIF  the same with I = isyn, where tau_syn disyn/dt = -isyn and a spike of weight w adds w to isyn
LI       the equation of LIF without a threshold; its output is v
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from ..errors import DescriptionError

__all__ = ["LI", "LIF", "CubaLIF", "NeuronModel"]


class NeuronModel:
    """Base of all neuron descriptions; subclasses are frozen dataclasses."""

    def _check(self) -> None:
        for f in fields(self):  # type: ignore[arg-type]
            value = getattr(self, f.name)
            if isinstance(value, float | int) and not isinstance(value, bool):
                if math.isnan(value) or (math.isinf(value) and f.name != "v_min"):
                    raise DescriptionError(f.name, value, "must be finite")
                if f.name in ("tau_mem", "tau_syn") and value <= 0:
                    raise DescriptionError(f.name, value, "must be > 0 s")


@dataclass(frozen=True)
class LIF(NeuronModel):
    """Leaky integrate-and-fire.

    tau_mem : membrane time constant [s]
    v_threshold, v_reset, v_leak : [V, or the unit of the membrane]
    r : membrane resistance
    refractory : absolute refractory period [s]; the membrane holds and ignores its input
    reset : "value" (v = v_reset) or "subtract" (v -= v_threshold)
    v_min : lower bound of the membrane
    """

    tau_mem: float = 0.02
    v_threshold: float = 1.0
    v_reset: float = 0.0
    v_leak: float = 0.0
    r: float = 1.0
    refractory: float = 0.0
    reset: str = "value"
    v_min: float = -math.inf

    def __post_init__(self) -> None:
        self._check()
        if self.refractory < 0:
            raise DescriptionError("refractory", self.refractory, "must be >= 0 s")
        if self.reset not in ("value", "subtract"):
            raise DescriptionError("reset", self.reset, "must be 'value' or 'subtract'")
        if self.reset == "value" and self.v_reset >= self.v_threshold:
            raise DescriptionError("v_reset", self.v_reset, f"must be < v_threshold ({self.v_threshold})")
        if self.reset == "subtract" and self.v_threshold <= 0:
            raise DescriptionError("v_threshold", self.v_threshold, "must be > 0 with reset 'subtract'")
        if self.v_min >= self.v_threshold:
            raise DescriptionError("v_min", self.v_min, f"must be < v_threshold ({self.v_threshold})")


@dataclass(frozen=True)
class CubaLIF(LIF):
    """Leaky integrate-and-fire with an exponential synaptic current of time constant tau_syn [s]."""

    tau_syn: float = 0.005


@dataclass(frozen=True)
class LI(NeuronModel):
    """Leaky integrator: graded output v, no spikes."""

    tau_mem: float = 0.02
    v_leak: float = 0.0
    r: float = 1.0

    def __post_init__(self) -> None:
        self._check()
