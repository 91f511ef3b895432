"""What is wrong with a network, as far as one stimulus shows it: dead and saturated neurons, overflows, stuck outputs.

Nothing here is a proof. A neuron that never fired did not fire *with this stimulus*; every line says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..coding import ArgmaxDecoder, Output
from ..network import IF, NeuronModel, Threshold
from ..spec import ControllerSpec
from .watch import Activity, Seen

__all__ = ["Health", "OutputHealth", "PopulationHealth", "diagnose", "neurons_of"]

SATURATED = 0.95  # of the spikes that the refractory period leaves room for
STUCK = 0.90  # of the ticks at a limit


@dataclass(frozen=True)
class PopulationHealth:
    """Of one population, counted over all steps.

    where : its path in the controller file
    rate_hz, fastest_hz : mean over all neurons, and of the one that fired most
    dead : never fired, though something reached their population
    out_of_reach : of these, how many nothing reached
    saturated : fired in more than 95 % of the steps that their refractory period leaves
    driven : something other than the bias reached it
    largest_drive : largest current (synaptic included) into a dead neuron, or into any where none is dead
    membrane : largest and median of the highest membranes of the dead that something reached, as a share of the way
        from rest to threshold; None where there are none, or the model is not linear below its threshold
    threshold : of the dead one that came nearest to it, or None
    bad_steps : steps in which a current or membrane was not finite or beyond what the engine keeps, and was reset
    """

    where: str
    size: int
    spiking: bool
    rate_hz: float
    fastest_hz: float
    dead: int
    out_of_reach: int
    saturated: int
    driven: bool
    largest_drive: float
    membrane: tuple[float, float] | None
    threshold: float | None
    bad_steps: int


@dataclass(frozen=True)
class OutputHealth:
    """Of one number of an output, over the ticks in which its command was not the safe one.

    at_low, at_high : share of the ticks at a limit
    low, high, unit : the limits, infinite where there are none
    span : smallest and largest command
    """

    where: str
    at_low: float
    at_high: float
    low: float
    high: float
    unit: str
    span: tuple[float, float]


@dataclass(frozen=True)
class Health:
    """What `diagnose` found.

    stimulus, seconds : what was shown, and how long [s]
    steps, ticks : network steps and ticks in it
    safe_ticks : ticks whose command was the safe one
    not_finite_ticks : ticks in which an output was not finite
    """

    stimulus: str
    seconds: float
    steps: int
    ticks: int
    populations: tuple[PopulationHealth, ...]
    outputs: tuple[OutputHealth, ...]
    safe_ticks: int
    not_finite_ticks: int

    def numbers(self) -> dict[str, Any]:
        """All of it as JSON knows it: no infinities."""

        def plain(value: Any) -> Any:
            if isinstance(value, tuple):
                return [plain(v) for v in value]
            if isinstance(value, float):
                return float(f"{value:.6g}") if math.isfinite(value) else None
            return value

        found: dict[str, Any] = {key: plain(value) for key, value in vars(self).items()}
        for key in ("populations", "outputs"):
            found[key] = [{k: plain(v) for k, v in vars(one).items()} for one in getattr(self, key)]
        return found

    def warnings(self) -> list[str]:
        """One line a finding: path, what was seen, likely causes and fixes."""
        lines = [line for p in self.populations for line in _of_population(p, self.steps)]
        if self.not_finite_ticks:
            lines.append(
                f"outputs: not finite in {self.not_finite_ticks:,} of {self.ticks:,} ticks with this stimulus, the "
                "command was the safe one: weights too large, or a loop that excites itself"
            )
        if self.safe_ticks == self.ticks:
            lines.append("outputs: the command was the safe one all the time with this stimulus: a required input "
                         "is invalid (`plausible`, `stale`), or an output is not finite")  # fmt: skip
            return lines
        return lines + _of_outputs(self.outputs)


def _of_population(p: PopulationHealth, steps: int) -> list[str]:
    lines = []
    if p.bad_steps:
        lines.append(
            f"{p.where}: a current or membrane was NaN, infinite or beyond 1e30 in {p.bad_steps:,} of {steps:,} steps "
            "with this stimulus and was reset: weights too large, or a loop that excites itself"
        )
    if p.dead:
        many = f"{p.dead:,} of {p.size:,} neurons never fired"
        if p.dead == p.size:
            many = f"none of its {p.size:,} neurons fired" if p.size > 1 else "its neuron never fired"
        lines.append(f"{p.where}: {many} with this stimulus: {_why_dead(p)}")
    elif p.spiking and not p.driven and p.rate_hz == 0:
        lines.append(f"{p.where}: nothing reached it with this stimulus and it never fired: no projection leads to it, "
                     "what projects to it is silent, or their weights are 0")  # fmt: skip
    if p.saturated:
        lines.append(
            f"{p.where}: {p.saturated:,} of {p.size:,} neurons fired in more than {SATURATED:.0%} of the steps they "
            f"could with this stimulus (the fastest at {p.fastest_hz:.4g} Hz): lower the weights or drive into it, "
            "raise v_threshold, or give a refractory period"
        )
    return lines


def _why_dead(p: PopulationHealth) -> str:
    if p.out_of_reach == p.dead:
        return "nothing reached them: add projections or weights to them, or remove them"
    unreached = f"; nothing at all reached {p.out_of_reach:,} of them" if p.out_of_reach else ""
    if p.membrane is None or p.threshold is None:
        return f"the largest current into them was {p.largest_drive:.3g}: raise the weights or the drive{unreached}"
    best, median = p.membrane
    if best <= 0:
        return f"only inhibition reached them: lower it, or add excitation or a bias{unreached}"
    seen = f"drive up to {p.largest_drive:.3g} took the best membrane {_percent(best)} of the way to threshold " + (
        f"{p.threshold:.3g}"
    )
    if p.dead == p.size:
        factor = math.ceil(100 / best) / 100
        return f"{seen}; weights or drive x {factor:.3g} or more, or a lower v_threshold{unreached}"
    return (
        f"{seen}, the median {_percent(median)}; fine if few are meant to fire, else larger weights, less inhibition "
        f"or a lower v_threshold{unreached}"
    )


def _percent(share: float) -> str:
    """Whole per cent, never rounded up to all of it."""
    return f"{min(share, 0.99):.0%}" if share > 0 else "0%"


def _of_outputs(outputs: Sequence[OutputHealth]) -> list[str]:
    """A line for each output and finding, of as many of its numbers as share it."""
    found: dict[tuple[str, str], list[OutputHealth]] = {}
    for o in outputs:
        finding = _finding(o)
        if finding:
            found.setdefault((o.where.partition("[")[0], finding), []).append(o)
    lines = []
    for (where, finding), those in found.items():
        cause = "wider limits or smaller decoder weights" if "limit" in finding else (
            "what it decodes is silent or constant, or its weights are too small or cut off by the limits"
        )  # fmt: skip
        name = those[0].where if len(those) == 1 else f"{where}, {len(those)} of its numbers"
        lines.append(f"{name}: {finding} with this stimulus: {cause}")
    return lines


def _finding(o: OutputHealth) -> str:
    unit = f" {o.unit}" if o.unit else ""
    if o.span[0] == o.span[1]:
        return f"stayed at {o.span[0]:.4g}{unit}"
    for share, limit in ((o.at_low, o.low), (o.at_high, o.high)):
        if share > STUCK:
            return f"at its limit of {limit:.4g}{unit} in more than {STUCK:.0%} of the ticks"
    both = o.at_low + o.at_high > STUCK
    return f"at one of its limits in more than {STUCK:.0%} of the ticks" if both else ""


def neurons_of(spec: ControllerSpec) -> dict[str, tuple[str, NeuronModel]]:
    """Name -> (path in the controller file, model) of everything that has neurons: encoders, then populations."""
    found = {}
    for one in spec.inputs:
        model = getattr(getattr(one, "encoder", None), "neuron", None)
        if model is not None:
            found[one.name] = (f"inputs.{one.name}.encoder", model)
    return found | {p.name: (f"network.populations.{p.name}", p.neuron) for p in spec.network.populations}


def diagnose(spec: ControllerSpec, activity: Activity) -> Health:
    """Judge what a controller did with a stimulus."""
    neurons = neurons_of(spec)
    live = ~activity.safe
    outputs: list[OutputHealth] = []
    for one in spec.outputs:
        for j in range(one.size):
            outputs.append(_output(one, j, activity.command[live, len(outputs)]))
    return Health(
        activity.stimulus.text,
        activity.stimulus.seconds,
        activity.steps,
        activity.stimulus.ticks,
        tuple(_population(*neurons[name], seen, activity) for name, seen in activity.populations.items()),
        tuple(outputs),
        int(activity.safe.sum()),
        int(activity.not_finite.sum()),
    )


def _population(where: str, model: NeuronModel, seen: Seen, activity: Activity) -> PopulationHealth:
    duration = activity.steps * activity.dt
    reached = (seen.drive_high > seen.bias) | (seen.drive_low < seen.bias)
    dead = (seen.spikes == 0) & seen.spiking & reached.any()
    refractory = np.round(np.asarray(getattr(model, "refractory", 0.0), np.float64) / activity.dt)
    saturated = seen.fired > SATURATED * activity.steps / np.maximum(refractory, 1)
    membrane = threshold = None
    if (dead & reached).any() and isinstance(model, IF | Threshold):  # linear below the threshold
        limit, rest = (
            np.broadcast_to(np.asarray(getattr(model, key, 0.0), np.float64), seen.size)
            for key in ("v_threshold", "v_leak")
        )
        share = (seen.highest[dead & reached] - rest[dead & reached]) / (limit - rest)[dead & reached]
        membrane = float(share.max()), float(np.median(share))
        threshold = float(limit[dead & reached][np.argmax(share)])
    return PopulationHealth(
        where=where,
        size=seen.size,
        spiking=seen.spiking,
        rate_hz=float(seen.spikes.mean() / duration),
        fastest_hz=float(seen.spikes.max() / duration),
        dead=int(dead.sum()),
        out_of_reach=int((dead & ~reached).sum()),
        saturated=int(saturated.sum()),
        driven=bool(reached.any()),
        largest_drive=float(seen.drive_high[dead if dead.any() else ...].max()),
        membrane=membrane,
        threshold=threshold,
        bad_steps=seen.bad_steps,
    )


def _output(spec: Output, j: int, command: np.ndarray) -> OutputHealth:
    """``command`` : (ticks,) of the ticks that were not safe."""
    choice = isinstance(spec.decoder, ArgmaxDecoder)
    low, high = (float(np.broadcast_to(np.asarray(side, np.float64), spec.size)[j]) for side in spec.limits)
    there = len(command) > 0
    return OutputHealth(
        where=f"outputs.{spec.name}" + (f"[{j}]" if spec.size > 1 else ""),
        at_low=float(np.mean(command <= low)) if there and not choice else 0.0,
        at_high=float(np.mean(command >= high)) if there and not choice else 0.0,
        low=low,
        high=high,
        unit=spec.unit,
        span=(float(command.min()), float(command.max())) if there else (math.nan, math.nan),
    )
