"""Bounds of a network's activity: no running network exceeds them, and they reveal neurons that can never fire."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_control.analysis.bounds import reachable_activity
from snn_control.analysis.probe import Probed
from snn_control.analysis.synapses import all_synapses, sizes_of
from snn_control.coding import (
    DirectEncoder,
    EventsInput,
    MembraneDecoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import Controller, build_program
from snn_control.controller_file import ControllerSpec
from snn_control.network import (
    IF,
    LIF,
    CubaLIF,
    Network,
    Population,
    Projection,
    Relay,
    RewardSTDP,
    Threshold,
    Uniform,
)
from snn_control.network.convolution import Convolution, pooling
from tests.engine.random_controllers import descriptions, learners

DT = 1e-3


def extremes(rng, inputs):
    """An observation at the ends of the range, and far beyond."""
    given = {}
    for spec in inputs:
        if isinstance(spec, EventsInput):
            n = int(rng.integers(0, 40))
            x, y = (rng.integers(0, side, n) for side in spec.size)
            given[spec.name] = np.stack([np.sort(rng.random(n)) * DT, x, y, rng.integers(0, 2, n)], 1)
        else:
            given[spec.name] = rng.choice([-1e3, -1.0, 0.0, 0.4, 1.0, 1e3], spec.size)
    return given


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(description=st.one_of(descriptions(), learners()), seed=st.integers(0, 2**32 - 1))
def test_no_random_network_leaves_its_bounds(description, seed):
    network, inputs, outputs, dt, period, guard = description
    network = replace(network, populations=tuple(replace(p, v_init=None) for p in network.populations))
    spec = ControllerSpec(period, dt, tuple(inputs), network, tuple(outputs), guard, seed=seed)
    program, rng = build_program(spec), np.random.default_rng(seed)
    bounds = reachable_activity(spec, program, all_synapses(spec, program))
    probed = Probed(program)
    raw = np.array([np.inf, -np.inf])[:, None] * np.ones(sum(o.size for o in outputs))
    for _ in range(40):
        probed.step(extremes(rng, inputs))
        if not probed.safe:
            command = probed.bound.array("command")
            raw = np.minimum(raw[0], command), np.maximum(raw[1], command)
    for seen in probed.probes:
        bound = bounds.populations[seen.name]
        room = 1e-4 * (1 + np.nan_to_num(np.abs(bound.drive), posinf=0).max(0))
        assert (seen.drive_high <= bound.drive[1] + room).all(), seen.name
        assert (seen.drive_low >= bound.drive[0] - room).all(), seen.name
        if seen.spiking:
            assert not (seen.spikes[~bound.fires] > 0).any(), seen.name
            model = next((p.neuron for p in network.populations if p.name == seen.name), None)
            often = 40 * program.steps // max(1, round(getattr(model, "refractory", 0.0) / dt))
            assert seen.bad_steps or model is None or (seen.fired[bound.always] >= often - 1).all(), seen.name
        elif np.isfinite(bound.output).all() and not seen.bad_steps:
            assert (seen.highest <= bound.output[1] + 1e-4 * (1 + np.abs(bound.output[1]))).all(), seen.name
    safe = np.concatenate([o.safe_numbers for o in outputs])
    limits = [np.concatenate([np.broadcast_to(o.limits[side], o.size) for o in outputs]) for side in (0, 1)]
    elsewhere = np.concatenate([np.full(o.size, bool(o.start)) for o in outputs])  # begins where a joint is
    for k, (low, high) in enumerate(zip(*bounds.commands)):
        if np.isfinite([low, high]).all() and raw[0][k] <= raw[1][k] and not elsewhere[k]:
            low, high = min(low, safe[k]), max(high, safe[k])  # with a slew limit it starts there
            room = 1e-4 * (1 + abs(low) + abs(high))
            assert min(low - room, limits[1][k]) <= raw[0][k], k
            assert raw[1][k] <= max(high + room, limits[0][k]), k


def bounds_of(neuron, *projections, size=2, bias=0.0, x=(0.0, 1.0), encoder=None, outputs=None, more=(), dt=DT):
    inputs = (ValueInput("x", range=x, encoder=encoder),)
    network = Network((Population("a", size, neuron, bias), *more), projections)
    outputs = outputs or (Output("y", (SpikeDecoder("a", 1.0, 0.05),)),)
    spec = ControllerSpec(dt, dt, inputs, network, outputs)
    program = build_program(spec)
    return reachable_activity(spec, program, all_synapses(spec, program))


LEAKY, CELLS = LIF(tau_mem=0.01), PopulationEncoder(4, drive=3.0, neuron=LIF(tau_mem=0.01))


MILLIVOLT = LIF(tau_mem=0.01, r=10.0, v_leak=-65.0, v_reset=-65.0, v_threshold=-50.0)


@pytest.mark.parametrize(
    ("neuron", "projections", "more", "fires"),
    [
        (LEAKY, [Projection("x", "a", [[0.99, 1.01]])], {}, [0, 1]),
        (LEAKY, [Projection("x", "a", [[-0.5, -2.0]])], {"x": (-1.0, 1.0)}, [0, 1]),  # minus times minus
        (LEAKY, [Projection("x", "a", 0.6)], {"bias": [0.3, 0.5]}, [0, 1]),
        (LEAKY, [], {"bias": [0.9, 1.1]}, [0, 1]),
        (LEAKY, [Projection("x", "a", 0.1)], {"x": (0.0, np.inf)}, [1, 1]),  # no range, no bound
        (MILLIVOLT, [Projection("x", "a", [[1.4, 1.6]])], {}, [0, 1]),
        (IF(), [Projection("x", "a", [[0.01, -1.0]])], {}, [1, 0]),  # gathers for as long as it takes
        (Threshold(2.0), [Projection("x", "a", [[1.9, 2.1]])], {}, [0, 1]),
        (LEAKY, [Projection("x", "a", 0.01, tau_syn=0.02)], {}, [0, 0]),
        (LEAKY, [Projection("x", "a", 0.06, tau_syn=0.02)], {}, [1, 1]),
        # spikes: four at once, and as a synaptic current as often as they come
        (LEAKY, [Projection("x", "a", [[0.2, 0.3]] * 4)], {"encoder": CELLS}, [0, 1]),
        (CubaLIF(tau_mem=0.01, tau_syn=0.005), [Projection("x", "a", [[0.04, 0.06]] * 4)], {"encoder": CELLS}, [0, 1]),
        (LEAKY, [Projection("x", "a", [[0.04, 0.06]] * 4, tau_syn=0.005)], {"encoder": CELLS}, [0, 1]),
        (LEAKY, [Projection("x", "a", 0.7)], {"encoder": replace(CELLS, drive=0.9)}, [0, 0]),  # which is silent
    ],
)  # fmt: skip
def test_what_can_never_fire_is_known(neuron, projections, more, fires):
    assert bounds_of(neuron, *projections, **more).populations["a"].fires.tolist() == [bool(f) for f in fires]


def test_a_refractory_period_lets_a_trace_decay():
    """0.5 every 10 ms with tau 10 ms is at most 0.5 / (1 - 1 / e) = 0.79; without it, it fires."""
    for refractory, fires in ((0.01, False), (0.0, True)):
        slow = Population("b", 2, LIF(tau_mem=0.01, refractory=refractory), 9.0)
        found = bounds_of(LEAKY, Projection("b", "a", 0.5, "one_to_one", tau_syn=0.01), more=(slow,))
        assert (found.populations["a"].fires == fires).all()
        assert found.populations["a"].way == pytest.approx(0.5 / (1 - np.exp(-max(refractory, DT) / 0.01)))


def test_who_is_driven_only_by_the_dead_is_dead():
    chain = [Projection("x", "a", 0.5), Projection("a", "b", 9.0), Projection("b", "c", 9.0)]
    more = (Population("b", 3, LEAKY), Population("c", 3, LEAKY))
    alive, dead = (bounds_of(LEAKY, *chain, bias=bias, more=more).populations for bias in (0.6, 0.0))
    assert all(alive[name].fires.all() for name in "abc")
    assert not any(dead[name].fires.any() for name in "abc")
    loop = [*chain, Projection("c", "b", 9.0, delay=DT)]
    assert bounds_of(LEAKY, *loop, more=more).populations["b"].fires.all()  # b and c could keep each other alive


def test_who_always_fires():
    found = bounds_of(LIF(tau_mem=0.01), Projection("x", "a", -1.0), bias=[20.0, 11.0], x=(0.0, 1.0))
    assert found.populations["a"].always.tolist() == [True, False]  # 1 / (1 - exp(-0.1)) = 10.5, less what x takes


def test_a_rule_may_move_weights_to_its_bounds():
    rule = RewardSTDP(reward="r", w_max=2.0)
    spec = ControllerSpec(
        DT, DT, (ValueInput("x", range=(0, 1), encoder=CELLS), ValueInput("r")),
        Network((Population("a", 1, LEAKY),), (Projection("x", "a", 0.01, learning=rule),)),
        (Output("y", (SpikeDecoder("a", 0.1, 0.01),)),),
    )  # fmt: skip
    for w_max, fires in ((2.0, True), (0.02, False)):
        changed = replace(spec.network.projections[0], learning=replace(rule, w_max=w_max))
        one = replace(spec, network=replace(spec.network, projections=(changed,)))
        program = build_program(one)
        assert reachable_activity(one, program, all_synapses(one, program)).populations["a"].fires.tolist() == [fires]


def test_the_synapses_of_a_convolution_are_those_that_deliver():
    """A spike of each source, one after the other: the current into every target is the sum of its synapses."""
    rng = np.random.default_rng(0)
    kernels = rng.normal(size=(4, 1, 3, 2)) * (rng.random((4, 1, 3, 2)) < 0.7)
    for c, weights in ((Convolution((2, 4, 5), (1, 2), (1, 0), (1, 2), groups=2), kernels), pooling((2, 4, 4), 2)):
        n, out = int(np.prod(c.shape)), int(np.prod(c.output_shape(np.shape(weights))))
        network = Network((Population("a", out, Relay()),), (Projection("x", "a", weights, c),))
        inputs = (ValueInput("x", size=n),)
        spec = ControllerSpec(DT, DT, inputs, network, (Output("y", (MembraneDecoder("a", np.eye(out)),), size=out),))
        program = build_program(spec)
        (found,) = all_synapses(spec, program)
        dense = np.zeros((n, out))
        np.add.at(dense, (found.pre, found.post), found.weight)
        controller = Controller(program)
        for source in range(n):
            given = controller.step({"x": np.eye(n)[source]})["y"]
            np.testing.assert_allclose(given, dense[source], atol=1e-6)
        assert program.facts.projections[0].synapses >= found.pre.size


def test_too_many_synapses_are_not_looked_at(monkeypatch):
    network = Network((Population("a", 30, LEAKY),), (Projection("x", "a", Uniform(0, 1, seed=1)),))
    spec = ControllerSpec(DT, DT, (ValueInput("x", size=9),), network, (Output("y", (SpikeDecoder("a", 1.0, 0.1),)),))
    program = build_program(spec)
    assert sizes_of(program) == {"x": 9, "a": 30}
    assert len(all_synapses(spec, program)[0].weight) == 270
    monkeypatch.setattr("snn_control.analysis.synapses.MAX_SYNAPSES", 269)
    assert all_synapses(spec, program) is None


@pytest.mark.parametrize(
    ("decoder", "possible"),
    [
        (MembraneDecoder("x", -2.0), (-2.0, 0.0)),
        (SpikeDecoder("a", [0.01, 0.02], 0.05), (0.0, 30.0)),  # 1,000 Hz each
        (SpikeDecoder("a", [0.01, -0.02], 0.05), (-20.0, 10.0)),
        (SpikeDecoder("b", 1.0, 0.05), (0.0, 0.0)),
    ],
)
def test_what_a_command_can_be(decoder, possible):
    found = bounds_of(
        LEAKY, Projection("x", "a", 3.0), outputs=(Output("y", (decoder,)),), more=(Population("b", 2, LEAKY),)
    )
    assert (found.commands[0][0], found.commands[1][0]) == pytest.approx(possible)


def test_a_squashed_command_stays_within_its_limits():
    for weight, possible in ((0.5, (1.0, 1 + np.tanh(0.5))), (-1.0, (1 - np.tanh(1), 1.0)), (1e3, (1.0, 2.0))):
        output = Output("y", (MembraneDecoder("x", weight),), limits=(0, 2), squash=True)
        found = bounds_of(LEAKY, Projection("x", "a", 3.0), outputs=(output,))
        assert (found.commands[0][0], found.commands[1][0]) == pytest.approx(possible)
    unbounded = bounds_of(LEAKY, Projection("x", "a", 3.0), x=(-np.inf, np.inf), outputs=(output,))
    assert (unbounded.commands[0][0], unbounded.commands[1][0]) == (0, 2)


def test_events_and_encoders_without_a_bound_reach_everything():
    camera = EventsInput("x", size=(8, 8), encoder=PoolEncoder((2, 2)))
    network = Network((Population("a", 4, LEAKY),), (Projection("x", "a", 1e-3, "one_to_one"),))
    spec = ControllerSpec(DT, DT, (camera,), network, (Output("y", (SpikeDecoder("a", 1.0, 0.1),)),))
    for encoder, fires in ((camera.encoder, True), (replace(camera.encoder, response="binary"), False)):
        one = replace(spec, inputs=(replace(camera, encoder=encoder),))
        program = build_program(one)
        assert (reachable_activity(one, program, all_synapses(one, program)).populations["a"].fires == fires).all()
    direct = bounds_of(LEAKY, Projection("x", "a", 1.0), encoder=DirectEncoder(gain=-0.5, bias=0.6))
    assert direct.populations["a"].drive[1] == pytest.approx([0.6, 0.6])
