"""Pairs of spikes: the window, all pairs of random trains, rewards, and what switches and bounds do."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from snn_control.network import STDP, RewardSTDP
from tests.plasticity.common import DT, matrix, pair, sparse, step

RULE = {"a_plus": 0.011, "a_minus": 0.013, "tau_plus": 0.017, "tau_minus": 0.034, "w_min": -9.0, "w_max": 9.0}
LAGS = np.arange(-50, 51)  # ms, from the arrival to the postsynaptic spike


def window(lag):
    """The change by a pair; ``lag``: postsynaptic less presynaptic time [s]."""
    lag = np.asarray(lag, np.float64)
    after = -RULE["a_minus"] * np.exp(np.minimum(lag, 0) / RULE["tau_minus"])
    return np.where(lag >= 0, RULE["a_plus"] * np.exp(-np.maximum(lag, 0) / RULE["tau_plus"]), after)


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize("connection", ["dense", "sparse"])
def test_single_pairs_give_the_exponential_window(connection, delay):
    n, fires = LAGS.size, 60
    more = {} if connection == "dense" else sparse(n, 1, share=2)
    one = pair(STDP(**RULE), n, 1, delay=delay * DT, **more)
    for k in range(130):
        step(one, pre=np.flatnonzero(fires - LAGS - delay == k), post=[0] if k == fires else [])
    np.testing.assert_allclose(matrix(one, n, 1)[:, 0], window(LAGS * DT), rtol=1e-5)


def trains(rng, steps, n, share=0.05):
    return rng.random((steps, n)) < share


def all_pairs(pre, post, delay=0):
    """The sum over all pairs of two trains (steps, n) and (steps, m), offline in float64."""
    steps, n, m = *pre.shape, post.shape[1]
    total = np.zeros((n, m))
    for i in range(n):
        arrivals = np.flatnonzero(pre[:, i]) + delay
        for j in range(m):
            lags = np.flatnonzero(post[:, j])[None, :] - arrivals[arrivals < steps, None]
            total[i, j] = window(lags * DT).sum()
    return total


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize("connection", ["dense", "sparse"])
def test_random_trains_give_the_sum_over_all_pairs(connection, delay):
    rng, n, m = np.random.default_rng(1), 7, 5
    pre, post = trains(rng, 600, n), trains(rng, 600, m)
    more = {} if connection == "dense" else sparse(n, m)
    one = pair(STDP(**RULE), n, m, delay=delay * DT, **more)
    for k in range(600):
        step(one, np.flatnonzero(pre[k]), np.flatnonzero(post[k]))
    expected = all_pairs(pre, post, delay)
    if more:
        there = np.zeros((n, m), bool)
        there[more["pre_index"], more["post_index"]] = True
        expected[~there] = 0
    assert np.ptp(expected) > 0.3
    np.testing.assert_allclose(matrix(one, n, m), expected, atol=3e-6)


@pytest.mark.parametrize("rule", [STDP, RewardSTDP])
def test_weights_reach_their_bounds_and_stay_within(rule):
    rng, values = np.random.default_rng(2), RULE | {"a_plus": 0.2, "a_minus": 0.2, "w_min": -0.5, "w_max": 0.25}
    more = {"reward": "reward", "learning_rate": 30.0} if rule is RewardSTDP else {}
    one, seen = pair(rule(**values, **more), 6, 4), []
    for _ in range(400):
        step(one, np.flatnonzero(rng.random(6) < 0.1), np.flatnonzero(rng.random(4) < 0.1), rng.choice([1.0, -1.0]))
        seen.append(matrix(one, 6, 4))
    assert (np.min(seen), np.max(seen)) == (-0.5, 0.25)


@pytest.mark.parametrize("connection", ["dense", "sparse"])
@pytest.mark.parametrize("lag", [4, -6])
def test_a_late_reward_gives_what_is_left_of_the_eligibility(connection, lag):
    tau_e, rate, reward, wait = 0.3, 2.5, -1.5, 80
    more = {} if connection == "dense" else sparse(3, 2, share=2)
    one = pair(RewardSTDP(**RULE, reward="reward", tau_e=tau_e, learning_rate=rate), 3, 2, 0.5, **more)
    first, second = sorted([50 - lag, 50])
    for k in range(second + wait + 20):
        step(one, [1] if k == 50 - lag else [], [0] if k == 50 else [], reward if k == second + wait else 0.0)
        if k == second + wait - 1:
            np.testing.assert_array_equal(matrix(one, 3, 2), 0.5)
    expected = np.full((3, 2), 0.5)
    expected[1, 0] += rate * DT * reward * window(lag * DT) * math.exp(-wait * DT / tau_e)
    np.testing.assert_allclose(matrix(one, 3, 2), expected, atol=1e-7)
    assert abs(expected[1, 0] - 0.5) > 1e-5
    assert first < second


def test_a_reward_that_stays_gives_the_integral_of_the_eligibility():
    """dw/dt = rate R e: a pair whose eligibility decays to nothing brings rate R a tau_e, but for the grid."""
    tau_e = 0.05
    one = pair(RewardSTDP(**RULE, reward="reward", tau_e=tau_e, learning_rate=4.0), 1, 1)
    for k in range(1200):
        step(one, [0] if k == 10 else [], [0] if k == 10 else [], 1.0)
    on_grid = DT / -math.expm1(-DT / tau_e)
    assert matrix(one, 1, 1)[0, 0] == pytest.approx(4.0 * RULE["a_plus"] * on_grid, rel=1e-4)
    assert on_grid == pytest.approx(tau_e, rel=0.02)


def test_a_reward_that_is_no_number_changes_nothing():
    one = pair(RewardSTDP(**RULE, reward="reward"), 1, 1)
    step(one, [0], [0])
    one.bound.array("reward.held")[:] = np.nan
    one.step({})
    assert np.isnan(one.bound.array("reward.held")[0])
    assert matrix(one, 1, 1)[0, 0] == 0
    step(one, reward=1.0)
    assert matrix(one, 1, 1)[0, 0] > 0


@pytest.mark.skipif(find_spec("brian2") is None, reason="brian2 is not installed: pip install .[test]")
def test_weights_between_hard_bounds_are_brian2_s():
    """Where bounds are reached, the order within a step matters: arrivals, then postsynaptic spikes."""
    rng, rule = np.random.default_rng(3), RULE | {"a_plus": 0.1, "a_minus": 0.05, "w_min": 0.0, "w_max": 0.6}
    pre, post = trains(rng, 400, 6, 0.1), trains(rng, 400, 5, 0.1)
    job = {"pre": pre.tolist(), "post": post.tolist(), "rule": rule, "w": 0.3, "delays": [0, 2]}
    script = Path(__file__).with_name("brian.py")
    done = subprocess.run(
        [sys.executable, str(script)], input=json.dumps(job), capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    for delay, theirs in zip(job["delays"], json.loads(done.stdout.splitlines()[-1]), strict=True):
        one, expected = pair(STDP(**rule), 6, 5, 0.3, delay=delay * DT), np.array(theirs)
        for k in range(400):
            step(one, np.flatnonzero(pre[k]), np.flatnonzero(post[k]))
        assert {expected.min(), expected.max()} & {0.0, 0.6}
        assert np.unique(expected).size > 10
        np.testing.assert_allclose(matrix(one, 6, 5), expected, atol=3e-6)
