"""Run a controller and record the activity of each population in every network step, without changing the results.

A tick is a sequence of operations. `Probed` runs the same operations in the same order, but stops before and after the
operation of each population's neurons. Before, it reads the currents that drive the neurons; after, their membranes. So
it records values that are not visible between ticks, such as a membrane within a tick or a NaN that the engine removes
immediately.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..controller import Controller
from ..engine.bound import Bound
from ..engine.compile import compile_function
from ..engine.facts import PopulationFacts
from ..engine.kernels import HUGE
from ..engine.kernels import guard as guard_words
from ..engine.program import POST, PRE, STEP, Program
from ..engine.spike_ring import SpikeRing
from ..engine.tick import ROW, run_rows
from .stimulus import Stimulus

__all__ = ["Activity", "PopulationProbe", "Probed", "probe", "sample"]


class PopulationProbe:
    """Records the activity of one population of a bound Program, before and after the population's neurons run.

    Arrays have one element for each neuron.

    spikes, fired : (n,) int64, number of spikes, and number of steps with a spike
    raster : (2, k) int64, network step and neuron of each of the k pairs of a step and a neuron that fired in it
    highest : (n,) float32, largest membrane potential after a step
    drive_low, drive_high : (n,) float32, smallest and largest finite current (including synaptic) before a step
    bias : (n,) float32, bias current
    bad_steps : number of steps in which the engine reset a current or membrane because it was not finite or too large
    """

    def __init__(self, bound: Bound, facts: PopulationFacts) -> None:
        name, n, places = facts.name, facts.size, bound.program.names
        self.name, self.size, self.spiking = name, n, facts.spiking
        bias = bound.array(f"{name}.bias")
        # without current inputs, the bias is the current
        self._currents = [bound.array(f"{name}.current") if f"{name}.current" in places else bias]
        self._currents += [bound.array(f"{name}.isyn")] if f"{name}.isyn" in places else []
        self._v = bound.array(f"{name}.v") if f"{name}.v" in places else np.zeros(n, np.float32)  # some have none
        self._ring = SpikeRing(bound, facts) if self.spiking else None
        self.spikes, self.fired = np.zeros(n, np.int64), np.zeros(n, np.int64)
        self.highest, self.bias = np.full(n, -np.inf, np.float32), bias.copy()
        self.drive_low, self.drive_high = np.full(n, np.inf, np.float32), np.full(n, -np.inf, np.float32)
        self._step, self.bad_steps, self._bad = 0, 0, False
        self._rows: list[np.ndarray] = []  # parts of the raster

    def before(self) -> None:
        """Record the currents of the neurons. Call this method before the neurons run."""
        drive = self._currents[0] if len(self._currents) == 1 else self._currents[0] + self._currents[1]
        self._bad = not np.abs(drive).max() < HUGE  # NaN compares False
        if self._bad:
            drive = np.where(np.abs(drive) < HUGE, drive, self.bias)
        np.minimum(self.drive_low, drive, out=self.drive_low)
        np.maximum(self.drive_high, drive, out=self.drive_high)

    def after(self) -> None:
        """Record the membranes and spikes of the neurons. Call this method after the neurons have run."""
        if not np.abs(self._v).max() < HUGE:
            self._bad = True
        else:
            np.maximum(self.highest, self._v, out=self.highest)
        self.bad_steps += self._bad
        if self._ring is not None:
            _, fired, times = self._ring.read(self._step, self._step + 1)
            self.fired[fired] += 1
            self.spikes[fired] += times
            self._rows.append(np.stack([np.full(len(fired), self._step), fired]))
        self._step += 1

    @property
    def raster(self) -> np.ndarray:
        return np.concatenate([np.zeros((2, 0), np.int64), *self._rows], axis=1)


@dataclass
class Activity:
    """Recorded activity of a controller during a run with a stimulus.

    program : the Program that ran
    dt, period : step of the network and period of a tick [s]
    steps : total number of network steps
    populations : name -> PopulationProbe
    command : (ticks, numbers) float64, all outputs concatenated in order
    safe, not_finite : (ticks,) bool, true if the command was the safe command, and if an output was not finite
    inputs : name of an input -> its counters, as in `Controller.counters`
    """

    program: Program
    stimulus: Stimulus
    dt: float
    period: float
    steps: int
    populations: dict[str, PopulationProbe]
    command: np.ndarray
    safe: np.ndarray
    not_finite: np.ndarray
    inputs: dict[str, dict[str, Any]]


class Probed(Controller):
    """A controller that records the activity of each population in each network step.

    A call of `step` runs one tick, even if ``repeat`` is larger.
    """

    def __init__(self, program: Program) -> None:
        self._rows = compile_function(run_rows, "int64(int64,int64)")
        sections = [o.section for o in program.operations]
        self._counts = {section: sections.count(section) for section in (PRE, STEP, POST)}
        super().__init__(program)
        self._clock = self.bound.array("clock")
        self._step_rows = [o for o in program.operations if o.section == STEP]
        self.probes = [PopulationProbe(self.bound, p) for p in program.facts.populations]
        self._stops = sorted(((self._row_of(one.name), one) for one in self.probes), key=lambda stop: stop[0])

    def _row_of(self, name: str) -> int:
        """Return the index, within a step, of the operation that computes the neurons of population ``name``."""
        names = self.program.names
        signal = names.get(f"{name}.spikes") or names[f"{name}.v"]
        return next(k for k, o in enumerate(self._step_rows) if o.label == name and signal in o.operands)

    def _run(self) -> None:
        row = first_step = self._rows(self.bound.table + ROW, self._counts[PRE])
        for _ in range(self.program.steps):
            row, done = first_step, 0
            for at, one in self._stops:
                row = self._rows(row, at - done)
                one.before()
                row = self._rows(row, 1)
                one.after()
                done = at + 1
            row = self._rows(row, self._counts[STEP] - done)
            self._clock[1] += 1
        self._rows(row, self._counts[POST])
        self._clock[0] += 1


def sample(n: int, most: int) -> np.ndarray:
    """Return at most ``most`` evenly spaced indices from 0 to n - 1, including the first and the last."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def probe(program: Program, stimulus: Stimulus) -> Activity:
    """Reset a controller, run it with a stimulus, and return the recorded activity."""
    steps, probed = stimulus.ticks * program.steps, Probed(program)
    command, guard = probed.bound.array("command"), probed.bound.array("guard")
    commands = np.empty((stimulus.ticks, command.size))
    safe, not_finite = np.zeros(stimulus.ticks, bool), np.zeros(stimulus.ticks, bool)
    with np.errstate(all="ignore"):  # an overflow of the network is a possible finding
        for k, observation in enumerate(stimulus.log.observations()):
            probed.step(observation)
            commands[k], safe[k] = command, probed.safe
            not_finite[k] = guard[guard_words.REASON] & guard_words.OUTPUT_NOT_FINITE != 0
    populations = {one.name: one for one in probed.probes}
    times, inputs = (program.facts.dt, program.facts.period), probed.counters()["inputs"]
    return Activity(program, stimulus, *times, steps, populations, commands, safe, not_finite, inputs)
