"""The scoreboard: protocol, statistics, rows, digests, and the command."""

import json
from threading import Thread

import numpy as np
import pytest

from snn_control import Controller
from snn_control.analysis import energy
from snn_control.analysis.perceptron import perceptron_of
from snn_control.cli import main
from snn_control.engine.workload import counted
from snn_control.errors import DescriptionError
from snn_control.scoreboard import protocol
from snn_control.scoreboard.row import Row, read_rows, write_row
from snn_control.scoreboard.statistics import interquartile_mean, interval


def test_the_interquartile_mean_is_that_of_the_middle_half():
    assert interquartile_mean(np.array([100.0, 1, 2, 3, 4, -50, 5, 6])) == np.mean([2, 3, 4, 5])
    assert interquartile_mean(np.array([7.0])) == 7
    values = np.random.default_rng(0).normal(10, 2, 100)
    low, high = interval(values)
    assert low < interquartile_mean(values) < high
    assert (low, high) == interval(values)
    assert 0.5 < high - low < 1.5  # standard error of the mean 0.2; that of the interquartile mean is a little larger


def test_the_energy_of_memory_accesses_is_a_count_by_hand():
    assert [energy.access(n) for n in (8192, 8193, 32768, 1 << 20, (1 << 20) + 1)] == [1.25, 2.5, 2.5, 12.5, 162.5]
    one = Controller.load("cartpole")
    for _ in range(5):
        one.step({"observation": [0.1, 0.2, -0.1, 0.3]})
    operations, updates = sum(row.effective for row in counted(one.bound)), one.program.facts.updates
    assert one.program.constants.size + one.program.initial_state.size <= 8192
    by_hand = (operations / 5 * (4 + 8) + updates * one.program.steps * 12) * 1.25
    assert energy.memory(one.bound) == pytest.approx(by_hand)


def test_the_perceptron_has_the_weights_of_the_layers_without_the_fields():
    text = """
version: 1
period: 0.02
dt: 0.005
inputs: {x: {kind: value, size: 3, range: [-1, 1], encoder: {type: population, neurons: 8, drive: 1}}}
network:
  populations: {a: {size: 10, neuron: {type: lif}}, b: {size: 2, neuron: {type: li}}}
  projections:
    - {pre: x, post: a, weights: 0.1}
    - {pre: a, post: a, weights: 0.1, delay: 0.005}
    - {pre: a, post: b, weights: 1}
outputs: {u: {size: 2, decoder: {type: membrane, from: b, weights: [[1, 0], [0, 1]]}}}
"""
    import yaml

    from snn_control.controller import build_program
    from snn_control.controller_file import parse_spec

    spec = parse_spec(yaml.safe_load(text))
    found = perceptron_of(spec, build_program(spec))
    assert found.operations == 3 * 10 + 10 * 10 + 10 * 2 + 2 * 2
    assert found.footprint == found.operations + 4 * (10 + 2 + 2)
    joule = found.operations * 0.3 + (2 * found.operations + 4 * 14) * 1.25  # int8: 0.2 + 0.1 pJ
    assert found.nanojoule == pytest.approx(joule * 1e-3)


def scored(capsys, *arguments):
    code = main([str(one) for one in ("score", *arguments)])
    return code, *capsys.readouterr()


@pytest.fixture
def short(monkeypatch):
    """Two episodes of CartPole."""
    monkeypatch.setattr(protocol, "SUITES", {"classic": (protocol.Task("CartPole-v1", "classic", 2),)})


def test_a_score_has_returns_costs_and_a_digest_that_repeats(short, tmp_path, capsys):
    rows = tmp_path / "rows.json"
    arguments = ("cartpole", "--env", "CartPole-v1", "--json")
    _, out, _ = scored(capsys, *arguments)
    first = json.loads(out)["results"]
    code, out, _ = scored(capsys, *arguments, "--add", rows, "--by", "somebody", "--source", "it ships")
    found = json.loads(out)["results"]
    assert code == 0
    assert found["digest"] == first["digest"]
    assert found["return"]["mean"] == found["return"]["iqm"] == 500
    assert found["operations"]["accumulates"] > found["spikes"] > 0
    assert found["nanojoule"]["memory"] > found["nanojoule"]["arithmetic"] > found["perceptron"]["nanojoule"] > 0
    assert 0 < found["activation_sparsity"] < 1
    assert found["tick_us"] > 0
    (row,) = read_rows(rows)
    assert (row.name, row.kind, row.results["digest"]) == ("cartpole", "controller", found["digest"])
    spikes = sum(played_again())
    assert found["spikes"] == pytest.approx(spikes / 1000)


def played_again():
    """Spikes of the two episodes, by Gymnasium and the controller alone."""
    import gymnasium

    env, one = gymnasium.make("CartPole-v1"), Controller.load("cartpole")
    for seed in range(protocol.FIRST_SEED, protocol.FIRST_SEED + 2):
        observation, _ = env.reset(seed=seed)
        one.reset()
        over = False
        while not over:
            observation, _, terminated, truncated, _ = env.step(one.act(observation, env.action_space))
            over = terminated or truncated
        yield sum(one.counters()["spikes"].values())


