"""`Controller`: a compiled controller with its state, stepped from Python.

>>> controller = Controller.load("cartpole.yaml")
>>> action, _ = controller.predict(observation)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..controller_file import ControllerSpec, load_spec, nearest
from ..engine.control_words import FORGET, HELD, LEARNING, RELEASE, RESTART, UPDATES
from ..engine.facts import InputFacts, OutputFacts, PopulationFacts, RuleFacts
from ..engine.input_values import set_input
from ..engine.kernels.guard import CLAMPS, FAULTED, FAULTS, SAFE_TICKS, SLEWED
from ..engine.kernels.input_checks import CLAMPED, CUT, REJECTED, STALE_TICKS
from ..engine.program import Program
from ..engine.spike_ring import SpikeRing
from ..engine.tuning import Tuning
from ..engine.workload import workload
from ..errors import DescriptionError, InputError, ProgramError, SnnControlError
from ..files import Arrays, replace_file
from ..gym_adapter.spaces import as_action, inputs_of, released
from ..resources import controller_path
from .base import SteppedController, serialised
from .build import build_program, tuning_of

__all__ = ["Controller", "build_program"]

#: name of a counter (of an input, of the guard) -> index of its word
OF_INPUT = {"clamped": CLAMPED, "rejected": REJECTED, "stale_ticks": STALE_TICKS, "cut": CUT}
OF_GUARD = {"faults": FAULTS, "safe_ticks": SAFE_TICKS, "clamped": CLAMPS, "slew_limited": SLEWED}


class Controller(SteppedController):
    """A compiled controller with its state, stepped from Python.

    program : the Program to run
    repeat : number of ticks in one `step`; only the first tick uses new inputs
    tuning : tunable parameters of the Program (`snn_control.controller.build.tuning_of`)

    A tick runs the same compiled code as the real-time loop, and computes exactly the same results. Threads may share a
    controller: their calls run one after another. Do not step a controller while a real-time loop runs it, because the
    loop does not acquire the lock.
    """

    def __init__(self, program: Program, repeat: int = 1, tuning: Tuning | None = None) -> None:
        super().__init__(program, repeat, tuning=tuning)
        bound = self.bound
        self.outputs: dict[str, OutputFacts] = {o.name: o for o in program.facts.outputs}
        self._take = {name: takers[0] for name, takers in self._takers.items()}
        self._command, self._guard = bound.array("command"), bound.array("guard")
        self._choices = bool(self.outputs) and all(output.actions for output in self.outputs.values())
        self._rules = program.facts.learning
        self._released = released(self.inputs)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Controller:
        """Load a controller file, a shipped file by name, or a .npz Program. Raises DescriptionError, ProgramError."""
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
        """Compile the description ``spec``, such as a parsed controller file, and return the controller."""
        program = build_program(spec)
        return cls(program, spec.repeat, tuning_of(spec, program))

    # stepping ------------------------------------------------------------------------------------------------
    def step(self, observation: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Run one tick, or ``repeat`` ticks, and return the commands.

        observation : name of an input -> new sample of this input. A value input accepts (size,) numbers. An events
            input accepts an (n, 4) array with the columns t, x, y, p, or a tuple of four arrays. An integer t is in ns
            on the sensor's clock; a float t is in seconds after the beginning of the tick. If the source of an events
            input is frames, it accepts an image, or events as a tuple; the first image after `reset` starts the
            simulated camera. An input that is None or missing has no new sample, and its age grows by a period

        Return copies of the commands: name of an output -> (size,) float64. Raises InputError for an unknown name or a
        wrong shape.
        """
        if type(observation) is not dict and not isinstance(observation, Mapping):
            rule = "must be a mapping, input name -> value; predict takes an array"  # type: ignore[unreachable]
            raise InputError(f"observation, a {type(observation).__name__}: {rule}")
        self._check_names(observation)
        with self._lock:
            self._advance(observation)
            return {name: command.copy() for name, command in self._commands.items()}

    def _advance(self, observation: Mapping[str, Any]) -> None:
        for name, take in self._take.items():
            value = observation.get(name)
            if not take(value):
                set_input(f"observation['{name}']", take, self._data.get(name), value)
        self._run()

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
        """Return the action for an observation, like stable-baselines3: ``action, _ = controller.predict(obs)``.

        If the observation is a dictionary, its keys are names of inputs; other keys are ignored. ``<name>_count`` is
        the number of valid rows of an events input. If the observation is an array, all value inputs share its elements
        in their order. If it has exactly as many elements as the required value inputs, only these share them.

        The action is an int if the controller has one arg-max output, and an (n,) int64 array if it has several.
        Otherwise the action is an (n,) float32 array, the concatenation of all outputs in their order. If
        ``episode_start`` is true, the controller is reset first. ``state`` and ``deterministic`` are ignored.
        """
        given = self.read_observation(observation)
        with self._lock:
            if episode_start is not None and np.any(episode_start):
                self.reset()
            self._advance(given)
            if not self._choices:
                return self._command.astype(np.float32), None
            return (int(self._command[0]) if self._command.size == 1 else self._command.astype(np.int64)), None

    def act(self, observation: Any, space: Any) -> Any:
        """Return the action for an observation (see `predict`) as an element of a Gymnasium action space.

        The action is an array with the space's shape and dtype, clipped to the space's bounds. For a Discrete space the
        action is an integer.
        """
        given = self.read_observation(observation)
        with self._lock:
            self._advance(given)
            return as_action(self._command, space)

    def read_observation(self, observation: Any) -> dict[str, Any]:
        """Convert an observation, in the form that `predict` accepts, to the argument of `step`.

        An input with ``stop_when`` that is missing in the observation does not stop the commands.
        """
        return self._released | inputs_of(observation, self.inputs)

    # state ---------------------------------------------------------------------------------------------------
    @serialised
    def reset(self, keep_learning: bool = False) -> None:
        """Reset to the initial state. If ``keep_learning`` is true, the learned weights stay."""
        learned = [self.bound.array(f"{rule.title}.weights") for rule in self._rules] if keep_learning else []
        kept = [weights.copy() for weights in learned]
        self._reset(...)
        for weights, old in zip(learned, kept, strict=True):
            weights[:] = old

    def state(self) -> np.ndarray:
        """Return a copy of the state, (bytes,) uint8, for `restore`. It excludes the pixels of simulated cameras."""
        return self._state(...)

    def restore(self, state: np.ndarray) -> None:
        """Restore a ``state`` that `state` returned. Raises ProgramError if it is of another Program or damaged."""
        self._restore(state, ...)

    def __reduce__(self) -> tuple[Any, ...]:
        """Support copies and pickles. A copy is independent, and continues from the controller's present state."""
        return _again, (type(self), self.program, self.repeat, self.bound.tuning, self.state())

    def save_state(self, path: str | os.PathLike, block: np.ndarray | None = None) -> None:
        """Write the state, with all learned weights, to an .npz file, atomically.

        block : (bytes,) uint8, a copy of ``bound.state`` made by a running loop; None writes the present state
        """
        arrays = {"program": np.array(self.program.digest), "state": self._state(..., block)}
        replace_file(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]

    def load_state(self, path: str | os.PathLike) -> None:
        """Restore the state from a file that `save_state` wrote.

        Raises ProgramError, and changes nothing, if the file is damaged or belongs to another Program.
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

    def load_learned(self, path: str | os.PathLike) -> None:
        """Load only the learned weights from a file of `save_state`. Raises ProgramError as `load_state` does."""
        other = type(self)(self.program, self.repeat, self.bound.tuning)
        other.load_state(path)
        learned = [w[-1] if isinstance(w, tuple) else w for w in map(other.rule_weights, self._rules)]
        if not all(np.isfinite(weights).all() for weights in learned):
            raise ProgramError(f"{path}: its learned weights are not finite; learn without this file")
        for rule in self._rules:
            self.bound.array(f"{rule.title}.weights")[:] = other.bound.array(f"{rule.title}.weights")

    # tuning --------------------------------------------------------------------------------------------------
    @property
    def tuned(self) -> dict[str, float]:
        """Values of the tunable parameters in the last tick: path in the controller file -> value."""
        names = self.program.facts.tunable
        return dict(zip(names, self.bound.tuned.tolist(), strict=True)) if names else {}

    @serialised
    def tune(self, values: Mapping[str, float]) -> None:
        """Change tunable parameters from the next tick on, also while a loop runs the controller.

        values : path in the controller file -> new value. A path is, for example,
            ``network.populations.a.neuron.v_threshold``. The value is a number or, for an array in the file, a factor
            by which the array is multiplied

        A reset does not change the values. The next ticks compute the same results as with a controller file that
        contains these values. Raises InputError, and changes nothing, for an unknown path or a value out of its range.
        """
        names = list(self.program.facts.tunable)
        newest = dict(zip(names, self.bound.newest_values, strict=True)) if names else {}
        for path in values:
            if path not in newest or self.bound.tuning is None:
                known = nearest(path, names) if names else "the file declares nothing tunable"
                known = "a Program alone cannot be tuned, load the controller file" if path in newest else known
                raise InputError(f"tune '{path}': is not tunable; {known}")
        try:
            self.bound.tune(np.array(list((newest | dict(values)).values()), np.float64))
        except (DescriptionError, TypeError, ValueError, OverflowError) as error:
            raise InputError(f"tune {error}") from None

    # learning ------------------------------------------------------------------------------------------------
    def learning(self, on: bool, name: str | None = None) -> None:
        """Switch learning rules on or off from the next tick on, also while a loop runs the controller.

        name : name of the rules to switch; None switches all rules

        A rule that is off changes no weights. When it is switched on again, its traces start from their initial values.
        Raises InputError if no rule has the name.
        """
        found = [k for k, rule in enumerate(self._rules) if name in (None, rule.name)]
        if not found:
            known = nearest(name, [r.name for r in self._rules]) if self._rules else "no projection learns"
            raise InputError(f"learning '{name or ''}': is not a rule of this controller; {known}")
        for k in found:
            self._control[LEARNING + k] = bool(on)

    def weights(self, pre: str, post: str, name: str | None = None) -> Any:
        """Return a copy of the current weights of a projection that learns.

        name : name of the learning rule, needed if several projections from ``pre`` to ``post`` learn

        The weights of a dense projection are an (n_pre, n_post) float32 array. For a sparse or one_to_one projection,
        return three (k,) arrays: the source neurons (uint32), the target neurons (uint32) and the weights (float32), in
        ascending order of sources and targets. Raises InputError unless exactly one projection matches.
        """
        found = [r for r in self._rules if (r.pre, r.post) == (pre, post) and name in (None, r.name)]
        if len(found) != 1:
            rules = ", ".join(f"{r.title} ({r.name})" for r in self._rules) or "none"
            raise InputError(f"weights '{pre}' -> '{post}': {len(found)} projections learn; all that do: {rules}")
        return self.rule_weights(found[0])

    @serialised
    def rule_weights(self, rule: RuleFacts) -> Any:
        """Return the weights that a learning rule of the Program changes, in the form that `weights` returns."""
        title, weights = rule.title, self.bound.array(f"{rule.title}.weights")
        if not rule.sparse:
            return weights.copy()
        pointers = self.bound.array(f"{title}.pointers").astype(np.int64)
        indices = np.repeat(np.arange(pointers.size - 1, dtype=np.uint32), np.diff(pointers))
        return indices, weights[:, 0].copy(), weights[:, 1].copy().view(np.float32)

    # looking -------------------------------------------------------------------------------------------------
    @property
    def safe(self) -> bool:
        """Whether the last command was the safe one: in a fault, and until enough valid ticks have followed it."""
        return bool(self._guard[FAULTED])

    def stop(self) -> None:
        """Send the safe command from the next tick until `release` or `reset`. A loop may run the controller."""
        self._control[RELEASE] |= HELD

    def release(self) -> None:
        """End a `stop` or a fault in the next tick, if this tick is valid; otherwise call `release` again."""
        self._control[RELEASE] = (self._control[RELEASE] & ~HELD) + 1

    def restart(self, forget: bool = False) -> None:
        """Reset the network in the next tick. May be called while a loop runs the controller.

        A restart resets membranes, currents, spikes in transmission, and the traces of decoders and learning rules. It
        does not change learned weights, inputs, the guard with its last command, the clock and the counters.

        forget : whether to reset the learned weights, too
        """
        self._control[RESTART] += FORGET if forget else 1

    @serialised
    def spikes(self, population: str) -> np.ndarray:
        """Return the indices of the neurons that fired in the last network step as an ascending (k,) uint32 array.

        Each neuron is listed once; `raster` returns all spikes of a tick.

        population : name of a population, or of an input with spiking neurons; InputError for all other names
        """
        end = int(self.bound.array("clock")[1])
        return self._ring(population).read(end - 1, end)[1].astype(np.uint32)

    @serialised
    def raster(self, population: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the spikes of the last tick in temporal order: their network steps and their neurons, (k,) int64 each.

        Network steps count from the reset (the time of a spike is step * dt). A neuron that fired several times in a
        step occurs several times. If ``repeat`` is above 1, only the spikes of the last tick of a `step` are returned.
        Raises InputError as `spikes` does.
        """
        ring, end = self._ring(population), int(self.bound.array("clock")[1])
        step, neuron, times = ring.read(max(0, end - self.program.steps), end)
        return np.repeat(step, times), np.repeat(neuron, times)

    @serialised
    def values(self, population: str) -> np.ndarray:
        """Return a copy of the present membrane potentials of a population, (n,) float32.

        population : name of a population, or of an input whose encoder has neurons; the potentials of a graded
            population are its output. Raises InputError for all other names, and if the neurons have no membrane.
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

    @serialised
    def counters(self) -> dict[str, Any]:
        """Return all counts since the reset: ticks, spikes, synaptic operations, guard, inputs, learning and workload.

        For each learning rule, ``learning`` has a flag that the rule is on, and the number of weights that it visited.
        ``workload`` has the metrics of NeuroBench, see the function `workload`.
        """
        a, spiking = self.bound.array, self.program.facts.spiking
        return {
            "ticks": int(a("clock")[0]),
            "spikes": dict(zip(spiking, a("spike_counts")[: len(spiking)].tolist(), strict=True)),
            "synaptic_operations": int(a("synaptic_operations").sum()),
            "inputs": {name: self._counted(one) for name, one in self.inputs.items()},
            "learning": {rule.title: self._learned(k, rule) for k, rule in enumerate(self._rules)},
            "guard": {key: int(self._guard[word]) for key, word in OF_GUARD.items()},
            "workload": workload(self.bound),
        }

    def _learned(self, k: int, rule: RuleFacts) -> dict[str, Any]:
        updates = int(self.bound.array(f"{rule.title}.learning")[UPDATES])
        return {"name": rule.name, "on": bool(self._control[LEARNING + k]), "updates": updates}

    def _counted(self, one: InputFacts) -> dict[str, Any]:
        """Return the counters of an input. ``filtered`` is the number of events that each of its filters removed."""
        name, a = one.name, self.bound.array
        found: dict[str, Any] = {key: int(a(f"{name}.counters")[word]) for key, word in OF_INPUT.items()}
        if f"{name}.replaced" in self.program.names:
            found["replaced"] = int(a(f"{name}.replaced")[0])
        if one.kind == "events":
            found["events"], found["out_of_frame"] = a(f"{name}.events").tolist()
            removed = a(f"{name}.removed").tolist()[-len(one.filters) :] if one.filters else []
            found["filtered"] = dict(zip(one.filters, removed, strict=True))
        return found


def _again(cls: type[Controller], *arguments: Any) -> Controller:
    program, repeat, tuning, state = arguments
    controller = cls(program, repeat, tuning)
    controller.restore(state)
    return controller
