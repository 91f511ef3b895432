"""Diagnose a controller: find problems that are certain, and problems observed with a stimulus.

Some findings follow from weights, parameters and ranges alone (`reachable_activity`, `identical`):

- neurons that can never fire, or always fire
- identical neurons
- commands that can have only one sign, or are constant

A number that was not finite is a problem with any stimulus, too. All other findings are observations with one stimulus.
They are reported only for a real stimulus, from a recording or an environment. A neuron that did not fire may have had
no reason to fire with the stimulus: for example, the robot did not visit a place cell's place. So silent neurons are a
finding only if a changing stimulus had no effect at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..coding import ValueInput
from ..controller_file import ControllerSpec
from ..findings import Finding, warning
from ..network import IF, NeuronModel, Threshold
from . import health
from .bounds import Bounds, reachable_activity
from .health import InputHealth, OutputHealth
from .identical import Groups, identical
from .probe import Activity, PopulationProbe
from .synapses import all_synapses

__all__ = ["Health", "PopulationHealth", "diagnose", "fires_always", "neurons_of"]

SATURATED = 0.95  # share of the spikes that the refractory period allows
SELF_EXCITING = "weights too large, or a loop that excites itself"
SOME = 0.10  # share of a population: fewer dead, saturated or identical neurons are no finding


@dataclass(frozen=True)
class PopulationHealth:
    """Firing of one population with the stimulus, and its possible firing with any stimulus.

    where : path of the population in the controller file
    rate_hz, slowest_hz, fastest_hz : mean rate of all neurons, and rates of the slowest and the fastest neuron
    silent : number of neurons that did not fire with the stimulus
    dead : number of neurons that can never fire, with any stimulus
    possible_drive, way : largest current that inputs and weights allow into a dead neuron, and the largest membrane
        potential that a dead neuron can reach, as a fraction of the distance from rest to threshold
    bias : bias of the dead neuron with the largest possible current
    always : number of neurons that fire in every step that their refractory period allows, with any stimulus
    saturated : number of neurons that fired in more than 95 % of the steps that their refractory period allows
    selective : whether the neurons are designed to fire either at their largest rate or not at all
    together : sizes of groups of neurons with equal parameters and incoming weights, which therefore fire together
    identical : sizes of groups of neurons that, in addition, have equal outgoing weights
    largest_drive : largest current (including synaptic) into a silent neuron, or into any neuron if none is silent
    membrane : maximum and median, over the silent neurons that received input, of a neuron's highest membrane potential
        as a fraction of the distance from rest to threshold. None if there are no such neurons, or if the model is not
        linear below its threshold
    threshold : threshold of the silent neuron that came closest to its threshold; None if ``membrane`` is None
    bad_steps : number of steps in which the engine reset a current or membrane because it was not finite or too large
    """

    where: str
    size: int
    spiking: bool
    rate_hz: float
    slowest_hz: float
    fastest_hz: float
    silent: int
    dead: int
    possible_drive: float
    way: float
    bias: float
    always: int
    saturated: int
    selective: bool
    together: Groups
    identical: Groups
    largest_drive: float
    membrane: tuple[float, float] | None
    threshold: float | None
    bad_steps: int


@dataclass(frozen=True)
class Health:
    """Result of `diagnose` for a controller.

    stimulus, seconds : title and length [s] of the stimulus
    synthetic : whether the stimulus was generated rather than measured or simulated; reactions to such a stimulus are
        not findings
    changes : whether the stimulus changed with time
    weighed : whether each synapse was examined; controllers with too many synapses skip this examination
    steps, ticks : numbers of network steps and of ticks with the stimulus
    safe_ticks : number of ticks with the safe command
    not_finite_ticks : number of ticks in which an output was not finite
    """

    stimulus: str
    seconds: float
    synthetic: bool
    changes: bool
    weighed: bool
    steps: int
    ticks: int
    inputs: tuple[InputHealth, ...]
    populations: tuple[PopulationHealth, ...]
    outputs: tuple[OutputHealth, ...]
    safe_ticks: int
    not_finite_ticks: int

    def numbers(self) -> dict[str, Any]:
        """Return all results of the diagnosis as JSON data, with six digits, and null for infinity and NaN."""
        text = json.dumps(asdict(self))
        found = json.loads(text, parse_constant=lambda _: None, parse_float=lambda t: float(f"{float(t):.6g}"))
        for o, one in zip(self.outputs, found["outputs"], strict=True):
            one["one_sided"], one["never"] = o.one_sided, o.never
        return found

    def warnings(self) -> list[Finding]:
        """Return the certain findings and, unless the stimulus is synthetic, those observed with the stimulus."""
        found = [one for p in self.populations for one in _certain(p, self.steps)]
        found += health.findings(self.outputs, health.certain_findings)
        if self.not_finite_ticks:
            text = f"not finite in {self.not_finite_ticks:,} of {self.ticks:,} ticks with this stimulus, "
            found.append(warning("outputs", f"{text}the command was the safe one", SELF_EXCITING))
        if self.safe_ticks == self.ticks:
            text = "the command was the safe one all the time with this stimulus"
            fix = "a required input is invalid (`plausible`, `stale`), or an output is not finite"
            found.append(warning("outputs", text, fix))
        found += [one for i in self.inputs for one in health.input_findings(i)]
        return found if self.synthetic else found + self._observed()

    def _observed(self) -> list[Finding]:
        """Return the findings that were observed with the stimulus; an empty list if the stimulus is synthetic."""
        found = [one for p in self.populations for one in _saturated(p)]
        if self.safe_ticks == self.ticks:
            return found
        found += health.findings(self.outputs, health.output_findings)
        still = not any(o.moved for o in self.outputs)
        explained = any(o.possible[0] == o.possible[1] or o.stuck for o in self.outputs)
        if still and self.changes and not explained:
            fix = "fine if no motion was needed, else the decoded signals are silent or constant, or their weights too "
            fix += "small or cut off by the limits"
            found.append(warning("outputs", f"no command moved in {self.ticks:,} ticks of {self.stimulus}", fix))
            found += [_silent(p) for p in self.populations if p.spiking and p.silent == p.size and not p.dead]
        return found


def _certain(p: PopulationHealth, steps: int) -> Iterator[Finding]:
    """Yield the certain findings about a population, which are independent of the stimulus."""
    if p.bad_steps:
        text = f"a current or membrane was NaN, infinite or beyond 1e30 in {p.bad_steps:,} of {steps:,} steps "
        yield warning(p.where, f"{text}with this stimulus and was reset", SELF_EXCITING)
    if p.dead > SOME * p.size:
        yield _dead(p)
    elif sum(p.together) - len(p.together) > SOME * p.size:
        yield _alike(p)
    if p.always > SOME * p.size:
        text = f"{p.always:,} of {p.size:,} neurons fire in every step they can, with any stimulus"
        fix = "a smaller bias or weaker constant drive into them, a higher v_threshold, or a refractory period"
        yield warning(p.where, text, fix)


def _dead(p: PopulationHealth) -> Finding:
    many = f"none of its {p.size:,} neurons can ever fire" if p.size > 1 else "its neuron can never fire"
    if p.dead < p.size:
        many = f"{p.dead:,} of {p.size:,} neurons can never fire (no fault if training pruned them to save spikes)"
    if p.way > 0:
        why = f"inputs and weights allow a drive of {p.possible_drive:.3g} at most, {_percent(p.way)} of the way to "
        why += f"threshold; {_more(p.way)}"
    elif p.bias < 0:
        why = f"a bias of {p.bias:.6g} holds them down, and all else adds {p.possible_drive - p.bias:.3g} at most: "
        why += "raise the bias, or add projections or larger positive weights"
    else:
        why = "nothing excites them: add projections, positive weights or a bias, or remove them"
    return warning(p.where, many, why)


def _alike(p: PopulationHealth) -> Finding:
    groups = p.together
    sizes = " + ".join(f"{n:,}" for n in groups[:3]) + (" + ..." if len(groups) > 3 else "")
    what = "are identical, with the same parameters, weights in and weights out"
    if p.identical != groups:
        what = f"always {'fire together' if p.spiking else 'are equal'}, with the same parameters, bias and weights in"
    work = f"they do the work of {'one' if len(groups) == 1 else f'{len(groups):,}'}"
    fix = "give each neuron its own incoming weights, e.g. {type: uniform, low, high, seed}"
    return warning(p.where, f"{sizes} of its {p.size:,} neurons {what}: {work}", fix)


def _saturated(p: PopulationHealth) -> Iterator[Finding]:
    if p.saturated > SOME * p.size and not p.selective and not p.always:
        text = f"{p.saturated:,} of {p.size:,} neurons fired in more than {SATURATED:.0%} of the steps they could with "
        text += f"this stimulus (the fastest at {p.fastest_hz:.4g} Hz)"
        fix = "lower the weights or drive into it, raise v_threshold, or give a refractory period"
        yield warning(p.where, text, fix)


def _silent(p: PopulationHealth) -> Finding:
    """Return the finding on a population that can fire but did not, with the cause and a fix."""
    many = f"none of its {p.size:,} neurons fired" if p.size > 1 else "its neuron did not fire"
    if p.membrane is None:
        why = f"the largest current into them was {p.largest_drive:.3g}: raise the weights or the drive"
    elif p.membrane[0] <= 0:
        why = "only inhibition reached them: lower it, or add excitation or a bias"
    else:
        best, median = p.membrane
        why = (
            f"drive up to {p.largest_drive:.3g} took the best membrane {_percent(best)} of the way to threshold "
            f"{p.threshold:.3g}, the median {_percent(median)}; {_more(best)}"
        )
    return warning(p.where, f"{many} with this stimulus", why)


def _percent(share: float) -> str:
    """Return a share (0 to 1) as text in whole per cent. Only a share of exactly 1 becomes 100."""
    return f"{min(share, 0.99):.0%}" if share > 0 else "0%"


def _more(share: float) -> str:
    """Return advice for a membrane that reaches only the fraction ``share`` of the distance to its threshold."""
    return f"weights or drive x {math.ceil(100 / share) / 100:.3g} or more, or a lower v_threshold"


def neurons_of(spec: ControllerSpec) -> dict[str, tuple[str, NeuronModel]]:
    """Return all neurons, those of encoders first, as name -> (path in the controller file, neuron model)."""
    found = {}
    for one in spec.inputs:
        model = getattr(getattr(one, "encoder", None), "neuron", None)
        if model is not None:
            found[one.name] = (f"inputs.{one.name}.encoder", model)
    return found | {p.name: (f"network.populations.{p.name}", p.neuron) for p in spec.network.populations}


def fires_always(model: NeuronModel, fired: np.ndarray, steps: int, dt: float) -> np.ndarray:
    """Return which neurons fired in over 95 % of the steps that their refractory period allows, (n,) bool.

    fired : (n,), number of steps in which each neuron fired
    steps : total number of steps
    """
    refractory = np.round(np.asarray(getattr(model, "refractory", 0.0), np.float64) / dt)
    return fired > SATURATED * steps / np.maximum(refractory, 1)


def diagnose(spec: ControllerSpec, activity: Activity) -> Health:
    """Diagnose a controller from its description and from its activity with a stimulus."""
    stimulus, neurons = activity.stimulus, neurons_of(spec)
    selective = {one.name for one in spec.inputs if getattr(getattr(one, "encoder", None), "selective", False)}
    synapses = all_synapses(spec, activity.program)
    bounds = reachable_activity(spec, activity.program, synapses)
    alike = identical(spec, synapses) if synapses is not None else {}
    numbers = [(one, j) for one in spec.outputs for j in range(one.size)]
    outputs = [
        health.output_health(one, j, command, ~activity.safe, activity.period, possible)
        for (one, j), command, possible in zip(numbers, activity.command.T, bounds.commands.T.tolist(), strict=True)
    ]
    populations = []
    for name, found in activity.populations.items():
        reached, groups = bounds.populations[name], alike.get(name, ((), ()))
        populations.append(_population(*neurons[name], found, activity, reached, name in selective, groups))
    values = (one for one in spec.inputs if isinstance(one, ValueInput))
    changes = any(len(t) for t, *_ in stimulus.events.values())
    changes |= any(bool((rows != rows[0]).any()) for rows in stimulus.values.values())
    inputs = (health.input_health(one, stimulus, activity.inputs[one.name]) for one in values)
    return Health(
        stimulus=stimulus.text, seconds=stimulus.seconds, synthetic=stimulus.synthetic, changes=changes,
        weighed=synapses is not None, steps=activity.steps, ticks=stimulus.ticks,
        inputs=tuple(i for i in inputs if i is not None), populations=tuple(populations), outputs=tuple(outputs),
        safe_ticks=int(activity.safe.sum()), not_finite_ticks=int(activity.not_finite.sum()),
    )  # fmt: skip


def _population(
    where: str, model: NeuronModel, found: PopulationProbe, activity: Activity, bounds: Bounds,
    selective: bool, groups: tuple[Groups, Groups],
) -> PopulationHealth:  # fmt: skip
    rates = found.spikes / (activity.steps * activity.dt)
    reached = (found.drive_high > found.bias) | (found.drive_low < found.bias)
    silent = (found.spikes == 0) & found.spiking
    saturated = fires_always(model, found.fired, activity.steps, activity.dt)
    reached &= silent
    membrane = threshold = None
    if reached.any() and isinstance(model, IF | Threshold):  # linear below the threshold
        values = (np.asarray(getattr(model, key, 0.0), np.float64) for key in ("v_threshold", "v_leak"))
        limit, rest = (np.broadcast_to(value, found.size)[reached] for value in values)
        share = (found.highest[reached] - rest) / (limit - rest)
        membrane = float(share.max()), float(np.median(share))
        threshold = float(limit[np.argmax(share)])
    dead = ~bounds.fires
    possible_drive = way = bias = math.nan
    if dead.any():
        best = int(np.argmax(np.where(dead, bounds.drive[1], -np.inf)))
        possible_drive, way, bias = float(bounds.drive[1, best]), float(bounds.way[dead].max()), float(found.bias[best])
    return PopulationHealth(
        where=where, size=found.size, spiking=found.spiking, rate_hz=float(rates.mean()), slowest_hz=float(rates.min()),
        fastest_hz=float(rates.max()), silent=int(silent.sum()), dead=int(dead.sum()), possible_drive=possible_drive,
        way=way, bias=bias, always=int(bounds.always.sum()), saturated=int(saturated.sum()), selective=selective,
        together=groups[0], identical=groups[1],
        largest_drive=float(found.drive_high[silent if silent.any() else ...].max()), membrane=membrane,
        threshold=threshold, bad_steps=found.bad_steps,
    )  # fmt: skip
