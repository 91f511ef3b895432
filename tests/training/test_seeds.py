"""Several seeds in parallel: workers that are killed, the same bits, tasks that cannot be completed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest

from snn_control.errors import DescriptionError
from snn_control.training import train, train_seeds, train_tasks
from tests.cli.common import call
from tests.training.test_train import small

COMMON = {
    "controller": small("CartPole-v1"),
    "env": "CartPole-v1",
    "settings": {"n_envs": 2, "n_steps": 32, "rollouts": 1, "total_timesteps": 256},  # four phases
}


def assert_same(one, other):
    """Compare two trained controllers and all their results."""
    for mine, theirs in zip(one.spec.network.projections, other.spec.network.projections, strict=True):
        assert (np.asarray(mine.weights) == np.asarray(theirs.weights)).all()
    assert one.history == other.history
    assert (one.evaluation.returns == other.evaluation.returns).all()
    assert one.validation == other.validation


def test_a_killed_worker_loses_nothing_and_a_task_that_kills_its_workers_fails_alone(tmp_path):
    deaths, phases = [], []

    def progress(name, phase):
        phases.append((name, phase.number))
        if phases[-1] == ("five", 2) and ("five", "killed by signal 9 (SIGKILL)") not in deaths:
            (pid,) = [process.pid for process in multiprocessing.active_children() if process.name == name]
            os.kill(pid, signal.SIGKILL)

    def died(*what):
        deaths.append(what)

    tasks = {"deadly": {**COMMON, "env": "tests.training.signed:Deadly-v0"}, "five": {**COMMON, "seed": 5}}
    outcomes = train_tasks(tasks, tmp_path, workers=2, progress=progress, died=died)
    assert list(outcomes) == ["deadly", "five"]
    killed = "killed by signal 9 (SIGKILL)"
    assert sorted(deaths) == [("deadly", killed), ("deadly", killed), ("five", killed)]
    assert outcomes["deadly"].trained is None
    assert outcomes["deadly"].error == f"its worker died 3 times without completing a phase: {killed}"
    assert {number for _, number in phases} == {1, 2, 3, 4}
    assert_same(outcomes["five"].trained, train(**COMMON, seed=5))
    assert (tmp_path / "five" / "progress.csv").read_text().count("\n") == 5


def test_what_does_not_fit_ends_all(tmp_path):
    with pytest.raises(DescriptionError, match="--how = 'sac': needs outputs that are all numbers"):
        train_seeds(seeds=[1, 2], **COMMON | {"settings": {}}, how="sac", run=tmp_path, workers=1)
    assert multiprocessing.active_children() == []
    with pytest.raises(TypeError, match="stepps"):
        train_seeds(seeds=[1], **COMMON, stepps=3, run=tmp_path)
    with pytest.raises(DescriptionError, match="must be at least one"):
        train_seeds(seeds=[], **COMMON, run=tmp_path)


def test_the_command_reports_all_seeds_and_ctrl_c_keeps_the_best_of_each(tmp_path, capsys):
    file = small("CartPole-v1").save(tmp_path / "my.yaml")
    run, out = tmp_path / "run", tmp_path / "out.yaml"
    common = ["train", file, "--env", "CartPole-v1", "--run", run, "--out", out, "--seed", 3, "--seeds", 2]

    def interrupt():
        while not all((run / f"seed-{k}" / "progress.csv").exists() for k in (3, 4)):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    code, text, err = call(capsys, *common, "--workers", 2, "--steps", 1_000_000, "--json")
    assert (code, "the same command resumes it" in err) == (130, True)
    found = json.loads(text)
    assert [one["seed"] for one in found["seeds"]] == [3, 4]
    assert all(0 < one["phases"] < 50 for one in found["seeds"])
    best = max(found["seeds"], key=lambda one: one["validation"])
    assert found["seed"] == best["seed"]
    assert found["mean"] == best["mean"]
    assert found["means"]["worst"] == min(one["mean"] for one in found["seeds"])
    assert 5 < found["compared"]["chance"]["mean"] < 60
    made = f"# Made by: snn_control train {file} --env CartPole-v1 --seed {found['seed']} --steps 1000000\n"
    assert out.read_text().startswith(made)
    assert (run / f"seed-{best['seed']}" / "my_trained.yaml").read_text().startswith(made)


def test_on_ray_a_killed_worker_loses_nothing(tmp_path):
    pytest.importorskip("ray", reason="needs Ray: pip install 'snn_control[ray]'")
    (pids := tmp_path / "pids").mkdir()
    deaths, killed = [], []
    common = {**COMMON, "env": "tests.training.signed:Signed-v0", "arguments": {"pids": str(pids)}}

    def progress(name, phase):
        if phase.number == 2 and not killed:
            killed.extend(int(file.name) for file in pids.iterdir())
            os.kill(killed[0], signal.SIGKILL)

    outcomes = train_seeds(
        seeds=[5], **common, run=tmp_path / "run", ray="", progress=progress, died=lambda *what: deaths.append(what)
    )
    assert [name for name, _ in deaths] == ["seed-5"]
    assert len(list(pids.iterdir())) == 2
    assert_same(outcomes["seed-5"].trained, train(**common, seed=5))
