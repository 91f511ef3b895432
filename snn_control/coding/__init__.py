"""Descriptions of what surrounds the network: inputs with encoders, outputs with decoders, limits, the guard."""

from .encoders import (
    DeltaEncoder,
    DirectEncoder,
    Encoder,
    FieldsEncoder,
    LinearEncoder,
    PoolEncoder,
    PopulationEncoder,
    SignedEncoder,
    StepForwardEncoder,
)
from .inputs import EventsInput, Input, ValueInput
from .outputs import (
    ArgmaxDecoder,
    Decoder,
    FirstSpikeDecoder,
    Guard,
    MembraneDecoder,
    Output,
    PopulationVectorDecoder,
    SpikeCountDecoder,
    SpikeDecoder,
)

__all__ = [
    "ArgmaxDecoder",
    "Decoder",
    "DeltaEncoder",
    "DirectEncoder",
    "Encoder",
    "EventsInput",
    "FieldsEncoder",
    "FirstSpikeDecoder",
    "Guard",
    "Input",
    "LinearEncoder",
    "MembraneDecoder",
    "Output",
    "PoolEncoder",
    "PopulationEncoder",
    "PopulationVectorDecoder",
    "SignedEncoder",
    "SpikeCountDecoder",
    "SpikeDecoder",
    "StepForwardEncoder",
    "ValueInput",
]
