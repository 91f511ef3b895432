"""Parameters by name, in the file and in the Program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snn_control.controller import build_program
from snn_control.controller_file import Limits
from snn_control.errors import DescriptionError, ProgramError
from snn_control.network import LIF, AdEx, Izhikevich
from snn_control.training.algorithms.networks import Adam
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.gradients.student import Student

from .networks import NETWORKS, currents, decoders, feedforward


@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_what_is_written_into_the_program_is_what_the_file_is_built_to(make):
    rng = np.random.default_rng(3)
    spec = make(np.random.default_rng(1)).spec()
    neurons = [p.neuron for p in spec.network.populations]
    own = {name for one in neurons for name in one.arrays() if np.isfinite(getattr(one, name)).all()}
    parameters = Parameters(spec, DEFAULT | {f"*.{name}": Limits() for name in own}, rng)
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
    spec = feedforward(np.random.default_rng(1)).spec()
    parameters = Parameters(spec, {"out.tau_mem": Limits()}, np.random.default_rng(0))
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


def test_a_name_with_brackets_is_one():
    spec = decoders(np.random.default_rng(1)).spec()
    parameters = Parameters(spec, {"u.decoder[1].weights": Limits()}, np.random.default_rng(0))
    assert [p.name for p in parameters.parameters] == ["u.decoder[1].weights"]


def test_wrong_patterns_are_named():
    with pytest.raises(DescriptionError, match=r"hiden\.bias.*matches nothing"):
        Parameters(feedforward(np.random.default_rng(1)).spec(), {"hiden.bias": Limits()}, np.random.default_rng(0))


def test_what_has_no_gradient_is_refused_by_name():
    rng = np.random.default_rng(0)
    spec = feedforward(rng).spec()
    first, *others = spec.network.populations
    for neuron, says in (
        (AdEx(), "a: cannot be differentiated: kernel 'adex' has no adjoint"),
        (Izhikevich(), "a: cannot be differentiated: kernel 'izhikevich' has no adjoint"),
    ):
        populations = (replace(first, neuron=neuron), *others)
        changed = replace(spec, network=replace(spec.network, populations=populations))
        parameters = Parameters(changed, {"x->a.weights": Limits()}, rng)
        with pytest.raises(ProgramError, match=says):
            Student(parameters.program, parameters.places)


def test_values_stay_within_limits():
    spec = feedforward(np.random.default_rng(1)).spec()
    parameters = Parameters(spec, {"a.tau_mem": Limits(0.01, 0.02)}, np.random.default_rng(0))
    parameters.parameters[0].values[:] = np.linspace(0, 2, 9)
    parameters.write()
    neuron = parameters.spec.network.populations[0].neuron
    assert isinstance(neuron, LIF)
    assert np.min(neuron.tau_mem) == 0.01
    assert np.max(neuron.tau_mem) == 0.02


def test_limits_that_neurons_cannot_have_are_named():
    spec = feedforward(np.random.default_rng(1)).spec()
    for name, limits, says in (
        ("a.tau_mem", Limits(low=-1.0), r"trainable\.a\.tau_mem\.low = \[-1\.0\]: must be > 0 s"),
        ("b.v_reset", Limits(high=2.0), r"trainable\.b\.v_reset\.high = \[2\.0\]: must be < v_threshold"),
    ):
        with pytest.raises(DescriptionError, match=says):
            Parameters(spec, {name: limits}, np.random.default_rng(0))


def test_parameters_of_neurons_stay_what_neurons_can_have_without_limits():
    spec = currents(np.random.default_rng(1)).spec()
    chosen = {"*.tau_*": Limits(), "*.v_threshold": Limits(), "*.v_reset": Limits()}
    parameters = Parameters(spec, chosen, np.random.default_rng(0))
    for far in (-5, 5):
        for p in parameters.parameters:
            p.values[:] = far
        parameters.write()
        build_program(parameters.spec)


def test_a_step_of_learning_is_one_of_the_size_of_a_parameter():
    """Milliseconds and thresholds move by the same part of themselves."""
    spec = feedforward(np.random.default_rng(1)).spec()
    parameters = Parameters(spec, {"a.tau_mem": Limits(), "b.v_threshold": Limits()}, np.random.default_rng(0))
    before = [p.numbers.copy() for p in parameters.parameters]
    adam = Adam([p.values for p in parameters.parameters], 1e-2)
    adam.step([np.ones(p.values.shape, np.float32) for p in parameters.parameters])
    for old, p in zip(before, parameters.parameters, strict=True):
        np.testing.assert_allclose(p.numbers, 0.99 * old, rtol=1e-5)
