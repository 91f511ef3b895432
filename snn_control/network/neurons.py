"""Neuron models, as NIR (Pedersen et al. 2024, Nature Communications 15:8122) and other frameworks define them.

Each parameter is a number, or an array (n,) with a number for each neuron. In the equations ``I`` is the input current
and ``isyn`` a synaptic current. Models whose attribute ``graded`` is False emit spikes. Graded models output their
value v.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar

import numpy as np

from ..errors import DescriptionError, nearest
from .checks import EACH, Checked, Each, EachBound, EachPositive, EachSeconds, Flag, Numbers, OneOf, Seconds, Whole

__all__ = [
    "ALIF", "IF", "LI", "LIF", "AdEx", "Bernoulli", "CubaLI", "CubaLIF", "Integrator", "Izhikevich", "Latency",
    "NeuronModel", "Phase", "Poisson", "Relay", "SpikingModel", "Threshold",
]  # fmt: skip

MOST_PHASES = 24  # binary digits of a float32

Integration = Annotated[str, OneOf("exact", "exponential_euler", "euler")]


@dataclass(frozen=True, eq=False)
class NeuronModel(Checked):
    """Base class of neuron models. Subclasses are frozen dataclasses of parameters.

    A field without a declared rule accepts a finite number, or an array (n,) with a finite number for each neuron.
    """

    graded: ClassVar[bool] = True
    default_rule: ClassVar[Any] = EACH

    def __new__(cls, *_: Any, **given: Any) -> NeuronModel:
        for name in given.keys() - cls.names():
            raise TypeError(f"{cls.__name__} has no parameter '{name}'; {nearest(name, cls.names())}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {name: np.size(getattr(self, name)) for name in self.arrays() if np.ndim(getattr(self, name))}
        if len(set(sizes.values())) > 1 or 0 in sizes.values():
            rule = "parameters with one number for each neuron must have the same size"
            raise DescriptionError(next(iter(sizes)), sizes, rule)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in self.names())

    def __hash__(self) -> int:
        values = (getattr(self, name) for name in self.names())
        return hash((type(self), *(v if isinstance(v, str) else np.asarray(v, np.float64).tobytes() for v in values)))

    @classmethod
    def names(cls) -> list[str]:
        return [f.name for f in fields(cls)]

    @property
    def size(self) -> int | None:
        """Number of neurons if a parameter is an array; None if all parameters are single numbers."""
        return next((a.size for a in (np.asarray(getattr(self, name)) for name in self.arrays()) if a.ndim), None)

    def _below(self, name: str, other: str) -> None:
        if not (np.asarray(getattr(self, name)) < np.asarray(getattr(self, other))).all():
            raise self.wrong(name, f"must be < {other} ({getattr(self, other)})")


@dataclass(frozen=True, eq=False)
class SpikingModel(NeuronModel):
    """Base class of the models with a threshold and a reset.

    v_threshold : membrane potential at or above which the neuron fires [V, or the unit of the membrane]
    v_reset : membrane potential after a spike
    refractory : absolute refractory period [s], the shortest time between two spikes, as in Brian2. Until the last step
        of the period the membrane potential is constant and ignores input
    """

    v_threshold: Each = 1.0
    v_reset: Each = 0.0
    refractory: Annotated[float, Numbers(least=0, unit="s")] = 0.0

    graded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self, "reset", "value") == "value":
            self._below("v_reset", "v_threshold")


@dataclass(frozen=True, eq=False)
class IF(SpikingModel):
    """Integrate-and-fire neuron without a leak, with membrane potential v and input current I: dv/dt = r I.

    r : membrane resistance divided by the time constant [1/s]
    strict : whether the neuron fires only if v > v_threshold; otherwise if v >= v_threshold
    reset : "value" sets v = v_reset, "subtract" sets v -= v_threshold. "subtract_snntorch" is the reset of snnTorch
        without reset_delay: a neuron that is still above its threshold after a spike fires again only at twice the
        threshold
    reset_delay : whether the reset occurs in the step after the spike, as in snnTorch; in the step of the spike, v then
        has its value before the reset
    several : whether a neuron emits several spikes in a step, as many as v_threshold fits into v, and subtracts
        v_threshold for each spike, as in sinabs; requires the reset "subtract"
    v_min : lower bound of the membrane
    """

    r: Each = 1.0
    strict: Flag = False
    reset: Annotated[str, OneOf("value", "subtract", "subtract_snntorch")] = "value"
    reset_delay: Flag = False
    several: Flag = False
    v_min: EachBound = -math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reset != "value" and not (np.asarray(self.v_threshold) > 0).all():
            raise self.wrong("v_threshold", f"must be > 0 with reset '{self.reset}'")
        self._below("v_min", "v_threshold")
        if self.several and (self.reset != "subtract" or self.reset_delay or self.refractory):
            fix = "use reset 'subtract' without reset_delay and without a refractory period"
            raise self.wrong("several", "requires an immediate subtraction", fix)
        if self.reset_delay and (self.refractory or self.reset == "subtract_snntorch"):
            raise self.wrong("reset_delay", "cannot be combined with a refractory period or subtract_snntorch")


@dataclass(frozen=True, eq=False)
class LIF(IF):
    """Leaky integrate-and-fire neuron with membrane potential v and input current I: tau_mem dv/dt = v_leak - v + r I.

    tau_mem : membrane time constant [s]
    v_leak : resting value of the membrane potential
    r : membrane resistance
    integration : method: "exact" is exact if the input is constant over a step; "exponential_euler" also treats the
        synaptic current as constant over a step; "euler" is the forward Euler method
    """

    tau_mem: EachSeconds = 0.02
    v_leak: Each = 0.0
    integration: Integration = "exact"


@dataclass(frozen=True, eq=False)
class CubaLIF(LIF):
    """LIF neuron driven by its input current plus a synaptic current isyn, which decays exponentially.

    The synaptic current follows tau_syn disyn/dt = -isyn. An input spike of weight w adds w to isyn.

    tau_syn : time constant of the synaptic current [s]
    """

    tau_syn: EachSeconds = 0.005


@dataclass(frozen=True, eq=False)
class ALIF(LIF):
    """LIF neuron with the adaptive threshold v_threshold + beta a: tau_adapt da/dt = -a, and each spike adds 1 to a.

    The model is from Bellec et al. 2020, Nature Communications 11:3625. With the reset "subtract", a spike reduces v by
    v_threshold, not by the adapted threshold.

    tau_adapt : time constant of the threshold's adaptation [s]
    beta : increase of the threshold with each spike
    """

    tau_adapt: EachSeconds = 0.2
    beta: Each = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.several:
            raise self.wrong("several", "does not go with a threshold that adapts with each spike")


@dataclass(frozen=True, eq=False)
class AdEx(SpikingModel):
    """Adaptive exponential integrate-and-fire neuron (Brette and Gerstner 2005, J. Neurophysiol. 94:3637).

    These are the paper's equations, divided by the leak conductance g_leak; w is the adaptation current:
        tau_mem dv/dt = (v_leak - v) + delta_t exp((v - v_rheobase) / delta_t) + r (I - w)
        tau_w dw/dt = a (v - v_leak) - w;  v >= v_threshold: v = v_reset, w += b

    tau_mem : membrane time constant [s]
    tau_w : time constant of the adaptation current [s]
    v_leak : resting value of the membrane
    r : membrane resistance, 1 / g_leak
    v_rheobase : membrane potential at which the upstroke starts (V_T of the paper); the upstroke ends at v_threshold
    delta_t : slope of the upstroke [V]
    a : adaptation below the threshold [A/V]
    b : increase of the adaptation with each spike [A]
    integration : method for the linear part, "exponential_euler" or "euler"
    """

    v_threshold: Each = 0.0
    v_reset: Each = -0.0706
    tau_mem: EachSeconds = 0.00937
    v_leak: Each = -0.0706
    r: Each = 1 / 30e-9
    v_rheobase: Each = -0.0504
    delta_t: EachPositive = 0.002
    tau_w: EachSeconds = 0.144
    a: Each = 4e-9
    b: Each = 0.0805e-9
    integration: Annotated[str, OneOf("exponential_euler", "euler")] = "exponential_euler"


@dataclass(frozen=True, eq=False)
class Izhikevich(SpikingModel):
    """Izhikevich neuron in the units of the paper, mV and 1/ms (Izhikevich 2003, IEEE Trans. Neural Networks 14:1569).

        dv/dt = 0.04 v^2 + 5 v + 140 - u + r I;  du/dt = a (b v - u);  v >= v_threshold: v = v_reset (c), u += d

    As in the paper's program, the membrane potential v is integrated in two steps of dt / 2, then the recovery variable
    u in one step of dt.

    r : factor of the current I
    a : rate of the recovery variable u [1/ms]
    b : sensitivity of the recovery variable u to v
    d : increase of u with each spike
    """

    v_threshold: Each = 30.0
    v_reset: Each = -65.0
    r: Each = 1.0
    a: Each = 0.02
    b: Each = 0.2
    d: Each = 8.0

    @property
    def rest(self) -> Any:
        return self.v_reset


@dataclass(frozen=True, eq=False)
class Threshold(NeuronModel):
    """Memoryless neuron that fires in each step in which its input reaches v_threshold.

    v_threshold : input at which the neuron fires
    strict : whether the neuron fires only above the threshold, not at it
    """

    v_threshold: Each = 1.0
    strict: Flag = False

    graded: ClassVar[bool] = False


@dataclass(frozen=True, eq=False)
class LI(NeuronModel):
    """Leaky integrator, which outputs its membrane potential v instead of spikes: tau_mem dv/dt = v_leak - v + r I.

    tau_mem : membrane time constant [s]
    v_leak : resting value of the membrane
    r : membrane resistance
    integration : "exact", "exponential_euler" or "euler", see `LIF`
    v_min : lower bound of v at the start of a step; the output of a step may be lower, as in sinabs
    """

    tau_mem: EachSeconds = 0.02
    v_leak: Each = 0.0
    r: Each = 1.0
    integration: Integration = "exact"
    v_min: EachBound = -math.inf


@dataclass(frozen=True, eq=False)
class CubaLI(LI):
    """Leaky integrator (`LI`) driven by its input current plus a synaptic current, which decays exponentially.

    tau_syn : time constant of the synaptic current [s]
    """

    tau_syn: EachSeconds = 0.005


@dataclass(frozen=True, eq=False)
class Integrator(NeuronModel):
    """Integrator without a leak, which outputs v instead of spikes: dv/dt = r I, with the input current I.

    NIR calls this neuron I.

    r : gain of the current [1/s]
    """

    r: Each = 1.0


@dataclass(frozen=True, eq=False)
class Relay(NeuronModel):
    """Neuron without memory or spikes: its output in each step is the number that it receives in this step."""


# stochastic and temporal codes: spikes from a graded current, after an encoder or anywhere in a network ------------
@dataclass(frozen=True, eq=False)
class Bernoulli(NeuronModel):
    """Stochastic neuron that fires in each step with the probability ``rate I dt``, where I is its input current.

    The probability is limited to [0, 1].

    rate : firing rate [Hz] for a current of 1. If the rate is 1 / dt, the current is the probability itself, as in the
        rate codes of snnTorch and spikingjelly
    """

    rate: EachPositive = 100.0

    graded: ClassVar[bool] = False


@dataclass(frozen=True, eq=False)
class Poisson(NeuronModel):
    """Stochastic neuron whose spikes are a Poisson process of rate ``rate I``, where I is its input current.

    The neuron can fire several times in a step; the mean number of spikes in a step is limited to 64.

    rate : firing rate [Hz] for a current of 1
    """

    rate: EachPositive = 100.0

    graded: ClassVar[bool] = False


@dataclass(frozen=True, eq=False)
class Latency(NeuronModel):
    """Time to first spike: a neuron fires once per window, and earlier if the current at the window's start is larger.

    The current x, limited to [0, 1], determines the time from the window's start to the spike: tau ln(x / (x -
    threshold)) or, if ``linear`` is true, tau (1 - x). The logarithm is the time in which a membrane charges up to the
    threshold, as in ``snntorch.spikegen.latency`` with ``clip`` (Eshraghian et al. 2023, Proc. IEEE 111:1016).

    The time is rounded to whole steps; a half step is rounded down. The neuron does not fire if x is below the
    threshold, or if the time exceeds the window. If x equals the threshold, the logarithm is computed for threshold +
    1e-7, because it would be infinite.

    window : length of a window [s], the same for all neurons; windows follow each other from step 0
    tau : time constant [s]; None chooses it such that the latest possible spike is in the window's last step
    threshold : smallest current that makes the neuron fire, in (0, 1)
    linear : whether the time is tau (1 - x) instead of tau ln(x / (x - threshold))
    """

    window: Seconds = 0.02
    tau: EachSeconds = None
    threshold: Each = 0.01
    linear: Flag = False

    graded: ClassVar[bool] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        theta = np.asarray(self.threshold)
        if not ((theta > 0) & (theta < 1)).all():
            raise self.wrong("threshold", "must be in (0, 1)")


@dataclass(frozen=True, eq=False)
class Phase(NeuronModel):
    """Phase code: the spikes in a period are the binary digits of the current at its start, highest digit first.

    The current x at the start of the period is limited to [0, 1]. A period has ``phases`` steps, k = 0 to phases - 1,
    and a spike in step k stands for 2^-(k + 1). The sum of the spikes' values is x, rounded down to a multiple of
    2^-phases (for x = 1, it is 1 - 2^-phases). The code is from Kim et al. 2018, Neurocomputing 311:373.

    phases : number of steps in a period, the same for all neurons, at most 24; periods follow each other from step 0
    """

    phases: Annotated[int, Whole(1, MOST_PHASES)] = 8

    graded: ClassVar[bool] = False
