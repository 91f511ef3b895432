"""Graded signals through sparse connections: which kernel runs, where the sum starts, and that it is the dense sum."""

import numpy as np
import pytest

from snn_control.coding import MembraneDecoder, Output, SpikeDecoder, ValueInput
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import BuildError
from snn_control.network import LI, CubaLIF, Network, Population, Projection

N, CHANNELS, DT = 70, 6, 1e-3
TARGETS = np.arange(N)


def program(projections, bias=0.0, period=DT):
    network = Network(
        (Population("a", N, CubaLIF(), bias=bias), Population("g", CHANNELS, LI(tau_mem=1e-3))), tuple(projections)
    )
    outputs = [Output("u", (SpikeDecoder("a", 1.0, 0.01),)), Output("w", (MembraneDecoder("g", 1.0),))]
    return build(network, [ValueInput("x", size=CHANNELS)], outputs, dt=DT, period=period)


def sparse(pre_index, weights=1.0, post_index=TARGETS, pre="x", **values):
    values = {"receptor": "current"} | values
    return Projection(pre, "a", weights, "sparse", pre_index=pre_index, post_index=post_index, **values)


def dense(pre_index, weights=1.0, post_index=TARGETS, pre="x", **values):
    w = np.zeros((CHANNELS, N))
    np.add.at(w, (pre_index, post_index), weights)
    return Projection(pre, "a", w, **({"receptor": "current"} | values))


def kernels(one):
    return [o.kernel for o in one.operations]


def run(one, ticks=40):
    """Membranes and synaptic currents after each tick."""
    controller, rng = Controller(one), np.random.default_rng(2)
    array, found = controller.bound.array, []
    for _ in range(ticks):
        controller.step({"x": rng.normal(size=CHANNELS) * (rng.random(CHANNELS) < 0.7)})
        found.append(np.concatenate([array("a.v"), array("a.isyn")]))
    return np.array(found), controller.counters()


IN_TURN, ANY = TARGETS % CHANNELS, np.random.default_rng(0).integers(0, CHANNELS, N)
BIAS = np.random.default_rng(1).normal(1.0, 0.4, N)
WEIGHTS = np.random.default_rng(3).normal(size=N)


@pytest.mark.parametrize(
    ("channels", "weights", "post", "kernel"),
    [
        (IN_TURN, 0.7, TARGETS, "tile_graded"),
        (IN_TURN, WEIGHTS, TARGETS, "gather_graded"),
        (ANY, 0.7, TARGETS, "gather_graded"),
        (IN_TURN[::-1], 0.7, TARGETS[::-1], "tile_graded"),
        (ANY[1:], 0.7, TARGETS[1:], "csr_graded"),
        (ANY, WEIGHTS, np.r_[TARGETS[1:], 5], "csr_graded"),
    ],
)
@pytest.mark.parametrize("receptor", ["current", "synaptic"])
@pytest.mark.parametrize("delay", [0, 2 * DT])
def test_it_is_the_dense_product(channels, weights, post, kernel, receptor, delay):
    one = program([sparse(channels, weights, post, receptor=receptor, delay=delay)], BIAS)
    assert kernel in kernels(one)
    assert one.facts.projections[0].synapses == post.size
    got, counted = run(one)
    want, _ = run(program([dense(channels, weights, post, receptor=receptor, delay=delay)], BIAS))
    assert got.tobytes() == want.tobytes()
    assert np.ptp(got[-1]) > 0
    assert 0 < counted["synaptic_operations"] - counted["spikes"]["a"] < 40 * post.size


def starts_at_the_bias(one, label):
    operation = next(o for o in one.operations if o.label == label and o.kernel.endswith("graded"))
    return operation.operands[11] == one.names["a.bias"]


def test_the_first_that_comes_to_the_current_starts_at_the_bias():
    first, second = sparse(IN_TURN, 0.5), sparse(ANY, 0.3, pre="g")
    one = program([first, second], BIAS)
    assert starts_at_the_bias(one, "projections[x -> a]")
    assert not starts_at_the_bias(one, "projections[g -> a]")
    late = program([first, sparse(ANY, 0.3, pre="g", delay=DT)], BIAS)  # what has a delay comes first
    assert not starts_at_the_bias(late, "projections[x -> a]")
    assert starts_at_the_bias(late, "projections[g -> a]")
    for own in ({"bias": 0.1}, {"receptor": "synaptic"}):
        assert not starts_at_the_bias(program([sparse(IN_TURN, 0.5, **own)], BIAS), "projections[x -> a]")
    for one, delay in ((program([first, second], BIAS), 0), (late, DT)):
        want = program([dense(IN_TURN, 0.5), dense(ANY, 0.3, pre="g", delay=delay)], BIAS)
        assert run(one)[0].tobytes() == run(want)[0].tobytes()


def test_every_step_of_a_tick_starts_at_the_bias_again():
    got, _ = run(program([sparse(IN_TURN, 0.5)], BIAS, period=3 * DT))
    want, _ = run(program([dense(IN_TURN, 0.5)], BIAS, period=3 * DT))
    assert got.tobytes() == want.tobytes()


def test_a_signal_longer_than_a_tile_and_one_longer_than_its_targets():
    for channels in (600, 1):
        network = Network((Population("a", 70, CubaLIF(), bias=0.5),), ())
        pre = TARGETS % channels
        inputs, outputs = [ValueInput("x", size=channels)], [Output("u", (SpikeDecoder("a", 1.0, 0.01),))]
        made = []
        for connection in (
            Projection("x", "a", 2.0, "sparse", pre, TARGETS, receptor="current"),
            Projection("x", "a", 2.0 * (np.arange(channels)[:, None] == pre), receptor="current"),
        ):
            controller = Controller(
                build(Network(network.populations, (connection,)), inputs, outputs, dt=DT, period=DT)
            )
            for k in range(5):
                controller.step({"x": np.random.default_rng(k).normal(size=channels)})
            made.append(controller.bound.array("a.v").tobytes())
        assert made[0] == made[1]


def test_an_index_beyond_the_signal_is_an_error():
    with pytest.raises(BuildError, match=r"projections\[x -> a\].pre_index = 6: must lie in \[0, 6\)"):
        program([sparse(TARGETS % 7)])
