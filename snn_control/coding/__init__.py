"""Descriptions of the parts around the network: inputs with encoders, outputs with decoders, limits, and the guard."""

from .encoders import *
from .filters import *
from .frame_source import *
from .inputs import *
from .outputs import *
