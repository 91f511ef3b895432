"""Perturbed environments: what arrives, what is done, from which seeds, and what is refused."""
# ruff: noqa: E501  (a table of messages is read a line a case)

import copy
import itertools
import re
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.utils.env_checker import check_env
from hypothesis import given
from hypothesis import strategies as st

from snn_control.errors import DescriptionError
from snn_control.training.environments.evaluation import played
from snn_control.training.environments.gymnasium_calls import PERTURB, drawn_in, make
from snn_control.training.environments.perturbed.apply import perturbed, possible
from snn_control.training.environments.perturbed.numbers import numbers_in

EVERYTHING = {
    "observation_delay": (0, 2), "action_delay": (0, 2), "observation_noise": 0.05, "bias": (0, 0.02), "dropout": 0.2,
    "freeze": 2, "action_gain": (0.8, 1.2), "action_noise": 0.05, "rate": (0.5, 1), "mass": (0.8, 1.2),
    "friction": (0.5, 2), "motor_strength": (0.8, 1.2), "push": 5,
}  # fmt: skip
WORLD = "sim_worlds:CartPoleSwingUp-v0"


class Counting(gymnasium.Env):
    """Observes the number of the step and, in other spaces, parts that no noise may touch; keeps the actions."""

    observation_space = spaces.Dict(
        {
            "step": spaces.Box(0, 1000, (1,), np.float32),
            "pair": spaces.Tuple([spaces.Box(-np.inf, np.inf, (2,)), spaces.Discrete(5)]),
            "pixels": spaces.Box(0, 255, (2, 2), np.uint8),
            "eye": spaces.Box(0, 100, (3, 4), np.int32),
            "eye_count": spaces.Box(0, 3, (1,), np.int32),
        }
    )
    action_space = spaces.Box(np.array([-1.0, 0.5]), np.array([1.0, 2.0]), dtype=np.float64)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.k, self.done, self.shown = 0, [], np.zeros(1, np.float32)
        return self._seen(), {}

    def _seen(self):
        self.shown[:] = self.k  # the same array every time, as careless environments have it
        pair = np.sin([self.k, 0.5 * self.k]).astype(np.float32), self.k % 5
        eye = np.full((3, 4), self.k % 100, np.int32)
        return {"step": self.shown, "pair": pair, "pixels": np.full((2, 2), 128, np.uint8), "eye": eye,
                "eye_count": np.array([3], np.int32)}  # fmt: skip

    def step(self, action):
        self.k += 1
        self.done.append(np.array(action))
        return self._seen(), 1.0, False, self.k >= 300, {}


def play(env, seed=0, steps=100, action=lambda k: np.array([0.5, 1.0])):
    """Return the observations of an episode, and the actions that arrived in the environment."""
    seen = [copy.deepcopy(env.reset(seed=seed)[0])]
    seen += [copy.deepcopy(env.step(action(k))[0]) for k in range(steps)]
    return seen, getattr(env.unwrapped, "done", None)


def steps_seen(seen):
    return [int(o["step"][0]) for o in seen]


def test_observations_and_actions_come_later():
    seen, done = play(
        perturbed(Counting(), {"observation_delay": 3, "action_delay": 2}), action=lambda k: np.array([0.01 * k, 1])
    )
    assert steps_seen(seen) == [0, 0, 0, *range(98)]
    assert [tuple(a) for a in done[:4]] == [
        (0, 0.5),
        (0, 0.5),
        (0, 1),
        (0.01, 1),
    ]  # before: 0, as near as the space allows


def test_a_late_choice_is_the_first_one_until_it_arrives():
    env = perturbed(gymnasium.make("CartPole-v1"), {"action_delay": 1})
    taken = []
    env.unwrapped.step = lambda action, step=env.unwrapped.step: (taken.append(action), step(action))[1]
    play(env, steps=3, action=lambda k: 1)
    assert taken == [0, 1, 1]


def test_lost_observations_are_seen_again():
    seen = steps_seen(play(perturbed(Counting(), {"dropout": 0.3}), steps=299)[0])
    assert seen[0] == 0
    held = [a == b for a, b in itertools.pairwise(seen)]
    assert all(same or b == k for k, (same, b) in enumerate(zip(held, seen[1:]), 1))  # what arrives is not late
    assert 0.2 < np.mean(held) < 0.4


def test_freezes_last_as_long_as_asked_and_begin_after_a_hundred_steps():
    shares = []
    for seed in range(30):
        seen = steps_seen(play(perturbed(Counting(), {"freeze": 7}), seed, 299)[0])
        late = [k - step for k, step in enumerate(seen)]
        lasted = [late[k] for k in range(299) if late[k] and not late[k + 1]]
        assert all(n % 7 == 0 for n in lasted)
        shares.append(np.mean([n > 0 for n in late]))
    assert np.mean(shares) == pytest.approx(7 / 107, rel=0.2)


def test_a_slower_control_rate_holds_observation_and_action():
    seen, done = play(perturbed(Counting(), {"rate": 0.4}), steps=10, action=lambda k: np.array([0.1 * k, 1]))
    assert steps_seen(seen) == [0, 0, 0, 3, 3, 5, 5, 5, 8, 8, 10]
    assert [round(10 * a[0]) for a in done] == [0, 0, 0, 3, 3, 5, 5, 5, 8, 8]


