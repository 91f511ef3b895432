"""Stochastic and temporal codes as neuron models: they generate spikes from the current that arrives, a graded signal.

They can follow an encoder or be part of a network, like any other neuron.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from .checks import Each, EachPositive, EachSeconds, Flag, Seconds, Whole
from .neurons import NeuronModel

__all__ = ["Bernoulli", "Latency", "Phase", "Poisson"]

MOST_PHASES = 24  # binary digits of a float32


@dataclass(frozen=True, eq=False)
class Bernoulli(NeuronModel):
    """Fires with the probability ``rate I dt``, limited to [0, 1], in each step, independently of all others.

    rate : [Hz] for a current of 1; at 1 / dt the current is the probability itself (snnTorch's and spikingjelly's rate
        codes)
    """

    rate: EachPositive = 100.0

    graded: ClassVar[bool] = False


@dataclass(frozen=True, eq=False)
class Poisson(NeuronModel):
    """A Poisson process of rate ``rate I``, possibly with several spikes in a step, at most 64 on average.

    rate : [Hz] for a current of 1
    """

    rate: EachPositive = 100.0

    graded: ClassVar[bool] = False


@dataclass(frozen=True, eq=False)
class Latency(NeuronModel):
    """Time to the first spike: x, the current at the start of a window, limited to [0, 1], gives one spike after

        tau ln(x / (x - threshold)), or, ``linear``, tau (1 - x),

    rounded to steps (a half: the earlier); there is none for x < threshold, or if that time is after the window. The
    times are those of a charging membrane, as in `snntorch.spikegen.latency` with ``clip`` (Eshraghian et al. 2023,
    Proc. IEEE 111:1016): an x at the threshold counts as threshold + 1e-7.

    window : [s], the same for all; windows follow each other from step 0 on
    tau : [s]; None takes the value for which the latest spike is in the window's last step
    threshold : smallest current that fires, in (0, 1)
    linear : tau (1 - x) instead of tau ln(x / (x - threshold))
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
    """Weighted phases: x, the current at the start of a period limited to [0, 1], as binary digits, the highest first.

    A spike in step k = 0 .. phases - 1 of a period is worth 2^-(k + 1): their sum is x rounded down to a multiple of
    2^-phases, or 1 - 2^-phases for x = 1 (Kim et al. 2018, Neurocomputing 311:373).

    phases : steps in a period, the same for all, at most 24; periods follow each other from step 0 on
    """

    phases: Annotated[int, Whole(1, MOST_PHASES)] = 8

    graded: ClassVar[bool] = False
