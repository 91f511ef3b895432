"""A description with the weights that a saved state holds."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control.analysis.synapses import sizes_of, synapse_arrays, with_learned
from snn_control.controller import Controller, build_program
from snn_control.controller_file import parse_spec
from snn_control.errors import ProgramError

STDP = {"type": "stdp", "w_min": 0.0, "w_max": 10.0, "a_plus": 0.05}
SPEC = {
    "version": 1,
    "period": 0.001,
    "inputs": {"x": {"kind": "value", "size": 1, "encoder": {
        "type": "linear", "weights": [[1.0, 2.0, 3.0]], "bias": 1.0, "neuron": {"type": "lif", "tau_mem": 0.01}}}},
    "network": {
        "populations": {n: {"size": 4, "neuron": {"type": "lif", "tau_mem": 0.01}} for n in "ab"},
        "projections": [
            {"pre": "x", "post": "a", "weights": 5.0, "learning": STDP},
            {"pre": "x", "post": "b", "weights": 0.7},
            {"pre": "x", "post": "b", "weights": 5.0, "learning": STDP,
             "connection": {"type": "fixed_probability", "p": 0.6, "seed": 3}},
        ],
    },
    "outputs": {"y": {"decoder": {"type": "linear", "from": "a", "tau": 0.02, "weights": 1.0}}},
}  # fmt: skip


def test_the_weights_are_those_that_were_learned(tmp_path):
    spec = parse_spec(SPEC)
    controller = Controller.from_spec(spec)
    for _ in range(500):
        controller.step({"x": 1.0})
    controller.save_state(tmp_path / "state.npz")
    learned = with_learned(spec, tmp_path / "state.npz")
    sizes = sizes_of(build_program(spec))
    dense, fixed, sparse = (synapse_arrays(p, sizes[p.pre], sizes[p.post]) for p in learned.network.projections)
    assert np.array_equal(dense[2].reshape(3, 4), controller.weights("x", "a"))
    assert np.unique(dense[2]).size > 1
    assert np.unique(fixed[2]).tolist() == [0.7]
    for ours, theirs in zip(sparse, controller.weights("x", "b")):
        assert np.array_equal(ours, theirs)
    again = Controller.from_spec(learned)
    assert np.array_equal(again.weights("x", "a"), controller.weights("x", "a"))


def test_a_state_of_another_controller_is_refused(tmp_path):
    Controller.from_spec(parse_spec(SPEC | {"period": 0.002})).save_state(tmp_path / "state.npz")
    with pytest.raises(ProgramError, match="is a state of another Program"):
        with_learned(parse_spec(SPEC), tmp_path / "state.npz")
