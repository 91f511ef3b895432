"""When a task is learned, when a run is over, what spikes cost, and which values are kept."""

import numpy as np
import pytest

from snn_control.training.schedule.course import (
    CANDIDATES,
    COOLING,
    FALL,
    FEW_SAME,
    FIRST,
    GOAL,
    LONGER,
    RISE,
    SAME,
    SLOW,
    SPARING,
    THERE,
    Candidate,
    GainSearch,
    Learning,
    SpikeReduction,
)

SOLVED = [20, 480, 490, 480]
LEARNED = Candidate(300.0, 10.0, 110.0, {})


def learning(scores, phases=40, threshold=475.0, patience=0.25, cools=True):
    one = Learning(phases, threshold, patience, cools)
    one.history = [{"score": float(score), "worst": float(score) - 1} for score in scores]
    return one


def sparing(rows, threshold=200.0):
    one = SpikeReduction(LEARNED, threshold)
    one.history = [{"score": float(score), "spikes_a_step": float(spikes)} for score, spikes in rows]
    return one


def test_a_task_is_learned_when_its_threshold_is_reached_in_three_phases_in_a_row():
    assert learning([]).cooled == 0
    assert learning([20, 470]).cooled == 0
    assert learning([20, 480, 500, 470, 490, 490]).cooled == 0
    assert [learning([*SOLVED, *[500] * k][: 3 + k]).cooled for k in range(4)] == [0, 1, 2, 3]
    assert learning(SOLVED, cools=False).cooled == 0


def test_without_a_threshold_it_is_learned_when_the_score_has_converged():
    growing = [10 * k for k in range(9)]
    converged = [*growing, *[80] * 10]
    assert learning(growing, threshold=None).cooled == 0
    assert learning(converged[:-1], threshold=None).cooled == 0
    assert learning(converged, threshold=None).cooled == 1


def test_what_is_tried_around_a_controller_may_be_good_before_it_is():
    one = learning([-50] * 4, threshold=200)
    for row in one.history[1:]:
        row["training_return"] = 210.0
    assert one.cooled == 1
    one.history[-1]["training_return"] = 190.0
    assert one.cooled == 0


def test_late_in_a_run_a_learner_cools_even_where_nothing_was_learned():
    assert learning([0] * 25).cooled == 0
    assert learning([0] * 26).cooled == 1


def test_the_rate_of_learning_falls():
    assert [learning([]).left(k) for k in (0, 13, 26, 39)] == [1, 0.5, SLOW, SLOW]
    assert [learning([], cools=False).left(k) for k in (0, 10, 40)] == [1, 0.75, 0]
    assert [sparing([]).left(k) for k in (0, SPARING)] == [1, 0]


def test_without_a_threshold_a_score_that_has_not_begun_to_rise_has_not_converged():
    one = Learning(30, None, 0.08, cools=False, least=8)
    one.history = [
        {"score": score, "worst": score - 1}
        for score in (-1290.0, -1295.0, -1280.0, -1460.0, -1300.0, -1290.0, -1310.0, -1300.0)
    ]
    assert not one.is_over
    assert Learning(30, 0.0, 0.08, cools=False, least=8).patience == 3


def test_a_good_validation_that_the_next_ones_do_not_come_near_is_no_end():
    free = {"threshold": None, "cools": False, "patience": 0.2}  # of 40 phases
    assert learning([-50, -8, *[-17] * 8], **free).is_over is False
    assert learning([-50, -8, *[-17] * (LONGER * 8 - 1)], **free).is_over is False
    assert learning([-50, -8, *[-17] * (LONGER * 8)], **free).is_over is True
    assert learning([-50, -8, *[-9] * 8], **free).is_over is True
    solved = {"threshold": -20, "cools": False, "patience": 0.2}
    assert learning([-50, -8, *[-17] * 8], **solved).is_over is True
    assert learning([-50, -8, *[-21] * 8], **solved).is_over is False


