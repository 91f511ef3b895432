"""A run for the live page: a controller acts in a Gymnasium environment.

The page can pause, step, slow and change the run.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..controller import Controller
from ..controller_file import ControllerSpec
from ..errors import InputError, describe_exception, nearest
from ..record.run_folder import companion, new_record, write_record
from ..training.environments.gymnasium_calls import drawn_in
from .feed import Feed
from .scene import scene_of
from .source import number_in

__all__ = ["WorldRun"]

MAX_SPEED, MIN_SPEED = 100.0, 0.01  # times real time
PICTURE_S = 0.1  # between two pictures of the world
PICTURE_WIDTH = 320  # pixels, at most
MADE_WITHIN = 20.0  # s, for the environment
KEPT_STATES = 8  # with which the newest ticks can be saved as a record
SNAPSHOT = Path("runs/watch.npz")
NONE = "this environment declares no disturbances"
ACTIONS = (
    "pause", "play", "step", "speed", "reset", "tune", "learning", "restart", "release", "stop", "snapshot", "disturb",
)  # fmt: skip


class WorldRun:
    """A run of episodes of an environment, in a separate thread and at a speed that the page can choose.

    make : function that makes the environment; the new thread calls it, because some environments can only be used in
        the thread that made them
    title : name of the run on the page
    seed : seed of the first episode
    """

    data, changes = b"", 0

    def __init__(
        self, controller: Controller, spec: ControllerSpec, make: Callable[[], Any], title: str, seed: int = 0
    ) -> None:  # fmt: skip
        self._title = title
        self._use(controller, spec)
        self.error = ""
        self._make, self._seed = make, seed
        self._counting, self._asking = threading.Lock(), 0  # threads that wait for the lock, or have it
        self._lock = threading.RLock()  # for what follows
        self._paused, self._speed, self._steps_left = False, 1.0, 0
        self._reset_to: int | None = seed
        self._episode: dict[str, Any] = {"seed": seed, "steps": 0, "return": 0.0, "ended": 0, "last_return": None}
        self._picture: np.ndarray | None = None
        self._marks: list[dict[str, Any]] = []
        self._acts: deque[float] = deque(maxlen=500)  # durations of the newest steps of the controller [s]
        self._disturbances: Mapping[str, Callable[[], object]] = {}
        self._wanted, self._made = threading.Event(), threading.Event()  # a change that the thread waits for; see _run
        self._stopped, self._learns = False, True  # requests of a page, which an episode's reset must not end
        self._ends = False
        self._thread = threading.Thread(target=self._run, name="watched world", daemon=True)
        self._thread.start()

    def _use(self, controller: Controller, spec: ControllerSpec) -> None:
        self.controller, self._spec = controller, spec
        self.feed = Feed(controller, spec, KEPT_STATES)
        controller.observers += (self.feed.observer,)
        self.feed.watch(True)

    @contextmanager
    def _between_steps(self) -> Iterator[None]:
        """Context in which the calling thread holds the lock of the run, between two steps of the environment.

        A request first tells the run's thread to wait. Otherwise the run's thread would acquire the lock again at once.
        """
        with self._counting:
            self._asking += 1
        try:
            with self._lock:
                yield
        finally:
            with self._counting:
                self._asking -= 1

    # a source -------------------------------------------------------------------------------------------------------
    def scene(self) -> dict[str, Any]:
        self._made.wait(MADE_WITHIN)
        told = {"kind": "world", "actions": list(ACTIONS), "disturbances": list(self._disturbances)}
        return scene_of(self.controller, self._spec, self._title) | told

    def frames(self) -> list[tuple[dict[str, Any], dict[str, np.ndarray]]]:
        with self._between_steps():
            header, arrays = self.feed.take()
            picture, self._picture = self._picture, None
            header["marks"] += self._marks
            self._marks = []
            header |= {"paused": self._paused, "speed": self._speed, "episode": dict(self._episode),
                       "timing": self._timing(), "error": self.error}  # fmt: skip
        if picture is not None:
            arrays["picture"] = picture
        return [(header, arrays)]

    def look(self, names: set[str]) -> None:
        self.feed.looked_at = tuple(names)

    def act(self, action: str, values: Mapping[str, Any]) -> str:
        if action not in ACTIONS:
            raise InputError(f"action {action!r:.40}: must be one of {', '.join(ACTIONS)}")
        with self._between_steps():
            text = getattr(self, f"_do_{action}")(values) or ""
            self._wanted.set()
        return text

    def close(self) -> None:
        with self._lock:
            self._ends = True
            self._wanted.set()
        self._thread.join(5.0)

    def _timing(self) -> dict[str, Any]:
        if not self._acts:
            return {}
        p50, p99, most = np.percentile(self._acts, (50, 99, 100)) * 1e6
        return {"step": {"p50": p50, "p99": p99, "max": most}}

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

    def _do_tune(self, values: Mapping[str, Any]) -> None:
        self.controller.tune({str(values.get("path")): number_in(values, "value", -1e308, 1e308)})

    def _do_learning(self, values: Mapping[str, Any]) -> None:
        self.controller.learning(bool(values.get("on")))
        self._learns = bool(values.get("on"))

    def _do_restart(self, values: Mapping[str, Any]) -> None:
        self.controller.restart(bool(values.get("forget")))

    def _do_release(self, values: Mapping[str, Any]) -> None:
        self.controller.release()
        self._stopped = False

    def _do_stop(self, values: Mapping[str, Any]) -> None:
        self.controller.stop()
        self._stopped = True

    def _do_snapshot(self, values: Mapping[str, Any]) -> str:
        """Write the newest ticks to a record that `snn_control replay` can replay."""
        SNAPSHOT.parent.mkdir(parents=True, exist_ok=True)
        with new_record(SNAPSHOT) as file:
            write_record(file, self.feed.activity.arrays(), {"title": self._title, "seed": self._episode["seed"]})
            self.feed.inputs.save(companion(file, "inputs"))
            self._spec.save(companion(file, "controller"), f"As it ran; next:\nsnn_control replay {file}")
        return f"written: {file}"

    def _do_disturb(self, values: Mapping[str, Any]) -> None:
        name = str(values.get("name"))
        if name not in self._disturbances:
            raise InputError(
                f"disturb {name!r:.40}: {nearest(name, self._disturbances) if self._disturbances else NONE}"
            )
        self._disturbances[name]()
        self._marks.append({"t": self._time, "kind": "disturb", "text": name})

    # the thread -----------------------------------------------------------------------------------------------------
    def _run(self) -> None:
        try:
            env = self._make()
            self._disturbances = getattr(env.unwrapped, "disturbances", {})
            self._made.set()
            try:
                self._episodes(env)
            finally:
                env.close()
        except Exception as error:  # environments raise any exception; the page shows it
            with self._lock:
                self.error, self._paused = describe_exception(error), True
            self._made.set()  # nobody waits for it any longer

    def _episodes(self, env: Any) -> None:
        observation, over, due, seen = None, True, time.monotonic(), 0.0
        step_s = self.controller.program.facts.period * self.controller.repeat
        while not self._ends:
            while self._asking:
                time.sleep(1e-4)
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
        """Begin an episode with the seed that a page requested, or the next seed. Return the first observation."""
        seed = self._episode["seed"] + 1 if self._reset_to is None else self._reset_to
        ended = self._episode
        self._reset_to = None
        self._episode = {"seed": seed, "steps": 0, "return": 0.0, "ended": ended["ended"] + (ended["steps"] > 0),
                         "last_return": ended["return"] if ended["steps"] else ended["last_return"]}  # fmt: skip
        self.controller.reset()
        if self._stopped:
            self.controller.stop()
        if not self._learns:
            self.controller.learning(False)
        self.feed.restart()
        observation, _ = env.reset(seed=int(seed))
        drawn = (f"{name} {np.array2string(np.asarray(value), precision=3)}" for name, value in drawn_in(env).items())
        self._marks.append({"t": self._time, "kind": "episode", "text": ", ".join([f"seed {seed}", *drawn])})
        return observation

    def _advance(self, env: Any, observation: Any) -> tuple[Any, bool]:
        began = time.perf_counter()
        action = self.controller.act(observation, env.action_space)
        self._acts.append(time.perf_counter() - began)
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
