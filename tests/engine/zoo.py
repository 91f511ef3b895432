"""A controller in which every kernel runs, and what it did: ``python -m tests.engine.zoo STEPS`` prints a digest."""

import hashlib
import sys

import numpy as np

from snn_control.coding import (
    ArgmaxDecoder,
    BackgroundActivity,
    EventsInput,
    FieldsEncoder,
    FirstSpikeDecoder,
    HotPixels,
    LinearEncoder,
    MembraneDecoder,
    Output,
    Polarity,
    PoolEncoder,
    PopulationEncoder,
    PopulationVectorDecoder,
    RateLimit,
    Refractory,
    Region,
    SignedEncoder,
    SpikeCountDecoder,
    SpikeDecoder,
    StepForwardEncoder,
    SurfaceEncoder,
    ValueInput,
)
from snn_control.controller import Controller, build_program
from snn_control.controller_file import ControllerSpec
from snn_control.network import (
    ALIF,
    IF,
    LI,
    LIF,
    PES,
    STDP,
    AdEx,
    Bernoulli,
    CubaLI,
    CubaLIF,
    EProp,
    Integrator,
    Izhikevich,
    Latency,
    Network,
    Phase,
    Poisson,
    Population,
    Projection,
    Relay,
    RewardSTDP,
    Threshold,
)
from snn_control.network.convolution import Convolution, pooling

DT = 1e-3
N = 24


def models(rng):
    """Every neuron model in several forms."""
    each = rng.uniform(0.5, 1.5, N)
    adex = {"v_threshold": 1.2, "v_reset": -0.1, "v_leak": 0.0, "r": 2.0, "v_rheobase": 0.6, "delta_t": 0.1}
    return {
        "lif": LIF(tau_mem=0.01),
        "resting": LIF(tau_mem=0.01, refractory=3e-3, v_leak=0.1),
        "each": LIF(tau_mem=0.01 * each, v_threshold=each, reset="subtract"),
        "late": LIF(tau_mem=0.01, reset="subtract", reset_delay=True, integration="euler", strict=True),
        "twice": LIF(tau_mem=0.01, reset="subtract_snntorch"),
        "several": IF(r=120.0, several=True, reset="subtract", v_min=-1.0),
        "cuba": CubaLIF(tau_mem=0.01, tau_syn=0.004),
        "cuba_resting": CubaLIF(tau_mem=0.01, tau_syn=0.01, refractory=2e-3),
        "adaptive": ALIF(tau_mem=0.01, tau_adapt=0.05, beta=0.3, reset="subtract"),
        "adex": AdEx(tau_mem=0.01, tau_w=0.1, a=0.1, b=0.1, **adex),
        "izhikevich": Izhikevich(r=8.0 * each),
        "threshold": Threshold(1.1),
        "bernoulli": Bernoulli(100.0 * each),
        "poisson": Poisson(900.0),
        "latency": Latency(0.01),
        "phase": Phase(8),
        "li": LI(tau_mem=0.02),
        "cuba_li": CubaLI(tau_mem=0.02, tau_syn=0.01),
        "integrator": Integrator(r=0.1),
        "relay": Relay(),
    }


def program():
    return build_program(description())


