"""Descriptions of networks: frozen, checked, with messages that name the place."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest

from snn_control.errors import NO_VALUE, BuildError, DescriptionError, SnnControlError
from snn_control.network import ALIF, LI, LIF, CubaLIF, Network, Population, Projection
from snn_control.network.convolution import Convolution


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: LIF(tau_mem=0), "tau_mem = 0: must be > 0 s"),
        (lambda: LIF(reset="substract"), "must be 'value', 'subtract' or 'subtract_snntorch'; did you mean 'subtract'?"),
        (lambda: LIF(strict="yes"), "strict = 'yes': must be true or false"),
        (lambda: LIF(tau_mem=math.nan), "tau_mem = nan: must be finite"),
        (lambda: LIF(v_leak=math.inf), "v_leak = inf: must be finite"),
        (lambda: LIF(v_min=math.nan), "v_min = nan: must be finite"),
        (lambda: LIF(v_min=1.0), "v_min = 1.0: must be < v_threshold (1.0)"),
        (lambda: LIF(v_reset=1.0), "v_reset = 1.0: must be < v_threshold (1.0)"),
        (lambda: LIF(v_threshold=0.0, v_reset=-1.0, reset="subtract"), "v_threshold = 0.0: must be > 0 with reset 'subtract'"),
        (lambda: LIF(refractory=-1e-3), "refractory = -0.001: must be >= 0 s"),
        (lambda: CubaLIF(tau_syn=-1), "tau_syn = -1: must be > 0 s"),
        (lambda: LI(tau_mem=-1), "tau_mem = -1: must be > 0 s"),
        (lambda: Population("a b", 1, LIF()), "name = 'a b': must be a name: a letter, then letters, digits and underscores"),
        (lambda: Population("a\n", 1, LIF()), r"name = 'a\n': must be a name"),
        (lambda: Population("a", 0, LIF()), "populations.a.size = 0: must be a whole number >= 1"),
        (lambda: Population("a", 1.0, LIF()), "populations.a.size = 1.0: must be a whole number >= 1"),
        (lambda: Population("a", 1, "lif"), "populations.a.neuron = 'lif': must be a neuron model"),
        (lambda: Population("a", 3, LIF(), bias=[1, 2]), "populations.a.bias = 'shape (2,)': must be a number or have shape (3,)"),
        (lambda: Population("a", 1, LIF(), v_init=math.nan), "populations.a.v_init = nan: must be finite"),
        (lambda: Projection("a", "b", connection="some"), "projections[a -> b].connection = 'some': must be one of dense, sparse"),
        (lambda: Projection("a", "b", receptor="x"), "projections[a -> b].receptor = 'x': must be 'current' or 'synaptic'"),
        (lambda: Projection("a", "b", delay=math.inf), "projections[a -> b].delay = inf: must be finite"),
        (lambda: Projection("a", "b", ["1"]), "projections[a -> b].weights = ['1']: must be numbers"),
        (lambda: Projection("a", "b", bias=[math.nan]), "projections[a -> b].bias = [nan]: must be finite"),
        (lambda: Projection("a", "b", connection="sparse"), "projections[a -> b].connection = 'sparse': pre_index and post_index"),
        (lambda: Projection("a", "b", pre_index=[0]), "projections[a -> b].connection = 'dense': pre_index and post_index"),
        (lambda: Network((Population("a", 1, LIF()),) * 2), "populations = 'a': every name must be unique"),
        (lambda: Convolution((1, 4, 4), padding="some"), "padding = 'some': must be a whole number"),
        (lambda: Convolution((1, 4, 4), stride=[[1], 2]), "stride = [[1], 2]: must be a whole number, or [rows, columns]"),
        (lambda: Convolution((1, 4, 4), stride=2, padding="same"), "padding = 'same': requires stride 1"),
    ],
)  # fmt: skip
def test_a_rule_has_its_message(make, expected):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert expected in str(caught.value)


@pytest.mark.parametrize("description", [LIF(), LI(), Population("a", 1, LIF()), Projection("a", "b"), Network()])
def test_descriptions_are_frozen(description):
    field = dataclasses.fields(description)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(description, field, 1)


def test_numpy_numbers_are_numbers():
    assert Population("a", np.int32(3), LIF(tau_mem=np.float64(0.01)), bias=np.ones(3, np.float32)).size == 3


def test_an_error_is_seen_from_further_out():
    error = BuildError("size", 0, "must be > 0", "try 1")
    assert str(error) == "size = 0: must be > 0; try 1"
    outer = error.within("inputs.x").in_file("c.yaml")
    assert str(outer) == "c.yaml: inputs.x.size = 0: must be > 0; try 1"
    assert type(outer) is BuildError
    assert isinstance(outer, SnnControlError)
    assert isinstance(outer, ValueError)
    assert error.in_file("") is error
    assert len(str(DescriptionError("x", [1] * 1000, "must be short"))) < 120
    assert len(str(DescriptionError("x", "a" * 1000, "must be short"))) < 290
    assert "a" * 200 in str(DescriptionError("x", "a" * 200, "must be short"))  # the name of a file, all of it


def test_a_parameter_that_is_none_is_named_with_the_nearest():
    with pytest.raises(TypeError, match="LIF has no parameter 'tau_m'; did you mean 'tau_mem'"):
        LIF(tau_m=0.02)
    assert dataclasses.replace(LIF(0.5), tau_mem=0.03) == LIF(v_threshold=0.5, tau_mem=0.03)
    assert copy.deepcopy(pickle.loads(pickle.dumps(LIF(0.5)))) == LIF(0.5)


@pytest.mark.parametrize(
    ("value", "said"), [(NO_VALUE, "one: cannot be read; mend it"), (3, "one = 3: cannot be read; mend it")]
)
def test_an_error_says_the_same_in_another_process(value, said):
    assert str(pickle.loads(pickle.dumps(DescriptionError("one", value, "cannot be read", "mend it")))) == said


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Population("a", 2, LIF(), bias="x"), "populations.a.bias = 'x': must be numbers"),
        (lambda: Projection("a\nb", "c"), "projection.pre = 'a\\nb': must be a name"),
        (lambda: Projection("a", "b", tau_syn="x"), "projections[a -> b].tau_syn = 'x': must be a number"),
        (lambda: Projection("a", "b", precision="int8", scale=[1, 2]), "scale = [1, 2]: must be a number"),
        (lambda: ALIF(several=True, reset="subtract"), "several = True: does not go with a threshold that adapts"),
    ],
)
def test_a_value_of_another_type_has_its_message_too(make, message):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert message in str(caught.value)
