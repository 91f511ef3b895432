"""The raster plot shows each spike of the engine at its time, and fits into a paper."""

import numpy as np

from snn_control.analysis.probe import probe
from snn_control.analysis.stimulus import default_stimulus
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.record.activity_recorder import ActivityRecorder
from snn_control.report.controller_page import write_controller_page
from snn_control.resources import shipped


def test_the_raster_holds_the_spikes_of_the_engine():
    spec = load_spec(shipped("pan_tilt"))
    stimulus = default_stimulus(spec, 0.2)
    controller = Controller.from_spec(spec)
    recorder = ActivityRecorder(controller.bound)
    recorder.clear()
    controller.observers.append(recorder)
    for observation in stimulus.log.observations():
        controller.step(observation)
    arrays = recorder.arrays()
    raster = {name: one.raster for name, one in probe(controller.program, stimulus).populations.items() if one.spiking}
    assert sum(one.shape[1] for one in raster.values()) > 100
    for k, name in enumerate(recorder.populations):
        of = arrays["spike_population"] == k
        assert np.array_equal(raster[name][1], arrays["spike_neuron"][of])
        assert np.array_equal(raster[name][0], arrays["spike_step"][of] - arrays["spike_step"].min() + _first(raster))


def _first(raster):
    return min(int(one[0].min()) for one in raster.values() if one.size)


def test_it_is_drawn_alone_as_a_vector_graphic(tmp_path):
    spec = load_spec(shipped("cartpole"))
    done = write_controller_page(spec, default_stimulus(spec, 0.2), tmp_path, suffix="svg", only=["raster"])
    assert [path.name for _, path in done.files] == ["raster.svg"]
    text = (tmp_path / "raster.svg").read_text()
    assert text.count("<use ") > 100  # a mark for each spike
    assert "<image" not in text
