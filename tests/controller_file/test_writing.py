"""Controllers written as files: what is read back is the same Program, and the file is one that people can read."""

import inspect
import json
import re
from dataclasses import is_dataclass, replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from snn_control import Controller, coding, nef, network
from snn_control.coding import (
    EventsInput,
    Guard,
    LinearEncoder,
    MembraneDecoder,
    Output,
    PoolEncoder,
    PopulationEncoder,
    SpikeDecoder,
    ValueInput,
)
from snn_control.controller import build_program
from snn_control.controller_file import ControllerSpec, RosTopic, load_spec, save_spec
from snn_control.controller_file.keys import INPUTS, OWN, type_of
from snn_control.controller_file.perturbations import Perturbations
from snn_control.controller_file.reader import Loader
from snn_control.controller_file.schema import schema
from snn_control.controller_file.training import SURROGATES, Limits, Surrogate, Training
from snn_control.engine import registry
from snn_control.engine.lowering import BASES
from snn_control.errors import DescriptionError
from snn_control.network import LI, LIF, CubaLIF, Network, NeuronModel, Population, Projection
from snn_control.network.convolution import Convolution, pooling
from snn_control.network.graph import CONNECTIONS
from tests.engine import zoo
from tests.engine.random_controllers import descriptions
from tools import reference

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = jsonschema.Draft202012Validator(schema())


def spec(net=None, inputs=(), outputs=(), dt=1e-3, period=1e-3, guard=None, **more):
    return ControllerSpec(period, dt, tuple(inputs), net or Network(), tuple(outputs), guard or Guard(), **more)


def small(**more):
    """A spec with one population, whose parts a test replaces."""
    values = {
        "net": Network((Population("a", 3, LIF()),), (Projection("x", "a", [[1.0, 2.0, 3.0]]),)),
        "inputs": [ValueInput("x")],
        "outputs": [Output("u", (SpikeDecoder("a", 0.1, 0.02),))],
    }
    return spec(**values | more)


def again(one, folder):
    """Write, check against the schema for editors, read; the text and what was read."""
    path = one.save(folder / "one.yaml")
    text = path.read_text()
    values = yaml.load(text, Loader)
    SCHEMA.validate(json.loads(json.dumps(values)))
    return text, load_spec(path)


words = st.text(max_size=12) | st.sampled_from(["rad/s", "yes", "1e3", "null", "1:30", "~", "0x1f", "µ", "a: b", "#"])
values_of_a_message = st.dictionaries(st.text("abc.", min_size=1), words | st.lists(words, max_size=2), max_size=2)


slopes, numbers = st.floats(1e-3, 1e3), st.floats(allow_nan=False, width=32) | st.integers()
trainings = st.builds(
    Training,
    words,
    st.dictionaries(words, st.builds(Limits, st.floats(-9, 0), st.floats(1, 9) | st.just(np.inf)), max_size=2),
    st.builds(Surrogate, st.sampled_from(SURROGATES), slopes, slopes | st.none()),
    settings=st.dictionaries(words, words | st.booleans() | numbers | st.lists(numbers, max_size=2), max_size=2),
    perturb=st.builds(Perturbations, rate=st.none() | st.floats(0.01, 1), bias=st.none() | st.just((0, 0.5))),
)