def test_what_is_not_above_chance_has_not_converged():
    def found(chance, error):
        one = Learning(40, None, 0.2, cools=False, chance=lambda: chance)
        rows = [(-50.0, 0.0), *[(-47.0, error)] * 9]
        one.history = [{"score": score, "worst": score, "error": of} for score, of in rows]
        return one

    assert [found(*given).is_over for given in ((-49, 3.0), (-49, 0.6), (-40, 0.0))] == [False, True, False]


def test_what_is_not_above_chance_does_not_cool_before_it_is_late():
    for chance, cooled in ((-40, 0), (-100, 1)):
        one = learning([-50, *[-47] * 11], threshold=None)
        one.chance = lambda chance=chance: chance
        assert one.cooled == cooled


@pytest.mark.parametrize(
    ("scores", "over", "more"),
    [
        ([*SOLVED, *[470] * (COOLING - 1)], False, {"patience": 0.1}),
        ([*SOLVED, *[470] * COOLING], True, {"patience": 0.1}),
        ([*SOLVED, *[470] * 8], False, {}),
        ([*SOLVED, *[470] * 9], True, {}),
        ([*SOLVED, *[470] * 9, 500], False, {}),
        ([20, *[470] * 20], False, {}),  # below the threshold
        ([*[-150] * 12], False, {"threshold": None, "cools": False}),  # nothing has changed at all
        ([-900, *[-150] * 9], False, {"threshold": None, "cools": False}),
        ([-900, *[-150] * 11], True, {"threshold": None, "cools": False}),
        ([-900, *[-150] * 11], True, {"threshold": -200, "cools": False}),
        ([-900, *[-150] * 4], True, {"threshold": -200, "cools": False, "phases": 10, "patience": 0.01}),
        ([0] * 40, True, {}),
    ],
)
def test_learning_is_over_when_the_score_has_converged(scores, over, more):
    assert learning(scores, **more).is_over is over


def test_the_price_rises_until_spikes_are_few_whatever_the_score():
    few = LEARNED.spikes / GOAL - 1
    assert learning(SOLVED).cost_share == 1
    assert sparing([]).cost_share == FIRST
    assert sparing([(270, 90), (0, 60)]).cost_share == pytest.approx(FIRST * RISE**2)
    assert sparing([(270, 90), (300, few)]).cost_share == pytest.approx(FIRST * RISE * FALL)


def test_saving_spikes_is_over_at_the_goal_or_after_the_last_phase():
    there = (300, LEARNED.spikes / GOAL)
    assert not sparing([there] * (THERE - 1)).is_over
    assert sparing([there] * THERE).is_over
    assert not sparing([(210, 5), *[there] * (THERE - 1)]).is_over
    assert sparing([(100, 60)] * SPARING).is_over
    near, more = (300, 1.5 * LEARNED.spikes / GOAL), (300, 1.7 * LEARNED.spikes / GOAL)
    assert sparing([near] * (1 + THERE)).is_over
    assert not sparing([near] * THERE).is_over
    assert not sparing([more] * (1 + THERE)).is_over
    assert not sparing([near] + [more] * (THERE - 1) + [(300, 1.2 * LEARNED.spikes / GOAL)]).is_over


def test_the_learning_rate_falls_while_the_goal_is_reached():
    there, more = (300, LEARNED.spikes / GOAL), (300, LEARNED.spikes / 2)
    assert sparing([more] * 2).left(2) == pytest.approx(1 - 2 / SPARING)
    assert sparing([more] * 2 + [there] * 4).left(6) == pytest.approx(1 - 4 / THERE)
    assert sparing([there] * 4 + [more]).left(5) == pytest.approx(1 - 5 / SPARING)


def test_candidates_have_a_better_score_or_fewer_spikes_than_each_other():
    one = learning([])
    for k, (score, spikes) in enumerate([(100, 50), (90, 60), (90, 40), (95, 45), (80, 30), (70, 20)]):
        one.consider(Candidate(float(score), 0.0, float(spikes), {"w": np.full(1, k)}))
    assert [(c.score, c.spikes, int(c.values["w"][0])) for c in one.candidates] == [
        (100, 50, 0),
        (95, 45, 3),
        (90, 40, 2),
        (80, 30, 4),
    ]
    assert len(one.candidates) == CANDIDATES
    one.consider(Candidate(101.0, 0.0, 10.0, {}))
    assert len(one.candidates) == 1


