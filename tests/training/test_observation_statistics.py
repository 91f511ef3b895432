"""Ranges of inputs: the space's, or of what random and held actions show."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from snn_control.training.environments.observation_statistics import ObservationStatistics, actions_of, observe, ranges

INF = np.inf


class Wheel(gymnasium.Env):
    """A wheel whose action is an acceleration.

    Observation: angle, speed, largest angle so far, a constant, a number that is NaN or infinite in two of three steps
    """

    observation_space = spaces.Box(-INF, INF, (5,), np.float64)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self):
        self.seeds = []

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.angle, self.speed, self.far, self.steps = float(self.np_random.uniform(-0.1, 0.1)), 0.0, 0.0, 0
        return self.see(), {}

    def see(self):
        odd = (np.nan, INF, 0.25)[self.steps % 3]
        return np.array([self.angle, self.speed, self.far, 7.0, odd])

    def step(self, action):
        assert self.action_space.contains(action), action
        self.steps += 1
        self.speed += 0.1 * float(action[0])
        self.angle += 0.1 * self.speed
        self.far = max(self.far, abs(self.angle))
        return self.see(), 0.0, self.steps == 300, False, {}


LIMITS = (-np.ones(1), np.ones(1))


def look(steps=500, seed=3, world=Wheel):
    env = world()
    return observe(env, {None: 5}, actions_of(env.action_space, LIMITS), steps, seed)[0][None], env


def test_held_actions_show_more_than_random_ones_and_a_seed_repeats_them():
    seen, env = look()
    again, _ = look()
    assert (seen.random.tobytes(), seen.held.tobytes()) == (again.random.tobytes(), again.held.tobytes())
    assert env.seeds == list(range(3, 3 + len(env.seeds)))
    assert len(env.seeds) >= 10  # several episodes, for all of them
    assert len(seen.random) == len(seen.held) == 500
    assert np.abs(seen.random[:, 1]).max() < 3
    assert seen.held[:, 1].max() > 4  # held for 50 steps
    assert seen.held[:, 1].min() < -4
    assert not seen.finite
    assert (seen.ends()[0][3:] == [7, 0.25]).all()
    other, _ = look(seed=4)
    assert (other.random[:9, 0] != seen.random[:9, 0]).any()


def test_what_was_seen_becomes_a_range_a_little_wider():
    seen, _ = look()
    low, high, measured = ranges(np.full(5, -INF), np.full(5, INF), seen)
    assert measured.all()
    assert np.isfinite([low, high]).all()
    assert (low < high).all()
    both = slice(0, 2)  # with both signs
    assert (low[both] == -high[both]).all()
    assert (low[2], low[3], high[3]) == (0, 0, 14)  # never negative; constant
    for k in range(3):
        assert np.mean(np.abs(seen.random[:, k]) > high[k]) < 0.01
        assert np.mean(np.abs(seen.held[:, k]) > high[k]) < 0.2
        assert high[k] < 1.25 * np.abs(seen.random[:, k]).max() + 1.25 * np.quantile(np.abs(seen.held[:, k]), 0.9)


def test_a_number_that_runs_away_with_held_actions_leaves_the_range_narrow():
    rng = np.random.default_rng(0)
    random, falling = rng.normal(size=(1000, 1)), np.linspace(-1, 30, 1000)[:, None] ** 3
    unbounded = np.array([-INF]), np.array([INF])
    _, high, _ = ranges(*unbounded, ObservationStatistics(random, np.where(falling > 20_000, falling, random)))
    assert 2.5 < high[0] < 4
    _, high, _ = ranges(*unbounded, ObservationStatistics(random, falling))
    assert high[0] > 1e4  # most of them see it


@pytest.mark.parametrize(
    ("space", "measured"),
    [((0, 9), False), ((0, 1000), False), ((0, 1001), True), ((0, 255), True), ((-128, 127), True)],
)
def test_whole_numbers_within_bounds_keep_them_however_few_were_seen(space, measured):
    seen = ObservationStatistics(np.array([[0.0], [1], [2]]), np.array([[0.0], [3], [2]]))
    low, high, which = ranges(np.array([float(space[0])]), np.array([float(space[1])]), seen)
    assert which.tolist() == [measured]
    assert (low[0], high[0]) == ((0, pytest.approx(3.15, abs=0.06)) if measured else space)


def test_the_bounds_of_a_byte_are_used_unless_hardly_any_of_them_is_seen():
    seen = ObservationStatistics(np.array([[0.0], [12], [5]]), np.array([[0.0], [13], [2]]))
    assert not ranges(np.zeros(1), np.full(1, 255.0), seen)[2][0]


def test_a_number_that_varies_by_rounding_alone_is_still():
    ulp = ObservationStatistics(np.array([[1.0], [1 - 1e-16]]), np.array([[1.0], [1 - 1e-7]]))
    low, high, _ = ranges(np.full(1, -np.inf), np.full(1, np.inf), ulp)
    assert (low[0], high[0]) == (pytest.approx(0, abs=0.1), pytest.approx(2, abs=0.1))


def of(low, high):
    x = np.array([[low], [high]], np.float64)
    return ObservationStatistics(x, x)


@pytest.mark.parametrize(
    ("space", "seen", "expected", "measured"),
    [
        ((-1, 1), (-0.5, 0.7), (-1, 1), False),
        ((-1, 1), (-0.4, 0.2), (-0.44, 0.44), True),
        ((-20, 20), (-0.5, 0.7), (-4, 4), True),  # 26 times wider than +-0.77
        ((0, 19), (4, 5.5), (3, 8.7), True),  # 11.5 times wider: the same share of the way to each end
        ((-9, 9), (0.2, 1.2), (0, 2.8), True),  # a sign that was not seen is not added
        ((-30, 30), (-0.5, 0.7), (-0.77, 0.77), True),  # far beyond what was seen
        ((-3.4e38, 3.4e38), (-2, 1), (-2.2, 2.2), True),
        ((-(2**63), 2**63), (3, 9), (2.7, 9.3), True),
        ((0, INF), (0, 50), (0, 53), True),
        ((0.5, INF), (0.5, 50), (0.5, 53), True),
        ((-INF, 0), (-20, -10), (-20.5, -9.5), True),
        ((-INF, INF), (0, 0), (-1, 1), True),
        ((-1, 1), (0.3, 0.3), (-1, 1), False),
        ((-INF, INF), (1000, 1000.5), (999.97, 1000.53), True),
        ((-INF, INF), (np.nan, np.nan), (-1, 1), True),
        ((2, 2), (2, 2), (1, 3), False),
        ((5, 6), (-1, 1), (5, 6), False),  # a space that is wrong
        ((0, 255), (3, 200), (0, 255), False),
    ],
)
def test_the_spaces_bounds_are_taken_where_they_are_sensible(space, seen, expected, measured):
    low, high, which = ranges(np.array([float(space[0])]), np.array([float(space[1])]), of(*seen))
    assert (low[0], high[0]) == pytest.approx(expected)
    assert which.tolist() == [measured]


@pytest.mark.parametrize(
    ("space", "limits", "constant"),
    [
        (spaces.Discrete(3), None, [0, 1, 2]),
        (spaces.MultiDiscrete([2, 3]), None, [[0, 0], [1, 1], [1, 2]]),
        (spaces.MultiDiscrete([2, 3], start=[4, -1]), None, [[4, -1], [5, 0], [5, 1]]),
        (spaces.MultiBinary(2), None, [[0, 0], [1, 1]]),
        (spaces.Box(-2, 1, (1,)), (-2, 1), [[0], [-2], [1]]),
        (spaces.Box(1, 3, (), np.float64), (1, 3), [1, 1, 3]),
        (spaces.Box(-INF, INF, (1, 2)), (-1, 1),
         [[[0, 0]], [[-1, -1]], [[1, 1]], [[-1, 0]], [[1, 0]], [[0, -1]], [[0, 1]]]),
    ],
)  # fmt: skip
def test_actions_of_every_space_are_its_own(space, limits, constant):
    n = int(np.prod(space.shape))
    actions = actions_of(space, None if limits is None else tuple(np.full(n, float(side)) for side in limits))
    assert [np.asarray(one).tolist() for one in actions.constant] == constant
    rng = np.random.default_rng(0)
    drawn = [actions.any(rng) for _ in range(50)]
    assert all(space.contains(one) for one in [*drawn, *actions.constant])
    assert limits is None or all(one.shape == space.shape for one in drawn)
    assert len({np.asarray(one).tobytes() for one in drawn}) > 1


def test_numbers_that_stand_for_an_error_make_no_range():
    rows, rng = [], np.random.default_rng(1)
    for k in range(200):
        error = {0: 1e30, 1: -1e300}.get(k % 25, 0.0)
        rows.append([rng.uniform(-3, 3), error or rng.uniform(-3, 3), error or 0.0 if k % 2 else 500.0 * (k == 2)])
    seen = ObservationStatistics(np.array(rows), np.array(rows))
    assert not seen.finite  # beyond float32
    low, high, measured = ranges(np.full(3, -INF), np.full(3, INF), seen)
    assert measured.all()
    assert np.isfinite([low, high]).all()
    assert (np.abs([low, high])[:, :2] < 12).all()
    rare = ObservationStatistics(*np.array([[[500.0 * (k == 7)] for k in range(200)]] * 2))
    assert ranges(np.array([-INF]), np.array([INF]), rare)[1] >= 500  # a force that is seldom is no error
