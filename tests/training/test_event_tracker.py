"""The recipe of the pan-tilt head's controller: what it teaches, and what ships."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest

from snn_control import Controller
from snn_control.controller import build_program
from snn_control.controller_file import load_spec
from snn_control.errors import DescriptionError
from snn_control.resources import shipped
from snn_control.training.recipes import event_tracker as recipe
from tests.cli.common import call


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    short = {"frequency": 1.1, "duration": 0.8, "background": 0.1}
    monkeypatch.setattr(recipe, "EPISODES", (((2, {"frequency": 1.2, "duration": 0.8}),), ((2, short),)))
    monkeypatch.setattr(recipe, "SHARES", ((1.0, 0.5, 0.0), (0.0,)))


def test_the_shipped_file_is_what_the_recipe_makes_of_its_weights():
    spec = load_spec(shipped("event_tracker"))
    weights = [p.weights for p in spec.network.projections if p.post == "command"]
    filters = len(recipe.SEEN) * recipe.FILTERS
    readout = [np.ravel(w) / -np.expm1(-recipe.DT / tau) for w, tau in zip(weights, filters, strict=True)]
    made = recipe.make(np.reshape(readout, (len(recipe.SEEN), len(recipe.FILTERS), -1)))
    ours = [p.weights for p in made.network.projections if p.post == "command"]
    for one, of_file in zip(ours, weights, strict=True):
        np.testing.assert_allclose(one, of_file, rtol=1e-5, atol=1e-9)
    neurons = [{p.name: p.neuron for p in one.network.populations} for one in (spec, made)]
    assert neurons[0] == neurons[1]


def test_a_run_that_is_ended_goes_on_to_the_same_bits_with_any_number_of_processes(tmp_path):
    whole = recipe.teach(3, tmp_path / "whole", 2, lambda *_: None)

    def interrupt(*_):
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            recipe.teach(3, tmp_path / "parts", 1, interrupt)
    said = []
    parts = recipe.teach(
        3, tmp_path / "parts", 1, lambda number, rounds, state: said.append((number, rounds, state[:19]))
    )
    assert said == [(4, 4, "the target was lost")]
    assert build_program(parts).digest == build_program(whole).digest
    assert any(np.any(p.weights) for p in whole.network.projections if (p.pre, p.post) == ("seen_busy", "command"))
    with pytest.raises(DescriptionError, match=r"holds a run of another seed \(3, now 4\); choose"):
        recipe.teach(4, tmp_path / "parts", 1, interrupt)


def test_weights_are_odd_and_those_of_least_squares_with_neighbours_kept_alike(monkeypatch):
    rng = np.random.default_rng(1)
    n = len(recipe.FILTERS) * sum(recipe.PARTS)
    x, weights = rng.normal(size=(4 * n, n)), rng.normal(size=n)

    def solved():
        found = recipe.solved(x.T @ x, x.T @ (x @ weights), recipe.RIDGE[0])
        columns = found[:, : recipe.GRID]
        np.testing.assert_allclose(columns, -columns[:, ::-1])
        return found, np.square(np.diff(columns[:, : recipe.GRID // 2], 2)).sum()

    rough = solved()[1]
    monkeypatch.setattr(recipe, "SMOOTH", 10.0)
    assert solved()[1] < 0.2 * rough
    monkeypatch.setattr(recipe, "SMOOTH", 0.0)
    found, rougher = solved()
    assert rougher > rough
    np.testing.assert_allclose((found @ recipe.odd()).reshape(-1) / 2, weights, atol=1e-3)


def test_the_command_writes_a_file(tmp_path, capsys):
    where = ["--run", tmp_path / "run", "--out", tmp_path]
    code, out, err = call(capsys, "train", "event_tracker", *where, "--seed", 2, "--workers", 1)
    assert code == 0, err
    assert "event_tracker: 4 of 4 rounds: the target was lost in" in err
    assert "event_tracker.yaml: written. Next: snn_control run --env sim_worlds:PanTiltTracking-v0" in out
    head = (tmp_path / "event_tracker.yaml").read_text().splitlines()
    assert "# Made by: snn_control train event_tracker --seed 2" in head


def test_the_second_read_out_sets_in_gradually_where_events_come_from_everywhere():
    controller = Controller(build_program(recipe.make(np.zeros((2, len(recipe.FILTERS), recipe.CHANNELS)))))
    seen, busy = {}, {}
    for camera in ("default", "noisy"):
        env = gymnasium.make(recipe.WORLD, duration=2.5, camera=camera, disable_env_checker=True)
        controller.reset()
        observation, _ = env.reset(seed=3)
        rows, over = [], False
        while not over:
            controller.predict(observation)
            spikes = np.bincount(controller.raster("seen_busy")[1], minlength=2 * recipe.CHANNELS)
            rows.append((controller.bound.array("seen.v").copy(), spikes))
            observation, _, _, over, _ = env.step(np.zeros(2, np.float32))
        seen[camera], busy[camera] = (np.array(one) for one in zip(*rows, strict=True))
    assert seen["default"].sum() > 100
    assert not busy["default"].any()
    shares = [busy["noisy"][k : k + 500].sum() / seen["noisy"][k : k + 500].sum() for k in (0, 500, 1000)]
    assert shares[0] < 0.01 < shares[1] < 0.3 < shares[2] < 1
    assert busy["noisy"][2000:].sum() > 100
    np.testing.assert_array_equal(busy["noisy"][2000:], seen["noisy"][2000:])
