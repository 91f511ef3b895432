"""Gradients on the engine's spikes against complex steps through an independent simulation."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder
from snn_control.controller_file.training import SURROGATES, Limits, Surrogate
from snn_control.engine.program import PROGRAM, Place
from snn_control.engine.registry import companions, kernel
from snn_control.network import LI, PES, Relay
from snn_control.training.gradients.adjoints.adjoint import numbers, signal
from snn_control.training.gradients.parameters import Parameters
from snn_control.training.gradients.student import Student, writable

from .networks import NETWORKS, cameras, draw, lif, recurrent, start
from .oracle import TINY, Oracle

LENGTH, ROWS, WARM = 4, 2, 2
#: words of rows that are trained somewhere
TRAINED = {"weights", "weight", "bias", "params"}


def trained_places(program):
    """Weights, biases and parameters of all operations that are no encoder's."""
    found = {}
    for o in program.operations:
        words = dict(zip(kernel(o.kernel).words, o.operands, strict=True))
        for name in TRAINED & set(words):
            if isinstance(words[name], Place) and words[name].kind == PROGRAM and o.section > 0:
                found[signal(words[name])] = words[name]
        if o.kernel in ("add", "copy") and words["x"].kind == PROGRAM and o.section > 0:
            found[signal(words["x"])] = words["x"]
    return found


@pytest.fixture(params=NETWORKS, ids=lambda make: make.__name__)
def program(request):
    return writable(request.param(np.random.default_rng(1)).controller().program)


def drawn(one, rng):
    """Inputs of a step: numbers, or events of each row."""
    if one.kind == "value":
        return rng.uniform(-1, 1, (ROWS, one.size)).astype(np.float32)
    counts = rng.integers(0, 12, ROWS)
    return [np.stack([np.sort(rng.uniform(0, 0.02, n)), *(rng.integers(0, s, n) for s in (*one.size, 2))], 1)
            for n in counts]  # fmt: skip


def seen_in_a_run(student, rng, starts):
    """Input -> (steps, rows, ...), the observations of rows in each step."""
    batch, inputs = student.batch(ROWS), student.program.facts.inputs
    batch.reset()
    steps = [student.step(batch, {one.name: drawn(one, rng) for one in inputs}, anew)[1] for anew in starts]
    return {one.name: np.array([seen[one.name] for seen in steps]) for one in inputs}


def recorded_run(program, rng):
    """A run after some ticks, with a start in its middle; returns student, heads, tape, and the data for an oracle."""
    student = Student(program, trained_places(program).values())
    starts = np.zeros((WARM + LENGTH, ROWS), bool)
    starts[WARM + 2, 1] = starts[1, 0] = True
    batch = student.batch(ROWS)
    warm_spikes = {s: f"{p.name}.spikes" for s, p in student._rings.items()}
    once = {s: student._places[s] for s in student.gradient.once}
    draw = seen_in_a_run(student, rng, starts)
    batch.reset()
    everything = batch.run(draw, starts, list(warm_spikes.values()), list(once.values()))
    batch.reset()
    batch.run({k: v[:WARM] for k, v in draw.items()}, starts[:WARM])
    memory = student.remember(batch)
    batch.reset()
    heads, tape = student.run({k: v[WARM:] for k, v in draw.items()}, starts[WARM:], memory)
    spikes = {s[1]: everything[n].reshape(-1, *everything[n].shape[2:]) for s, n in warm_spikes.items()}
    drives = {s[1]: everything[p] for s, p in once.items()}
    return student, heads, tape, spikes, drives, starts


def test_what_adjoints_compute_is_what_the_engine_gave(program):
    student, heads, tape, *_ = recorded_run(program, np.random.default_rng(2))
    computed = student.gradient.forward(tape, student._state)
    for name, place in student.heads.items():
        assert np.abs(heads[name]).max() > 1e-3
        np.testing.assert_allclose(computed[signal(place)], heads[name], rtol=2e-5, atol=2e-6)


def compare_with_oracle(program, surrogate, places):
    """Gradients by numbers of these places, at most 1e-5 from those of complex steps."""
    rng = np.random.default_rng(2)
    student, heads, tape, spikes, drives, starts = recorded_run(program, rng)
    student.gradient.use(surrogate)
    weights = {name: rng.normal(0, 1, h.shape).astype(np.float32) for name, h in heads.items()}
    found = student.backward(tape, weights)
    oracles = [
        Oracle(program, {k: v[:, r] for k, v in spikes.items()}, {k: v[:, r] for k, v in drives.items()},
               starts[:, r], WARM, (surrogate.kind, surrogate.slope))
        for r in range(ROWS)
    ]  # fmt: skip
    for key, place in places.items():
        shape, g = numbers(place.view(program.constants)).shape, found[key].reshape(-1)
        chosen = rng.permutation(g.size)[:4]
        expected = []
        for k in chosen:
            moved = np.zeros(g.size, complex)
            moved[k] = TINY * 1j
            loss = sum(
                o.loss({student.heads[n]: w[:, r] for n, w in weights.items()}, {key[1]: moved.reshape(shape)})
                for r, o in enumerate(oracles)
            )
            expected.append(loss.imag / TINY)
        size = max(np.abs(expected).max(), np.abs(g).max(), 1e-6)
        assert np.abs(g[chosen] - expected).max() <= 1e-5 * size, (place, g[chosen], expected)


