"""Random inputs for ticks of a Program: samples within their range, special numbers, missing samples, and events."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..engine.bound import Bound
from ..engine.kernels.input_checks import check_sample
from ..engine.program import Place
from ..engine.slots import AGE, COUNT, FRESH, clear_marks, count_age
from .exported import Exported, Input

__all__ = ["ExampleTicks", "Given"]

MOST_EVENTS = 24  # in a tick
SPECIAL = {5: 1e-40, 11: np.nan, 15: 1e-21, 20: -np.inf, 22: 3e38}  # tick -> first number of a sample
MISSING = (0, 7, 13)  # ticks without a sample, by tick % 16 of the first input
WIDEST = 3.0  # numbers without a range are within this


@dataclass
class Given:
    """The samples or events that an input received in the ticks.

    fresh : for each tick, 1 if the input received a sample or events, otherwise 0
    numbers : for each tick, the sample of a value input
    events : for each tick, the columns t, x, y and p of an events input
    """

    fresh: list[int] = field(default_factory=list)
    numbers: list[np.ndarray] = field(default_factory=list)
    events: list[tuple[np.ndarray, ...]] = field(default_factory=list)


class ExampleTicks:
    """Writes random inputs to the memory of a Program, ``bound``, which it creates.

    given : for each input, the samples or events that the input has received
    plain : whether to avoid numbers that are not finite, and missing samples
    most_events : maximum number of events in a tick
    """

    def __init__(self, e: Exported, plain: bool = False, most_events: int = MOST_EVENTS) -> None:
        self.bound, self.given, self._e = Bound(e.program), [Given() for _ in e.inputs], e
        self._rng, self._plain, self._most = np.random.default_rng(0), plain, most_events
        for one in e.inputs:
            self._slot(one)[AGE] = -1

    def _slot(self, one: Input) -> np.ndarray:
        return self.bound.array(f"{one.facts.name}.slot")

    def give(self, t: int) -> None:
        """Write the inputs of tick ``t``, counted from 0. The caller runs this tick before the next call."""
        for k, one in enumerate(self._e.inputs):
            missing = not self._plain and (t + 3 * k) % 16 in MISSING
            slot, given = self._slot(one), self.given[k]
            clear_marks(slot)
            given.fresh.append(int(not missing))
            if one.facts.kind == "value":
                self._sample(one, given, t, missing)
                slot[FRESH] = not missing
            else:
                slot[FRESH] = slot[COUNT] = self._events(one, given, t, missing)
            count_age(slot, self._e.program.facts.period_ns, 0)

    def _sample(self, one: Input, given: Given, t: int, missing: bool) -> None:
        low, high = self._range(one.facts.name)
        x = (low + (high - low) * self._rng.beta(0.7, 0.7, one.facts.size)).astype(np.float32)
        if t in SPECIAL and not self._plain:
            x[0] = SPECIAL[t]
        given.numbers.append(x)
        if not missing:
            self.bound.array(f"{one.facts.name}.data").reshape(-1)[:] = x

    def _events(self, one: Input, given: Given, t: int, missing: bool) -> int:
        (width, height), rng, period = one.facts.size, self._rng, self._e.program.facts.period_ns
        n = 0 if missing else int(rng.integers(1, min(self._most, one.facts.capacity) + 1))
        times = np.sort(rng.integers(0, period, n)) + t * period
        columns = times, rng.integers(0, width + 1, n), rng.integers(0, height + 1, n), rng.integers(0, 2, n)
        given.events.append(columns)
        for key, column in zip(("t", "x", "y", "p"), columns, strict=True):
            self.bound.array(f"{one.facts.name}.{key}")[:n] = column
        return n

    def _range(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the low and high limits of a value input's numbers, narrowed to [-WIDEST, WIDEST]."""
        at = check_sample.words.index("limits"), check_sample.words.index("slot")
        program = self._e.program
        slot = program.names[f"{name}.slot"]
        row = next(
            o.operands for o in program.operations if o.kernel == check_sample.name and o.operands[at[1]] == slot
        )
        limits = row[at[0]]
        assert isinstance(limits, Place)
        low, high = limits.view(program.constants)[:2].astype(np.float64)
        return np.maximum(low, -WIDEST), np.minimum(np.maximum(high, low + 1e-3), WIDEST)
