"""From a trained network to a robot's controller: T steps per tick, read-outs, scaled inputs and outputs."""

import nir
import numpy as np
import pytest

from snn_control.cli import main
from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from tests.nir.frameworks import Chain, Leaky, Norse

T, PERIOD = 25, 0.02
SCALE, OFFSET = np.array([1.0, 1.0, 0.125, -2.0]), np.array([0.0, 0.5, 0.0, 0.0])
GIVEN = ("--input-scale", *map(str, SCALE), "--input-offset", *map(str, OFFSET), "--output-scale", "3", "0.5")


def spiking():
    return Chain(np.random.default_rng(1), 4, Leaky(12, 0.9), Leaky(2, 0.8))


def graded():
    return Chain(np.random.default_rng(2), 4, Norse(12, tau=8), Norse(2, tau=20, graded=True), scale=8.0)


def call(capsys, *arguments):
    code = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


#: read-out -> what a framework's script makes of (T, n) outputs
READ = {
    "last": lambda y: y[-1],
    "mean": lambda y: y.mean(axis=0),
    "sum": lambda y: y.sum(axis=0),
    "count": lambda y: y.sum(axis=0),
}


@pytest.mark.parametrize(
    ("made", "dialect", "times", "readouts", "dt"),
    [
        # snnTorch counts steps: a tick's share of the period is the step
        (
            spiking,
            "snntorch",
            ("--period", PERIOD, "--steps-per-tick", T),
            ("mean", "sum", "last", "count"),
            PERIOD / T,
        ),
        (graded, "norse", ("--dt", 1e-3, "--steps-per-tick", T), ("mean", "sum", "last"), 1e-3),
        (graded, "norse", ("--period", 0.025), ("mean",), 1e-3),
    ],
)
def test_an_imitator_commands_as_its_own_script_does(made, dialect, times, readouts, dt, tmp_path, capsys):
    """T steps on each sample, with a state that continues: equal to the framework within 1e-6 of the values."""
    net, file = tmp_path / "net.nir", tmp_path / "mine.yaml"
    nir.write(net, made().graph())
    observations = np.random.default_rng(3).uniform(-1, 1, (30, 4))
    shown = np.repeat((observations * SCALE + OFFSET).astype(np.float32), T, axis=0)
    y = made().run(shown)["output"].reshape(30, T, 2)
    assert np.count_nonzero(y) > 100
    for readout in readouts:
        words = (*times, "--readout", readout, *GIVEN, "--output-limits", -9, 50)
        code, out, err = call(capsys, "import", net, "--dialect", dialect, *words, "--out", file, "--force")
        assert (code, err) == (0, "")
        assert "safe value of output (now: 0)" in out
        spec = load_spec(file)
        assert (spec.dt, spec.period) == (pytest.approx(dt), pytest.approx(T * dt))
        assert spec.outputs[0].limits == (-9, 50)
        controller = Controller.from_spec(spec)
        for observation, steps in zip(observations, y, strict=True):
            want = np.clip(READ[readout](steps.astype(np.float64)) * [3, 0.5], -9, 50)
            np.testing.assert_allclose(controller.step({"input": observation})["output"], want, rtol=1e-6, atol=1e-6)


def test_independent_samples_are_those_of_a_network_that_was_reset(tmp_path, capsys):
    net, file = tmp_path / "net.nir", tmp_path / "mine.yaml"
    nir.write(net, spiking().graph())
    words = ("--period", PERIOD, "--steps-per-tick", T, "--reset-each-tick", "--readout", "mean")
    assert call(capsys, "import", net, "--dialect", "snntorch", *words, "--out", file)[0] == 0
    assert "--steps-per-tick 25 --reset-each-tick --readout mean --out" in file.read_text()
    controller, going_on, carried = Controller.load(file), spiking(), 0
    for observation in np.random.default_rng(3).uniform(-1, 1, (30, 4)):
        shown = np.repeat(observation[None].astype(np.float32), T, axis=0)
        want = spiking().run(shown)["output"].mean(axis=0)
        np.testing.assert_allclose(controller.step({"input": observation})["output"], want, rtol=1e-6)
        carried += (going_on.run(shown)["output"].mean(axis=0) != want).any()
    assert carried > 5  # it matters


def test_the_file_says_how_it_was_made(tmp_path, capsys):
    net, file = tmp_path / "net.nir", tmp_path / "mine.yaml"
    nir.write(net, spiking().graph())
    words = ("--dialect", "snntorch", "--period", "0.02", "--steps-per-tick", "25", "--readout", "mean")
    more = ("--input-scale", "2", "--output-limits", "-2", "2.5")
    assert call(capsys, "import", net, *words, *more, "--out", file)[0] == 0
    made = "# Made by: snn_control import net.nir " + " ".join((*words, *more, "--out", "mine.yaml"))
    assert file.read_text().splitlines()[0] == made
    _, out, _ = call(capsys, "import", net, *words[:2], "--steps-per-tick", "10", "--out", file, "--force")
    assert "note: period 1 ms (1 kHz) follows from snnTorch's exporter" in out
    assert [(type(o.decoder[0]).__name__, o.decoder[0].tau) for o in load_spec(file).outputs] == [
        ("SpikeDecoder", 2e-3)
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            "--period 0.00205",
            "--period = 0.00205: must be a whole number of the network's steps of 0.001 s; 0.002 s is",
        ),
        (
            "--period 0.02 --steps-per-tick 25",
            "--period = 0.02: must be 25 steps per tick of 0.001 s each: 0.025 s; leave",
        ),
        ("--period 1e-4", "must be a whole number of the network's steps of 0.001 s; 0.001 s is"),
        ("--steps-per-tick 0", "argument --steps-per-tick: "),
        ("--readout max", "--readout = 'max': must be one of rate, last, mean, sum, count"),
        ("--readout rate", "--readout = 'rate': needs spikes, and 'n3' has graded values; take last, mean or sum"),
        ("--input-scale 1 2", "--input-scale = [1.0, 2.0]: must be one number, or 4, as many as 'input' has"),
        ("--output-scale 1 2 3", "--output-scale = [1.0, 2.0, 3.0]: must be one number, or 2, as many as 'output' has"),
        ("--output-limits 1 2", "--output-limits = [1.0, 2.0]: must hold 0, the safe value"),
        ("--output-limits 2 -2", "--output-limits = [2.0, -2.0]: must"),
        ("--input-offset nan", "argument --input-offset: 'nan'"),
    ],
)
def test_what_does_not_fit_is_one_line_and_nothing_is_written(words, says, tmp_path, capsys):
    net, file = tmp_path / "net.nir", tmp_path / "mine.yaml"
    nir.write(net, graded().graph())
    code, out, err = call(capsys, "import", net, "--dialect", "norse", *words.split(), "--out", file)
    assert (code, out, err.count("\n"), file.exists()) == (2, "", 1, False)
    assert says in err


def test_the_dialects_that_can_be_meant_are_named(tmp_path, capsys):
    net = tmp_path / "net.nir"
    nir.write(net, spiking().graph())
    code, _, err = call(capsys, "import", net)
    assert code == 2
    assert err.endswith("; its numbers fit snntorch, spikingjelly, nir-euler, nir-exact\n")
    code, _, err = call(capsys, "check", net)
    assert code == 2
    assert f"{net}: is a NIR network, not a controller file; first 'snn_control import {net} --dialect D" in err
