"""Derivatives of what a stochastic policy says of its actions, against finite differences."""

import numpy as np
import pytest

from snn_control.coding import ArgmaxDecoder, MembraneDecoder, Output
from snn_control.training.algorithms.distributions import Categorical, DiagGaussian

ROWS, STEP = 5, 1e-3


def choice(temperature):
    one = Categorical(Output("action", ArgmaxDecoder(3, (MembraneDecoder("readout", np.eye(3)),))))
    one.temperature = np.float32(temperature)
    return one


def gaussian(squash):
    output = Output("force", (MembraneDecoder("readout", np.eye(3)),), 3, limits=(-2, 4), squash=squash)
    return DiagGaussian(output, 0.5)


def differences(of, head):
    """Derivatives of a number by each element of a head."""
    found = np.zeros(head.shape)
    for at in np.ndindex(head.shape):
        there = [head.astype(np.float64) for _ in range(2)]
        there[0][at] += STEP
        there[1][at] -= STEP
        found[at] = (of(there[0]) - of(there[1])) / (2 * STEP)
    return found


POLICIES = [lambda: choice(1), lambda: choice(0.2), lambda: gaussian(True), lambda: gaussian(False)]


@pytest.mark.parametrize("make", POLICIES)
def test_derivatives_of_the_log_probability_and_the_entropy(make):
    policy, rng = make(), np.random.default_rng(0)
    head, g = rng.normal(size=(ROWS, 3)), rng.normal(size=ROWS)
    tried = policy.sample(head, rng)
    price = 0.3 if isinstance(policy, Categorical) else 0.0  # a Gaussian's entropy does not depend on its head

    def of(head):
        total = (g * policy.log_probability(head, tried)).sum()
        if price:
            p = np.exp(policy._log)
            total += price * (p * policy._log).sum()
        return total

    expected = differences(of, head)
    policy.log_probability(head, tried)
    found, _ = policy.gradients(g, price)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("make", [POLICIES[0], POLICIES[1], POLICIES[3]])
def test_derivatives_of_the_distance_to_a_teacher(make):
    policy, rng = make(), np.random.default_rng(1)
    head = rng.normal(size=(ROWS, 3))
    action = policy.command_of(policy.command(policy.sample(head, rng)))
    expected = differences(lambda head: policy.imitate(head, action)[1].sum(), head)
    np.testing.assert_allclose(policy.imitate(head, action)[0], expected, rtol=1e-3, atol=1e-4)


def test_a_head_beyond_the_limit_that_its_teacher_is_at_has_no_error():
    policy, head = gaussian(False), np.array([[-5.0, 6.0, 6.0]])  # of limits -2 and 4
    slope, cost = policy.imitate(head, np.array([[-3.0, 4.0, 1.0]], np.float32))
    np.testing.assert_allclose(slope, [[0, 0, 2 * 5 / 9]], rtol=1e-6)
    assert cost == pytest.approx(25 / 9)


def test_imitating_a_teacher_whose_scores_are_known_follows_the_gradient_of_the_cross_entropy():
    policy, rng = choice(0.3), np.random.default_rng(4)
    head, wanted = rng.normal(size=(ROWS, 3)), policy.label(rng.normal(size=(ROWS, 3)))
    np.testing.assert_allclose(wanted.sum(-1), 1)
    assert (wanted.max(-1) > 0.5).all()
    np.testing.assert_allclose(policy.label(np.zeros(3)), [4 / 6, 1 / 6, 1 / 6])  # of equal ones the first acts
    expected = differences(lambda head: policy.imitate(head, wanted)[1].sum(), head)
    np.testing.assert_allclose(policy.imitate(head, wanted)[0], expected, rtol=1e-3, atol=1e-4)


def test_the_lower_the_temperature_the_more_often_the_best_action_is_tried():
    head, rng = np.tile([0.0, 1.0, 0.5], (2000, 1)), np.random.default_rng(2)
    often = [np.mean(choice(t).sample(head, rng) == 1) for t in (1, 0.2)]
    expected = [np.exp(1 / t) / np.exp(np.array([0, 1, 0.5]) / t).sum() for t in (1, 0.2)]
    np.testing.assert_allclose(often, expected, atol=0.04)
