"""A run that is ended at any moment, by a signal that it hears or by one that it does not, loses no bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from snn_control.training import train, training_run
from snn_control.training.schedule.stages import Stage
from tests.training.interrupted import RUNS
from tests.training.test_train import QUICK, small

CHECKOUT = Path(__file__).resolve().parents[2]
TIMES = 2  # one by each signal
PARTS = ("ppo", "imitate", "policy")  # "saving" and "adjusting" begin as these, and "policy" is tested in test_train
WAYS = [pytest.param(how, marks=pytest.mark.deep) if how in PARTS else how for how in RUNS]


@pytest.fixture(scope="module")
def ended(request):
    """What was found of each way to train, and what was said of one that was not completed: in one process for all."""
    asked = [item for item in request.session.items if item.parent is request.node and "ended" in item.fixturenames]
    ways = {item.callspec.params["how"] for item in asked}
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # a process with threads should not be forked
    line = [sys.executable, "-m", "tests.training.interrupted", str(TIMES), *sorted(ways)]
    done = subprocess.run(line, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    found = map(json.loads, (line for line in done.stdout.splitlines() if line.startswith("{")))
    return {one["how"]: one for one in found}, done.stderr


@pytest.mark.parametrize("how", WAYS)
def test_a_run_that_is_ended_at_random_moments_gives_the_same_bits(ended, how):
    assert how in ended[0], ended[1]
    found = ended[0][how]
    assert found["killed"] + found["interrupted"] + found["kept"] == TIMES
    assert found["whole"] > 0
    assert found["phases"] == {"saving": 8}.get(how, 5)


def test_ctrl_c_in_the_last_evaluation_keeps_what_the_comparison_chose(monkeypatch):
    evaluated = training_run.TrainingRun._evaluated

    def interrupted(self, candidate, episodes, silent):
        if episodes == self.n_evaluation:
            raise KeyboardInterrupt
        return evaluated(self, candidate, episodes, silent)

    seen = []  # of each phase, all of which are compared

    def consider(self, new):
        seen.append(new)
        self.candidates = list(seen)

    monkeypatch.setattr(training_run, "VALIDATION_EPISODES", 3)
    monkeypatch.setattr(training_run, "COMPARISON_EPISODES", 4)
    monkeypatch.setattr(training_run, "EVALUATION_EPISODES", 4)
    monkeypatch.setattr(Stage, "consider", consider)
    monkeypatch.setattr(training_run.TrainingRun, "_evaluated", interrupted)
    chosen, best = [], training_run.TrainingRun._best
    monkeypatch.setattr(training_run.TrainingRun, "_best", lambda run: chosen.append(best(run)) or chosen[-1])
    trained = train(small("CartPole-v1"), "CartPole-v1", settings=QUICK)
    assert trained.ended
    assert len(seen) > 1
    for one in trained.spec.network.projections:
        np.testing.assert_array_equal(one.weights, chosen[-1].candidate.values[f"{one.pre}->{one.post}.weights"])
