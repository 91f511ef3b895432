"""The command line as a user calls it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import gymnasium
import jsonschema
import numpy as np
import pytest

from snn_control.cli import COMMANDS, main
from snn_control.cli.common import print_json, table
from snn_control.controller import Controller
from snn_control.engine.facts import InputFacts
from snn_control.errors import DescriptionError
from snn_control.gym_adapter.spaces import check_observation
from tests.cli.common import TERM, VALUE, call, described


@pytest.mark.parametrize("command", ["check", "plot", "bench"])
def test_a_saved_program_is_no_controller_file(tmp_path, capsys, command):
    saved = tmp_path / "saved.npz"
    Controller.load("cartpole").program.save(saved)
    code, _, err = call(capsys, command, saved)
    assert (code, err) == (
        2,
        f"snn_control: {saved}: is a saved Program or other arrays; this needs the controller file\n",
    )


def test_a_full_disk_is_an_error_that_names_the_output(monkeypatch, capsys):
    full = open("/dev/full", "w")
    monkeypatch.setattr(sys, "stdout", full)
    code, _, err = call(capsys, "check", "cartpole")
    assert (code, err) == (2, "snn_control: standard output: No space left on device\n")
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_terminal_of_ascii_gets_question_marks(tmp_path):
    line = [sys.executable, "-m", "snn_control", "check", "cartpole"]
    done = subprocess.run(line, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.isascii()


def test_without_a_command_the_help_is_printed(capsys):
    code, out, err = call(capsys)
    assert (code, err) == (2, "")
    assert "first steps:" in out


def test_an_interruption_while_python_imports_is_one_line():
    code = """if True:
        import signal, sys
        from snn_control.__main__ import main
        class Interrupts:
            def find_spec(name, *_):
                if name == "snn_control.errors":
                    signal.raise_signal(signal.SIGINT)
        sys.meta_path.insert(0, Interrupts)
        sys.exit(main())
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "snn_control: interrupted\n")


def test_help_teaches(capsys):
    for arguments in ([], *([name] for name in COMMANDS)):
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--help"])
        assert end.value.code == 0
        assert "snn_control" in capsys.readouterr().out


