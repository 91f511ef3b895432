"""Watching a controller changes nothing, and sees every step."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from snn_control.analysis.probe import Probed, probe, sample
from snn_control.analysis.stimulus import default_stimulus
from snn_control.controller import Controller, build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.resources import shipped
from tests.engine import zoo

#: several steps per tick, events, delays, feedback, a graded population between spiking ones
MIXED = """
version: 1
period: 0.004
dt: 0.001
inputs:
  camera: {kind: events, size: [16, 12], encoder: {type: pool, grid: [4, 3], polarity: split}}
  x: {kind: value, size: 2, range: [-1, 1], encoder: {type: population, neurons: 5, neuron: {type: lif, tau_mem: 0.01}}}
network:
  populations:
    last: {size: 3, neuron: {type: lif, tau_mem: 0.01, refractory: 0.002}, bias: 0.3}
    a: {size: 8, neuron: {type: cuba_lif, tau_mem: 0.01, tau_syn: 0.004}, bias: 0.1}
    g: {size: 4, neuron: {type: li, tau_mem: 0.01}}
  projections:
  - {pre: x, post: a, weights: 0.2}
  - {pre: camera, post: a, weights: 0.3}
  - {pre: a, post: a, weights: -0.05, delay: 0.003}
  - {pre: a, post: g, weights: 2.0, delay: 0.001}
  - {pre: g, post: last, weights: 0.5}
  - {pre: last, post: a, receptor: current, weights: -0.1, delay: 0.002}
outputs:
  y:
    size: 2
    limits: [-1, 1]
    slew: 50
    decoder: [{type: linear, from: last, tau: 0.02, weights: 0.01}, {type: membrane, from: g, weights: 0.02}]
"""


@pytest.mark.parametrize("name", ["cartpole", "pan_tilt", "mixed"])
def test_a_watched_controller_has_the_same_bits(name):
    spec = parse_spec(yaml.safe_load(MIXED)) if name == "mixed" else load_spec(shipped(name))
    program, stimulus = build_program(spec), default_stimulus(spec, 0.4, seed=2)
    plain, probed = Controller(program), Probed(program)
    for observation in stimulus.log.observations():
        one, other = plain.step(observation), probed.step(observation)
        assert all(np.array_equal(one[key], other[key]) for key in one)
    assert np.array_equal(plain.bound.state, probed.bound.state)
    assert plain.counters() == probed.counters()
    assert sum(plain.counters()["spikes"].values()) > 100


def test_it_has_the_same_bits_with_every_kernel():
    program = zoo.program()
    plain, probed = Controller(program), Probed(program)
    for controller in (plain, probed):
        rng = np.random.default_rng(9)
        for _ in range(100):
            controller.step(zoo.observation(rng))
    assert np.array_equal(plain.bound.state, probed.bound.state)
    assert np.array_equal(plain.bound.array("command"), probed.bound.array("command"))
    spikes = plain.counters()["spikes"]
    assert {one.name: one.spikes.sum() for one in probed.probes if one.spiking} == spikes


def test_what_is_seen_is_what_happened():
    spec = parse_spec(yaml.safe_load(MIXED))
    program, stimulus = build_program(spec), default_stimulus(spec, 0.4, seed=2)
    activity, plain = probe(program, stimulus), Controller(program)
    commands, membranes, spikes = [], [], np.zeros(8, int)
    for observation in stimulus.log.observations():
        commands.append(plain.step(observation)["y"])
        membranes.append(plain.bound.array("g.v").copy())
        spikes += np.bincount(plain.raster("a")[1], minlength=8)
    assert np.array_equal(activity.command, commands)
    assert activity.steps == 400
    assert not activity.safe.any()
    for name, count in plain.counters()["spikes"].items():
        assert activity.populations[name].spikes.sum() == count
    assert np.array_equal(activity.populations["a"].spikes, spikes)
    assert (activity.populations["g"].highest >= np.max(membranes, axis=0)).all()
    assert (activity.populations["x"].drive_high > 3).all()  # every field was at its centre once
    assert (activity.populations["a"].highest < 1).all()  # a membrane after a step is below the threshold
    assert activity.populations["last"].drive_low.min() >= np.float32(0.3)  # the bias, and what excites


def test_several_spikes_in_a_step_are_seen():
    values = yaml.safe_load(MIXED)
    values["network"]["populations"]["last"] = {
        "size": 3, "bias": [0.3, 1.0, 3.0], "neuron": {"type": "if", "r": 1e3, "reset": "subtract", "several": True},
    }  # fmt: skip
    spec = parse_spec(values)
    program, stimulus = build_program(spec), default_stimulus(spec, 0.2)
    seen, plain = probe(program, stimulus).populations["last"], Controller(program)
    for observation in stimulus.log.observations():
        plain.step(observation)
    assert seen.spikes.sum() == plain.counters()["spikes"]["last"]
    assert (seen.fired <= 200).all()
    assert seen.spikes[2] >= 600


def test_samples_are_spread_and_whole():
    assert sample(3, 10).tolist() == [0, 1, 2]
    assert sample(1, 1).tolist() == [0]
    assert sample(1001, 3).tolist() == [0, 500, 1000]
