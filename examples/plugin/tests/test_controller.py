"""Tests of the neuron, the encoder and the rule in controllers."""

import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from snn_control_example.lif_again import LifAgain
from snn_control_example.oja import Oja
from snn_control_example.quadratic import Quadratic
from snn_control_example.weber import WeberEncoder

from snn_control import Controller
from snn_control.coding import MembraneDecoder, Output, SpikeDecoder, ValueInput
from snn_control.controller import build_program
from snn_control.controller_file import load_spec
from snn_control.controller_file.reader import Loader
from snn_control.controller_file.schema import schema
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import LIF, Network, Population, Projection

FILE = Path(__file__).parents[1] / "all_three.yaml"
DT = 1e-4


def rate_of(neuron, current, seconds=2.0, dt=DT):
    network = Network((Population("a", 1, neuron, bias=current),))
    controller = Controller(build(network, [], [Output("u", (SpikeDecoder("a", 1.0, 0.01),))], dt=dt, period=dt))
    for _ in range(round(seconds / dt)):
        controller.step({})
    return controller.counters()["spikes"]["a"] / seconds


@pytest.mark.parametrize("current", [0.5, 2.0])
def test_the_neuron_fires_as_fast_as_its_equation_says(current):
    neuron = Quadratic(tau_mem=0.02, v_rest=-1.0, v_critical=1.0, v_threshold=20.0, v_reset=-20.0)
    root = math.sqrt(current + 0.5)  # tau dv/dt = v^2 - 1 + r I, with I of 1.5 more
    period = 0.02 / root * 2 * math.atan(20 / root)
    assert rate_of(neuron, current + 1.5) == pytest.approx(1 / period, rel=0.03)


def test_the_neuron_falls_back_below_the_critical_voltage_and_takes_off_above():
    for v, fires in ((0.9, False), (1.1, True)):
        network = Network((Population("a", 1, Quadratic(), v_init=v),))
        output = Output("u", (SpikeDecoder("a", 1.0, 0.01),))
        controller = Controller(build(network, [], [output], dt=1e-3, period=0.3))
        controller.step({})
        assert (controller.counters()["spikes"]["a"] > 0) is fires
    with pytest.raises(DescriptionError, match="v_rest = 2: must be < v_critical"):
        Quadratic(v_rest=2)


def test_a_refractory_period_is_the_least_time_between_two_spikes():
    assert rate_of(Quadratic(refractory=0.1), 500.0) == pytest.approx(10, rel=0.05)


def contrast(values, tau=1.0):
    encoder = WeberEncoder(tau=tau, start=100.0, floor=1e-6)
    output = Output("u", (MembraneDecoder("x", np.array([[1.0], [-1.0]])),))
    controller = Controller(build(Network(), [ValueInput("x", encoder=encoder)], [output], dt=0.01, period=0.01))
    return [controller.step({"x": [x]})["u"][0] for x in values]


def test_the_encoder_sees_ratios_and_adapts():
    assert contrast([110.0]) == pytest.approx([0.1], rel=1e-5)
    assert contrast([90.0]) == pytest.approx([-0.1], rel=1e-5)
    u = contrast([200.0] * 300 + [220.0])
    assert abs(u[299]) < 0.06  # 3 time constants
    assert u[300] == pytest.approx(0.1 + u[299] * 1.1, abs=2e-3)
    with pytest.raises(DescriptionError, match="floor = 0: must be > 0"):
        WeberEncoder(floor=0)


def test_oja_keeps_what_fires_together_and_forgets_the_rest():
    rng = np.random.default_rng(1)
    neuron = LIF(tau_mem=0.005, v_threshold=0.5)
    network = Network(
        (Population("pre", 4, neuron), Population("post", 1, LIF(tau_mem=0.01, v_threshold=0.3))),
        (
            Projection("x", "pre", 5.0, "one_to_one"),
            Projection("pre", "post", 1.0, learning=Oja(tau=0.02, learning_rate=2.0, name="oja")),
        ),
    )
    output = Output("u", (SpikeDecoder("post", 1.0, 0.05),))
    controller = Controller(build(network, [ValueInput("x", size=4)], [output], dt=1e-3, period=1e-3))
    for _ in range(6000):
        together = rng.random() < 0.05
        controller.step({"x": [together, together, together, rng.random() < 0.01]})
    w = controller.bound.array("pre->post.weights")[:, 0]
    assert np.isfinite(w).all()
    assert np.ptp(w[:3]) < 1e-3
    assert w[0] > 3 * w[3]
    before = w.copy()
    controller.learning(False, "oja")
    for _ in range(200):
        controller.step({"x": [1, 0, 0, 1]})
    assert controller.bound.array("pre->post.weights")[:, 0].tobytes() == before.tobytes()


def test_a_controller_file_with_all_three(tmp_path):
    spec = load_spec(FILE)
    controller = Controller(build_program(spec))
    quiet = [controller.step({"light": [100.0, 100.0]})["turn"][0] for _ in range(20)]
    before = controller.bound.array("light->eye.weights").copy()
    bright = [controller.step({"light": [180.0, 100.0]})["turn"][0] for _ in range(60)]
    assert max(quiet) == 0
    assert max(bright) > 0.1
    assert (controller.bound.array("light->eye.weights") != before).any()
    saved = spec.save(tmp_path / "again.yaml")
    for one in (FILE, saved):
        jsonschema.Draft202012Validator(schema()).validate(yaml.load(one.read_text(), Loader))
    assert build_program(load_spec(saved)).digest == controller.program.digest
    controller.program.save(tmp_path / "program.npz")
    again = Controller.load(tmp_path / "program.npz")
    twice = [again.step({"light": [180.0, 100.0]})["turn"][0] for _ in range(60)]
    controller.reset()
    assert [controller.step({"light": [180.0, 100.0]})["turn"][0] for _ in range(60)] == twice


def test_the_lif_again_fires_when_ours_does():
    assert rate_of(LifAgain(tau_mem=0.01), 1.5) == rate_of(LIF(tau_mem=0.01), 1.5) > 50
    with pytest.raises(DescriptionError, match="must be 0"):
        LifAgain(refractory=0.1)
