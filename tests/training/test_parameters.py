"""Parameters by name, in the file and in the Program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snn_control.controller import build_program
from snn_control.errors import DescriptionError, ProgramError
from snn_control.network import LIF, AdEx
from snn_control.training.parameters import DEFAULT, Parameters
from snn_control.training.student import Student

from .networks import NETWORKS, feedforward


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_what_is_written_into_the_program_is_what_the_file_is_built_to(make):
    rng = np.random.default_rng(3)
    spec = make(np.random.default_rng(1)).spec()
    parameters = Parameters(spec, DEFAULT | {"*.tau_mem": {}, "*.v_threshold": {}}, rng)
    student = Student(parameters.program, parameters.places)
    assert {p.name.rpartition(".")[2] for p in parameters.parameters} >= {"weights", "bias"}
    for p in parameters.parameters:
        p.values *= rng.uniform(0.8, 1.2, p.values.shape).astype(p.values.dtype)
        if p.name.endswith("bias"):
            p.values += rng.uniform(0, 0.1, p.values.shape).astype(p.values.dtype)
    parameters.write()
    student.refresh(student.batch(1))
    built = build_program(parameters.spec)
    assert (built.constants == parameters.program.constants).all()
    assert (built.initial_state == parameters.program.initial_state).all()


def test_a_gradient_by_the_time_constant_is_that_of_differences():
    """Of a smooth network, a leaky integrator alone, by differences of whole runs."""
    parameters = Parameters(feedforward(np.random.default_rng(1)).spec(), {"out.tau_mem": {}}, np.random.default_rng(0))
    student = Student(parameters.program, parameters.places)
    rng = np.random.default_rng(2)
    x, starts = rng.uniform(-1, 1, (6, 4, 3)).astype(np.float32), np.zeros((6, 4), bool)
    weights = rng.normal(0, 1, (6, 4, 2)).astype(np.float32)
    _, tape = student.run({"x": x}, starts)
    (found,) = parameters.gradients(student.backward(tape, {"u": weights}))
    (tau,) = parameters.parameters
    for k in range(2):
        losses = []
        for step in (2e-3, -2e-3):
            tau.values[k] *= 1 + step
            parameters.write()
            heads, _ = student.run({"x": x}, starts)
            losses.append((heads["u"].astype(float) * weights).sum())
            tau.values[k] /= 1 + step
        slope = (losses[0] - losses[1]) / (4e-3 * tau.values[k])
        assert slope == pytest.approx(found[k], rel=2e-3)


def test_wrong_patterns_are_named():
    with pytest.raises(DescriptionError, match=r"hiden\.bias.*fits nothing"):
        Parameters(feedforward(np.random.default_rng(1)).spec(), {"hiden.bias": {}}, np.random.default_rng(0))


def test_what_has_no_gradient_is_refused_by_name():
    rng = np.random.default_rng(0)
    spec = feedforward(rng).spec()
    with pytest.raises(DescriptionError, match="reset_each_tick = True: cannot be trained"):
        Parameters(replace(spec, reset_each_tick=True), DEFAULT, rng)
    first, *others = spec.network.populations
    for neuron, says in (
        (AdEx(), "a: cannot be differentiated: kernel 'adex' has no adjoint"),
        (replace(first.neuron, several=True), "a: cannot be differentiated: kernel 'integrate_and_fire' with several"),
    ):
        populations = (replace(first, neuron=neuron), *others)
        changed = replace(spec, network=replace(spec.network, populations=populations))
        parameters = Parameters(changed, {"x->a.weights": {}}, rng)
        with pytest.raises(ProgramError, match=says):
            Student(parameters.program, parameters.places)


def test_values_stay_within_limits():
    spec = feedforward(np.random.default_rng(1)).spec()
    parameters = Parameters(spec, {"a.tau_mem": {"low": 0.01, "high": 0.02}}, np.random.default_rng(0))
    parameters.parameters[0].values[:] = np.linspace(0, 1, 9)
    parameters.write()
    neuron = parameters.spec.network.populations[0].neuron
    assert isinstance(neuron, LIF)
    assert np.min(neuron.tau_mem) == 0.01
    assert np.max(neuron.tau_mem) == 0.02
