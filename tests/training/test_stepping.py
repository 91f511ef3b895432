"""Several environments that step at once: what each of them alone would give."""

import gymnasium
import numpy as np
import pytest
from gymnasium.envs.classic_control import CartPoleEnv
from gymnasium.wrappers import TransformReward

from snn_control.training.environments.stepping import stepper

N = 5


class Sideways(CartPoleEnv):
    """A cart-pole that nobody knows, of another arithmetic."""

    def step(self, action):
        return super().step(1 - action)


def plain(**given):
    return gymnasium.make("CartPole-v1", disable_env_checker=True, **given)


def changed(**attributes):
    env = plain()
    for name, value in attributes.items():
        setattr(env.unwrapped, name, value)
    return env


MAKE = {
    "plain": plain,
    "cut": lambda: plain(max_episode_steps=13),
    "Sutton and Barto": lambda: plain(sutton_barto_reward=True),
    "semi-implicit": lambda: changed(kinematics_integrator="semi-implicit euler"),
    "heavier": lambda: changed(gravity=20.0, masspole=0.2, force_mag=14.0),
    "drawn": lambda: plain(render_mode="rgb_array"),
    "paid twice": lambda: TransformReward(plain(), lambda reward: 2 * reward),
    "Acrobot": lambda: gymnasium.make("Acrobot-v1", disable_env_checker=True),
    "derived": lambda: gymnasium.wrappers.TimeLimit(gymnasium.wrappers.OrderEnforcing(Sideways()), 100),
}


@pytest.mark.parametrize("kind", MAKE)
def test_all_give_what_each_gives_alone_to_the_bit(kind):
    rng, (alone, together) = np.random.default_rng(4), [[MAKE[kind]() for _ in range(N)] for _ in range(2)]
    step, ended = stepper(together), 0
    for k, (a, b) in enumerate(zip(alone, together, strict=True)):
        a.reset(seed=k)
        b.reset(seed=k)
    for _ in range(3000):
        rows = sorted(rng.choice(N, rng.integers(1, N + 1), replace=False).tolist())
        actions = rng.integers(0, 2, len(rows)).tolist()
        expected = [alone[k].step(action) for k, action in zip(rows, actions, strict=True)]
        found = step(rows, actions)
        for k, a, b in zip(rows, expected, found, strict=True):
            assert a[0].dtype == b[0].dtype
            assert a[0].tobytes() == b[0].tobytes()
            assert (*a[1:], type(a[2])) == (*b[1:], type(b[2]))
            states = [np.asarray(env.unwrapped.state).tobytes() for env in (alone[k], together[k])]
            assert states[0] == states[1]
            if a[2] or a[3]:
                ended += 1
                assert alone[k].reset()[0].tobytes() == together[k].reset()[0].tobytes()
    assert ended > 10


def test_plain_ones_are_quicker_at_once():
    """Counted in calls of Python functions, which no other process disturbs."""
    import sys

    calls = []
    envs = [plain() for _ in range(N)]
    for env in envs:
        env.reset(seed=1)
    step = stepper(envs)
    step(range(N), [1] * N)
    sys.setprofile(lambda frame, event, arg: calls.append(event))
    try:
        step(range(N), [0] * N)
    finally:
        sys.setprofile(None)
    assert calls.count("call") < N
