"""Find problems of inputs in the samples of a run, and problems of outputs in its commands.

Problems of inputs are samples that were clamped or rejected. Problems of outputs are commands that are stuck, have only
one sign, oscillate, or are at a limit or slew limit most of the time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..coding import ArgmaxDecoder, Output, ValueInput
from ..findings import Finding, warning
from .stimulus import Stimulus

__all__ = [
    "InputHealth", "InputStatistics", "OutputHealth", "at_limits", "certain_findings", "findings", "input_findings",
    "input_health", "output_findings", "output_health",
]  # fmt: skip

BEYOND = 0.50  # share of the ticks in which an input is beyond its range
AT_LIMIT, SLEWED = 0.80, 0.50  # share of the ticks; a fast controller may be at a limit for half of them
ONLY, OTHER = 0.95, 0.05  # share of the ticks at one limit, at the other: full speed may be intended, but not always
NEAR = 0.01  # fraction of the distance of its limits: a squashed command closer than this counts as at its limit
SWING_SHARE = 0.25  # fraction of the distance of its limits: a larger change between two turning points is a swing
SWINGS_HZ, A_TICK, MIN_SWINGS = 5.0, 1 / 8, 3.0  # limits of "many" swings: in a second, in a tick, and in total
SOME, ENOUGH = 200, 1_000  # ticks without a sign after which it is reported, and after which there is a warning


@dataclass(frozen=True)
class InputHealth:
    """Statistics of rejected and clamped samples of one value input.

    ticks : number of ticks in which a sample arrived
    rejected : number of samples that the engine rejected as not plausible
    worst : name of the input's element that was most often beyond ``range``
    clamped : fraction of the ticks in which the element ``worst`` was finite and beyond ``range``
    low, high : range of the element ``worst``; infinite if there is none
    span : smallest and largest finite value of the element ``worst``
    """

    where: str
    ticks: int
    rejected: int
    clamped: float
    worst: str
    low: float
    high: float
    unit: str
    span: tuple[float, float]


class InputStatistics:
    """Accumulates statistics over the samples of a value input.

    samples, rejected : number of all samples, and number of samples that the engine rejected as not plausible
    beyond : (size,) int64, number of samples in which each element was finite and beyond the range. Elements that are
        not finite are not clamped: the rule ``not_finite`` replaces them or rejects the sample
    lowest, highest : (size,) float64, smallest and largest finite value of each element; NaN if there was none
    """

    def __init__(self, spec: ValueInput) -> None:
        self.spec, self.samples, self.rejected = spec, 0, 0
        self.low, self.high = (np.broadcast_to(np.asarray(side, np.float64), spec.size) for side in spec.range)
        self.beyond = np.zeros(spec.size, np.int64)
        self.lowest, self.highest = np.full(spec.size, np.nan), np.full(spec.size, np.nan)

    def add(self, rows: np.ndarray) -> None:
        """Update the statistics with further samples ``rows``, (k, size)."""
        if not len(rows):
            return
        self.samples += len(rows)
        known = rows if np.isfinite(rows).all() else np.where(np.isfinite(rows), rows, np.nan)
        with np.errstate(invalid="ignore"):
            self.beyond += ((known < self.low) | (known > self.high)).sum(axis=0)
        self.lowest = np.fmin(self.lowest, np.fmin.reduce(known))
        self.highest = np.fmax(self.highest, np.fmax.reduce(known))

    def health(self) -> InputHealth | None:
        """Return the `InputHealth` of all samples that were added; None if there were none."""
        if not self.samples:
            return None
        spec, j = self.spec, int(np.argmax(self.beyond))
        where = f"inputs.{spec.name}"
        return InputHealth(
            where, ticks=self.samples, rejected=self.rejected, clamped=float(self.beyond[j] / self.samples),
            worst=where + (f"[{j}]" if spec.size > 1 else ""), low=float(self.low[j]), high=float(self.high[j]),
            unit=spec.unit, span=(float(self.lowest[j]), float(self.highest[j])),
        )  # fmt: skip


def input_health(spec: ValueInput, stimulus: Stimulus, counters: Mapping[str, int]) -> InputHealth | None:
    """Return the `InputHealth` of an input; None if no sample arrived.

    counters : the input's entry in `Controller.counters`
    """
    logged = stimulus.log.inputs.get(spec.name)
    if logged is None:
        return None
    rows = logged["values"][logged["fresh"] != 0]
    arrived = ~np.isnan(rows).all(axis=1)  # in files of arrays and bags, a row of NaN means that nothing arrived
    found = InputStatistics(spec)
    found.add(rows[arrived])
    found.rejected = max(0, counters["rejected"] - int((~arrived).sum()))
    return found.health()


def input_findings(i: InputHealth) -> Iterator[Finding]:
    """Yield findings on an input whose samples were clamped or rejected."""
    if i.rejected:
        text = f"{i.rejected:,} of {i.ticks:,} samples were rejected, not finite or not `plausible`"
        yield warning(i.where, text, "widen `plausible`, or correct the unit or the sensor")
    if i.clamped > BEYOND:
        unit = f" {i.unit}" if i.unit else ""
        text = f"beyond its range [{i.low:g}, {i.high:g}]{unit} in {i.clamped:.0%} of {i.ticks:,} ticks "
        text += f"(from {i.span[0]:.4g} to {i.span[1]:.4g})"
        yield warning(i.worst, text, "widen `range`, or correct the unit")


@dataclass(frozen=True)
class OutputHealth:
    """Statistics of one element of an output's command. Ticks with the safe command are excluded.

    ticks : number of ticks whose command was not the safe command
    squash : whether tanh maps the element into its limits
    at_low, at_high : fraction of the ticks in which the element is at the lower or upper limit; with ``squash``, within
        a hundredth of the limits' distance from it
    slewed : fraction of the ticks in which the element changed by as much as its slew limit allows
    seconds : duration of the ticks [s]
    swings_hz : swings per second. A swing is a movement in one direction and back, each by more than a quarter of the
        limits' distance, in any number of ticks. The value is 0 unless both limits are finite
    swing : median distance of the swings' movements in one direction
    changes_hz, sign_changes_hz : changes of the value per second, and changes of its sign per second; 0 has no sign
    low, high, unit : limits and unit of the element; a missing limit is infinite
    rest : the command while all sources of its decoder are silent
    span : smallest and largest command
    possible : smallest and largest value that the weights allow, before the limits and after ``squash``; if unknown, it
        is infinite or a limit
    """

    where: str
    ticks: int
    squash: bool
    at_low: float
    at_high: float
    slewed: float
    seconds: float
    swings_hz: float
    swing: float
    changes_hz: float
    sign_changes_hz: float
    low: float
    high: float
    unit: str
    rest: float
    span: tuple[float, float]
    possible: tuple[float, float]

    @property
    def moved(self) -> bool:
        return self.span[0] != self.span[1]

    @property
    def stuck(self) -> float:
        """Fraction of the ticks in which the element is at a limit other than its value at rest."""
        return self.at_low * (self.low != self.rest) + self.at_high * (self.high != self.rest)

    @property
    def signed(self) -> bool:
        """Whether the limits are finite and allow values of both signs."""
        return self.low < 0 < self.high and math.isfinite(self.high - self.low)

    @property
    def one_sided(self) -> str:
        """Warn of an output whose weights permit only one sign, although its limits permit both.

        The value is ">= 0" or "<= 0", the sign of all possible commands; "" if both signs are possible.
        """
        if not self.signed or self.possible[0] == self.possible[1]:
            return ""
        return ">= 0" if self.possible[0] >= 0 else "<= 0" if self.possible[1] <= 0 else ""

    @property
    def never(self) -> str:
        """The sign that the element never had although it changed: "negative" or "positive"; otherwise "".

        The value is also "" after few ticks, and if the limits exclude one of the signs.
        """
        if not self.signed or self.ticks < SOME or not self.moved:
            return ""
        return "negative" if self.span[0] >= 0 else "positive" if self.span[1] <= 0 else ""


def output_health(
    spec: Output, j: int, command: np.ndarray, live: np.ndarray, period: float, possible: Sequence[float]
) -> OutputHealth:
    """Return the `OutputHealth` of the element with index j of an output.

    command : (ticks,) float64, the element's values
    live : (ticks,) bool, true in ticks whose command was not the safe command
    period : period of a tick [s]
    possible : see `OutputHealth`
    """
    given = (*spec.limits, spec.slew, spec.squashed(spec.bias) if spec.squash else spec.bias)
    low, high, slew, bias = (float(np.broadcast_to(np.asarray(side, np.float64), spec.size)[j]) for side in given)
    commanded, ticks = command[live], int(live.sum())
    change = np.diff(command)[live[1:] & live[:-1]]
    near = NEAR * (high - low) if spec.squash else 0.0
    judged = ticks > 0 and not isinstance(spec.decoder, ArgmaxDecoder)

    def share(hits: np.ndarray) -> float:
        return float(hits.sum() / ticks) if judged else 0.0

    def a_second(times: int) -> float:
        return times / (ticks * period) if ticks else 0.0

    ways = _ways(commanded, SWING_SHARE * (high - low)) if judged and math.isfinite(high - low) else np.zeros(0)
    return OutputHealth(
        where=f"outputs.{spec.name}" + (f"[{j}]" if spec.size > 1 else ""), ticks=ticks, squash=spec.squash,
        at_low=share(commanded <= low + near), at_high=share(commanded >= high - near),
        slewed=share(np.abs(change) >= slew * period * (1 - 1e-9)), seconds=ticks * period,
        swings_hz=a_second(len(ways)) / 2, swing=float(np.median(ways)) if len(ways) else 0.0,
        changes_hz=a_second(int(np.count_nonzero(change))), sign_changes_hz=a_second(_sign_changes(command, live)),
        low=low, high=high, unit=spec.unit, rest=min(max(bias, low), high),
        span=(float(commanded.min()), float(commanded.max())) if ticks else (math.nan, math.nan),
        possible=(possible[0], possible[1]),
    )  # fmt: skip


def _sign_changes(command: np.ndarray, live: np.ndarray) -> int:
    """Return the number of sign changes of a command. Changes across a tick with the safe command do not count."""
    at = np.flatnonzero(live & (command != 0))
    positive, gaps = command[at] > 0, np.cumsum(~live)[at]
    return int(np.count_nonzero(np.diff(positive) & (np.diff(gaps) == 0)))


def _ways(command: np.ndarray, least: float) -> np.ndarray:
    """Return the distances that a command moves between its turning points, where it reverses by more than ``least``.

    command : (ticks,), values of one element
    """
    moved = command[np.r_[True, np.diff(command) != 0]]
    up = np.diff(moved) > 0
    ends = [float(moved[0])]
    for value in moved[np.r_[False, up[1:] != up[:-1], True][: len(moved)]].tolist():
        if len(ends) > 1 and (value > ends[-1]) == (ends[-1] > ends[-2]):
            ends[-1] = value  # further in the same direction
        elif abs(value - ends[-1]) > least:
            ends.append(value)
    return np.abs(np.diff(ends))


def findings(outputs: Iterable[OutputHealth], find: Callable[[OutputHealth], Iterator[Finding]]) -> list[Finding]:
    """Return the findings on all outputs.

    find : `certain_findings` or `output_findings`

    A finding that applies to several elements of one output is reported once.
    """
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for o in outputs:
        for finding in find(o):
            found.setdefault((o.where.partition("[")[0], finding.text, finding.fix), []).append(finding)
    return [
        those[0] if len(those) == 1 else warning(output, f"{len(those)} of its numbers: {text}", fix)
        for (output, text, fix), those in found.items()
    ]


def certain_findings(o: OutputHealth) -> Iterator[Finding]:
    """Yield the findings on an output that follow from the weights, and are therefore independent of the stimulus."""
    if o.possible[0] == o.possible[1]:
        text = f"can only be {min(max(o.possible[0], o.low), o.high):.4g}{_unit(o)}: no decoded signal can fire "
        yield warning(o.where, f"{text}or move, or its weights are 0", "correct the signals, or give it weights")
    if o.one_sided:
        sign = "negative" if o.one_sided == ">= 0" else "positive"
        text = f"can only be {o.one_sided}, though its limits are {_limits(o)}: nothing adds a {sign} part"
        yield warning(o.where, text, f"give some decoded signals {sign} weights, or set such limits")


def at_limits(o: OutputHealth) -> Iterator[Finding]:
    """Yield a finding on an output whose command was at a limit for most of the time."""
    both = min(o.at_low, o.at_high) > OTHER
    if o.stuck > AT_LIMIT if both else o.stuck >= ONLY:
        where = "its limits" if both else f"its limit of {o.low if o.at_low else o.high:.4g}{_unit(o)}"
        text = f"{'next to' if o.squash else 'at'} {where} {_hits(o)}"
        yield warning(o.where, text, "wider limits or smaller decoder weights")


def output_findings(o: OutputHealth) -> Iterator[Finding]:
    """Yield the findings on an output that were observed with a stimulus."""
    yield from at_limits(o)
    if o.slewed > SLEWED:
        text = f"as fast as its slew limit allows in {round(o.slewed * o.ticks):,} of {o.ticks:,} ticks, so it lags "
        yield warning(o.where, text + "behind the network's output", "a larger slew, or a longer tau of its decoder")
    swings = o.swings_hz * o.seconds
    if swings >= MIN_SWINGS and swings > min(SWINGS_HZ * o.seconds, A_TICK * o.ticks):
        text = f"chatters: {o.swings_hz:.3g} swings a second, each way by {o.swing:.3g}{_unit(o)} in the median, "
        text += f"and at a limit of {_limits(o)} {_hits(o)}"
        fix = "if the task does not need that: a slew limit, a longer tau of its decoder, smaller decoder weights, or "
        yield warning(o.where, text, f"{fix}more neurons")
    possible, limit = (o.possible[0], o.low) if o.never == "negative" else (o.possible[1], o.high)
    bounded = possible != limit if o.squash else math.isfinite(possible)  # by the weights: see `certain_findings`
    if o.never and o.ticks >= ENOUGH and not bounded:
        other = ">= 0" if o.never == "negative" else "<= 0"
        text = f"was never {o.never} in {o.ticks:,} ticks, though its limits are {_limits(o)}"
        fix = f"find out why no part is {o.never}, or set its limits to {other}"
        yield warning(o.where, text, fix)


def _unit(o: OutputHealth) -> str:
    return f" {o.unit}" if o.unit else ""


def _hits(o: OutputHealth) -> str:
    return f"in {round((o.at_low + o.at_high) * o.ticks):,} of {o.ticks:,} ticks"


def _limits(o: OutputHealth) -> str:
    return f"[{o.low:g}, {o.high:g}]{_unit(o)}"