@st.composite
def specs(draw):
    net, inputs, outputs, dt, period, guard = draw(descriptions())
    outputs = [replace(o, unit=draw(words)) for o in outputs]
    topic = st.builds(
        RosTopic,
        words,
        st.sampled_from(["std_msgs/msg/Float64MultiArray", "event_camera_msgs/msg/EventPacket"]),
        words,
        st.sampled_from(["best_effort", "reliable"]),
        st.sampled_from([1, 5, 64]),
    )
    paced = st.builds(lambda t, p, late: replace(t, pace=p, late=late), topic, st.just("sensor"), st.floats(0, 9))
    commanded = st.builds(lambda t, v: replace(t, values=v or None), topic, values_of_a_message)
    ros = {
        "ros_inputs": {
            i.name: draw(paced if isinstance(i, EventsInput) else topic) for i in inputs if draw(st.booleans())
        },
        "ros_outputs": {o.name: draw(commanded) for o in outputs if draw(st.booleans())},
    }
    more = {"repeat": draw(st.integers(1, 3)), "training": draw(trainings)}
    return spec(net, inputs, outputs, dt, period, guard, **ros, **more)


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(one=specs())
@example(one=small(inputs=[ValueInput("x", unit="1e3")]))
@example(one=small(inputs=[ValueInput("x", unit="a\x85\n\u2028b")]))
def test_what_is_written_is_read_back_as_the_same_program(one, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    _, read = again(one, folder)
    digest = build_program(one).digest
    assert build_program(read).digest == digest
    assert read.training == one.training
    assert read.ros_inputs == one.ros_inputs
    assert read.ros_outputs == {name: replace(t, values=t.values or {}) for name, t in one.ros_outputs.items()}
    assert [i.name for i in read.inputs] == [i.name for i in one.inputs]
    if read.inputs and isinstance(one.inputs[0], ValueInput):
        assert read.inputs[0].unit == one.inputs[0].unit
    read.save(folder / "one.yaml")  # a file read and written again is the same file
    assert build_program(load_spec(folder / "one.yaml")).digest == digest


def test_a_controller_of_the_nef_is_written_and_steps_the_same(tmp_path):
    a = nef.Ensemble("a", 40, 2, seed=1)
    b = nef.Ensemble("b", 30, 1, seed=2)
    net = nef.network([nef.Connection("x", a), nef.Connection(a, b, function=lambda x: x[0] * x[1])])
    outputs = [Output("u", (b.decoder(0.02),), limits=(-1, 1))]
    one = spec(net, [ValueInput("x", size=2, range=(-1.0, 1.0))], outputs)
    _, read = again(one, tmp_path)
    assert build_program(read).digest == build_program(one).digest
    first, second = Controller.from_spec(one), Controller.load(tmp_path / "one.yaml")
    for k in range(50):
        x = {"x": [np.sin(k / 10), 0.5]}
        assert first.step(x)["u"] == second.step(x)["u"]
    assert second.counters()["spikes"]["b"] > 100


def test_a_controller_of_every_kernel_is_written(tmp_path):
    _, read = again(zoo.description(), tmp_path)
    assert build_program(read).digest == zoo.program().digest


def test_connectors_and_distributions_are_written(tmp_path):
    weights, grid = network.Normal(0.1, 0.02, seed=3), network.Grid((3, 2), (1.0, 1.0))
    positions = np.random.default_rng(1).random((6, 2))
    connections = (
        network.FixedProbability(0.5, seed=1, allow_self=np.False_),
        network.FixedIndegree(2, seed=2, with_replacement=True),
        network.FixedOutdegree(np.int64(2), seed=2),
        network.DistanceDependent(grid, positions, np.float32(0.4), seed=5, period=(1.0, 2.0)),
        network.AllToAll(),
        network.OneToOne(),
    )
    paths = [Projection("a", "a", weights, connection, delay=1e-3) for connection in connections]
    paths += [Projection("a", "a", 0.5, network.FromArrays([0, 1], [1, 0]), delay=1e-3)]
    people = (Population("a", 6, LIF(), bias=network.Uniform(0.5, 1.5, seed=9), v_init=network.Normal(0, 0.1, 4)),)
    one = small(net=Network(people, tuple(paths)))
    text, read = again(one, tmp_path)
    assert build_program(read).digest == build_program(one).digest
    assert "{pre: a, post: a, weights: 0.5, connection: sparse, pre_index: [0, 1], post_index: [1, 0]" in text
    assert "pre_positions: {shape: [3, 2], extent: [1.0, 1.0]}" in text


@pytest.mark.parametrize(("padding", "written"), [(1, "[1, 1]"), ("same", "same")])
def test_pictures_and_their_convolutions_are_written(tmp_path, padding, written):
    pool, average = pooling((2, 6, 6), 2, average=True)
    convolution = Convolution((1, 6, 6), padding=padding)
    net = Network(
        (Population("a", 72, LIF()), Population("b", 18, CubaLIF())),
        (
            Projection("x", "a", np.random.default_rng(1).normal(size=(2, 1, 3, 3)), convolution, bias=[0.1, 0.2]),
            Projection("a", "b", average, pool),
        ),
    )
    inputs = [EventsInput("x", size=(12, 12), encoder=PoolEncoder((6, 6), "merge"))]
    one = small(net=net, inputs=inputs, outputs=[Output("u", (SpikeDecoder("b", 0.1, 0.02),))])
    text, read = again(one, tmp_path)
    assert build_program(read).digest == build_program(one).digest
    assert f"{{type: convolution, shape: [1, 6, 6], stride: [1, 1], padding: {written}, dilation: [1, 1]}}" in text


def test_defaults_are_left_out_and_the_head_is_a_comment(tmp_path):
    save_spec(small(dt=5e-4), tmp_path / "c.yaml", "A controller\nMade by: hand")
    assert (tmp_path / "c.yaml").read_text() == (
        "# A controller\n# Made by: hand\n"
        "version: 1\nperiod: 0.001\ndt: 0.0005\n"
        "inputs:\n  x: {kind: value}\n"
        "network:\n  populations:\n    a:\n      size: 3\n      neuron: {type: lif}\n"
        "  projections:\n  - {pre: x, post: a, weights: [[1.0, 2.0, 3.0]]}\n"
        "outputs:\n  u:\n    decoder: {type: linear, from: a, tau: 0.02, weights: 0.1}\n"
    )
    assert not (tmp_path / "c.npz").exists()


def test_numbers_come_back_as_they_were(tmp_path):
    odd = np.float32(0.1), np.float64(1e-7), np.int64(3), 1e22, -0.0, np.nextafter(0.3, 1)
    net = Network((Population("a", 6, LIF(tau_mem=np.float32(0.02)), bias=odd, v_init=np.array(0.1, np.float16)),))
    limits = (np.array([-np.inf, -1.0]), np.inf)
    one = small(
        net=net,
        inputs=[ValueInput("x", size=np.int64(2), range=(np.float32(-1), np.array([1.5, np.inf])))],
        outputs=[Output("u", (SpikeDecoder("a", np.ones(6), np.float64(0.02)),), 2, limits=limits, slew=[1, np.inf])],
        period=np.float64(2e-3),
    )
    outputs = [replace(one.outputs[0], decoder=(SpikeDecoder("a", np.ones((6, 2)), np.float64(0.02)),))]
    one = replace(one, outputs=tuple(outputs))
    text, read = again(one, tmp_path)
    (population,) = read.network.populations
    assert np.array_equal(population.bias, np.array(odd))
    assert np.signbit(population.bias[4])
    assert population.neuron.tau_mem == float(np.float32(0.02))
    assert read.outputs[0].limits[0].tolist() == [-np.inf, -1.0]
    assert read.outputs[0].limits[1] == np.inf
    assert build_program(read).digest == build_program(one).digest
    assert ".inf" in text
    assert "numpy" not in text


def test_larger_arrays_stand_beside_once_and_without_pickles(tmp_path):
    w = np.random.default_rng(1).normal(size=(9, 9)).astype(np.float32)
    net = Network(
        (Population("a", 9, LIF()), Population("b", 9, LIF())),
        (
            Projection("a", "b", w),
            Projection("b", "a", w.copy(), delay=1e-3),
            Projection("b", "a", w.T, delay=1e-3),
            Projection("b", "a", 2 * w, delay=1e-3),
            Projection("a", "b", w.astype(np.float64)),
        ),
    )
    text, read = again(small(net=net), tmp_path)
    with np.load(tmp_path / "one.npz", allow_pickle=False) as file:
        assert sorted(file.files) == ["a_b_weights", "a_b_weights_2", "b_a_weights", "b_a_weights_2"]
        assert file["a_b_weights"].dtype == np.float32
        assert file["a_b_weights_2"].dtype == np.float64
    assert text.count("one.npz#a_b_weights}") + text.count("one.npz#a_b_weights,") == 2
    assert build_program(read).digest == build_program(small(net=net)).digest


def test_names_that_yaml_takes_for_something_else_are_quoted(tmp_path):
    names = ("on", "no", "true", "null", "y", "file", "e1")
    net = Network(
        tuple(Population(name, 65, LIF(), bias=np.linspace(0, 1, 65)) for name in names),
        tuple(Projection(name, "on", 1.0, delay=1e-3) for name in names),
    )
    one = small(net=net, inputs=[], outputs=[Output("off", (SpikeDecoder("null", 1, 0.1),))])
    _, read = again(one, tmp_path)
    assert tuple(p.name for p in read.network.populations) == names
    assert build_program(read).digest == build_program(one).digest


def test_a_file_whose_name_has_a_hash_is_found(tmp_path):
    one = small(net=Network((Population("a", 9, LIF(), bias=np.linspace(0, 1, 9)),)))
    path = one.save(tmp_path / "new" / "robot #2.yaml")
    assert build_program(load_spec(path)).digest == build_program(one).digest


class Foreign(NeuronModel):
    pass


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"net": Network((Population("a", 3, Foreign()),))}, "populations.a.neuron = 'Foreign': has no name in the"),
        ({"outputs": [Output("u", ())]}, "outputs.u.decoder = []: must hold at least one decoder"),
        ({"inputs": [ValueInput("x"), ValueInput("x")]}, "inputs = 'x': every name must be unique"),
        (
            {"ros_inputs": {"x": RosTopic("x", "std_msgs/msg/Float64", "data", values={"a": 1})}},
            "ros.inputs.x.values = {'a': 1}: is for outputs only",
        ),
        (
            {"ros_inputs": {"x": RosTopic("x", "std_msgs/msg/Float64", "data", pace="sensor")}},
            "ros.inputs.x.pace = 'sensor': is for events inputs only",
        ),
        ({"net": Network((Population("a", 3, LIF(v_threshold=[1, 2, 3]), bias=[True] * 3),))}, "must be numbers"),
    ],
)
def test_what_a_file_cannot_say_is_refused_and_nothing_is_written(tmp_path, changes, says):
    with pytest.raises(DescriptionError) as refused:
        small(**changes).save(tmp_path / "one.yaml")
    assert says in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_the_suffix_is_that_of_a_controller_file(tmp_path):
    with pytest.raises(DescriptionError, match=r"must end with .yaml"):
        small().save(tmp_path / "one.npz")


