"""The recipe of the pan-tilt head's controller: what it teaches, and what ships."""

from __future__ import annotations

from dataclasses import replace

import event_tracker as recipe
import gymnasium
import numpy as np
import pytest
from event_tracker import Teaching
from event_tracker_network import DT, GRID, LIMIT, READOUTS, Settings, make

from snn_control import Controller
from snn_control.controller import build_program
from snn_control.controller_file import ControllerSpec, load_spec
from snn_control.errors import DescriptionError
from snn_control.resources import shipped
from snn_control.training.recipes import load_recipe
from tests.cli.common import call

S = Settings()
SILENT = np.zeros((2, len(S.filters), S.channels))  # read-outs that command nothing
EPISODES = *[{"frequency": 1.2, "duration": 0.2}] * 2, {"camera": "noisy", "duration": 0.3}


def short(shares: tuple[tuple[float, ...], ...], times: int) -> Teaching:
    """So many short episodes in each round."""
    stages = zip(recipe.STAGES, shares, EPISODES, strict=True)
    return Teaching(
        stages=tuple(replace(stage, shares=share, episodes=((times, episode),)) for stage, share, episode in stages)
    )


SHORT = short(((1.0, 0.5), (0.0,), (0.0,)), 2)


def weights_of(spec: ControllerSpec) -> list[np.ndarray]:
    """Weights of the read-outs, with each time constant."""
    projections = spec.network.projections
    return [p.weights for post in READOUTS for p in projections if (p.pre, p.post) == ("seen", post)]


def test_the_shipped_file_is_what_the_recipe_makes_of_its_weights():
    spec = load_spec(shipped("event_tracker"))
    weights = weights_of(spec)
    filters = len(READOUTS) * S.filters
    readout = [np.ravel(w) / -np.expm1(-DT / tau) for w, tau in zip(weights, filters, strict=True)]
    made = make(np.reshape(readout, SILENT.shape))
    ours = weights_of(made)
    for one, of_file in zip(ours, weights, strict=True):
        np.testing.assert_allclose(one, of_file, rtol=1e-5, atol=1e-9)
    neurons = [{p.name: p.neuron for p in one.network.populations} for one in (spec, made)]
    assert neurons[0] == neurons[1]


