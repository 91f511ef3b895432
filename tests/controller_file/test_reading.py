"""The controller file: what comes out of it, and texts that cannot be read."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import copy
import math
import re
from pathlib import Path

import numpy as np
import pytest

from snn_control import Controller
from snn_control.coding import (
    LinearEncoder,
    MembraneDecoder,
    Output,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.controller_file.perturbations import Perturbations
from snn_control.controller_file.training import Limits, Surrogate, Training
from snn_control.engine import registry
from snn_control.engine.build import build
from snn_control.errors import DescriptionError
from snn_control.network import (
    LI,
    LIF,
    Bernoulli,
    CubaLIF,
    DistanceDependent,
    FixedIndegree,
    Grid,
    Network,
    Normal,
    Threshold,
)
from tests.controller_file.cases import (
    CAMERA,
    EVENTS,
    GOOD,
    INFINITY,
    MISSING,
    MOTOR_TO_SLOW,
    SECOND,
    SHEET,
    VALIDATOR,
    with_value,
)

ROOT = Path(__file__).resolve().parents[2]


# reading -------------------------------------------------------------------------------------------------------
def test_how_it_is_trained_is_read_and_is_no_part_of_the_program():
    one, other = parse_spec(GOOD), parse_spec(with_value("training", MISSING))
    assert one.training == Training(
        "ppo",
        {"*.weights": Limits(), "motor.tau_mem": Limits(0.005, 0.1)},
        Surrogate("arctan", 2, 10),
        settings={"total_timesteps": 100_000, "critic_layers": [64, 64]},
        perturb=Perturbations(action_delay=(0, 2), mass=1.2),
    )
    assert other.training == Training()
    assert build_program(one).digest == build_program(other).digest


def test_packets_of_an_event_camera_have_a_long_queue_and_a_pace():
    one = parse_spec(with_value("ros.inputs.camera", EVENTS)).ros_inputs["camera"]
    assert (one.depth, one.pace, one.late, one.reliability) == (64, "arrival", 0.01, "best_effort")
    given = EVENTS | {"depth": 5, "pace": "sensor", "late": 0.02}
    one = parse_spec(with_value("ros.inputs.camera", given)).ros_inputs["camera"]
    assert (one.depth, one.pace, one.late) == (5, "sensor", 0.02)
    clouds = EVENTS | {"type": "sensor_msgs/msg/PointCloud2"}
    assert parse_spec(with_value("ros.inputs.camera", clouds)).ros_inputs["camera"].depth == 5


def test_learning_rules_are_read_and_fit_the_schema():
    bounds = {"w_min": -2.5, "w_max": 5, "enabled": False, "name": "mine"}
    pair = {"a_plus": 0.1, "a_minus": -0.2, "tau_plus": 0.01, "tau_minus": 0.03}
    rules = {
        "stdp": pair | bounds,
        "reward_stdp": pair | bounds | {"reward": "goal", "tau_e": 0.5, "learning_rate": 2},
        "pes": bounds | {"error": "slow", "learning_rate": 1e-3, "pre_tau": 0.01},
        "eprop": bounds
        | {"error": "slow", "feedback": [[1, 2], [3, 4]], "learning_rate": 1, "gamma": 0.5, "tau_out": 0.1},
    }
    for kind, values in rules.items():
        document = with_value(f"{SECOND}.learning", {"type": kind} | values)
        VALIDATOR.validate(document)
        found = parse_spec(document).network.projections[1].learning
        assert type(found) is registry.types("rules")[kind]
        assert {key: np.asarray(getattr(found, key)).tolist() for key in values} == values
    for least in ({"type": "stdp", "w_max": 3}, {"type": "pes", "error": "slow"}):
        VALIDATOR.validate(with_value(f"{SECOND}.learning", least))
        parse_spec(with_value(f"{SECOND}.learning", least))


def test_every_filter_can_stand_in_the_file():
    for one in (
        {"type": "region", "x": 0, "y": 1, "width": 2, "height": 2}, {"type": "hot_pixels", "pixels": [[1, 2], [3, 4]]},
        {"type": "refractory", "period": 1e-3, "each_polarity": True}, {"type": "polarity", "keep": "off"},
        {"type": "background_activity", "window": 0.01, "support": 2}, {"type": "rate_limit", "rate": 1e6, "burst": 100},
    ):  # fmt: skip
        document = with_value(f"{CAMERA}.filters", [one])
        VALIDATOR.validate(document)
        (found,) = parse_spec(document).inputs[0].filters
        assert type(found) is registry.types("filters")[one["type"]]
        got = {key: np.asarray(getattr(found, key)).tolist() for key in one if key != "type"}
        assert got == {key: value for key, value in one.items() if key != "type"}


def test_the_descriptions_that_come_out():
    spec = parse_spec(copy.deepcopy(GOOD))
    camera, joints, goal, pose, speed = spec.inputs
    assert (camera.size, camera.capacity, camera.stale, camera.required) == ((32, 24), 100, 0.05, False)
    assert (camera.encoder.grid, camera.encoder.polarity, camera.encoder.on_weight) == ((4, 3), "split", 0.5)
    assert camera.encoder.neuron == LIF()
    assert (joints.unit, joints.range, joints.stale, joints.required) == ("rad", (-1.6, 1.6), INFINITY, True)
    assert isinstance(goal.encoder, LinearEncoder)
    assert (pose.encoder.grid, pose.encoder.neuron) == ([3, 2], Bernoulli(200))
    assert (speed.encoder.threshold, speed.encoder.neuron) == (0.2, Threshold(0.5))
    motor, slow = spec.network.populations
    assert motor.neuron == CubaLIF(tau_mem=0.01, reset="subtract")
    assert slow.neuron == LI(tau_mem=0.1)
    assert [p.delay for p in spec.network.projections] == [0.001, 0.0, 0.0]
    assert [type(t) for t in spec.outputs[0].decoder] == [SpikeDecoder, MembraneDecoder]
    vector, count, first = spec.outputs[2].decoder
    assert (vector.tau, vector.hold, count.window, first.weights) == (0.01, True, 0.02, None)
    assert (spec.period, spec.dt, spec.repeat, spec.seed, spec.guard.release) == (0.002, 0.001, 2, 7, 3)
    assert spec.ros_inputs["joints"].reliability == "best_effort"
    assert (spec.ros_outputs["pan"].reliability, spec.ros_outputs["pan"].depth) == ("reliable", 2)
    Controller.from_spec(spec).step({})


def test_random_descriptions_come_out():
    sheet = SHEET | {
        "pre_positions": {"shape": [2, 2], "extent": [1, 1]},
        "kind": "step",
        "peak": 0.5,
        "period": [2, 3],
    }
    document = with_value(
        SECOND, MOTOR_TO_SLOW | {"connection": sheet, "weights": {"type": "normal", "mean": 1, "std": 2, "seed": 3}}
    )
    projection = parse_spec(document).network.projections[1]
    assert projection.weights == Normal(1, 2, 3)
    found = projection.connection
    assert isinstance(found, DistanceDependent)
    assert found.pre_positions == Grid((2, 2), (1, 1))
    assert np.asarray(found.post_positions).tolist() == [[1, 1]] * 4
    assert (found.kind, found.width, found.peak, found.seed, found.allow_self) == ("step", 1, 0.5, 1, True)
    assert list(found.period) == [2, 3]
    document = with_value(SECOND, MOTOR_TO_SLOW | {"connection": {"type": "fixed_indegree", "n": 2, "seed": 1}})
    assert parse_spec(document).network.projections[1].connection == FixedIndegree(2, 1)


TEXT = """
version: 1
period: 1e-3
inputs: {x: {kind: value, range: [-1E+2, .5]}}
network: {populations: {on: {size: 2, neuron: {type: li, tau_mem: 2e-2}}}, projections: [{pre: x, post: on, weights: w.npz#w}]}
outputs: {no: {decoder: {type: membrane, from: on, weights: -1e-2}, limits: [-.inf, .inf], ramp: false}}
"""


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.array([[1.0, 2.0]]), words=np.array(["a"]))
    return tmp_path


def load(folder, text):
    (folder / "c.yaml").write_text(text)
    return load_spec(folder / "c.yaml")


def test_yaml_numbers_and_words_are_those_of_yaml_1_2(folder):
    spec = load(folder, TEXT)
    assert spec.period == 1e-3
    assert spec.inputs[0].range == (-100.0, 0.5)
    assert spec.network.populations[0].name == "on"
    assert spec.outputs[0].name == "no"
    assert spec.outputs[0].limits == (-INFINITY, INFINITY)
    assert spec.network.projections[0].weights.tolist() == [[1.0, 2.0]]
    controller = Controller.load(folder / "c.yaml")
    assert controller.program.digest == build_program(spec).digest


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "period: 1e-3",
            "period: 1e-3\nperiod: 2e-3",
            "c.yaml: period = 'line 4': a key may occur only once, and this one is already in line 3",
        ),
        ("{pre: x,", "{pre: x, pre: y,", "c.yaml: pre = 'line 5': a key may occur only once"),
        ("period: 1e-3", "period: [1e-3", "c.yaml = 'line 4, column 7': is not YAML: "),
        ("period: 1e-3", "? [a]\n: 1", "a key must be a name"),
        ("version: 1", "", "c.yaml: version: is missing"),
        ("w.npz#w}", "w.npz#v}", "projections[0].weights = 'w.npz#v': w.npz has no array 'v'; known: w, words"),
        ("w.npz#w}", "w.npz#words}", "weights = 'w.npz#words': has dtype <U1: must be numbers"),
        ("w.npz#w}", "v.npz#w}", "weights = 'v.npz#w': there is no file"),
        ("w.npz#w}", "c.npz#w}", "cannot be read as arrays"),
    ],
)
def test_a_wrong_text_is_told_where(folder, old, new, expected):
    (folder / "c.npz").write_bytes((folder / "w.npz").read_bytes()[:-30])
    assert old in TEXT
    with pytest.raises(DescriptionError) as caught:
        load(folder, TEXT.replace(old, new))
    assert str(caught.value).startswith(str(folder / "c.yaml"))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- 1\n- 2\n", "just text"])
def test_a_file_that_holds_no_mapping(folder, text):
    with pytest.raises(DescriptionError, match="must be a mapping"):
        load(folder, text)


def test_files_that_cannot_be_read(folder):
    with pytest.raises(DescriptionError, match=r"none\.yaml: cannot be read: No such file or directory"):
        load_spec(folder / "none.yaml")
    with pytest.raises(DescriptionError, match="cannot be read: Is a directory"):
        load_spec(folder)
    (folder / "b.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DescriptionError, match="cannot be read: is not a text file"):
        load_spec(folder / "b.yaml")


SHIPPED = sorted([*(ROOT / "config").glob("*.yaml"), *(ROOT / "snn_control" / "templates").glob("*.yaml")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_file_loads_and_fits_the_schema(path):
    import yaml

    from snn_control.controller_file.reader import Loader as _Loader

    controller = Controller.load(path)
    assert all(np.isfinite(command).all() for command in controller.step({}).values())
    VALIDATOR.validate(yaml.load(path.read_text(), _Loader))


@pytest.mark.parametrize(
    ("dt", "period", "says"),
    [
        (0.003, 0.05, "use dt = 0.0025 or 0.005, or period = 0.051"),
        (0.003, 0.01, "use dt = 0.0025 or 0.005, or period = 0.009"),
        (0.03, 0.02, "use dt = 0.02, or period = 0.03"),
        (0.0003, 1 / 30, None),
        (0.0001234567, 0.02, None),
        (7e-5, 0.0333, None),
        (1 / 3, 100.1, None),
        (1e-9 * math.pi, 0.05, None),
    ],
)
def test_a_step_that_is_suggested_is_taken(dt, period, says):
    outputs = (Output("u", (MembraneDecoder("x", 1.0),)),)
    with pytest.raises(DescriptionError) as refused:
        build(Network(), [ValueInput("x")], outputs, dt=dt, period=period)
    assert says is None or refused.value.fix == says
    steps, other = re.fullmatch(r"use dt = (.*), or period = (.*)", refused.value.fix).groups()
    pairs = [(one, period) for one in steps.split(" or ")] + [(dt, other)]
    for pair in pairs:
        build(Network(), [ValueInput("x")], outputs, dt=float(pair[0]), period=float(pair[1]))
