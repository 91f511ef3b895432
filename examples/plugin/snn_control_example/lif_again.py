"""A second leaky integrate-and-fire neuron, to compare the speed of a plug-in's kernel with the built-in one."""

import math
from dataclasses import dataclass
from typing import Any

from snn_control.engine.lowering import NeuronLowering
from snn_control.network import SpikingModel
from snn_control.network.checks import EachBound, EachSeconds


@dataclass(frozen=True, eq=False)
class LifAgain(SpikingModel):
    """tau_mem dv/dt = (v_leak - v) + r I, exact for a current that is constant over a step. All neurons share the
    parameters.

    tau_mem : [s]
    v_min : lower bound of the membrane
    """

    tau_mem: EachSeconds = 0.02
    r: Any = 1.0
    v_leak: Any = 0.0
    v_min: EachBound = -math.inf

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None or self.refractory:
            raise self.wrong("refractory", "must be 0, and every parameter one number")


def parameters(model: LifAgain, dt: float) -> dict[str, Any]:
    decay, rise = math.exp(-dt / model.tau_mem), -math.expm1(-dt / model.tau_mem)
    gains = {"decay": decay, "gain": model.r * rise, "leak": model.v_leak * rise}
    return gains | {"threshold": model.v_threshold, "reset": model.v_reset, "floor": model.v_min}


LOWERING = NeuronLowering("lif_again", parameters, lambda model: {"v": "float32"})
