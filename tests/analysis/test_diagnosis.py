"""What `check` says of a controller: found where it was put, silent where all is well, and never more than is known."""

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
from snn_control.analysis.stimulus import Stimulus, default_stimulus
from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.controller import build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.events.writing import write_npz
from snn_control.record.input_log import InputLog
from snn_control.resources import shipped
from tests.events.moving import bar

X = {"kind": "value", "size": 1, "range": [0, 1]}
LIF = {"type": "lif", "tau_mem": 0.01}
STEADY = np.ones((400, 1))
MOVING = (0.5 + 0.5 * np.sin(np.arange(400) / 40))[:, None]
EACH = [[2.5, 3.0, 3.5, 4.0]]  # weights of its own for each of four neurons


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


def health_of(values, x=MOVING, synthetic=False):
    spec = parse_spec(values)
    stimulus = Stimulus("a test", spec.period, InputLog.of(spec.period, len(x), {"x": np.asarray(x)}, {}), synthetic)
    return diagnose(spec, probe(build_program(spec), stimulus, keep=False))


def lines_of(health, where):
    return [line for line in health.warnings() if line.startswith(where)]


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
    (line,) = lines_of(health, "network.populations.a: 3 of 4 neurons can never fire")
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
    assert [line.partition(": nothing")[0] for line in health.warnings()] == [
        "outputs.y, 12 of its numbers: can only be 0",
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
        health = diagnose(spec, probe(build_program(spec), default_stimulus(spec, 0.1), keep=False))
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


def membrane(weights, **more):
    return {"y": {"decoder": {"type": "membrane", "from": "x", "weights": weights}} | more}


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
        assert health.numbers()["outputs"][0]["never"] == ("negative" if x[0] > 0.4 else "")  # of 400 ticks a figure
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
        said = lines_of(health, "network.populations.a: 2 of 4 neurons fire in every step they can, whatever is shown")
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
    """Neurons for a left and a right turn: one that was not needed is no fault, a controller that does nothing is."""
    weights, decoder = [[1.5, -1.5]], {"type": "linear", "from": "a", "tau": 0.05, "weights": [1.0, -1.0]}
    values = controller({"a": {"size": 2}}, [{"post": "a", "weights": weights}], {"y": {"decoder": decoder}})
    values["inputs"]["x"]["range"] = [-1, 1]
    health = health_of(values)  # only ever to one side
    assert (only_population(health).silent, health.warnings()) == (1, [])
    health = health_of(values, 0.5 * MOVING)
    assert [line.partition(":")[0] for line in health.warnings()] == ["outputs", "network.populations.a"]
    assert "no command moved in 400 ticks of a test" in health.warnings()[0]
    assert "took the best membrane 74% of the way to threshold 1" in health.warnings()[1]
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
    monkeypatch.setattr("snn_control.analysis.synapses.MOST", 3)
    health = health_of(controller({"a": {}}, [{"post": "a", "weights": 0.4}]), synthetic=True)
    assert (health.weighed, only_population(health).dead, only_population(health).silent) == (False, 0, 4)
    assert health.warnings() == []


# commands -------------------------------------------------------------------------------------------------------
def commanding(command, synthetic=False, **output):
    """Health of an output that is what is shown."""
    values = controller({"a": {"bias": [2.0, 2.1, 2.2, 2.3]}}, [], membrane(1.0, **output))
    values["inputs"]["x"]["range"] = [-50, 50]
    return health_of(values, np.asarray(command, np.float64)[:, None], synthetic)


RAMP = np.linspace(-1, 1, 400)


def test_commands_at_a_limit_most_of_the_time():
    half = commanding(2.0 * RAMP, limits=[-1.2, 1.2])
    assert half.outputs[0].at_low == half.outputs[0].at_high == pytest.approx(0.2, abs=0.01)
    assert half.warnings() == []
    for ticks, says in ((400, True), (380, True), (378, False)):  # full speed most of the way may be meant
        most = commanding(np.where(np.arange(400) < ticks, 9.0, 0.0), limits=[-2.0, 6.0], unit="m/s")
        assert most.outputs[0].at_high == ticks / 400
        said = [f"at its limit of 6 m/s in {ticks} of 400 ticks" in line for line in most.warnings()]
        assert said == [True] * says
    silent = commanding(np.maximum(20.0 * RAMP - 18, 0.0), limits=[0.0, 6.0])  # at 0 where nothing asks for more
    assert silent.outputs[0].at_low > 0.9
    assert silent.warnings() == []
    both = commanding(10.0 * RAMP, limits=[-1.0, 1.0])
    assert "outputs.y: at its limits in 360 of 400 ticks" in both.warnings()[0]
    assert commanding(10.0 * RAMP, synthetic=True, limits=[-1.0, 1.0]).warnings() == []


def test_a_squashed_command_is_at_a_limit_where_it_comes_next_to_it():
    most = commanding(np.full(400, 3.0), limits=[-2.0, 2.0], squash=True)  # 1.99
    assert (most.outputs[0].at_high, most.outputs[0].rest) == (1, 0)
    (line,) = most.warnings()
    assert "outputs.y: next to its limit of 2 in 400 of 400 ticks" in line
    assert commanding(np.full(400, 1.5), limits=[-2.0, 2.0], squash=True).outputs[0].at_high == 0  # 1.81
    assert commanding(RAMP, limits=[0.0, 2.0], squash=True, bias=0.5).outputs[0].rest == pytest.approx(1.462, abs=1e-3)


@pytest.mark.parametrize(
    ("command", "swings_hz", "swing", "says"),
    [
        (np.where(np.arange(400) % 2, 2.0, -2.0), 498.75, 4.0, True),
        (2 * np.sin(2 * np.pi * np.arange(400) / 50), 20.0, 4.0, True),  # no tick of it turns round by much
        (np.round(3 * np.sin(2 * np.pi * np.arange(400) / 50)), 20.0, 4.0, True),  # nor where it stays at a limit
        (np.where(np.arange(400) % 200 < 100, 2.0, -2.0), 3.75, 4.0, False),
        (0.45 * np.sin(np.arange(400)), 0.0, 0.0, False),
        (RAMP + 0.4 * np.sin(np.arange(400)), 1.25, 2.36, False),  # a tremor on a way
    ],
)
def test_commands_that_swing(command, swings_hz, swing, says):
    """There and back by more than a quarter of the limits' distance, in however many ticks."""
    health = commanding(command, limits=[-2, 2], unit="N m")
    found = health.numbers()["outputs"][0]
    assert (found["swings_hz"], found["swing"]) == (pytest.approx(swings_hz, abs=1.3), pytest.approx(swing, abs=0.1))
    said = [line for line in health.warnings() if "chatters" in line]
    assert [
        f"{found['swings_hz']:.3g} swings a second, each way by {found['swing']:.3g} N m" in line for line in said
    ] == [True] * says
    assert commanding(command).outputs[0].swings_hz == 0  # of what, without limits?


def test_commands_along_their_slew_limit():
    wave = np.sin(np.arange(400) / 20)
    for slew, share in ((10.0, 0.9), (45.0, 0.4), (60.0, 0.0)):
        health = commanding(wave, limits=[-2, 2], slew=slew)
        assert health.outputs[0].slewed == pytest.approx(share, abs=0.12)
        said = [line for line in health.warnings() if "as fast as its slew limit allows in" in line]
        assert len(said) == (share > 0.5)


def test_an_output_that_is_not_finite_is_counted():
    values = controller({"a": {"bias": [2.0, 2.1, 2.2, 2.3]}}, [], membrane(3e38), range=[0, 100])
    assert health_of(values, STEADY).not_finite_ticks == 0
    health = health_of(values, np.full((400, 1), 50.0), synthetic=True)
    assert health.not_finite_ticks == health.safe_ticks == 400
    said = "\n".join(health.warnings())
    assert "not finite in 400 of 400 ticks" in said
    assert "safe one all the time" in said


# inputs ---------------------------------------------------------------------------------------------------------
def test_inputs_beyond_their_range_and_rejected_ones():
    values = controller({"a": {}}, [{"post": "a", "weights": EACH}], plausible=[-5, 5], unit="rad")
    for x, says in (
        (
            np.where(np.arange(400)[:, None] < 260, 2.0, 0.5),
            ["inputs.x: beyond its range [0, 1] rad in 65% of 400 ticks (from 0.5 to 2)"],
        ),
        (0.6 + 0.5 * MOVING, []),  # now and then
        (np.where(np.arange(400)[:, None] % 40, MOVING, np.inf), ["inputs.x: 10 of 400 samples were rejected"]),
        (np.where(np.arange(400)[:, None] % 40, MOVING, np.nan), []),
        (np.where(np.arange(400)[:, None] % 40, MOVING, 9.0), ["inputs.x: 10 of 400 samples were rejected"]),
    ):
        said = lines_of(health_of(values, x), "inputs.x")
        assert [line[: len(text)] for line, text in zip(said, says, strict=True)] == says


# what the engine takes out --------------------------------------------------------------------------------------
def test_an_overflow_that_the_engine_takes_out_is_seen():
    """A graded loop that grows to infinity: the engine sets it to 0, the command stays finite."""
    loop = {"pre": "g", "post": "g", "weights": 1e20, "delay": 0.001}
    values = controller({"g": {"size": 1, "neuron": {"type": "li", "tau_mem": 0.01}}, "a": {"bias": 2.0}},
                        [{"post": "g", "weights": 1e20}, loop], outputs={
        "y": {"decoder": {"type": "linear", "from": "a", "tau": 0.01, "weights": 1.0}}})  # fmt: skip
    health = health_of(values, STEADY, synthetic=True)
    assert health.populations[0].bad_steps > 100
    assert health.populations[1].bad_steps == 0
    assert "NaN, infinite or beyond 1e30" in lines_of(health, "network.populations.g:")[0]
    assert health.not_finite_ticks == 0


def test_a_nan_within_a_step_is_seen():
    """inf - inf in the current of a neuron, whose membrane is then 0 as if nothing had been."""
    up, down = ({"pre": "g", "post": "a", "weights": w} for w in (3e38, -3e38))
    values = controller({"a": {}, "g": {"size": 2, "neuron": {"type": "li", "tau_mem": 0.01}}},
                        [{"post": "g", "weights": 100.0}, up, down])  # fmt: skip
    health = health_of(values, STEADY)
    assert health.populations[0].bad_steps > 300
    assert health.populations[0].largest_drive == 0.0


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
        activity = probe(build_program(spec), stimulus, keep=False)
        assert diagnose(spec, activity).warnings() == []
        if name == "cartpole":  # nor if it were real
            activity.stimulus = replace(stimulus, synthetic=False)
            assert diagnose(spec, activity).warnings() == []


def test_the_shipped_motion_is_not_accused_of_a_bar_that_moves_one_way(tmp_path):
    events = bar(400.0)
    write_npz(tmp_path / "bar.npz", lambda: [events], events.unit, None, None)
    spec = fit(load_spec(shipped("motion")), (128, 128)).spec
    health = diagnose(spec, probe(build_program(spec), load_stimulus(tmp_path / "bar.npz", spec), keep=False))
    assert health.outputs[0].span[0] < -0.1
    assert health.outputs[0].span[1] <= 0.01
    assert sum(p.silent for p in health.populations) > 10_000
    assert health.warnings() == []
