"""Descriptions of networks: frozen, in SI units, without a time step. Names are those of NIR and PyNN."""

from .connectors import AllToAll, Connector, FixedIndegree, FixedOutdegree, FixedProbability, FromArrays, OneToOne
from .distance import DistanceDependent, Grid
from .distributions import Distribution, Normal, Uniform
from .graph import Network, Population, Projection
from .neurons import (
    ALIF,
    IF,
    LI,
    LIF,
    AdEx,
    CubaLI,
    CubaLIF,
    Integrator,
    Izhikevich,
    NeuronModel,
    Relay,
    SpikingModel,
    Threshold,
)
from .plasticity import PES, STDP, EProp, LearningRule, RewardSTDP
from .sources import Bernoulli, Latency, Phase, Poisson

__all__ = [
    "ALIF",
    "IF",
    "LI",
    "LIF",
    "PES",
    "STDP",
    "AdEx",
    "AllToAll",
    "Bernoulli",
    "Connector",
    "CubaLI",
    "CubaLIF",
    "DistanceDependent",
    "Distribution",
    "EProp",
    "FixedIndegree",
    "FixedOutdegree",
    "FixedProbability",
    "FromArrays",
    "Grid",
    "Integrator",
    "Izhikevich",
    "Latency",
    "LearningRule",
    "Network",
    "NeuronModel",
    "Normal",
    "OneToOne",
    "Phase",
    "Poisson",
    "Population",
    "Projection",
    "Relay",
    "RewardSTDP",
    "SpikingModel",
    "Threshold",
    "Uniform",
]
