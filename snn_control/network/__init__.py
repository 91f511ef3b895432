"""Descriptions of networks: frozen, in SI units, independent of a time step, with the names of NIR and PyNN."""

from .connectors import *
from .distance import *
from .distributions import *
from .graph import *
from .neurons import *
from .plasticity import *