def description():
    rng = np.random.default_rng(4)
    neurons = models(rng)
    populations = [Population(name, N, model, bias=rng.uniform(0.2, 0.9, N)) for name, model in neurons.items()]
    w = [rng.normal(0.2, 0.5, (N, N)) for _ in range(6)]
    index, delays = rng.integers(0, N, (2, 90)), DT * rng.integers(1, 6, 90)
    shape = (2, 3, 4)
    pool, pooled = pooling((2, 3, 4), (1, 2), average=True)
    projections = [Projection("x", name, rng.normal(0, 1, (3, N)), receptor="current") for name in neurons]
    projections += [
        Projection("camera", "lif", 0.3, receptor="current"),
        Projection("left", "lif", 0.1, receptor="current"),
        Projection("right", "cuba", 0.1, receptor="current"),
        Projection("lif", "cuba", w[0]),
        Projection("lif", "late", w[1], precision="int8"),
        Projection("several", "cuba_resting", w[2], delay=2e-3),
        Projection("cuba", "twice", 0.2, "sparse", *index, delay=delays),
        Projection("cuba", "adaptive", 0.3, "sparse", *index, delay=DT, precision="int8", tau_syn=0.01),
        Projection("adaptive", "adex", rng.normal(0, 0.1, 90), "sparse", *index),
        Projection("cuba_resting", "seen", rng.normal(0.3, 0.4, (4, 1, 2, 3)), Convolution(shape, 2, 1, groups=2)),
        Projection("relay", "izhikevich", 1.5, "one_to_one", delay=2e-3),
        Projection("li", "cuba_li", w[3], delay=3e-3),
        Projection("integrator", "resting", rng.normal(0, 0.1, (2, 2, 1, 1)), Convolution(shape)),
        Projection("twice", "small", pooled, pool),
        Projection("threshold", "relay", -0.2, "one_to_one", delay=DT),
        Projection("x", "seen", 0.4, "sparse", np.arange(16) % 3, np.arange(16), receptor="current"),
        Projection("relay", "each", 0.2, "sparse", index[0][:N], rng.permutation(N), delay=DT),
        Projection("li", "twice", rng.normal(0, 0.1, 90), "sparse", *index),
    ]
    projections += learning(rng, index)
    populations += [
        Population("small", 12, LI(tau_mem=0.01)),
        Population("reward", 1, Relay()),
        Population("seen", 16, LIF(tau_mem=0.01), bias=0.5),
    ]
    filters = (
        Region(0, 1, 8, 6), HotPixels(pixels=[(3, 3), (4, 1)]), BackgroundActivity(0.005), Refractory(0.004, True),
        Polarity("on"), RateLimit(3000.0),
    )  # fmt: skip
    leaky = PoolEncoder((4, 4), "split", response="saturate", ceiling=2.0, tau=0.01)
    inputs = [
        ValueInput("x", size=3, range=(-2.0, 2.0)),
        ValueInput("y", size=2, range=(-1, 1), encoder=PopulationEncoder(8, neuron=LIF(tau_mem=0.01))),
        ValueInput("scan", size=4, range=(0, 5), not_finite=("high", "low", "hold", "reject"), required=False),
        ValueInput("z", size=2, encoder=LinearEncoder(rng.normal(size=(2, 10)))),
        ValueInput("pose", size=2, range=(-1, 1), encoder=FieldsEncoder((4, 3), drive=1.0, neuron=Poisson(300.0))),
        ValueInput("both", size=2, encoder=SignedEncoder(0.7, neuron=Latency(0.012, linear=True))),
        ValueInput("moves", size=2, rate=(50.0, 80.0), jump=3.0, frozen=0.5, encoder=StepForwardEncoder(0.2)),
        ValueInput("halt", stop_when="nonzero", latched=False, stale=1.0),
        EventsInput("camera", size=(8, 8), encoder=PoolEncoder((4, 4), "split"), capacity=64),
        EventsInput("left", size=(8, 8), encoder=SurfaceEncoder((4, 2), 0.02), filters=filters, capacity=64),
        EventsInput("right", size=(8, 8), encoder=leaky, filters=(*filters[3:], filters[0]), capacity=64),
    ]
    terms = [SpikeDecoder(name, 0.002, 0.02) for name, model in neurons.items() if not model.graded]
    graded = tuple(MembraneDecoder(name, 0.1) for name in ("cuba_li", "relay", "integrator", "small"))
    graded += (MembraneDecoder("li", 0.1, 3 * DT),)
    outputs = [
        Output("u", tuple(terms) + graded, limits=(-50, 50), slew=1e4),
        Output("way", (PopulationVectorDecoder("pose", rng.normal(size=(12, 2)), 0.02, hold=True),
                       SpikeCountDecoder("moves", rng.normal(size=(4, 2)), 0.03),
                       FirstSpikeDecoder("both", 0.012, rng.normal(size=(4, 2)))), 2),
        Output("choice", ArgmaxDecoder(3, (SpikeDecoder("y", rng.normal(size=(16, 3)), 0.02),
                                           MembraneDecoder("z", rng.normal(size=(10, 3)))))),
        Output("squashed", (MembraneDecoder("li", 0.05),), limits=(-0.1, 0.3), squash=True),
    ]  # fmt: skip
    return ControllerSpec(
        2 * DT, DT, tuple(inputs), Network(tuple(populations), tuple(projections)), tuple(outputs), seed=8
    )


def learning(rng, index):
    """Every learning rule; those that support sparse synapses on both kinds."""
    bounds = {"w_min": -1.0, "w_max": 1.0}
    pairs = {"a_plus": 0.02, "a_minus": 0.021}
    rules = [
        ("threshold", STDP(**pairs)),
        ("threshold", STDP(**pairs), index),
        ("resting", RewardSTDP(reward="reward", learning_rate=20.0, **pairs)),
        ("resting", RewardSTDP(reward="reward", learning_rate=20.0, **pairs), index),
        ("li", PES(error="relay", learning_rate=1e-3, **bounds)),
        ("late", EProp(error="small", feedback=rng.normal(size=(N, 12)), learning_rate=1.0, **bounds)),
        ("adaptive", EProp(error="small", feedback=0.3, learning_rate=1.0, **bounds)),
    ]
    return [Projection("x", "reward", rng.normal(size=(3, 1)))] + [
        Projection(
            "lif", post, rng.uniform(0, 0.1, 90 if sparse else (N, N)), *(("sparse", *index) if sparse else ()),
            learning=rule, delay=2e-3,
        )
        for post, rule, *sparse in rules
    ]  # fmt: skip


def observation(rng):
    n = int(rng.integers(0, 30))
    events = (np.sort(rng.integers(0, 10**7, n)), *rng.integers(0, 8, (2, n)), rng.integers(0, 2, n))
    values = {"x": rng.normal(size=3), "y": rng.uniform(-1, 1, 2), "z": rng.normal(size=2)}
    values["scan"] = np.where(rng.random(4) < 0.2, rng.choice([np.nan, np.inf, -np.inf]), rng.uniform(-1, 6, 4))
    return (
        values
        | {name: rng.uniform(-1, 1, 2) for name in ("pose", "both", "moves")}
        | dict.fromkeys(("camera", "left", "right"), events)
        | {"halt": float(rng.random() < 0.02)}
    )


def digest(steps):
    """Of all spikes and of the whole state, after ``steps`` steps."""
    controller, rng, sha = Controller(program()), np.random.default_rng(9), hashlib.sha256()
    spiking = controller.program.facts.spiking
    for _ in range(steps // 2):
        for value in controller.step(observation(rng)).values():
            sha.update(value.tobytes())
        for name in spiking:
            sha.update(controller.spikes(name).tobytes())
    sha.update(controller.state().tobytes())
    return sha.hexdigest(), controller.counters()["spikes"]


if __name__ == "__main__":
    found, spikes = digest(int(sys.argv[1]))
    print(found, min(spikes.values()))
