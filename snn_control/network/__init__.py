"""Descriptions of networks: frozen, in SI units, without a time step. Names are those of NIR and PyNN."""

from .connectors import *
from .distance import *
from .distributions import *
from .graph import *
from .neurons import *
from .plasticity import *
