"""The activity of a single population, step by step."""

import numpy as np

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.engine.kernels.spikes import HEADER
from snn_control.network import Network, Population

DT = 1e-3


def alone(neuron, current, n=None, *, seed=0, steps_a_tick=1, dt=DT, name="p"):
    """A controller of one population with a constant current."""
    n = np.size(current) if n is None else n
    output = Output("u", (SpikeDecoder(name, 0.0, 1.0),))
    network = Network((Population(name, n, neuron, bias=current),))
    return Controller(build(network, [], [output], dt=dt, period=steps_a_tick * dt, seed=seed))


def lists(controller, name="p"):
    """(steps of a tick, n) int: how often each neuron fired in each step of the last tick."""
    facts = {p.name: p for p in controller.program.facts.populations}[name]
    ring, last = controller.bound.array(f"{name}.spikes"), int(controller.bound.array("clock")[1])
    steps = controller.program.steps
    counts = np.zeros((steps, facts.size), np.int64)
    for row, step in zip(counts, range(last - steps, last), strict=True):
        slot = ring[facts.stride * (step % facts.slots) :][: facts.stride]
        k = int(slot[:8].view(np.int64)[0])
        fired = slot[HEADER : HEADER + 4 * k].view(np.uint32)
        row[fired] = slot[facts.multiplicity :][: 2 * k].view(np.uint16) if facts.multiplicity else 1
    return counts


def raster(controller, ticks, name="p", given=None):
    """(steps, n) of several ticks; ``given`` is what a step observes, or a function of the tick."""
    found = []
    for tick in range(ticks):
        controller.step(given(tick) if callable(given) else given or {})
        found.append(lists(controller, name))
    return np.concatenate(found)
