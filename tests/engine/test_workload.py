"""NeuroBench's metrics against a count by hand over recorded activity."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snn_control import Controller
from snn_control.coding import (
    ArgmaxDecoder,
    DirectEncoder,
    Guard,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PopulationEncoder,
    PopulationVectorDecoder,
    SpikeCountDecoder,
    SpikeDecoder,
    StackEncoder,
    ValueInput,
)
from snn_control.controller import Batch
from snn_control.engine.build import build
from snn_control.engine.workload import counted, stages
from snn_control.network import (
    IF,
    LI,
    LIF,
    FixedIndegree,
    FixedProbability,
    Network,
    Normal,
    Poisson,
    Population,
    Projection,
    Threshold,
)
from snn_control.network.convolution import Convolution
from snn_control.resources import shipped
from tests.engine import zoo
from tests.engine.random_controllers import descriptions, is_pulse, observation
from tests.reference import SlowController

DT = 1e-3


def used_weights(p, n_pre, n_post):
    """(n_pre,) weights of each presynaptic neuron that are not 0, and how many a matrix of them has."""
    shape = {"dense": (n_pre, n_post), "one_to_one": (n_post,), "sparse": np.shape(p.pre_index)}[p.connection]
    w = np.broadcast_to(np.asarray(p.weights), shape).astype(np.float32)
    if p.precision == "int8":
        w = np.rint(w / (p.scale or float(np.abs(w).max(initial=0)) / 127 or 1.0))
    if p.connection == "sparse":
        return np.bincount(np.asarray(p.pre_index)[w != 0], minlength=n_pre), max(w.size, n_pre * n_post)
    return (np.count_nonzero(w, axis=1) if p.connection == "dense" else 1 * (w != 0)), w.size


def count_of(signal, used):
    """Synapses whose source is not 0: of a vector, or of a list of (neuron, times)."""
    active = np.flatnonzero(signal) if isinstance(signal, np.ndarray) else [i for i, _ in signal]
    return sum(int(used[i]) for i in active)


def once_per_tick(network, inputs, delays, steps):
    """Projections that run once per tick: from numbers that do not spike, before all others into the same current."""
    steady = {i.name for i in inputs if isinstance(i, ValueInput) and getattr(i.encoder, "neuron", None) is None}
    steady -= {i.name for i in inputs if is_pulse(i.encoder)}
    synaptic = {p.name for p in network.populations if hasattr(p.neuron, "tau_syn")}
    found, others = [], set()
    for p, delay in sorted(zip(network.projections, delays, strict=True), key=lambda pair: pair[1] == 0):
        if p.tau_syn is None and p.receptor != "synaptic" and not (p.post in synaptic and not p.receptor):
            if steps > 1 and delay == 0 and p.pre in steady and p.post not in others:
                found.append(p)
            else:
                others.add(p.post)
    return found


class ByHand:
    """Dense and effective operations of a controller that `SlowController` steps, by label and kind."""

    def __init__(self, description):
        self.network, self.inputs, self.outputs, _, period, _ = description
        self.plain = SlowController(*description)
        self.dense, self.effective = Counter(), Counter()
        models = {name: p.model for name, p in self.plain.populations.items()}
        models |= {i.name: getattr(i.encoder, "neuron", None) for i in self.inputs}
        self.several = {name for name, m in models.items() if getattr(m, "several", isinstance(m, Poisson))}
        self.per_tick = once_per_tick(self.network, self.inputs, self.plain.delays, round(period / DT))

    def add(self, label, graded, dense, effective):
        key = label, "multiply_accumulate" if graded else "accumulate"
        self.dense[key] += dense
        self.effective[key] += effective

    def step(self, given):
        plain, first = self.plain, self.plain.step_count
        plain.step(given)
        for spec in self.inputs:
            stacked = isinstance(spec.encoder, StackEncoder)
            direct = spec.encoder.encoders[0] if stacked else spec.encoder
            if isinstance(direct, DirectEncoder):
                used, label = np.broadcast_to(np.asarray(direct.gain, np.float32) != 0, spec.size), spec.name
                self.add(label + "_1" * stacked, True, spec.size, count_of(plain.held[label], used))
            if isinstance(spec.encoder, LinearEncoder):
                used = np.count_nonzero(np.asarray(spec.encoder.weights, np.float32), axis=1)
                self.add(spec.name, True, np.size(spec.encoder.weights), count_of(plain.held[spec.name], used))
        for step in range(first, plain.step_count):
            for p, delay in zip(self.network.projections, plain.delays, strict=True):
                if step == first or not any(p is one for one in self.per_tick):
                    self.deliver(p, step - delay)
            self.decode(step, SpikeDecoder, PopulationVectorDecoder)
        self.decode(plain.step_count - 1, MembraneDecoder, SpikeCountDecoder)

    def deliver(self, p, past):
        used, weights = used_weights(p, self.plain.sizes[p.pre], self.plain.sizes[p.post])
        signals = self.plain.history[p.pre]
        graded = isinstance(signals[-1], np.ndarray) or p.pre in self.several
        self.add(p.label, graded, weights, count_of(signals[past], used) if past >= 0 else 0)

    def decode(self, step, *kinds):
        for output in self.outputs:
            for k, term in enumerate(SlowController.terms(output)):
                if isinstance(term, kinds):
                    n, m = self.plain.sizes[term.source], self.plain.width(output)
                    vector = isinstance(term, PopulationVectorDecoder)
                    w = np.broadcast_to(np.asarray(term.directions if vector else term.weights), (n, m))
                    w = np.hstack([w, np.ones((n, 1))]) if vector else w
                    signal = self.plain.history[term.source][step]
                    if isinstance(term, SpikeCountDecoder):
                        lists = self.plain.history[term.source][max(0, step + 1 - round(term.window / DT)) :]
                        signal = np.bincount([i for one in lists for i, _ in one], minlength=n)
                    if isinstance(term, MembraneDecoder):
                        signal = self.plain.seen(term)
                    graded = MembraneDecoder in kinds or term.source in self.several
                    label = f"outputs.{output.name}.decoder[{k}]"
                    self.add(label, graded, w.size, count_of(signal, np.count_nonzero(w, axis=1)))


def counted_by_engine(controller):
    dense, effective = Counter(), Counter()
    for row in counted(controller.bound):
        dense[row.label, row.kind] += row.dense
        effective[row.label, row.kind] += row.effective
    return dense, effective


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(description=descriptions(), seed=st.integers(0, 2**32 - 1))
def test_operations_are_those_of_a_count_by_hand(description, seed):
    network, inputs, outputs, dt, period, guard = description
    controller = Controller(build(network, inputs, outputs, dt=dt, period=period, guard=guard))
    by_hand, rng = ByHand(description), np.random.default_rng(seed)
    for _ in range(6):
        given = observation(rng, inputs)
        controller.step(given)
        by_hand.step(given)
    assert counted_by_engine(controller) == (by_hand.dense, by_hand.effective)
    steps, found = by_hand.plain.step_count, controller.counters()["workload"]
    kinds = {"accumulate": 0, "multiply_accumulate": 0}
    for (_, kind), n in by_hand.effective.items():
        kinds[kind] += n
    assert found["synaptic_operations"] == {
        "dense": sum(by_hand.dense.values()) / steps,
        "accumulates": kinds["accumulate"] / steps,
        "multiply_accumulates": kinds["multiply_accumulate"] / steps,
    }
    assert controller.counters()["synaptic_operations"] == sum(kinds.values())
    assert all(by_hand.effective[key] <= n for key, n in by_hand.dense.items())
    assert 0 <= found["connection_sparsity"] <= 1
    check_activation_sparsity(controller, by_hand, found["activation_sparsity"])


def check_activation_sparsity(controller, by_hand, found):
    fired = neurons = 0
    for name, population in by_hand.plain.populations.items():
        if not population.graded and name not in by_hand.several:
            fired += sum(len(spikes) for spikes in by_hand.plain.history[name])
            neurons += population.size * by_hand.plain.step_count
    assert found == (pytest.approx(1 - fired / neurons) if neurons else None)


def built(network, inputs, outputs):
    return Controller(build(network, inputs, outputs, dt=DT, period=DT, guard=Guard()))


def test_the_example_of_neurobench():
    """Its documentation: 4 effective and 9 dense operations of W x (our weights are (n_pre, n_post))."""
    w = np.array([[1.3, 0, -3.2], [0, 1.2, -5.1], [-1.1, 2.7, 0]])
    network = Network((Population("y", 3, LI()),), (Projection("x", "y", w.T),))
    one = built(network, [ValueInput("x", size=3)], [Output("u", (MembraneDecoder("y", 1.0),))])
    one.step({"x": [0.0, 1.3, -1.0]})
    (row,) = [row for row in counted(one.bound) if row.label == "projections[x -> y]"]
    assert (row.kind, row.effective, row.dense) == ("multiply_accumulate", 4, 9)
    assert one.counters()["workload"]["connection_sparsity"] == 3 / (9 + 3)


@pytest.mark.parametrize("spiking", [True, False])
@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)])
def test_convolutions_count_borders_and_zeros_as_the_matrix_does(spiking, stride, padding, dilation, groups):
    rng = np.random.default_rng(stride + padding)
    c = Convolution((2, 5, 6), stride, padding, dilation, groups)
    w = rng.normal(size=(4, 2 // groups, 2, 3))
    w[rng.random(w.shape) < 0.4] = 0
    n_pre, out = 60, c.output_shape(w.shape)
    ones, used = np.zeros((2, n_pre), int)
    for o, y, x in np.ndindex(out):
        for i, r, k in np.ndindex(w.shape[1:]):
            channel = i + o // (4 // groups) * w.shape[1]
            row, column = y * stride - padding + r * dilation, x * stride - padding + k * dilation
            if 0 <= row < 5 and 0 <= column < 6:
                ones[channel * 30 + row * 6 + column] += 1
                used[channel * 30 + row * 6 + column] += w[o, i, r, k] != 0
    network = Network(
        (Population("a", n_pre, Threshold(0.5) if spiking else LI()), Population("b", int(np.prod(out)), LI())),
        (Projection("x", "a", 1.0, "one_to_one"), Projection("a", "b", w, c)),
    )
    one = built(network, [ValueInput("x", size=n_pre)], [Output("u", (MembraneDecoder("b", 1.0),))])
    expected = 0
    for _ in range(5):
        x = rng.integers(0, 2, n_pre)
        one.step({"x": x})
        active = x if spiking else one.bound.array("a.v") != 0
        expected += int(used[np.flatnonzero(active)].sum())
    (row,) = [row for row in counted(one.bound) if row.label == "projections[a -> b]"]
    assert (row.dense, row.effective) == (5 * ones.sum(), expected)
    assert row.kind == ("accumulate" if spiking else "multiply_accumulate")
    (facts,) = [f for f in one.program.facts.counted if f.label == "projections[a -> b]"]
    assert (facts.weights, facts.zeros) == (w.size, np.count_nonzero(w == 0))
    (facts,) = [p for p in one.program.facts.projections if p.pre == "a"]
    assert facts.synapses == ones.sum()


def test_drawn_connections_count_as_the_matrix_they_are_part_of():
    network = Network(
        (Population("a", 50, Threshold(0.5)), Population("b", 40, LIF())),
        (
            Projection("x", "a", 1.0, "one_to_one"),
            Projection("a", "b", Normal(0, 1, seed=1), FixedProbability(0.2, seed=2)),
            Projection("a", "b", 0.1, FixedIndegree(3, seed=2), delay=DT),
        ),
    )
    one = built(network, [ValueInput("x", size=50)], [Output("u", (SpikeDecoder("b", 0.01, 0.02),))])
    one.step({"x": np.ones(50)})
    one.step({"x": np.zeros(50)})
    delayed, drawn = [row for row in counted(one.bound) if row.label == "projections[a -> b]"]
    synapses = [p.synapses for p in one.program.facts.projections]
    assert drawn.dense == delayed.dense == 2 * 50 * 40
    assert (drawn.effective, delayed.effective) == tuple(synapses[1:])
    assert delayed.effective == 3 * 40


def test_graded_synapses_of_weight_0_are_no_operations_whichever_kernel_takes_them():
    index = np.array([0, 1, 0, 1]), np.arange(4)  # in turn: each target has one synapse
    for weights, kernel, used in ((0.5, "tile_graded", 4), ([1.0, 0.0, 2.0, 3.0], "csr_graded", 3)):
        network = Network((Population("a", 4, LI()),), (Projection("x", "a", weights, "sparse", *index),))
        one = built(network, [ValueInput("x", size=2)], [Output("u", (MembraneDecoder("a", 1.0),))])
        assert kernel in {o.kernel for o in one.program.operations}
        for x, expected in (([1.0, 2.0], used), ([1.0, 0.0], 2), ([0.0, 0.0], 0)):
            one.reset()
            one.step({"x": x})
            row = counted(one.bound)[0]
            assert (row.dense, row.effective) == (8, expected), (kernel, x)


def test_each_row_of_a_batch_counts_what_a_controller_counts():
    program, rng = zoo.program(), np.random.default_rng(2)
    batch, alone = Batch(program, 2), [Controller(program) for _ in range(2)]
    for _ in range(5):
        given = [zoo.observation(rng) for _ in alone]
        batch.step({name: [one[name] for one in given] for name in given[0]})
        for one, seen in zip(alone, given, strict=True):
            one.step(seen)
    for k, one in enumerate(alone):
        assert batch.array("synaptic_operations")[k].tolist() == one.bound.array("synaptic_operations").tolist()
        restored = Controller(program)
        restored.restore(batch.state(k))
        assert restored.counters()["workload"] == one.counters()["workload"]
    assert alone[0].counters()["synaptic_operations"] != alone[1].counters()["synaptic_operations"]


def test_whole_number_weights_that_round_to_zero_are_no_operations():
    w = np.array([[1.0, 0.001, 0.0], [0.5, -0.001, -1.0]])
    for connection in ({}, {"connection": "sparse", "pre_index": [0, 0, 0, 1, 1, 1], "post_index": [0, 1, 2, 0, 1, 2]}):
        weights = w.reshape(-1) if connection else w
        network = Network(
            (Population("a", 2, Threshold(0.5)), Population("b", 3, LIF())),
            (Projection("x", "a", 1.0, "one_to_one"), Projection("a", "b", weights, precision="int8", **connection)),
        )
        one = built(network, [ValueInput("x", size=2)], [Output("u", (SpikeDecoder("b", 0.01, 0.02),))])
        one.step({"x": [1, 1]})
        (row,) = [row for row in counted(one.bound) if row.label == "projections[a -> b]"]
        assert (row.dense, row.effective, row.precision) == (6, 3, "int8")


def test_populations_of_several_spikes_multiply_and_have_no_activation_sparsity():
    network = Network((Population("a", 2, IF(r=1e4, several=True, reset="subtract")),), (Projection("x", "a", 1.0),))
    one = built(network, [ValueInput("x")], [Output("u", (SpikeDecoder("a", 0.01, 0.02),))])
    assert one.counters()["workload"]["activation_sparsity"] is None
    one.step({"x": 0.5})
    assert one.counters()["spikes"]["a"] > 4
    assert one.counters()["workload"]["activation_sparsity"] is None
    assert one.counters()["workload"]["synaptic_operations"] == {
        "dense": 4, "accumulates": 0, "multiply_accumulates": 4,
    }  # fmt: skip


def test_footprint_and_sparsity_of_a_controller():
    network = Network((Population("a", 3, LIF(refractory=2 * DT), bias=1e3),))
    decoder = ArgmaxDecoder(2, (SpikeDecoder("a", np.array([[1.0, 0], [0, 1], [0, 0]]), 0.02),))
    one = built(network, [], [Output("u", decoder)])
    for _ in range(10):
        one.step({})
    assert one.counters()["workload"] == {
        "footprint": {
            "constants": one.program.constants.nbytes,
            "state": one.bound.state.nbytes,
            "io": one.bound.io.nbytes,
        },
        "connection_sparsity": 4 / 6,
        "activation_sparsity": 0.5,
        "synaptic_operations": {"dense": 6.0, "accumulates": 1.0, "multiply_accumulates": 0.0},
    }
    assert one.program.facts.updates == 3 + 2


def test_the_stages_of_a_controller_are_all_of_it():
    one = Controller.load(shipped("pan_tilt"))
    for k in range(20):
        one.step({"joint_velocity": [0.1 * k, -1.0]})
    found, load = stages(one.bound), one.counters()["workload"]["synaptic_operations"]
    assert list(found) == ["encoder", "network", "decoder"]
    for key, total in load.items():
        assert sum(stage[key] for stage in found.values()) == pytest.approx(total)
    assert [stage["neurons"] for stage in found.values()] == [82, 1024, 0]
    assert found["encoder"]["spikes"] * 20 == one.counters()["spikes"]["joint_velocity"] > 0
    assert found["encoder"]["dense"] == 2 * 1024  # the pooled events, to the image and to its mean
    assert found["decoder"]["multiply_accumulates"] == 0 < found["decoder"]["accumulates"]
    assert next(iter(found["decoder"]["most"])).startswith("outputs.")


def test_a_product_of_numbers_that_change_once_per_tick_is_computed_once_per_tick():
    fields = PopulationEncoder(8, low=-1.0, high=1.0, cutoff=0.01)
    network = Network(
        (Population("a", 5, LIF(tau_mem=0.01)), Population("b", 5, LIF(tau_mem=0.01))),
        (
            Projection("x", "a", Normal(0, 1, seed=1)),
            Projection("x", "b", Normal(0, 1, seed=2), delay=DT),  # in each step
            Projection("a", "b", 1.0, "one_to_one"),
        ),
    )
    inputs, outputs = [ValueInput("x", size=1, encoder=fields)], [Output("u", (SpikeDecoder("b", 0.01, 0.02),))]
    one = Controller(build(network, inputs, outputs, dt=DT, period=4 * DT))
    for _ in range(10):
        one.step({"x": [0.0]})
    later, once, _ = [row for row in counted(one.bound) if row.label.startswith("projections")]
    assert (once.dense, once.effective) == (10 * 8 * 5, 10 * 6 * 5)  # at 0, two of the 8 fields are below the cutoff
    assert later.dense == 4 * once.dense
