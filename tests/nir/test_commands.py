"""``snn_control import`` and ``export`` as a user calls them, on the files that the frameworks themselves wrote."""

import json
import re

import nir
import numpy as np
import pytest

from snn_control.controller import Controller
from snn_control.controller_file import load_spec
from snn_control.nir import import_nir
from snn_control.nir.verification import SearchResult, load_activity, search_dialects
from tests.cli.common import call
from tests.fixtures import fixture
from tests.nir.frameworks import Chain, Leaky

#: file of the recorded data -> what its reader must say
RECORDED = {
    "snntorch_lif_zero_nodelay": "--dialect snntorch --option reset_mechanism=zero --option reset_delay=false",
    "norse_lifbox_li": "--dialect norse --dt 1e-3",
    "sinabs_lif_norm0": "--dialect sinabs --option norm_input=false",
    "spikingjelly_lif_decay1": "--dialect spikingjelly --dt 1e-3 --option decay_input=true",
}


@pytest.fixture
def snntorch(tmp_path):
    """A file as snnTorch writes it, its default options, and its activity."""
    rng = np.random.default_rng(0)
    chain = Chain(rng, 10, Leaky(12, 0.9), Leaky(6, 0.8))
    nir.write(tmp_path / "net.nir", chain.graph())
    np.savez(tmp_path / "net.npz", **chain.run((rng.random((40, 10)) < 0.3).astype(np.float32)))
    return tmp_path / "net.nir", tmp_path / "net.npz"


@pytest.mark.parametrize("name", RECORDED)
def test_the_activity_of_each_framework_is_reproduced(name, capsys):
    file, activity = fixture(f"nir/{name}.nir"), fixture(f"nir/{name}.npz")
    code, out, _ = call(capsys, "import", file, *RECORDED[name].split(), "--verify", activity)
    assert (code, "identical, 300 of 300 steps" in out) == (0, True)
    code, out, _ = call(capsys, "import", file, *RECORDED[name].split(), "--verify", activity, "--json")
    assert (code, json.loads(out)) == (0, {"identical": True, "steps": 300, "first_difference": None})


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("key", ["hidden", "output"])
def test_one_number_that_was_changed_is_named(name, key, tmp_path, capsys):
    file = fixture(f"nir/{name}.nir")
    with np.load(fixture(f"nir/{name}.npz")) as archive:
        arrays = {k: archive[k] for k in archive.files}
    step, neuron = 123, 5
    expected = 1 - arrays[key][step, neuron] if key == "hidden" else arrays[key][step, neuron] + 2e-6
    arrays[key][step, neuron] = expected
    np.savez(tmp_path / "flipped.npz", **arrays)
    verify = ("--verify", tmp_path / "flipped.npz")
    code, out, _ = call(capsys, "import", file, *RECORDED[name].split(), *verify, "--json")
    found = json.loads(out)
    first = found["first_difference"]
    assert (code, found["identical"], found["steps"]) == (1, False, 300)
    assert (first["step"], first["neuron"]) == (step, neuron)
    assert first["population"].endswith("1" if key == "hidden" else "3")
    assert first["expected"] == pytest.approx(float(arrays[key][step, neuron]))
    assert first["got"] != first["expected"]
    code, out, _ = call(capsys, "import", file, *RECORDED[name].split(), *verify)
    assert code == 1
    assert f"different: step {step}, population {first['population']}, neuron {neuron}" in out
    assert "1 of 12000 numbers in 300 steps differ" in out
    assert re.search(r"no other dialect or option is identical: (\d+) of \1 readings tried", out)


@pytest.mark.parametrize(
    ("name", "arguments", "right"),
    [
        (
            "snntorch_lif_zero_nodelay",
            "--dialect snntorch",
            "--dialect snntorch --option reset_mechanism=zero --option reset_delay=false",
        ),
        ("norse_lifbox_li", "--dialect norse --dt 2e-3", "--dialect norse --dt 0.001"),
        (
            "sinabs_lif_norm0",
            "--dialect sinabs --option norm_input=true",
            "--dialect sinabs --option norm_input=false --option min_v_mem=none",
        ),
        ("sinabs_lif_norm0", "--dialect nir-exact --dt 1e-3", "--dialect sinabs --dt 0.001 --option norm_input=false"),
        ("spikingjelly_lif_decay1", "--dialect spikingjelly --dt 5e-4", "--dialect spikingjelly --dt 0.001"),
    ],
)
def test_wrong_options_are_found_out_and_the_right_ones_named(name, arguments, right, capsys):
    file, activity = fixture(f"nir/{name}.nir"), fixture(f"nir/{name}.npz")
    code, out, _ = call(capsys, "import", file, *arguments.split(), "--verify", activity)
    assert (code, "different: step" in out) == (1, True)
    assert f"identical instead: {right}" in out
    code, out, _ = call(capsys, "import", file, *arguments.split(), "--verify", activity, "--json")
    assert (code, list(json.loads(out))) == (1, ["identical", "steps", "first_difference"])


