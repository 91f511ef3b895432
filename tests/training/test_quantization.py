"""int8 weights in training: the engine's bits, gradients straight through, files, and the command `quantize`."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from snn_control import Controller
from snn_control.analysis.precision import variants
from snn_control.analysis.stimulus import default_stimulus
from snn_control.cli import main
from snn_control.controller import build_program
from snn_control.controller.int8 import with_int8
from snn_control.controller_file import Limits, load_spec, parse_spec
from snn_control.errors import DescriptionError
from snn_control.network.quantization import codes, fitted_scale
from snn_control.training import train
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.gradients.student import Student

TEXT = """
version: 1
period: 0.02
dt: 0.01
inputs: {x: {kind: value, size: 3, range: [-1, 1], encoder: {type: population, neurons: 8, drive: 1}}}
network:
  populations:
    a: {size: 16, neuron: {type: lif, tau_mem: 0.03, r: 4, reset: subtract}, bias: 0.1}
    b: {size: 16, neuron: {type: lif, tau_mem: 0.03, r: 4, reset: subtract}, bias: 0.1}
    out: {size: 2, neuron: {type: li, tau_mem: 0.03, r: 4}}
  projections:
    - {pre: x, post: a, weights: {type: normal, mean: 0, std: 0.5, seed: 0}}
    - {pre: a, post: b, weights: {type: normal, mean: 0, std: 0.3, seed: 1}}
    - {pre: a, post: b, weights: {type: normal, mean: 0, std: 0.1, seed: 3}, delay: 0.02}
    - {pre: b, post: out, weights: {type: normal, mean: 0, std: 0.1, seed: 2}}
