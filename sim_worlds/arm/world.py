"""An arm that follows a path of joint angles with an unknown load."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from snn_control.errors import DescriptionError

from ..core import Tracking, check_action
from .baselines import PD, PID, TORQUES
from .dynamics import FASTEST, STOPS, compiled_move
from .picture import draw

__all__ = ["ArmUnknownLoadEnv"]

STEP = 1e-3  # s
LOADS = (0.5, 2.5)  # kg, range of the load of an episode
MIDDLE = np.array([-0.3, 0.8])  # rad, centre of the path
WIDTH = 0.4  # rad, amplitude of each of the two sines of a joint
FREQUENCIES = np.array([[0.15, 0.35], [0.25, 0.45]])  # Hz, of the sines of shoulder and elbow


class ArmUnknownLoadEnv(gymnasium.Env):
    """Follow a path of joint angles with a load that changes from episode to episode and is not observed.

    An arm of two joints in a vertical plane: an upper arm of 0.4 m and 2 kg, a forearm of 0.35 m and 1.2 kg, 0.5 N m
    s/rad of friction in each joint, and in the hand a load of 0.5 to 2.5 kg. Shoulder and elbow each follow two sines
    of 0.4 rad (0.15 and 0.35 Hz; 0.25 and 0.45 Hz) around -0.3 and 0.8 rad, with random phases. Angles count upwards,
    the shoulder's from the horizontal, the elbow's from the upper arm. One step is 1 ms.

    ========== ==========================  ===================================================================
    Action     ``Box((2,))``               float64, torques of shoulder and elbow [N m], up to 60 and 30; clipped
    ========== ==========================  ===================================================================

    =================== ========================== ===========================================================
    Observation         Space                      Meaning
    =================== ========================== ===========================================================
    ``joint_position``  ``Box((2,))``              float64, shoulder and elbow [rad]
    ``joint_velocity``  ``Box((2,))``              float64 [rad/s]
    ``target_position`` ``Box((2,))``              float64, wanted at this time [rad]
    ``target_velocity`` ``Box((2,))``              float64 [rad/s]
    =================== ========================== ===========================================================

    **Reward**: minus the error, the root of the sum of both joints' squared errors [rad]. **Start**: on the path, at
    rest. **End**: truncated after ``duration``. **Info**: ``time`` [s], ``error``, ``target`` (2,), ``load`` [kg]; that
    of the last step has ``score``: ``rms_error`` [rad], the root mean square of the error from ``scored_from`` on.

    Parameters
    ----------
    load : [kg], in all episodes; None draws it for each episode
    duration, scored_from : length of an episode, and start of its score [s]
    render_mode : None or ``rgb_array``: the arm and its load, and in green where it should be
    """

    metadata = {  # noqa: RUF012 - as gymnasium declares it
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "score_units": {"rms_error": "rad"},
        "title": "An arm with an unknown load",
        "controller": "arm",
        "compared_with": ("PD", "PID"),
        "tracking": Tracking(
            target="target", head="joint_position", error="error", axes=("Shoulder", "Elbow"), lost=60.0, closed=6.0
        ),
        "rows": {f"{load} kg": {"load": load} for load in (0.5, 1.5, 2.5)},
    }

    def __init__(
        self,
        load: float | None = None,
        duration: float = 50.0,
        scored_from: float = 40.0,
        render_mode: str | None = None,
    ) -> None:
        if load is not None and not 0 <= load <= 10:
            raise DescriptionError("load", load, "must be from 0 to 10 kg, or None")
        if not (math.isfinite(duration) and duration >= STEP):
            raise DescriptionError("duration", duration, f"must be finite and at least one step of {STEP} s")
        if render_mode not in (None, "rgb_array"):
            raise DescriptionError("render_mode", render_mode, "must be None or 'rgb_array'")
        self.load, self.scored_from, self.render_mode = load, scored_from, render_mode
        self.dt, self.steps = STEP, round(duration / STEP)
        self.max_episode_steps = self.steps  # so that trainers need not cut its episodes
        self.action_space = spaces.Box(-TORQUES, TORQUES, dtype=np.float64)
        angles, speeds = (spaces.Box(-limit, limit, (2,), np.float64) for limit in (STOPS, FASTEST))
        ends = {"position": angles, "velocity": speeds}
        self.observation_space = spaces.Dict(
            {f"{what}_{end}": box for what in ("joint", "target") for end, box in ends.items()}
        )
        self._move = compiled_move()
        self._k = self.steps  # no episode has started

    def baselines(self) -> dict[str, Any]:
        """PD and PID, by name; see `sim_worlds.core.World.baselines`."""
        return {"PD": PD(), "PID": PID()}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        super().reset(seed=seed)
        phase, drawn = self.np_random.uniform(0.0, 2.0 * math.pi, (2, 2)), self.np_random.uniform(*LOADS)
        self._held = float(drawn if self.load is None else self.load)
        turn = 2.0 * math.pi * FREQUENCIES
        angle = turn * (np.arange(self.steps + 1) * STEP)[:, None, None] + phase
        self._path = np.hstack([MIDDLE + WIDTH * np.sin(angle).sum(2), WIDTH * (turn * np.cos(angle)).sum(2)])
        self._state = np.array([*self._path[0, :2], 0.0, 0.0])
        self._k, self._squares = 0, 0.0
        observation, _, info = self._judge()
        return observation, info

    def _judge(self) -> tuple[dict[str, np.ndarray], float, dict[str, Any]]:
        """Observation, error and info at present."""
        now = np.concatenate([self._state, self._path[self._k]])
        error = math.hypot(now[0] - now[4], now[1] - now[5])
        observation = {
            "joint_position": now[:2], "joint_velocity": now[2:4],
            "target_position": now[4:6], "target_velocity": now[6:],
        }  # fmt: skip
        info = {"time": self._k * STEP, "error": error, "target": self._path[self._k, :2].copy(), "load": self._held}
        return observation, error, info

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        if self._k >= self.steps:
            raise gymnasium.error.ResetNeeded("the episode is over or has not started: call reset()")
        check_action(action, self.action_space)
        u1, u2 = float(action[0]), float(action[1])
        most1, most2 = TORQUES
        self._move(self._state, min(max(u1, -most1), most1), min(max(u2, -most2), most2), self._held, STEP)
        self._k += 1
        observation, error, info = self._judge()
        if info["time"] > self.scored_from:
            self._squares += error * error
        over = self._k >= self.steps
        counted = self.steps - min(self.steps, round(self.scored_from / STEP))
        if over and counted:
            info["score"] = {"rms_error": math.sqrt(self._squares / counted)}
        return observation, -error, False, over, info

    def render(self) -> np.ndarray | None:
        if self.render_mode is None:
            return None
        return draw(self._state[:2], self._path[self._k, :2], self._held)
