"""Small networks that together contain every kernel with an adjoint, for the tests of gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from snn_control import Model
from snn_control.coding import (
    DeltaEncoder,
    MembraneDecoder,
    PoolEncoder,
    PopulationEncoder,
    PopulationVectorDecoder,
    SignedEncoder,
    SpikeCountDecoder,
    SpikeDecoder,
    SurfaceEncoder,
)
from snn_control.coding.filters import Refractory
from snn_control.network import ALIF, IF, LI, LIF, CubaLI, CubaLIF, Integrator
from snn_control.network.convolution import Convolution

DT = 0.005


def start(rng, size=3, encoder=None, steps=4):
    m = Model(dt=DT, period=steps * DT)
    return m, m.input(
        "x", size, range=([-1] * size, [1] * size), encoder=encoder or PopulationEncoder(neurons=4, drive=1.0)
    )


def draw(rng, *shape, scale=0.5):
    return rng.normal(0, scale, shape).astype(np.float32)


def lif(**more):
    return LIF(**({"tau_mem": 0.018, "r": 4.0, "reset": "subtract"} | more))


def feedforward(rng):
    m, x = start(rng)
    a, b = (
        m.population("a", 9, lif(), bias=draw(rng, 9) * 0.3 + 0.2),
        m.population("b", 8, lif(reset="value"), bias=0.1),
    )
    out = m.population("out", 2, LI(tau_mem=0.02, r=4.0), bias=draw(rng, 2))
    m.connect(x, a, draw(rng, 12, 9))
    m.connect(a, b, draw(rng, 9, 8))
    m.connect(b, out, draw(rng, 8, 2))
    m.output("u", out, draw(rng, 2, 2), size=2, bias=[0.1, -0.2])
    return m


def recurrent(rng):
    """A cycle of two populations and a loop, with delays; a graded population in another cycle."""
    m, x = start(rng)
    a, b = m.population("a", 9, lif(), bias=0.3), m.population("b", 7, lif(v_min=-0.4), bias=0.2)
    slow = m.population("slow", 3, LI(tau_mem=0.03, r=2.0))
    m.connect(x, a, draw(rng, 12, 9))
    m.connect(a, b, draw(rng, 9, 7), delay=2 * DT)
    m.connect(b, a, draw(rng, 7, 9), delay=3 * DT)
    m.connect(a, a, draw(rng, 9, 9), delay=DT)
    m.connect(b, slow, draw(rng, 7, 3))
    m.connect(slow, slow, draw(rng, 3, 3, scale=0.2), delay=2 * DT)
    m.connect(slow, b, draw(rng, 3, 7), delay=DT)
    m.output("u", slow, draw(rng, 3, 2), size=2)
    return m


def currents(rng):
    """Synaptic currents of neurons and of projections, adaptation, refractory periods, late resets."""
    m, x = start(rng, encoder=SignedEncoder(gain=0.8))
    a = m.population("a", 8, CubaLIF(tau_mem=0.02, tau_syn=0.01, r=3.0, reset="subtract"), bias=0.3)
    b = m.population("b", 6, ALIF(tau_mem=0.02, r=3.0, tau_adapt=0.05, beta=0.3, refractory=2 * DT), bias=0.4)
    c = m.population("c", 5, lif(reset_delay=True), bias=0.2)
    d = m.population("d", 5, lif(reset="value", reset_delay=True), bias=0.2)
    out = m.population("out", 2, CubaLI(tau_mem=0.02, tau_syn=0.01, r=2.0), bias=0.05)
    m.connect(x, a, draw(rng, 6, 8, scale=1))
    m.connect(a, b, draw(rng, 8, 6), tau_syn=0.008)
    m.connect(b, c, draw(rng, 6, 5), bias=draw(rng, 5))
    m.connect(a, d, draw(rng, 8, 5, scale=1))
    m.connect(c, out, draw(rng, 5, 2))
    m.connect(d, out, draw(rng, 5, 2))
    m.output("u", out, draw(rng, 2, 2), size=2)
    return m


def sparse(rng):
    m, x = start(rng)
    pre, post = np.repeat(np.arange(12), 3), rng.integers(0, 9, 36)
    keep = np.unique(pre * 9 + post)
    a, b = m.population("a", 9, lif(), bias=0.2), m.population("b", 9, IF(r=40.0, reset="subtract"), bias=0.2)
    out = m.population("out", 3, Integrator(r=3.0))
    m.connect(x, a, draw(rng, keep.size), connection="sparse", pre_index=keep // 9, post_index=keep % 9)
    m.connect(a, b, draw(rng, 9, scale=1), connection="one_to_one", delay=DT)
    delays = rng.integers(0, 4, 40) * DT
    m.connect(
        a, b, draw(rng, 40), connection="sparse", pre_index=np.arange(40) % 9, post_index=np.arange(40) // 9 % 9,
        delay=delays,
    )  # fmt: skip
    m.connect(b, out, draw(rng, 9, 3))
    m.connect(out, out, draw(rng, 3), connection="one_to_one", delay=DT)
    m.output("u", out, draw(rng, 3, 2), size=2)
    return m


def pictures(rng):
    m = Model(dt=DT, period=2 * DT)
    x = m.input("x", 36, range=([-1] * 36, [1] * 36))
    a = m.population("a", 2 * 16, lif(), bias=0.2)
    b = m.population("b", 8, lif(), bias=0.2)
    m.connect(x, a, draw(rng, 2, 1, 3, 3), connection=Convolution((1, 6, 6)))
    m.connect(a, b, draw(rng, 2, 2, 2, 2), connection=Convolution((2, 4, 4), stride=2))
    m.output("u", b, draw(rng, 8, 2) * 0.02, size=2, tau=0.02)
    return m


def shared(rng):
    """Two pixels with the same weights, also from step to step and through currents of the projections' own."""
    m = Model(dt=DT, period=2 * DT)
    x = m.input("x", 6, range=([-1] * 6, [1] * 6))
    a = m.population("a", 8, lif(), bias=0.2)
    out = m.population("out", 2, LI(tau_mem=0.02, r=3.0))
    m.connect(x, a, draw(rng, 4, 3, 1, 1), connection=Convolution((3, 1, 2)))
    m.connect(a, a, draw(rng, 4, 4, 1, 1), connection=Convolution((4, 1, 2)), delay=DT)
    m.connect(a, out, draw(rng, 1, 4, 1, 1), connection=Convolution((4, 1, 2)), tau_syn=0.012)
    m.connect(x, out, draw(rng, 1, 3, 1, 1), connection=Convolution((3, 1, 2)), tau_syn=0.03)
    m.output("u", out, draw(rng, 2, 2), size=2)
    return m


