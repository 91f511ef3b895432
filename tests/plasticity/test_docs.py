"""The examples of docs/explanation/plasticity.md run, and do what it says."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from snn_control import Model
from snn_control.controller import Controller
from snn_control.controller_file import parse_spec
from snn_control.engine import registry
from snn_control.network import LIF, PES, Threshold

TEXT = (Path(__file__).resolve().parents[2] / "docs/explanation/plasticity.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
YAML = yaml.safe_load(re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[1])


def run(example):
    scope = {"__name__": "docs"}
    exec(compile(PYTHON[example], "docs/explanation/plasticity.md", "exec"), scope)
    return scope


def test_the_first_example_learns(capsys):
    weights = run(0)["controller"].weights("x", "a")
    assert weights.shape == (4, 2)
    assert (weights[:2] > 0.6).all()
    assert (weights[2:] == np.float32(0.6)).all()
    assert "[[" in capsys.readouterr().out


def test_the_part_of_a_file_learns_the_goal():
    state = {"type": "linear", "weights": [[3.0, 2.0, 4.0]], "neuron": {"type": "lif"}}
    document = YAML | {
        "version": 1,
        "period": 1e-3,
        "inputs": {"state": {"kind": "value", "encoder": state}, "goal": {"kind": "value"}},
        "outputs": {"u": {"decoder": {"type": "membrane", "from": "torque", "weights": 1}}},
    }
    one = Controller.from_spec(parse_spec(document))
    u = [one.step({"state": 1.0, "goal": 0.7})["u"][0] for _ in range(3000)]
    assert np.mean(u[-300:]) == pytest.approx(0.7, abs=0.05)


def test_the_decoders_of_an_ensemble_carry_the_rule():
    learned = run(1)["learned"]
    assert isinstance(learned.learning, PES)
    assert (learned.post, learned.weights.shape) == ("torque", (200, 1))


def test_a_rule_of_one_s_own_is_built_and_runs(monkeypatch):
    monkeypatch.setattr(registry, "_added", registry._Table())
    forgetting = run(2)["Forgetting"]
    m = Model(dt=1e-3)
    a, b = m.population("a", 3, LIF(), bias=1.5), m.population("b", 2, Threshold(100.0))
    m.connect(a, b, 0.5, learning=forgetting(tau=0.1))
    m.output("u", b, 1.0)
    one = m.controller()
    for _ in range(50):
        one.step({})
    np.testing.assert_allclose(one.weights("a", "b"), 0.5 * math.exp(-0.5), rtol=1e-5)