def test_actions_are_multiplied_and_clipped():
    env = perturbed(Counting(), {"action_gain": (0.5, 1.5)})
    _, done = play(env)
    gains = np.array(drawn_in(env)["action_gain"])
    assert gains.shape == (2,) and gains[0] != gains[1]  # noqa: PT018
    assert np.array_equal(done[0], np.clip(gains * [0.5, 1.0], [-1, 0.5], [1, 2]))
    _, done = play(perturbed(Counting(), {"action_gain": 10}))
    assert done[0].tolist() == [1, 2]


def test_noise_and_offsets_are_shares_of_the_range_and_stay_in_the_space():
    env = perturbed(Counting(), {"observation_noise": 0.1})
    seen = play(env, steps=299)[0]
    error = np.array([o["step"][0] - k for k, o in enumerate(seen)])[150:]
    assert np.std(error) == pytest.approx(0.1 * 1000, rel=0.2)
    assert all(o in env.observation_space for o in seen)
    assert 10 < np.std([o["pixels"] for o in seen]) < 40  # of 255
    assert all(o["eye_count"][0] == 3 and (o["eye"] == k % 100).all() for k, o in enumerate(seen))  # events stay
    seen = play(perturbed(Counting(), {"bias": 0.1}), steps=299)[0]
    assert {abs(o["step"][0] - k) for k, o in enumerate(seen) if 100 <= k} == {100}
    wide = {one.path: one.width for one in numbers_in(Counting())}["pair", 0]
    assert np.all((2.0 < wide) & (wide < 3.0))  # of a number without bounds, as it was seen: sines
    _, done = play(perturbed(Counting(), {"action_noise": 0.01}), steps=299)
    assert np.std(done, axis=0) == pytest.approx([0.02, 0.015], rel=0.2)


def drawn_with(env, seed):
    return env.reset(seed=seed)[1]["perturbed"]


@given(st.integers(0, 2**31), st.lists(st.sampled_from(sorted(EVERYTHING)), unique=True, min_size=1))
def test_a_seed_draws_the_same_values_whatever_else_is_perturbed(seed, names):
    env = all_of(WORLD)
    drawn = drawn_with(env, seed)
    assert drawn.keys() == EVERYTHING.keys()
    some = perturbed(gymnasium.make(WORLD), {name: EVERYTHING[name] for name in names})
    assert drawn_with(some, seed) == {name: drawn[name] for name in names} == drawn_in(some)
    for name, value in drawn.items():
        low, high = EVERYTHING[name] if isinstance(EVERYTHING[name], tuple) else 2 * (EVERYTHING[name],)
        assert np.all((low <= np.array(value)) & (np.array(value) <= high))
    some.close()


def all_of(world, known={}):  # noqa: B006 - one for all examples
    if world not in known:
        known[world] = make(world, {PERTURB: EVERYTHING})
    return known[world]


def test_an_episode_without_a_seed_draws_the_next_values_whatever_happened_before():
    env, drawn = all_of(WORLD), []
    for steps in (3, 50):
        env.reset(seed=5)
        for _ in range(steps):
            env.step(env.action_space.sample())
        drawn.append(env.reset()[1]["perturbed"])
    assert drawn[0] == drawn[1] != drawn_with(env, 5)


@pytest.mark.parametrize("world", ["CartPole-v1", "Pendulum-v1", WORLD, "sim_worlds:EventLanding-v0"])
def test_a_perturbed_environment_is_a_clean_one(world):
    names = possible(gymnasium.make(world))
    env = make(world, {PERTURB: {name: EVERYTHING[name] for name in names}})
    more = "is different from the unwrapped version"  # said of every wrapper
    assert {text for text in said_of(env) if more not in text} <= said_of(make(world, {}))


def said_of(env):
    """The warnings of Gymnasium's check."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        check_env(env, skip_render_check=True)
    return {str(one.message) for one in found}


def test_episodes_are_the_same_in_any_number_of_environments():
    from snn_control.controller import Batch, build_program
    from snn_control.controller_file import load_spec
    from snn_control.resources import controller_path
    from snn_control.training.environments.vector_env import Interface

    spec = load_spec(controller_path("cartpole"))
    program, found = build_program(spec), []
    for n in (1, 3):
        envs = [make("CartPole-v1", {PERTURB: {"observation_delay": (0, 3), "dropout": (0, 0.3)}}) for _ in range(n)]
        interface = Interface(spec, envs[0].observation_space, envs[0].action_space)
        batch = Batch(program, n, program.facts.repeat)
        found.append(sorted(one[1:] for one in played(batch, interface, envs, range(7))))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("world", "asked", "message"),
    [
        ("CartPole-v1", {"mass": 1.2}, "--perturb mass = 1.2: cannot be done in CartPole-v1: it has no mass that can be changed; it can do observation_delay, "),
        ("CartPole-v1", {"action_gain": (1, 2)}, "--perturb action_gain = [1, 2]: cannot be done in CartPole-v1: its action is a choice"),
        ("CartPole-v1", {"push": 1}, "--perturb push = 1: cannot be done in CartPole-v1: it has no robot that can be pushed"),
        ("CartPole-v1", {"dropuot": 0.1}, "--perturb dropuot = 0.1: is not a perturbation; did you mean 'dropout'?"),
        ("FrozenLake-v1", {"bias": 1}, "--perturb bias = 1: cannot be done in FrozenLake-v1: its observation has no numbers of a range"),
        ("sim_worlds:PanTiltTracking-v0", {"friction": 1}, "--perturb friction = 1: cannot be done in PanTiltTracking-v0: it has no friction"),
    ],
)  # fmt: skip
def test_what_an_environment_cannot_do_is_refused(world, asked, message):
    with pytest.raises(DescriptionError, match=f"^{re.escape(message)}"):
        make(world, {PERTURB: asked})
