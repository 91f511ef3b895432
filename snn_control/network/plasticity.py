"""Learning rules: how the weights of a projection change while the controller runs; their equations in discrete form
are in ``docs/explanation/plasticity.md``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from ..errors import DescriptionError
from .checks import Bound, Checked, Flag, Name, Numbers, Positive, Seconds, check_name

__all__ = ["PES", "STDP", "EProp", "LearningRule", "RewardSTDP"]


def check_text(path: str, value: Any) -> None:
    if not isinstance(value, str):
        raise DescriptionError(path, value, "must be a name")


Rate = Annotated[float, Numbers(least=0)]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningRule(Checked):
    """Base of all learning rules; subclasses are frozen dataclasses. A field that declares no rule is a finite number.

    enabled : learn from the start; `Controller.learning` switches it
    name : name for switching, which several rules may share; empty is ``"pre->post"``
    w_min, w_max : smallest and largest weight
    """

    enabled: Flag = True
    name: Annotated[str, check_text] = ""
    w_min: Bound = -math.inf
    w_max: Bound = math.inf

    default_rule: ClassVar[Any] = Numbers()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.w_min < self.w_max:
            raise self.wrong("w_min", f"must be < w_max ({self.w_max})")

    @classmethod
    def signals(cls) -> list[str]:
        """Return the names of the fields that name an input or a population."""
        return [name for name, rule in cls.checks().items() if rule is check_name]


@dataclass(frozen=True, kw_only=True, eq=False)
class STDP(LearningRule):
    """Spike-timing dependent plasticity, additive, over all pairs of spikes, with PyNN's names (Song, Miller and Abbott
    2000, Nature Neuroscience 3:919; Morrison, Diesmann and Gerstner 2008, Biol. Cybern. 98:459).

    A presynaptic spike that arrives t before a postsynaptic one, or at t = 0, adds ``a_plus exp(-t / tau_plus)`` to the
    weight. If it arrives t after, it subtracts ``a_minus exp(-t / tau_minus)``. Both amplitudes are in units of the
    weight; PyNN's A_plus is a share of w_max. Spikes arrive after the projection's delay.

    a_plus, a_minus : change of a weight by a pair of spikes at t = 0
    tau_plus, tau_minus : time constants of these changes [s]
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus: Seconds = 0.02
    tau_minus: Seconds = 0.02
    w_min: Bound = 0.0
    w_max: Bound = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardSTDP(STDP):
    """STDP gated by a reward (Izhikevich 2007, Cerebral Cortex 17:2443; Frémaux and Gerstner 2016, Frontiers in Neural
    Circuits 9:85). Pairs of spikes change an eligibility e, with de/dt = -e / tau_e; dw/dt = learning_rate reward e.

    reward : name of a graded input or population of size 1
    tau_e : time constant of the eligibility [s]
    learning_rate : [1/s] for a reward of 1. In every rule, 0 learns nothing, which is useful as a control
    """

    reward: Name
    tau_e: Seconds = 1.0
    learning_rate: Rate = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PES(LearningRule):
    """Prescribed error sensitivity, the rule of nengo (MacNeil and Eliasmith 2011, PLoS ONE 6:e22885).

    Decoders d, in units per Hz, change by -learning_rate dt / n error (x) activity, with the outer product (x). The
    activity [Hz] of the n presynaptic neurons is their filtered spikes. A weight acts for one step, so it is d / dt, as
    in `snn_control.nef`; its change is the change of d, divided by dt.

    error : name of a graded input or population of the size of post: the actual value minus the desired one
    learning_rate : as in nengo; 0 learns nothing
    pre_tau : time constant of the activity's filter [s]
    """

    error: Name
    learning_rate: Rate = 1e-4
    pre_tau: Seconds = 0.005


@dataclass(frozen=True, kw_only=True, eq=False)
class EProp(LearningRule):
    """e-prop (Bellec et al. 2020, Nature Communications 11:3625), for LIF, CubaLIF and ALIF neurons.

    Weights change by dw/dt = -learning_rate L e, with the learning signal L = B error. The eligibility e of a synapse
    is the pseudo-derivative times the filtered presynaptic spikes, with a term for the adaptation of the threshold. It
    is low-pass filtered with the readout's time constant. Bellec's eta is learning_rate dt.

    error : name of a graded input or population: the actual value minus the desired one
    feedback : B, a number or (n_post, size of error); for symmetric e-prop, the weights of the readout
    learning_rate : [1/s]
    gamma : height of the pseudo-derivative gamma / v_threshold max(0, 1 - |v - threshold| / v_threshold)
    tau_out : time constant [s] of the readout
    """

    error: Name
    feedback: Annotated[Any, Numbers(ndim=2)]
    learning_rate: Rate
    gamma: Positive = 0.3
    tau_out: Seconds = 0.02
