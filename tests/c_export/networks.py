"""The Programs that the tests export: all shipped controllers, and a network of a size for microcontrollers."""

import numpy as np

from snn_control.coding import MembraneDecoder, Output, PopulationEncoder, SpikeDecoder, ValueInput
from snn_control.controller import build_program
from snn_control.controller_file import load_spec
from snn_control.engine.build import build
from snn_control.engine.program import Program
from snn_control.network import LIF, CubaLI, CubaLIF, Network, Population, Projection
from snn_control.resources import shipped, shipped_names

N = 128


def workload(precision: str = "float32") -> Program:
    """32 - 128 - 128 - 8 neurons, two steps a tick."""
    rng = np.random.default_rng(7)
    encoder = PopulationEncoder(8, neuron=LIF(tau_mem=0.01, reset="subtract"))
    x = ValueInput("x", size=4, range=(-1.0, 1.0), plausible=(-5.0, 5.0), stale=0.02, encoder=encoder)
    populations = (
        Population("h1", N, CubaLIF(tau_mem=0.01, tau_syn=0.005)),
        Population("h2", N, CubaLIF(tau_mem=0.02, tau_syn=0.01, refractory=0.003, reset="subtract"), bias=0.2),
        Population("y", 8, CubaLI(tau_mem=0.01, tau_syn=0.005)),
    )
    dense = [
        Projection(pre, post, rng.normal(mean, scale, shape), precision=precision)
        for pre, post, mean, scale, shape in (
            ("x", "h1", 0.3, 0.6, (32, N)), ("h1", "h2", 0.12, 0.35, (N, N)), ("h2", "y", 0.0, 0.5, (N, 8)),
        )
    ]  # fmt: skip
    k = 1000
    pre, post = np.divmod(rng.choice(N * N, k, replace=False), N)
    back = Projection("h2", "h1", rng.normal(0, 0.3, k), "sparse", pre, post, delay=0.005)
    outputs = [
        Output("u", (MembraneDecoder("y", np.eye(8)),), 8, limits=(-2.0, 2.0), slew=100.0, safe=0.1, ramp=True),
        Output("w", (SpikeDecoder("h2", rng.normal(0, 0.01, (N, 2)), 0.02),), 2, limits=(-1.0, 1.0)),
    ]
    return build(Network(populations, (*dense, back)), [x], outputs, dt=1e-3, period=2e-3)


#: name -> function that builds the Program
MAKE = {name: lambda name=name: build_program(load_spec(shipped(name))) for name in shipped_names()}
MAKE |= {"float32": workload, "int8": lambda: workload("int8")}
