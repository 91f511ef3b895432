"""A neuron that fires several times in a step is recorded as often as it fired."""

from __future__ import annotations

import numpy as np
import yaml

from snn_control.analysis.probe import probe
from snn_control.analysis.stimulus import default_stimulus
from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.record.activity_recorder import ActivityRecorder
from tests.rasters import lists

#: about 0, 0.5 and 4 spikes per step
POISSON = """
version: 1
period: 0.004
dt: 0.001
inputs: {x: {kind: value, size: 1}}
network:
  populations: {noise: {size: 3, neuron: {type: poisson, rate: 1000.0}, bias: [0.0, 0.5, 4.0]}}
  projections: [{pre: x, post: noise, weights: 0.0}]
outputs:
  y: {decoder: {type: linear, from: noise, tau: 0.01, weights: 0.001}}
"""
TICKS = 50


def test_every_spike_of_a_step_is_recorded_and_read():
    spec = parse_spec(yaml.safe_load(POISSON))
    controller = Controller.from_spec(spec)
    recorder = ActivityRecorder(controller.bound, ticks=TICKS, spikes=10_000)
    counts, steps, neurons = [], [], []
    for _ in range(TICKS):
        controller.step({"x": [0.0]})
        recorder()
        counts.append(lists(controller, "noise"))
        step, neuron = controller.raster("noise")
        steps.append(step)
        neurons.append(neuron)
    counts = np.concatenate(counts)
    assert counts.max() > 5
    assert not counts[:, 0].any()
    assert counts.sum() == controller.counters()["spikes"]["noise"]

    step, neuron = np.nonzero(counts)
    expected = [np.repeat(column, counts[step, neuron]) for column in (step, neuron)]
    arrays = recorder.arrays()
    np.testing.assert_array_equal([arrays["spike_step"], arrays["spike_neuron"]], expected)
    np.testing.assert_array_equal([np.concatenate(steps), np.concatenate(neurons)], expected)

    activity = probe(controller.program, default_stimulus(spec, TICKS * spec.period))
    noise = activity.populations["noise"]
    np.testing.assert_array_equal(noise.spikes, counts.sum(0))
