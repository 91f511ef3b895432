"""The quadratic integrate-and-fire neuron: description and lowering."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from snn_control.engine.lowering import NeuronLowering
from snn_control.network import SpikingModel
from snn_control.network.checks import EachPositive, EachSeconds


@dataclass(frozen=True, eq=False)
class Quadratic(SpikingModel):
    """tau_mem dv/dt = slope (v - v_rest) (v - v_critical) + r I (Gerstner, Kistler, Naud and Paninski 2014, Neuronal
    Dynamics, section 5.3; Latham et al. 2000, J. Neurophysiol. 83:808).

    tau_mem : [s]
    slope : [1/V]
    v_rest, v_critical : below v_critical the membrane returns to v_rest, above it the membrane rises until it fires
    r : membrane resistance
    """

    tau_mem: EachSeconds = 0.02
    slope: EachPositive = 1.0
    v_rest: Any = 0.0
    v_critical: Any = 1.0
    r: Any = 1.0
    v_threshold: Any = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._below("v_rest", "v_critical")

    @property
    def rest(self) -> Any:
        """The initial membrane voltage."""
        return self.v_rest


def parameters(model: Quadratic, dt: float) -> dict[str, Any]:
    """Return the kernel's parameters for one time step."""
    share = dt / np.asarray(model.tau_mem, np.float64)
    return {
        "slope": share * model.slope, "rest": model.v_rest, "critical": model.v_critical, "gain": share * model.r,
        "threshold": model.v_threshold, "reset": model.v_reset,
    }  # fmt: skip


def states(model: Quadratic) -> dict[str, str | None]:
    return {"v": "float32", "wait": "uint16" if model.refractory else None}


LOWERING = NeuronLowering("quadratic", parameters, states)
