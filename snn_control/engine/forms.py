"""How a neuron description becomes a kernel's row: the registry of neuron models that can be built."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BuildError
from ..network import LI, LIF, CubaLIF, NeuronModel
from .kernels import neurons

__all__ = ["NeuronForm", "form_of", "register_neuron"]

FLOAT_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NeuronForm:
    """How a neuron description becomes a kernel's row.

    kernel : name in the registry
    parameters : (description, dt) -> float32 array
    graded : the output is ``v`` instead of spikes
    synaptic : it has ``isyn``
    """

    kernel: str
    parameters: Callable[[Any, float], np.ndarray]
    graded: bool = False
    synaptic: bool = False


def _membrane(model: Any, dt: float) -> np.ndarray:
    p = np.zeros(neurons.N_PARAMS)
    decay = math.exp(-dt / model.tau_mem)
    p[neurons.DECAY], p[neurons.GAIN], p[neurons.LEAK] = decay, model.r * (1 - decay), model.v_leak * (1 - decay)
    if isinstance(model, LIF):
        p[neurons.THRESHOLD], p[neurons.RESET] = model.v_threshold, model.v_reset
        p[neurons.FLOOR] = max(model.v_min, -FLOAT_MAX)
    if isinstance(model, CubaLIF):
        p[neurons.DECAY_SYN] = math.exp(-dt / model.tau_syn)
    return p.astype(np.float32)


FORMS: dict[type, NeuronForm] = {
    LIF: NeuronForm("lif", _membrane),
    CubaLIF: NeuronForm("cuba_lif", _membrane, synaptic=True),
    LI: NeuronForm("li", _membrane, graded=True),
}


def form_of(path: str, neuron: NeuronModel) -> NeuronForm:
    """The form of a neuron model, which stands at ``path``; raises BuildError where none is registered."""
    if type(neuron) not in FORMS:
        raise BuildError(path, type(neuron).__name__, "no kernel is registered for this model")
    return FORMS[type(neuron)]


def register_neuron(description: type, form: NeuronForm) -> None:
    """Make a neuron description of another package buildable."""
    FORMS[description] = form