def test_of_equal_scores_those_with_few_and_many_spikes_are_kept():
    one = learning([])
    for spikes in (180, 170, 90, 80, 70, 60, 20):
        one.consider(Candidate(500.0, 0.0, float(spikes), {}))
    assert [c.spikes for c in one.candidates] == [20, 60, 90, 180]
    one.consider(Candidate(499.0, 0.0, 10.0, {}))
    assert [c.spikes for c in one.candidates] == [20, 60, 90, 180]


def search(rows):
    one = Learning(40, 475.0, 0.25, cools=False, searches=True)
    keys = "score", "worst", "training_return", "alike"
    one.history = [dict(zip(keys, map(float, row), strict=True)) for row in rows]
    return one


def test_in_a_search_the_newest_of_equal_scores_are_kept():
    one = search([])
    for spikes in (180, 170, 90, 80, 70, 60, 20):
        one.consider(Candidate(500.0, 0.0, float(spikes), {}))
    assert [c.spikes for c in one.candidates] == [20, 60, 70, 80]
    one.consider(Candidate(501.0, 0.0, 300.0, {}))
    assert [c.spikes for c in one.candidates] == [300, 20, 60, 70]


@pytest.mark.parametrize(
    ("threshold", "last", "over"), [(475.0, (500, 500), True), (475.0, (500, 499), False), (None, (500, 500), False)]
)
def test_learning_ends_where_all_episodes_have_had_the_same_return_for_long(threshold, last, over):
    one = learning([], threshold=threshold, cools=False)
    one.history = [{"score": 20.0, "worst": 10.0}]
    for score, worst in [(500, 500)] * (SAME - 1):
        one.history.append({"score": float(score), "worst": float(worst)})
        assert not one.is_over
    one.history.append({"score": float(last[0]), "worst": float(last[1])})
    assert one.is_over == over


def test_a_search_ends_where_half_of_what_is_tried_is_at_the_top():
    rows = [(500, 500, 400 + k, 0.5) for k in range(FEW_SAME)]
    assert search(rows).is_over
    assert not search(rows[1:]).is_over
    assert not search([(500, 500, 400, 0.1), *rows[1:]]).is_over
    assert not search([*rows[1:], (499, 460, 450, 0.9)]).is_over


def test_a_search_has_converged_where_the_mean_of_the_candidates_has():
    growing = [(480, 400, 300 + 10 * k, 0.1) for k in range(12)]
    assert not search(growing).is_over
    assert not search([(480, 400, 300, 0.1), *growing[:10]]).is_over
    assert search([*growing, *[(490 + k, 450 + k, 410, 0.1) for k in range(10)]]).is_over


def test_of_a_search_the_first_candidate_is_taken_that_never_fails():
    one, seen = search([]), []
    of = [np.full(4, 500.0), np.array([500.0, 500.0, 500.0, 90.0])]
    for _ in of:
        one.consider(Candidate(500.0, 0.0, 100.0, {}))

    def returns(k):
        seen.append(k)
        return of[k]

    assert one.choice(returns, 0.0) == 0
    assert seen == [0]
    of.reverse()
    assert one.choice(returns, 0.0) == 1


def test_what_saves_spikes_is_considered_beside_what_was_learned():
    one = sparing([])
    for score, spikes in [(150, 60), (210, 90), (205, 95), (290, 80), (230, 20), (265, 10)]:
        one.consider(Candidate(float(score), 0.0, float(spikes), {}))
    assert [(c.score, c.spikes) for c in one.candidates] == [(300, 110), (290, 80), (265, 10)]
    assert one.best is LEARNED  # others are below it by more than a part of its error
    one.consider(Candidate(298.0, 0.0, 40.0, {}))
    assert one.best.spikes == 40
    for spikes in (30, 25, 12):
        one.consider(Candidate(297.0, 0.0, float(spikes), {}))
    assert [c.spikes for c in one.candidates] == [110, 40, 25, 12, 10]
    for score, spikes in [(298, 8), (299, 10.5), (296, 9), (295, 11), (294, 8)]:
        one.consider(Candidate(float(score), 0.0, float(spikes), {"w": np.zeros(2)}))
    assert [(c.score, c.spikes) for c in one.candidates[1:]] == [(295, 11), (299, 10.5), (296, 9), (298, 8)]


