"""Write the network of a starting point for event cameras with short steps: leaky neurons and a recurrent layer.

A step of a millisecond contains few events. Leaky neurons, one for each cell of the sensor, sum the events. Together
they form a picture of recent changes of brightness. Neurons with longer time constants compute commands from this
picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["GRID", "SHORT", "network_text"]

SHORT = 0.005  # s, environments with steps up to this length get leaky pictures
GRID = 16  # columns and rows of a picture
PICTURES = {"slow": 0.2, "fast": 0.03}  # s, time constants of the pictures
ENOUGH = 0.5  # events per pixel that make a cell fire
LAYER, SLOW = 64, 0.05  # neurons of a layer; its long time constant [s]
#: standard deviations of random weights: into a layer, between layers, into a read-out
INTO, ACROSS, READ = 0.1, 0.02, 0.003


def network_text(
    cameras: Sequence[tuple[str, int, float]],
    numbers: Sequence[str],
    readouts: Sequence[tuple[str, int]],
    layers: tuple[str, str],
    period: float,
    seed: int,
) -> list[str]:
    """Return the lines of the ``network`` section of a controller file.

    cameras : (name, number of cells, pixels per cell) of each camera; the pooling of each camera is ``signed``
    numbers : names of the other inputs
    readouts : (name, number of neurons) of each population that an output reads
    layers : names of the two halves of the recurrent layer: the half with short time constants, and the half with long
        time constants
    period : control period [s]
    seed : seed of the random weights
    """
    populations, wires, seeds = [], [], iter(range(1000 * seed, 1000 * seed + 1000))

    def connect(pre: str, post: str, std: float, more: str = "") -> None:
        weights = f"{{type: normal, mean: 0, std: {std:.3g}, seed: {next(seeds)}}}"
        wires.append(f"    - {{pre: {pre}, post: {post}, weights: {weights}{more}}}")

    pictures = []
    for camera, cells, pixels in cameras:
        for which, tau in PICTURES.items():
            for polarity, sign in (("on", 1), ("off", -1)):
                name, weight = f"{camera}_{which}_{polarity}", sign / (ENOUGH * pixels)
                neuron = f"type: cuba_lif, integration: exponential_euler, tau_mem: {2.5 * period:g}, tau_syn: {tau:g}"
                more = f"refractory: {2 * period:g}, v_min: -1"
                populations.append(f"    {name}: {{size: {cells}, neuron: {{{neuron}, {more}}}}}")
                wires.append(f"    - {{pre: {camera}, post: {name}, connection: one_to_one, weights: {weight:.4g}}}")
                pictures.append(name)
    populations.append("    # a recurrent layer: half of it has time constants of 5 steps, half longer ones")
    for layer, tau in zip(layers, (5 * period, SLOW), strict=True):
        kept = 1 - math.exp(-period / tau)
        neuron = f"type: lif, tau_mem: {tau:g}, r: {1 / kept:.6g}, reset: subtract, v_min: -2"
        populations.append(f"    {layer}: {{size: {LAYER}, neuron: {{{neuron}}}, bias: {0.15 * kept:.3g}}}")
        for source in (*pictures, *numbers):
            connect(source, layer, INTO * math.sqrt(kept / 0.18))
        for other in layers:
            connect(other, layer, ACROSS, f", delay: {period:g}")
    populations.append("    # leaky integrators do not spike: decoders read their membranes")
    for name, size in readouts:
        populations.append(f"    {name}: {{size: {size}, neuron: {{type: li, tau_mem: {5 * period:g}, r: 20}}}}")
        for source in (*pictures, *numbers, *layers):
            connect(source, name, READ)
    return [
        *("", "network:", "  populations:"),
        "    # leaky counts: a cell fires when it becomes brighter (on) or darker (off), by half an event per pixel",
        *populations,
        "  projections:",
        *wires,
    ]