def test_what_is_named_is_identical_and_the_number_of_trials_is_limited(snntorch, capsys):
    file, activity = snntorch
    wrong = ("snntorch", None, {"reset_mechanism": "zero"})
    found, tried = search_dialects(file, load_activity(activity), *wrong)
    assert tried == "30 of 30"
    assert SearchResult("snntorch", None, {"reset_mechanism": "subtract", "reset_delay": "true"}) in found
    for trial in found:
        assert call(capsys, "import", file, *str(trial).split(), "--verify", activity)[0] == 0
    assert search_dialects(file, load_activity(activity), *wrong, most=1) == ([], "1 of more than 1")


def test_a_last_layer_whose_membranes_were_recorded_is_found_out(tmp_path, capsys):
    class Membranes(Leaky):
        def step(self, x):
            super().step(x)
            return self.v

    rng = np.random.default_rng(5)
    chain = Chain(rng, 10, Leaky(12, 0.8), Membranes(6, 0.7, 1e9))
    nir.write(tmp_path / "net.nir", chain.graph())
    np.savez(tmp_path / "net.npz", **chain.run((rng.random((40, 10)) < 0.3).astype(np.float32)))
    arguments = (tmp_path / "net.nir", "--dialect", "snntorch", "--verify", tmp_path / "net.npz")
    code, out, _ = call(capsys, "import", *arguments)
    named = [line.partition("instead: ")[2] for line in out.splitlines() if "identical instead" in line]
    assert (code, bool(named)) == (1, True)
    assert all("--option 3.reset_mechanism=none" in line for line in named)
    assert call(capsys, "import", tmp_path / "net.nir", *named[0].split(), *arguments[3:])[0] == 0