def test_all_rows_are_played_again_and_a_changed_digest_is_seen(short, tmp_path, capsys):
    rows = tmp_path / "rows.json"
    for who in ("chance", "cartpole"):
        scored(capsys, who, "--env", "CartPole-v1", "--add", rows, "--by", "us", "--source", "x")
    page = tmp_path / "board.html"
    code, out, err = scored(capsys, "all", "--board", tmp_path, "--page", page)
    assert code == 0, err
    assert "2 same digest" in out
    text = page.read_text()
    assert "CartPole-v1" in text
    assert "int8 MLP" in text
    chance, cartpole = sorted(read_rows(rows), key=lambda row: row.kind != "chance")
    write_row(rows, Row(**vars(chance) | {"results": {**chance.results, "digest": "0" * 64}}))
    missing = Row(**vars(cartpole) | {"name": "gone", "actor": "gone.yaml"})
    write_row(rows, missing)
    code, out, err = scored(capsys, "all", "--board", tmp_path)
    assert code == 1
    assert "chance: differs" in err
    assert "gone: not played" in err
    assert "1 same digest" in out
    write_row(rows, chance)
    assert scored(capsys, "all", "--board", tmp_path)[0] == 1  # one is not played


def test_a_board_does_not_bring_its_own_code(tmp_path, monkeypatch, capsys):
    """The rows may come from somebody else: a module of the current folder is not imported because of them."""
    (tmp_path / "brought.py").write_text("open('ran', 'w').close()\ndef act(observation):\n    return 0\n")
    row = Row("a", "CartPole-v1", "brought:act", "policy", "them", "x", results=RESULTS)
    write_row(tmp_path / "rows.json", row)
    monkeypatch.chdir(tmp_path)
    code, _, err = scored(capsys, "all", "--board", tmp_path)
    assert (code, "a: not played: a.actor = 'brought': is a module that could not be imported" in err) == (1, True)
    assert not (tmp_path / "ran").exists()


def test_processes_that_add_rows_to_one_file_lose_none(tmp_path):
    path, threads = tmp_path / "rows.json", []

    def add(k):
        for n in range(10):
            write_row(path, Row(f"{k} {n}", "CartPole-v1", "chance", "chance", "us", "x", results=RESULTS))

    for k in range(4):
        threads.append(Thread(target=add, args=(k,)))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len(read_rows(path)) == 40


@pytest.mark.parametrize("file", ["missing/rows.json", "damaged.json"])
def test_a_file_that_cannot_take_a_row_is_named_before_an_episode_is_played(file, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("snn_control.cli.score._played", None)
    (tmp_path / "damaged.json").write_text("[")
    code, _, err = scored(
        capsys, "chance", "--env", "CartPole-v1", "--add", tmp_path / file, "--by", "us", "--source", "x"
    )
    assert (code, file in err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("cartpole",), "--env"),
        (("cartpole", "--env", "CartPole-v0"), "did you mean 'CartPole-v1'"),
        (("cartpole", "--env", "CartPole-v1", "--suite", "classic"), "score all"),
        (("cartpole", "--env", "CartPole-v1", "--add", "x.json"), "--by and --source"),
        (("cartpole", "--env", "Pendulum-v1"), "cartpole"),
        (("all", "--board", "nowhere"), "nowhere"),
    ],
)
def test_wrong_options_are_named(arguments, said, capsys):
    code, _, err = scored(capsys, *arguments)
    assert code == 2
    assert said in err


RETURN = {"mean": 1.0, "iqm": 1.0, "low": 0.5, "high": 1.5, "worst": 0.0, "best": 2.0}
RESULTS = {"episodes": 100, "return": RETURN, "steps": 10.0, "versions": {}, "digest": "0" * 64}


def test_wrong_rows_are_named(tmp_path):
    path = tmp_path / "rows.json"
    write_row(path, Row("a", "CartPole-v1", "chance", "chance", "us", "random", results=RESULTS))
    good = json.loads(path.read_text())[0]
    for change, said in (
        ({"kind": "magic"}, r"\[0\].kind = 'magic'"),
        ({"protocol": 0}, "protocol"),
        ({"by": ""}, "by"),
        ({"more": 1}, "keys"),
        ({"environment": "Nothing-v0"}, "environment"),
        ({"results": good["results"] | {"digest": "abc"}}, "digest"),
        ({"results": good["results"] | {"episodes": 3}}, "episodes"),
        ({"results": good["results"] | {"return": {"mean": float("nan")}}}, "return"),
        ({"results": good["results"] | {"steps": 10**400}}, "steps"),
        ({"results": good["results"] | {"operations": {}}}, r"results\.operations"),
        ({"results": good["results"] | {"perceptron": "cheap"}}, r"results\.perceptron"),
    ):
        path.write_text(json.dumps([good | change]))
        with pytest.raises(DescriptionError, match=said):
            read_rows(path)
    path.write_text(json.dumps([good, good]))
    with pytest.raises(DescriptionError, match="two rows"):
        read_rows(path)
    for text in ("[", "{}", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(DescriptionError):
            read_rows(path)
