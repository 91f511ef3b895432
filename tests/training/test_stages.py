"""When the stages of a run end, what spikes cost, and which values are kept."""

import functools

import gymnasium
import numpy as np
import pytest

from snn_control.training.algorithms.sac import SAC, SACSettings
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.schedule.stages import (
    ANNEALING,
    AT_GOAL,
    CANDIDATES,
    FALL,
    GOAL,
    REDUCTION,
    Candidate,
    GainSearch,
    Learning,
    SpikeReduction,
    select,
)
from snn_control.training.training_run import TrainingRun
from tests.training.test_train import small

SOLVED = [20, 480, 490, 480]
LEARNED = Candidate(300.0, 10.0, 110.0, {})
THERE = LEARNED.spikes / GOAL


def learning(scores, phases=40, threshold=475.0, patience=0.1, anneals=True, chance=0.0, error=0.0):
    one = Learning(phases, threshold, patience, anneals, chance=lambda: chance)
    one.history = [{"score": float(score), "error": error} for score in scores]
    return one


def reduction(rows):
    one = SpikeReduction(LEARNED, chance=0.0)
    one.history = [
        {"score": float(score), "spikes_a_step": float(spikes), "error": error[0] if error else 0.0}
        for score, spikes, *error in rows
    ]
    return one


def candidate(score, spikes, error=0.0, **values):
    return Candidate(float(score), error, float(spikes), values)


def test_annealing_begins_when_the_mean_of_three_phases_has_reached_the_threshold():
    assert learning([]).annealing_phase == 0
    assert learning([480, 490]).annealing_phase == 0
    assert learning([20, 500, 500]).annealing_phase == 0
    assert [learning([*SOLVED, *[500] * k][: 3 + k]).annealing_phase for k in range(4)] == [0, 1, 2, 3]
    assert learning([*SOLVED, 20, 20]).annealing_phase == 3
    assert learning(SOLVED, anneals=False).annealing_phase == 0


def test_without_a_threshold_annealing_begins_when_the_score_sets_no_new_best():
    growing = [10 * k for k in range(1, 9)]
    assert learning(growing, threshold=None).annealing_phase == 0
    assert learning([*growing, *[80] * 5], threshold=None).annealing_phase == 0
    assert learning([*growing, *[80] * 6], threshold=None).annealing_phase == 1


def test_annealing_is_complete_at_the_end_even_where_nothing_was_learned():
    assert learning([0] * (39 - ANNEALING)).annealing_phase == 0
    assert learning([0] * (40 - ANNEALING)).annealing_phase == 1


def test_the_episodes_of_training_and_the_validation_must_reach_the_threshold():
    def annealing(score, training_return, last=None):
        one = Learning(40, 200.0, 0.1, anneals=True, judged_by="training_return")
        one.history = [{"score": score, "error": 0.0, "training_return": training_return} for _ in range(3)]
        one.history[-1] = last or one.history[-1]
        return one.annealing_phase

    assert annealing(210.0, 210.0) == 1
    assert annealing(-50.0, 210.0) == 0  # sampled actions solve the task, the controller's own do not
    assert annealing(210.0, -50.0) == 0
    assert annealing(210.0, 195.0, {"score": 240.0, "error": 0.0}) == 1  # no episode ended in this phase


def test_the_learning_rate_falls_linearly():
    assert [learning([]).progress_remaining(k) for k in (0, 10, 40)] == [1, 0.75, 0]
    annealing = learning([*SOLVED, 500, 500])  # in its third phase
    assert [annealing.progress_remaining(k) for k in (6, 7)] == pytest.approx([0.85 * 4 / 6, 0.825 * 3 / 6])
    more = (300, LEARNED.spikes / 2)
    assert reduction([more] * 2).progress_remaining(2) == pytest.approx(1 - 2 / REDUCTION)
    at_goal = reduction([more] * 2 + [(300, THERE)] * 4)
    assert at_goal.progress_remaining(6) == pytest.approx(1 - 4 / AT_GOAL)


@pytest.mark.parametrize(
    ("scores", "ended", "more"),
    [
        ([*SOLVED, *[400] * (ANNEALING - 1)], False, {}),
        ([*SOLVED, *[400] * ANNEALING], True, {}),
        ([*SOLVED, *[400] * 4], True, {"anneals": False}),
        ([*SOLVED, *[400] * 3], False, {"anneals": False}),
        ([*SOLVED, *[400] * 7], False, {"patience": 0.2, "anneals": False}),
        ([*SOLVED, *[400] * 8], True, {"patience": 0.2, "anneals": False}),
        ([*SOLVED, *[400] * 7, 900], False, {"patience": 0.2, "anneals": False}),
        ([*SOLVED, *[400] * 3], True, {"anneals": False, "phases": 10}),  # three phases at least
        ([20, *[470] * 20], False, {}),  # below the threshold
        ([500, 500, *[400] * 20], False, {}),  # by luck above it
        ([500] * 10, True, {}),  # nothing can be better
        ([0] * 40, True, {}),
    ],
)
def test_learning_ends_when_a_solved_task_sets_no_new_best(scores, ended, more):
    assert learning(scores, **more).has_ended is ended