def channels(rng):
    """Graded signals whose targets have one synapse each."""
    m, x = start(rng, size=2, encoder=SignedEncoder(gain=1.0))
    a, b = m.population("a", 8, lif(), bias=draw(rng, 8) * 0.2 + 0.1), m.population("b", 8, lif(), bias=0.2)
    one = {"connection": "sparse", "pre_index": np.arange(8) % 4, "post_index": np.arange(8)}
    m.connect(x, a, draw(rng, 8, scale=1), **one)
    m.connect(x, b, 0.7, **one)
    m.connect(a, b, draw(rng, 8, 8))
    terms = (SpikeDecoder("a", draw(rng, 8, 2) * 0.01, 0.02), SpikeDecoder("b", draw(rng, 8, 2) * 0.01, 0.01))
    m.output("u", decoder=terms, size=2)
    return m


def decoders(rng):
    m, x = start(rng)
    a = m.population("a", 9, lif(), bias=0.3)
    out = m.population("out", 4, LI(tau_mem=0.02, r=3.0))
    m.connect(x, a, draw(rng, 12, 9))
    m.connect(a, out, draw(rng, 9, 4))
    m.output("u", decoder=(
        SpikeCountDecoder("a", window=6 * DT, weights=draw(rng, 9, 2)),
        MembraneDecoder("out", draw(rng, 4, 2), window=6 * DT),
    ), size=2)  # fmt: skip
    m.output("w", decoder=(PopulationVectorDecoder("a", directions=draw(rng, 9, 2), tau=0.01, hold=True),), size=2)
    return m


def pulses(rng):
    """Spikes of an encoder, and changes that act in the first step of a tick alone."""
    m, x = start(rng, encoder=DeltaEncoder(threshold=0.2, neuron=None))
    y = m.input("y", 2, range=([-1] * 2, [1] * 2), encoder=PopulationEncoder(neurons=4, drive=2.0, neuron=lif()))
    a = m.population("a", 9, lif(), bias=0.3)
    out = m.population("out", 2, LI(tau_mem=0.02, r=3.0))
    m.connect(x, a, draw(rng, 6, 9, scale=1))
    m.connect(y, a, draw(rng, 8, 9))
    m.connect(a, out, draw(rng, 9, 2))
    m.connect(x, out, draw(rng, 6, 2), delay=DT)
    m.output("u", out, draw(rng, 2, 2), size=2)
    return m


