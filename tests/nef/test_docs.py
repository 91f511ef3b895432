"""The examples of docs/explanation/nef.md run, and do what it says."""

import re
from pathlib import Path

import numpy as np
import pytest

from snn_control import Controller

TEXT = (Path(__file__).resolve().parents[2] / "docs/explanation/nef.md").read_text(encoding="utf-8")
WHOLE, PREAMBLE, *EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
CHANNEL, INTEGRATOR, PRODUCT, OSCILLATOR, ARM = range(len(EXAMPLES))


def series(example, given, steps=400):
    """(steps, size) outputs for what ``given`` says of each step."""
    scope = {}
    exec(compile(PREAMBLE + EXAMPLES[example], "docs/explanation/nef.md", "exec"), scope)
    return np.array([scope["c"].step(given(k))["u"] for k in range(steps)])


def mean(example, given, steps=400):
    """Mean over the second half of the steps."""
    return series(example, given, steps)[steps // 2 :].mean(axis=0)


def test_an_ensemble_becomes_a_controller_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(compile(WHOLE, "docs/explanation/nef.md", "exec"), scope)
    assert Controller.load("channel.yaml").program.digest == scope["controller"].program.digest
    for _ in range(100):
        u = scope["controller"].step({"x": 0.5})["u"]
    assert u == pytest.approx([0.5], abs=0.1)
    assert scope["controller"].values("a_synapse0") == pytest.approx([0.5], abs=0.01)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_short(example):
    assert len(example.splitlines()) < 10


def test_the_channel_squares():
    assert mean(CHANNEL, lambda k: {"x": 0.7}) == pytest.approx(0.49, abs=0.04)


def test_the_integrator_integrates():
    assert mean(INTEGRATOR, lambda k: {"x": float(k < 500)}, 1000) == pytest.approx(0.5, abs=0.06)


def test_the_product_multiplies():
    assert mean(PRODUCT, lambda k: {"x": 0.8, "y": -0.7}) == pytest.approx(-0.56, abs=0.04)


def test_the_oscillator_turns_once_a_second():
    u = series(OSCILLATOR, lambda k: {"kick": [float(k < 100), 0.0]}, 3000)[499::250]
    turned = np.diff(np.unwrap(np.arctan2(u[:, 1], u[:, 0])))
    np.testing.assert_allclose(turned, np.pi / 2, rtol=0.15)
    assert turned.mean() == pytest.approx(np.pi / 2, rel=0.03)


def test_the_arm_gets_the_torque_of_its_pd():
    given = {"arm": [0.5, -0.2, 0.0, 0.1], "error": [0.1, -0.2, 0.3, 0.4]}
    np.testing.assert_allclose(mean(ARM, lambda k: given), [3.5, -2.0], atol=1e-3)
