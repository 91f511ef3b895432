"""Play episodes with a controller and with baselines, in one process or in several; the results are the same."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..analysis.episode_statistics import EpisodeStatistics, Watcher, command_rows
from ..controller import Controller
from ..controller_file import ControllerSpec, load_spec
from ..engine.program import Program
from ..errors import NO_VALUE, DescriptionError, RuntimeFault, SnnControlError, describe_exception
from ..gym_adapter.flat import unflattened
from ..resources import controller_path
from ..training.environments.gymnasium_calls import PERTURB, baselines_of, drawn_in
from ..training.environments.play_episode import play, random_actions
from ..training.teachers.teacher import teacher_of
from .common import make_environment, table
from .processes import end_with_parent
from .processor import processor_of

__all__ = [
    "CHANCE", "CONTROLLER", "Player", "Task", "World", "in_processes", "print_statistics",
    "statistics_of",
]  # fmt: skip

CONTROLLER, CHANCE = "controller", "chance"
#: who acts, the seed of the episode and, if there are some, perturbations in addition to those of the world
Task = tuple[str, int] | tuple[str, int, "More"]
More = tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class World:
    """The settings that a process needs to play episodes: controller file, environment and limits.

    file : path of the controller file
    environment : id of the Gymnasium environment
    arguments : keyword arguments of the environment
    steps : maximum number of steps of an episode; None: only the environment limits the steps
    keep_learning : whether an episode starts with the learned weights of the previous episode
    target : emulated processor that controls, a key of `snn_control.c_export.targets.TARGETS`; "": the engine controls
    """

    file: str
    environment: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    steps: int | None = None
    keep_learning: bool = False
    target: str = ""


class Player:
    """Plays episodes in this process, with a controller or a baseline in an environment."""

    def __init__(self, world: World) -> None:
        self.world = world
        path = controller_path(world.file, "FILE")
        self.spec = None if path.suffix == ".npz" else load_spec(path)  # a saved Program has no description
        self.controller = Controller.load(path) if self.spec is None else Controller.from_spec(self.spec)
        self.env = make_environment(world.environment, world.arguments)
        self._more: More = ()
        self.processor = processor_of(self.controller, path, world.target) if world.target else None

    def close(self) -> None:
        self.env.close()

    def _perturb(self, more: More) -> None:
        """Replace the environment by a new one if ``more`` differs from the present additional perturbations."""
        if more != self._more:
            self.env.close()
            own = self.world.arguments
            self.env = make_environment(
                self.world.environment, {**own, PERTURB: {**own.get(PERTURB, {}), **dict(more)}}
            )
            self._more = more

    def others(self) -> tuple[str, ...]:
        """Return the names of the actors for comparison: chance, and the environment's baselines.

        The environment's ``metadata["compared_with"]`` names the baselines; without this key, these are all.
        """
        there = baselines_of(self.env)
        return CHANCE, *(name for name in self.env.metadata.get("compared_with", there) if name in there)

    def play(
        self, who: str, seed: int, more: More = (), before_step: Callable[[], object] | None = None
    ) -> dict[str, Any]:
        """Play an episode, and return its result.

        The result contains:

        - the seed, the number of steps, the return, and the environment's scores if it has any
        - for the controller, also the cost: spikes, operations and time
        - for a perturbed environment, also the randomly drawn values of the perturbations

        Raises DescriptionError for any exception of the environment.

        who : CONTROLLER, CHANCE or the name of a baseline
        more : perturbations in addition to those of the world
        before_step : function that is called before each step of the controller; its time is not counted
        """
        self._perturb(more)
        try:
            if who == CONTROLLER:
                row = self._controller(seed, before_step)
            else:
                row = _row(seed, *play(self.env, self._other(who, seed), seed, self.world.steps))
            return row | ({"perturbed": drawn_in(self.env)} if more or PERTURB in self.world.arguments else {})
        except SnnControlError:
            raise
        except (Exception, SystemExit) as error:  # environments raise any exception
            rule = f"cannot be played: {describe_exception(error)}"
            raise DescriptionError("--env", self.world.environment, rule) from None

    def _other(self, who: str, seed: int) -> Callable[[Any, Mapping[str, Any]], Any]:
        if who == CHANCE:
            return random_actions(self.env, seed)
        baseline = teacher_of(who, self.env)
        baseline.reset()

        def choose(observation: Any, info: Any) -> Any:
            try:
                return baseline(self.env, unflattened(self.env, observation), info)
            except RuntimeFault as error:
                what = describe_exception(error.__cause__ or error)
                where = f"baseline {who} of {self.world.environment}"
                raise DescriptionError(where, NO_VALUE, f"raised {what}") from None

        return choose

    def _controller(self, seed: int, before_step: Callable[[], object] | None) -> dict[str, Any]:
        controller, space, observing = self.controller, self.env.action_space, 0.0

        def choose(observation: Any, info: Mapping[str, Any]) -> Any:
            nonlocal observing
            if before_step is not None:
                begin = time.perf_counter()
                before_step()
                observing += time.perf_counter() - begin
            return controller.act(observation, space)

        watcher = Watcher(controller)
        controller.observers.append(watcher)
        start = time.perf_counter()
        controller.reset(self.world.keep_learning)
        rewards, info = play(self.env, choose, seed, self.world.steps)
        seconds, counted = time.perf_counter() - start - observing, controller.counters()
        controller.observers.remove(watcher)
        simulated = counted["ticks"] * controller.program.facts.period
        spikes, operations = sum(counted["spikes"].values()), counted["synaptic_operations"]
        return _row(seed, rewards, info) | {
            "us_a_step": seconds / max(1, len(rewards)) * 1e6, "spikes": spikes, "synaptic_operations": operations,
            "spikes_a_second": spikes / simulated, "synaptic_operations_a_second": operations / simulated,
            "faults": counted["guard"]["faults"], "safe_ticks": counted["guard"]["safe_ticks"],
            "conduct": watcher.take(), "processor": self.processor.take() if self.processor else None,
        }  # fmt: skip


def _row(seed: int, rewards: np.ndarray, info: Mapping[str, Any]) -> dict[str, Any]:
    row = {"seed": seed, "steps": len(rewards), "return": float(rewards.sum())}
    return row | {f"score.{key}": float(value) for key, value in info.get("score", {}).items()}


# conduct -----------------------------------------------------------------------------------------------------
MOST_ROWS = 24  # most commands or populations in a table
HEADINGS = {
    "changes_hz": "changes/s", "sign_changes_hz": "sign changes/s", "at_a_limit": "at a limit", "neurons": "neurons",
    "never": "never fired", "always": "always fired",
}  # fmt: skip


def statistics_of(
    spec: ControllerSpec | None, program: Program, episodes: Sequence[EpisodeStatistics]
) -> dict[str, Any]:
    """Return tables with statistics of the commands and of the neurons' activity, in the format of `command_rows`.

    The tables are empty if ``spec`` is None, or if there are no episodes.
    """
    return command_rows(spec, program, episodes) if spec and episodes else {"commands": [], "neurons": []}


def print_statistics(found: Mapping[str, Any]) -> None:
    """Print the tables of `statistics_of`."""
    for title, columns in (
        ("commands", ("changes_hz", "sign_changes_hz", "at_a_limit")),
        ("neurons", ("neurons", "never", "always")),
    ):
        rows = found[title][:MOST_ROWS]
        told = [key for key in columns if any(row[key] is not None for row in rows)]
        shown = [[row["where"], *("-" if row[key] is None else row[key] for key in told)] for row in rows]
        if rows:
            table("", [title, *(HEADINGS[key] for key in told)], shown)


# processes ---------------------------------------------------------------------------------------------------
_player: Player | None = None  # the player of a process of `in_processes`


def _begin(world: World) -> None:
    global _player
    end_with_parent()
    _player = Player(world)


def _play(who: str, seed: int, more: More = ()) -> dict[str, Any]:
    assert _player is not None
    return _player.play(who, seed, more)


def in_processes(world: World, tasks: Sequence[Task], jobs: int) -> Generator[tuple[Task, dict[str, Any]], None, None]:
    """Play episodes in ``jobs`` processes. As soon as an episode ends, yield its task and its result.

    `Player.play` describes the result. If the iterator is closed early, the processes are stopped. Raises any exception
    that an episode raised, and RuntimeFault if a process died.
    """
    context, before = multiprocessing.get_context("spawn"), set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, context, _begin, (world,))
    over = False
    try:
        with _ignoring_interrupts():
            futures = {pool.submit(_play, *task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()
        over = True
    except BrokenProcessPool:
        fix = "with '--jobs 1' it runs here and shows why"
        raise RuntimeFault(f"a process that played episodes of {world.environment} died; {fix}") from None
    finally:
        if not over:
            for process in set(multiprocessing.active_children()) - before:
                process.terminate()
        pool.shutdown(cancel_futures=True)


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Context manager in which new processes ignore Ctrl-C.

    A terminal sends Ctrl-C to all processes, but only the parent process must react: it stops the others.
    """
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, old)
