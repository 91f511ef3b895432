"""A run that is ended at any moment, by a signal that it hears or by one that it does not, loses no bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from snn_control.training.places import ONE_THREAD
from tests.training.interrupted import RUNS

CHECKOUT = Path(__file__).resolve().parents[2]
TIMES = 4


@pytest.mark.parametrize("how", RUNS)
def test_a_run_that_is_ended_at_random_moments_gives_the_same_bits(how):
    environment = {**os.environ, **ONE_THREAD}  # a process with threads should not be forked
    line = [sys.executable, "-m", "tests.training.interrupted", how, str(TIMES)]
    done = subprocess.run(line, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["killed"] + found["interrupted"] + found["kept"] > 1
    assert found["whole"] > 0
    assert found["phases"] == 5