def test_what_was_understood_is_printed_with_the_defaults_and_the_next_command(snntorch, capsys):
    file, _ = snntorch
    code, out, _ = call(capsys, "import", file, "--dialect", "snntorch", "--option", "reset_delay=true")
    assert code == 0
    for part in (
        "dialect snntorch, a step of 0.0001 s, input input (10)",
        "n1",
        "n3",
        "dense",
        "output output: n3 (6)",
    ):
        assert part in out
    assert "default taken: LIF.reset_mechanism=subtract" in out
    assert "reset_delay=" not in out.replace("--option reset_delay=true", "")
    assert f"next: snn_control import {file} --dialect snntorch --option reset_delay=true --verify" in out
    code, out, _ = call(capsys, "import", file, "--dialect", "snntorch", "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["defaults"] == {"LIF.reset_mechanism": "subtract", "LIF.reset_delay": True}
    assert facts["populations"][0] == {"name": "n1", "size": 12, "neuron": "LIF"}


def test_a_controller_file_is_written_where_the_activity_agrees(snntorch, tmp_path, capsys):
    file, activity = snntorch
    out_file, dialect = tmp_path / "mine.yaml", ("--dialect", "snntorch")
    code, out, _ = call(capsys, "import", file, *dialect, "--verify", activity, "--out", out_file)
    assert (code, f"{out_file}: written. Next: snn_control check {out_file}" in out) == (0, True)
    spec = load_spec(out_file)
    assert [(i.name, i.size) for i in spec.inputs] == [("input", 10)]
    assert [(o.name, o.size) for o in spec.outputs] == [("output", 6)]
    with np.load(activity) as archive:
        given, hidden = archive["input"], archive["hidden"]
    controller = Controller.from_spec(spec)
    for x, want in zip(given, hidden, strict=True):
        controller.step({"input": x})
        assert controller.spikes("n1").tolist() == np.flatnonzero(want).tolist()
    out_file.unlink()
    wrong = (*dialect, "--option", "reset_mechanism=zero", "--verify", activity)
    code, out, _ = call(capsys, "import", file, *wrong, "--out", out_file)
    assert (code, f"{out_file}: not written" in out, out_file.exists()) == (1, True, False)
    code, _, err = call(capsys, "import", file, *dialect, "--out", tmp_path / "net.nir" / "mine.yaml")
    assert (code, "cannot be written" in err) == (2, True)


def test_a_period_that_nobody_chose_and_what_is_open_are_said(snntorch, tmp_path, capsys):
    file, _ = snntorch
    where = ("--dialect", "snntorch", "--out", tmp_path / "mine.yaml")
    period = "period 0.1 ms (10 kHz) follows from snnTorch's exporter; --dt says how long a step lasts here"
    still = "still open: limits and safe value of output (now: no limits, 0), "
    still += "range and stale of input (now: any, never), and the ros section"
    _, out, _ = call(capsys, "import", file, *where)
    assert f"note: {period}\nnote: {still}\n" in out
    head = (tmp_path / "mine.yaml").read_text().splitlines()[:3]
    made = "Made by: snn_control import net.nir --dialect snntorch --out mine.yaml"
    assert head == [f"# {line}" for line in (made, period, still)]
    _, out, _ = call(capsys, "import", file, *where, "--dt", "1e-3", "--force")
    assert "note: period" not in out
    assert "warning" not in out
    assert f"note: {still}" in out
    assert load_spec(tmp_path / "mine.yaml").period == 1e-3
    assert "period 0.1" not in (tmp_path / "mine.yaml").read_text()


def test_hidden_and_output_are_optional(snntorch, tmp_path, capsys):
    file, activity = snntorch
    with np.load(activity) as archive:
        arrays = dict(archive)
    for key in ("hidden", "output"):
        np.savez(tmp_path / "part.npz", input=arrays["input"], **{key: arrays[key]})
        code, out, _ = call(capsys, "import", file, "--dialect", "snntorch", "--verify", tmp_path / "part.npz")
        assert (code, "identical, 40 of 40 steps" in out) == (0, True)


def test_a_batch_of_one_is_read_as_it_is(snntorch, capsys):
    file, activity = snntorch
    with np.load(activity) as archive:
        arrays = {key: archive[key][:, None] for key in archive.files}
    np.savez(activity, **arrays)
    code, out, _ = call(capsys, "import", file, "--dialect", "snntorch", "--verify", activity)
    assert (code, "identical, 40 of 40 steps" in out) == (0, True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"input": None}, "must hold the arrays input, and hidden or output or both\n"),
        ({"hidden": None, "output": None}, "must hold the arrays input, and hidden or output or both\n"),
        (
            {"input": np.zeros((40, 9))},
            "input = (40, 9): the network takes 10 numbers per step as 'input'; it must be (steps, 10)",
        ),
        (
            {"input": np.zeros((10, 40))},
            "input = (10, 40): the network takes 10 numbers per step as 'input'; transposed?",
        ),
        (
            {"hidden": np.zeros((40, 5))},
            "hidden = (40, 5): must be (40, 12): the steps of input, and the neurons of 'n1'",
        ),
        ({"output": np.zeros((39, 6))}, "output = (39, 6): must be (40, 6): the steps of input"),
        ({"output": np.zeros((40, 2, 6))}, "output = (40, 2, 6): must be (40, 6): the steps of input"),
        (
            {"input": np.zeros((1, 40, 10))},
            "it must be (steps, 10), or so with a batch of one; batch first? take array[0]",
        ),
        ({"output": np.zeros(40)}, "must be numbers of shape (steps, n)"),
        ({"output": np.full((40, 6), "a")}, "must be numbers of shape (steps, n)"),
    ],
)
def test_activity_that_does_not_fit_is_bad_input(change, says, snntorch, capsys):
    file, activity = snntorch
    with np.load(activity) as archive:
        arrays = {k: v for k, v in (dict(archive) | change).items() if v is not None}
    np.savez(activity, **arrays)
    code, out, err = call(capsys, "import", file, "--dialect", "snntorch", "--verify", activity)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert says in err
    assert str(activity) in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("", "snn_control: --dialect is missing, and the file does not say what its numbers mean; one of snntorch, "),
        ("--dialect snntroch", "did you mean 'snntorch'?"),
        ("--dialect snntorch --option reset_dealy=true", "did you mean 'reset_delay'?"),
        ("--dialect snntorch --option reset_delay", "must look like reset_delay=true"),
        ("--dialect snntorch --dt 1ms", "argument --dt: '1ms' is not a number of seconds"),
        ("--dialect snntorch --dt 0", "must be at least 1e-09 s"),
        ("--dialect nir-euler", "give --dt, the step of the original simulation [s]"),
        ("--dialect norse", "nodes.1.r = 9.99"),
        ("--dialect snntorch --verify nothing.npz", "nothing.npz: cannot be read as arrays: "),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, says, snntorch, capsys):
    code, out, err = call(capsys, "import", snntorch[0], *arguments.split())
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert says in err


