"""Model: a controller described in a few lines of Python, as PyNN's scripts do.

>>> m = Model(dt=1e-3)
>>> x = m.input("x", 4)
>>> hidden = m.population("hidden", 100, LIF(tau_mem=0.02))
>>> m.connect(x, hidden, weights)
>>> m.output("u", hidden, decoders, tau=0.02)
>>> controller = m.controller()
"""

from __future__ import annotations

from typing import Any

from .coding import EventsInput, Guard, Input, MembraneDecoder, Output, SpikeDecoder, ValueInput
from .controller import Controller
from .errors import DescriptionError
from .network import Network, NeuronModel, Population, Projection
from .spec import ControllerSpec

__all__ = ["Model"]


class Model:
    """Collects descriptions; `spec` and `controller` make something of them at any time.

    dt : step of the network [s]
    period : control period [s], a whole number of steps; None is one step
    seed : of stochastic neurons
    """

    def __init__(self, dt: float, period: float | None = None, seed: int = 0) -> None:
        self.dt, self.period, self.seed = dt, dt if period is None else period, seed
        self.inputs: list[Input] = []
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.outputs: list[Output] = []
        self.guard = Guard()

    def input(self, name: str, size: int = 1, **more: Any) -> Input:
        """A vector of ``size`` numbers; ``more`` as `ValueInput` has it (range, encoder, stale, ...)."""
        self.inputs.append(ValueInput(name, size=size, **more))
        return self.inputs[-1]

    def events(self, name: str, size: tuple[int, int], **more: Any) -> Input:
        """An event camera of (width, height) pixels; ``more`` as `EventsInput` has it."""
        self.inputs.append(EventsInput(name, size=size, **more))
        return self.inputs[-1]

    def population(self, name: str, size: int, neuron: NeuronModel, **more: Any) -> Population:
        """``size`` neurons; ``more`` as `Population` has it (bias, v_init)."""
        self.populations.append(Population(name, size, neuron, **more))
        return self.populations[-1]

    def connect(self, pre: Any, post: Any, weights: Any = 1.0, connection: Any = "dense", **more: Any) -> Projection:
        """Connections between two of what this model gave, or their names; ``more`` as `Projection` has it."""
        pre, post = (getattr(end, "name", end) for end in (pre, post))
        self.projections.append(Projection(pre, post, weights, connection, **more))
        return self.projections[-1]

    def output(
        self, name: str, source: Any = None, weights: Any = 1.0, tau: float = 0.02, size: int = 1, **more: Any
    ) -> Output:
        """A command decoded from one population: of spikes, rates [Hz] filtered with tau [s] times weights; of graded
        neurons, their values times weights. ``decoder=`` in ``more`` takes any other; the rest is as `Output` has it.
        """
        if "decoder" not in more:
            known = {p.name: p for p in self.populations}
            origin = getattr(source, "name", source)
            if origin not in known:
                raise DescriptionError(f"outputs.{name}", origin, f"must be a population: {', '.join(known)}")
            graded = known[origin].neuron.graded
            more["decoder"] = (MembraneDecoder(origin, weights) if graded else SpikeDecoder(origin, weights, tau),)
        self.outputs.append(Output(name, size=size, **more))
        return self.outputs[-1]

    def spec(self) -> ControllerSpec:
        """What a controller file says."""
        network = Network(tuple(self.populations), tuple(self.projections))
        inputs, outputs = tuple(self.inputs), tuple(self.outputs)
        return ControllerSpec(self.period, self.dt, inputs, network, outputs, self.guard, seed=self.seed)

    def controller(self) -> Controller:
        """Compiled and ready to step; raises DescriptionError where something does not fit."""
        return Controller.from_spec(self.spec())
