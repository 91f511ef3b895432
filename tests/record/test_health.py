"""What `check` says of a network: found where it was put, silent where all is well, and never more than was seen."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import yaml

from snn_control.record.health import diagnose
from snn_control.record.stimulus import Stimulus, default_stimulus
from snn_control.record.watch import watch
from snn_control.resources import shipped
from snn_control.spec import load_spec, parse_spec

X = {"kind": "value", "size": 1, "range": [0, 1]}
LIF = {"type": "lif", "tau_mem": 0.01}
STEADY, SECONDS = np.ones((400, 1)), 0.4


def controller(populations, projections, outputs=None, **x):
    """A controller of one number x; populations are of 4 LIF neurons where they do not say otherwise."""
    populations = {name: {"size": 4, "neuron": LIF} | p for name, p in populations.items()}
    first = next(iter(populations))
    decoder = {"type": "linear", "from": first, "tau": 0.01, "weights": 1.0}
    return {
        "version": 1,
        "period": 0.001,
        "inputs": {"x": X | x},
        "network": {"populations": populations, "projections": [{"pre": "x", **p} for p in projections]},
        "outputs": outputs or {"y": {"unit": "m/s", "decoder": decoder}},
    }


def health_of(values, x=STEADY):
    spec = parse_spec(values)
    stimulus = Stimulus("a test", spec.period, len(x), {"x": np.asarray(x)})
    return diagnose(spec, watch(spec.build(), stimulus, keep=False))


def lines_of(health, where):
    return [line for line in health.warnings() if line.startswith(where)]


def only_population(health):
    assert len(health.populations) == 1
    return health.populations[0]


def test_a_network_that_works_gives_no_warning():
    x = (0.5 + 0.5 * np.sin(np.arange(400) / 40))[:, None]
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": 3.0}]), x)
    assert health.warnings() == []
    p = only_population(health)
    assert (p.dead, p.saturated, p.bad_steps, p.driven) == (0, 0, 0, True)
    assert 20 < p.rate_hz < 200


def test_a_dead_population_says_how_much_more_it_takes_and_that_is_so():
    values = controller({"a": {}}, [{"post": "a", "weights": 0.4}])
    health = health_of(values)
    p = only_population(health)
    assert (p.dead, p.out_of_reach, p.threshold) == (4, 0, 1.0)
    assert p.membrane == pytest.approx((0.4, 0.4), abs=1e-3)  # the membrane settles at r I
    assert p.largest_drive == pytest.approx(0.4)
    (line,) = lines_of(health, "network.populations.a:")
    assert "none of its 4 neurons fired with this stimulus" in line
    factor = float(re.search(r"x ([\d.]+) or more", line).group(1))
    for share, dead in ((0.95, 4), (1.02, 0)):
        values["network"]["projections"][0]["weights"] = 0.4 * factor * share
        assert only_population(health_of(values)).dead == dead


def test_the_dead_part_of_a_population_is_counted_with_the_reasons():
    weights = [[3.0, 0.9, 0.0, -2.0]]
    health = health_of(controller({"a": {"bias": 0.0}}, [{"post": "a", "weights": weights}]))
    p = only_population(health)
    assert (p.dead, p.out_of_reach) == (3, 1)
    assert p.membrane[0] == pytest.approx(0.9, abs=1e-3)
    (line,) = lines_of(health, "network.populations.a: 3 of 4 neurons never fired with this stimulus")
    assert "90% of the way to threshold 1" in line
    assert "nothing at all reached 1 of them" in line


def test_inhibition_alone_is_named():
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": -1.0}]))
    assert "only inhibition reached them" in lines_of(health, "network.populations.a:")[0]


def test_rest_and_threshold_of_another_scale():
    neuron = {"type": "lif", "tau_mem": 0.01, "v_leak": -65.0, "v_reset": -65.0, "v_threshold": -50.0, "r": 10.0}
    values = controller({"a": {"neuron": neuron, "v_init": -65.0}}, [{"post": "a", "weights": 1.2}])
    p = only_population(health_of(values))
    assert p.dead == 4
    assert p.membrane == pytest.approx((12 / 15, 12 / 15), abs=1e-3)
    assert p.threshold == -50.0


def test_neurons_that_nothing_reaches():
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": [[2.0, 2.0, 0.0, 0.0]]}]))
    assert "nothing reached them" in lines_of(health, "network.populations.a: 2 of 4")[0]


def test_a_population_without_input_is_not_called_dead():
    values = controller({"a": {}, "b": {}}, [{"post": "a", "weights": 0.1}, {"pre": "a", "post": "b"}])
    health = health_of(values)
    assert [p.dead for p in health.populations] == [4, 0]
    assert len(lines_of(health, "network.populations.b: nothing reached it with this stimulus")) == 1


def test_a_bias_alone_may_keep_a_population_alive():
    health = health_of(controller({"a": {"bias": 2.0}}, []))
    assert only_population(health).rate_hz > 0
    assert lines_of(health, "network.populations") == []


@pytest.mark.parametrize("refractory", [0.0, 0.003])
def test_saturation_is_measured_against_the_refractory_period(refractory):
    neuron = LIF | {"refractory": refractory}
    weights = [[1e3, 1e3, 1.5, 1.5]]
    health = health_of(controller({"a": {"neuron": neuron}}, [{"post": "a", "weights": weights}]))
    p = only_population(health)
    assert (p.dead, p.saturated) == (0, 2)
    assert p.fastest_hz == pytest.approx(1 / max(0.001, refractory), rel=0.02)
    assert len(lines_of(health, "network.populations.a: 2 of 4 neurons fired in more than 95%")) == 1


def test_a_neuron_that_is_not_linear_is_given_no_factor():
    values = controller({"a": {"neuron": {"type": "izhikevich"}}}, [{"post": "a", "weights": 3.0}])
    health = health_of(values)
    p = only_population(health)
    assert (p.dead, p.membrane, p.largest_drive) == (4, None, 3.0)
    assert "the largest current into them was 3: raise" in lines_of(health, "network.populations.a: none of its 4")[0]
    values["network"]["projections"][0]["weights"] = 5.0
    assert only_population(health_of(values)).dead == 0


def test_a_projection_with_a_current_of_its_own_is_input():
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": 0.01, "tau_syn": 0.02}]))
    p = only_population(health)
    assert (p.dead, p.out_of_reach) == (4, 0)
    assert p.largest_drive == pytest.approx(0.01 / (1 - np.exp(-0.001 / 0.02)), rel=0.01)


def test_thresholds_of_their_own():
    neuron = LIF | {"v_threshold": [0.2, 0.5, 2.0, 4.0]}
    p = only_population(health_of(controller({"a": {"neuron": neuron}}, [{"post": "a", "weights": 1.0}])))
    assert (p.dead, p.threshold) == (2, 2.0)
    assert p.membrane == pytest.approx((0.5, 0.375), abs=1e-3)


def test_encoders_that_spike_are_looked_at_as_well():
    encoder = {"type": "population", "neurons": 4, "drive": 0.5, "neuron": LIF}
    outputs = {"y": {"decoder": {"type": "linear", "from": "x", "tau": 0.01, "weights": 1.0}}}
    values = controller({"a": {"bias": 2.0}}, [], outputs, encoder=encoder)
    health = health_of(values)
    assert len(lines_of(health, "inputs.x.encoder: none of its 4 neurons fired")) == 1


def test_an_overflow_that_the_engine_takes_out_is_seen():
    """A graded loop that grows to infinity: the engine sets it to 0, the command stays finite."""
    loop = {"pre": "g", "post": "g", "weights": 1e20, "delay": 0.001}
    values = controller({"g": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.01}}, "a": {"bias": 2.0}},
                        [{"post": "g", "weights": 1e20}, loop], outputs={
        "y": {"decoder": {"type": "linear", "from": "a", "tau": 0.01, "weights": 1.0}}})  # fmt: skip
    health = health_of(values)
    assert health.populations[0].bad_steps > 100
    assert health.populations[1].bad_steps == 0
    assert "NaN, infinite or beyond 1e30" in lines_of(health, "network.populations.g:")[0]
    assert health.not_finite_ticks == 0


def test_a_nan_within_a_step_is_seen():
    """inf - inf in the current of a neuron, whose membrane is then 0 as if nothing had been."""
    up, down = ({"pre": "g", "post": "a", "weights": w} for w in (3e38, -3e38))
    values = controller({"a": {}, "g": {"size": 2, "neuron": {"type": "li", "tau_mem": 0.01}}},
                        [{"post": "g", "weights": 100.0}, up, down])  # fmt: skip
    health = health_of(values)
    assert health.populations[0].bad_steps > 300
    assert health.populations[0].largest_drive == 0.0


def membrane(weights, **more):
    return {"y": {"decoder": {"type": "membrane", "from": "x", "weights": weights}} | more}


def test_an_output_that_is_not_finite_is_counted():
    values = controller({"a": {"bias": 2.0}}, [], membrane(3e38), range=[0, 100])
    assert health_of(values, STEADY).not_finite_ticks == 0
    health = health_of(values, np.full((400, 1), 50.0))
    assert health.not_finite_ticks == health.safe_ticks == 400
    said = "\n".join(health.warnings())
    assert "not finite in 400 of 400 ticks" in said
    assert "safe one all the time" in said
    assert "stayed at" not in said


def test_outputs_at_a_limit():
    x = np.linspace(0, 1, 400)[:, None]
    half = health_of(controller({"a": {"bias": 2.0}}, [], membrane(2.0, limits=[-1.0, 1.0])), x)
    assert half.outputs[0].at_high == pytest.approx(0.5, abs=0.01)
    assert half.warnings() == []
    most = health_of(controller({"a": {"bias": 2.0}}, [], membrane(20.0, limits=[-1.0, 1.0], unit="m/s")), x)
    assert most.outputs[0].at_high == pytest.approx(0.95, abs=0.01)
    assert "outputs.y: at its limit of 1 m/s in more than 90% of the ticks" in most.warnings()[0]
    flat = np.where(np.arange(400) % 2, 1.0, 0.0)[:, None]
    to_and_fro = controller({"a": {"bias": 2.0}}, [], membrane([[9.0]], limits=[-1.0, 1.0], bias=-4.0))
    assert "at one of its limits in more than 90%" in health_of(to_and_fro, flat).warnings()[0]


def test_an_output_that_never_moves():
    outputs = membrane([[0.0, 1.0]], size=2, unit="rad/s", bias=[0.25, 0.0])
    health = health_of(controller({"a": {"bias": 2.0}}, [], outputs), np.linspace(0, 1, 400)[:, None])
    (line,) = health.warnings()
    assert line.startswith("outputs.y[0]: stayed at 0.25 rad/s with this stimulus")


def test_numbers_with_the_same_finding_share_a_line():
    outputs = membrane(0.0, size=12) | {"z": membrane(0.0, bias=1.0)["y"]}
    assert [
        line.partition(" with")[0] for line in health_of(controller({"a": {"bias": 2.0}}, [], outputs)).warnings()
    ] == [
        "outputs.y, 12 of its numbers: stayed at 0",
        "outputs.z: stayed at 1",
    ]


def test_the_numbers_are_json_without_infinities():
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": 0.4}]))
    numbers = json.loads(json.dumps(health.numbers(), allow_nan=False))
    assert numbers["populations"][0]["dead"] == 4
    assert numbers["outputs"][0]["low"] is None
    assert numbers["stimulus"] == "a test"


@pytest.mark.parametrize("name", ["cartpole", "template"])
def test_what_ships_is_alive(name, tmp_path):
    if name == "template":
        from importlib.resources import files

        spec = parse_spec(yaml.safe_load(files("snn_control").joinpath("templates/controller.yaml").read_text()))
    else:
        spec = load_spec(shipped(name))
    for seed in range(3):
        health = diagnose(spec, watch(spec.build(), default_stimulus(spec, 1.0, seed)))
        assert health.warnings() == []


def test_every_warning_says_what_it_was_seen_with():
    values = controller({"a": {}, "b": {}, "c": {"bias": 1e4}}, [{"post": "a", "weights": 0.4}], membrane(0.0))
    lines = health_of(values).warnings()
    assert len(lines) == 4
    assert all("with this stimulus" in line for line in lines)
