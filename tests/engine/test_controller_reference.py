"""A whole compiled controller gives the bits of `tests.reference.SlowController`, which reads the descriptions."""

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_control.coding import (
    Guard,
    MembraneDecoder,
    Output,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.network import (
    LI,
    LIF,
    CubaLIF,
    Network,
    Population,
    Projection,
)
from tests.engine.random_controllers import DT, descriptions, learners, observation
from tests.reference import SlowController


def compare(description, seed, ticks):
    network, inputs, outputs, dt, period, guard = description
    controller = Controller(build(network, inputs, outputs, dt=dt, period=period, guard=guard, seed=seed))
    plain, rng = SlowController(network, inputs, outputs, dt, period, guard, seed), np.random.default_rng(seed)
    array = controller.bound.array
    for tick in range(ticks):
        given = observation(rng, inputs)
        if plain.rules and rng.random() < 0.2:
            on = bool(rng.random() < 0.7)
            controller.learning(on)
            for rule in plain.rules.values():
                rule.switch[0] = on
        got, want = controller.step(given), plain.step(given)
        for name, pop in plain.populations.items():
            if f"{name}.v" in controller.program.names:  # a stochastic source has none
                assert array(f"{name}.v").tobytes() == pop.v.tobytes(), (tick, name, "v")
            if pop.synaptic:
                assert array(f"{name}.isyn").tobytes() == pop.isyn.tobytes(), (tick, name, "isyn")
            if not pop.graded:
                assert controller.spikes(name).tolist() == [i for i, _ in plain.history[name][-1]], (tick, name)
        for name in want:
            assert got[name].tobytes() == want[name].tobytes(), (tick, name, got[name], want[name])
        assert array("guard").tolist() == plain.words.tolist(), tick
        for (k, rule), facts in zip(plain.rules.items(), controller.program.facts.learning, strict=True):
            found = array(f"{facts.title}.weights")
            if facts.sparse:
                order = sorted(range(len(rule.synapses)), key=rule.synapses.__getitem__)
                assert found[:, 1].tobytes() == rule.w.reshape(-1)[order].tobytes(), (tick, k, rule.rule)
            else:
                assert found.tobytes() == rule.w.tobytes(), (tick, k, rule.rule)
    for name, counters in plain.counters.items():
        assert array(f"{name}.counters").tolist() == counters.tolist(), name
    for name, filters in plain.filters.items():
        assert list(controller.counters()["inputs"][name]["filtered"].values()) == filters.removed, name
    fired = {name: int(p.counter[0]) for name, p in plain.populations.items() if not p.graded}
    assert controller.counters()["spikes"] == fired
    return sum(fired.values())


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(description=descriptions(), seed=st.integers(0, 2**32 - 1))
def test_a_random_controller_gives_the_bits_of_its_reference(description, seed):
    compare(description, seed, ticks=8)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(description=learners(), seed=st.integers(0, 2**32 - 1))
def test_a_random_controller_that_learns_gives_the_bits_of_its_reference(description, seed):
    compare(description, seed, ticks=12)


def test_a_recurrent_network_stays_with_its_reference_for_long():
    rng = np.random.default_rng(3)
    n = 30
    index = rng.integers(0, n, (2, 200))
    network = Network(
        (
            Population("a", n, CubaLIF(tau_mem=0.01, refractory=2e-3, v_min=-1.0)),
            Population("b", n, LIF(reset="subtract")),
        ),
        (
            Projection("x", "a", rng.normal(0.6, 1, (3, n))),
            Projection("a", "b", rng.normal(1, 2, (n, n))),
            Projection("b", "a", rng.normal(0, 2, 200), "sparse", index[0], index[1], delay=3e-3),
            Projection("a", "a", -0.5, "one_to_one", delay=2e-3),
        ),
    )
    inputs = [ValueInput("x", size=3, range=(-2.0, 2.0))]
    outputs = [Output("u", (SpikeDecoder("b", rng.normal(size=(n, 2)) / 30, 0.02),), 2, limits=(-1, 1))]
    spikes = compare((network, inputs, outputs, DT, 2 * DT, Guard()), seed=5, ticks=100)
    assert spikes > 500


@given(seed=st.integers(0, 2**32 - 1), cutoff=st.sampled_from([0.0, 0.01, 0.5]))
@settings(max_examples=10, deadline=None)
def test_products_that_are_computed_once_per_tick_give_the_bits_of_those_of_each_step(seed, cutoff):
    rng = np.random.default_rng(seed)
    network = Network(
        (
            Population("a", 12, LIF(tau_mem=0.01, reset="subtract"), bias=rng.normal(size=12)),
            Population("b", 6, LI(tau_mem=0.01), bias=0.1),
        ),
        (
            Projection("fields", "a", rng.normal(0, 2, (16, 12))),
            Projection("numbers", "a", rng.normal(0, 1, 20), "sparse", *rng.integers(0, (3, 12), (20, 2)).T, bias=0.2),
            Projection("a", "a", rng.normal(0, 1, (12, 12)), delay=2 * DT),
            Projection("fields", "b", rng.normal(0, 1, (16, 6))),
            Projection("numbers", "b", 0.5, "sparse", np.arange(6) % 3, np.arange(6)),
            Projection("a", "b", rng.normal(0, 1, (12, 6))),
        ),
    )
    inputs = [
        ValueInput("fields", size=2, range=(-2.0, 2.0), encoder=PopulationEncoder(8, cutoff=cutoff)),
        ValueInput("numbers", size=3, range=(-2.0, 2.0)),
    ]
    program = build(
        network, inputs, outputs := [Output("u", (MembraneDecoder("b", np.eye(6)),), 6)], dt=DT, period=4 * DT
    )
    per_tick = {c.label for c in program.facts.counted if c.each == "tick"}
    assert per_tick >= {"projections[fields -> b]", "projections[numbers -> b]"}
    assert "projections[fields -> a]" not in per_tick  # a delayed projection adds to the same current before it
    compare((network, inputs, outputs, DT, 4 * DT, Guard()), seed, ticks=20)
    without = replace(network, projections=tuple(p for p in network.projections if not p.delay))
    compare((without, inputs, outputs, DT, 4 * DT, Guard()), seed, ticks=20)
