"""Times by operation: the timed tick is the same tick, and the largest operation takes the most time."""

import numpy as np
import pytest

from snn_control import Controller
from snn_control.analysis.profile import Profiled
from snn_control.coding import Guard, Output, SpikeDecoder, ValueInput
from snn_control.engine.build import build
from snn_control.network import LIF, Network, Population, Projection
from tests.engine import zoo


def test_a_profiled_controller_gives_the_bits_of_the_tick():
    program, rng = zoo.program(), np.random.default_rng(1)
    plain, profiled = Controller(program), Profiled(program)
    for _ in range(20):
        given = zoo.observation(rng)
        plain.step(given)
        profiled.step(given)
    assert plain.state().tobytes() == profiled.state().tobytes()
    assert plain.counters() == profiled.counters()


@pytest.mark.timed
def test_shares_are_of_all_operations_and_the_large_one_leads():
    rng = np.random.default_rng(1)
    network = Network(
        (Population("small", 2, LIF(), bias=2.0), Population("large", 2000, LIF(), bias=2.0)),
        (Projection("x", "large", rng.normal(size=(50, 2000))), Projection("small", "large", 0.1, delay=1e-3)),
    )
    outputs = [Output("u", (SpikeDecoder("small", 0.1, 0.02),))]
    program = build(network, [ValueInput("x", size=50)], outputs, dt=1e-3, period=2e-3, guard=Guard())
    one = Profiled(program)
    for _ in range(200):
        one.step({"x": rng.normal(size=50)})
    shares = one.shares()
    assert len(shares) == len(program.operations)
    assert np.isclose(sum(one["share"] for one in shares), 1)
    assert (shares[0]["label"], shares[0]["kernel"]) == ("projections[x -> large]", "dense_graded")
    assert shares[0]["us"] > 2.0  # twice 100,000 multiply-accumulates
    times = [one["us"] for one in shares]
    assert times == sorted(times, reverse=True)
    assert min(times) >= 0
