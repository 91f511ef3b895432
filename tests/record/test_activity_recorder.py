"""Spikes and commands that the port of a loop records."""

import numpy as np
import pytest

from snn_control.coding import Output, SpikeDecoder
from snn_control.controller import Controller
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import LIF, Network, Population
from snn_control.record.activity_recorder import ActivityRecorder


def test_of_many_populations_each_has_its_own_spikes():
    populations = [Population(f"p{k}", 1, LIF(tau_mem=0.01), bias=5.0 * (k in (7, 299))) for k in range(300)]
    output = Output("y", (SpikeDecoder("p299", 0.001, 0.1),))
    controller = Controller(build(Network(tuple(populations)), [], [output], dt=1e-3, period=1e-3))
    recorder = ActivityRecorder(controller.bound, ticks=100, spikes=1000)
    for _ in range(50):
        controller.step({})
        recorder()
    arrays = recorder.arrays()
    fired = arrays["population_names"][arrays["spike_population"]]
    assert set(fired.tolist()) == {"p7", "p299"}
    assert (fired == "p299").sum() == controller.counters()["spikes"]["p299"] > 0
    for sizes in ({"ticks": 0}, {"spikes": 0}):  # the compiled port would divide by it
        with pytest.raises(DescriptionError, match="= 0: must be at least 1"):
            ActivityRecorder(controller.bound, **sizes)


def test_a_few_populations_are_bytes_in_the_file():
    output = Output("y", (SpikeDecoder("a", 0.001, 0.1),))
    controller = Controller(build(Network((Population("a", 1, LIF()),)), [], [output], dt=1e-3, period=1e-3))
    assert ActivityRecorder(controller.bound, 1, 1).arrays()["spike_population"].dtype == np.uint8