def cameras(rng):
    """Events of two cameras: filtered and counted, in the first step of a tick; and a surface that makes spikes."""
    m = Model(dt=DT, period=4 * DT)
    eye = PoolEncoder((3, 2), polarity="split", response="saturate", ceiling=3.0)
    one = m.events("one", (12, 8), encoder=eye, capacity=32, filters=(Refractory(0.03),))
    two = m.events("two", (8, 8), encoder=SurfaceEncoder((2, 2), tau=0.03, neuron=lif()), capacity=32)
    a = m.population("a", 9, lif(), bias=0.2)
    out = m.population("out", 2, LI(tau_mem=0.02, r=3.0))
    m.connect(one, a, draw(rng, 12, 9))
    m.connect(two, a, draw(rng, 4, 9, scale=1))
    m.connect(a, a, draw(rng, 9, 9), delay=2 * DT)
    m.connect(one, out, draw(rng, 12, 2, scale=0.1), delay=DT)
    m.connect(a, out, draw(rng, 9, 2))
    m.output("u", out, draw(rng, 2, 2), size=2)
    return m


def staircases(rng):
    """Several spikes in a step, and neurons that fire again at twice the threshold only."""
    m, x = start(rng)
    a = m.population("a", 9, lif(several=True, r=8.0, v_min=-0.5), bias=draw(rng, 9) * 0.3 + 0.3)
    b = m.population("b", 8, CubaLIF(tau_syn=0.01, r=1.5, v_threshold=0.4, reset="subtract", several=True), bias=0.2)
    c = m.population("c", 6, lif(r=6.0, reset="subtract_snntorch"), bias=0.5)
    d = m.population("d", 6, ALIF(tau_adapt=0.05, beta=0.3, r=6.0, reset="subtract_snntorch"), bias=0.5)
    out = m.population("out", 2, LI(tau_mem=0.02, r=3.0, v_min=-0.02))
    m.connect(x, a, draw(rng, 12, 9))
    m.connect(a, b, draw(rng, 9, 8))
    m.connect(a, a, draw(rng, 9, 9, scale=0.1), delay=DT)
    m.connect(b, c, draw(rng, 8, 6))
    m.connect(b, d, draw(rng, 8, 6))
    m.connect(c, out, draw(rng, 6, 2))
    m.connect(d, out, draw(rng, 6, 2))
    m.output("u", out, draw(rng, 2, 2), size=2)
    return m


class EachTick(Model):
    """Its populations are reset at each tick."""

    def spec(self):
        return replace(super().spec(), reset_each_tick=True)


def samples(rng):
    """Populations that are reset at each tick, and decoders that are not."""
    m = EachTick(dt=DT, period=5 * DT)
    x = m.input("x", 3, range=([-1] * 3, [1] * 3), encoder=PopulationEncoder(neurons=4, drive=1.0))
    a = m.population("a", 9, CubaLIF(tau_mem=0.02, tau_syn=0.01, r=6.0), bias=0.3, v_init=draw(rng, 9) * 0.3)
    b = m.population("b", 6, ALIF(tau_mem=0.02, r=6.0, tau_adapt=0.05, beta=0.3, reset_delay=True), bias=0.4)
    out = m.population("out", 2, CubaLI(tau_mem=0.02, tau_syn=0.01, r=2.0, v_leak=0.1), bias=0.05)
    m.connect(x, a, draw(rng, 12, 9, scale=1))
    m.connect(a, b, draw(rng, 9, 6), tau_syn=0.008)
    m.connect(b, out, draw(rng, 6, 2))
    terms = (SpikeDecoder("a", draw(rng, 9, 2) * 0.01, 0.03), MembraneDecoder("out", draw(rng, 2, 2), window=3 * DT))
    m.output("u", decoder=terms, size=2)
    return m


NETWORKS = [feedforward, recurrent, currents, sparse, pictures, channels, decoders, pulses, cameras]
NETWORKS += [staircases, samples, shared]