class Here:
    """Stands for a pool of processes, which take a second to start: it computes in this one."""

    def __init__(self, *_):
        self.map = map

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def test_a_run_that_is_ended_goes_on_to_the_same_bits_with_any_number_of_processes(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    pool = recipe.ProcessPoolExecutor
    monkeypatch.setattr(recipe, "ProcessPoolExecutor", Here)
    whole = recipe.teach(3, tmp_path / "whole", 1, lambda *_: None, SHORT)
    for workers in (1, 2, 1):
        monkeypatch.setattr(recipe, "ProcessPoolExecutor", pool if workers > 1 else Here)
        with pytest.raises(KeyboardInterrupt):
            recipe.teach(3, tmp_path / "parts", workers, interrupt, SHORT)
    said = []
    parts = recipe.teach(
        3, tmp_path / "parts", 1, lambda number, rounds, state: said.append((number, rounds, state[:19])), SHORT
    )
    assert said == [(4, 4, "the target was lost")]
    assert build_program(parts).digest == build_program(whole).digest
    assert all(np.any(weights) for weights in weights_of(whole))
    with pytest.raises(DescriptionError, match=r"holds a run of another seed \(3, now 4\); choose"):
        recipe.teach(4, tmp_path / "parts", 1, interrupt, SHORT)


def test_offsets_are_what_lasts_of_small_errors():
    t, errors = Teaching(), np.zeros((2000, 2))
    errors[1000:] = t.offset_small, 20 * t.offset_small
    found = recipe.offsets(errors, t)
    assert not found[:1000].any()
    decay = np.exp(-DT * np.arange(1, 1001) / t.offset_lasts)
    np.testing.assert_allclose(found[1000:, 0], t.offset_small / 2 * (1 - decay))
    np.testing.assert_allclose(found[1000:, 1] / found[1000:, 0], 40 / 401)


def test_weights_are_odd_and_those_of_least_squares_with_neighbours_kept_alike():
    rng = np.random.default_rng(1)
    n = len(S.filters) * sum(S.parts)
    x, weights = rng.normal(size=(4 * n, n)), rng.normal(size=n)

    def solve(smooth):
        found = recipe.solve(x.T @ x, x.T @ (x @ weights), recipe.STAGES[0].ridge, Teaching(smooth=smooth))
        columns = found[:, :GRID]
        np.testing.assert_allclose(columns, -columns[:, ::-1])
        return found, np.square(np.diff(columns[:, : GRID // 2], 2)).sum()

    _, rough = solve(Teaching().smooth)
    assert solve(10.0)[1] < 0.2 * rough
    found, rougher = solve(0.0)
    assert rougher > rough
    np.testing.assert_allclose((found @ recipe.odd(S)).reshape(-1) / 2, weights, atol=1e-3)


def test_the_command_writes_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(load_recipe("event_tracker").teach, "__defaults__", (short(((1.0,), (0.0,), (0.0,)), 1),))
    where = ["--run", tmp_path / "run", "--out", tmp_path]
    code, out, err = call(capsys, "train", "event_tracker", *where, "--seed", 2, "--workers", 1)
    assert code == 0, err
    assert "event_tracker: 3 of 3 rounds: the target was lost in" in err
    assert "event_tracker.yaml: written. Next: snn_control run --env sim_worlds:PanTiltTracking-v0" in out
    head = (tmp_path / "event_tracker.yaml").read_text().splitlines()
    assert "# Made by: snn_control train event_tracker --seed 2" in head


def test_the_second_read_out_adds_to_catch_a_target_and_sets_in_gradually_where_events_come_from_everywhere():
    readouts = SILENT.copy()
    readouts[1] = 0.002 * recipe.odd(S).sum(1)
    controller, rows = Controller(build_program(make(readouts))), []
    for camera, seconds in (("default", 2.0), ("default", 2.0), ("noisy", 4.0)):  # each with a target that appears
        env = gymnasium.make(recipe.WORLD, duration=seconds, camera=camera, disable_env_checker=True)
        teacher = env.unwrapped.baselines()["TrueMotion"]
        (observation, info), over = env.reset(seed=3), False
        while not over:
            controller.predict(observation)
            read = S.added_rate * np.abs(controller.bound.array("adding.v")).sum()
            rows.append((read, controller.raster("added")[1].size))
            observation, _, _, over, info = env.step(teacher.predict(observation, info)[0])
    read, added = np.array(rows).reshape(-1, 100, 2).sum(1).T
    assert read.min() > 3
    adds = [0, 1, 2, 21, 22, 41, 42, *range(60, 80)]  # while a target is caught; and when the camera was noisy for long
    assert np.abs(added - read)[adds].max() < 2  # a spike of each axis
    assert added[20] > 0.1 * read[20]
    for first, last in ((4, 20), (24, 40), (44, 50)):  # the target is followed, and the camera may soon be as before
        assert not added[first:last].any()
    assert 0.1 < added[50:54].sum() / read[50:54].sum() < 0.9


def test_a_wrong_vote_is_doubted_and_ends():
    def votes(first: int, second: int, settings: Settings = S) -> np.ndarray:
        """Of ON and of OFF in each quarter of a second; a weaker spot comes a second before a stronger one."""
        controller = Controller(build_program(make(SILENT, settings)))
        observation, _ = gymnasium.make(recipe.WORLD, disable_env_checker=True).reset(seed=3)
        rng, counts = np.random.default_rng(5), []
        for step in range(3000):
            spots = [(40, first, 4), (90, second, 6 if step >= 1000 else 0)]
            rows = [[0, x + a, 60 + b, p] for x, p, n in spots for a, b in rng.integers(0, 12, (n, 2))]
            camera = np.zeros_like(observation["camera"])
            camera[: len(rows)] = rows
            count = np.full_like(observation["camera_count"], len(rows))
            controller.predict(observation | {"camera": camera, "camera_count": count})
            counts.append([controller.raster(f"vote_{one}")[1].size for one in ("on", "off")])
        return np.array(counts).reshape(12, 250, 2).sum(1)

    for first, second in ((1, 0), (0, 1)):
        early, late = (0, 1) if first else (1, 0)
        found = votes(first, second)
        assert found[1:4, early].min() > 2
        assert found[1:4, late].max() == 0
        assert found[9:, late].min() > 2
        assert found[9:, early].max() == 0
    assert votes(1, 0, replace(S, doubt=1e9))[9:, 1].max() == 0  # the first decision is for ever


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("side", [1, -1])
def test_a_head_beyond_the_reach_of_targets_is_turned_back_and_reads_nothing_for_a_moment(axis, side):
    controller = Controller(build_program(make(SILENT)))
    env = gymnasium.make(recipe.WORLD, frequency=1.2, disable_env_checker=True)
    observation, _ = env.reset(seed=3)
    place, seen, commands = np.zeros(2), [], []
    for k in range(1200):
        place[axis] = side * S.joint_range[axis] * (1.05 if 300 <= k < 500 else 0.95)
        commands.append(np.ravel(controller.predict(observation | {"joint_position": place.copy()})[0]))
        seen.append(controller.bound.array("seen.v").sum())
        observation, *_ = env.step(np.zeros(2, np.float32))
    commands = np.array(commands)
    assert not commands[:300].any()
    assert not commands[:, 1 - axis].any()
    assert (side * commands[350:500, axis] < -0.4 * LIMIT).all()
    assert np.abs(commands[1000:]).max() < 0.01
    assert np.sum(seen[:300]) > 10
    assert not np.any(seen[320:500])
    assert np.sum(seen[1000:]) > 10


@pytest.mark.parametrize("seed", range(4))
def test_a_target_that_was_lost_is_found_again(seed):
    controller, env = Controller.load("event_tracker"), gymnasium.make(recipe.WORLD, duration=3.0)
    observation, _ = env.reset(seed=seed)
    side, over, errors = np.array([6.0, 6.0], np.float32) * (-1) ** seed, False, []
    while not over:  # half a second in which something else turns the head
        own = np.ravel(controller.predict(observation)[0])
        observation, _, _, over, info = env.step(side if 500 <= len(errors) < 1000 else own)
        errors.append(np.degrees(info["error"]))
    assert max(errors[500:1000]) > 25
    assert np.mean(errors[2500:]) < 1.5
