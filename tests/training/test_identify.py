"""Identification: delays, gains and noise of records that were made with known ones."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snn_control.controller import Controller
from snn_control.errors import DescriptionError
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.identification.identify import Identified, Simulation, identify
from snn_control.training.identification.linear_response import Episode, LinearResponse
from tests.cli.common import call

WORLD = "sim_worlds:CartPoleSwingUp-v0"


def linear(seed, delay=0, gains=(1.0, 1.0), steps=400, noise=0.0):
    """A damped mass that two forces push in different directions, clipped to +-1; forces that change every step."""
    rng = np.random.default_rng(seed)
    done = rng.uniform(-1, 1, (steps, 2))
    late = np.vstack([np.zeros((delay, 2)), done])[:steps]
    forces = np.clip(late * gains, -1, 1) @ [[0.1, 0.02], [0.0, 0.1]]
    seen = np.zeros((steps + 1, 3))
    for k, force in enumerate(forces):
        seen[k + 1, :2] = 0.9 * seen[k, :2] + force
        seen[k + 1, 2] = rng.normal()  # does not respond
    seen[:, :2] += rng.normal(0, noise, (steps + 1, 2)) if noise else 0.0
    return Episode(seen, done)


LIMITS = -np.ones(2), np.ones(2)
RESPONSES = {free: LinearResponse(1, free, *LIMITS, [linear(1000), linear(1001)]) for free in (True, False)}


@pytest.mark.parametrize("free", [True, False])
@settings(max_examples=20)
@given(st.integers(0, 7), st.lists(st.floats(0.5, 1.5), min_size=2, max_size=2), st.integers(0, 99))
def test_a_linear_response_is_found_exactly(free, delay, gains, seed):
    response = RESPONSES[free]
    assert response.responds.tolist() == [True, True, False]
    found = response.estimate([linear(seed, delay, gains)])
    assert found.delay == pytest.approx(delay, abs=0.2)
    assert found.gains == pytest.approx(gains, rel=1e-3)


def test_noise_is_what_the_response_does_not_explain():
    response = LinearResponse(1, True, *LIMITS, [linear(1000), linear(1001)])
    found = response.estimate([linear(3, 2, (0.8, 1.2), 2000, noise=0.02)])
    assert found.delay == pytest.approx(2, abs=0.2)
    assert found.gains == pytest.approx([0.8, 1.2], rel=0.05)
    assert 0.02 < found.deviation[0] < 0.04
    assert found.deviation[2] == 0


def test_short_records_are_refused():
    response = LinearResponse(1, True, *LIMITS, [linear(1000)])
    with pytest.raises(DescriptionError, match="has too few steps after the first"):
        response.estimate([linear(3, steps=40)])


@pytest.fixture(scope="module")
def swing_up():
    return Simulation(lambda: make(WORLD, {"duration": 10}), Controller.load("swing_up"), 300)


@pytest.mark.parametrize(("seed", "delay", "gain", "noise"), [(0, 3, 0.85, 0.0), (2, 2, 0.9, 0.005)])
def test_a_drawn_world_is_identified(swing_up, seed, delay, gain, noise):
    perturb = {"action_delay": delay} | ({"observation_noise": noise} if noise else {})
    record = swing_up.play(-1 - seed, perturb, np.array([gain]))
    names = [f"o{k}" for k in range(record[0].seen.shape[1])]
    done = []
    found = identify(swing_up, record, names, done.append)
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.0)
    assert found.delay == pytest.approx(delay, abs=0.5)
    assert found.gains[0] == pytest.approx(gain, rel=0.05)
    low, high = found.perturbations.spans["action_gain"]
    assert low - 0.05 <= gain <= high + 0.05
    shares = [share for share in found.noise.values() if share]
    assert shares == pytest.approx([noise] * len(shares), rel=0.25)
    assert bool(shares) == bool(noise)


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        (lambda seen, rng: np.zeros_like(seen), "has no observed number that ever changes"),
        (lambda seen, rng: np.full_like(seen, 1e30), "has no observed number that ever changes"),
        (lambda seen, rng: rng.normal(size=seen.shape), "shows no response to the commands"),
        (lambda seen, rng: rng.permutation(seen), "shows no response to the commands"),
    ],
    ids=["zero", "huge", "noise", "shuffled"],
)
def test_a_sensor_that_shows_nothing_is_not_identified(swing_up, spoil, rule):
    rng = np.random.default_rng(1)
    record = [one._replace(seen=spoil(one.seen, rng)) for one in swing_up.play(-1, {"action_delay": 2})]
    with pytest.raises(DescriptionError, match=rule):
        identify(swing_up, record, [f"o{k}" for k in range(record[0].seen.shape[1])])


def test_one_dead_sensor_is_named_and_not_used(swing_up):
    gain = np.array([0.9])
    record = swing_up.play(-1, {"action_delay": 2}, gain)
    names = [f"o{k}" for k in range(record[0].seen.shape[1])]
    dead = next(k for k in range(len(names)) if swing_up.responses_of(np.ones(len(names), bool))[0].responds[k])
    for one in record:
        one.seen[:, dead] = 0.25
    found = identify(swing_up, record, names)
    assert found.unused == (names[dead],)
    assert names[dead] not in found.noise
    assert found.delay == pytest.approx(2, abs=0.5)
    assert found.gains[0] == pytest.approx(0.9, rel=0.05)
    swing_up.used = None


def test_the_line_covers_the_intervals():
    found = Identified(1.6, (1.2, 2.4), (0.9, 1.0), ((0.88, 0.92), (0.95, 1.051)), {"x": 0.0123, "y": 0.0}, 500)
    assert found.perturbations.texts == ["action_delay=1:2", "observation_noise=0:0.013", "action_gain=0.88:1.06"]
    assert Identified(0.1, (-0.3, 0.4), (), (), {}, 500).perturbations.texts == ["action_delay=0"]


def test_a_record_of_run_is_identified(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    where = "--env", WORLD, "--arg", "duration=10"
    perturb = "--perturb", "action_delay=1", "action_gain=1.15"
    one = "--episodes", 1, "--steps", 300, "--alone", "--record", "a.npz", "swing_up"
    code, _, err = call(capsys, "run", *where, *perturb, *one)
    assert code == 0, err
    code, out, err = call(capsys, "identify", "a.npz", *where, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert told["delay"] == pytest.approx(1, abs=0.5)
    assert told["gains"]["force"]["gain"] == pytest.approx(1.15, rel=0.05)
    low, high = told["perturb"]["action_gain"]
    assert low - 0.05 <= 1.15 <= high + 0.05
    assert not any(told["noise"].values())
    assert told["steps"] == 299
    assert told["perturb"]["action_delay"] in (1, [1, 1], [0, 1], [1, 2])
    with np.load("a.npz") as arrays:
        origin = json.loads(str(arrays["origin"]))
    assert origin["perturbed"] == {"action_delay": 1, "action_gain": [1.15]}
    assert (origin["seed"], origin["controller"], origin["environment"]) == (0, "swing_up", WORLD)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.npz", "--env", WORLD], "RECORD = 'none.npz': is not a file"),
        (["a.npz", "--env", "CartPole-v1"], "a.npz: "),
        (["a.npz", "--env", WORLD, "--controller", "non"], "--controller = 'non'"),
        (
            ["b.npz", "--env", WORLD],
            "--controller = None: is needed: the record names '/etc/passwd.txt', which is not a controller file",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    run = "run", "--env", WORLD, "--episodes", 1, "--alone", "--steps", 30, "--record", "a.npz", "swing_up"
    assert call(capsys, *run)[0] == 0
    with np.load("a.npz") as arrays:
        origin = json.loads(str(arrays["origin"])) | {"controller": "/etc/passwd.txt"}
        np.savez("b.npz", **(dict(arrays) | {"origin": np.array(json.dumps(origin))}))
    code, _, err = call(capsys, "identify", *arguments)
    assert code == 2
    assert re.search(f"^snn_control: {re.escape(message)}", err)
    assert "must have at least 100 steps" in call(capsys, "identify", "a.npz", "--env", WORLD)[2]