outputs: {u: {size: 2, decoder: {type: membrane, from: out, weights: [[1, 0], [0, 1]]}}}
"""


@pytest.fixture
def spec():
    return parse_spec(yaml.safe_load(TEXT))


def test_codes_are_the_nearest_whole_numbers_of_a_scale():
    weights = np.array([-1.0, 0.3, 0.0, 0.5], np.float32)
    whole, scale = codes("scale", weights, None)
    assert scale == fitted_scale(weights) == pytest.approx(1 / 127)
    assert whole.dtype == np.int8
    assert whole.tolist() == [-127, 38, 0, 64]
    assert codes("scale", np.zeros(3), None)[1] == 1.0
    with pytest.raises(DescriptionError, match=r"must be at least 0\.00787"):
        codes("scale", weights, 1e-3)


def test_dense_projections_from_neurons_that_spike_once_become_int8(spec):
    small = with_int8(spec)
    assert [p.precision for p in small.network.projections] == ["float32", "int8", "int8", "int8"]
    several = tuple(replace(p, neuron=replace(p.neuron, several=True)) if p.name != "out" else p
                    for p in spec.network.populations)  # fmt: skip
    with pytest.raises(DescriptionError, match="spike at most once"):
        with_int8(replace(spec, network=replace(spec.network, populations=several)))


def test_training_begins_with_the_scale_of_the_file(spec):
    """A file without its silent neurons may lack the largest weight."""
    trained = Parameters(with_int8(spec), DEFAULT, np.random.default_rng(0)).spec
    halved = tuple(
        replace(p, weights=np.where(np.abs(p.weights) < 60 * p.scale, p.weights, 0)) if p.scale else p
        for p in trained.network.projections
    )
    pruned = replace(trained, network=replace(trained.network, projections=halved))
    again = Parameters(pruned, DEFAULT, np.random.default_rng(0))
    assert again.program.constants.tobytes() == build_program(pruned).constants.tobytes()
    assert [p.scale for p in again.spec.network.projections] == [p.scale for p in halved]
    weights = next(p for p in again.parameters if p.given_scale)
    weights.values[0, 0] = 400 * weights.given_scale  # too large for this scale
    again.write()
    assert weights.scale.view(again.program.constants)[0] == pytest.approx(400 / 127 * weights.given_scale)


def test_the_written_program_is_that_of_the_file_with_its_values(spec, tmp_path):
    parameters = Parameters(with_int8(spec), DEFAULT, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for p in parameters.parameters:
        p.values += rng.normal(0, 0.1, p.values.shape).astype(np.float32)
    parameters.write()
    Student(parameters.program, parameters.places).settle()
    parameters.spec.save(tmp_path / "q.yaml")
    again = load_spec(tmp_path / "q.yaml")
    with np.load(tmp_path / "q.npz") as arrays:
        assert sorted(str(arrays[name].dtype) for name in arrays).count("int8") == 2  # the third is in the YAML
    for other in (build_program(parameters.spec), build_program(again)):
        one, two = Controller(parameters.program), Controller(other)
        for _ in range(50):
            x = {"x": rng.normal(0, 1, 3)}
            assert one.step(x)["u"].tobytes() == two.step(x)["u"].tobytes()


def test_the_gradient_passes_straight_through_the_rounding(spec):
    """It is the gradient of float32 weights that have the values of the int8 weights, from the same spikes."""
    small = Parameters(with_int8(spec), {"*->*.weights": Limits()}, np.random.default_rng(0))
    rounded = tuple(replace(p, precision="float32", scale=None, learning=None) for p in small.spec.network.projections)
    whole = Parameters(replace(spec, network=replace(spec.network, projections=rounded)), small.chosen,
                       np.random.default_rng(0))  # fmt: skip
    rng = np.random.default_rng(2)
    x, starts = rng.normal(0, 1, (6, 4, 3)), np.zeros((6, 4), bool)
    starts[0] = True
    found = []
    for parameters in (small, whole):
        student = Student(parameters.program, parameters.places)
        heads, tape = student.run({"x": x}, starts)
        g = np.random.default_rng(3).normal(size=heads["u"].shape).astype(np.float32)
        found.append(parameters.gradients(student.backward(tape, {"u": g})))
    for one, other in zip(*found, strict=True):
        assert one.shape == other.shape
        assert np.abs(one).max() > 0
        assert np.allclose(one, other, rtol=1e-3, atol=1e-4 * np.abs(other).max())


def test_training_with_int8_weights_gives_a_file_that_runs_as_it_was_trained(tmp_path):
    main(["new", str(tmp_path / "c.yaml"), "--env", "CartPole-v1"])
    settings = {"weights": "int8", "total_timesteps": 3000}
    found = train(tmp_path / "c.yaml", "CartPole-v1", settings=settings, seed=1)
    found.spec.save(tmp_path / "t.yaml")
    spec = load_spec(tmp_path / "t.yaml")
    assert [p.precision for p in spec.network.projections] == ["float32", "int8", "int8"]
    assert build_program(spec).digest == build_program(found.spec).digest
    with pytest.raises(DescriptionError, match="must be float32 or int8"):
        train(tmp_path / "c.yaml", "CartPole-v1", settings={"weights": "int4"})


def test_quantize_compares_returns_and_writes_int8(tmp_path, capsys):
    arguments = ["--env", "CartPole-v1", "--out", str(tmp_path / "q.yaml"), "--run", str(tmp_path / "run")]
    main(["new", str(tmp_path / "c.yaml"), "--env", "CartPole-v1"])
    capsys.readouterr()
    assert main(["quantize", str(tmp_path / "c.yaml"), *arguments, "--steps", "2048", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["episodes"] == 100
    assert found["after"] == found["trained" if found["written"].endswith("trained") else "rounded"]
    assert found["after"]["constants"] < 0.6 * found["before"]["constants"]
    assert [p.precision for p in load_spec(tmp_path / "q.yaml").network.projections][1:] == ["int8", "int8"]
    assert main(["quantize", str(tmp_path / "c.yaml"), *arguments, "--steps", "2048", "--json"]) == 0  # its own file
    assert json.loads(capsys.readouterr().out) == found
    with open(tmp_path / "q.yaml", "a") as file:
        file.write("# mine\n")
    assert main(["quantize", str(tmp_path / "c.yaml"), *arguments, "--steps", "2048"]) == 2
    assert "--force" in capsys.readouterr().err


def test_variants_have_less_memory_with_int8(spec):
    program = build_program(spec)
    as_it_is, small, perceptron = variants(spec, program, default_stimulus(spec, 0.4, 0))
    assert small.flash < as_it_is.flash
    assert perceptron.operations == 3 * 16 + 2 * 16 * 16 + 16 * 2 + 4
    assert as_it_is.nanojoule > perceptron.nanojoule > 0
