"""Descriptions of what surrounds the network: inputs with encoders, outputs with decoders, limits, the guard."""

from .inputs import EventsInput, Input, LinearEncoder, PoolEncoder, PopulationEncoder, ValueInput
from .outputs import ArgmaxDecoder, Guard, MembraneDecoder, Output, SpikeDecoder

__all__ = [
    "ArgmaxDecoder",
    "EventsInput",
    "Guard",
    "Input",
    "LinearEncoder",
    "MembraneDecoder",
    "Output",
    "PoolEncoder",
    "PopulationEncoder",
    "SpikeDecoder",
    "ValueInput",
]
