"""Controller: a controller file, compiled, bound and ready to step.

>>> controller = Controller.load("cartpole.yaml")
>>> action, _ = controller.predict(observation)
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from .controller_file import ControllerSpec, load_spec, nearest
from .engine.bound import Bound, input_taker
from .engine.build import build
from .engine.control import LEARNING, RELEASE, RESTART, UPDATES
from .engine.facts import InputFacts, OutputFacts, PopulationFacts, RuleFacts
from .engine.give import give
from .engine.kernels import encoders, outputs
from .engine.program import Program
from .engine.slots import AGE, ARRIVAL, STAMP
from .engine.spike_ring import SpikeRing
from .engine.workload import workload
from .errors import DescriptionError, InputError, ProgramError, SnnControlError
from .files import Arrays, replace_file
from .resources import controller_path
from .spaces import as_actions, inputs_of, released

__all__ = ["Controller", "Stepped", "alone", "build_program"]

Method = TypeVar("Method", bound=Callable[..., Any])
#: name of a counter of an input, or of the guard -> its word
OF_INPUT = {
    "clamped": encoders.CLAMPED, "rejected": encoders.REJECTED, "stale_ticks": encoders.STALE, "cut": encoders.CUT
}  # fmt: skip
OF_GUARD = {
    "faults": outputs.FAULTS, "safe_ticks": outputs.SAFE_TICKS, "clamped": outputs.CLAMPS,
    "slew_limited": outputs.SLEWED,
}  # fmt: skip


def build_program(spec: ControllerSpec) -> Program:
    """Compile a controller file for its own dt and period; raises DescriptionError, with the file's name in front."""
    try:
        program = build(
            spec.network,
            spec.inputs,
            spec.outputs,
            dt=spec.dt,
            period=spec.period,
            guard=spec.guard,
            seed=spec.seed,
            reset_each_tick=spec.reset_each_tick,
        )
    except DescriptionError as error:
        if error.path.startswith(("populations", "projections")):  # the path in the file
            error = error.within("network")
        raise error.in_file(spec.path) from None
    except MemoryError:
        rule = "does not fit into this machine's memory"
        raise DescriptionError("network", "its size", rule).in_file(spec.path) from None
    return replace(program, facts=replace(program.facts, repeat=spec.repeat))


def alone(method: Method) -> Method:
    """A method that holds the ``_lock`` of its object, so that calls from several threads are serialised."""

    @functools.wraps(method)
    def locked(self: Any, *arguments: Any, **more: Any) -> Any:
        with self._lock:
            return method(self, *arguments, **more)

    return cast(Method, locked)


class Stepped:
    """Common base of `Controller` and `snn_control.batch.Batch`: the inputs and states of a bound Program.

    Attributes
    ----------
    observers : called after each tick of a step, as recorders of `snn_control.record` are
    """

    def __init__(self, program: Program, repeat: int, rows: int | None = None) -> None:
        self.program, self.repeat = program, repeat
        self.bound = Bound(program, rows)
        self.period_ns = program.facts.period_ns
        self.inputs: dict[str, InputFacts] = {i.name: i for i in program.facts.inputs}
        self._slots = {name: self.bound.array(f"{name}.slot") for name in self.inputs}
        self._data = {n: self.bound.array(f"{n}.data") for n, i in self.inputs.items() if i.kind == "value"}
        self._commands = {o.name: self.bound.array(f"{o.name}.command") for o in program.facts.outputs}
        self._control = self.bound.array("control")
        self._mark = np.frombuffer(bytes.fromhex(program.digest), np.uint8)
        self._lock = threading.RLock()
        self.observers: list[Callable[[], object]] = []
        self._reset(...)

    def _check_names(self, observation: Mapping[str, Any]) -> None:
        for name in observation:
            if name not in self.inputs:
                raise InputError(f"observation['{name}']: is not an input; {nearest(name, self.inputs)}")

    @alone
    def _reset(self, rows: Any) -> None:
        self.bound.reset(rows)
        for slot in self._slots.values():
            for word in (AGE, STAMP, ARRIVAL):
                slot[rows, word] = -1

    @alone
    def _state(self, rows: Any) -> np.ndarray:
        """(..., bytes) uint8: the Program's mark, the state, the ages of the inputs."""
        states = self.bound.state[rows]
        marks = np.broadcast_to(self._mark, (*states.shape[:-1], self._mark.size))
        ages = [np.ascontiguousarray(slot[rows, AGE, None]).view(np.uint8) for slot in self._slots.values()]
        return np.concatenate([marks, states, *ages], axis=-1)

    @alone
    def _restore(self, state: np.ndarray, rows: Any) -> None:
        state = np.array(state)
        start = self._mark.size
        end = start + self.bound.state.shape[-1]
        fits = state.dtype == np.uint8 and state.shape[-1:] == (end + 8 * len(self._slots),)
        if not fits or state.ndim > self.bound.state[rows].ndim or (state[..., :start] != self._mark).any():
            raise ProgramError("state: is not one of this Program")
        self.bound.restore(state[..., start:end], rows)
        ages = np.ascontiguousarray(state[..., end:]).view(np.int64)
        for k, slot in enumerate(self._slots.values()):
            slot[rows, AGE] = ages[..., k]


