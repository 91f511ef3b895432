"""The networks of the benchmark are the same networks in the engine and in C."""

import shutil

import numpy as np
import pytest

from benchmarks.c_reference import Reference
from benchmarks.engine import BARS, Engine, verdict
from benchmarks.workloads import inputs, recurrent, synaptic_layers

gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler")


@gcc
@pytest.mark.parametrize(("workload", "least"), [("A", 50), ("B", 5000)])
def test_the_engine_and_c_fire_alike(workload, least):
    reference, engine = Reference(workload), Engine(workload)
    c_step, step = reference.stepper(), engine.stepper()
    fired = 0
    for x in inputs(300):
        fired += c_step(x)
        step(x)
    counts = engine.bound.array("spike_counts")
    ours = int(counts[2 if workload == "A" else 0])
    assert fired > least
    assert abs(ours - fired) <= 0.01 * fired  # sums run in another order


@gcc
def test_a_loop_is_the_same_as_calls():
    table = inputs(100)
    for make, wide in ((Reference, table), (Engine, table.astype(np.float64))):
        one, other = make("A"), make("A")
        step = one.stepper()
        for x in table:
            step(x)
        other.run(np.ascontiguousarray(wide), 100)
        if make is Reference:
            assert all(a.tobytes() == b.tobytes() for a, b in zip(one.keep, other.keep, strict=True))
        else:
            assert one.bound.state.tobytes() == other.bound.state.tobytes()


def test_the_numbers_of_the_workloads():
    assert [w.shape for w, _ in synaptic_layers()] == [(32, 128), (128, 128), (128, 8)]
    r = recurrent("B")
    assert r.targets.shape == (1000, 100)
    assert (np.diff(r.targets, axis=1) >= 0).all()
    assert np.unique(r.weights).tolist() == [-np.float32(0.08), np.float32(0.02)]


def test_the_verdict_needs_both_bars_and_the_same_network():
    call, loop = BARS["A"]
    good = {"ratio": {"call": call, "loop": loop}, "spikes": 1000, "spikes_c": 1001}
    assert verdict("A", good)
    assert not verdict("A", good | {"ratio": {"call": call + 0.01, "loop": 0.1}})
    assert not verdict("A", good | {"ratio": {"call": 0.1, "loop": loop + 0.01}})
    assert not verdict("A", good | {"spikes": 900})
