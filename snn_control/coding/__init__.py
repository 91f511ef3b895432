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
    SurfaceEncoder,
)
from .filters import BackgroundActivity, EventFilter, HotPixels, Polarity, RateLimit, Refractory, Region
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
    "BackgroundActivity",
    "Decoder",
    "DeltaEncoder",
    "DirectEncoder",
    "Encoder",
    "EventFilter",
    "EventsInput",
    "FieldsEncoder",
    "FirstSpikeDecoder",
    "Guard",
    "HotPixels",
    "Input",
    "LinearEncoder",
    "MembraneDecoder",
    "Output",
    "Polarity",
    "PoolEncoder",
    "PopulationEncoder",
    "PopulationVectorDecoder",
    "RateLimit",
    "Refractory",
    "Region",
    "SignedEncoder",
    "SpikeCountDecoder",
    "SpikeDecoder",
    "StepForwardEncoder",
    "SurfaceEncoder",
    "ValueInput",
]
