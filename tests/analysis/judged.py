"""Controllers to judge, and the expected findings."""

from __future__ import annotations

import numpy as np

from snn_control.analysis.diagnosis import diagnose
from snn_control.analysis.probe import probe
from snn_control.analysis.stimulus import Stimulus
from snn_control.controller import build_program
from snn_control.controller_file import parse_spec
from snn_control.record.input_log import InputLog

X = {"kind": "value", "size": 1, "range": [0, 1]}
LIF = {"type": "lif", "tau_mem": 0.01}
STEADY = np.ones((400, 1))
MOVING = (0.5 + 0.5 * np.sin(np.arange(400) / 40))[:, None]
EACH = [[2.5, 3.0, 3.5, 4.0]]  # weights of its own for each of four neurons


def controller(populations, projections, outputs=None, **x):
    """A controller with one number x as input; populations have 4 LIF neurons by default."""
    populations = {name: {"size": 4, "neuron": LIF} | p for name, p in populations.items()}
    first = next(iter(populations))
    decoder = {"type": "linear", "from": first, "tau": 0.01, "weights": 1.0}
    return {
        "version": 1,
        "period": 0.001,
        "inputs": {"x": X | x},
        "network": {"populations": populations, "projections": [{"pre": "x", **p} for p in projections]},
        "outputs": outputs or {"y": {"unit": "m/s", "decoder": decoder}},
    }


def health_of(values, x=MOVING, synthetic=False):
    spec = parse_spec(values)
    stimulus = Stimulus("a test", spec.period, InputLog.of(spec.period, len(x), {"x": np.asarray(x)}, {}), synthetic)
    return diagnose(spec, probe(build_program(spec), stimulus))


def lines_of(health, where):
    return [line for line in map(str, health.warnings()) if line.startswith(where)]


def membrane(weights, **more):
    return {"y": {"decoder": {"type": "membrane", "from": "x", "weights": weights}} | more}