def test_both_files_stay_as_they_were_where_one_cannot_be_written(tmp_path):
    one = small(net=Network((Population("a", 9, LIF(), bias=np.linspace(0, 1, 9)),)))
    one.save(tmp_path / "one.yaml")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = small(net=Network((Population("a", 9, LIF(), bias=np.linspace(0, 2, 9)),)))
    with pytest.raises(UnicodeEncodeError):
        other.save(tmp_path / "one.yaml", head="\ud800")  # no UTF-8: fails after the arrays are written
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_every_description_can_be_written():
    """A new neuron, encoder or decoder needs an entry in our registry, any other description one in `keys`."""
    bases = {coding.Input, coding.Decoder, NeuronModel, network.SpikingModel, network.LearningRule}
    sections = {*INPUTS.values(), *CONNECTIONS.values(), *bases, Output, Guard, Network, Population, Projection}
    for module in (coding, network):
        for name, cls in vars(module).items():
            if inspect.isclass(cls) and is_dataclass(cls):
                assert cls in sections or type_of(cls) is not None, name


def test_graded_controllers_and_linear_encoders_are_written(tmp_path):
    net = Network((Population("a", 2, LI(tau_mem=[0.01, 0.02])),), (Projection("x", "a", np.eye(2)),))
    one = small(
        net=net,
        inputs=[
            ValueInput("x", encoder=LinearEncoder(np.array([[1.0, -1.0]]), neuron=None)),
            ValueInput("y", required=False, stale=0.5, encoder=PopulationEncoder(4, -1, np.array([1.0]))),
        ],
        outputs=[Output("u", (MembraneDecoder("a", [1.0, 2.0]), MembraneDecoder("a", 3.0)))],
        guard=Guard(0),
    )
    text, read = again(one, tmp_path)
    assert build_program(read).digest == build_program(one).digest
    assert "guard: {release: 0}" in text
    assert read.inputs[1].required is False


