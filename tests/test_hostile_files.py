"""Untrusted and damaged files: each one is quickly refused in one line, or read as intended."""

from __future__ import annotations

import os
import time

import numpy as np
import pytest
import yaml

from snn_control import Controller
from snn_control.analysis.stimulus_files import load_stimulus
from snn_control.cli import main
from snn_control.coding import MembraneDecoder, Output, PopulationEncoder, ValueInput
from snn_control.controller import build_program
from snn_control.controller_file import load_spec, parse_spec
from snn_control.engine.build import build
from snn_control.engine.program import Program
from snn_control.errors import BuildError, DescriptionError, SnnControlError
from snn_control.network import LI, Network, Population, Projection
from snn_control.record.input_log import InputLog
from snn_control.record.run_folder import DATA, SUMMARY, read_record, read_run, write_run
from tests.damage import damaged

TEXT = """version: 1
period: 0.001
inputs: {x: {kind: value, size: 1, range: [-1, 1]}}
network:
  populations: {a: {size: 3, neuron: {type: li, tau_mem: 0.01}}}
  projections: [{pre: x, post: a, weights: w.npz#w}]
outputs: {y: {decoder: {type: membrane, from: a, weights: 0.1}, limits: [-1, 1]}}
"""
LAUGHS = "".join(f"l{k}: &l{k} [{', '.join([f'*l{k - 1}' if k else '1'] * 10)}]\n" for k in range(10))
CASES = {
    "references that multiply": (LAUGHS + TEXT.replace("0.1", "*l9"), "line 6: there are more than 1,000,000 values"),
    "a reference to itself": (TEXT.replace("0.1", "&w [*w]"), "line 7 = '*w': refers to a part that contains it"),
    "deep nesting": ("a: " + "[" * 100_000, "line 1: lists and mappings nest deeper than 50"),
    "a long text": ("# " + "x" * (1 << 22) + "\n" + TEXT, "cannot be read: has more than 4,194,304 bytes"),
    "digits that end in a letter": ("a: " + "1" * 200_000 + "x\n" + TEXT, "a = "),
    "a number of 5,000 digits": (TEXT.replace("0.001", "1" * 5000), "cannot be read as YAML: Exceeds the limit"),
    "a period without end": (TEXT.replace("0.001", "1e12"), "period = 1000000000000.0: must be from 1e-09 s to"),
    "a period of 10^400": (TEXT.replace("0.001", "1" + "0" * 400), "must be finite, at most 3.4e+38"),
    "a period of no time": (TEXT.replace("0.001", "1e-12"), "period = 1e-12: must be from 1e-09 s to 1e+06 s"),
    "steps without end": (TEXT.replace("0.001", "1\ndt: 1e-9"), "dt = 1e-09: must be at least a 100,000,000th of"),
    "repeated without end": (TEXT + "repeat: 99999999999\n", "repeat = 99999999999: must be a whole number >= 1, at"),
    "a bias beyond float32": (TEXT.replace("limits: [-1, 1]", "bias: 1e39"), "y.bias = 1e+39: must be finite numbers"),
    "a bias without end": (TEXT.replace("limits: [-1, 1]", "bias: .inf"), "y.bias = inf: must be finite numbers"),
    "weights beyond float32": (TEXT.replace("w.npz#w", "-1e39"), "[0].weights = -1e+39: must be finite numbers"),
    "a key twice": (TEXT.replace("size: 3", "size: 3, size: 4"), "size = 'line 5': a key may occur only once"),
    "a control character": ("a: \0" + TEXT, "is not YAML: unacceptable character #x0000"),
    "code": (TEXT.replace("0.001", "!!python/object/apply:os.getpid []"), "is not YAML: could not determine"),
    "a date that is none": (TEXT.replace("0.001", "2020-99-99"), "cannot be read as YAML: month must be in 1..12"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    np.savez(tmp_path / "w.npz", w=np.ones((1, 3), np.float32))
    (tmp_path / "c.yaml").write_text(TEXT)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_controller_file_is_refused_in_a_line_within_a_second(folder, name):
    text, rule = CASES[name]
    (folder / "c.yaml").write_text(text)
    begin = time.process_time()
    with pytest.raises(DescriptionError) as caught:
        build_program(load_spec(folder / "c.yaml"))
    assert time.process_time() - begin < 1.5
    message = str(caught.value)
    assert message.startswith(str(folder / "c.yaml"))
    assert rule in message
    assert "\n" not in message


def test_a_reference_that_repeats_a_little_and_a_byte_order_mark_are_read(folder):
    text = TEXT.replace("outputs: {y:", "outputs: {z: &z").replace("limits: [-1, 1]}}", "limits: [-1, 1]}, y: *z}")
    (folder / "c.yaml").write_text("\ufeff" + text)
    spec = load_spec(folder / "c.yaml")
    assert [output.name for output in spec.outputs] == ["z", "y"]
    assert build_program(spec).facts.period == 0.001


def test_what_is_no_file_is_refused_with_exit_code_2(folder, capsys):
    os.mkfifo(folder / "pipe.yaml")
    (folder / "binary.yaml").write_bytes(np.arange(1000, dtype=np.float32).tobytes())
    for path, rule in (
        (folder / "pipe.yaml", "is a pipe or a device, not a file"),
        ("/dev/zero", "is a pipe or a device, not a file"),
        (folder, "Is a directory"),
        (folder / "binary.yaml", "is not a text file (line 1 is not UTF-8)"),
    ):
        assert main(["check", str(path)]) == 2
        err = capsys.readouterr().err
        assert rule in err
        assert err.count("\n") == 1
    os.mkfifo(folder / "pipe.npz")
    assert main(["check", str(folder / "c.yaml"), "--input", str(folder / "pipe.npz")]) == 2
    assert "is a pipe or a device, not a file" in capsys.readouterr().err


def test_what_becomes_infinite_on_the_way_to_float32_is_refused():
    encoder = PopulationEncoder(3, sigma=1e-40)
    outputs = (Output("y", (MembraneDecoder("a", 0.1),)),)
    network = Network((Population("a", 3, LI(tau_mem=0.01)),), (Projection("x", "a", weights=0.1),))
    inputs = (ValueInput("x", encoder=encoder, range=(-1, 1)),)
    with pytest.raises(BuildError, match="network: has numbers beyond the range of float32"):
        build(network, inputs, outputs, dt=0.001, period=0.001)


# --- damaged copies ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def controller(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controller")
    np.savez(folder / "w.npz", w=np.ones((1, 3), np.float32))
    (folder / "c.yaml").write_text(TEXT)
    return Controller.load(folder / "c.yaml")


def _run(path):
    write_run(path.parent, {"title": "a", "loop": {"ticks": 3}}, {"t": np.arange(5.0), "names": np.array(["a", "b"])})


def _shown(path):
    marks = {key: np.zeros(3, np.int64) for key in ("fresh", "age", "count", "dropped", "stamp", "arrival")}
    InputLog(1_000_000, 0, 0, {"x": marks | {"values": np.zeros((3, 1))}}, np.zeros((3, 2), np.int64)).save(path)


SPEC = parse_spec(yaml.safe_load(TEXT.replace("w.npz#w", "0.5")))

#: file -> how it is written and read, of a controller that was loaded
KINDS = {
    "program.npz": (lambda c, path: c.program.save(path), lambda c, path: Program.load(path)),
    "state.npz": (lambda c, path: c.save_state(path), lambda c, path: c.load_state(path)),
    "shown.npz": (lambda c, path: _shown(path), lambda c, path: InputLog.load(path)),
    DATA: (lambda c, path: _run(path), lambda c, path: read_run(path.parent)),
    SUMMARY: (lambda c, path: _run(path), lambda c, path: read_run(path.parent)),
    "record.npz": (
        lambda c, path: np.savez(path, facts=np.array('{"steps": 3}'), action=np.zeros((3, 2))),
        lambda c, path: read_record(path),
    ),
    "input.npz": (lambda c, path: np.savez(path, x=np.zeros(5)), lambda c, path: load_stimulus(path, SPEC)),
    "c.yaml": (lambda c, path: path.write_text(TEXT.replace("w.npz#w", "0.5")), lambda c, path: load_spec(path)),
    "w.npz": (
        lambda c, path: (
            np.savez_compressed(path, w=np.ones((1, 3), np.float32)),
            path.with_name("c.yaml").write_text(TEXT),
        ),
        lambda c, path: load_spec(path.with_name("c.yaml")),
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_damaged_copy_is_refused_in_a_line_or_read(tmp_path, controller, name):
    write, read = KINDS[name]
    path = tmp_path / name
    write(controller, path)
    read(controller, path)
    raw, refused, found = path.read_bytes(), [], 0
    for _, copy in damaged(raw, 150):
        path.write_bytes(copy)
        try:
            read(controller, path)
            found += 1
        except SnnControlError as error:
            refused.append(str(error))
    assert found + len(refused) == 150
    assert len(refused) > 20
    assert "\n" not in "".join(refused)
    path.write_bytes(raw)
    read(controller, path)


def test_an_array_of_nothing_is_refused_in_words(folder):
    np.savez(folder / "w.npz", w=np.zeros((0, 3)))
    with pytest.raises(DescriptionError, match=r"projections\[x -> a\]\.weights = 'shape \(0, 3\)'"):
        build_program(load_spec(folder / "c.yaml"))