def test_fewer_spikes_are_chosen_where_the_score_is_as_good():
    rng, one = np.random.default_rng(0), learning([])
    noise = rng.normal(0, 10, (3, 100))
    noise -= noise.mean(1, keepdims=True)

    def choice(*means, price=0.0, course=one):
        return course.choice(lambda k: noise[k] + means[k], price)

    one.candidates = [Candidate(9.0, 0, 100.0, {}), Candidate(8.0, 0, 90.0, {}), Candidate(7.0, 0, 70.0, {})]
    assert choice(100, 100, 99.8) == 2
    assert choice(100, 99.5, 90) == 0  # hardly fewer; clearly worse
    assert choice(90, 99, 100) == 2
    assert choice(100, 99, 98) == 0
    assert choice(100, 99, 99, price=1.0) == 2  # where spikes have a price
    saving = sparing([])
    saving.candidates = [*one.candidates[:1], Candidate(8.0, 0, 20.0, {}), Candidate(7.0, 0, 10.0, {})]
    assert choice(90, 100, 80, course=saving) == 1
    assert choice(100, 98, 98, course=saving) == 0
    assert choice(90, 93, 91, course=saving) == 2
    saving.candidates[2] = Candidate(7.0, 0, 18.0, {})
    assert choice(90, 93, 91, course=saving) == 1  # better, and has hardly more spikes
    saving = sparing([], threshold=80)
    saving.candidates = [*one.candidates[:1], Candidate(8.0, 0, 20.0, {})]
    assert choice(100, 95, price=0.3, course=saving) == 1  # by a part of what is above the threshold, and of the spread
    assert choice(100, 93.5, price=0.3, course=saving) == 0
    assert choice(90, 87.1, price=0.3, course=saving) == 1
    assert choice(90, 86.8, price=0.3, course=saving) == 0
    assert choice(70, 67, price=0.3, course=saving) == 0


def test_gains_are_searched_of_the_best_with_few_spikes():
    one = sparing([])
    assert one.to_adjust is LEARNED
    one.consider(Candidate(298.0, 0.0, 40.0, {}))
    assert one.to_adjust.spikes == 40
    for score, spikes in [(270, 10), (290, 9), (280, 8)]:
        one.consider(Candidate(float(score), 0.0, float(spikes), {}))
    assert one.to_adjust.score == 290


def test_the_mean_of_a_search_takes_the_place_of_what_it_began_with_unless_it_is_clearly_worse():
    before = sparing([])
    for score, spikes in [(270, 10), (290, 9)]:
        before.consider(Candidate(float(score), 0.0, float(spikes), {}))
    one = GainSearch(before, 2)
    assert [c.spikes for c in one.candidates] == [110, 10, 9]
    assert one.best is LEARNED
    one.consider(Candidate(296.0, 0.0, 9.5, {}))
    assert one.best is LEARNED  # the mean is better than what it began with, but not as good as what was learned
    one.consider(Candidate(301.0, 0.0, 9.5, {}))
    assert [c.score for c in one.candidates] == [300, 270, 290, 301]
    assert one.best.score == 301
    noise = np.tile([-40.0, 40.0], 20)

    def choice(*means):
        return one.choice(lambda k: means[k] + (k == 3) * noise, 0.0)

    assert choice(300, 270, 270, 305) == 3
    assert choice(300, 270, 304, 299) == 3  # not clearly worse, and as good as what was learned
    assert choice(300, 270, 305, 298) == 2
    assert choice(300, 300, 290, 290) == 1  # both cost too much
    assert choice(300, 270, 290, 290) == 0
