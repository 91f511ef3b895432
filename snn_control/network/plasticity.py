"""Learning rules of a projection: how its weights change while the controller runs. The equations in discrete form
stand in ``docs/plasticity.md``.

STDP        pairs of spikes, all to all, additive (Song, Miller and Abbott 2000, Nature Neuroscience 3:919; Morrison,
            Diesmann and Gerstner 2008, Biol. Cybern. 98:459); names of PyNN
RewardSTDP  STDP that waits for a reward (Izhikevich 2007, Cerebral Cortex 17:2443; Frémaux and Gerstner 2016, Frontiers
            in Neural Circuits 9:85)
PES         decoders follow an error (MacNeil and Eliasmith 2011, PLoS ONE 6:e22885); nengo's rule
EProp       eligibility propagation (Bellec et al. 2020, Nature Communications 11:3625)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from ..errors import DescriptionError

__all__ = ["PES", "STDP", "EProp", "LearningRule", "RewardSTDP"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningRule:
    """Base of all rules; a subclass is a frozen dataclass of numbers, ``texts`` and ``arrays``.

    enabled : it learns from the start; `Controller.learning` switches it
    name : by which it is switched, several rules may share one; empty is ``"pre->post"``
    w_min, w_max : what a weight cannot leave
    """

    enabled: bool = True
    name: str = ""
    w_min: float = -math.inf
    w_max: float = math.inf

    #: names of fields that must be > 0, >= 0, that are names of inputs or populations, that are numbers of any shape
    positive: ClassVar[tuple[str, ...]] = ()
    not_negative: ClassVar[tuple[str, ...]] = ("learning_rate",)
    texts: ClassVar[tuple[str, ...]] = ()
    arrays: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            key, value = field.name, getattr(self, field.name)
            if key == "enabled":
                if not isinstance(value, bool):
                    raise DescriptionError(key, value, "must be true or false")
            elif key == "name" or key in self.texts:
                if not isinstance(value, str) or (key in self.texts and not value):
                    raise DescriptionError(key, value, "must be a name")
            elif key in self.arrays:
                array = np.asarray(value)
                if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                    raise DescriptionError(key, value, "must be finite numbers")
            else:
                self._check_number(key, value)
        if not self.w_min < self.w_max:
            raise DescriptionError("w_min", self.w_min, f"must be < w_max ({self.w_max})")

    def _check_number(self, key: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise DescriptionError(key, value, "must be a number")
        if math.isnan(value) or (math.isinf(value) and key not in ("w_min", "w_max")):
            raise DescriptionError(key, value, "must be finite")
        if key in self.positive and not value > 0:
            raise DescriptionError(
                key, value, "must be > 0 s" if key.startswith(("tau_", "pre_tau")) else "must be > 0"
            )
        if key in self.not_negative and value < 0:
            raise DescriptionError(key, value, "must be >= 0")


@dataclass(frozen=True, kw_only=True, eq=False)
class STDP(LearningRule):
    """Spike-timing dependent plasticity of pairs, all to all, additive.

    A presynaptic spike that arrives t before a postsynaptic one adds ``a_plus exp(-t / tau_plus)``, t = 0 included; one
    that arrives t after it takes ``a_minus exp(-t / tau_minus)`` away. In units of the weight: PyNN's A_plus is a part
    of w_max. It arrives after the projection's delay.

    tau_plus, tau_minus : [s]
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus: float = 0.02
    tau_minus: float = 0.02
    w_min: float = 0.0
    w_max: float = 1.0

    positive: ClassVar[tuple[str, ...]] = ("tau_plus", "tau_minus")


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardSTDP(STDP):
    """STDP whose changes go into an eligibility, de/dt = -e / tau_e; dw/dt = learning_rate reward e.

    reward : name of a graded input or population of size 1
    tau_e : [s]
    learning_rate : [1/s] for a reward of 1; 0 learns nothing, for a control, as in every rule
    """

    reward: str
    tau_e: float = 1.0
    learning_rate: float = 1.0

    positive: ClassVar[tuple[str, ...]] = ("tau_plus", "tau_minus", "tau_e")
    texts: ClassVar[tuple[str, ...]] = ("reward",)


@dataclass(frozen=True, kw_only=True, eq=False)
class PES(LearningRule):
    """Prescribed error sensitivity: decoders d, in units a Hz, change by -learning_rate dt / n error (x) activity.

    The activity [Hz] of the n presynaptic neurons is their filtered spikes. A weight here acts for one step and so is
    d / dt, as `snn_control.nef` has it; its change is that of d, divided by dt.

    error : name of a graded input or population of the size of post: what there is less what is wanted
    pre_tau : [s] of the activity's filter
    """

    error: str
    learning_rate: float = 1e-4
    pre_tau: float = 0.005

    positive: ClassVar[tuple[str, ...]] = ("pre_tau",)
    texts: ClassVar[tuple[str, ...]] = ("error",)


@dataclass(frozen=True, kw_only=True, eq=False)
class EProp(LearningRule):
    """e-prop for LIF, CubaLIF and ALIF neurons: dw/dt = -learning_rate L e, with the learning signal L = B error.

    e is the eligibility of a synapse, pseudo-derivative times filtered presynaptic spikes, and the threshold's
    adaptation, low-passed with the readout's time constant. Bellec's eta is learning_rate dt.

    error : name of a graded input or population: what there is less what is wanted
    feedback : B, a number or (n_post, size of error); symmetric e-prop takes the readout's weights
    learning_rate : [1/s]
    gamma : height of the pseudo-derivative gamma / v_threshold max(0, 1 - |v - threshold| / v_threshold)
    tau_out : time constant [s] of the readout
    """

    error: str
    feedback: Any
    learning_rate: float
    gamma: float = 0.3
    tau_out: float = 0.02

    positive: ClassVar[tuple[str, ...]] = ("gamma", "tau_out")
    texts: ClassVar[tuple[str, ...]] = ("error",)
    arrays: ClassVar[tuple[str, ...]] = ("feedback",)
