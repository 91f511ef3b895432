"""Describe a controller in a few lines of Python with `Model`, similar to a PyNN script.

>>> m = Model(dt=1e-3)
>>> x = m.input("x", 4)
>>> hidden = m.population("hidden", 100, LIF(tau_mem=0.02))
>>> m.connect(x, hidden, weights)
>>> m.output("u", hidden, decoders, tau=0.02)
>>> controller = m.controller()
"""

from __future__ import annotations

from typing import Any

from ..coding import Decoder, EventsInput, Guard, Input, MembraneDecoder, Output, SpikeDecoder, ValueInput
from ..controller_file import ControllerSpec
from ..errors import DescriptionError
from ..nef import Ensemble
from ..network import Network, NeuronModel, Population, Projection
from .controller import Controller

__all__ = ["Model"]


class Model:
    """Collects the parts of a controller: inputs, populations, projections and outputs. `controller` compiles them.

    dt : step of the network [s]
    period : control period [s], a whole number of steps; None means one step
    seed : seed of stochastic neurons
    """

    def __init__(self, dt: float, period: float | None = None, seed: int = 0) -> None:
        self.dt, self.period, self.seed = dt, dt if period is None else period, seed
        self.inputs: list[Input] = []
        self.populations: list[Population] = []
        self.projections: list[Projection] = []
        self.outputs: list[Output] = []
        self.guard = Guard()

    def input(self, name: str, size: int = 1, **more: Any) -> Input:
        """Add an input of ``size`` numbers. ``more`` are fields of `ValueInput`, such as range, encoder or stale."""
        self.inputs.append(ValueInput(name, size=size, **more))
        return self.inputs[-1]

    def events(self, name: str, size: tuple[int, int], **more: Any) -> Input:
        """Add an event camera of ``size`` (width, height) pixels. ``more`` are fields of `EventsInput`."""
        self.inputs.append(EventsInput(name, size=size, **more))
        return self.inputs[-1]

    def population(self, name: str, size: int, neuron: NeuronModel, **more: Any) -> Population:
        """Add a population of ``size`` neurons of one model. ``more`` are fields of `Population`: bias and v_init."""
        self.populations.append(Population(name, size, neuron, **more))
        return self.populations[-1]

    def connect(self, pre: Any, post: Any, weights: Any = 1.0, connection: Any = "dense", **more: Any) -> Projection:
        """Connect an input or population to a population, by objects or names. ``more`` are fields of `Projection`."""
        pre, post = (getattr(end, "name", end) for end in (pre, post))
        self.projections.append(Projection(pre, post, weights, connection, **more))
        return self.projections[-1]

    def add(self, network: Network) -> Network:
        """Add populations and projections of a Network, e.g. of `snn_control.nef.network`. Return the Network."""
        if not isinstance(network, Network):
            raise DescriptionError("network", type(network).__name__, "must be a Network")
        self.populations += network.populations
        self.projections += network.projections
        return network

    def output(
        self, name: str, source: Any = None, weights: Any = None, tau: float = 0.02, size: int = 1, **more: Any
    ) -> Output:
        """Add an output, a command decoded from the population or input ``source``, given as an object or a name.

        For spiking neurons, the command is the product of the weights and the firing rates [Hz], filtered with the time
        constant tau [s]. For graded neurons and inputs, it is the product of the weights (default 1) and their values.
        For an Ensemble without weights, it is the value that the Ensemble represents. An argument ``decoder`` replaces
        these rules. All other arguments in ``more`` are fields of `Output`. Raises DescriptionError for an unknown
        source, and for an Ensemble with another dt than the model.
        """
        if "decoder" not in more:
            more["decoder"] = (self._decoder(f"outputs.{name}", source, weights, tau),)
        self.outputs.append(Output(name, size=size, **more))
        return self.outputs[-1]

    def _decoder(self, path: str, source: Any, weights: Any, tau: float) -> Decoder:
        neurons = {i.name: getattr(getattr(i, "encoder", None), "neuron", None) for i in self.inputs}
        neurons |= {p.name: p.neuron for p in self.populations}
        origin = getattr(source, "name", source)
        if origin not in neurons:
            known = ", ".join(neurons) or "there is none yet"
            raise DescriptionError(path, origin, f"must be a population or an input: {known}")
        if isinstance(source, Ensemble):
            if source.dt != self.dt:
                raise source.wrong("dt", f"must be the model's dt ({self.dt} s)")
            if weights is None:
                return source.decoder(tau)
        neuron, weights = neurons[origin], 1.0 if weights is None else weights
        if neuron is None or neuron.graded:
            return MembraneDecoder(origin, weights)
        return SpikeDecoder(origin, weights, tau)

    def spec(self) -> ControllerSpec:
        """Return the description of the controller, as `load_spec` would return it for a controller file."""
        network = Network(tuple(self.populations), tuple(self.projections))
        inputs, outputs = tuple(self.inputs), tuple(self.outputs)
        return ControllerSpec(self.period, self.dt, inputs, network, outputs, self.guard, seed=self.seed)

    def controller(self) -> Controller:
        """Compile the description and return the controller; raises DescriptionError if the parts do not fit."""
        return Controller.from_spec(self.spec())
