"""Descriptions of networks: populations, projections, neuron models and learning rules, with the names of NIR and PyNN.

The descriptions are frozen dataclasses in SI units. They do not depend on the simulation time step.
"""

from .connectors import *
from .distance import *
from .distributions import *
from .graph import *
from .neurons import *
from .plasticity import *
