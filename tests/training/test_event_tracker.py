"""The recipe of the pan-tilt head's controller: what it teaches, and what ships."""

from __future__ import annotations

import numpy as np
import pytest

from snn_control import Controller
from snn_control.controller import build_program
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.resources import shipped
from snn_control.training.recipes import event_tracker as recipe
from tests.cli.common import call

SHORT = 3  # the kind of episode that takes 0.8 s


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    few = tuple((2 * (k == SHORT), *rest) for k, (_, *rest) in enumerate(recipe.EPISODES))
    monkeypatch.setattr(recipe, "EPISODES", few)
    monkeypatch.setattr(recipe, "SHARES", (1.0, 0.5, 0.0))


def drawn(seed=0):
    """A read-out without any structure."""
    size = len(recipe.STATES), len(recipe.FILTERS), recipe.CHANNELS
    return np.random.default_rng(seed).normal(0, 0.01, size)


def test_the_shipped_file_is_what_the_recipe_makes_of_its_weights():
    spec = load_spec(shipped("event_tracker"))
    readout = [
        [
            np.ravel(p.weights) / -np.expm1(-recipe.DT / p.tau_syn)
            for p in spec.network.projections
            if (p.pre, p.post) == (name, "command")
        ]
        for name in ("seen", "seen_busy")
    ]
    made = recipe.make(np.array([readout[0], np.add(*readout)]))
    weights = [[p.weights for p in one.network.projections if p.post == "command"] for one in (spec, made)]
    for of_file, ours in zip(*weights, strict=True):
        np.testing.assert_allclose(ours, of_file, rtol=1e-4, atol=1e-7)
    neurons = [{p.name: p.neuron for p in one.network.populations} for one in (spec, made)]
    assert neurons[0] == neurons[1]


def test_a_run_that_is_ended_goes_on_to_the_same_bits_with_any_number_of_processes(tmp_path):
    whole = recipe.teach(3, tmp_path / "whole", 2, lambda *_: None)

    def interrupt(*_):
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            recipe.teach(3, tmp_path / "parts", 1, interrupt)
    said = []
    parts = recipe.teach(
        3, tmp_path / "parts", 1, lambda number, rounds, state: said.append((number, rounds, state[:19]))
    )
    assert said == [(3, 3, "the target was lost")]
    assert build_program(parts).digest == build_program(whole).digest
    with pytest.raises(DescriptionError, match=r"'seed': 3.*not of event_tracker with --seed 4; choose"):
        recipe.teach(4, tmp_path / "parts", 1, interrupt)


def test_weights_are_odd_and_those_of_least_squares_where_neighbours_are_alike():
    rng = np.random.default_rng(1)
    n = len(recipe.FILTERS) * len(recipe.STATES) * sum(recipe.PARTS)
    x = rng.normal(size=(4 * n, n))
    alike = [np.linspace(*rng.normal(size=2), k) for _ in range(n // sum(recipe.PARTS)) for k in recipe.PARTS]
    y = x @ np.concatenate(alike)
    found = recipe.solved(x.T @ x, x.T @ y)
    columns = found[..., : recipe.GRID]
    np.testing.assert_allclose(columns, -columns[..., ::-1])
    flat = (np.swapaxes(found, 0, 1) @ recipe.odd()).reshape(-1) / 2
    np.testing.assert_allclose(flat, np.concatenate(alike), atol=1e-3)


def test_the_other_read_out_fires_where_events_come_from_everywhere():
    controller, counts = Controller.from_spec(recipe.make(drawn())), []
    rng = np.random.default_rng(2)
    for busy in (False, True, False):
        for _ in range(2500):  # a calm one begins to be one after 1.2 s
            n = rng.poisson(60 if busy else 4)
            rows = np.column_stack([np.zeros(n), rng.integers(0, 128, (n, 2)), rng.integers(0, 2, n)])
            controller.step({"camera": rows, "joint_velocity": np.array([1.0, -2.0])})
            seen = controller.bound.array("seen.v")
            counts.append(((seen > 0.5).sum(), len(controller.spikes("seen_busy"))))
    calm, other, again = np.array(counts).reshape(3, 2500, 2)[:, 2000:].sum(1)
    assert calm[0] > 100
    assert calm[1] == again[1] == 0
    assert other[0] == other[1] > 100


def test_the_command_writes_a_file_and_refuses_what_is_not_for_it(tmp_path, capsys):
    where = ["--run", tmp_path / "run", "--out", tmp_path]
    assert (
        "--arg = ['camera=noisy']: is not for event_tracker"
        in call(capsys, "train", "event_tracker", *where, "--arg", "camera=noisy")[2]
    )
    code, out, err = call(capsys, "train", "event_tracker", *where, "--seed", 2, "--workers", 1)
    assert code == 0, err
    assert "event_tracker: 3 of 3 rounds: the target was lost in" in err
    assert "event_tracker.yaml: written. Next: snn_control run --env sim_worlds:PanTiltTracking-v0" in out
    head = (tmp_path / "event_tracker.yaml").read_text().splitlines()
    assert "# Made by: snn_control train event_tracker --seed 2" in head
