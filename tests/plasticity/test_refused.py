"""What does not fit a learning rule is refused, with a message that says where."""
# ruff: noqa: E501  (a table of messages is read a line a case)

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import BuildError, DescriptionError, ProgramError
from snn_control.network import (
    LI,
    LIF,
    PES,
    STDP,
    AdEx,
    EProp,
    FixedProbability,
    LearningRule,
    Network,
    Normal,
    Population,
    Projection,
    RewardSTDP,
    Uniform,
)
from snn_control.network.convolution import Convolution
from tests.plasticity.common import DT, NEURON, RULES, given_spikes, made


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: STDP(tau_plus=0), "tau_plus = 0: must be > 0 s"),
        (lambda: STDP(a_plus=math.inf), "a_plus = inf: must be finite"),
        (lambda: STDP(a_plus="1"), "a_plus = '1': must be a number"),
        (lambda: STDP(w_min=1.0), "w_min = 1.0: must be < w_max (1.0)"),
        (lambda: STDP(w_max=math.nan), "w_max = nan: must be finite"),
        (lambda: STDP(enabled=1), "enabled = 1: must be true or false"),
        (lambda: STDP(name=None), "name = None: must be a name"),
        (lambda: RewardSTDP(reward=""), "reward = '': must be a name"),
        (lambda: RewardSTDP(reward="r", learning_rate=-1), "learning_rate = -1: must be >= 0"),
        (lambda: PES(error="e", pre_tau=0), "pre_tau = 0: must be > 0 s"),
        (lambda: EProp(error="e", feedback=math.nan, learning_rate=1), "feedback = nan: must be finite"),
        (lambda: Projection("a", "b", 0.5, learning="stdp"), "projections[a -> b].learning = 'stdp': must be a learning rule"),
        (lambda: Projection("a", "b", 0.5, delay=[[1e-3]], learning=STDP()), "projections[a -> b].learning = 'STDP': requires one delay and float32"),
        (lambda: Projection("a", "b", 0.5, precision="int8", learning=STDP()), "projections[a -> b].learning = 'STDP': requires one delay and float32"),
        (lambda: Projection("a", "b", np.ones((1, 1, 1, 1)), Convolution((1, 2, 2)), learning=STDP()), "projections[a -> b].learning = 'STDP': requires one delay and"),
    ],
)  # fmt: skip
def test_a_description_has_its_message(make, expected):
    with pytest.raises(DescriptionError) as caught:
        make()
    assert expected in str(caught.value)


SEVERAL = LIF(reset="subtract", several=True)
GRADED = Population("g", 2, LI())


def built(rule, post=NEURON, pre=None, weights=0.5, **more):
    network = Network(
        (Population("post", 2, post), GRADED, *([Population("pre", 3, pre)] if pre else [])),
        (Projection("pre", "post", weights, learning=rule, **more),),
    )
    inputs = [] if pre else [given_spikes("pre", 3)]
    output = Output("u", (SpikeDecoder("post", 1.0, 0.01),)) if not post.graded else None
    output = output or Output("u", (SpikeDecoder("pre", 1.0, 0.01),))
    return build(network, inputs, [output], dt=DT, period=DT)


class Foreign(LearningRule):
    pass


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: built(STDP(), LI()), ".learning = 'STDP': is for neurons that fire once a step: post is graded"),
        (lambda: built(STDP(), SEVERAL), "is for neurons that fire once a step: post may fire several times in a step"),
        (lambda: built(STDP(), pre=SEVERAL), "is for neurons that fire once a step: pre may fire several times in a step"),
        (lambda: built(STDP(), pre=LI()), ".learning = 'STDP': learns from spikes: pre is graded; let neurons that fire read it"),
        (lambda: built(STDP(w_max=0.4)), ".weights = 0.5: must lie in the rule's [w_min, w_max] = [0, 0.4]"),
        (lambda: built(STDP(), weights=Uniform(-1, 1, seed=3)), ": must lie in the rule's [w_min, w_max] = [0, 1]"),
        (lambda: built(STDP(), weights=Normal(0.5, 1, seed=3), connection=FixedProbability(1.0, seed=1)), "must lie in the rule's [w_min, w_max] = [0, 1]"),
        (lambda: built(RewardSTDP(reward="r")), ".learning.reward = 'r': must be an input or a population: pre, post, g"),
        (lambda: built(RewardSTDP(reward="g")), ".learning.reward = 'g': has 2 numbers: must be 1"),
        (lambda: built(STDP(), pre=LI(), connection="sparse", pre_index=[0], post_index=[0]), ".learning = 'STDP': cannot learn sparse synapses from pre, a graded signal"),
        (lambda: built(PES(error="post")), ".learning.error = 'post': is spiking, must be graded; let a li population read it"),
        (lambda: built(PES(error="g"), pre=LI()), ".learning = 'PES': learns from spikes: pre is graded"),
        (lambda: built(PES(error="g"), connection="sparse", pre_index=[0], post_index=[0]), ".learning = 'PES': requires a dense connection: this one is sparse"),
        (lambda: built(EProp(error="g", feedback=1, learning_rate=1), AdEx()), ".learning = 'EProp': is for if, lif, cuba_lif and alif neurons that fire once a step: post is AdEx"),
        (lambda: built(EProp(error="g", feedback=1, learning_rate=1), SEVERAL), "neurons that fire once a step: post is LIF"),
        (lambda: built(EProp(error="g", feedback=1, learning_rate=1), LIF()), "needs post's reset to be 'subtract': it is 'value'"),
        (lambda: built(EProp(error="g", feedback=1, learning_rate=1), LIF(reset="subtract", tau_mem=[0.01, 0.02])), "needs one tau_mem for all neurons of post"),
        (lambda: built(EProp(error="g", feedback=[[1, 2, 3]], learning_rate=1)), ".learning.feedback = 'shape (1, 3)': must be a number or have shape (2, 2)"),
        (lambda: built(Foreign()), ".learning = 'Foreign': no lowering is registered for this rule"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_fit_its_rule_is_told(make, expected):
    with pytest.raises(BuildError) as caught:
        make()
    assert "projections[pre -> post]" in str(caught.value)
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("what", ["length", "size", "place"])
def test_a_row_that_would_lead_out_of_its_arrays_is_refused(name, what):
    for kind in ("dense", "sparse") if "stdp" in name else ("dense",):
        program = made(name, kind).program
        k = next(i for i, o in enumerate(program.operations) if o.kernel == name)
        operands = program.operations[k].operands
        wrong = [operands[:-1], (*operands, 0)]
        if what == "size":
            wrong = [(n, *operands[1:]) for n in (1 << 28, -1)] + [
                (operands[0], n, *operands[2:]) for n in (1 << 28, -1)
            ]
        elif what == "place":
            places = [i for i, o in enumerate(operands) if not isinstance(o, int)]
            small = [dataclasses.replace(operands[i], dtype="|u1", shape=(0,)) for i in places]
            wrong = [(*operands[:i], s, *operands[i + 1 :]) for i, s in zip(places, small, strict=True)]
            wrong += [(*operands[:i], 7, *operands[i + 1 :]) for i in places]
        for changed in wrong:
            operations = list(program.operations)
            operations[k] = dataclasses.replace(operations[k], operands=changed)
            with pytest.raises(ProgramError, match=name):
                Controller(dataclasses.replace(program, operations=tuple(operations)))