def test_gradients_are_those_of_complex_steps(program):
    compare_with_oracle(program, Surrogate(), trained_places(program))


@pytest.mark.parametrize("kind", SURROGATES)
def test_each_surrogate_is_that_of_complex_steps(kind):
    program = writable(recurrent(np.random.default_rng(1)).controller().program)
    places = trained_places(program)
    for slope in (0.7, 5.0):
        compare_with_oracle(program, Surrogate(kind, slope), dict(list(places.items())[:3]))


def test_the_slope_goes_to_its_end_while_the_budget_is_spent():
    scheduled = Surrogate("arctan", 2.0, 10.0)
    assert [scheduled.at(left) for left in (1.0, 0.25, 0.0)] == [Surrogate("arctan", s) for s in (2.0, 8.0, 10.0)]
    assert Surrogate("triangle", 3.0).at(0.1) == Surrogate("triangle", 3.0)


def test_every_adjoint_is_tested():
    kernels = {o.kernel for make in NETWORKS for o in make(np.random.default_rng(1)).controller().program.operations}
    assert set(companions("adjoint")) - {"dense_spikes_int8"} <= kernels  # see test_quantization


def repeat_to_the_bit(student, rng):
    """Compare heads of steps with those of a run from a memory between them, which is returned."""
    starts = np.zeros((WARM + LENGTH, ROWS), bool)
    starts[0], starts[WARM + 1, 0] = True, True
    batch, inputs = student.batch(ROWS), student.program.facts.inputs
    seen, heads = [], []
    for t, anew in enumerate(starts):
        if t == WARM:
            memory = student.remember(batch)
        found = student.step(batch, {one.name: drawn(one, rng) for one in inputs}, anew)
        heads.append(found[0])
        seen.append(found[1])
    again = {one.name: np.array([s[one.name] for s in seen[WARM:]]) for one in inputs}
    assert all(np.abs(cells).max() > 0 for cells in again.values())
    found, _ = student.run(again, starts[WARM:], memory)
    for name, value in found.items():
        assert (value == np.array([h[name] for h in heads[WARM:]])).all()
        assert np.abs(value).max() > 0.01
    return memory


def test_a_run_repeats_the_steps_to_the_bit_without_the_events():
    """Heads and membranes, from a memory that has nothing of filters and surfaces."""
    rng = np.random.default_rng(3)
    program = writable(cameras(rng).controller().program)
    student = Student(program, trained_places(program).values())
    student.heads |= {"membranes": student.program.names["a.v"]}
    assert repeat_to_the_bit(student, rng).shape[1] < student.program.initial_state.size - 4 * 12 * 8


def test_a_run_repeats_the_steps_to_the_bit_where_no_gradient_passes_the_delays():
    """Only what stands behind a rhythm of delayed spikes is trained."""
    rng = np.random.default_rng(3)
    program = writable(recurrent(rng).controller().program)
    decoder = list(trained_places(program).values())[-1]
    repeat_to_the_bit(Student(program, [decoder]), rng)


def heads_and_gradients(learning_rate):
    """Of a network to whose command something is added that is learned on line."""
    rng, starts = np.random.default_rng(4), np.ones((1, ROWS), bool).repeat(LENGTH, 0)
    starts[1:] = False
    m, x = start(rng)
    a, b = (m.population(name, 9, lif(), bias=0.3) for name in "ab")
    out, learned = (m.population(name, 2, LI(tau_mem=0.02, r=4.0)) for name in ("out", "learned"))
    m.connect(x, m.population("wrong", 2, Relay()), draw(rng, 12, 2))
    m.connect(x, a, draw(rng, 12, 9))
    m.connect(x, b, draw(rng, 12, 9))
    m.connect(a, out, draw(rng, 9, 2))
    m.connect(b, learned, 0.0, learning=PES(error="wrong", learning_rate=learning_rate))
    m.output("u", decoder=(MembraneDecoder("out", np.eye(2)), MembraneDecoder("learned", np.eye(2))), size=2)
    parameters = Parameters(m.spec(), {"a->out.weights": Limits(), "x->a.weights": Limits()}, rng)
    student = Student(parameters.program, parameters.places)
    heads, tape = student.run(seen_in_a_run(student, rng, starts), starts)
    gradients = student.backward(tape, {"u": np.ones_like(heads["u"])})
    return heads["u"], [gradients[signal(place)] for place in parameters.places]


def test_what_is_learned_on_line_may_be_added_to_what_is_trained():
    (plain, expected), (heads, found) = heads_and_gradients(0.0), heads_and_gradients(0.01)
    assert np.abs(heads - plain).max() > 0.01
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one).max() > 0
        np.testing.assert_array_equal(one, other)
