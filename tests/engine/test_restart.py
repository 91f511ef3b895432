"""``reset_each_tick``: every tick of a network is the first after a reset, bit for bit."""

import dataclasses

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder, Output, SpikeCountDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import BuildError
from snn_control.network import IF, LI, LIF, STDP, Network, Population, Projection
from tests.engine.zoo import N, models

DT, STEPS = 1e-3, 6
#: what draws random numbers or looks at the clock is another in each tick
TIMED = ("bernoulli", "poisson", "latency", "phase")


def described(rng):
    """Every other model twice, in series, with an own current of a projection."""
    neurons = {name: model for name, model in models(rng).items() if name not in TIMED}
    populations, projections, outputs = [], [], []
    for name, model in neurons.items():
        populations += [
            Population(name, N, model, bias=rng.uniform(0, 0.5, N)),
            Population(f"{name}_2", N, model, v_init=rng.uniform(0, 0.4, N)),
        ]
        projections += [
            Projection("x", name, rng.normal(0, 3, (3, N)), receptor="current"),
            Projection(name, f"{name}_2", rng.normal(0.3, 0.5, (N, N)), receptor="current"),
            Projection(name, f"{name}_2", rng.normal(0.3, 0.5, (N, N)), tau_syn=0.01),
        ]
        decoder = MembraneDecoder if model.graded else SpikeCountDecoder
        window = () if model.graded else (STEPS * DT,)
        outputs.append(Output(name, (decoder(f"{name}_2", np.eye(N), *window),), N))
    return Network(tuple(populations), tuple(projections)), outputs


def test_each_tick_is_the_first():
    rng = np.random.default_rng(1)
    network, outputs = described(rng)
    times = {"dt": DT, "period": STEPS * DT}
    one = Controller(build(network, [ValueInput("x", size=3)], outputs, **times, reset_each_tick=True))
    plain = Controller(build(network, [ValueInput("x", size=3)], outputs, **times))
    going_on = Controller(plain.program)
    kept = dict.fromkeys(plain.outputs, 0)
    for _ in range(20):
        given = {"x": rng.normal(size=3)}
        plain.reset()
        got, want, other = one.step(given), plain.step(given), going_on.step(given)
        for name in got:
            assert (got[name] == want[name]).all(), name
            kept[name] += (other[name] != want[name]).any()
        for p in network.populations:
            if f"{p.name}.v" in plain.program.names:
                assert (one.values(p.name) == plain.values(p.name)).all(), p.name
    assert one.counters()["ticks"] == 20  # the clock, counters and the guard continue
    assert all(kept.values())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"delay": DT},
            r"reset_each_tick = True: cannot be used with a delay: spikes under way would be lost \(proj",
        ),
        (
            {"learning": STDP()},
            r"reset_each_tick = True: cannot be used with weights that learn \(projections\[a -> b\]",
        ),
    ],
)
def test_what_one_tick_leaves_for_the_next_is_refused(change, says):
    projection = dataclasses.replace(Projection("a", "b", np.full((2, 2), 0.1)), **change)
    network = Network((Population("a", 2, LIF(), bias=2.0), Population("b", 2, IF())), (projection,))
    with pytest.raises(BuildError, match=says):
        build(network, (), [Output("u", (SpikeCountDecoder("b", 1.0, DT),))], dt=DT, period=DT, reset_each_tick=True)


def test_a_mean_over_more_than_a_tick_still_sees_the_last():
    network = Network((Population("v", 1, LI(tau_mem=0.01)),), (Projection("x", "v", 1.0, "one_to_one"),))
    output = Output("u", (MembraneDecoder("v", 1.0, 2 * STEPS * DT),))
    one = Controller(build(network, [ValueInput("x")], [output], dt=DT, period=STEPS * DT, reset_each_tick=True))
    first, second, third = (one.step({"x": x})["u"][0] for x in (1.0, 1.0, 0.0))
    assert second == pytest.approx(2 * first)
    assert third == pytest.approx(first)