def test_a_search_ends_only_if_no_episode_is_below_the_threshold():
    for worst, ended in ((475, True), (474, False)):
        one = Learning(40, 475.0, 0.1, confirms=True)
        one.history = [{"score": 490.0, "error": 0.0, "worst": worst} for _ in range(8)]
        assert one.has_ended is ended


def test_an_improvement_within_two_standard_errors_is_none():
    better = [*SOLVED, *[530] * 4]  # means of three phases: 330, 483, 500, 513, 530, 530
    ended = [learning(better, anneals=False, error=error).has_ended for error in (15.0, 30.0)]
    assert ended == [False, True]


def test_without_a_threshold_learning_ends_only_clearly_above_chance():
    def found(chance, error):
        scores = [-1200, *[-150] * 12]
        return learning(scores, threshold=None, anneals=False, chance=chance, error=error).has_ended

    assert [found(*given) for given in ((-1200, 10), (-150, 0), (-160, 4), (-160, 3))] == [True, False, False, True]


def test_the_target_for_spikes_falls_and_stays_while_the_score_is_clearly_lower():
    assert learning(SOLVED).spike_target == 1
    assert reduction([]).spike_target == FALL
    assert reduction([(300, 90), (300, 60)]).spike_target == pytest.approx(FALL**3)
    assert reduction([(300, 90), (0, 60), (0, 50)]).spike_target == pytest.approx(FALL**2)
    assert reduction([(300, 20)] * 15).spike_target == pytest.approx(1 / GOAL)
    assert reduction([(275, 90, 10.0)]).spike_target == pytest.approx(FALL**2)  # this may be luck
    assert reduction([(275, 90, 5.0)]).spike_target == FALL


def test_spike_reduction_ends_after_some_phases_at_the_goal_or_after_the_last_phase():
    assert not reduction([(300, THERE)] * (AT_GOAL - 1)).has_ended
    assert reduction([(300, THERE)] * AT_GOAL).has_ended
    assert not reduction([(100, THERE)] * AT_GOAL).has_ended  # the score may come back
    assert not reduction([(100, THERE), *[(300, THERE)] * (AT_GOAL - 1)]).has_ended
    assert reduction([(100, THERE), *[(300, THERE)] * AT_GOAL]).has_ended
    assert not reduction([(300, 1.3 * THERE), *[(300, THERE)] * (AT_GOAL - 1)]).has_ended
    assert reduction([(100, 60)] * REDUCTION).has_ended


def test_candidates_with_the_highest_scores_are_kept_the_newest_first():
    one = learning([])
    for k, score in enumerate([100, 90, 95, 80, 90, 70]):
        one.consider(candidate(score, 50, k=k))
    assert [(c.score, c.values["k"]) for c in one.candidates] == [(100, 0), (95, 2), (90, 4), (90, 1)]
    assert len(one.candidates) == CANDIDATES
    assert one.best is one.candidates[0]


def test_in_spike_reduction_candidates_are_ordered_by_their_spikes_before_what_was_learned():
    one = reduction([])
    assert one.best is LEARNED
    for score, spikes in [(279, 60), (280, 80), (295, 95), (295, 20)]:
        one.consider(candidate(score, spikes))
    assert [c.spikes for c in one.candidates] == [20, 80, 95, 110]
    assert one.best.spikes == 20
    for score, spikes in [(298, 8), (299, 10.5), (296, 9), (295, 11)]:  # all of them at the goal
        one.consider(candidate(score, spikes))
    assert [(c.score, c.spikes) for c in one.candidates[:4]] == [(299, 10.5), (298, 8), (296, 9), (295, 11)]
    assert [c.spikes for c in one.candidates[4:]] == [20, 80, 95, 110]


def test_a_candidate_whose_lower_score_may_be_luck_is_kept():
    one = reduction([])
    for error in (10.0, 5.0):  # of the difference: 14.1, 11.2
        one.consider(candidate(275, 50, error))
    assert [c.error for c in one.candidates] == [10.0, LEARNED.error]


def test_the_next_candidates_are_compared_with_what_was_learned():
    one = reduction([])
    assert one.groups == [[LEARNED]]
    for spikes in range(50, 20, -5):
        one.consider(candidate(300, spikes))
    assert [[c.spikes for c in group] for group in one.groups] == [[25, 30, 35, 40, 110], [45, 50, 110]]
    gains = GainSearch(one, 2)
    gains.consider(candidate(300, 24))
    assert [[c.spikes for c in group] for group in gains.groups] == [[24, 25, 30, 35, 40, 110], [45, 50, 110]]
    assert learning([]).groups == [[]]


