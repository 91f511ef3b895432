"""Statistics of a controller over episodes: changes of its commands, and numbers of neurons that fired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder
from ..controller.base import SteppedController
from ..controller_file import ControllerSpec
from ..engine.compile import compile_function
from ..engine.memory import i64
from ..engine.program import Program
from ..engine.spike_ring import RING_WORDS, ring_words, spikes_in_ring
from .diagnosis import fires_always, neurons_of
from .health import OutputHealth, output_health

__all__ = ["EpisodeStatistics", "Firing", "Watcher", "command_rows", "commands_of", "firing_of"]

WORDS = RING_WORDS + 1  # words of a population: its ring, and the index of its first neuron


@dataclass(frozen=True)
class EpisodeStatistics:
    """The commands and the firing of a controller in one episode.

    commands : (ticks, numbers) float64, all outputs concatenated in order
    fired : (neurons,) int64, number of network steps in which each neuron fired; all spiking populations are
        concatenated
    """

    commands: np.ndarray
    fired: np.ndarray


def count_fired(rings, populations, rows, stride, clock, steps, counts, neurons):
    """Count the steps, of the newest ``steps`` network steps, in which each neuron fired, for each row of a batch.

    rings : address of the `ring_words` of each population, followed by the index of its first neuron
    rows, stride : number of rows, and bytes from the state of one row to the next
    clock : address of the clock of row 0
    counts : address of int64 (rows, neurons); the function adds to these counts
    """
    for r in range(rows):
        end = i64(clock + r * stride, 2)[1]
        for p in range(populations):
            ring = i64(rings + 8 * WORDS * p, WORDS)
            count = i64(counts + 8 * (r * neurons + ring[RING_WORDS]), neurons - ring[RING_WORDS])
            for step in range(end - steps, end):
                fired = spikes_in_ring(ring[0] + r * stride, ring[1], ring[2], ring[3], step).fired
                for k in range(fired.size):
                    count[fired[k]] += 1


class Watcher:
    """An observer (`SteppedController.observers`) that stores commands and counts the firing of neurons.

    It observes one controller, or all rows of a batch.
    """

    def __init__(self, stepped: SteppedController) -> None:
        bound, program = stepped.bound, stepped.program
        spiking = [p for p in program.facts.populations if p.spiking]
        firsts = np.cumsum([0, *(p.size for p in spiking)]).tolist()
        words = [(*ring_words(bound, p), first) for p, first in zip(spiking, firsts)]
        rows = bound.rows or 1
        self._rings, self._bound = np.array(words, np.int64), bound  # keeps the rings alive
        self._fired = np.zeros((rows, firsts[-1]), np.int64)
        self._commands: list[np.ndarray] = []
        self._begun = [0] * rows
        self._command = np.atleast_2d(bound.array("command"))
        self._count = compile_function(count_fired, f"void({','.join(['int64'] * 8)})")
        self._words = (
            self._rings.ctypes.data, len(words), rows, bound.state.strides[0], bound.address("clock"), program.steps,
            self._fired.ctypes.data, firsts[-1],
        )  # fmt: skip

    def __call__(self) -> None:
        self._count(*self._words)
        self._commands.append(self._command.copy())

    def take(self, row: int = 0) -> EpisodeStatistics:
        """Return the statistics of a batch row since the last call for this row, or since the start."""
        commands = np.array([of[row] for of in self._commands[self._begun[row] :]])
        fired = self._fired[row].copy()
        self._fired[row], self._begun[row] = 0, len(self._commands)
        return EpisodeStatistics(commands.reshape(-1, self._command.shape[1]), fired)


@dataclass(frozen=True)
class Firing:
    """Numbers of neurons of a population that ``never`` fired, and that ``always`` fired.

    A neuron counts as ``always`` if it fired in more than 95 % of the network steps in which its refractory period
    allows it to fire.
    """

    where: str
    neurons: int
    never: int
    always: int


def commands_of(spec: ControllerSpec, episodes: Sequence[EpisodeStatistics]) -> list[OutputHealth]:
    """Return an `OutputHealth` for each element of the command, with statistics over all episodes together.

    Its bounds ``possible`` are infinite.
    """
    gap = np.full((1, episodes[0].commands.shape[1]), np.nan)  # so that no change is counted between episodes
    commands = np.concatenate([part for one in episodes for part in (one.commands, gap)])
    live, numbers = ~np.isnan(commands[:, 0]), [(one, j) for one in spec.outputs for j in range(one.size)]
    return [
        output_health(one, j, command, live, spec.period, (-np.inf, np.inf))
        for (one, j), command in zip(numbers, commands.T, strict=True)
    ]


def firing_of(spec: ControllerSpec, program: Program, episodes: Sequence[EpisodeStatistics]) -> list[Firing]:
    """Return the `Firing` of each spiking population, over all episodes together."""
    models, fired, found, first = neurons_of(spec), np.sum([one.fired for one in episodes], axis=0), [], 0
    steps = sum(len(one.commands) for one in episodes) * program.steps
    for p in program.facts.populations:
        if p.spiking:
            where, model = models[p.name]
            own = fired[first : first + p.size]
            always = fires_always(model, own, steps, spec.dt)
            found.append(Firing(where, p.size, int((own == 0).sum()), int(always.sum())))
            first += p.size
    return found


def command_rows(
    spec: ControllerSpec, program: Program, episodes: Sequence[EpisodeStatistics]
) -> dict[str, list[dict[str, Any]]]:
    """Return statistics of commands and firing as JSON data.

    The lists have a row for each element of the command, and for each population.

    The row of an arg-max output has ``changes_hz``, the number of changes of its action per second. The row of any
    other element has ``sign_changes_hz`` and ``at_a_limit``, the fraction of ticks in which the element was at a limit,
    or near a limit if the output has ``squash``. Values that do not apply are None. A population's row has the fields
    of `Firing`.
    """
    chosen = {f"outputs.{one.name}" for one in spec.outputs if isinstance(one.decoder, ArgmaxDecoder)}
    nothing = dict.fromkeys(("changes_hz", "sign_changes_hz", "at_a_limit"))
    commands = [
        {"where": o.where, **nothing}
        | ({"changes_hz": o.changes_hz} if o.where in chosen
           else {"sign_changes_hz": o.sign_changes_hz, "at_a_limit": o.at_low + o.at_high})
        for o in commands_of(spec, episodes)
    ]  # fmt: skip
    return {"commands": commands, "neurons": [asdict(one) for one in firing_of(spec, program, episodes)]}
