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
    one = SpikeReduction(LEARNED, loss=3.0)
    one.history = [
        {"score": float(score), "spikes_a_step": float(spikes), "error": error[0] if error else 0.0}
        for score, spikes, *error in rows
    ]
    return one


def candidate(score, spikes, error=0.0, **values):
    return Candidate(float(score), error, float(spikes), values)


def test_annealing_begins_when_a_learned_task_has_had_no_new_best_for_the_patience():
    assert learning([]).annealing_phase == 0
    for count in range(4):
        assert learning([*SOLVED, *[400] * count]).annealing_phase == 0  # the best mean is the one of phase 4
    assert [learning([*SOLVED, *[400] * count]).annealing_phase for count in (4, 5, 6)] == [1, 2, 3]
    assert learning([*SOLVED, *[400] * 4], anneals=False).annealing_phase == 0


def test_without_a_threshold_annealing_begins_when_the_score_sets_no_new_best():
    growing = [10 * k for k in range(1, 9)]
    assert learning(growing, threshold=None).annealing_phase == 0
    assert learning([*growing, *[80] * 5], threshold=None).annealing_phase == 0
    assert learning([*growing, *[80] * 6], threshold=None).annealing_phase == 1
    assert learning([*growing, *[80] * 6], threshold=None, patience=0.2).annealing_phase == 0


def test_annealing_is_complete_at_the_end_even_where_nothing_was_learned():
    assert learning([0] * (39 - ANNEALING)).annealing_phase == 0
    assert learning([0] * (40 - ANNEALING)).annealing_phase == 1


def test_the_episodes_of_training_and_the_validation_must_reach_the_threshold():
    def annealing(score, training_return, last=None):
        one = Learning(40, 200.0, 0.1, anneals=True, judged_by="training_return")
        one.history = [{"score": score, "error": 0.0, "training_return": training_return} for _ in range(7)]
        one.history[-1] = last or one.history[-1]
        return one.annealing_phase

    assert annealing(210.0, 210.0) == 1
    assert annealing(-50.0, 210.0) == 0  # sampled actions solve the task, the controller's own do not
    assert annealing(210.0, -50.0) == 0
    assert annealing(195.0, 210.0, {"score": 240.0, "error": 0.0}) == 0  # no episode ended in this phase


def test_the_learning_rate_falls_linearly():
    assert [learning([]).progress_remaining(k) for k in (0, 10, 40)] == [1, 0.75, 0]
    annealing = learning([*SOLVED, *[400] * 6])  # in its third phase
    assert annealing.annealing_phase == 3
    assert [annealing.progress_remaining(k) for k in (10, 11)] == pytest.approx([0.75 * 4 / 6, 0.725 * 3 / 6])
    more = (300, LEARNED.spikes / 2)
    assert reduction([more] * 2).progress_remaining(2) == pytest.approx(1 - 2 / REDUCTION)
    at_goal = reduction([more] * 2 + [(300, THERE)] * 4)
    assert at_goal.progress_remaining(6) == pytest.approx(1 - 4 / AT_GOAL)


@pytest.mark.parametrize(
    ("scores", "ended", "more"),
    [
        ([*SOLVED, *[400] * (3 + ANNEALING)], False, {}),
        ([*SOLVED, *[400] * (4 + ANNEALING)], True, {}),
        ([*SOLVED, *[400] * 4], True, {"anneals": False}),
        ([*SOLVED, *[400] * 3], False, {"anneals": False}),
        ([*SOLVED, *[400] * 7], False, {"patience": 0.2, "anneals": False}),
        ([*SOLVED, *[400] * 8], True, {"patience": 0.2, "anneals": False}),
        ([*SOLVED, *[400] * 7, 900], False, {"patience": 0.2, "anneals": False}),
        ([*SOLVED, *[400] * 3], True, {"anneals": False, "phases": 10}),  # three phases at least
        ([20, *[470] * 20], False, {}),  # below the threshold
        ([500, 500, *[400] * 20], False, {}),  # by luck above it
        ([500] * 13, True, {}),  # nothing can be better
        ([470] * 20 + [480] * 4, False, {"anneals": False}),  # learned now, so a better score may still come
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


def test_the_console_says_why_a_stage_ends():
    assert learning(SOLVED).why == ""
    assert learning([*SOLVED, *[400] * 4], anneals=False).why == (
        "the score is at least 475, and no new best came in 4 phases"
    )
    assert learning([0] * 40).why == "its steps are used"
    assert reduction([(300, THERE)] * AT_GOAL).why == f"a tenth of the spikes keeps the score in {AT_GOAL} phases"
    assert reduction([(100, 60)] * REDUCTION).why == "its steps are used"


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


def test_the_accepted_loss_keeps_a_candidate():
    one = SpikeReduction(Candidate(500.0, 0.0, 100.0, {}), loss=4.0)
    for score in (496.1, 495.9):
        one.consider(candidate(score, 10))
    assert [c.score for c in one.candidates] == [496.1, 500.0]


def test_the_newest_mean_of_a_search_for_gains_is_a_candidate_beside_its_start():
    one = GainSearch(candidate(295, 9), 2)
    one.consider(candidate(293, 9.5))
    assert [c.score for c in one.candidates] == [295, 293]
    assert one.best.score == 295
    one.consider(candidate(301, 9.5))
    assert [c.score for c in one.candidates] == [295, 301]
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


class Noisy(gymnasium.Env):
    """One step, whose reward is the first action plus a large number that only the seed decides."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(1, np.float32), {}

    def step(self, action):
        return np.zeros(1, np.float32), float(action[0]) + self.np_random.normal(0, 100), True, False, {}


def test_the_fewest_spikes_that_lose_at_most_the_accepted_score_are_chosen(monkeypatch):
    """The same episodes are compared, so that noise a thousand times larger than the loss does not matter."""
    monkeypatch.setitem(gymnasium.registry, "Noisy-v0", gymnasium.envs.registration.EnvSpec("Noisy-v0", Noisy))
    monkeypatch.setattr("snn_control.training.training_run.EVALUATION_EPISODES", 20)
    learner = SAC(Parameters(small("Noisy-v0"), DEFAULT, np.random.default_rng(0)), SACSettings(n_envs=1))
    run = TrainingRun(learner, learner.settings, functools.partial(gymnasium.make, "Noisy-v0"), None, 1, "sac", print)

    def with_action(action, spikes):
        values = {name: value.copy() for name, value in learner.parameters.values().items()}
        values["u.weights"][:], values["u.bias"][:] = 0, np.arctanh(action)
        return Candidate(0.0, 0.0, spikes, values)

    learned = with_action(0.5, 100.0)
    run.before, run.stage = [{"saves": 1}], SpikeReduction(learned, loss=0.1)
    run.stage.candidates = [with_action(0.2, 10.0), with_action(0.45, 20.0), with_action(0.5, 30.0), learned]
    assert run._best().candidate.spikes == 20.0
    run.stage.candidates = [with_action(0.2, 10.0), with_action(0.3, 20.0), learned]
    assert run._best().candidate is learned
