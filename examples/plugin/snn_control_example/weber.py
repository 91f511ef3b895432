"""Weber contrast: an encoder that adapts to the background."""

from dataclasses import dataclass

import numpy as np

from snn_control.coding import Encoder, ValueInput
from snn_control.engine.build.builder import Builder, vector
from snn_control.engine.lowering import EncoderLowering
from snn_control.engine.program import PRE, Place
from snn_control.network import NeuronModel
from snn_control.network.checks import Each, EachPositive, EachSeconds


@dataclass(frozen=True, eq=False)
class WeberEncoder(Encoder):
    """Two currents per dimension, gain max(c, 0) and gain max(-c, 0), for the contrast c = (x - b) / (|b| + floor). The
    background b follows x with the time constant tau (Shapley and Enroth-Cugell 1984, Progress in Retinal Research
    3:263). Only the ratio of x to the background matters, not its unit.

    tau : [s]; gain : current at a contrast of 1; floor : > 0; start : background at reset
    All keys except the neuron: a number or (dimensions,).
    """

    tau: EachSeconds = 1.0
    gain: Each = 1.0
    floor: EachPositive = 1e-3
    start: Each = 1.0
    neuron: NeuronModel | None = None


def build(b: Builder, spec: ValueInput, held: Place) -> Place:
    """Lay out the arrays, emit the operation and return the place of the currents."""
    encoder, n, lay, where = spec.encoder, spec.size, b.layout, f"inputs.{spec.name}.encoder"
    assert isinstance(encoder, WeberEncoder)
    gain, floor, tau, start = (
        vector(f"{where}.{key}", getattr(encoder, key), n) for key in ("gain", "floor", "tau", "start")
    )
    rate = -np.expm1(-b.dt * b.steps / tau)  # it runs once a tick
    params = np.stack([gain, floor, rate]).astype(np.float32)
    drive = lay.state(f"{spec.name}.drive", "float32", 2 * n)
    background = lay.state(f"{spec.name}.background", "float32", n, start)
    words = {"values": held, "out": drive, "background": background, "params": lay.constant("", params)}
    b.emit(PRE, "weber", n=n, **words, label=spec.name)
    return drive


LOWERING = EncoderLowering(build)
