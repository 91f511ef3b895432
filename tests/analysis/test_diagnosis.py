"""Findings of `check`: faults are found where they were introduced; nothing is reported if all is well or unknown."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from snn_control.analysis.diagnosis import diagnose
from snn_control.analysis.event_replay import fit
from snn_control.analysis.probe import probe
from snn_control.analysis.stimulus import default_stimulus
from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.controller import build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.events.writing import write_npz
from snn_control.resources import shipped
from tests.analysis.judged import EACH, LIF, MOVING, STEADY, controller, health_of, lines_of, membrane
from tests.events.moving import bar


def only_population(health):
    assert len(health.populations) == 1
    return health.populations[0]


def test_a_network_that_works_gives_no_warning():
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": EACH}]))
    assert health.warnings() == []
    p = only_population(health)
    assert (p.silent, p.dead, p.always, p.saturated, p.bad_steps, p.identical) == (0, 0, 0, 0, 0, ())
    assert 20 < p.slowest_hz < p.rate_hz < p.fastest_hz < 300


# neurons that can never fire -----------------------------------------------------------------------------------
def test_a_dead_population_says_how_much_more_it_takes_and_that_is_so():
    values = controller({"a": {}}, [{"post": "a", "weights": 0.4}])
    for synthetic in (True, False):  # no stimulus excuses it
        health = health_of(values, STEADY, synthetic)
        p = only_population(health)
        assert (p.dead, p.silent, p.possible_drive, p.way) == (4, 4, pytest.approx(0.4), pytest.approx(0.4))
        (line,) = lines_of(health, "network.populations.a: none of its 4 neurons can ever fire")
        assert "allow a drive of 0.4 at most, 40% of the way" in line
    factor = float(re.search(r"x ([\d.]+) or more", line).group(1))
    for share, dead in ((0.95, 4), (1.02, 0)):
        values["network"]["projections"][0]["weights"] = 0.4 * factor * share
        p = only_population(health_of(values, STEADY))
        assert (p.dead, p.silent) == (dead, dead)


def test_the_dead_part_of_a_population_is_counted_and_a_few_at_the_border_are_no_finding():
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": [[3.0, 0.9, 0.0, -2.0]]}]))
    p = only_population(health)
    assert (p.dead, p.silent) == (3, 3)
    (line,) = lines_of(health, "network.populations.a: 3 of 4 neurons can never fire (no fault if training pruned them")
    assert "90% of the way" in line
    weights = [np.r_[np.linspace(2, 4, 39), 0.5].tolist()]
    health = health_of(controller({"a": {"size": 40}}, [{"post": "a", "weights": weights}]))
    assert (only_population(health).dead, health.warnings()) == (1, [])


@pytest.mark.parametrize("weights", [-1.0, [[0.0, 0.0, 0.0, 0.0]]])
def test_what_nothing_excites_is_named(weights):
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": weights}]))
    (line,) = lines_of(health, "network.populations.a:")
    assert "can ever fire: nothing excites them" in line


@pytest.mark.parametrize(("weights", "adds"), [(3.0, "3"), (-1.0, "0")])
def test_a_bias_that_keeps_neurons_from_firing_is_named(weights, adds):
    health = health_of(controller({"a": {"bias": -7000.0}}, [{"post": "a", "weights": weights}]))
    (line,) = lines_of(health, "network.populations.a: none of its 4 neurons can ever fire: a bias of -7000 holds them")
    assert f"all else adds {adds} at most: raise the bias" in line


def test_the_target_of_the_dead_is_dead_as_well_and_a_bias_keeps_it_alive():
    for bias, dead in ((0.0, [4, 4]), ([1.1, 1.2, 1.3, 1.4], [4, 0])):
        values = controller({"a": {}, "b": {"bias": bias}}, [{"post": "a", "weights": 0.1}, {"pre": "a", "post": "b"}])
        assert [p.dead for p in health_of(values).populations] == dead


def test_a_command_that_can_only_be_one_number():
    for weights, only in ((0.0, "can only be 0.25 rad/s"), (0.1, None)):
        term = {"type": "linear", "from": "a", "tau": 0.05, "weights": weights}
        outputs = {"y": {"unit": "rad/s", "bias": 0.25, "decoder": term}}
        health = health_of(controller({"a": {}}, [{"post": "a", "weights": EACH}], outputs), synthetic=True)
        assert [only in line for line in lines_of(health, "outputs.y")] == ([True] if only else [])


def test_numbers_with_the_same_finding_share_a_line():
    outputs = membrane(0.0, size=12) | {"z": membrane(0.0, bias=1.0)["y"]}
    health = health_of(controller({"a": {"bias": [2.0, 2.1, 2.2, 2.3]}}, [], outputs))
    assert [str(one).partition(": no decoded")[0] for one in health.warnings()] == [
        "outputs.y: 12 of its numbers: can only be 0",
        "outputs.z: can only be 1",
    ]


# neurons and commands that are not what they seem ----------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "groups"),  # of what fires together, and of identical ones where these are others
    [
        ({}, (4,)),
        ({"weights": [[3.0, 3.0, 3.1, 3.1]]}, (2, 2)),
        ({"weights": EACH}, ()),
        ({"bias": [0.0, 0.1, 0.2, 0.3]}, ()),
        ({"neuron": LIF | {"v_threshold": [1.0, 1.1, 1.2, 1.3]}}, ()),
        ({"v_init": {"type": "uniform", "low": 0, "high": 1, "seed": 1}}, ()),
        ({"out": [1.0, 2.0, 3.0, 4.0]}, ((4,), ())),
        ({"out": [1.0, 2.0, 2.0, 2.0]}, ((4,), (3,))),
        ({"weights": [[3.0, 3.0, 3.1, 3.1]], "out": [1.0, 2.0, 3.0, 4.0]}, ((2, 2), ())),
        ({"weights": EACH, "out": 1.0}, ()),
        ({"neuron": {"type": "poisson", "rate": 100.0}}, ()),  # alike, but each draws its own numbers
        ({"learning": {"type": "pes", "error": "x"}}, ()),
        ({"loop": -0.1}, (4,)),
        ({"loop": {"type": "uniform", "low": -1, "high": 0, "seed": 2}}, ()),
    ],
)
def test_identical_neurons(change, groups):
    decoder = {"type": "linear", "from": "a", "tau": 0.01, "weights": change.pop("out", 1.0)}
    projections = [{"post": "a", "weights": change.pop("weights", 3.0)}]
    if "loop" in change:
        projections.append({"pre": "a", "post": "a", "weights": change.pop("loop"), "delay": 0.001})
    if "learning" in change:
        encoder = {"type": "population", "neurons": 3, "neuron": LIF}
        values = controller({"b": {"neuron": {"type": "li"}}}, [], encoder=encoder)
        values["inputs"]["e"] = {"kind": "value", "size": 4}
        rule = change["learning"] | {"error": "e"}
        values["network"]["projections"] = [{"pre": "x", "post": "b", "weights": 0.0, "learning": rule}]
        values["outputs"]["y"]["decoder"] = {"type": "membrane", "from": "b", "weights": 1.0}
        spec = parse_spec(values)
        health = diagnose(spec, probe(build_program(spec), default_stimulus(spec, 0.1)))
        assert health.populations[-1].identical == ()
        return
    health = health_of(controller({"a": change}, projections, {"y": {"decoder": decoder}}), synthetic=True)
    p = only_population(health)
    together, identical = groups if groups and isinstance(groups[0], tuple) else (groups, groups)
    assert (p.together, p.identical) == (together, identical)
    said = lines_of(health, "network.populations.a:")
    assert len(said) == bool(groups)
    if groups:
        what = "are identical" if identical == together else "always fire together"
        assert f"{' + '.join(map(str, together))} of its 4 neurons {what}" in said[0]
        assert f"do the work of {'one' if len(together) == 1 else len(together)}" in said[0]


@pytest.mark.parametrize(
    ("weights", "bias", "limits", "sided"),
    [
        ([1.0, 1.0, 2.0, 0.0], 0.0, [-2, 2], ">= 0"),
        ([-1.0, -1.0, -2.0, 0.0], 0.0, [-2, 2], "<= 0"),
        ([1.0, 1.0, -2.0, 0.0], 0.0, [-2, 2], ""),
        ([1.0, 1.0, 2.0, 0.0], -0.5, [-2, 2], ""),
        ([1.0, 1.0, 2.0, 0.0], 0.0, [0, 2], ""),  # the limits say so
    ],
)
def test_a_command_of_one_sign_only(weights, bias, limits, sided):
    term = {"type": "linear", "from": "a", "tau": 0.05, "weights": weights}
    outputs = {"y": {"decoder": term, "bias": bias, "limits": limits, "unit": "N"}}
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": EACH}], outputs), synthetic=True)
    assert health.numbers()["outputs"][0]["one_sided"] == sided
    said = lines_of(health, "outputs.y:")
    assert len(said) == bool(sided)
    assert all(f"can only be {sided}, though its limits are [-2, 2] N" in line for line in said)


def test_a_sign_that_weights_do_not_decide_is_what_was_seen_in_a_long_time():
    loop = {"pre": "g", "post": "g", "weights": 0.5, "delay": 0.001}
    outputs = {"y": {"limits": [-9, 9], "decoder": {"type": "membrane", "from": "g", "weights": 1.0}}}
    values = controller({"g": {"size": 1, "neuron": {"type": "li"}}}, [{"post": "g", "weights": 1.0}, loop], outputs)
    for x, says in ((MOVING, False), (np.tile(MOVING, (3, 1)), True), (np.tile(MOVING - 0.9, (3, 1)), False)):
        values["inputs"]["x"]["range"] = [-1, 1]
        health = health_of(values, x)
        said = lines_of(health, "outputs.y: was never negative in 1,200 ticks")
        assert len(said) == says
        squashed = {"y": outputs["y"] | {"squash": True}}
        said = lines_of(health_of(values | {"outputs": squashed}, x), "outputs.y: was never negative in 1,200 ticks")
        assert len(said) == says
        assert health.numbers()["outputs"][0]["never"] == ("negative" if x[0] > 0.4 else "")  # of 400 ticks per figure
    assert health_of(values, MOVING[:199]).outputs[0].never == ""


# what a real stimulus shows, and a synthetic one does not prove ----------------------------------------------------
@pytest.mark.parametrize("refractory", [0.0, 0.003])
def test_saturation_is_measured_against_the_refractory_period(refractory):
    neuron = LIF | {"refractory": refractory}
    values = controller({"a": {"neuron": neuron}}, [{"post": "a", "weights": [[1e3, 1.1e3, 1.5, 1.6]]}])
    health = health_of(values, STEADY)
    p = only_population(health)
    assert (p.silent, p.saturated, p.always) == (0, 2, 0)
    assert p.fastest_hz == pytest.approx(1 / max(0.001, refractory), rel=0.02)
    assert len(lines_of(health, "network.populations.a: 2 of 4 neurons fired in more than 95%")) == 1
    assert health_of(values, STEADY, synthetic=True).warnings() == []


def test_what_always_fires_is_known_without_a_stimulus():
    for bias, many in (([11.0, 12.0, 2.0, 2.1], 2), ([9.0, 9.5, 2.0, 2.1], 0)):
        health = health_of(controller({"a": {"bias": bias}}, []), synthetic=True)
        assert only_population(health).always == many
        said = lines_of(health, "network.populations.a: 2 of 4 neurons fire in every step they can, with any stimulus")
        assert len(said) == bool(many)


def test_a_place_cell_at_its_place_is_not_saturated_and_one_elsewhere_not_dead():
    encoder = {"type": "population", "neurons": 5, "drive": 30.0, "neuron": LIF}
    outputs = {"y": {"decoder": {"type": "linear", "from": "x", "tau": 0.01, "weights": [-2, -1, 0, 1, 2]}}}
    values = controller({"a": {"bias": [2.0, 2.1, 2.2, 2.3]}}, [], outputs, encoder=encoder)
    health = health_of(values, 0.01 * MOVING)
    cells = health.populations[0]
    assert (cells.silent, cells.dead) == (2, 0)
    assert cells.saturated >= 1
    assert health.warnings() == []
    values["inputs"]["x"]["encoder"]["drive"] = 0.9
    assert len(lines_of(health_of(values), "inputs.x.encoder: none of its 5 neurons can ever fire")) == 1


def test_silence_counts_only_where_nothing_comes_of_what_moves():
    """Neurons for left and right turns: one that was not needed is not a fault; a controller that does nothing is."""
    weights, decoder = [[1.5, -1.5]], {"type": "linear", "from": "a", "tau": 0.05, "weights": [1.0, -1.0]}
    values = controller({"a": {"size": 2}}, [{"post": "a", "weights": weights}], {"y": {"decoder": decoder}})
    values["inputs"]["x"]["range"] = [-1, 1]
    health = health_of(values)  # only ever to one side
    assert (only_population(health).silent, health.warnings()) == (1, [])
    health = health_of(values, 0.5 * MOVING)
    assert [one.path for one in health.warnings()] == ["outputs", "network.populations.a"]
    assert "no command moved in 400 ticks of a test" in str(health.warnings()[0])
    assert "took the best membrane 74% of the way to threshold 1" in str(health.warnings()[1])
    assert only_population(health).membrane[0] == pytest.approx(0.75, abs=0.02)
    for x, synthetic in ((0.5 * STEADY, False), (0.5 * MOVING, True)):
        assert health_of(values, x, synthetic).warnings() == []


def test_a_neuron_that_is_not_linear_is_not_judged_by_a_bound():
    values = controller({"a": {"neuron": {"type": "izhikevich"}}}, [{"post": "a", "weights": 3.0}])
    p = only_population(health_of(values, STEADY))
    assert (p.silent, p.dead, p.membrane, p.largest_drive) == (4, 0, None, 3.0)
    values["network"]["projections"][0]["weights"] = 5.0
    assert only_population(health_of(values, STEADY)).silent == 0


def test_thresholds_of_their_own_and_of_another_scale():
    neuron = LIF | {"v_threshold": [0.2, 0.5, 2.0, 4.0]}
    p = only_population(health_of(controller({"a": {"neuron": neuron}}, [{"post": "a", "weights": 1.0}]), STEADY))
    assert (p.dead, p.silent, p.threshold) == (2, 2, 2.0)
    assert p.membrane == pytest.approx((0.5, 0.375), abs=1e-3)
    neuron = LIF | {"v_leak": -65.0, "v_reset": -65.0, "v_threshold": -50.0, "r": 10.0}
    values = controller({"a": {"neuron": neuron, "v_init": -65.0}}, [{"post": "a", "weights": 1.2}])
    p = only_population(health_of(values, STEADY))
    assert (p.dead, p.threshold, p.way) == (4, -50.0, pytest.approx(12 / 15))
    assert p.membrane == pytest.approx((12 / 15, 12 / 15), abs=1e-3)


def test_of_too_many_weights_nothing_is_said(monkeypatch):
    monkeypatch.setattr("snn_control.analysis.synapses.MAX_SYNAPSES", 3)
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": 0.4}]), synthetic=True)
    assert (health.weighed, only_population(health).dead, only_population(health).silent) == (False, 0, 4)
    assert health.warnings() == []


# all of it --------------------------------------------------------------------------------------------------------
def test_the_numbers_are_json_without_infinities():
    numbers = health_of(controller({"a": {}}, [{"post": "a", "weights": 0.4}])).numbers()
    numbers = json.loads(json.dumps(numbers, allow_nan=False))
    assert (numbers["populations"][0]["dead"], numbers["populations"][0]["identical"]) == (4, [4])
    assert numbers["outputs"][0]["low"] is None
    assert numbers["inputs"][0]["clamped"] == 0
    assert numbers["stimulus"] == "a test"


@pytest.mark.parametrize("name", ["cartpole", "pan_tilt", "motion", "events"])
def test_what_ships_is_not_accused_with_the_default_stimulus(name):
    if name == "events":
        from importlib.resources import files

        spec = parse_spec(yaml.safe_load(files("snn_control").joinpath("templates/events.yaml").read_text()))
    else:
        spec = load_spec(shipped(name))
    for seed in range(2):
        stimulus = default_stimulus(spec, 0.3, seed)
        assert stimulus.synthetic
        activity = probe(build_program(spec), stimulus)
        assert diagnose(spec, activity).warnings() == []
        if name == "cartpole":  # nor if it were real
            activity.stimulus = replace(stimulus, synthetic=False)
            assert diagnose(spec, activity).warnings() == []


def test_the_shipped_motion_is_not_accused_of_a_bar_that_moves_one_way(tmp_path):
    events = bar(400.0)
    write_npz(tmp_path / "bar.npz", lambda: [events], events.unit, None, None)
    spec = fit(load_spec(shipped("motion")), (128, 128)).spec
    health = diagnose(spec, probe(build_program(spec), load_stimulus(tmp_path / "bar.npz", spec)))
    assert health.outputs[0].span[0] < -0.1
    assert health.outputs[0].span[1] <= 0.01
    assert sum(p.silent for p in health.populations) > 10_000
    assert health.warnings() == []
