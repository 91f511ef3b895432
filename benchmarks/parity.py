"""Check that the trained network is the one that runs: the trainer's own network against the controller file it wrote.

For each way to train, with float32 and int8 weights, a controller is trained for a few phases and saved. Then the
network of the training run acts in new episodes. It is stepped as when steps are collected: many states of one Program
whose constants training writes, or for ``adapt`` the controller of its loop. It is compared with three others, which
get the same observations: controllers loaded from the file and stepped by named inputs (the engine), controllers that
turn observations into actions of the environment (the Gymnasium adapter), and exported C, compiled for this computer.

After each control step the following are compared bit by bit: the commands, which neurons fired in which step of the
network, and all of the state (membranes, currents, traces, learned weights, the guard). Only the count of synaptic
operations of the trained network is left out, because a weight that was 0 when training began is not counted.

``python -m benchmarks parity``; with a trained file: ``python -m benchmarks.parity FILE --env ID``
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from snn_control.c_export.export import exported, write
from snn_control.c_export.host import HostMachine
from snn_control.c_export.layout import Layout
from snn_control.c_export.mirror import Mirror
from snn_control.controller import Controller
from snn_control.controller.base import SteppedController
from snn_control.controller_file import ControllerSpec, load_spec
from snn_control.training import Trained, train
from snn_control.training.algorithms.learner import Learner
from snn_control.training.algorithms.online import Adaptation
from snn_control.training.environments.gymnasium_calls import make
from snn_control.training.environments.vector_env import VectorEnv
from snn_control.training.gradients.parameters import DEFAULT, Parameters
from snn_control.training.starting_point.file_text import starting_point
from snn_control.training.teachers.trained_policy import TrainedPolicy

from .processes import verdict

STEPS, QUICK = 100_000, 2_000  # control steps in a comparison
SEED = 2_000_000_000  # seed of the first episode
ROWS = 16  # states that are stepped at a time
PHASES = 3


def swing_up(observation: np.ndarray) -> np.ndarray:
    """A teacher for Pendulum-v1: energy shaping until the pole is nearly upright, then a PD controller."""
    x, y, speed = observation
    angle, energy = np.arctan2(y, x), speed * speed / 6 + 5 * (x - 1)
    torque = -12 * angle - 2.5 * speed if abs(angle) < 0.6 else -2 * energy * (1 if speed >= 0 else -1)
    return np.clip([torque], -2, 2)


def swing_policy() -> TrainedPolicy:
    """A policy for Pendulum-v1 that is a perceptron with random weights."""
    rng = np.random.default_rng(0)
    layers = tuple(
        (rng.normal(0, np.sqrt(2 / a), (b, a)).astype(np.float32), np.zeros(b, np.float32))
        for a, b in pairwise((3, 16, 1))
    )
    return TrainedPolicy(layers, "tanh", "tanh", (1,))


@dataclass(frozen=True)
class Route:
    """A way to train, and the controller that is trained.

    controller : shipped controller file; empty: the one that ``new`` writes for the environment
    """

    how: str
    env: str
    settings: Mapping[str, Any]
    controller: str = ""
    teacher: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        how = "policy" if isinstance(self.teacher, TrainedPolicy) else self.how
        return f"{how} {self.settings.get('weights', '')}".strip()


ON_POLICY = {"n_envs": ROWS, "n_steps": 64, "rollouts": 2}
OFF_POLICY = {"n_envs": 4, "n_steps": 100, "learning_starts": 200, "train_freq": 4}
INT8 = {"weights": "int8"}
ROUTES = {
    one.name: one
    for one in (
        Route("ppo", "CartPole-v1", ON_POLICY),
        Route("ppo", "CartPole-v1", {**ON_POLICY, **INT8}),
        Route("sac", "Pendulum-v1", OFF_POLICY),
        Route("sac", "Pendulum-v1", {**OFF_POLICY, **INT8}),
        Route("imitate", "Pendulum-v1", {"n_envs": 8, "n_steps": 64, "gradient_steps": 20}, teacher=swing_up),
        Route(
            "imitate",
            "Pendulum-v1",
            {"n_envs": 8, "n_steps": 64, "gradient_steps": 20, "spikes": 40.0},
            teacher=swing_policy(),
        ),
        Route("evolve", "CartPole-v1", {"n_envs": 2, "population": 6}),
        Route(
            "adapt",
            "sim_worlds:ArmUnknownLoad-v0",
            {"n_steps": 500, "total_timesteps": PHASES * 500},
            controller="arm",
            arguments={"duration": 2.0, "scored_from": 1.0},
        ),
    )
}


@dataclass
class Found:
    """The result of a comparison.

    steps, episodes, spikes : how many were compared
    commands, fired, states : control steps in which a command, a spike, or a bit of the state of the trained network
        differs from the engine
    adapter, c : control steps in which an action or a bit of the adapter, or a bit of the C, differs from the engine
    """

    steps: int = 0
    episodes: int = 0
    spikes: int = 0
    commands: int = 0
    fired: int = 0
    states: int = 0
    adapter: int = 0
    c: int = 0

    @property
    def differing(self) -> tuple[int, ...]:
        return self.commands, self.fired, self.states, self.adapter, self.c

    @property
    def same(self) -> bool:
        return not any(self.differing)


def host_machine(loaded: Controller) -> tuple[Layout, HostMachine]:
    """Return the C of a controller, compiled for this computer."""
    e = exported(loaded.program, "controller")
    with tempfile.TemporaryDirectory() as folder:
        write(e, Path(folder))
        return Layout.of(e), HostMachine(Path(folder), Layout.of(e))


class Others:
    """A row of the trained network, and what is compared with it; ``row`` is ... if there are no rows.

    loaded : controller from the file
    machine : its C
    space : space of the environment's actions
    """

    def __init__(
        self, trained: SteppedController, row: Any, loaded: Controller, layout: Layout, machine: HostMachine, space: Any
    ) -> None:
        self.loaded, self.adapter, self._space = loaded, copy.copy(loaded), space
        self._c, self._c_differs = Mirror(loaded.bound, layout, machine), False
        loaded.observers.append(self._step_c)
        facts, ours, theirs = loaded.program.facts, trained.bound, loaded.bound
        commands = [f"{one.name}.command" for one in facts.outputs]
        spikes = [f"{one.name}.spikes" for one in facts.populations if one.spiking]
        self._commands, self._fired = (
            [(ours.array(name)[row], theirs.array(name)) for name in names] for names in (commands, spikes)
        )
        work = loaded.program.names["synaptic_operations"]
        parts = slice(work.offset), slice(work.offset + work.n_bytes, None)
        self._states = [(ours.state[row][part], theirs.state[part]) for part in parts]
        self._counts = theirs.array("spike_counts")

    def _step_c(self) -> None:
        self._c.give()
        self._c.step()
        self._c_differs |= bool(self._c.difference())

    def step(self, observation: Any, start: bool, action: Any, found: Found) -> None:
        """Make the control step that the trained network has made, and compare.

        action : what the trained network does in the environment
        """
        if start:
            found.episodes += 1
            self.loaded.reset(keep_learning=True)
            self.adapter.reset(keep_learning=True)
            self._c.begin()
        before, self._c_differs = int(self._counts.sum()), False
        self.loaded.step(self.loaded.read_observation(observation))
        found.steps, found.spikes = found.steps + 1, found.spikes + int(self._counts.sum()) - before
        for key, pairs in (("commands", self._commands), ("fired", self._fired), ("states", self._states)):
            differs = any(one.tobytes() != other.tobytes() for one, other in pairs)
            setattr(found, key, getattr(found, key) + differs)
        acts = np.asarray(self.adapter.act(observation, self._space)).tobytes() == np.asarray(action).tobytes()
        found.adapter += not acts or self.adapter.bound.state.tobytes() != self.loaded.bound.state.tobytes()
        found.c += self._c_differs


def starting_file(route: Route, folder: Path) -> ControllerSpec | str:
    """Return the controller file to train."""
    if route.controller:
        return route.controller
    env, file = make(route.env, route.arguments), folder / "new.yaml"
    file.write_text(starting_point(env, "snn_control new", f"--env {route.env}"))
    env.close()
    return load_spec(file)


@contextmanager
def kept(cls: type) -> Iterator[list[Any]]:
    """Return a context that collects the instances of a class made in it."""
    made: list[Any] = []
    begin = cls.__init__  # type: ignore[misc]

    def note(self: Any, *given: Any) -> None:
        begin(self, *given)
        made.append(self)

    with mock.patch.object(cls, "__init__", note):
        yield made


def trained_by(route: Route, folder: Path, phases: int = PHASES) -> tuple[Any, Path]:
    """Train and save; returns the learner (for ``adapt`` the loop) of the training run, and the file."""

    def enough(phase: Any) -> None:
        if phase.number >= phases:
            raise KeyboardInterrupt  # as Ctrl-C ends it

    with kept(Adaptation if route.how == "adapt" else Learner) as made:
        trained: Trained = train(
            starting_file(route, folder),
            route.env,
            arguments=route.arguments,
            how=route.how,
            teacher=route.teacher,
            settings=route.settings,
            progress=enough,
        )
    return made[0], trained.spec.save(folder / "trained.yaml")


def opened(file: str) -> tuple[Learner, Path]:
    """Open a trained file as training does; returns a learner with its network, and the file."""
    spec = load_spec(file)
    return Learner(Parameters(spec, spec.training.trainable or DEFAULT, np.random.default_rng(0)), None), Path(file)


class Rows:
    """The network of a learner, stepped as when steps are collected."""

    def __init__(self, learner: Learner, n: int) -> None:
        self.student, self.n = learner.student, n
        self.stepped = self.student.batch(n)
        self.student.refresh(self.stepped)
        self.stepped.reset()

    def row(self, k: int) -> Any:
        return k

    def step(self, inputs: Mapping[str, Any], start: np.ndarray, raw: list[Any]) -> None:
        self.student.step(self.stepped, inputs, start)


class Alone:
    """The controller of a loop that learns online; each episode begins with its learned weights."""

    n = 1

    def __init__(self, loop: Adaptation) -> None:
        self.stepped = loop.controller

    def row(self, k: int) -> Any:
        return ...

    def step(self, inputs: Mapping[str, Any], start: np.ndarray, raw: list[Any]) -> None:
        if start[0]:
            self.stepped.reset(keep_learning=True)
        self.stepped.step(self.stepped.read_observation(raw[0]))


def compare(route: Route, made: Any, file: Path, steps: int, rows: int = ROWS) -> Found:
    """Compare the network of a training run, which acts, with its file."""
    ours: Rows | Alone = Alone(made) if isinstance(made, Adaptation) else Rows(made, rows)
    n, found, loaded = ours.n, Found(), Controller.load(file)
    envs = VectorEnv(lambda: make(route.env, route.arguments), n, load_spec(file))
    layout, machine = host_machine(loaded)
    others = [
        Others(ours.stepped, ours.row(k), copy.copy(loaded), layout, machine.another(), envs.envs[k].action_space)
        for k in range(n)
    ]
    inputs, start = envs.reset(SEED), np.ones(n, bool)
    for _ in range(-(-steps // n)):
        raw = [envs.current(k)[1] for k in range(n)]
        ours.step(inputs, start, raw)
        names = [f"{one.name}.command" for one in envs.interface.outputs]
        commands = [ours.stepped.bound.array(name).reshape(n, -1) for name in names]
        actions = envs.interface.act(commands)
        for k, one in enumerate(others):
            one.step(raw[k], bool(start[k]), actions[k], found)
        step = envs.step(commands)
        inputs, start = step.inputs, step.done
    envs.close()
    return found


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} control steps instead of {STEPS:,}")
    parser.add_argument("file", nargs="?", help="trained controller file; without it, controllers are trained")
    parser.add_argument("--env", help="environment of the file")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {"passed": True}
    print("control steps that differ: commands, spikes, state of the trained network; Gymnasium adapter; C. Bar 0")
    routes = {options.file: Route("", options.env, {})} if options.file else ROUTES
    for name, route in routes.items():
        with tempfile.TemporaryDirectory() as folder:
            made, file = opened(options.file) if options.file else trained_by(route, Path(folder))
            found = compare(route, made, file, QUICK if options.quick else STEPS)
        figures[name] = asdict(found)
        figures["passed"] &= found.same
        of = f"{found.steps:,} steps of {found.episodes:,} episodes of {route.env}, {found.spikes:,} spikes"
        print(f"{name:8} {', '.join(map(str, found.differing))} of {of}: {verdict(found.same)}", flush=True)
    return figures


if __name__ == "__main__":
    main()
