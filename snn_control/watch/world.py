"""A controller in a Gymnasium environment that is watched: paused, stepped, slowed down, reset, changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..controller import Controller
from ..controller_file import ControllerSpec
from ..errors import InputError, describe_exception
from .feed import Feed
from .scene import scene_of
from .source import number_in

__all__ = ["WorldRun"]

MAX_SPEED, MIN_SPEED = 100.0, 0.01  # times real time
PICTURE_S = 0.1  # between two pictures of the world
PICTURE_WIDTH = 320  # pixels, at most
ACTIONS = ("pause", "play", "step", "speed", "reset", "tune", "learning", "restart", "release", "stop")


class WorldRun:
    """Runs episodes in a thread of its own, at a chosen share of real time.

    make : makes the environment; called in the thread, since some environments belong to the thread that made them
    """

    def __init__(
        self, controller: Controller, spec: ControllerSpec, make: Callable[[], Any], title: str, seed: int = 0
    ) -> None:  # fmt: skip
        self.controller, self._spec, self._title = controller, spec, title
        self.feed = Feed(controller)
        controller.observers += self.feed.observers
        self.error = ""
        self._make, self._seed = make, seed
        self._lock = threading.RLock()  # for what follows
        self._paused, self._speed, self._steps_left = False, 1.0, 0
        self._reset_to: int | None = seed
        self._episode: dict[str, Any] = {"seed": seed, "steps": 0, "return": 0.0, "ended": 0, "last_return": None}
        self._picture: np.ndarray | None = None
        self._marks: list[dict[str, Any]] = []
        self._wanted = threading.Event()  # a change that the thread waits for
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="watched world", daemon=True)
        self._thread.start()

    # a source -------------------------------------------------------------------------------------------------------
    def scene(self) -> dict[str, Any]:
        return scene_of(self.controller, self._spec, self._title) | {"kind": "world", "actions": list(ACTIONS)}

    def frame(self) -> tuple[dict[str, Any], dict[str, np.ndarray]] | None:
        with self._lock:
            header, arrays = self.feed.take()
            picture, self._picture = self._picture, None
            marks, self._marks = self._marks, []
            header |= {"paused": self._paused, "speed": self._speed, "episode": dict(self._episode), "marks": marks,
                       "error": self.error}  # fmt: skip
        if picture is not None:
            arrays["picture"] = picture
        return header, arrays

    def look(self, names: set[str]) -> None:
        self.feed.looked_at = tuple(names)

    def act(self, action: str, values: Mapping[str, Any]) -> None:
        if action not in ACTIONS:
            raise InputError(f"action {action!r:.40}: must be one of {', '.join(ACTIONS)}")
        with self._lock:
            text = getattr(self, f"_do_{action}")(values) or ""
            self._marks.append({"t": self._time, "kind": action, "text": text})
            self._wanted.set()

    def close(self) -> None:
        with self._lock:
            self._ends = True
            self._wanted.set()
        self._thread.join(5.0)

    # actions --------------------------------------------------------------------------------------------------------
    @property
    def _time(self) -> float:
        return float(self.controller.counters()["ticks"] * self.controller.program.facts.period)

    def _do_pause(self, values: Mapping[str, Any]) -> None:
        self._paused, self._steps_left = True, 0

    def _do_play(self, values: Mapping[str, Any]) -> None:
        self._paused = False

    def _do_step(self, values: Mapping[str, Any]) -> None:
        self._paused, self._steps_left = True, self._steps_left + int(number_in(values, "steps", 1, 10_000, 1))

    def _do_speed(self, values: Mapping[str, Any]) -> None:
        self._speed = number_in(values, "speed", MIN_SPEED, MAX_SPEED)

    def _do_reset(self, values: Mapping[str, Any]) -> None:
        self._reset_to = int(number_in(values, "seed", 0, 2**31 - 1, self._seed))

    def _do_tune(self, values: Mapping[str, Any]) -> str:
        path, value = str(values.get("path")), number_in(values, "value", -1e308, 1e308)
        self.controller.tune({path: value})
        return f"{path} = {value:g}"

    def _do_learning(self, values: Mapping[str, Any]) -> str:
        self.controller.learning(bool(values.get("on")))
        return "on" if values.get("on") else "off"

    def _do_restart(self, values: Mapping[str, Any]) -> None:
        self.controller.restart(bool(values.get("forget")))

    def _do_release(self, values: Mapping[str, Any]) -> None:
        self.controller.release()

    def _do_stop(self, values: Mapping[str, Any]) -> None:
        self.controller.stop()

    # the thread -----------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            env = self._make()
            try:
                self._episodes(env)
            finally:
                env.close()
        except Exception as error:  # environments raise any exception; the page shows it
            with self._lock:
                self.error, self._paused = describe_exception(error), True

    def _episodes(self, env: Any) -> None:
        observation, over, due, seen = None, True, time.monotonic(), 0.0
        step_s = self.controller.program.facts.period * self.controller.repeat
        while not self._ends:
            with self._lock:
                if self._reset_to is not None or over:
                    observation, over = self._begin(env), False
                waits = self._paused and not self._steps_left
                if not waits:
                    self._steps_left = max(0, self._steps_left - 1)
                    observation, over = self._advance(env, observation)
            if self._picture is None and time.monotonic() > seen + PICTURE_S:  # only if the last one was looked at
                self._render(env)
                seen = time.monotonic()
            if waits:
                self._wanted.wait(0.05)
                self._wanted.clear()
                due = time.monotonic()
            else:
                due = max(due + step_s / self._speed, time.monotonic() - 0.1)  # what cannot be kept is not caught up
                if due > time.monotonic():
                    self._wanted.wait(due - time.monotonic())
                    self._wanted.clear()

    def _begin(self, env: Any) -> Any:
        """Begin an episode: the one that was asked for, otherwise the next seed."""
        seed = self._episode["seed"] + 1 if self._reset_to is None else self._reset_to
        ended = self._episode
        self._reset_to = None
        self._episode = {"seed": seed, "steps": 0, "return": 0.0, "ended": ended["ended"] + (ended["steps"] > 0),
                         "last_return": ended["return"] if ended["steps"] else ended["last_return"]}  # fmt: skip
        self.controller.reset()
        self.feed.restart()
        observation, _ = env.reset(seed=int(seed))
        self._marks.append({"t": self._time, "kind": "episode", "text": f"seed {seed}"})
        return observation

    def _advance(self, env: Any, observation: Any) -> tuple[Any, bool]:
        action = self.controller.act(observation, env.action_space)
        observation, reward, terminated, truncated, _ = env.step(action)
        self._episode["steps"] += 1
        self._episode["return"] += float(reward)
        return observation, terminated or truncated

    def _render(self, env: Any) -> None:
        if env.render_mode != "rgb_array":
            return
        picture = np.asarray(env.render(), np.uint8)
        stride = -(-picture.shape[1] // PICTURE_WIDTH)
        with self._lock:
            self._picture = np.ascontiguousarray(picture[::stride, ::stride, :3])