def test_new_writes_a_controller_that_works(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    code, out, _ = call(capsys, "new", path)
    assert code == 0
    assert f"snn_control check {path}" in out
    assert "#" in path.read_text()
    code, out, _ = call(capsys, "check", path)
    assert code == 0
    assert out.splitlines()[-1].startswith("ok")
    code, out, _ = call(capsys, "run", "--env", "Pendulum-v1", "--episodes", 1, "--steps", 20, "--json", path)
    assert code == 0
    assert json.loads(out)["episodes"][0]["spikes_a_second"] > 0


def test_what_new_writes_is_as_good_as_it_says(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    call(capsys, "new", path)
    text = path.read_text()
    mean, chance = map(
        float, re.search(r"mean return in 100 episodes is (-\d+), that of random actions (-\d+)", text).groups()
    )
    command = re.search(r"#   snn_control (run .*) THIS_FILE", text)[1].replace("--episodes 100", "--episodes 20")
    result = json.loads(call(capsys, *command.split(), path, "--json")[1])
    assert result["return"]["mean"] == pytest.approx(mean, abs=50)
    assert result["compared"]["chance"]["return"]["mean"] == pytest.approx(chance, abs=150)
    assert result["return"]["worst"] > chance
    assert result["better_than_chance"]["interval"][0] > 800
    assert mean > -200  # energy and PD reach -146


def test_schema_is_printed_or_written_for_editors(tmp_path, capsys):
    path = tmp_path / "controller.schema.json"
    code, out, _ = call(capsys, "schema", path)
    assert (code, out) == (0, f"{path}: written\n")
    written = json.loads(path.read_text())
    jsonschema.Draft202012Validator.check_schema(written)
    code, out, _ = call(capsys, "schema")
    assert (code, json.loads(out)) == (0, written)
    code, _, err = call(capsys, "schema", path)
    assert (code, err) == (2, f"snn_control: FILE = '{path}': exists already; choose another name, or give --force\n")
    path.write_text("old")
    assert call(capsys, "schema", path, "--force")[0] == 0
    assert json.loads(path.read_text()) == written


def test_new_overwrites_nothing(tmp_path, capsys):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    code, _, err = call(capsys, "new", path)
    assert code == 2
    assert "exists already" in err
    assert path.read_text() == "precious"
    assert call(capsys, "new", path, "--force")[0] == 0
    assert path.read_text() == call(capsys, "new")[1]


def test_an_unknown_option_names_the_help_of_its_command(capsys):
    for command, said in (("new", "new"), ("events info x", "events info")):
        code, _, err = call(capsys, *command.split(), "--forse")
        assert (code, err) == (2, f"snn_control: unrecognized arguments: --forse; see snn_control {said} --help\n")


def test_json_has_null_for_numbers_that_are_not_finite(capsys):
    print_json({"a": [np.inf, -np.inf, np.nan, 1.5], "b": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, None, 1.5], "b": "NaN"}


@pytest.mark.parametrize(
    ("line", "broken", "says"),
    [
        ("period: 0.05", "perod: 0.05", "rename it to 'period'"),
        ("size: 4", "size: -4", "must be a whole number >= 1"),
        ("dt: 0.005", "dt: 0.003", "must divide the period"),
        ("limits: [-2.0, 2.0]", "limits: [2.0, -2.0]", "low must be < high"),
        ("pre: state", "pre: stat", "must be an input or a population"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_value_rule_and_fix(tmp_path, capsys, line, broken, says):
    path = tmp_path / "mine.yaml"
    call(capsys, "new", path)
    text = path.read_text()
    assert line in text
    path.write_text(text.replace(line, broken))
    for command in (["check", path], ["run", "--env", "Pendulum-v1", path], ["bench", path]):
        code, _, err = call(capsys, *command)
        assert code == 2
        assert err.count("\n") == 1
        assert str(path) in err
        assert says in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["check", "zebra"],
            "FILE = 'zebra': is neither a file nor a shipped controller; shipped: arm, cartpole, event_landing, ",
        ),
        (["check", "folder/nothing.yaml"], "snn_control: folder/nothing.yaml: cannot be read: No such file"),
        (["run", "--env", "Nowhere-v0", "cartpole"], "cannot be made"),
        (["run", "--env", "Pendulum-v1", "cartpole"], "not the index of an action"),
        (["run", "--env", "CartPole-v1", "--arg", "speed", "cartpole"], "key=value"),
        (["run", "--env", "CartPole-v1", "--arg", "speed=1", "cartpole"], "cannot be made"),
        (["run", "--env", "CartPole-v1", "--arg", "a=[1", "cartpole"], "is not YAML"),
        (["run", "--env", "CartPole-v1", "--episodes", "0", "cartpole"], "must be at least 1"),
        (["run", "--env", "CartPole-v1", "--steps", "0", "cartpole"], "must be at least 1"),
        (["run", "--env", "CartPole-v1", "--steps", "two", "cartpole"], "'two': must be a whole number"),
        (["run", "--env", "CartPole-v1", "--seed", "-1", "cartpole"], "must be at least 0"),
        (["run", "cartpole"], "--env; see snn_control run --help"),
        (["bench", "--wake-up", "-1", "cartpole"], "must be at least 0.1 s"),
        (["bench", "--wake-up", "nan", "cartpole"], "must be at least 0.1 s"),
        (["train", "cartpole", "--population", "1"], "must be at least 2"),
        (["train", "cartpol"], "did you mean 'cartpole'"),
        (["demo", "--duration", "1"], "must be at least 2 s"),
        (["demo", "--motion", "zigzag"], "must be one of sinusoid"),
        (["demo", "--frequency", "-1"], "must be positive"),
        (["demo", "--background", "3"], "must be from 0 to 2"),
        (["demo", "--out", "/proc/none"], "cannot be made"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_line(capsys, arguments, says):
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    ("env", "decoder", "size", "says"),
    [
        ("Pendulum-v1", {"type": "membrane", **TERM}, 2, "outputs = 'torque (2)': must be as many numbers"),
        ("Pendulum-v1", {"type": "argmax", "actions": 2, "terms": [{"type": "membrane", **TERM}]}, 1, "not the index"),
        ("Acrobot-v1", {"type": "argmax", "actions": 2, "terms": [{"type": "membrane", **TERM}]}, 1, "actions = 2"),
        ("Acrobot-v1", {"type": "membrane", "from": "observation", "weights": [[1.0]] * 3}, 1, "must be argmax"),
    ],
)
def test_outputs_that_are_no_action_of_the_environment_are_refused(tmp_path, capsys, env, decoder, size, says):
    path = described(tmp_path, outputs={"torque": {"size": size, "decoder": decoder}})
    code, _, err = call(capsys, "run", "--env", env, path)
    assert code == 2
    assert err.count("\n") == 1
    assert str(path) in err
    assert says in err


def test_an_observation_that_is_not_the_input_is_refused(tmp_path, capsys):
    decoder = {"type": "membrane", "from": "observation", "weights": [[1.0]] * 3}
    path = described(tmp_path, outputs={"force": {"decoder": decoder}})
    code, _, err = call(capsys, "run", "--env", "MountainCarContinuous-v0", path)
    assert code == 2
    assert err.count("\n") == 1
    says = "inputs.observation.size = 3: must be 2 numbers, as the environment's observation; write size: 2, and range"
    assert err.startswith(f"snn_control: {path}: {says}")


def test_every_part_of_an_observation_is_compared_before_the_first_step():
    def numbers(size, required=True):
        return InputFacts("", "value", size, required)

    box = gymnasium.spaces.Box(-1, 1, (3,))
    parts = gymnasium.spaces.Dict({"a": box, "more": box})
    check_observation({"a": numbers(3), "b": numbers(1, False)}, parts)
    check_observation({"a": numbers(1), "b": numbers(2)}, box)
    check_observation({"a": numbers(3), "b": numbers(1, False)}, box)
    check_observation({"a": numbers(1)}, gymnasium.spaces.Discrete(5))
    camera = InputFacts("e", "events", (8, 8), True)

    def sees(width, height):
        top = np.broadcast_to([1.0, width - 1, height - 1, 1], (5, 4))
        return gymnasium.spaces.Dict({"e": gymnasium.spaces.Box(np.zeros((5, 4)), top, dtype=np.float64)})

    check_observation({"e": camera}, sees(8, 6))
    check_observation({"e": camera}, sees(65536, 65536))  # not known, as of a recording
    for inputs, space, says in (
        (
            {"a": numbers(2)},
            parts,
            r"inputs.a.size = 2: must be 3 numbers, as the environment's observation\['a'\]",
        ),
        ({"b": numbers(1)}, parts, "inputs.b = None: is not in the observation, which has"),
        ({"a": numbers(1), "b": numbers(1)}, box, "inputs = {'a': 1, 'b': 1}: must be 3 numbers"),
        ({"e": camera}, box, "inputs.e.kind = 'events': cannot be part"),
        ({"e": camera}, sees(64, 8), r"inputs.e.size = \[8, 8\]: must hold the environment's events, up to column 63"),
    ):
        with pytest.raises(DescriptionError, match=says):
            check_observation(inputs, space)


def test_the_table_of_a_run_is_whole_within_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = call(capsys, "run", "--env", "CartPole-v1", "--episodes", 2, "--steps", 30, "cartpole")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert "…" not in out
    for heading in ("seed", "steps", "return", "us/step", "spikes/s", "syn.ops/s", "faults", "safe"):
        assert f" {heading} " in out


def test_numbers_are_never_cut(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    table("wide", [f"column {k}" for k in range(6)], [[123456789 + k for k in range(6)]])
    out = capsys.readouterr().out
    assert all(f"{123456789 + k:,}" in out for k in range(6))


def test_what_a_run_records_can_be_shown_again(tmp_path, capsys):
    seen = tmp_path / "seen.npz"
    command = ["run", "--env", "CartPole-v1", "--episodes", 2, "--steps", 40, "--record", seen, "cartpole"]
    code, out, _ = call(capsys, *command)
    assert code == 0
    assert f"recorded: {seen}, 40 steps, 0.8 s" in " ".join(out.split())
    assert np.load(seen)["observation.values"].shape == (40, 4)
    code, out, _ = call(capsys, "check", "cartpole", "--input", seen, "--json")
    assert code == 0
    assert json.loads(out)["health"]["stimulus"] == "record of seen.npz"
    command[command.index("--record") + 1] = seen / "more.npz"
    code, _, err = call(capsys, *command)
    assert (code, f"--record = '{seen / 'more.npz'}': cannot be written" in err) == (2, True)


def test_run_shows_what_the_guard_did(tmp_path, capsys):
    mean = {"observation": VALUE["observation"] | {"plausible": [[-2, -2, -0.01], [2, 2, 0.01]]}}
    torque = {"decoder": {"type": "membrane", "from": "observation", "weights": [[1.0], [0.0], [0.0]]}}
    path = described(tmp_path, inputs=mean, outputs={"torque": torque})
    command = ["run", "--env", "Pendulum-v1", "--episodes", 1, "--steps", 50, path]
    _, out, _ = call(capsys, *command, "--json")
    (row,) = json.loads(out)["episodes"]
    assert row["faults"] >= 1
    assert row["safe_ticks"] > 10
    code, out, _ = call(capsys, *command)
    assert code == 0
    assert f"the guard gave the safe command for {row['safe_ticks']} ticks" in out


def test_bench_measures(capsys, monkeypatch):
    monkeypatch.setattr("snn_control.analysis.speed.SECONDS", 0.1)
    code, out, _ = call(capsys, "bench", "cartpole", "--seconds", 2, "--wake-up", 0.3, "--json")
    result = json.loads(out)
    assert code == 0
    assert 0 < result["time_us"]["loop"]["p50"] < result["time_us"]["step"]["p50"]
    assert result["stimulus"]["ticks"] == 100
    operations = result["synaptic_operations"]
    assert operations["dense"]["a_tick"] == 4 * 32 * 2 + 2 * 2  # four steps per tick; the decoder reads once
    assert operations["dense"]["a_second"] == 50 * operations["dense"]["a_tick"]
    assert 0 < operations["accumulates"]["a_tick"] < 4 * 32 * 2
    assert result["energy"]["label"].startswith("estimate, not measured")
    spent = result["energy"]["pj_a_tick"]
    expected = 0.9 * operations["accumulates"]["a_tick"] + 4.6 * operations["multiply_accumulates"]["a_tick"]
    assert spent["synapses"] == pytest.approx(expected)
    assert spent["neurons"] == pytest.approx(4 * (32 + 2) * 4.6)
    assert result["speed"]["largest_rate"]["hz"] > 50
    assert result["speed"]["times_real_time"] > 1
    assert result["advice"]


def test_bench_shows_a_stimulus_of_ones_own_and_says_what_it_found(tmp_path, capsys):
    np.savez(tmp_path / "seen.npz", observation=np.zeros((20, 4)))
    arguments = ("bench", "cartpole", "--input", tmp_path / "seen.npz", "--wake-up", 0.1)
    code, out, _ = call(capsys, *arguments)
    assert code == 0
    for text in (
        "20 ticks of 20000 us, stimulus of seen.npz", "projections[observation -> action]", "accumulates (AC)",
        "of the weights are 0", "uW at its rate", "estimate, not measured", "largest rate:", "times real time",
    ):  # fmt: skip
        assert text in out, text


def test_a_message_is_one_line_even_for_an_array():
    error = DescriptionError("weights", np.zeros((3, 2)), "must be something else")
    assert "\n" not in str(error)
    assert "  " not in str(error)


def test_the_module_runs_as_a_program():
    done = subprocess.run([sys.executable, "-m", "snn_control", "--version"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.startswith("snn_control ")
