"""When a task is learned, from when spikes cost, when a run is over, and which values it keeps."""

import numpy as np
import pytest

from snn_control.training.course import CANDIDATES, FACTOR, FIRST, LEAST, PRICED, SLOW, Candidate, Course

SOLVED = [20, 480, 490, 480]


def course(scores, phases=40, threshold=475.0, learns_first=True):
    one = Course(phases, threshold, learns_first)
    one.history = [{"score": float(score)} for score in scores]
    return one


def test_spikes_cost_nothing_until_the_threshold_and_then_more_while_the_score_holds():
    assert course([]).price_share == 0
    assert course([20, 470]).price_share == 0
    assert course([20, 480, 500, 470, 490, 490]).price_share == 0
    assert course(SOLVED).price_share == FIRST
    assert [course([*SOLVED, *[500] * k][: 3 + k]).priced for k in range(4)] == [0, 1, 2, 3]
    assert course([*SOLVED, 476, 500]).price_share == pytest.approx(FIRST * FACTOR**2)
    assert course([*SOLVED, 500, 500, 30]).price_share == pytest.approx(FIRST * FACTOR)
    assert course([*SOLVED, 30, 40, 30, 20]).price_share == LEAST


def test_without_a_threshold_a_score_that_stands_is_learned_and_holds_near_the_best():
    growing = [10 * k for k in range(9)]
    assert course(growing, threshold=None).price_share == 0
    standing = [*growing, *[80] * 10]
    assert course(standing[:-1], threshold=None).price_share == 0
    assert course(standing, threshold=None).price_share == FIRST
    assert course([*standing, 77, 77, 75], threshold=None).price_share == pytest.approx(FIRST * FACTOR)


def test_what_is_tried_around_a_controller_may_be_good_before_it_is():
    one = course([-50] * 4, threshold=200)
    for row in one.history[1:]:
        row["training_return"] = 210.0
    assert one.price_share == FIRST
    one.history[-1]["training_return"] = 190.0
    assert one.price_share == 0


def test_late_in_a_run_spikes_cost_even_where_nothing_was_learned():
    assert course([0] * 25).price_share == 0
    assert course([0] * 26).price_share == FIRST


def test_the_rate_of_learning_falls_until_spikes_cost():
    assert [course([]).left(k) for k in (0, 13, 26, 39)] == [1, 0.5, SLOW, SLOW]
    assert [course([], learns_first=False).left(k) for k in (0, 10, 40)] == [1, 0.75, 0]


def test_a_learner_of_another_kind_pays_from_the_start():
    assert course([], learns_first=False).price_share == 1
    assert course(SOLVED, learns_first=False).priced == 0


@pytest.mark.parametrize(
    ("scores", "over", "more"),
    [
        ([*SOLVED, *[470] * (PRICED - 1)], False, {}),
        ([*SOLVED, *[470] * PRICED], True, {}),
        ([*SOLVED, *[470] * 9, 500], False, {}),
        ([20, *[470] * 20], False, {}),  # below the threshold
        ([*[-150] * 6], False, {"threshold": None, "learns_first": False}),  # nothing has changed at all
        ([-900, *[-150] * 9], False, {"threshold": None, "learns_first": False}),
        ([-900, *[-150] * 11], True, {"threshold": None, "learns_first": False}),
        ([-900, *[-150] * 11], True, {"threshold": -200, "learns_first": False}),
        ([-900, *[-150] * 6], True, {"threshold": -200, "learns_first": False, "phases": 20}),
    ],
)
def test_a_run_is_over_when_the_score_stands_though_spikes_cost(scores, over, more):
    assert course(scores, **more).is_over is over


def test_candidates_have_a_better_score_or_fewer_spikes_than_each_other():
    one = course([])
    for k, (score, spikes) in enumerate([(100, 50), (90, 60), (90, 40), (95, 45), (80, 30), (70, 20)]):
        one.consider(float(score), float(spikes), {"w": np.full(1, k)})
    assert [(c.score, c.spikes, int(c.values["w"][0])) for c in one.candidates] == [
        (100, 50, 0),
        (95, 45, 3),
        (90, 40, 2),
        (80, 30, 4),
    ]
    assert len(one.candidates) == CANDIDATES
    one.consider(101.0, 10.0, {})
    assert len(one.candidates) == 1


def test_of_equal_scores_those_with_few_and_many_spikes_are_kept():
    one = course([])
    for spikes in (180, 170, 90, 80, 70, 60, 20):
        one.consider(500.0, float(spikes), {})
    assert [c.spikes for c in one.candidates] == [20, 60, 90, 180]
    one.consider(499.0, 10.0, {})
    assert [c.spikes for c in one.candidates] == [20, 60, 90, 180]


def test_fewer_spikes_are_chosen_where_the_score_is_as_good():
    rng, one = np.random.default_rng(0), course([])
    noise = rng.normal(0, 10, (3, 100))
    noise -= noise.mean(1, keepdims=True)
    one.candidates = [Candidate(9.0, 100.0, {}), Candidate(8.0, 90.0, {}), Candidate(7.0, 70.0, {})]
    assert one.choice(noise + [[100], [100], [99.8]]) == 2
    assert one.choice(noise + [[100], [99.5], [90]]) == 0  # hardly fewer; clearly worse
    assert one.choice(noise + [[90], [99], [100]]) == 2
