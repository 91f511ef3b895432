"""The settings of the conversion of a policy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from ...network.checks import OneOf
from ..algorithms.imitator import ROUNDS, UPDATES
from ..algorithms.learner import Settings
from .spiking import SKIPS

__all__ = ["ConversionSettings"]


@dataclass(frozen=True)
class ConversionSettings(Settings):
    """Settings of the conversion of a policy.

    spikes : target for the number of spikes of all neurons in a step; 0: half of the number after the first
        conversion, or a third if the policy chooses
    skip : graded projections that bypass the spiking layers. "none": no such projections; "linear": from the
        observation to all later layers; "fields": from the observation, and from Gaussian receptive fields of its
        numbers, to all layers
    n_envs : number of episodes in a round
    n_rounds : number of rounds; each round plays episodes and then makes updates
    gradient_steps : number of updates in a round
    batch_size : number of observations in an update
    learning_rate : initial learning rate of Adam; it falls to a 50th along a cosine
    """

    spikes: float = 0.0
    skip: Annotated[str, OneOf(*SKIPS)] = "linear"
    n_envs: int = 8
    n_rounds: int = ROUNDS
    gradient_steps: int = UPDATES
    batch_size: int = 256
    learning_rate: float = 3e-3