def large(last):
    """A spec with an array that is stored in the .npz."""
    return small(net=Network((Population("a", 100, LIF(), bias=np.linspace(0, last, 100)),)))


@pytest.mark.parametrize("own", ["no yaml", "yaml of others", "no arrays"])
def test_arrays_of_somebody_else_are_not_replaced(tmp_path, own):
    path, beside = tmp_path / "keep.yaml", tmp_path / "keep.npz"
    np.savez(beside, W=np.eye(3), **({"a_bias": np.zeros(2)} if own == "yaml of others" else {}))
    if own == "yaml of others":
        path.write_text("a: keep.npz#a_bias")
    elif own == "no arrays":
        beside.write_bytes(b"a picture")
    before = beside.read_bytes()
    with pytest.raises(DescriptionError, match=r"keep.npz: holds arrays that keep.yaml does not use .*choose"):
        large(1.0).save(path)
    assert beside.read_bytes() == before
    assert path.exists() == (own == "yaml of others")
    small().save(path)  # this one needs no arrays
    assert beside.read_bytes() == before


def test_its_own_files_are_written_again_and_again(tmp_path):
    for last in (1.0, 2.0, 3.0):
        large(last).save(tmp_path / "keep.yaml")
        read = load_spec(tmp_path / "keep.yaml")
        assert read.network.populations[0].bias[-1] == last
        read.save(tmp_path / "keep.yaml")


def test_the_pages_name_the_class_of_every_type():
    page = reference.keys()
    for cls in (cls for table in (*map(registry.types, BASES), *OWN.values(), INPUTS) for cls in table.values()):
        assert re.search(rf"^In Python: `snn_control[\w.]*\.{cls.__name__}`\.$", page, re.MULTILINE), cls
    page = (ROOT / "docs/explanation/connectivity.md").read_text(encoding="utf-8")
    for name, cls in CONNECTIONS.items():
        assert re.search(rf"^\| `{cls.__name__}\(.*?\)` \| `{name}` \|", page, re.MULTILINE), cls
