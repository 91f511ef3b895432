"""Imitation of a teacher by DAgger, dataset aggregation (Ross, Gordon and Bagnell 2011, arXiv:1011.0686).

In each round the controller acts in the environments; in the first rounds, the teacher takes some of the actions. The
teacher labels each step with the action that it would have taken. Then the controller is fitted to the data of all
rounds. The data are divided into sequences of steps. Each sequence starts from the network state that was recorded
before its first step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import numpy as np

from ...controller import Batch
from ...controller_file import ControllerSpec
from ...errors import DescriptionError
from ...network.checks import Flag, Whole
from ..environments.vector_env import VectorEnv
from ..gradients.student import Seen, Sequences, Student
from ..gradients.trained_part import TrainedPart, trained_part_of
from ..teachers.teacher import Teacher, teacher_of
from ..teachers.trained_policy import policy_in
from .distributions import Categorical, DiagGaussian, distributions, only_chooses
from .learner import Learner, Settings
from .networks import Adam

__all__ = ["Imitation", "ImitationSettings"]

ROUND, SEQUENCE = 2.0, 0.2  # s, their durations, unless steps are very long or short


@dataclass(frozen=True)
class ImitationSettings(Settings):
    """Settings of `Imitation`. Settings that also exist in stable-baselines3 have the same names.

    n_envs : number of environments
    n_steps : number of steps of each environment in a round
    sequence_length : number of steps in a sequence. The loss ignores the first ``burn_in`` steps, because the initial
        state of a sequence comes from older weights
    batch_size : number of steps in an update, a multiple of ``sequence_length``
    gradient_steps : number of updates in a round
    beta_decay : the teacher takes a fraction of the actions, which is multiplied by this factor after each round
    averaging : the controller acts with a moving average of the trained values. Each update replaces a fraction
        ``averaging / gradient_steps`` of this average by the new values
    learning_rate : initial learning rate of Adam; the rate falls to a 20th
    max_grad_norm : maximum norm of the gradients
    spike_cost : weight of the mean number of spikes per neuron and step in the loss
    fit_ranges : set the ranges of inputs with receptive fields to the values observed in the first phase
    solve : compute the weights of a linear read-out by ridge regression, see
        `snn_control.training.algorithms.ridge_readout.ReadOut`
    ridge : penalty of the ridge regression, in units of the mean square of the values that a weight multiplies
    gain_generations : number of generations of the gain search at the end of training
        (`snn_control.training.algorithms.gains`); 0: no gain search. Gains are searched only if the environment has a
        reward threshold that some episodes miss
    total_timesteps : number of environment steps after which training ends
    """

    fit_ranges: Flag = False
    solve: Flag = False
    ridge: float = 2e-5
    n_envs: int = 8
    n_steps: int = 256
    sequence_length: int = 16
    burn_in: int = 2
    batch_size: int = 512
    gradient_steps: int = 60
    beta_decay: float = 0.5
    averaging: float = 4.0
    learning_rate: float = 2e-3
    max_grad_norm: float = 1.0
    spike_cost: float = 0.5
    total_timesteps: int = 25_000
    gain_generations: Annotated[int, Whole(0)] = 4

    @classmethod
    def defaults_for(cls, spec: ControllerSpec, limit: int | None) -> dict[str, Any]:
        """Return default settings that suit a controller.

        A sequence lasts 0.2 s, but has 16 to 256 steps. A round lasts 2 s, but has 256 to 4,096 steps. Outputs that
        give numbers need more rounds than choices: small errors of numbers add up, while a choice can be free of error.
        """
        length = int(np.clip(SEQUENCE / spec.period, 16, 256)) // 8 * 8
        steps = int(np.clip(ROUND / spec.period, 256, 4096)) // length * length
        return {
            "n_steps": steps,
            "sequence_length": length,
            "burn_in": length // 8,
            "batch_size": max(16, 32 * 16 // length) * length,
            "total_timesteps": steps * (64 if only_chooses(spec) else 100),
        }


def compact(array: np.ndarray) -> np.ndarray:
    """Return an array as int8, to save memory, if int8 represents all its numbers exactly; otherwise unchanged.

    Arrays of event counts can usually be stored as int8.
    """
    small = array.astype(np.int8) if array.dtype == np.float32 and np.abs(array).max(initial=0) < 127 else array
    return small if np.array_equal(small, array) else array


class LabelledStep(NamedTuple):
    """One step of all environments with the teacher's labels, before the environments receive the actions.

    batch : the controllers of all environments, after this step
    start : (n,) bool, whether an episode began with this step
    seen : the network's inputs in this step, as `Student.step` returns them
    wanted : output -> the teacher's labels, (n, ...) float32
    """

    batch: Batch
    start: np.ndarray
    seen: Seen
    wanted: dict[str, np.ndarray]


class Imitation(Learner):
    """The learner of the training method ``imitate``.

    The controller that acts, is validated and is saved has a moving average of the trained values over the last
    updates.

    teacher : the teacher to imitate, in a form that `teacher_of` accepts
    """

    settings: ImitationSettings
    checkpointed: tuple[str, ...] = ("optimizer", "data", "rounds", "raw")
    teacher: Any = None
    rest: TrainedPart | None = None
    policy: Sequence[Categorical | DiagGaussian]

    @property
    def steps_of_a_phase(self) -> int:
        return self.settings.n_envs * self.settings.n_steps

    @property
    def spike_price(self) -> float:
        """Weight of the mean number of spikes per neuron and step in the loss of the next update."""
        return self.settings.spike_cost

    def meet(self, envs: VectorEnv) -> None:
        """Check the settings, and create the action distributions and the teachers for these environments.

        Call this method before `play`.
        """
        s = self.settings
        if s.n_steps % s.sequence_length:
            raise DescriptionError(
                "settings.n_steps", s.n_steps, f"must be a multiple of sequence_length ({s.sequence_length})"
            )
        if s.burn_in >= s.sequence_length:
            raise DescriptionError(
                "settings.burn_in", s.burn_in, f"must be below sequence_length ({s.sequence_length})"
            )
        self.policy = distributions(self.parameters.spec.outputs, 1.0)
        self.rounds = 0
        teacher = policy_in(self.teacher) or self.teacher  # a policy file is read once
        self.make_teachers: Callable[[], list[Teacher]] = lambda: [teacher_of(teacher, env) for env in envs.envs]

    def begin(self, envs: VectorEnv, rng: np.random.Generator) -> None:
        self.meet(envs)
        s, trained = self.settings, [p.values for p in self.parameters.parameters]
        self.optimizer = Adam(trained, s.learning_rate, s.max_grad_norm)
        self.keep_raw()
        self.begin_data()

    def begin_data(self) -> None:
        """Start with an empty data set, and find the part of the controller that updates have to run."""
        self.data: dict[str, np.ndarray] = {}
        self.rest = trained_part_of(self.parameters)
        self.inner = self.rest or self  # runs the sequences: the trained part, or all of the controller

    def phase(self, envs: VectorEnv, seed: int, rng: np.random.Generator, remaining: float) -> dict[str, float]:
        s = self.settings
        self.collect(envs, seed, rng)
        if envs.keeps:  # before anything is learned
            self.fit_ranges(envs)
        self.optimizer.learning_rate = s.learning_rate * max(remaining, 0.05)
        losses, rates = [], []
        self.inner.student.gradient.use(self.student.gradient.surrogate)
        with self.averaged() as add:
            self.inner.parameters.write()
            for _ in range(s.gradient_steps):
                loss, rate = self.update(rng.integers(0, len(self.data["memory"]), s.sequences))
                losses.append(loss)
                rates.append(rate)
                add(s.averaging / s.gradient_steps)
        self.rounds += 1
        return {"loss": float(np.mean(losses)), "rate": float(np.mean(rates))}

    @contextmanager
    def averaged(self) -> Iterator[Callable[[float], None]]:
        """Context of a phase, in which updates change the trained values themselves instead of their moving average.

        On entry, the parameters get the values of the end of the last phase, before averaging. On exit, they get the
        moving average. The context yields a function. Call it after each update with the fraction of the average that
        the new values replace.
        """
        values = [p.values for p in self.parameters.parameters]
        means = [value.copy() for value in values]
        for value, raw in zip(values, self.raw, strict=True):
            value[...] = raw
        self.parameters.write()

        def add(share: float) -> None:
            for mean, value in zip(means, values, strict=True):
                mean += (value - mean) * value.dtype.type(share)

        yield add
        self.keep_raw()
        for value, mean in zip(values, means, strict=True):
            value[...] = mean
        self.parameters.write()

    def keep_raw(self) -> None:
        """Store a copy of the trained values before averaging. The next `averaged` context continues from this copy."""
        self.raw = [p.values.copy() for p in self.parameters.parameters]

    def play(
        self, student: Student, envs: VectorEnv, seed: int, rng: np.random.Generator, begins: Any = None
    ) -> Iterator[LabelledStep]:
        """Play a round with the controller and the teachers, and yield each step.

        begins : function that is called before the first step of each sequence, with the batch as its argument
        """
        s, n = self.settings, envs.n
        inputs, start, batch = envs.reset(seed), np.ones(n, bool), student.started(n)
        teach, share = self.expert_labels(envs), s.beta_decay**self.rounds if self.rounds < 6 else 0.0
        for t in range(s.n_steps):
            if t % s.sequence_length == 0:
                if begins is not None:
                    begins(batch)
                drives = rng.random(n) < share
            seen = student.step(batch, inputs, start)[1]
            wanted, commands = teach(inputs, start), []
            yield LabelledStep(batch, start, seen, wanted)
            for one in self.policy:
                own = batch.bound.array(f"{one.name}.command")  # within limits and slew, as in the finished controller
                commands.append(self.mixed_actions(one, own, wanted[one.name], drives))
            found = envs.step(commands)
            inputs, start = found.inputs, found.done

    def collect(self, envs: VectorEnv, seed: int, rng: np.random.Generator) -> None:
        s, n = self.settings, envs.n
        kept: dict[str, list[np.ndarray]] = defaultdict(list)
        remember = (self.rest or self.student).remember
        for now in self.play(self.student, envs, seed, rng, lambda batch: kept["memory"].append(remember(batch))):
            kept["start"].append(now.start)
            for name, value in (now.seen if self.rest is None else self.rest.inputs_of(now.batch)).items():
                kept[f"inputs.{name}"].append(value)
            for name, value in now.wanted.items():
                kept[f"label.{name}"].append(value)
        parts = s.n_steps // s.sequence_length
        for key, values in kept.items():
            array = np.array(values)
            if key == "memory":
                array = array.reshape(parts * n, -1)
            else:  # (steps, n, ..) -> (sequences, length, ..)
                array = array.reshape(parts, s.sequence_length, n, *array.shape[2:]).swapaxes(1, 2)
                array = array.reshape(parts * n, s.sequence_length, *array.shape[3:])
            array = compact(array)
            self.data[key] = np.concatenate([self.data[key], array]) if key in self.data else array

    def mixed_actions(
        self, one: Categorical | DiagGaussian, own: np.ndarray, wanted: np.ndarray, drives: np.ndarray
    ) -> np.ndarray:
        """Return commands (n, k) for n environments: the teacher's where ``drives`` is true, else the controllers'.

        one : action distribution of the output
        own : (n, k), commands of the controllers
        wanted : (n, ...), labels of the teacher
        drives : (n,) bool, environments in which the teacher's command acts
        """
        return np.where(drives[:, None], one.command_of(wanted), own)

    def expert_labels(self, envs: VectorEnv) -> Callable[[dict[str, Any], np.ndarray], dict[str, np.ndarray]]:
        """Return the function that labels the steps of a round with the teacher's actions.

        Call the returned function before each step, with the inputs of the step and an (n,) bool array: whether an
        episode starts with the step. It returns the teacher's labels: output -> (n, ...) float32.
        """
        teachers, outputs = self.make_teachers(), envs.interface.outputs
        ends = np.cumsum([one.size for one in outputs])[:-1]

        def teach(inputs: dict[str, Any], start: np.ndarray) -> dict[str, np.ndarray]:
            for k in np.flatnonzero(start):
                teachers[k].reset()
            said = [teacher.command(*envs.current(k)) for k, teacher in enumerate(teachers)]
            return {one.name: part for one, part in zip(outputs, np.split(np.array(said), ends, axis=1), strict=True)}

        return teach

    def sequences(self, rows: np.ndarray) -> tuple[Sequences, dict[str, np.ndarray]]:
        """Return the recorded sequences with these indices, and the labels: output -> (steps, rows, ...) float32."""
        part = {key: value[rows] for key, value in self.data.items()}
        part = {key: value if key == "memory" else value.swapaxes(0, 1) for key, value in part.items()}
        inputs, labels = (
            {key[len(of) :]: value.astype(np.float32) for key, value in part.items() if key.startswith(of)}
            for of in ("inputs.", "label.")
        )
        return Sequences(inputs, np.ascontiguousarray(part["start"]), part["memory"]), labels

    def update(self, rows: np.ndarray) -> tuple[float, float]:
        s, student = self.settings, self.inner.student
        data, labels = self.sequences(rows)
        heads, tape = student.run(*data)
        counts = np.ones((s.sequence_length, 1, 1), np.float32)
        counts[: s.burn_in] = 0
        by_head, loss = {}, 0.0
        for one in self.policy:
            g, cost = one.imitate(heads[one.name], labels[one.name])
            weight = counts / np.float32(counts.sum() * len(rows))
            by_head[one.name] = (g * weight).astype(np.float32)
            loss += float((cost[..., None] * weight).sum())
        rate = student.price_spikes(tape, self.spike_price)
        self.optimizer.step(self.inner.parameters.gradients(student.backward(tape, by_head)))
        self.inner.parameters.write()
        return loss, rate
