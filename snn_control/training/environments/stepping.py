"""Step several environments. Compiled code steps Gymnasium's cart-poles, with exactly the results of Gymnasium.

A step of `gymnasium.envs.classic_control.CartPoleEnv` takes nine microseconds of Python, which is more than a step of
its spiking controller. As in Gymnasium, sines and cosines come from numpy. All other arithmetic is that of Gymnasium,
in the same order. This module counts the steps of an episode itself, so step an environment only through its functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...engine.compile import compile_function
from .gymnasium_calls import step

__all__ = ["stepper"]

NUMBERS = ("gravity", "masspole", "total_mass", "length", "polemass_length", "force_mag", "tau", "x_threshold",
           "theta_threshold_radians")  # fmt: skip
_MOVE = "void(float64[:,::1],float64[:,::1],int64[:,::1],float64[::1],float64[::1],boolean[::1])"


def _move(states, numbers, moves, cosines, sines, terminated):
    """Move cart-poles by one step of explicit Euler integration.

    states : (n, 4) states of the cart-poles, changed in place
    numbers : (n, 9) constants of the cart-poles, see `NUMBERS`
    moves : (m, 2), one row for each cart-pole that moves: its index, and 1 if the force is to the right, otherwise 0
    cosines : (n,), cosines of the poles' angles
    sines : (n,), sines of the poles' angles
    terminated : (n,) bool, written: whether the pole has fallen or the cart has left the track
    """
    for k, right in moves:
        gravity, mass, total, length, moment, push, tau, far, steep = numbers[k]
        x, x_dot, theta, theta_dot = states[k]
        cosine, sine, force = cosines[k], sines[k], push if right == 1 else -push
        temp = (force + moment * (theta_dot * theta_dot) * sine) / total
        turn = (gravity * sine - cosine * temp) / (length * (4.0 / 3.0 - mass * (cosine * cosine) / total))
        slide = temp - moment * turn * cosine / total
        states[k, 0] = x = x + tau * x_dot
        states[k, 1] = x_dot + tau * slide
        states[k, 2] = theta = theta + tau * theta_dot
        states[k, 3] = theta_dot + tau * turn
        terminated[k] = x < -far or x > far or theta < -steep or theta > steep


Result = tuple[Any, float, bool, bool, Any]


def stepper(envs: Sequence[Any]) -> Callable[[Sequence[int], Sequence[Any]], list[Result]]:
    """Return a function that steps these environments: (indices of environments, their actions) -> list of results.

    Results and exceptions are those of `gymnasium_calls.step`. Reset an environment whose episode has ended before you
    step it again.
    """
    if all(map(_is_plain, envs)):
        return _CartPoles(envs)
    return lambda rows, actions: [step(envs[k], action) for k, action in zip(rows, actions, strict=True)]


def _is_plain(env: Any) -> bool:
    """Return whether ``env`` is an unchanged cart-pole from ``gymnasium.make``, which `_move` can step."""
    from gymnasium.envs.classic_control import CartPoleEnv
    from gymnasium.wrappers import OrderEnforcing, TimeLimit

    pole = env.unwrapped
    if [type(env), type(getattr(env, "env", None)), type(pole)] != [TimeLimit, OrderEnforcing, CartPoleEnv]:
        return False
    rules = pole.kinematics_integrator, getattr(pole, "_sutton_barto_reward", None), pole.render_mode
    limited = env.spec is not None and env.spec.max_episode_steps is not None
    return limited and rules == ("euler", False, None) and env.env.env is pole


class _CartPoles:
    """The function that `stepper` returns for unchanged cart-poles."""

    def __init__(self, envs: Sequence[Any]) -> None:
        self._poles = [env.unwrapped for env in envs]
        self._numbers = np.array([[getattr(pole, name) for name in NUMBERS] for pole in self._poles])
        self._limits, self._steps = [env.spec.max_episode_steps for env in envs], [0] * len(envs)
        states, self._terminated = np.zeros((len(envs), 4)), np.zeros(len(envs), bool)
        self._states, self._views, self._angles = states, list(states), states[:, 2]
        self._move = compile_function(_move, _MOVE)

    def __call__(self, rows: Sequence[int], actions: Sequence[Any]) -> list[Result]:
        for k in rows:
            pole, view = self._poles[k], self._views[k]
            if pole.state is not view:  # after a reset
                view[:] = pole.state
                pole.state = view
                self._steps[k] = 0
        moves = np.array([*zip(rows, actions, strict=True)], np.int64)
        self._move(self._states, self._numbers, moves, np.cos(self._angles), np.sin(self._angles), self._terminated)
        terminated, seen = self._terminated.tolist(), self._states.astype(np.float32)
        found: list[Result] = []
        for k in rows:
            self._steps[k] += 1
            found.append((seen[k], 1.0, terminated[k], self._steps[k] >= self._limits[k], {}))
        return found
