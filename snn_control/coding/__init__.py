"""Descriptions of a controller's interfaces: inputs with encoders, outputs with decoders and limits, and the guard."""

from .encoders import *
from .filters import *
from .frame_source import *
from .inputs import *
from .outputs import *
