"""The cost of learning: a controller with its rule on and off, interleaved in one process.

A constant current makes two populations of LIF neurons fire at about 25 Hz. One projection between them, dense or with
a tenth of the synapses, learns by each of the rules. dt is 1 ms. The difference of both times is the rule's own time.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import (
    ALIF,
    LIF,
    PES,
    STDP,
    EProp,
    FixedProbability,
    LearningRule,
    Network,
    Population,
    Projection,
    Relay,
    RewardSTDP,
    Uniform,
)

from .engine import undisturbed

DT, SIZES, SHARE = 1e-3, (128, 512), 0.1
PAIRS = {"a_plus": 1e-4, "a_minus": 1e-4}
#: name -> rule, sparse, model of the postsynaptic neurons
CASES: dict[str, tuple[LearningRule, bool, type[LIF]]] = {
    "stdp": (STDP(**PAIRS), False, LIF),
    "stdp, sparse": (STDP(**PAIRS), True, LIF),
    "reward_stdp": (RewardSTDP(reward="reward", **PAIRS), False, LIF),
    "reward_stdp, sparse": (RewardSTDP(reward="reward", **PAIRS), True, LIF),
    "reward_stdp, reward 0": (RewardSTDP(reward="nothing", **PAIRS), False, LIF),
    "pes": (PES(error="error", learning_rate=1e-9), False, LIF),
    "eprop": (EProp(error="error", feedback=1.0, learning_rate=1e-9), False, LIF),
    "eprop, alif": (EProp(error="error", feedback=1.0, learning_rate=1e-9), False, ALIF),
}


def controller(name: str, n: int) -> Controller:
    rule, sparse, model = CASES[name]
    drive = Uniform(1.05, 1.3, seed=1)
    network = Network(
        (
            Population("pre", n, LIF(), bias=drive, v_init=Uniform(0, 1, seed=2)),
            Population("post", n, model(reset="subtract"), bias=drive, v_init=Uniform(0, 1, seed=3)),
            Population("error", n, Relay(), bias=0.01),
            Population("reward", 1, Relay(), bias=0.01),
            Population("nothing", 1, Relay()),
        ),
        (
            Projection(
                "pre", "post", Uniform(0, 0.02 if not sparse else 0.2, seed=4),
                FixedProbability(SHARE, seed=5) if sparse else "dense", learning=rule,
            ),
        ),
    )  # fmt: skip
    return Controller(build(network, [], [Output("u", (SpikeDecoder("post", 1.0, 0.01),))], dt=DT, period=DT))


def seconds(one: Controller, steps: int) -> float:
    tick, begin = one.bound.tick, time.perf_counter()
    for _ in range(steps):
        tick()
    return (time.perf_counter() - begin) / steps


def measure(name: str, n: int, rounds: int) -> dict[str, Any]:
    """Return ns per step with learning on and off, and the rule's time for each synapse: medians of the pairs."""
    one = controller(name, n)
    seconds(one, 300)
    pairs = []
    for _ in range(rounds):
        one.learning(True)
        seconds(one, 5)
        on = seconds(one, 200)
        one.learning(False)
        pairs.append((on * 1e9, seconds(one, 200) * 1e9))
    on, off = np.median(pairs, axis=0)
    synapses = one.program.facts.projections[0].synapses
    spikes = one.counters()["spikes"]
    return {
        "synapses": synapses,
        "on_ns": float(on),
        "off_ns": float(off),
        "ratio": float(np.median([a / b for a, b in pairs])),
        "ns_a_synapse": float(np.median([a - b for a, b in pairs])) / synapses,
        "spikes_a_step": {name: spikes[name] / one.counters()["ticks"] for name in ("pre", "post")},
    }


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(
        prog="benchmarks plasticity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few rounds")
    options = parser.parse_args(arguments)
    found = {}
    print(f"{'':22} synapses   on us  off us  ratio  ns per synapse and step   spikes per step, pre and post")
    with undisturbed():
        for name in CASES:
            for n in SIZES:
                f = found[f"{name}, {n}"] = measure(name, n, 5 if options.quick else 25)
                pre, post = f["spikes_a_step"].values()
                print(
                    f"{name:22} {f['synapses']:8d} {f['on_ns'] / 1e3:7.2f} {f['off_ns'] / 1e3:7.2f} {f['ratio']:6.2f}"
                    f"  {f['ns_a_synapse']:21.3f}   {pre:.1f}, {post:.1f}",
                    flush=True,
                )
    return found


if __name__ == "__main__":
    main()