def test_a_file_that_is_not_there(capsys):
    code, _, err = call(capsys, "import", "nothing.nir", "--dialect", "norse")
    assert (code, err) == (2, "snn_control: FILE = 'nothing.nir': there is no such file\n")


CONTROLLER = """\
version: 1
period: 0.002
dt: 0.001
inputs:
  angle: {kind: value, size: 2}
network:
  populations:
    a: {size: 3, neuron: {type: lif, tau_mem: 0.01, reset: subtract}}
    b: {size: 1, neuron: {type: NEURON}}
  projections:
    - {pre: angle, post: a, weights: [[1, 2, 3], [0, 1, -1]]}
    - {pre: a, post: b, weights: 0.5, delay: 0.002}
outputs:
  force: {decoder: {type: membrane, from: b, weights: 1.0}}
"""


def test_export_writes_a_file_that_import_reads_without_a_dialect(tmp_path, capsys):
    file, net = tmp_path / "mine.yaml", tmp_path / "net.nir"
    file.write_text(CONTROLLER.replace("NEURON", "li"))
    code, out, _ = call(capsys, "export", file, "--out", net)
    assert code == 0
    assert f"next: snn_control import {net}\n" in out
    assert {type(n).__name__ for n in nir.read(net).nodes.values()} == {
        "Input",
        "Linear",
        "LIF",
        "Delay",
        "LI",
        "Output",
    }
    code, out, _ = call(capsys, "import", net)
    assert (code, "dialect snn_control, a step of 0.001 s" in out) == (0, True)
    assert [p.delay for p in import_nir(net).network.projections] == [0.0, 0.002]


def test_neither_import_nor_export_replaces_a_file_unless_told(tmp_path, capsys):
    file, net, made = tmp_path / "mine.yaml", tmp_path / "net.nir", tmp_path / "made.yaml"
    file.write_text(CONTROLLER.replace("NEURON", "li"))
    for arguments, out in ((("export", file), net), (("import", net), made)):
        if out == made:
            assert call(capsys, "export", file, "--out", net, "--force")[0] == 0
        out.write_text("mine")
        code, _, err = call(capsys, *arguments, "--out", out)
        assert (code, err.count("\n")) == (2, 1)
        assert f"--out = '{out}': exists already; choose another name, or give --force" in err
        assert out.read_text() == "mine"
        assert call(capsys, *arguments, "--out", out, "--force")[0] == 0
        assert out.read_bytes() != b"mine"


def test_export_refuses_in_one_line(tmp_path, capsys):
    file = tmp_path / "mine.yaml"
    file.write_text(CONTROLLER.replace("NEURON", "alif").replace("membrane", "linear, tau: 0.01"))
    code, out, err = call(capsys, "export", file, "--out", tmp_path / "net.nir")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert f"{file}: populations.b.neuron = 'ALIF': NIR has no such neuron" in err
    assert not (tmp_path / "net.nir").exists()
    code, _, err = call(capsys, "export", "cartpole", "--out", "my.onnx")
    assert (code, err.count("\n")) == (2, 1)
    assert "--out = 'my.onnx': must end with .nir; --c FOLDER writes C" in err
    code, _, err = call(capsys, "export", "cartpole", "--out", tmp_path / "net.nir")
    assert (code, "inputs.observation.encoder = 'PopulationEncoder': NIR has no encoders" in err) == (2, True)
    file.write_text(CONTROLLER.replace("NEURON", "li"))
    code, _, err = call(capsys, "export", file, "--out", tmp_path / "no" / "net.nir")
    assert (code, "cannot be written" in err) == (2, True)


@pytest.mark.parametrize(("key", "value"), [("input", np.nan), ("input", 1e300), ("hidden", np.nan)])
def test_numbers_that_no_network_takes_prove_nothing(key, value, snntorch, tmp_path, capsys):
    file, activity = snntorch
    with np.load(activity) as archive:
        arrays = {k: archive[k].astype(np.float64) for k in archive.files}
    arrays[key][7, 2] = value
    np.savez(tmp_path / "odd.npz", **arrays)
    code, _, err = call(capsys, "import", file, "--dialect", "snntorch", "--verify", tmp_path / "odd.npz")
    assert code == 2
    assert f"#{key}[7, 2]" in err
    assert "must be finite numbers of float32" in err
