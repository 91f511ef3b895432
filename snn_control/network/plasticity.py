"""Learning rules, which change the weights of a projection while the controller runs.

``docs/explanation/plasticity.md`` has the discrete equations of the rules.
"""

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
    """Base class of learning rules. Subclasses are frozen dataclasses.

    A field without a declared validation rule must be a finite number.

    enabled : whether the rule is on at the start; `Controller.learning` switches the rule on and off
    name : name with which `Controller.learning` selects the rule; several rules may share a name. Empty means
        ``"pre->post"``
    w_min : smallest weight
    w_max : largest weight
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
        """Return the names of the fields whose value is the name of an input or a population."""
        return [name for name, rule in cls.checks().items() if rule is check_name]


@dataclass(frozen=True, kw_only=True, eq=False)
class STDP(LearningRule):
    """Spike-timing dependent plasticity (STDP): each pair of a presynaptic and a postsynaptic spike changes the weight.

    The changes of all pairs are added (Song, Miller and Abbott 2000, Nature Neuroscience 3:919; Morrison, Diesmann and
    Gerstner 2008, Biol. Cybern. 98:459). The parameters have the names of PyNN.

    A presynaptic spike that arrives a time t >= 0 before a postsynaptic spike adds ``a_plus exp(-t / tau_plus)`` to the
    weight. If it arrives a time t > 0 after the postsynaptic spike, it subtracts ``a_minus exp(-t / tau_minus)``.
    Arrival includes the delay of the projection. Both amplitudes are in units of the weight, whereas PyNN's A_plus is a
    fraction of w_max.

    a_plus : increase of a weight by a pair of spikes with t = 0
    a_minus : decrease of a weight by a pair of spikes with t close to 0
    tau_plus : time constant of the increase as a function of t [s]
    tau_minus : time constant of the decrease as a function of t [s]
    """

    a_plus: float = 0.01
    a_minus: float = 0.01
    tau_plus: Seconds = 0.02
    tau_minus: Seconds = 0.02
    w_min: Bound = 0.0
    w_max: Bound = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardSTDP(STDP):
    """STDP gated by a reward (Izhikevich 2007, Cerebral Cortex 17:2443).

    Pairs of spikes change the eligibility e of a synapse instead of its weight, as in `STDP`. The eligibility decays:
    de/dt = -e / tau_e. The reward turns it into a change of the weight: dw/dt = learning_rate reward e. For an overview
    see Frémaux and Gerstner 2016, Frontiers in Neural Circuits 9:85.

    reward : name of a graded input or population of size 1
    tau_e : time constant of the eligibility [s]
    learning_rate : rate of learning [1/s] for a reward of 1; with 0 no weight changes, which serves as a control
        experiment
    """

    reward: Name
    tau_e: Seconds = 1.0
    learning_rate: Rate = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class PES(LearningRule):
    """Prescribed error sensitivity (PES), the rule of nengo (MacNeil and Eliasmith 2011, PLoS ONE 6:e22885).

    The rule reduces an error. In nengo's terms, it changes decoders d [output units per Hz]. In each step, the decoders
    of a presynaptic neuron change by -(learning_rate dt / n) activity error. The activity [Hz] is the neuron's filtered
    spikes, and n is the number of presynaptic neurons. A weight acts for only one step, so it is d / dt, as in
    `snn_control.nef`.

    error : name of a graded input or population whose value is the actual minus the desired value; its size is the size
        of ``post``
    learning_rate : learning rate as in nengo; with 0 no weight changes
    pre_tau : time constant of the activity's filter [s]
    """

    error: Name
    learning_rate: Rate = 1e-4
    pre_tau: Seconds = 0.005


@dataclass(frozen=True, kw_only=True, eq=False)
class EProp(LearningRule):
    """Eligibility propagation, e-prop (Bellec et al. 2020, Nature Communications 11:3625): for LIF, CubaLIF and ALIF.

    A weight changes by dw/dt = -learning_rate L e. L = B error is the learning signal of the postsynaptic neuron. e is
    the eligibility of the synapse: the pseudo-derivative of the postsynaptic spike times the filtered presynaptic
    spikes, with a term for an adaptive threshold. e is low-pass filtered with ``tau_out``, the time constant of the
    readout. The paper's learning rate eta is learning_rate dt.

    error : name of a graded input or population whose value is the actual minus the desired value
    feedback : the matrix B, a number or (n_post, size of error); in symmetric e-prop, B contains the weights of the
        readout
    learning_rate : rate of learning [1/s]
    gamma : height of the pseudo-derivative gamma / v_threshold max(0, 1 - |v - threshold| / v_threshold)
    tau_out : time constant [s] of the readout
    """

    error: Name
    feedback: Annotated[Any, Numbers(ndim=2)]
    learning_rate: Rate
    gamma: Positive = 0.3
    tau_out: Seconds = 0.02
