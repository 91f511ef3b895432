"""``snn_control plot`` and the warnings of ``check``, as a user calls them."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import yaml

from snn_control.controller import Controller
from snn_control.errors import how_to_install
from tests.cli.common import call


def test_plot_lists_its_files_and_the_page(tmp_path, capsys):
    code, out, _ = call(capsys, "plot", "cartpole", "--out", tmp_path, "--only", "f_i", "decoders", "--seconds", 0.2)
    assert code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"f_i.png", "decoders.png", "index.html"}
    lines = out.splitlines()
    assert lines[0] == "f_i.png       rate against constant current, 1 neuron model"
    assert lines[-1] == f"page: {tmp_path / 'index.html'}"


def test_plot_names_its_folder_after_the_controller(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = call(capsys, "plot", "cartpole", "--only", "f_i", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["page"] == "runs/plot-cartpole/index.html"
    assert [f["name"] for f in said["figures"]] == ["f_i"]
    assert os.path.exists(said["figures"][0]["file"])
    assert said["health"]["populations"][0]["dead"] == 0


def test_a_stimulus_of_the_user(tmp_path, capsys):
    shown = tmp_path / "shown.npz"
    np.savez(shown, observation=np.zeros((10, 4)))
    code, out, _ = call(capsys, "plot", "cartpole", "--out", tmp_path, "--only", "f_i", "--input", shown, "--json")
    assert code == 0
    assert json.loads(out)["health"]["seconds"] == 0.2
    code, out, _ = call(capsys, "check", "cartpole", "--input", shown, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["health"]["stimulus"] == "stimulus of shown.npz"
    assert facts["health"]["populations"][0]["silent"] > 0
    assert facts["warnings"] == []  # it was shown one place only


def test_check_warns_and_says_with_what(tmp_path, capsys):
    path = tmp_path / "weak.yaml"
    call(capsys, "new", path)
    values = yaml.safe_load(path.read_text())
    del values["ros"]
    x = {"kind": "value", "size": 3, "range": [[-1, -1, -8], [1, 1, 8]]}
    decoder = {"type": "linear", "from": "hidden", "tau": 0.05, "weights": 0.001}
    weights = {"type": "normal", "mean": 0.0, "std": 0.01, "seed": 1}
    values |= {"inputs": {"state": x}, "outputs": {"torque": {"unit": "N m", "decoder": decoder}}}
    values["network"] = {
        "populations": {"hidden": {"size": 20, "neuron": {"type": "lif"}}},
        "projections": [{"pre": "state", "post": "hidden", "weights": weights}],
    }
    path.write_text(yaml.safe_dump(values))
    code, out, _ = call(capsys, "check", path)
    assert code == 0
    said = " ".join(out.split())
    assert "warning: network.populations.hidden: none of its 20 neurons can ever fire: inputs and weights allow" in said
    assert "rates, silent, saturated, commands: 1 s of default stimulus, seed 0 synthetic: only problems" in said
    assert "warning: outputs.torque: can only be 0 N m" in said
    weights["std"] = 0.5
    path.write_text(yaml.safe_dump(values))
    code, out, _ = call(capsys, "check", path, "--seconds", 0.5, "--seed", 3, "--json")
    facts = json.loads(out)
    assert facts["health"]["seconds"] == 0.5
    assert facts["health"]["stimulus"] == "default stimulus, seed 3"
    assert (facts["health"]["synthetic"], facts["warnings"]) == (True, [])
    hidden = facts["health"]["populations"][0]
    assert hidden["dead"] <= 2
    assert hidden["rate_hz"] > 0


def test_check_and_plot_show_it_where_it_acts(tmp_path, capsys):
    pytest.importorskip("gymnasium")
    world = ["--env", "CartPole-v1", "--arg", "max_episode_steps=30", "--seconds", 1, "--seed", 5]
    code, out, _ = call(capsys, "check", "cartpole", "--strict", *world)
    said = " ".join(out.split())
    assert code == 0
    assert "rates, silent, saturated, commands: 1 s of CartPole-v1, seed 5, 2 episodes ok" in said
    code, out, _ = call(capsys, "plot", "cartpole", "--only", "f_i", "--out", tmp_path, "--json", *world)
    assert code == 0
    assert json.loads(out)["health"]["ticks"] == 50
    assert json.loads(out)["health"]["synthetic"] is False


def test_plot_shows_what_was_learned(tmp_path, capsys):
    path, state = tmp_path / "mine.yaml", tmp_path / "state.npz"
    call(capsys, "new", path)
    text = path.read_text()
    line = next(one for one in text.splitlines() if "pre: state" in one)
    rule = " " * line.index("pre") + "learning: {type: stdp, w_min: -10, w_max: 10}"
    path.write_text(text.replace(line, f"{line}\n{rule}"))
    controller = Controller.load(path)
    for k in range(100):
        controller.step({"state": [np.cos(k / 9), np.sin(k / 9), np.sin(k / 20)]})
    controller.save_state(state)
    pages = []
    for more in ([], ["--state", state]):
        code, _, err = call(capsys, "plot", path, "--only", "weights", "--out", tmp_path / "out", *more)
        assert code == 0, err
        pages.append((tmp_path / "out" / "weights.png").read_bytes())
    assert pages[0] != pages[1]
    assert "mine.yaml with the weights of state.npz" in (tmp_path / "out" / "index.html").read_text()
    code, _, err = call(capsys, "plot", "cartpole", "--state", state)
    assert code == 2
    assert "is a state of another Program" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["plot", "cartpol"], "did you mean 'cartpole'"),
        (["plot", "folder/nothing.yaml"], "cannot be read"),
        (
            ["plot", "cartpole", "--only", "fi"],
            "--only = 'fi': is not a picture of this controller; did you mean 'f_i'",
        ),
        (["plot", "cartpole", "--only", "f_i", "--out", "/proc/none"], "--out = '/proc/none': cannot be written"),
        (["plot", "cartpole", "--out", "setup.py"], "--out = 'setup.py': must be a folder"),
        (["plot", "cartpole", "--format", "gif"], "invalid choice: 'gif'"),
        (["plot", "cartpole", "--seconds", "0"], "must be at least 1e-06 s"),
        (["plot", "cartpole", "--seconds", "1e9"], "--seconds = 1000000000.0: must be at most"),
        (["plot", "cartpole", "--seed", "-1"], "must be at least 0"),
        (["plot", "cartpole", "--input", "none.npz"], "--input = 'none.npz': cannot be read"),
        (["check", "cartpole", "--input", "none.npz"], "--input = 'none.npz': cannot be read"),
        (["check", "cartpole", "--input", "setup.py"], "is not an .npz file"),
        (
            ["check", "cartpole", "--input", "a", "--env", "CartPole-v1"],
            "--input = 'a': does not go with --env",
        ),
        (["check", "cartpole", "--arg", "g=1"], "--arg = 'g=1': requires --env"),
        (["check", "cartpole", "--env", "NoSuch-v0"], "--env = 'NoSuch-v0': cannot be made"),
        (["plot", "cartpole", "--env", "Pendulum-v1"], "cartpole.yaml: outputs.push.decoder"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_line(capsys, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "setup.py").write_text("a file")
    code, _, err = call(capsys, *arguments)
    assert code == 2
    assert err.count("\n") == 1
    assert says in err
    assert {p.name for p in tmp_path.iterdir()} == {"setup.py"}


@pytest.mark.parametrize("missing", ["matplotlib", "jinja2"])
def test_what_is_not_installed_is_named_in_one_line(tmp_path, missing):
    """In a separate process, in which the import of the module fails."""
    program = (
        f"import sys; sys.modules['{missing}'] = None; from snn_control.cli import main; "
        f"sys.exit(main(['plot', 'cartpole', '--out', {str(tmp_path / 'out')!r}]))"
    )
    path = os.pathsep.join(p for p in sys.path if p)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120,
                          env=os.environ | {"PYTHONPATH": path})  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == f"snn_control: this needs {missing}: {how_to_install('report')}\n"
    assert not (tmp_path / "out").exists()