def test_the_fewest_spikes_are_selected_within_two_standard_errors_of_the_best_score():
    noise = np.tile([-10.0, 10.0], 50)  # its standard error is 1.005

    def selected(*means, spikes=(100.0, 50.0, 10.0)):
        return select([mean + noise for mean in means], spikes, chance=-50.0)

    assert selected(0, -1.9, -3) == 1
    assert selected(0, -2.1, -3) == 0
    assert selected(-3, 0, -1.9) == 2
    assert selected(0, 0, 0) == 2
    assert selected(-0.9, 0, -0.5, spikes=(100, 50, 45)) == 1  # hardly fewer: the better one


def test_a_loss_of_one_percent_of_what_was_learned_above_chance_does_not_count():
    def selected(score):
        return select([np.full(4, 500.0), np.full(4, score)], [100, 10], chance=100.0)

    assert selected(496.1) == 1
    assert selected(495.9) == 0
    one = SpikeReduction(Candidate(500.0, 1.0, 100.0, {}), chance=100.0)
    for score in (496.1, 495.9):
        one.consider(candidate(score, 10))
    assert [c.score for c in one.candidates] == [496.1, 500.0]


def test_the_newest_mean_of_a_search_for_gains_is_a_candidate_beside_those_before():
    before = reduction([])
    for score, spikes in [(291, 10), (295, 9)]:
        before.consider(candidate(score, spikes))
    one = GainSearch(before, 2)
    assert [c.spikes for c in one.candidates] == [9, 10, 110]
    assert one.best.score == 295
    one.consider(candidate(293, 9.5))
    assert [c.score for c in one.candidates] == [295, 291, 300, 293]
    assert one.best.score == 295
    one.consider(candidate(301, 9.5))
    assert [c.score for c in one.candidates] == [295, 291, 300, 301]
    assert one.best.score == 301


def kept_after(*phases):
    """Spikes of the candidates after these phases: (score, spikes, whether the target for spikes is reached)."""
    stage = Learning(40, None, 0.1, chance=lambda: 20.0)
    for score, spikes, reached in phases:
        stage.history.append({"score": float(score), "error": 0.0, "reached": float(reached)})
        stage.consider(candidate(score, spikes))
    return [one.spikes for one in stage.candidates]


def test_a_target_for_spikes_counts_as_long_as_the_task_is_kept():
    assert kept_after((200, 900, 0), (500, 90, 0), (480, 40, 0)) == [40]
    assert kept_after((500, 90, 0), (480, 9, 1), (490, 10, 1), (500, 30, 0)) == [10, 9]
    assert kept_after((500, 57, 0), (500, 11, 0), (207, 3, 0), (9, 1, 1), (9, 0.5, 1)) == [11]
    assert kept_after((100, 9, 1), (500, 8, 1)) == [8]
    assert kept_after((10, 50, 0), (5, 40, 1)) == [50]  # nothing is learned


@pytest.mark.parametrize(
    ("env", "limit", "phases"), [("Pendulum-v1", 200, 5), ("Pendulum-v1", 1000, 25), ("CartPole-v1", 1000, 5)]
)
def test_learning_waits_longer_where_no_threshold_says_whether_a_long_task_is_learned(env, limit, phases):
    settings = SACSettings(n_envs=1, n_steps=100, total_timesteps=5000)
    made = functools.partial(gymnasium.make, env, max_episode_steps=limit)
    learner = SAC(Parameters(small(env), DEFAULT, np.random.default_rng(0)), settings)
    assert TrainingRun(learner, settings, made, None, 1, "sac", print).stage.patience == phases


@pytest.mark.usefixtures("few_episodes")
def test_if_no_group_keeps_the_score_the_controller_that_learned_is_selected():
    env = "MountainCarContinuous-v0"
    learner = SAC(Parameters(small(env), DEFAULT, np.random.default_rng(0)), SACSettings(n_envs=1))
    run = TrainingRun(learner, learner.settings, functools.partial(gymnasium.make, env), None, 1, "sac", print)

    def with_bias(bias, spikes):  # torque costs reward
        values = {name: value.copy() for name, value in learner.parameters.values().items()}
        values["h->out.weights"][:], values["out.bias"][:] = 0, bias
        return Candidate(0.0, 0.0, spikes, values)

    learned, worse = with_bias(0, 100.0), [with_bias(5, spikes) for spikes in (10.0, 12.0, 14.0, 16.0)]
    run.before, run.stage = [{"saves": 1}], SpikeReduction(learned, chance=-50.0)
    run.stage.candidates = [*worse, learned]
    assert run._best().candidate is learned
    as_good = with_bias(0, 60.0)
    run.stage.candidates = [*worse, as_good, learned]
    best = run._best()
    assert best.candidate is as_good
    assert best.score == 0