class Controller(Stepped):
    """A Program with its state, stepped from Python.

    One `step` is one tick (or ``repeat`` ticks, if the controller file says so): the same compiled tick, bit for bit,
    that the real-time loop runs.

    Threads may share a controller: calls are serialised, so that each step has its own inputs and outputs; their order
    is up to the threads. It must not be stepped while a loop runs it, because the loop does not wait for the lock.

    Parameters
    ----------
    program : what to run
    repeat : ticks in one `step`; the inputs are given to the first
    """

    def __init__(self, program: Program, repeat: int = 1) -> None:
        super().__init__(program, repeat)
        bound = self.bound
        self.outputs: dict[str, OutputFacts] = {o.name: o for o in program.facts.outputs}
        self._take = {name: input_taker(program, bound.io, bound.state, one) for name, one in self.inputs.items()}
        self._command, self._guard = bound.array("command"), bound.array("guard")
        self._choices = bool(self.outputs) and all(output.actions for output in self.outputs.values())
        self._rules = program.facts.learning
        self._released = released(self.inputs)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Controller:
        """Load a controller file (.yaml), a shipped one by its name ("cartpole"), or a saved Program (.npz); raises
        DescriptionError or ProgramError."""
        if str(path).endswith(".npz"):
            program = Program.load(path)
            try:
                return cls(program, program.facts.repeat)
            except SnnControlError:
                raise
            except Exception as error:  # a manipulated file can raise any exception
                raise ProgramError(f"{path}: cannot be bound ({type(error).__name__}: {error})") from error
        return cls.from_spec(load_spec(controller_path(path)))

    @classmethod
    def from_spec(cls, spec: ControllerSpec) -> Controller:
        """Make a controller from a parsed controller file."""
        return cls(build_program(spec), spec.repeat)

    # stepping ------------------------------------------------------------------------------------------------
    def step(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run one tick.

        observation : input name -> value ((size,) numbers), events ((n, 4) rows of t, x, y, p, or a tuple of the four
            arrays), or None. An input that is None or absent did not arrive: its age grows by a period. An integer t is
            in ns on the sensor's clock, a float t in seconds after the beginning of this tick.

        Returns output name -> (size,) float64, a copy. Raises InputError for an unknown name or a wrong shape.
        """
        if type(observation) is not dict and not isinstance(observation, Mapping):
            rule = "must be a mapping, input name -> value; predict takes an array"  # type: ignore[unreachable]
            raise InputError(f"observation, a {type(observation).__name__}: {rule}")
        self._check_names(observation)
        with self._lock:
            for name, take in self._take.items():
                value = observation.get(name)
                if not take(value):
                    give(f"observation['{name}']", take, self._data.get(name), value)
            self._run()
            return {name: command.copy() for name, command in self._commands.items()}

    def _run(self) -> None:
        tick = self._observed_tick if self.observers else self.bound.tick
        tick()
        for _ in range(self.repeat - 1):
            for take in self._take.values():
                take(None)
            tick()

    def _observed_tick(self) -> None:
        self.bound.tick()
        for observe in self.observers:
            observe()

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, None]:
        """Action for a Gymnasium observation, with stable-baselines3's signature: ``action, _ =
        controller.predict(obs)``.

        A Dict observation is read by name (``<name>_count`` gives the rows in use of an events input, other keys are
        ignored). An array is divided among the value inputs in their order, or among the required ones if it has
        exactly as many numbers as these. The action is an int for one arg-max output, (n,) int64 for several, otherwise
        the (n,) float32 of all outputs in their order. ``episode_start`` true resets first; ``state`` and
        ``deterministic`` are ignored.
        """
        given = self.given(observation)
        with self._lock:
            if episode_start is not None and np.any(episode_start):
                self.reset()
            self.step(given)
            if not self._choices:
                return self._command.astype(np.float32), None
            return (int(self._command[0]) if self._command.size == 1 else self._command.astype(np.int64)), None

    def act(self, observation: Any, space: Any) -> Any:
        """Action of a Gymnasium space for an observation, which is read as by `predict`: an array of the space's shape
        and dtype, clipped to its bounds; for a Discrete a whole number."""
        with self._lock:
            self.step(self.given(observation))
            return as_actions(self._command[None], space)[0]

    def given(self, observation: Any) -> dict[str, Any]:
        """The argument of `step` for an observation: input name -> value or events. An input with ``stop_when`` that
        the observation does not have does not stop the commands."""
        return self._released | inputs_of(observation, self.inputs)

    # state ---------------------------------------------------------------------------------------------------
    @alone
    def reset(self, keep_learning: bool = False) -> None:
        """Reset to the initial state; with ``keep_learning`` the learned weights are kept."""
        learned = [self.bound.array(f"{rule.title}.weights") for rule in self._rules] if keep_learning else []
        kept = [weights.copy() for weights in learned]
        self._reset(...)
        for weights, old in zip(learned, kept, strict=True):
            weights[:] = old

    def state(self) -> np.ndarray:
        """(bytes,) uint8: a copy of everything that changes, ages of the inputs included, marked with the Program."""
        return self._state(...)

    def restore(self, state: np.ndarray) -> None:
        """Continue from a `state`; raises ProgramError if it is of another Program, or was changed."""
        self._restore(state, ...)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy or an unpickled object is a separate controller that continues from this one's state."""
        return _again, (type(self), self.program, self.repeat, self.state())

    def save_state(self, path: str | os.PathLike) -> None:
        """Write `state`, and with it all learned weights, as .npz, atomically."""
        arrays = {"program": np.array(self.program.digest), "state": self.state()}
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    def load_state(self, path: str | os.PathLike) -> None:
        """Continue from a file that `save_state` wrote.

        Raises ProgramError if it is of another Program (the controller file was changed, or dt, or a kernel), or
        damaged; the controller is then unchanged.
        """
        try:
            with Arrays(path) as file:
                digest, state = str(file["program"]), file["state"]
        except Exception as error:
            raise ProgramError(f"{path}: not a saved state ({type(error).__name__}: {error})") from error
        if digest != self.program.digest:
            raise ProgramError(f"{path}: is a state of another Program; build the controller as it was when it learned")
        try:
            self.restore(state)
        except ProgramError as error:
            raise ProgramError(f"{path}: {error}") from None

    # learning ------------------------------------------------------------------------------------------------
    def learning(self, on: bool, name: str | None = None) -> None:
        """Switch the rules with this name, or all, on or off from the next tick on, also while a loop runs the
        controller.

        A rule that is off changes nothing and costs almost nothing; when it is switched on again it starts with new
        traces. Raises InputError if there is no such rule.
        """
        found = [k for k, rule in enumerate(self._rules) if name in (None, rule.name)]
        if not found:
            known = nearest(name, [r.name for r in self._rules]) if self._rules else "no projection learns"
            raise InputError(f"learning '{name or ''}': is not a rule of this controller; {known}")
        for k in found:
            self._control[LEARNING + k] = bool(on)

    def weights(self, pre: str, post: str, name: str | None = None) -> Any:
        """A copy of the current weights that a rule learns.

        name : of the rule, if several projections from pre to post learn

        Returns (n_pre, n_post) float32 for a dense projection; for a sparse or one_to_one one the tuple (pre, post,
        weights) of (k,) uint32, uint32 and float32, ascending in pre and post. Raises InputError if there is no such
        projection, or more than one.
        """
        found = [r for r in self._rules if (r.pre, r.post) == (pre, post) and name in (None, r.name)]
        if len(found) != 1:
            rules = ", ".join(f"{r.title} ({r.name})" for r in self._rules) or "none"
            raise InputError(f"weights '{pre}' -> '{post}': {len(found)} projections learn; all that do: {rules}")
        return self.rule_weights(found[0])

    @alone
    def rule_weights(self, rule: RuleFacts) -> Any:
        """`weights` for a rule of the Program's facts."""
        title = rule.title
        weights = self.bound.array(f"{title}.weights")
        if not rule.sparse:
            return weights.copy()
        pointers = self.bound.array(f"{title}.pointers").astype(np.int64)
        indices = np.repeat(np.arange(pointers.size - 1, dtype=np.uint32), np.diff(pointers))
        return indices, weights[:, 0].copy(), weights[:, 1].copy().view(np.float32)

    # looking -------------------------------------------------------------------------------------------------
    @property
    def safe(self) -> bool:
        """Whether the last command was the safe one, because of a fault or because too few valid ticks followed it."""
        return bool(self._guard[outputs.FAULTED])

    def release(self) -> None:
        """Release a fault as an operator: the next tick ends it, if that tick is valid; otherwise call again."""
        self._control[RELEASE] += 1

    def restart(self) -> None:
        """Restart the network in the next tick, also while a loop runs the controller.

        Membranes, currents, spikes under way and the traces of decoders and learning rules are reset. Learned weights,
        the inputs, the guard with the last command, the clock and all counters are kept.
        """
        self._control[RESTART] += 1

    @alone
    def spikes(self, population: str) -> np.ndarray:
        """(k,) uint32 ascending: neurons that fired in the last network step; `raster` has all steps of the tick.

        population : name of a population, or of an input whose encoder's neurons spike. Raises InputError for any
            other.
        """
        end = int(self.bound.array("clock")[1])
        return self._ring(population).read(end - 1, end)[1].astype(np.uint32)

    @alone
    def raster(self, population: str) -> tuple[np.ndarray, np.ndarray]:
        """All spikes of the last tick, in order.

        Returns (step, neuron), each (k,) int64: the network step, counted from the reset (its time is step * dt), and
        the neuron that fired, repeated if it fired several times in the step. With ``repeat`` > 1 only the last tick of
        a `step` is covered. Raises InputError as `spikes` does.
        """
        ring, end = self._ring(population), int(self.bound.array("clock")[1])
        step, neuron, times = ring.read(max(0, end - self.program.steps), end)
        return np.repeat(step, times), np.repeat(neuron, times)

    @alone
    def values(self, population: str) -> np.ndarray:
        """(n,) float32, a copy: the current membranes of a population; for a graded population they are its output.

        population : name of a population, or of an input whose encoder has neurons. Raises InputError for any other,
            and if its neurons have no membrane.
        """
        name = self._facts_of(population).name
        if f"{name}.v" not in self.program.names:
            raise InputError(f"population '{name}': its neurons have no membrane")
        return self.bound.array(f"{name}.v").copy()

    def _facts_of(self, population: str) -> PopulationFacts:
        known = {p.name: p for p in self.program.facts.populations}
        if population not in known:
            which = nearest(population, known) if known else "there is none"
            raise InputError(f"population '{population}': is not one of this controller; {which}")
        return known[population]

    def _ring(self, population: str) -> SpikeRing:
        facts = self._facts_of(population)
        if not facts.spiking:
            raise InputError(f"population '{population}': does not spike; values('{population}') gives its output")
        return SpikeRing(self.bound, facts)

    @alone
    def counters(self) -> dict[str, Any]:
        """All counts since the reset: ticks, spikes, synaptic operations, those of guard and inputs, and the
        `workload` in NeuroBench's terms. Under ``learning``: whether each rule is on, and how many weights it has
        visited."""
        a, spiking = self.bound.array, self.program.facts.spiking
        return {
            "ticks": int(a("clock")[0]),
            "spikes": dict(zip(spiking, a("spike_counts")[: len(spiking)].tolist(), strict=True)),
            "synaptic_operations": int(a("synaptic_operations").sum()),
            "inputs": {name: self._counted(one) for name, one in self.inputs.items()},
            "learning": {
                rule.title: {
                    "name": rule.name,
                    "on": bool(self._control[LEARNING + k]),
                    "updates": int(a(f"{rule.title}.learning")[UPDATES]),
                }
                for k, rule in enumerate(self._rules)
            },
            "guard": {key: int(self._guard[word]) for key, word in OF_GUARD.items()},
            "workload": workload(self.bound),
        }

    def _counted(self, one: InputFacts) -> dict[str, Any]:
        """Counts of an input; ``filtered`` is how many of the events in the frame each filter has removed."""
        name, a = one.name, self.bound.array
        found: dict[str, Any] = {key: int(a(f"{name}.counters")[word]) for key, word in OF_INPUT.items()}
        if f"{name}.replaced" in self.program.names:
            found["replaced"] = int(a(f"{name}.replaced")[0])
        if one.kind == "events":
            found["events"], found["out_of_frame"] = a(f"{name}.events").tolist()
            removed = a(f"{name}.removed").tolist()[-len(one.filters) :] if one.filters else []
            found["filtered"] = dict(zip(one.filters, removed, strict=True))
        return found


def _again(cls: type[Controller], program: Program, repeat: int, state: np.ndarray) -> Controller:
    controller = cls(program, repeat)
    controller.restore(state)
    return controller
